package proxy

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	authentication "k8s.io/api/authentication/v1"

	"annals.dev/audit"
)

// Nothing that a request says makes the proxy dial another than its upstream.
func TestOnlyTheUpstream(t *testing.T) {
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { t.Errorf("dialled: %s %s", r.Method, r.URL) }))
	defer evil.Close()
	other := strings.TrimPrefix(evil.URL, "http://")
	cases := []struct {
		name, request string
		code          int
		uri           string // of the event
	}{
		{"absolute form", "GET http://" + other + "/api/v1/pods HTTP/1.1\nHost: " + other + "\n\n", 200, "/api/v1/pods"},
		{"absolute form with a password", "GET http://me:sesame@" + other + "/api/v1/pods HTTP/1.1\nHost: x\n\n", 200, "/api/v1/pods"},
		{"Host", "GET /api/v1/pods HTTP/1.1\nHost: " + other + "\n\n", 200, "/api/v1/pods"},
		{"CONNECT", "CONNECT " + other + " HTTP/1.1\nHost: " + other + "\n\n", 405, "/"},
		{"OPTIONS *", "OPTIONS * HTTP/1.1\nHost: " + other + "\n\n", 400, "*"},
		{"opaque", "GET http:" + other + " HTTP/1.1\nHost: " + other + "\n\n", 400, "/"},
		{"two slashes", "GET //" + other + "/x HTTP/1.1\nHost: " + other + "\n\n", 200, "//" + other + "/x"},
		{"forwarded host", "GET /x HTTP/1.1\nHost: x\nX-Forwarded-Host: " + other + "\nForwarded: host=" + other + "\n\n", 200, "/x"},
		{"at sign", "GET /@" + other + "/x HTTP/1.1\nHost: x\n\n", 200, "/@" + other + "/x"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g := newRig(t, Passthrough, nil)
			res := g.raw(t, c.request)
			if res.StatusCode != c.code {
				t.Errorf("code %d, want %d", res.StatusCode, c.code)
			}
			stage := audit.StageResponseComplete
			if c.code != 200 {
				stage = audit.StageResponseStarted
			} else if up := g.last(); up.Host != strings.TrimPrefix(g.URL, "https://") || up.RequestURI != c.uri {
				t.Errorf("it went up as %s to host %s", up.RequestURI, up.Host)
			}
			if e := g.events.stage(t, stage, 0); e.RequestURI != c.uri || int(e.ResponseStatus.Code) != c.code {
				t.Errorf("event: %s, %+v", e.RequestURI, e.ResponseStatus)
			}
		})
	}
	t.Run("redirect", func(t *testing.T) {
		g := newRig(t, Passthrough, nil)
		g.handle("/api", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, evil.URL+"/x", http.StatusFound) })
		res := g.do(t, g.h2, "GET", "/api", nil, asJane)
		if res.StatusCode != http.StatusFound || res.Header.Get("Location") != evil.URL+"/x" {
			t.Errorf("%d %v: a redirect is the client's to follow", res.StatusCode, res.Header)
		}
	})
	t.Run("base path", func(t *testing.T) {
		g := newRig(t, Passthrough, func(c *Config) { c.Upstream.Host += "/k8s/one" })
		for path, code := range map[string]int{"/api/v1": 200, "/../two/api": 400, "/x/%2e%2e/%2E%2e/two": 400, "/x/..%2f..%2ftwo": 400, "/a..b/x.": 200} {
			if res := g.raw(t, "GET "+path+" HTTP/1.1\nHost: x\n\n"); res.StatusCode != code {
				t.Errorf("%s: code %d, want %d", path, res.StatusCode, code)
			}
		}
		for _, r := range g.seen {
			if !strings.HasPrefix(r.RequestURI, "/k8s/one/") {
				t.Errorf("%s went up", r.RequestURI)
			}
		}
	})
}

