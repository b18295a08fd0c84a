package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"annals.dev/sink"
)

// TestRetries answers in turn, the last answer for ever.
func TestRetries(t *testing.T) {
	type answer struct {
		status int
		after  string
	}
	tests := []struct {
		name     string
		answers  []answer
		events   int
		requests int
		status   int // in the error; 0: there is none
		refused  bool
	}{
		{name: "200", answers: []answer{{status: 200}}, requests: 1},
		{name: "206", answers: []answer{{status: 206}}, requests: 1},
		{name: "207 is a failure", answers: []answer{{status: 207}}, requests: 5, status: 207},
		{name: "500 then 200", answers: []answer{{status: 500}, {status: 200}}, requests: 2},
		{name: "500 for ever", answers: []answer{{status: 500}}, requests: 5, status: 500},
		{name: "401 then 200", answers: []answer{{status: 401}, {status: 403}, {status: 404}, {status: 200}}, requests: 4},
		{name: "404 for ever", answers: []answer{{status: 404}}, requests: 5, status: 404},
		{name: "400 to one event", answers: []answer{{status: 400}}, requests: 5, status: 400, refused: true},
		{name: "400 then 200", answers: []answer{{status: 400}, {status: 200}}, requests: 2},
		{name: "400 to everything", answers: []answer{{status: 400}}, events: 2, requests: 15, status: 400, refused: true},
		{name: "413 for two, 200 for one", answers: []answer{{status: 413}, {status: 200}}, events: 2, requests: 3},
		{name: "a redirect is not followed", answers: []answer{{status: 302}, {status: 307}, {status: 200}}, requests: 3},
		{name: "429 and Retry-After do not count as attempts", answers: []answer{{429, "0"}, {429, "1"}, {500, ""}, {200, ""}}, requests: 4},
		{name: "Retry-After for ever", answers: []answer{{429, "1"}}, requests: 5 * 11, status: 429},
		{name: "Retry-After beyond a minute", answers: []answer{{503, "86400"}, {200, ""}}, requests: 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				w := fake(t, Config{InitialBackoff: 10 * time.Second}, func(*http.Request) (*http.Response, error) {
					a := tt.answers[min(n, len(tt.answers)-1)]
					n++
					return response(a.status, a.after, ""), nil
				})
				var list [][]byte
				for i := range max(tt.events, 1) {
					list = append(list, event(fmt.Sprint(i)))
				}
				err := w.Send(t.Context(), list...)
				if n != tt.requests {
					t.Errorf("%d requests, want %d", n, tt.requests)
				}
				if tt.status == 0 && err != nil || tt.status != 0 && (err == nil || !strings.Contains(err.Error(), fmt.Sprint(tt.status))) {
					t.Errorf("error %v, want one of status %d", err, tt.status)
				}
				if _, ok := errors.AsType[*sink.RefusedError](err); ok != tt.refused {
					t.Errorf("error %v, refused: %v", err, ok)
				}
			})
		})
	}
}

// TestBackoff measures the pauses between attempts.
func TestBackoff(t *testing.T) {
	pauses := func(t *testing.T, cfg Config, after string) (list []time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			last := time.Now()
			w := fake(t, cfg, func(*http.Request) (*http.Response, error) {
				list = append(list, time.Since(last))
				last = time.Now()
				return response(503, after, ""), nil
			})
			if w.Send(t.Context(), event("1")) == nil {
				t.Error("no error")
			}
		})
		return list
	}
	want := []time.Duration{0, 10 * time.Second, 15 * time.Second, 22500 * time.Millisecond, 33750 * time.Millisecond}
	got := pauses(t, Config{}, "")
	if len(got) != len(want) {
		t.Fatalf("pauses %v, want about %v", got, want)
	}
	for i := range want {
		if got[i] < want[i] || got[i] > want[i]+want[i]/5 {
			t.Errorf("pause %d is %v, want %v and up to a fifth more", i, got[i], want[i])
		}
	}
	if got := pauses(t, Config{Attempts: 2, InitialBackoff: time.Millisecond}, "7200"); len(got) != 22 || got[1] != time.Minute {
		t.Errorf("Retry-After of two hours: pauses %v, want a minute each", got)
	}
	if got := pauses(t, Config{Attempts: 1}, "1"); len(got) != 1 {
		t.Errorf("one attempt: %d requests", len(got))
	}
}

