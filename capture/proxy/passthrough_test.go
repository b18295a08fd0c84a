package proxy

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"annals.dev/audit"
)

const asJane = "Authorization: Bearer jane-token"

func TestPassthrough(t *testing.T) {
	g := newRig(t, Passthrough, nil)
	for name, c := range map[string]*http.Client{"HTTP/1.1": g.h1, "HTTP/2.0": g.h2} {
		t.Run(name, func(t *testing.T) {
			before := len(g.events.text())
			res := g.do(t, c, "GET", "/api/v1/pods?limit=5", nil, asJane, "Cookie: kept", "Accept-Encoding: gzip, zstd")
			if got := text(t, res); res.StatusCode != 200 || !strings.Contains(got, "Success") {
				t.Fatalf("%d %s", res.StatusCode, got)
			}
			if res.Proto != name {
				t.Errorf("the client speaks %s", res.Proto)
			}
			if ids := res.Header["Audit-Id"]; len(ids) != 1 || ids[0] != g.last().Header.Get("Audit-Id") {
				t.Errorf("audit IDs: to the client %q, to the upstream %q", ids, g.last().Header["Audit-Id"])
			}
			up := g.last()
			got := map[string][]string{}
			for _, h := range []string{"Authorization", "Cookie", "Accept-Encoding", "X-Forwarded-For", "Impersonate-User", "User-Agent"} {
				got[h] = up.Header[h]
			}
			want := map[string][]string{
				"Authorization": {"Bearer jane-token"}, "Cookie": {"kept"}, "Accept-Encoding": {"gzip, zstd"}, "X-Forwarded-For": {"127.0.0.1"},
				"Impersonate-User": nil, "User-Agent": {"Go-http-client/" + strings.TrimPrefix(map[string]string{"HTTP/1.1": "1.1", "HTTP/2.0": "2.0"}[name], "")},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if up.Proto != "HTTP/2.0" {
				t.Errorf("an ordinary request goes up by %s", up.Proto)
			}
			if len(up.TLS.PeerCertificates) > 0 {
				t.Error("the proxy's certificate went up: every caller would be the proxy")
			}
			if up.Host != strings.TrimPrefix(g.URL, "https://") {
				t.Errorf("Host: %s", up.Host)
			}
			_ = before
		})
	}
	e := g.events.stage(t, audit.StageResponseComplete, 1)
	want := audit.UserInfo{Username: "jane", UID: "u1", Groups: []string{"staff", "system:authenticated"}, Extra: map[string][]string{"Scopes/x": {"a", "b"}}}
	if diff := cmp.Diff(want, e.User); diff != "" {
		t.Error(diff)
	}
	if e.ResponseStatus.Code != 200 || e.Verb != "list" || e.RequestURI != "/api/v1/pods?limit=5" || !cmp.Equal(e.SourceIPs, []string{"127.0.0.1"}) {
		t.Errorf("%+v", e)
	}
	if n := g.questions(); n != 1 {
		t.Errorf("the upstream was asked %d times about one token", n)
	}
}

// Who is told about must be who acts: the token that the upstream is asked about is the one that it would read itself.
func TestPassthroughCallers(t *testing.T) {
	protocol := func(token string) string { return protocolToken + base64.RawURLEncoding.EncodeToString([]byte(token)) }
	upgrade := []string{"Connection: Upgrade", "Upgrade: websocket"}
	cases := []struct {
		name    string
		headers []string
		code    int
		user    string
	}{
		{"token", []string{asJane}, 200, "jane"},
		{"scheme in other case", []string{"Authorization: bEARER jane-token"}, 200, "jane"},
		{"more after the token", []string{"Authorization: Bearer jane-token x"}, 200, "jane"},
		{"two spaces: no token, as upstream has it", []string{"Authorization: Bearer  jane-token"}, 200, "system:anonymous"},
		{"nothing", nil, 200, "system:anonymous"},
		{"basic", []string{"Authorization: Basic amFuZTpwdw=="}, 200, "system:anonymous"},
		{"unknown token", []string{"Authorization: Bearer nobody's"}, 401, ""},
		{"a user without a name", []string{"Authorization: Bearer none-token"}, 503, ""},
		{"two tokens in two headers", []string{asJane, "Authorization: Bearer boss-token"}, 400, ""},
		{"WebSocket", append([]string{"Sec-Websocket-Protocol: v5.channel.k8s.io, " + protocol("jane-token")}, upgrade...), 200, "jane"},
		{"WebSocket, two lines", append([]string{"Sec-Websocket-Protocol: v5.channel.k8s.io", "Sec-Websocket-Protocol: " + protocol("jane-token")}, upgrade...), 200, "jane"},
		{"WebSocket, unknown token", append([]string{"Sec-Websocket-Protocol: x, " + protocol("nobody's")}, upgrade...), 401, ""},
		{"WebSocket, two tokens", append([]string{"Sec-Websocket-Protocol: " + protocol("jane-token") + "," + protocol("boss-token")}, upgrade...), 400, ""},
		{"WebSocket, both ways", append([]string{"Sec-Websocket-Protocol: x, " + protocol("boss-token"), asJane}, upgrade...), 400, ""},
		{"WebSocket, not base64", append([]string{"Sec-Websocket-Protocol: x, " + protocolToken + "%%%"}, upgrade...), 400, ""},
		{"WebSocket, two in one", append([]string{"Sec-Websocket-Protocol: x, " + protocol("jane-token x")}, upgrade...), 400, ""},
		{"subprotocol, but no WebSocket", []string{"Sec-Websocket-Protocol: x, " + protocol("jane-token")}, 400, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g := newRig(t, Passthrough, nil)
			res := g.do(t, g.h1, "GET", "/api/v1/pods", nil, c.headers...)
			text(t, res)
			if res.StatusCode != c.code {
				t.Errorf("code %d, want %d", res.StatusCode, c.code)
			}
			stage := audit.StageResponseComplete
			if c.user == "" {
				stage = audit.StageResponseStarted // a failed login has this one alone
				if g.last() != nil {
					t.Error("it was passed on")
				}
			}
			e := g.events.stage(t, stage, 0)
			if e.User.Username != c.user || int(e.ResponseStatus.Code) != c.code {
				t.Errorf("event: user %q, %+v", e.User.Username, e.ResponseStatus)
			}
			if c.code == 401 && (e.ResponseStatus.Reason != "Unauthorized" && e.ResponseStatus.Message == "") {
				t.Errorf("%+v", e.ResponseStatus)
			}
		})
	}
}

