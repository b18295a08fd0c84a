package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"annals.dev/internal/access"
)

// site is a server over HTTP with a token of each role.
type site struct {
	t      *testing.T
	core   *core
	h      http.Handler
	tokens map[string]string // by role; "scoped" is a reader's with a scope, "bare" one without a right to bodies
}

func newSite(t *testing.T) *site {
	t.Helper()
	c := newCore(t)
	fill(t, c)
	s := &site{t: t, core: c, h: c.overHTTP(true, c.pages()), tokens: map[string]string{}}
	for name, want := range map[string]access.Token{
		"ingest": {Role: access.Ingest, Cluster: "prod"}, "reader": {Role: access.Reader, Name: "rita", Bodies: true},
		"scoped": {Role: access.Reader, Name: "sam", Scope: "name:s3"}, "bare": {Role: access.Reader, Name: "bob"},
		"auditor": {Role: access.Auditor, Name: "olga", Bodies: true}, "admin": {Role: access.Admin, Name: "ada", Bodies: true},
	} {
		s.tokens[name] = s.token(want)
	}
	return s
}

func (s *site) token(want access.Token) string {
	s.t.Helper()
	keys, err := s.core.keys()
	if err != nil {
		s.t.Fatal(err)
	}
	text, _, err := keys.Create(want)
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// request is one to localhost. The pairs are headers.
func request(method, path, body string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = "localhost:7090"
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func (s *site) do(r *http.Request) (w *httptest.ResponseRecorder) {
	w = httptest.NewRecorder()
	defer func() {
		if thrown := recover(); thrown != nil && thrown != http.ErrAbortHandler {
			panic(thrown)
		}
	}()
	s.h.ServeHTTP(w, r)
	return w
}

// post asks with the token of a role.
func (s *site) post(role, name, question string) *httptest.ResponseRecorder {
	s.t.Helper()
	return s.do(request("POST", api+name, question, "Authorization", "Bearer "+s.tokens[role]))
}

// kindOf is the kind of the error that an answer is.
func kindOf(w *httptest.ResponseRecorder) Kind {
	var line struct {
		Error *Error `json:"error"`
	}
	if json.Unmarshal(w.Body.Bytes(), &line) != nil || line.Error == nil {
		return ""
	}
	return line.Error.Kind
}

// leastRoles is who may ask what. A new route has to be put here: by somebody who thought about it.
var leastRoles = map[string]access.Role{
	"events": "reader", "tail": "reader", "hits": "reader", "facets": "reader", "values": "reader", "fields": "reader", "event": "reader",
	"neighbours": "reader", "overview": "reader", "actors/profile": "reader", "actors/baseline": "reader", "actors/rbac": "reader", "sessions": "reader", "ask": "reader",
	"objects/history": "reader", "objects/diff": "reader", "objects/blame": "reader", "sql": "reader", "proof": "reader", "ledger": "reader",
	"export": "reader", "me": "reader",
	"ledger/checkpoint": "auditor", "ledger/verify": "auditor", "status": "auditor",
	"findings": "reader", "findings/groups": "reader", "findings/finding": "reader", "findings/tail": "reader",
	"rules": "reader", "rules/rule": "reader", "rules/hunt": "reader", "rules/attack": "reader",
	"rules/coverage": "auditor", "silences": "auditor", "silences/create": "auditor", "silences/expire": "auditor", "alerts": "auditor",
	"rules/save": "admin", "rules/remove": "admin", "alerts/test": "admin",
	"tokens/list": "admin", "tokens/create": "admin", "tokens/revoke": "admin", "import": "admin",
}

func TestEachRoleAtEachRoute(t *testing.T) {
	s := newSite(t)
	roles := []access.Role{"", access.Ingest, access.Reader, access.Auditor, access.Admin}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, route := range s.core.all() {
		least, ok := leastRoles[route.name]
		if !ok {
			t.Errorf("%s: who may ask that?", route.name)
			continue
		}
		for _, role := range roles {
			for _, method := range []string{"POST", "GET", "HEAD"} {
				r := request(method, api+route.name, "{}")
				want := 0 // anything but 401 and 403
				switch {
				case role == "":
					want = http.StatusUnauthorized
				case !role.AtLeast(least):
					want = http.StatusForbidden
				}
				if role != "" {
					r.Header.Set("Authorization", "Bearer "+s.tokens[string(role)])
				}
				if want == 0 {
					r = r.WithContext(gone) // the question itself is another test's
				}
				w := s.do(r)
				if (route.changes || method == "HEAD") && method != "POST" && w.Code == http.StatusMethodNotAllowed {
					continue
				}
				if want != 0 && w.Code != want || want == 0 && (w.Code == http.StatusUnauthorized || w.Code == http.StatusForbidden) {
					t.Errorf("%s %s as %q: %d %s", method, route.name, role, w.Code, w.Body)
				}
				if want != 0 && strings.Contains(w.Body.String(), `"end"`) {
					t.Errorf("%s %s as %q: refused and answered: %s", method, route.name, role, w.Body)
				}
			}
		}
	}
}

func TestWhoIsNotLetIn(t *testing.T) {
	s := newSite(t)
	expired := s.token(access.Token{Role: access.Admin, Name: "eve", Expires: time.Now().Add(1100 * time.Millisecond)})
	revoked := s.token(access.Token{Role: access.Admin, Name: "rob"})
	keys, _ := s.core.keys()
	who, _, err := keys.Caller(revoked)
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Revoke(who.TokenID); err != nil {
		t.Fatal(err)
	}
	cookie := s.signIn("admin").String()
	for until := time.Now().Add(3 * time.Second); ; { // for as long as the token still has
		if _, _, err := keys.Caller(expired); err != nil || time.Now().After(until) {
			break
		}
	}
	good := "Bearer " + s.tokens["admin"]
	for _, c := range []struct {
		name    string
		headers []string
		want    int
	}{
		{"nothing", nil, 401},
		{"a token", []string{"Authorization", good}, 200},
		{"another case", []string{"Authorization", "bEaReR  " + s.tokens["admin"]}, 200},
		{"expired", []string{"Authorization", "Bearer " + expired}, 401},
		{"revoked", []string{"Authorization", "Bearer " + revoked}, 401},
		{"unknown", []string{"Authorization", "Bearer " + access.TokenPrefix + strings.Repeat("a", 52)}, 401},
		{"cut", []string{"Authorization", good[:len(good)-1]}, 401},
		{"in capitals", []string{"Authorization", strings.ToUpper(good)}, 401},
		{"empty", []string{"Authorization", "Bearer "}, 401},
		{"no scheme", []string{"Authorization", s.tokens["admin"]}, 401},
		{"Basic", []string{"Authorization", "Basic YWRhOng="}, 401},
		{"two", []string{"Authorization", good, "Authorization", good}, 401},
		{"cookie", []string{"Cookie", cookie}, 200},
		{"cookie and wrong token", []string{"Cookie", cookie, "Authorization", "Bearer x"}, 401},
		{"cookie and Basic", []string{"Cookie", cookie, "Authorization", "Basic YWRhOng="}, 401},
		{"cookie twice", []string{"Cookie", cookie + "; annals=other"}, 401},
		{"another cookie", []string{"Cookie", "annals=guess"}, 401},
		{"the token as a cookie", []string{"Cookie", "annals=" + s.tokens["admin"]}, 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := s.do(request("GET", api+"me", "", c.headers...))
			if w.Code != c.want || c.want == 401 && (kindOf(w) != SignIn || w.Header().Get("WWW-Authenticate") != "Bearer") {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if strings.Contains(w.Body.String(), access.TokenPrefix) && c.want == 401 && len(c.headers) > 0 && strings.Contains(w.Body.String(), c.headers[1]) {
				t.Errorf("the answer repeats what was sent: %s", w.Body)
			}
		})
	}
	// A token in the address is none.
	if w := s.do(request("GET", api+"me?token="+s.tokens["admin"]+"&access_token="+s.tokens["admin"], "")); w.Code != 401 {
		t.Errorf("a token in the address: %d", w.Code)
	}
}

func TestPathsAreReadInOneWay(t *testing.T) {
	s := newSite(t)
	for _, path := range []string{
		"/api/v1//tokens/list", "//api/v1/tokens/list", "/api/v1/tokens%2flist", "/api/v1/tokens/../tokens/list", "/api/v1/./tokens/list",
		"/api/v1/tokens/list/", "/api/v1/tok%65ns/list", "/API/v1/tokens/list", "/api/v1/tokens/list%00", "/api/v1/%2e%2e/v1/tokens/list",
		"/x/../api/v1/tokens/list", "/api/v1/tokens;/list", `/api/v1/tokens\list`,
	} {
		for _, role := range []string{"", "reader", "admin"} {
			r := request("POST", "/", "{}")
			r.RequestURI = path
			var err error
			if r.URL, err = r.URL.Parse("http://localhost"); err != nil {
				t.Fatal(err)
			}
			if u, err := r.URL.Parse("http://localhost/" + strings.TrimPrefix(path, "/")); err == nil {
				r.URL = u
			} else {
				r.URL.Path = path
			}
			if strings.Contains(path, "..") || strings.Contains(path, "/./") || strings.HasPrefix(path, "//") {
				r.URL.Path, r.URL.RawPath = path, "" // as it comes over the wire: nobody has cleaned it
			}
			if role != "" {
				r.Header.Set("Authorization", "Bearer "+s.tokens[role])
			}
			w := s.do(r)
			if strings.Contains(w.Body.String(), "rita") {
				t.Errorf("%s as %q is answered: %d", path, role, w.Code)
			}
			if path != "/api/v1/tok%65ns/list" && w.Code < 300 {
				t.Errorf("%s as %q: %d %s", path, role, w.Code, w.Body)
			}
		}
	}
}

func TestOtherSites(t *testing.T) {
	s := newSite(t)
	cookie := s.signIn("admin").String()
	for _, c := range []struct {
		name, method, path string
		headers            []string
		refused            bool
	}{
		{"our own page asks", "POST", "events", []string{"Origin", "http://localhost:7090", "Sec-Fetch-Site", "same-origin"}, false},
		{"our own page gets", "GET", "me", []string{"Sec-Fetch-Site", "same-origin"}, false},
		{"typed by hand", "GET", "me", []string{"Sec-Fetch-Site", "none"}, false},
		{"no browser", "POST", "events", nil, false},
		{"another site posts", "POST", "events", []string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, true},
		{"an old browser posts", "POST", "events", []string{"Origin", "https://evil.example"}, true},
		{"a sandboxed frame posts", "POST", "events", []string{"Origin", "null"}, true},
		{"another port posts", "POST", "events", []string{"Origin", "http://localhost:8080", "Sec-Fetch-Site", "same-site"}, true},
		{"another site gets", "GET", "me", []string{"Sec-Fetch-Site", "cross-site"}, true},
		{"another port gets", "GET", "me", []string{"Sec-Fetch-Site", "same-site"}, true},
		{"another site signs in", "POST", "session", []string{"Origin", "https://evil.example"}, true},
		{"another site signs out", "DELETE", "session", []string{"Origin", "https://evil.example"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := ""
			if c.method == "POST" {
				body = `{"limit":1}`
			}
			w := s.do(request(c.method, api+c.path, body, append(c.headers, "Cookie", cookie)...))
			if (w.Code == http.StatusForbidden) != c.refused || !c.refused && w.Code != 200 {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if w.Header().Get("Access-Control-Allow-Origin") != "" || w.Header().Get("Cross-Origin-Resource-Policy") != "same-origin" {
				t.Errorf("headers %v", w.Header())
			}
		})
	}
	// A name that another site made to point here.
	for _, host := range []string{"evil.example", "evil.example:7090", "127.0.0.1.evil.example", "192.0.2.5", ""} {
		r := request("GET", api+"me", "", "Cookie", cookie)
		r.Host = host
		if w := s.do(r); w.Code != http.StatusMisdirectedRequest {
			t.Errorf("host %q: %d", host, w.Code)
		}
	}
	if w := s.do(request("OPTIONS", api+"events", "", "Origin", "https://evil.example", "Access-Control-Request-Method", "POST")); w.Code < 400 {
		t.Errorf("a preflight is answered: %d", w.Code)
	}
}

func TestHeaders(t *testing.T) {
	s := newSite(t)
	for _, path := range []string{"/", "/api/v1/me", "/api/v1/nothing", "/metrics", "/nothing"} {
		w := s.do(request("GET", path, ""))
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Resource-Policy": "same-origin", "X-Frame-Options": "DENY",
		} {
			if got := w.Header().Get(name); !strings.Contains(got, want) {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
	}
	one, two := httptest.NewRecorder(), httptest.NewRecorder()
	a, b := pagePolicy(one), pagePolicy(two)
	csp := one.Header().Get("Content-Security-Policy")
	if a == b || len(a) < 22 || !strings.Contains(csp, "style-src 'self' 'nonce-"+a+"';") {
		t.Errorf("nonces %q and %q, policy %s", a, b, csp)
	}
	if strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") || strings.Contains(csp, "http") {
		t.Errorf("policy %s", csp)
	}
}

func TestDemoAsksNobody(t *testing.T) {
	s := newSite(t)
	s.core.guard.demo = true
	for name, want := range map[string]int{"events": 200, "status": 200, "tokens/list": 403, "import": 403} {
		if w := s.do(request("POST", api+name, "{}")); w.Code != want {
			t.Errorf("%s: %d, want %d: %s", name, w.Code, want, w.Body)
		}
	}
	if w := s.do(request("GET", api+"me", "")); !strings.Contains(w.Body.String(), `"anonymous":true`) {
		t.Errorf("me: %s", w.Body)
	}
	if w := s.post("admin", "tokens/list", "{}"); w.Code != 200 {
		t.Errorf("with a token: %d", w.Code)
	}
	if w := s.do(request("POST", api+"events", "{}", "Authorization", "Bearer wrong")); w.Code != 401 {
		t.Errorf("with a wrong token: %d", w.Code)
	}
	r := request("POST", api+"events", "{}")
	r.Host = "evil.example"
	if w := s.do(r); w.Code != http.StatusMisdirectedRequest {
		t.Errorf("a demo under another name: %d", w.Code)
	}
}

func TestGuesses(t *testing.T) {
	s := newSite(t)
	wrong := request("POST", api+"events", "{}", "Authorization", "Bearer wrong")
	codes := map[int]int{}
	for range guessesAtOnce + 10 {
		codes[s.do(wrong.Clone(t.Context())).Code]++
	}
	if codes[401] < guessesAtOnce || codes[429] < 8 {
		t.Errorf("answers to guesses: %v", codes)
	}
	signIn := request("POST", sessionPath, `{"token":"wrong"}`)
	if w := s.do(signIn); w.Code != 429 || w.Header().Get("Retry-After") == "" {
		t.Errorf("a guess at the sign-in: %d", w.Code)
	}
	other := request("POST", api+"events", "{}", "Authorization", "Bearer "+s.tokens["reader"])
	other.RemoteAddr = "198.51.100.7:1234"
	if w := s.do(other); w.Code != 200 {
		t.Errorf("another address: %d", w.Code)
	}

	var g guesses
	now := time.Now()
	for range guessesAtOnce {
		g.wrong("a", now)
	}
	if wait := g.blocked("a", now); wait <= 0 || wait > guessEvery {
		t.Errorf("has to wait %s", wait)
	}
	if wait := g.blocked("a", now.Add(guessEvery)); wait != 0 {
		t.Errorf("after %s: has to wait %s", guessEvery, wait)
	}
	for i := range maxGuessers + 100 {
		g.wrong(fmt.Sprint(i), now)
	}
	if len(g.by) > maxGuessers {
		t.Errorf("%d addresses are remembered", len(g.by))
	}
	for host, want := range map[string]string{"2001:db8:1:2:3::4": "2001:db8:1:2::/64", "::ffff:192.0.2.1": "192.0.2.1", "192.0.2.1": "192.0.2.1", "@": "@"} {
		if got := networkOf(host); got != want {
			t.Errorf("networkOf(%q) = %q", host, got)
		}
	}
}

// An answer that goes on ends when its token is revoked.
func TestRevokedWhileAnswering(t *testing.T) {
	s := newSite(t)
	srv := httptest.NewServer(s.h)
	defer srv.Close()
	keys, _ := s.core.keys()
	who, _, err := keys.Caller(s.tokens["bare"])
	if err != nil {
		t.Fatal(err)
	}
	client, err := Dial(Remote{URL: srv.URL, Token: s.tokens["bare"]})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_, err = client.Search(t.Context(), SearchQuestion{Follow: true, Limit: 1}, func(Row) error { return keys.Revoke(who.TokenID) })
	if KindOf(err) != SignIn {
		t.Errorf("the answer ended with %v (%s)", err, KindOf(err))
	}
}

// Beyond loopback, metrics and health are an auditor's.
func TestMetricsElsewhere(t *testing.T) {
	s := newSite(t)
	elsewhere := s.core.overHTTP(false, s.core.pages())
	for _, path := range []string{"/metrics", "/healthz"} {
		for role, want := range map[string]int{"": 401, "ingest": 403, "reader": 403, "auditor": 200, "admin": 200} {
			r := request("GET", path, "")
			r.Host = "audit.example.com"
			if role != "" {
				r.Header.Set("Authorization", "Bearer "+s.tokens[role])
			}
			w := httptest.NewRecorder()
			elsewhere.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s as %q: %d, want %d", path, role, w.Code, want)
			}
		}
		if w := s.do(request("GET", path, "")); w.Code != 200 {
			t.Errorf("%s on loopback: %d", path, w.Code)
		}
	}
	if w := s.do(request("GET", "/actors/system%3Aserviceaccount%3Aa%2Fb", "")); w.Code != 200 {
		t.Errorf("a page with a name in its address: %d", w.Code)
	}
	r := request("GET", "/", "")
	r.Host = "audit.example.com"
	w := httptest.NewRecorder()
	if elsewhere.ServeHTTP(w, r); w.Code != 200 {
		t.Errorf("the page elsewhere: %d", w.Code)
	}
}

func TestHugeHeaders(t *testing.T) {
	at, _ := start(t, Config{Dir: newDir(t), HTTP: "127.0.0.1:0"})
	r, err := http.NewRequestWithContext(t.Context(), "GET", at.URL+"api/v1/me", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+strings.Repeat("x", 100<<10))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return // the connection was cut while the header was being sent
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		b, _ := io.ReadAll(resp.Body)
		t.Errorf("%s %s", resp.Status, b)
	}
}
