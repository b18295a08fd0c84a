package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authorization "k8s.io/api/authorization/v1"

	"annals.dev/audit"
)

// identityOf is as whom a request went up.
func identityOf(r *http.Request) map[string][]string {
	got := map[string][]string{}
	for name, values := range r.Header {
		if isImpersonation(name) || name == "Authorization" {
			got[name] = values
		}
	}
	return got
}

func credential(c tls.Certificate) string {
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		panic(err)
	}
	user, err := certificateUser([]*x509.Certificate{leaf}, testCA.pool())
	if err != nil {
		panic(err)
	}
	return user.Extra[credentialID][0]
}

func TestImpersonateCallers(t *testing.T) {
	expired := func() tls.Certificate {
		cert, key := testCA.issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "jane"}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})
		c, _ := tls.X509KeyPair(cert, key)
		return c
	}()
	server := func() tls.Certificate {
		cert, key := testCA.issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "jane"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
		c, _ := tls.X509KeyPair(cert, key)
		return c
	}()
	jane := testCA.caller(t, "jane", []string{"dev", "ops"}, "uid-1")
	own := []string{"Bearer proxy-token"}
	asJaneUp := map[string][]string{
		"Authorization": own, "Impersonate-User": {"jane"}, "Impersonate-Uid": {"u1"}, "Impersonate-Group": {"staff", "system:authenticated"},
		"Impersonate-Extra-%53copes%2fx": {"a", "b"},
	}
	one := func(c tls.Certificate) []tls.Certificate { return []tls.Certificate{c} }
	cases := []struct {
		name    string
		certs   []tls.Certificate
		headers []string
		code    int
		want    map[string][]string // nil: it does not go up
	}{
		{"token", nil, []string{asJane}, 200, asJaneUp},
		{"certificate", one(jane), nil, 200, map[string][]string{
			"Authorization": own, "Impersonate-User": {"jane"}, "Impersonate-Uid": {"uid-1"}, "Impersonate-Group": {"dev", "ops", "system:authenticated"},
			"Impersonate-Extra-Authentication.kubernetes.io%2fcredential-Id": {credential(jane)},
		}},
		{"certificate before token", one(jane), []string{"Authorization: Bearer nobody's"}, 200, map[string][]string{
			"Authorization": own, "Impersonate-User": {"jane"}, "Impersonate-Uid": {"uid-1"}, "Impersonate-Group": {"dev", "ops", "system:authenticated"},
			"Impersonate-Extra-Authentication.kubernetes.io%2fcredential-Id": {credential(jane)},
		}},
		{"nobody goes up as nobody", nil, nil, 200, map[string][]string{}},
		{"basic is nobody", nil, []string{"Authorization: Basic x"}, 200, map[string][]string{}},
		{"unknown token", nil, []string{"Authorization: Bearer nobody's"}, 401, nil},
		{"token for another", nil, []string{"Authorization: Bearer other-token"}, 401, nil},
		{"the user has no name", nil, []string{"Authorization: Bearer none-token"}, 503, nil},
		{"a name that a header changes", nil, []string{"Authorization: Bearer odd-token"}, 403, nil},
		{"system:masters", nil, []string{"Authorization: Bearer boss-token"}, 403, nil},
		{"system:masters by certificate", one(testCA.caller(t, "jane", []string{"system:masters"})), nil, 403, nil},
		{"certificate by a strange authority", one(strangeCA.caller(t, "jane", nil)), nil, 401, nil},
		{"the same, and a token", one(strangeCA.caller(t, "jane", nil)), []string{asJane}, 200, asJaneUp},
		{"expired", one(expired), nil, 401, nil},
		{"for servers", one(server), nil, 401, nil},
		{"without a name", one(testCA.caller(t, "", []string{"dev"})), nil, 401, nil},
		{"space before the name", one(testCA.caller(t, " admin", nil)), nil, 403, nil},
		{"space after the group", one(testCA.caller(t, "jane", []string{"system:masters "})), nil, 403, nil},
		{"line in the name", one(testCA.caller(t, "jane\r\nImpersonate-Group: system:masters", nil)), nil, 403, nil},
		{"two UIDs", one(testCA.caller(t, "jane", nil, "a", "b")), nil, 401, nil},
		{"empty group", one(testCA.caller(t, "jane", []string{""})), nil, 403, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g := newRig(t, Impersonate, nil)
			res := g.do(t, g.client(t, "h2", c.certs...), "GET", "/api/v1/pods", nil, c.headers...)
			if body := text(t, res); res.StatusCode != c.code || c.code != 200 && !strings.Contains(body, `"kind":"Status"`) {
				t.Errorf("%d %s, want %d", res.StatusCode, body, c.code)
			}
			up := g.last()
			if (up != nil) != (c.want != nil) {
				t.Fatalf("went up: %v", up)
			}
			if up != nil {
				if diff := cmp.Diff(c.want, identityOf(up)); diff != "" {
					t.Error(diff)
				}
				// The certificate is the connection's: where nobody is named, none may be shown.
				if shown := len(up.TLS.PeerCertificates) > 0; shown != (len(c.want) > 0) {
					t.Errorf("the proxy's certificate was shown: %v", shown)
				}
			}
			stage := audit.StageResponseComplete
			if c.code == 401 || c.code == 503 {
				stage = audit.StageResponseStarted
			}
			if e := g.events.stage(t, stage, 0); int(e.ResponseStatus.Code) != c.code || e.ImpersonatedUser != nil {
				t.Errorf("event: %+v, impersonated %v", e.ResponseStatus, e.ImpersonatedUser)
			}
		})
	}
	t.Run("WebSocket", func(t *testing.T) {
		g := newRig(t, Impersonate, nil)
		g.do(t, g.h1, "GET", "/api/v1/pods", nil, "Connection: Upgrade", "Upgrade: websocket", "Sec-Websocket-Protocol: v5.channel.k8s.io, "+protocolToken+"amFuZS10b2tlbg, v4.channel.k8s.io")
		if diff := cmp.Diff(asJaneUp, identityOf(g.last())); diff != "" {
			t.Error(diff)
		}
		if got := g.last().Header[protocolHeader]; !slices.Equal(got, []string{"v5.channel.k8s.io, v4.channel.k8s.io"}) {
			t.Errorf("subprotocols %q", got)
		}
	})
	t.Run("no tokens are taken", func(t *testing.T) {
		g := newRig(t, Impersonate, func(c *Config) { c.Audiences = nil })
		if res := g.do(t, g.h2, "GET", "/api", nil, asJane); res.StatusCode != 401 || g.last() != nil || g.questions() != 0 {
			t.Errorf("code %d, %d questions", res.StatusCode, g.questions())
		}
	})
	t.Run("no authority yet", func(t *testing.T) {
		g := newRig(t, Impersonate, func(c *Config) { c.ClientCAs = func() *x509.CertPool { return nil } })
		if res := g.do(t, g.client(t, "h2", jane), "GET", "/api", nil); res.StatusCode != 401 || g.last() != nil {
			t.Errorf("code %d: without an authority the system's would be asked", res.StatusCode)
		}
	})
}