// What the client says of itself to the upstream's authorizer is the upstream's affair; what it says of whom it acts as is recorded only
// where that held.
func TestPassthroughImpersonation(t *testing.T) {
	status := func(code int, message string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			w.Write([]byte(`{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","reason":"Forbidden","message":"` + message + `"}`))
		}
	}
	bob := &audit.UserInfo{Username: "bob", Groups: []string{"system:authenticated"}}
	cases := []struct {
		name    string
		answer  http.HandlerFunc
		headers []string
		want    *audit.UserInfo
	}{
		{"allowed", nil, []string{"Impersonate-User: bob"}, bob},
		{"with all", nil, []string{"Impersonate-User: bob", "Impersonate-Group: a", "Impersonate-Group: b", "Impersonate-Uid: 7", "Impersonate-Extra-A%2fb: x"},
			&audit.UserInfo{Username: "bob", UID: "7", Groups: []string{"a", "b", "system:authenticated"}, Extra: map[string][]string{"a/b": {"x"}}}},
		{"service account", nil, []string{"Impersonate-User: system:serviceaccount:ns:sa"},
			&audit.UserInfo{Username: "system:serviceaccount:ns:sa", Groups: []string{"system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"}}},
		{"anonymous", nil, []string{"Impersonate-User: system:anonymous"}, &audit.UserInfo{Username: "system:anonymous", Groups: []string{"system:unauthenticated"}}},
		{"none", nil, nil, nil},
		{"a group alone", nil, []string{"Impersonate-Group: a"}, nil},
		{"refused", status(403, `users \"bob\" is forbidden: User \"jane\" cannot impersonate resource \"users\" in API group \"\" at the cluster scope`), []string{"Impersonate-User: bob"}, nil},
		{"bob is refused", status(403, `pods is forbidden: User \"bob\" cannot list resource \"pods\" in API group \"\" at the cluster scope`), []string{"Impersonate-User: bob"}, bob},
		{"bob's name tells a tale", status(403, `pods is forbidden: User \"x: User \\\"jane\\\" cannot impersonate\" cannot list resource`), []string{`Impersonate-User: bob`}, bob},
		{"401", status(401, "Unauthorized"), []string{"Impersonate-User: bob"}, nil},
		{"404", status(404, "not found"), []string{"Impersonate-User: bob"}, bob},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g := newRig(t, Passthrough, nil)
			if c.answer != nil {
				g.handle("/api/v1/pods", c.answer)
			}
			res := g.do(t, g.h2, "GET", "/api/v1/pods", nil, append(c.headers, asJane)...)
			if body := text(t, res); c.answer != nil && !strings.Contains(body, `"kind":"Status"`) {
				t.Errorf("the answer's body is %q", body)
			}
			e := g.events.stage(t, audit.StageResponseComplete, 0)
			if diff := cmp.Diff(c.want, e.ImpersonatedUser); diff != "" {
				t.Error(diff)
			}
			if e.User.Username != "jane" {
				t.Errorf("user %q", e.User.Username)
			}
			for _, h := range c.headers {
				name, value, _ := strings.Cut(h, ": ")
				if !strings.Contains(strings.Join(g.last().Header[http.CanonicalHeaderKey(name)], " "), value) {
					t.Errorf("%s did not go up: %v", h, g.last().Header)
				}
			}
		})
	}
}
