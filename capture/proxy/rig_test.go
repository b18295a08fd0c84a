package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	authentication "k8s.io/api/authentication/v1"
	authorization "k8s.io/api/authorization/v1"
	"k8s.io/client-go/rest"

	"annals.dev/audit"
	"annals.dev/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeUpstream stands in for an API server. A mock is right here because these tests are about what reaches the upstream and
// what it must never see, byte for byte, and about answers that a real one gives only by accident; test/e2e has kubectl and a
// real kube-apiserver.
type fakeUpstream struct {
	*httptest.Server
	tokens  map[string]authentication.UserInfo // whose each token is
	forUs   map[string][]string                // for whom each is
	allowed func(authorization.SubjectAccessReviewSpec) bool

	mu       sync.Mutex
	handlers map[string]http.HandlerFunc // by path
	seen     []*http.Request             // but reviews
	asked    []string                    // paths of reviews
	reviews  []authorization.SubjectAccessReviewSpec
}

func newUpstreamServer(t testing.TB) *fakeUpstream {
	up := &fakeUpstream{
		tokens: map[string]authentication.UserInfo{
			"jane-token": {Username: "jane", UID: "u1", Groups: []string{"staff", "system:authenticated"}, Extra: map[string]authentication.ExtraValue{"Scopes/x": {"a", "b"}}},
			"boss-token": {Username: "boss", Groups: []string{"system:masters", "system:authenticated"}},
			"odd-token":  {Username: " jane"},
			"none-token": {},
		},
		handlers: map[string]http.HandlerFunc{},
	}
	up.Server = httptest.NewUnstartedServer(up)
	up.Server.EnableHTTP2 = true
	up.Server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	up.Server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	up.StartTLS()
	t.Cleanup(func() {
		up.CloseClientConnections()
		up.Close()
	})
	return up
}

func (up *fakeUpstream) handle(path string, h http.HandlerFunc) {
	up.mu.Lock()
	defer up.mu.Unlock()
	up.handlers[path] = h
}

func (up *fakeUpstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	up.mu.Lock()
	h := up.handlers[r.URL.Path]
	review := r.URL.Path == pathSelf || r.URL.Path == pathToken || r.URL.Path == pathAccess
	if review {
		up.asked = append(up.asked, r.URL.Path)
	} else {
		up.seen = append(up.seen, r.Clone(context.Background()))
	}
	up.mu.Unlock()
	switch {
	case h != nil:
		h(w, r)
	case review:
		up.review(w, r)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Audit-Id", r.Header.Get("Audit-Id"))
		io.WriteString(w, `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success"}`)
	}
}

func (up *fakeUpstream) review(w http.ResponseWriter, r *http.Request) {
	answer := func(v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		json.NewEncoder(w).Encode(v)
	}
	switch r.URL.Path {
	case pathSelf:
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		u, ok := up.tokens[token]
		if !ok {
			http.Error(w, "Unauthorized "+token, http.StatusUnauthorized)
			return
		}
		answer(authentication.SelfSubjectReview{Status: authentication.SelfSubjectReviewStatus{UserInfo: u}})
	case pathToken:
		var q authentication.TokenReview
		json.NewDecoder(r.Body).Decode(&q)
		u, ok := up.tokens[q.Spec.Token]
		q.Status = authentication.TokenReviewStatus{Authenticated: ok, User: u, Audiences: up.forUs[q.Spec.Token]}
		answer(q)
	case pathAccess:
		var q authorization.SubjectAccessReview
		json.NewDecoder(r.Body).Decode(&q)
		up.mu.Lock()
		up.reviews = append(up.reviews, q.Spec)
		up.mu.Unlock()
		q.Status.Allowed = up.allowed != nil && up.allowed(q.Spec)
		answer(q)
	}
}

// last is the last request that came but for reviews; nil if none did.
func (up *fakeUpstream) last() *http.Request {
	up.mu.Lock()
	defer up.mu.Unlock()
	if len(up.seen) == 0 {
		return nil
	}
	return up.seen[len(up.seen)-1]
}

func (up *fakeUpstream) questions() int {
	up.mu.Lock()
	defer up.mu.Unlock()
	return len(up.asked)
}

// config is how the proxy reaches the upstream: with everything that a kubeconfig may hold to say who one is.
func (up *fakeUpstream) config(t testing.TB) *rest.Config {
	cert, key := testCA.issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "the-proxy"}})
	return &rest.Config{Host: up.URL, BearerToken: "proxy-token", TLSClientConfig: rest.TLSClientConfig{
		CAData: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: up.Certificate().Raw}), CertData: cert, KeyData: key,
	}}
}

// memory is a sink that keeps events.
type memory struct {
	mu     sync.Mutex
	events []audit.Event
	raw    bytes.Buffer
}

func (m *memory) Send(_ context.Context, events ...[]byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, b := range events {
		var e audit.Event
		if err := json.Unmarshal(b, &e); err != nil {
			return err
		}
		m.events = append(m.events, e)
		m.raw.Write(b)
		m.raw.WriteByte('\n')
	}
	return nil
}
func (m *memory) Close(context.Context) error { return nil }
func (m *memory) String() string              { return "memory" }

