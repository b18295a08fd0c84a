package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"annals.dev/audit"
)

func TestReviewsAreRememberedBriefly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newReviews(nil, nil)
		asked := 0
		ask := func(context.Context, string) (*audit.UserInfo, error) {
			asked++
			time.Sleep(3 * time.Second) // from the question on, not from the answer, the token may have been called back
			return &audit.UserInfo{Username: "jane"}, nil
		}
		for i, step := range []struct {
			after time.Duration
			asked int
		}{{0, 1}, {0, 1}, {6 * time.Second, 1}, {time.Second, 2}, {6999 * time.Millisecond, 2}, {time.Millisecond, 3}} {
			time.Sleep(step.after)
			if u, err := v.user(t.Context(), "token", ask); err != nil || u.Username != "jane" {
				t.Fatal(u, err)
			}
			if asked != step.asked {
				t.Errorf("step %d: asked %d times, want %d", i, asked, step.asked)
			}
		}
	})
}

func TestReviewsForgetFailures(t *testing.T) {
	v := newReviews(nil, nil)
	for _, err := range []error{errNotAccepted, errors.New("down")} {
		asked := 0
		for range 3 {
			_, got := v.user(t.Context(), "token", func(context.Context, string) (*audit.UserInfo, error) { asked++; return nil, err })
			if !errors.Is(got, err) {
				t.Errorf("got %v", got)
			}
		}
		if asked != 3 {
			t.Errorf("asked %d times", asked)
		}
	}
	if _, err := v.user(t.Context(), string(make([]byte, maxTokenLength+1)), nil); !errors.Is(err, errNotAccepted) {
		t.Errorf("a token without end: %v", err)
	}
}

func TestReviewsAreBounded(t *testing.T) {
	v := newReviews(nil, nil)
	for i := range maxRemembered + 100 {
		if _, err := v.user(t.Context(), fmt.Sprint(i), func(context.Context, string) (*audit.UserInfo, error) { return &audit.UserInfo{Username: "u"}, nil }); err != nil {
			t.Fatal(err)
		}
	}
	if len(v.known) != maxRemembered || len(v.order) != maxRemembered {
		t.Errorf("%d and %d are remembered", len(v.known), len(v.order))
	}
	for h := range v.known {
		if string(h[:]) == "1" {
			t.Error("a token is kept")
		}
	}
}

// One question for all who ask the same at once, and no more than maxAsking at all; who goes away takes nothing from the rest.
func TestReviewsAreJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newReviews(nil, nil)
		var mu sync.Mutex
		asked, now, most := 0, 0, 0
		ask := func(ctx context.Context, _ string) (*audit.UserInfo, error) {
			mu.Lock()
			asked++
			now++
			most = max(most, now)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			now--
			mu.Unlock()
			return &audit.UserInfo{Username: "u"}, ctx.Err()
		}
		var all sync.WaitGroup
		left, leave := context.WithCancel(t.Context())
		for token := range 2 * maxAsking {
			for i := range 3 {
				ctx := t.Context()
				if i == 0 {
					ctx = left
				}
				all.Go(func() {
					if _, err := v.user(ctx, fmt.Sprint(token), ask); err != nil && i != 0 {
						t.Error(err)
					}
				})
			}
		}
		time.Sleep(time.Millisecond)
		leave()
		all.Wait()
		if asked != 2*maxAsking || most != maxAsking {
			t.Errorf("asked %d times, %d at once", asked, most)
		}
	})
}

// Where the upstream does not say who calls, nothing goes up.
func TestReviewAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		code   int
	}{
		"403": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "jane-token", 403) }, 503},
		"404": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "jane-token", 404) }, 503},
		"429": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "jane-token", 429) }, 503},
		"500": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "jane-token", 500) }, 503},
		"no JSON": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(201)
			w.Write([]byte("jane-token"))
		}, 503},
		"nobody": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(201)
			w.Write([]byte("{}"))
		}, 503},
		"redirect": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", 307) }, 503},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, Passthrough, nil)
			g.handle(pathSelf, c.answer)
			if res := g.do(t, g.h2, "GET", "/api", nil, asJane); res.StatusCode != c.code || g.last() != nil {
				t.Errorf("code %d, want %d; went up: %v", res.StatusCode, c.code, g.last())
			}
			if e := g.events.stage(t, audit.StageResponseStarted, 0); int(e.ResponseStatus.Code) != c.code {
				t.Errorf("event: %+v", e.ResponseStatus)
			}
		})
	}
}