// The headers by which an upstream knows its own proxies come from nobody else.
func TestHeadersThatAreNotTheCallers(t *testing.T) {
	always := []string{
		"X-Remote-User: admin", "X-Remote-Group: system:masters", "X-Remote-Extra-Scopes: x", "X-Remote-Uid: 1",
		"x-remote-user: admin", "X-REMOTE-USER: admin", "X_Remote_User: admin", "x_remote-group: system:masters",
		"X-Forwarded-Host: h", "X-Forwarded-Proto: http", "X-Forwarded: x", "Forwarded: for=1.2.3.4", "X-Real-Ip: 1.2.3.4", "X_Real_Ip: 1.2.3.4", "X_Forwarded_For: 1.2.3.4",
		"Impersonate_User: admin", "impersonate_group: system:masters", "Authorization_: x", "Proxy-Authorization: Basic x", "Proxy_Authorization: x",
	}
	for _, mode := range []Mode{Passthrough, Impersonate} {
		g := newRig(t, mode, nil)
		for _, proto := range []string{"http/1.1", "h2"} {
			headers := slices.Clone(always)
			if mode == Impersonate {
				headers = append(headers, "Cookie: session=x")
			}
			for _, h := range headers {
				t.Run(string(mode)+" "+proto+" "+h, func(t *testing.T) {
					g.seen = nil
					c := g.h1
					if proto == "h2" {
						c = g.h2
					}
					res := g.do(t, c, "GET", "/api/v1/pods", nil, asJane, h)
					if mode == Impersonate && isImpersonation(h) {
						if res.StatusCode != http.StatusForbidden || g.last() != nil {
							t.Errorf("code %d, and %v went up", res.StatusCode, g.last())
						}
						return
					}
					if res.StatusCode != http.StatusOK {
						t.Fatalf("code %d", res.StatusCode)
					}
					for name, values := range g.last().Header {
						_, value, _ := strings.Cut(h, ": ")
						mine, _, _ := strings.Cut(h, ": ")
						if plain(name) == plain(mine) && slices.Contains(values, value) && mine != "Authorization_" {
							t.Errorf("%s: %s went up", name, values)
						}
					}
				})
			}
		}
	}
}

