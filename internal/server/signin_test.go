package server

import (
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"annals.dev/internal/access"
)

// signIn opens a session with the token of a role.
func (s *site) signIn(role string) *http.Cookie {
	s.t.Helper()
	w := s.do(request("POST", sessionPath, `{"token":"`+s.tokens[role]+`"}`))
	cookies := w.Result().Cookies()
	if w.Code != 200 || len(cookies) != 1 {
		s.t.Fatalf("signing in as %s: %d %s, %d cookies", role, w.Code, w.Body, len(cookies))
	}
	return &http.Cookie{Name: cookies[0].Name, Value: cookies[0].Value}
}

func (s *site) me(cookie string) int {
	return s.do(request("GET", api+"me", "", "Cookie", cookie)).Code
}

func TestSession(t *testing.T) {
	s := newSite(t)
	w := s.do(request("POST", sessionPath, `{"token":"`+s.tokens["reader"]+`"}`))
	if w.Code != 200 || strings.Contains(w.Body.String(), access.TokenPrefix) {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	got := w.Result().Cookies()[0]
	if got.Name != "annals" || !got.HttpOnly || got.SameSite != http.SameSiteStrictMode || got.Path != "/" || got.Domain != "" || got.Secure || got.MaxAge != int(sessionLife.Seconds()) {
		t.Errorf("cookie %+v", got)
	}
	if len(got.Value) < 43 || strings.Contains(got.Value, access.TokenPrefix) {
		t.Errorf("session id %q", got.Value)
	}
	for key := range s.core.guard.sessions.by {
		if key != sha256.Sum256([]byte(got.Value)) {
			t.Error("the id is not kept hashed")
		}
	}
	cookie := "annals=" + got.Value
	if s.me(cookie) != 200 {
		t.Error("the session does not hold")
	}
	// Another sign-in in the same browser is another session, and ends the first.
	again := s.do(request("POST", sessionPath, `{"token":"`+s.tokens["reader"]+`"}`, "Cookie", cookie)).Result().Cookies()[0]
	if again.Value == got.Value || s.me(cookie) != 401 || s.me("annals="+again.Value) != 200 {
		t.Error("a session from before the sign-in goes on")
	}
	cookie = "annals=" + again.Value
	out := s.do(request("DELETE", sessionPath, "", "Cookie", cookie))
	if c := out.Result().Cookies(); out.Code != 200 || len(c) != 1 || c[0].MaxAge >= 0 {
		t.Errorf("signing out: %d %v", out.Code, c)
	}
	if s.me(cookie) != 401 {
		t.Error("the session goes on after the sign-out")
	}
}

func TestSessionOverTLS(t *testing.T) {
	s := newSite(t)
	srv := httptest.NewTLSServer(s.core.overHTTP(false, s.core.pages()))
	defer srv.Close()
	resp, err := srv.Client().Post(srv.URL+sessionPath, "application/json", strings.NewReader(`{"token":"`+s.tokens["reader"]+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	c := resp.Cookies()
	if len(c) != 1 || c[0].Name != "__Host-annals" || !c[0].Secure || !c[0].HttpOnly || c[0].Path != "/" || c[0].Domain != "" || c[0].SameSite != http.SameSiteStrictMode {
		t.Errorf("cookies %+v", c)
	}
}

func TestSessionEndsWithItsToken(t *testing.T) {
	s := newSite(t)
	keys, _ := s.core.keys()
	cookie := s.signIn("reader").String()
	who, _, err := keys.Caller(s.tokens["reader"])
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Revoke(who.TokenID); err != nil {
		t.Fatal(err)
	}
	if got := s.me(cookie); got != 401 {
		t.Errorf("after the token was revoked: %d", got)
	}
	if n := len(s.core.guard.sessions.by); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}

func TestWhatOpensNoSession(t *testing.T) {
	s := newSite(t)
	good := `{"token":"` + s.tokens["reader"] + `"}`
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		want                     int
	}{
		{"wrong token", "POST", "", `{"token":"annals_wrong"}`, nil, 401},
		{"ingest token", "POST", "", `{"token":"` + s.tokens["ingest"] + `"}`, nil, 403},
		{"no token", "POST", "", `{}`, nil, 400},
		{"no JSON", "POST", "", `token=x`, nil, 400},
		{"too long", "POST", "", `{"token":"` + strings.Repeat("x", maxSignIn) + `"}`, nil, 400},
		{"in the address", "POST", "?token=x", good, nil, 400},
		{"with a header too", "POST", "", good, []string{"Authorization", "Bearer " + s.tokens["admin"]}, 400},
		{"by GET", "GET", "", "", nil, 405},
		{"by PUT", "PUT", "", good, nil, 405},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := s.do(request(c.method, sessionPath+c.path, c.body, c.headers...))
			if w.Code != c.want || len(w.Result().Cookies()) > 0 {
				t.Errorf("%d %s, cookies %v", w.Code, w.Body, w.Result().Cookies())
			}
		})
	}
}

func TestSessionTimes(t *testing.T) {
	var s signins
	begin := time.Now()
	id := s.open(access.Hash{1}, begin)
	for _, c := range []struct {
		after time.Duration
		want  bool
	}{
		{sessionIdle - time.Second, true}, {2*sessionIdle - 2*time.Second, true}, {3*sessionIdle - 2*time.Second, false}, {3*sessionIdle - time.Second, false},
	} {
		if _, ok := s.find(id, begin.Add(c.after)); ok != c.want {
			t.Errorf("after %s: %v", c.after, ok)
		}
	}
	id = s.open(access.Hash{1}, begin)
	for at := time.Duration(0); at < sessionLife; at += time.Hour {
		if _, ok := s.find(id, begin.Add(at)); !ok {
			t.Errorf("in use, after %s: over", at)
		}
	}
	if _, ok := s.find(id, begin.Add(sessionLife)); ok {
		t.Error("a session that is used goes on for ever")
	}
	first := s.open(access.Hash{2}, begin)
	for i := range tokenSession {
		s.open(access.Hash{2}, begin.Add(time.Duration(i+1)*time.Second))
	}
	if _, ok := s.find(first, begin.Add(time.Minute)); ok || len(s.by) > tokenSession {
		t.Errorf("%d sessions of one token, the first among them: %v", len(s.by), ok)
	}
}