func TestImpersonateOthers(t *testing.T) {
	all := func(authorization.SubjectAccessReviewSpec) bool { return true }
	but := func(resource string) func(authorization.SubjectAccessReviewSpec) bool {
		return func(s authorization.SubjectAccessReviewSpec) bool { return s.ResourceAttributes.Resource != resource }
	}
	bob := []string{"Impersonate-User: bob", "Impersonate-Group: a", "Impersonate-Group: b", "Impersonate-Uid: 7", "Impersonate-Extra-A%2fb: x", "Impersonate-Extra-A%2fb: y"}
	cases := []struct {
		name    string
		allow   bool
		allowed func(authorization.SubjectAccessReviewSpec) bool
		headers []string
		code    int
		want    *audit.UserInfo
		asked   string
	}{
		{"not let", false, all, []string{"Impersonate-User: bob"}, 403, nil, ""},
		{"not let: group", false, all, []string{"Impersonate-Group: system:masters"}, 403, nil, ""},
		{"not let: UID", false, all, []string{"Impersonate-Uid: 1"}, 403, nil, ""},
		{"not let: extra", false, all, []string{"Impersonate-Extra-Scopes: x"}, 403, nil, ""},
		{"not let: what is yet to come", false, all, []string{"Impersonate-Everything: x"}, 403, nil, ""},
		{"not let: empty", false, all, []string{"Impersonate-User: "}, 403, nil, ""},
		{"user", true, all, []string{"Impersonate-User: bob"}, 200, &audit.UserInfo{Username: "bob", Groups: []string{"system:authenticated"}}, "users/bob"},
		{"service account", true, all, []string{"Impersonate-User: system:serviceaccount:ns:sa"}, 200,
			&audit.UserInfo{Username: "system:serviceaccount:ns:sa", Groups: []string{"system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"}}, "serviceaccounts/ns/sa"},
		{"what only looks like one", true, all, []string{"Impersonate-User: system:serviceaccount:ns:SA"}, 200,
			&audit.UserInfo{Username: "system:serviceaccount:ns:SA", Groups: []string{"system:authenticated"}}, "users/system:serviceaccount:ns:SA"},
		{"everything", true, all, bob, 200, &audit.UserInfo{Username: "bob", UID: "7", Groups: []string{"a", "b", "system:authenticated"}, Extra: map[string][]string{"a/b": {"x", "y"}}},
			"users/bob groups/a groups/b authentication.k8s.io/uids/7 authentication.k8s.io/userextras/a/b/x authentication.k8s.io/userextras/a/b/y"},
		{"user refused", true, but("users"), bob, 403, nil, "users/bob"},
		{"group refused", true, but("groups"), bob, 403, nil, "users/bob groups/a"},
		{"UID refused", true, but("uids"), bob, 403, nil, "users/bob groups/a groups/b authentication.k8s.io/uids/7"},
		{"extra refused", true, but("userextras"), bob, 403, nil, "users/bob groups/a groups/b authentication.k8s.io/uids/7 authentication.k8s.io/userextras/a/b/x"},
		{"system:masters, though the authorizer would", true, all, []string{"Impersonate-User: bob", "Impersonate-Group: system:masters"}, 403, nil, ""},
		{"group alone", true, all, []string{"Impersonate-Group: a"}, 400, nil, ""},
		{"empty user", true, all, []string{"Impersonate-User: "}, 400, nil, ""},
		{"what is yet to come", true, all, []string{"Impersonate-Everything: x"}, 400, nil, ""},
	}
	for _, c := range cases {
		for _, proto := range []string{"http/1.1", "h2"} {
			t.Run(c.name+" "+proto, func(t *testing.T) {
				g := newRig(t, Impersonate, func(cfg *Config) { cfg.AllowImpersonation = c.allow })
				g.allowed = c.allowed
				res := g.do(t, g.client(t, proto), "GET", "/api/v1/pods", nil, append(slices.Clone(c.headers), asJane)...)
				if res.StatusCode != c.code {
					t.Errorf("%d %s, want %d", res.StatusCode, text(t, res), c.code)
				}
				var asked []string
				for _, s := range g.reviews {
					a := s.ResourceAttributes
					var parts []string
					for _, p := range []string{a.Group, a.Resource, a.Subresource, a.Namespace, a.Name} {
						if p != "" {
							parts = append(parts, p)
						}
					}
					asked = append(asked, strings.Join(parts, "/"))
					if a.Verb != "impersonate" || s.User != "jane" || s.UID != "u1" || !slices.Equal(s.Groups, []string{"staff", "system:authenticated"}) || !slices.Equal(s.Extra["Scopes/x"], []string{"a", "b"}) {
						t.Errorf("asked of whom: %+v", s)
					}
				}
				if got := strings.Join(asked, " "); got != c.asked {
					t.Errorf("asked %s\nwant  %s", got, c.asked)
				}
				e := g.events.stage(t, audit.StageResponseComplete, 0)
				if diff := cmp.Diff(c.want, e.ImpersonatedUser); diff != "" {
					t.Error(diff)
				}
				if e.User.Username != "jane" || int(e.ResponseStatus.Code) != c.code {
					t.Errorf("event: user %q, %+v", e.User.Username, e.ResponseStatus)
				}
				switch up := g.last(); {
				case c.want == nil && up != nil:
					t.Errorf("it went up as %v", identityOf(up))
				case c.want != nil && (up == nil || up.Header.Get("Impersonate-User") != c.want.Username || !slices.Equal(up.Header["Impersonate-Group"], c.want.Groups)):
					t.Errorf("it went up as %v", up)
				}
			})
		}
	}
	t.Run("nobody", func(t *testing.T) {
		g := newRig(t, Impersonate, func(cfg *Config) { cfg.AllowImpersonation = true })
		g.allowed = all
		if res := g.do(t, g.h2, "GET", "/api", nil, "Impersonate-User: bob"); res.StatusCode != 403 || g.last() != nil || len(g.reviews) != 0 {
			t.Errorf("code %d, %d reviews", res.StatusCode, len(g.reviews))
		}
	})
	t.Run("too many", func(t *testing.T) {
		g := newRig(t, Impersonate, func(cfg *Config) { cfg.AllowImpersonation = true })
		g.allowed = all
		headers := []string{asJane, "Impersonate-User: bob"}
		for i := range maxImpersonated {
			headers = append(headers, fmt.Sprintf("Impersonate-Group: g%d", i))
		}
		if res := g.do(t, g.h2, "GET", "/api", nil, headers...); res.StatusCode != 403 || len(g.reviews) != 0 {
			t.Errorf("code %d, %d reviews", res.StatusCode, len(g.reviews))
		}
	})
	t.Run("the authorizer does not answer", func(t *testing.T) {
		g := newRig(t, Impersonate, func(cfg *Config) { cfg.AllowImpersonation = true })
		g.handle(pathAccess, func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", http.StatusForbidden) })
		if res := g.do(t, g.h2, "GET", "/api", nil, asJane, "Impersonate-User: bob"); res.StatusCode != 503 || g.last() != nil {
			t.Errorf("code %d", res.StatusCode)
		}
	})
}

// A key of extra goes there and back, whatever is in it.
func TestEscapeExtra(t *testing.T) {
	for _, key := range []string{"scopes", "Scopes", "a/b", "authentication.kubernetes.io/pod-name", "100%", "ü", "a:b", "a b", "%41", "\x00"} {
		h := http.Header{}
		setIdentity(h, &audit.UserInfo{Username: "jane", Extra: map[string][]string{key: {"v"}}})
		got, err := asked(h)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string][]string{key: {"v"}}, got.Extra); diff != "" {
			t.Error(diff)
		}
	}
}

func FuzzIdentity(f *testing.F) {
	f.Add("jane", "staff", "scopes", "x")
	f.Add(" jane", "system:masters", "A%", "\n")
	f.Fuzz(func(t *testing.T, name, group, key, value string) {
		want := &audit.UserInfo{Username: name, Groups: []string{group}, Extra: map[string][]string{key: {value}}}
		if checkIdentity(want) != nil {
			return
		}
		h := http.Header{}
		setIdentity(h, want)
		got, err := asked(h)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}