// What Connection names is removed before our own headers are set, and never after.
func TestConnectionCannotStripOurs(t *testing.T) {
	g := newRig(t, Impersonate, nil)
	res := g.raw(t, "GET /api/v1/pods HTTP/1.1\nHost: x\n"+asJane+"\nConnection: close, Impersonate-User, Impersonate-Group, Impersonate-Uid, Authorization, X-Forwarded-For, Audit-Id, Impersonate-Extra-%53copes%2Fx\n\n")
	if res.StatusCode != 200 {
		t.Fatalf("code %d", res.StatusCode)
	}
	h := g.last().Header
	got := map[string][]string{}
	for _, name := range []string{"Impersonate-User", "Impersonate-Uid", "Impersonate-Group", "Impersonate-Extra-%53copes%2fx", "Authorization", "X-Forwarded-For"} {
		got[name] = h[name]
	}
	want := map[string][]string{
		"Impersonate-User": {"jane"}, "Impersonate-Uid": {"u1"}, "Impersonate-Group": {"staff", "system:authenticated"},
		"Impersonate-Extra-%53copes%2fx": {"a", "b"}, "Authorization": {"Bearer proxy-token"}, "X-Forwarded-For": {"127.0.0.1"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(h["Audit-Id"]) != 1 || h.Get("Audit-Id") != g.events.stage(t, audit.StageResponseComplete, 0).AuditID {
		t.Errorf("Audit-Id %q", h["Audit-Id"])
	}
	t.Run("what the caller was judged by", func(t *testing.T) {
		g := newRig(t, Passthrough, nil)
		g.raw(t, "GET /api/v1/pods HTTP/1.1\nHost: x\n"+asJane+"\nImpersonate-User: bob\nConnection: close, Authorization, Impersonate-User\n\n")
		if h := g.last().Header; h.Get("Authorization") != "Bearer jane-token" || h.Get("Impersonate-User") != "bob" {
			t.Errorf("jane is told about, and this acts: %v", h)
		}
	})
	g.raw(t, "POST /api/v1/pods HTTP/1.1\nHost: x\n"+asJane+"\nTransfer-Encoding: chunked\nTrailer: X-Remote-User, Impersonate-User\nConnection: close\n\n2\n{}\n0\nX-Remote-User: admin\nImpersonate-User: admin\n\n")
	up := g.last()
	if len(up.Trailer) != 0 || up.Header.Get("Trailer") != "" || up.Header.Get("X-Remote-User") != "" {
		t.Errorf("trailers went up: %v %v", up.Trailer, up.Header)
	}
	for name, smuggled := range map[string]string{
		"both lengths":  "POST /api/v1/pods HTTP/1.1\nHost: x\n" + asJane + "\nContent-Length: 4\nTransfer-Encoding: chunked\nConnection: close\n\n0\n\nGET /smuggled HTTP/1.1\nHost: x\n\n",
		"odd coding":    "POST /api/v1/pods HTTP/1.1\nHost: x\n" + asJane + "\nTransfer-Encoding: xchunked\nConnection: close\n\n0\n\n",
		"name with gap": "GET /api/v1/pods HTTP/1.1\nHost: x\n" + asJane + "\nX-Remote-User : admin\n\n",
		"two hosts":     "GET /api/v1/pods HTTP/1.1\nHost: x\nHost: y\n\n",
	} {
		before := len(g.seen)
		res := g.raw(t, smuggled)
		g.mu.Lock()
		for _, r := range g.seen[before:] {
			if r.URL.Path != "/api/v1/pods" || r.Header.Get("X-Remote-User") != "" {
				t.Errorf("%s: %s went up with %v", name, r.URL, r.Header)
			}
		}
		g.mu.Unlock()
		if res.StatusCode < 400 && name != "both lengths" {
			t.Errorf("%s: code %d", name, res.StatusCode)
		}
	}
}

func TestForwardedFor(t *testing.T) {
	cases := []struct {
		name    string
		trusted bool
		headers []string
		want    []string
	}{
		{"nobody is trusted", false, []string{"X-Forwarded-For: 1.2.3.4", "X-Real-Ip: 5.6.7.8"}, []string{"127.0.0.1"}},
		{"the peer is trusted", true, []string{"X-Forwarded-For: 1.2.3.4"}, []string{"1.2.3.4", "127.0.0.1"}},
		{"what the client said before", true, []string{"X-Forwarded-For: 6.6.6.6, 1.2.3.4"}, []string{"1.2.3.4", "127.0.0.1"}},
		{"two lines", true, []string{"X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 1.2.3.4"}, []string{"1.2.3.4", "127.0.0.1"}},
		{"a chain of trust", true, []string{"X-Forwarded-For: 6.6.6.6, 1.2.3.4, 127.0.0.9"}, []string{"1.2.3.4", "127.0.0.9", "127.0.0.1"}},
		{"nonsense", true, []string{"X-Forwarded-For: 1.2.3.4, x"}, []string{"127.0.0.1"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g := newRig(t, Passthrough, func(cfg *Config) {
				if c.trusted {
					cfg.TrustedProxies = loopback
				}
			})
			g.do(t, g.h1, "GET", "/api", nil, c.headers...)
			if got := g.last().Header["X-Forwarded-For"]; !slices.Equal(got, []string{strings.Join(c.want, ", ")}) {
				t.Errorf("to the upstream: %q", got)
			}
			if got := g.events.stage(t, audit.StageResponseComplete, 0).SourceIPs; !slices.Equal(got, c.want) {
				t.Errorf("event: %q", got)
			}
		})
	}
}

func TestProxyProtocol(t *testing.T) {
	const header = "PROXY TCP4 192.0.2.7 192.0.2.1 1000 443\r\n"
	for name, c := range map[string]struct {
		trusted bool
		header  string
		want    string // "" for no answer
	}{
		"trusted":               {true, header, "192.0.2.7"},
		"trusted, without":      {true, "", ""},
		"not trusted":           {false, header, ""},
		"not trusted, and none": {false, "", "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, Passthrough, nil)
			g.stop()
			cfg := g.p.cfg
			if c.trusted {
				cfg.TrustedProxies = loopback
			} else {
				cfg.TrustedProxies = nil
			}
			g.serve(t, cfg, Serving{ProxyProtocol: true, Drain: 1})
			conn, err := net.Dial("tcp", g.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.Write([]byte(c.header))
			got := overTLS(conn, "GET /api HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 6.6.6.6\r\nConnection: close\r\n\r\n")
			if (got != nil) != (c.want != "") {
				t.Fatalf("answer: %v", got)
			}
			if c.want == "" {
				return
			}
			if ips := g.events.stage(t, audit.StageResponseComplete, 0).SourceIPs; !slices.Equal(ips, []string{c.want}) {
				t.Errorf("source %q", ips)
			}
		})
	}
}

// No credential that a client sends is in anything that is written.
func TestNoCredentialIsWritten(t *testing.T) {
	const secret = "S3NT1NEL"
	encoded := "UzNOVDFORUw" // of the secret, in base64url
	for _, mode := range []Mode{Passthrough, Impersonate} {
		g := newRig(t, mode, func(c *Config) { c.AllowImpersonation = mode == Impersonate })
		g.tokens[secret] = authentication.UserInfo{Username: "jane"}
		if mode == Impersonate {
			g.forUs[secret] = []string{"annals"}
		}
		ws := "Connection: Upgrade\nUpgrade: websocket\n"
		requests := []string{
			"GET /a HTTP/1.1\nHost: x\nAuthorization: Bearer " + secret + "\n\n",
			"GET /a HTTP/1.1\nHost: x\nAuthorization: Bearer x" + secret + "\n\n",
			"GET /a HTTP/1.1\nHost: x\nAuthorization: Basic " + secret + "\n\n",
			"GET /a HTTP/1.1\nHost: x\nAuthorization: " + secret + "\n\n",
			"GET /a HTTP/1.1\nHost: x\nAuthorization: Bearer a\nAuthorization: Bearer " + secret + "\n\n",
			"GET /a HTTP/1.1\nHost: x\nProxy-Authorization: Basic " + secret + "\nCookie: a=" + secret + "\n\n",
			"GET /a?access_token=" + secret + "&x=1 HTTP/1.1\nHost: x\n\n",
			"GET /a?x=1&Token=" + secret + "&access%5Ftoken=" + secret + ";token=" + secret + " HTTP/1.1\nHost: x\n\n",
			"GET /apis/apps/v1/watch?token=" + secret + " HTTP/1.1\nHost: x\n\n",
			"GET /apis/apps/v1/deployments?watch=1&id_token=" + secret + " HTTP/1.1\nHost: x\n\n",
			"GET http://" + secret + ":" + secret + "@x/a HTTP/1.1\nHost: x\n\n",
			"CONNECT " + secret + ":443 HTTP/1.1\nHost: " + secret + "\n\n",
			"GET /a HTTP/1.1\nHost: x\n" + ws + "Sec-WebSocket-Protocol: v5, " + protocolToken + encoded + "\n\n",
			"GET /a HTTP/1.1\nHost: x\n" + ws + "Sec-WebSocket-Protocol: v5, " + protocolToken + "!" + secret + "\n\n",
			"GET /a HTTP/1.1\nHost: x\nSec-WebSocket-Protocol: v5, " + protocolToken + encoded + "\n\n",
			"GET /a HTTP/1.1\nHost: x\nX-Remote-User: " + secret + "\nX-Remote-Extra-Token: " + secret + "\n\n",
			"GET /a HTTP/1.1\nHost: x\nBad Header: " + secret + "\n\n",
			secret + " ? HTTP/1.1\n\n",
		}
		for _, r := range requests {
			g.raw(t, r)
		}
		g.fakeUpstream.CloseClientConnections()
		g.fakeUpstream.Close() // and all once more, where there is no upstream
		for _, r := range requests {
			g.raw(t, r)
		}
		g.stop()
		for what, text := range map[string]string{"events": g.events.text(), "log": g.log.String()} {
			for _, s := range []string{secret, encoded, strings.ToLower(secret)} {
				if i := strings.Index(text, s); i >= 0 {
					t.Errorf("%s: %s holds a credential: …%s…", mode, what, text[max(0, i-200):min(len(text), i+50)])
				}
			}
			if text == "" {
				t.Errorf("%s: there is nothing in %s", mode, what)
			}
		}
		if bytes.Contains([]byte(g.log.String()), []byte("proxy-token")) {
			t.Errorf("%s: the log holds the proxy's own token", mode)
		}
	}
}