// stage waits for the n-th event of a stage: the last event of a request comes after its client has the answer.
func (m *memory) stage(t testing.TB, stage audit.Stage, n int) audit.Event {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		m.mu.Lock()
		all := slices.DeleteFunc(slices.Clone(m.events), func(e audit.Event) bool { return e.Stage != stage })
		m.mu.Unlock()
		if len(all) > n {
			return all[n]
		}
		if time.Now().After(deadline) {
			t.Fatalf("no event %d of stage %s; there are\n%s", n, stage, m.text())
		}
	}
}

func (m *memory) text() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.raw.String()
}

// rig is a proxy that is being served before a fake upstream.
type rig struct {
	*fakeUpstream
	p      *Proxy
	addr   string
	events *memory
	log    *locked
	stop   func()
	h1, h2 *http.Client
}

type locked struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(b)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.String()
}

func everything(level audit.Level) *policy.Policy {
	return &policy.Policy{Rules: []policy.Rule{{Level: level}}}
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

func newRig(t testing.TB, mode Mode, change func(*Config)) *rig {
	t.Helper()
	g := &rig{fakeUpstream: newUpstreamServer(t), events: &memory{}, log: &locked{}}
	cfg := Config{
		Upstream: g.config(t), Mode: mode, Policy: everything(audit.LevelRequestResponse), Sink: g.events,
		Log: slog.New(slog.NewTextHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if mode == Impersonate {
		g.forUs = map[string][]string{"jane-token": {"annals"}, "boss-token": {"annals"}, "odd-token": {"annals"}, "none-token": {"annals"}, "other-token": {"other"}}
		g.tokens["other-token"] = authentication.UserInfo{Username: "other"}
		cfg.Audiences = []string{"annals"}
		cfg.ClientCAs = testCA.pool
	}
	if change != nil {
		change(&cfg)
	}
	g.serve(t, cfg, Serving{Drain: 100 * time.Millisecond})
	return g
}

func (g *rig) serve(t testing.TB, cfg Config, s Serving) {
	t.Helper()
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g.p, g.addr = p, l.Addr().String()
	cert, key := testCA.issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "proxy"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	s.Listener, s.TLS = l, &tls.Config{Certificates: []tls.Certificate{pair}}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- p.Serve(ctx, s) }()
	g.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	g.h1, g.h2 = g.client(t, "http/1.1"), g.client(t, "h2")
	t.Cleanup(func() {
		g.h1.CloseIdleConnections()
		g.h2.CloseIdleConnections()
		g.stop()
	})
}

func (g *rig) client(t testing.TB, proto string, certs ...tls.Certificate) *http.Client {
	tr := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: testCA.pool(), NextProtos: []string{proto}, Certificates: certs},
		ForceAttemptHTTP2: proto == "h2", DisableCompression: true,
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// get makes a request with headers given as "Name: value", or with _ kept as it is.
func (g *rig) do(t testing.TB, c *http.Client, method, path string, body io.Reader, headers ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "https://"+g.addr+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header[name] = append(r.Header[name], value)
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

func text(t testing.TB, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// dial is a TLS connection to the proxy, on which anything may be said.
func (g *rig) dial(t testing.TB) *tls.Conn {
	t.Helper()
	c, err := tls.Dial("tcp", g.addr, &tls.Config{RootCAs: testCA.pool(), NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

// raw sends bytes and reads one answer; \n is a line's end.
func (g *rig) raw(t testing.TB, request string) *http.Response {
	t.Helper()
	c := g.dial(t)
	io.WriteString(c, strings.ReplaceAll(request, "\n", "\r\n"))
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// authority signs the certificates of a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

var testCA, strangeCA = newAuthority(), newAuthority()

func newAuthority() *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return &authority{cert, key}
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

func (a *authority) issue(t testing.TB, tmpl *x509.Certificate) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl.SerialNumber = big.NewInt(time.Now().UnixNano())
	if tmpl.NotAfter.IsZero() {
		tmpl.NotBefore, tmpl.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	if tmpl.ExtKeyUsage == nil {
		tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, k.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// caller is a client certificate.
func (a *authority) caller(t testing.TB, name string, groups []string, uids ...string) tls.Certificate {
	t.Helper()
	subject := pkix.Name{CommonName: name, Organization: groups}
	for _, uid := range uids {
		subject.ExtraNames = append(subject.ExtraNames, pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier(subjectUID), Value: uid})
	}
	cert, key := a.issue(t, &x509.Certificate{Subject: subject})
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// overTLS makes a request on a connection; nil if there is no answer.
func overTLS(conn net.Conn, request string) *http.Response {
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	c := tls.Client(conn, &tls.Config{RootCAs: testCA.pool(), ServerName: "127.0.0.1"})
	if _, err := io.WriteString(c, request); err != nil {
		return nil
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return nil
	}
	return res
}