// TestPoisoned has a receiver that refuses whatever holds certain events.
func TestPoisoned(t *testing.T) {
	tests := []struct {
		name          string
		attempts      int
		n             int
		poisoned      []int
		lost          int
		whole         bool // the batch is refused as it is
		atMostRequest int
	}{
		{name: "one of 400", n: 400, poisoned: []int{123}, lost: 1, atMostRequest: 20},
		{name: "three of 400", n: 400, poisoned: []int{0, 200, 399}, lost: 3, atMostRequest: 60},
		{name: "first of two", n: 2, poisoned: []int{0}, lost: 1, atMostRequest: 3},
		{name: "a spool looks for itself", attempts: 1, n: 400, poisoned: []int{7}, whole: true, atMostRequest: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				requests := 0
				taken := map[string]int{}
				w := fake(t, Config{Attempts: tt.attempts}, func(r *http.Request) (*http.Response, error) {
					requests++
					text := bodyOf(t, r)
					for _, p := range tt.poisoned {
						if strings.Contains(text, id(p)) {
							return response(400, "", "no"), nil
						}
					}
					for i := range tt.n {
						if strings.Contains(text, id(i)) {
							taken[id(i)]++
						}
					}
					return response(200, "", ""), nil
				})
				var list [][]byte
				for i := range tt.n {
					list = append(list, event(fmt.Sprintf("%04d", i)))
				}
				err := w.Send(t.Context(), list...)
				var refused *sink.RefusedError
				if !errors.As(err, &refused) || refused.Reason != "400 Bad Request: no" {
					t.Errorf("error %v", err)
				}
				partial, ok := errors.AsType[*sink.PartialError](err)
				if ok == tt.whole || ok && partial.Lost != tt.lost {
					t.Errorf("error %#v, want %d lost", err, tt.lost)
				}
				if requests > tt.atMostRequest {
					t.Errorf("%d requests, want at most %d", requests, tt.atMostRequest)
				}
				for i := range tt.n {
					want := 1
					for _, p := range tt.poisoned {
						if p == i {
							want = 0
						}
					}
					if !tt.whole && taken[id(i)] != want {
						t.Errorf("event %d was taken %d times, want %d", i, taken[id(i)], want)
					}
				}
			})
		})
	}
}

func id(i int) string { return fmt.Sprintf(`"%04d"`, i) }

// TestPoisonedAlone sends what is no JSON: it costs no request, and takes no other event with it.
func TestPoisonedAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		w := fake(t, Config{}, func(r *http.Request) (*http.Response, error) {
			got = append(got, bodyOf(t, r))
			return response(200, "", ""), nil
		})
		err := w.Send(t.Context(), event("1"), []byte(`{"a":1},{"b":2}`), event("3"))
		partial, ok := errors.AsType[*sink.PartialError](err)
		if !ok || partial.Lost != 1 {
			t.Errorf("error %v", err)
		}
		all := strings.Join(got, "")
		if strings.Contains(all, `"b"`) || !strings.Contains(all, `"auditID":"1"`) || !strings.Contains(all, `"auditID":"3"`) {
			t.Errorf("sent %q", got)
		}
		got = nil
		err = w.Send(t.Context(), []byte("x"))
		if _, ok := errors.AsType[*sink.RefusedError](err); !ok || len(got) > 0 {
			t.Errorf("alone: %v, %d requests", err, len(got))
		}
	})
}

// TestMixed has a receiver that fails on the way: what was taken is not sent again, what was refused is not tried again.
func TestMixed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := true
		seen := map[string]int{}
		w := fake(t, Config{}, func(r *http.Request) (*http.Response, error) {
			text := bodyOf(t, r)
			count := strings.Count(text, "auditID")
			for _, id := range []string{"1", "2", "3", "4"} {
				if count == 1 && strings.Contains(text, `"auditID":"`+id+`"`) {
					seen[id]++
				}
			}
			switch {
			case count > 1:
				return response(413, "", ""), nil
			case strings.Contains(text, `"auditID":"2"`):
				return response(422, "", ""), nil
			case strings.Contains(text, `"auditID":"3"`) && down:
				down = false
				return nil, errors.New("connection reset")
			}
			return response(200, "", ""), nil
		})
		err := w.Send(t.Context(), events("1", "2", "3", "4")...)
		partial, ok := errors.AsType[*sink.PartialError](err)
		if !ok || partial.Lost != 1 {
			t.Errorf("error %v", err)
		}
		if diff := cmp.Diff(map[string]int{"1": 1, "2": 1, "3": 2, "4": 1}, seen); diff != "" {
			t.Error(diff)
		}
	})
}

// TestOnce has a receiver that asks to be left alone. Whoever tries again is held back, a minute at most, until then.
func TestOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		begun := time.Now()
		w := fake(t, Config{Attempts: 1}, func(*http.Request) (*http.Response, error) {
			at = append(at, time.Since(begun))
			if len(at) < 3 {
				return response(503, []string{"30", "600"}[len(at)-1], ""), nil
			}
			return response(200, "", ""), nil
		})
		for w.Send(t.Context(), event("1")) != nil {
		}
		if diff := cmp.Diff([]time.Duration{0, 30 * time.Second, 90 * time.Second}, at); diff != "" {
			t.Error(diff)
		}
	})
}

func TestCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := 0
		w := fake(t, Config{}, func(*http.Request) (*http.Response, error) {
			requests++
			return response(500, "", ""), nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		if err := w.Send(ctx, event("1")); err == nil || requests != 2 {
			t.Errorf("error %v after %d requests", err, requests)
		}
	})
}
