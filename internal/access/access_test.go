package access

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func newStore(t *testing.T) (*Store, *bytes.Buffer) {
	t.Helper()
	data := t.TempDir()
	if err := Init(data, Names{}); err != nil {
		t.Fatal(err)
	}
	return openStore(t, data)
}

func openStore(t *testing.T, data string) (*Store, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	s, err := Open(data, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return s, &log
}

func bearer(token string) *http.Request {
	return &http.Request{Header: http.Header{"Authorization": {"Bearer " + token}}}
}

func withCert(certs ...*x509.Certificate) *http.Request {
	return &http.Request{Header: http.Header{}, TLS: &tls.ConnectionState{PeerCertificates: certs}}
}

func clientCert(t *testing.T, s *Store, cluster string, life time.Duration) *x509.Certificate {
	t.Helper()
	cert, key, err := s.IssueClient(cluster, life)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf
}

func TestNothingIsMadeSilently(t *testing.T) {
	data := t.TempDir()
	_, err := Open(data, slog.Default())
	if err == nil || !strings.Contains(err.Error(), "annals init") {
		t.Fatalf("Open without Init: %v, want a pointer to annals init", err)
	}
	if err := Init(data, Names{}); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(data, "pki/server-ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	if err := Init(data, Names{}); err == nil {
		t.Fatal("a second Init replaced the keys")
	}
	after, _ := os.ReadFile(filepath.Join(data, "pki/server-ca.crt"))
	if !bytes.Equal(before, after) {
		t.Fatal("a refused Init changed the CA")
	}
	err = filepath.WalkDir(data, func(p string, d fs.DirEntry, err error) error {
		if fi, err := d.Info(); err == nil && p != data && fi.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is open to others: %v", p, fi.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestInitAfterCrashHalfway(t *testing.T) {
	data := t.TempDir()
	if err := os.MkdirAll(filepath.Join(data, "pki.new"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "pki.new/server-ca.key"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Init(data, Names{}); err != nil {
		t.Fatal(err)
	}
	openStore(t, data)
}

func TestLeafRenews(t *testing.T) {
	s, _ := newStore(t)
	start := time.Now()
	now := start
	s.now = func() time.Time { return now }
	get := func() *tls.Certificate {
		t.Helper()
		c, err := s.TLSConfig().GetCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	verify := func(c *tls.Certificate, name string) error {
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(s.ServerCA()) {
			t.Fatal("ServerCA is not PEM")
		}
		_, err := c.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: now})
		return err
	}
	first := get()
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		if err := verify(first, name); err != nil {
			t.Error(err)
		}
	}
	now = start.Add(19 * 24 * time.Hour)
	if get() != first {
		t.Error("renewed with 11 days left")
	}
	now = start.Add(21 * 24 * time.Hour)
	second := get()
	if second == first || !second.Leaf.NotAfter.After(now.Add(29*24*time.Hour)) {
		t.Error("not renewed with 9 days left")
	}
	if err := verify(second, "192.0.2.5"); err == nil {
		t.Error("the certificate is for an address that was not given")
	}
	if err := SetNames(s.dir, Names{DNS: []string{"audit.example.com"}, IPs: []netip.Addr{netip.MustParseAddr("192.0.2.5")}}); err != nil {
		t.Fatal(err)
	}
	third := get()
	for _, name := range []string{"192.0.2.5", "audit.example.com", "localhost", "127.0.0.1"} {
		if err := verify(third, name); err != nil {
			t.Error(err)
		}
	}
}

func TestLeafSurvivesBrokenNames(t *testing.T) {
	s, log := newStore(t)
	first, err := s.certificate()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "pki/names.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := s.certificate()
	if err != nil || c != first {
		t.Fatalf("got %v, %v; want the old certificate", c, err)
	}
	if !strings.Contains(log.String(), "cannot be renewed") {
		t.Errorf("nothing in the log: %q", log)
	}
}

func TestTokens(t *testing.T) {
	s, _ := newStore(t)
	a, ta, err := s.NewToken("prod", "first")
	if err != nil {
		t.Fatal(err)
	}
	// The second is added by another process.
	other, _ := openStore(t, s.dir)
	b, _, err := other.NewToken("prod", "")
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := other.NewToken("test", "")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(a, TokenPrefix) || len(a) != len(TokenPrefix)+52 || a == b {
		t.Errorf("tokens %q, %q", a, b)
	}
	file, err := os.ReadFile(filepath.Join(s.dir, "tokens.json"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(file, []byte(a)) || bytes.Contains(file, []byte(strings.TrimPrefix(a, TokenPrefix))) {
		t.Error("tokens.json holds a token in clear")
	}
	for token, want := range map[string]string{a: "prod", b: "prod", c: "test"} {
		if got, err := s.Authenticate(bearer(token)); got != want || err != nil {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	if list, err := s.Tokens(); err != nil || len(list) != 3 || list[0] != ta {
		t.Errorf("Tokens: %+v, %v", list, err)
	}
	if err := other.Revoke(ta.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authenticate(bearer(a)); !errors.Is(err, ErrBadToken) {
		t.Errorf("revoked token: %v", err)
	}
	if got, err := s.Authenticate(bearer(b)); got != "prod" || err != nil {
		t.Errorf("got %q, %v after revoking another", got, err)
	}
	if err := other.Revoke(ta.ID); err == nil {
		t.Error("revoking twice is no error")
	}
	if _, _, err := s.NewToken(Reserved, ""); err == nil {
		t.Error("a token for the reserved cluster")
	}
}

func TestTokensAddedAtOnce(t *testing.T) {
	s, _ := newStore(t)
	const n = 8
	errs := make(chan error, n)
	for i := range n {
		go func() {
			_, _, err := s.NewToken(fmt.Sprintf("c%d", i), "")
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if list, err := s.Tokens(); err != nil || len(list) != n {
		t.Errorf("%d tokens, %v; want %d", len(list), err, n)
	}
}

func TestUnreadableTokensKeepTheOld(t *testing.T) {
	s, log := newStore(t)
	a, _, err := s.NewToken("prod", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authenticate(bearer(a)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(s.dir, "tokens.json")
	if err := os.WriteFile(path, []byte(`{"version":1,"tokens":[`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Authenticate(bearer(a)); got != "prod" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if !strings.Contains(log.String(), "stay in force") {
		t.Errorf("nothing in the log: %q", log)
	}
	if _, err := Open(s.dir, s.log); err == nil {
		t.Error("Open took a broken tokens.json")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authenticate(bearer(a)); !errors.Is(err, ErrBadToken) {
		t.Errorf("tokens.json deleted: %v", err)
	}
}

func TestAuthenticateRefuses(t *testing.T) {
	s, _ := newStore(t)
	stranger, _ := newStore(t)
	expired := clientCert(t, s, "prod", time.Minute)
	foreign := clientCert(t, stranger, "prod", time.Hour)
	serverLeaf, err := s.certificate()
	if err != nil {
		t.Fatal(err)
	}
	good := clientCert(t, s, "prod", 24*time.Hour)
	if got, err := s.Authenticate(withCert(good)); got != "prod" || err != nil {
		t.Fatalf("good certificate: %q, %v", got, err)
	}
	s.now = func() time.Time { return time.Now().Add(2 * time.Minute) }
	for _, c := range []struct {
		name string
		r    *http.Request
		want error
		says string
	}{
		{"nothing", &http.Request{Header: http.Header{}}, ErrNoCredentials, "annals setup"},
		{"TLS without certificate", withCert(), ErrNoCredentials, ""},
		{"another scheme", &http.Request{Header: http.Header{"Authorization": {"Basic dTpw"}}}, ErrBadToken, `"Basic"`},
		{"empty token", bearer(""), ErrBadToken, ""},
		{"unknown token", bearer(TokenPrefix + strings.Repeat("a", 52)), ErrBadToken, "revoked"},
		{"expired certificate", withCert(expired), ErrExpired, expired.NotAfter.UTC().Format(time.RFC3339)},
		{"its subject", withCert(expired), ErrExpired, "CN=prod"},
		{"another authority's certificate", withCert(foreign), ErrBadCertificate, "CN=prod"},
		{"the server's own certificate", withCert(serverLeaf.Leaf), ErrBadCertificate, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			cluster, err := s.Authenticate(c.r)
			if cluster != "" || !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.says) {
				t.Errorf("got %q, %v; want %v with %q", cluster, err, c.want, c.says)
			}
		})
	}
	// A certificate that was good at the first request of a connection expires on it.
	s.now = func() time.Time { return time.Now().Add(25 * time.Hour) }
	if _, err := s.Authenticate(withCert(good)); !errors.Is(err, ErrExpired) {
		t.Errorf("remembered certificate after its date: %v", err)
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct {
		name string
		ok   bool
	}{
		{"prod", true}, {"a", true}, {"7", true}, {"eu-west.prod-1", true}, {strings.Repeat("a", 63), true},
		{"", false}, {"annals", false}, {"Prod", false}, {"-a", false}, {"a-", false}, {".a", false}, {"a.", false}, {"a/b", false},
		{"..", false}, {"a b", false}, {"ä", false}, {strings.Repeat("a", 64), false}, {"a\x00", false},
	} {
		if err := CheckCluster(c.name); (err == nil) != c.ok {
			t.Errorf("CheckCluster(%q): %v", c.name, err)
		}
	}
	for _, c := range []struct {
		dns, ip string
		ok      bool
	}{
		{"audit.example.com", "192.0.2.5", true}, {"*.example.com", "2001:db8::5", true},
		{"192.0.2.5", "192.0.2.5", false}, {"https://x", "192.0.2.5", false}, {"x:9443", "192.0.2.5", false}, {"", "192.0.2.5", false},
		{"x", "host", false}, {"x", "fe80::1%eth0", false}, {"x", "192.0.2.5/24", false},
	} {
		if _, err := ParseNames([]string{c.dns}, []string{c.ip}); (err == nil) != c.ok {
			t.Errorf("ParseNames(%q, %q): %v", c.dns, c.ip, err)
		}
	}
}

func FuzzTokensFile(f *testing.F) {
	f.Add([]byte(`{"version":1,"tokens":[{"id":"000000000000","cluster":"prod","sha256":"` + strings.Repeat("0", 64) + `","created":"2026-01-01T00:00:00Z"}]}`))
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte(`{"version":2,"tokens":[{"id":"000000000000","role":"reader","name":"jane","scope":"ns:a","sha256":"` + strings.Repeat("0", 64) + `","expires":"2026-01-01T00:00:00Z"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := parseTokens(b)
		if err != nil && len(file.Tokens) != 0 {
			t.Error("tokens in force from a file that was refused")
		}
		for _, tok := range file.Tokens {
			if tok.check() != nil {
				t.Errorf("took %+v", tok)
			}
			if _, err := ParseScope(tok.Scope); err != nil {
				t.Errorf("took %+v: %v", tok, err)
			}
		}
	})
}
