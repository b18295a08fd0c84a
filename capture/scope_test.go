package capture_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"annals.dev/audit"
	"annals.dev/capture"

	"github.com/google/go-cmp/cmp"
)

// authenticate is an Authenticator that is a function.
type authenticate func(*http.Request) (*audit.UserInfo, error)

func (f authenticate) Authenticate(r *http.Request) (*audit.UserInfo, error) { return f(r) }

func TestAnnotate(t *testing.T) {
	var kept context.Context
	h, m := audited(t, func(w http.ResponseWriter, r *http.Request) {
		capture.Annotate(r.Context(), "first", "wins")
		capture.Annotate(r.Context(), "first", "loses")
		capture.Annotate(r.Context(), "first", "wins")
		w.WriteHeader(200)
		capture.Annotate(r.Context(), "after the header", "yes")
		kept = r.Context()
	}, func(c *capture.Config) {
		c.Authenticate = authenticate(func(r *http.Request) (*audit.UserInfo, error) {
			capture.Annotate(r.Context(), "login", "yes")
			return jane, nil
		})
		c.SourceIPs = func(r *http.Request) []string {
			capture.Annotate(r.Context(), "source", "yes")
			return nil
		}
	})
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", longPath, nil))
	capture.Annotate(kept, "late", "lost")
	capture.SetImpersonatedUser(kept, jane, "")
	capture.Annotate(t.Context(), "outside", "lost")
	capture.SetImpersonatedUser(t.Context(), jane, "")

	want := []map[string]string{
		{"login": "yes", "source": "yes"},
		{"login": "yes", "source": "yes", "first": "wins"},
		{"login": "yes", "source": "yes", "first": "wins", "after the header": "yes"},
	}
	for i, e := range m.events() {
		if diff := cmp.Diff(want[i], e.Annotations); diff != "" {
			t.Errorf("%s: %s", e.Stage, diff)
		}
	}
}

func TestImpersonatedUser(t *testing.T) {
	joe := &audit.UserInfo{Username: "joe", Groups: []string{"g"}}
	h, m := audited(t, func(w http.ResponseWriter, r *http.Request) {
		capture.SetImpersonatedUser(r.Context(), joe, "impersonate:user-info")
		capture.SetImpersonatedUser(r.Context(), joe, "")
	}, nil)
	get(h)
	if first := m.events()[0]; first.ImpersonatedUser != nil {
		t.Errorf("RequestReceived: %+v", first)
	}
	e := last(t, m)
	if diff := cmp.Diff(joe, e.ImpersonatedUser); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(&audit.AuthenticationMetadata{ImpersonationConstraint: "impersonate:user-info"}, e.AuthenticationMetadata); diff != "" {
		t.Error(diff)
	}
	if e.User.Username != "jane" {
		t.Errorf("user %s", e.User.Username)
	}
}

func TestContextUser(t *testing.T) {
	for _, u := range []*audit.UserInfo{nil, jane} {
		h, m := audited(t, nil2, func(c *capture.Config) { c.Authenticate = nil })
		r := httptest.NewRequest("GET", "/", nil)
		want := audit.UserInfo{}
		if u != nil {
			r = r.WithContext(capture.WithUser(r.Context(), u))
			want = *u
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
		if diff := cmp.Diff(want, last(t, m).User); diff != "" {
			t.Error(diff)
		}
	}
}

func TestLongUserAgent(t *testing.T) {
	for n, want := range map[int]string{1024: strings.Repeat("x", 1024), 1025: strings.Repeat("x", 1024) + "...TRUNCATED"} {
		h, m := audited(t, nil2, nil)
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("User-Agent", strings.Repeat("x", n))
		h.ServeHTTP(httptest.NewRecorder(), r)
		if got := last(t, m).UserAgent; got != want {
			t.Errorf("%d bytes become %d", n, len(got))
		}
	}
}

func TestNew(t *testing.T) {
	for _, c := range []struct {
		next http.Handler
		cfg  capture.Config
		want string
	}{
		{nil, capture.Config{}, "no handler"},
		{http.HandlerFunc(nil2), capture.Config{Sink: &memory{}}, "Config.Policy"},
		{http.HandlerFunc(nil2), capture.Config{Policy: level("None")}, "Config.Sink"},
		{http.HandlerFunc(nil2), capture.Config{Policy: level("None"), Sink: &memory{}, MaxBody: -1}, "MaxBody is -1"},
		{http.HandlerFunc(nil2), capture.Config{Policy: level("Some"), Sink: &memory{}}, `"Some"`},
	} {
		if _, err := capture.New(c.next, c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}
