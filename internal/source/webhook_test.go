package source

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"annals.dev/internal/access"
)

// served is a Webhook that runs on loopback, with everything real but the ledger.
type served struct {
	*Webhook
	url    string
	store  *access.Store
	ledger *fakeLedger
	log    *testLog
	stop   context.CancelFunc
	ended  chan error
	token  string
}

func serve(t *testing.T, change func(*WebhookConfig)) *served {
	t.Helper()
	data := t.TempDir()
	if err := access.Init(data, access.Names{}); err != nil {
		t.Fatal(err)
	}
	s := &served{ledger: new(fakeLedger), log: new(testLog), ended: make(chan error, 1)}
	var err error
	if s.store, err = access.Open(data, s.log.logger()); err != nil {
		t.Fatal(err)
	}
	if s.token, _, err = s.store.NewToken("prod", ""); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.url = "https://" + ln.Addr().String()
	cfg := WebhookConfig{
		Listener: ln, TLS: s.store.TLSConfig(), Access: s.store, Ledger: s.ledger, Log: s.log.logger(), Metrics: new(Metrics),
	}
	if change != nil {
		change(&cfg)
	}
	s.Webhook = NewWebhook(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	go func() { s.ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-s.ended; err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *served) client(t *testing.T, change func(*tls.Config)) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(s.store.ServerCA()) {
		t.Fatal("the server's CA is not PEM")
	}
	cfg := &tls.Config{RootCAs: roots}
	if change != nil {
		change(cfg)
	}
	tr := &http.Transport{TLSClientConfig: cfg, ForceAttemptHTTP2: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func (s *served) post(t *testing.T, c *http.Client, path, token string, body io.Reader, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, s.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

func TestCausesAreCounted(t *testing.T) {
	s := serve(t, nil)
	resp, text := s.post(t, s.client(t, nil), "/v1/audit/prod", s.token, strings.NewReader(list(item(1), `{"level":"Metadata","auditID":{]}`, item(2))))
	if resp.StatusCode != 200 {
		t.Fatalf("%s: %s", resp.Status, text)
	}
	causes := 0.0
	for _, m := range s.cfg.Metrics.All() {
		if m.Name == metricCauses && slices.Contains(m.Labels, "webhook") {
			causes += m.Value
		}
	}
	if causes != 1 {
		t.Errorf("%v pieces in quarantine by cause, want 1", causes)
	}
}

func TestDeliver(t *testing.T) {
	s := serve(t, nil)
	c := s.client(t, nil)
	// As kube-apiserver does it: the query is its own.
	resp, text := s.post(t, c, "/v1/audit/prod/cp-1?timeout=30s", s.token, strings.NewReader(list(item(1), item(2), item(3))), "Content-Type", "application/json")
	if resp.StatusCode != 200 || resp.ProtoMajor != 2 {
		t.Fatalf("%s %s: %s", resp.Proto, resp.Status, text)
	}
	var got struct{ Accepted, Duplicates, Conflicts, Salvaged, Quarantined int }
	if err := json.Unmarshal([]byte(text), &got); err != nil || got.Accepted != 3 {
		t.Errorf("receipt %q: %v", text, err)
	}
	if d := cmp.Diff(ids(1, 4), s.ledger.of("prod")); d != "" {
		t.Error(d)
	}
	if e := s.ledger.all()[0]; e.origin != "webhook/cp-1" || e.bytes != item(1) {
		t.Errorf("got %+v", e)
	}
	// The retry of a batch whose answer was lost.
	_, text = s.post(t, c, "/v1/audit/prod", s.token, strings.NewReader(list(item(1), item(2), item(3), item(4))))
	if err := json.Unmarshal([]byte(text), &got); err != nil || got.Accepted != 1 || got.Duplicates != 3 {
		t.Errorf("receipt %q: %v", text, err)
	}
	if e := s.ledger.all()[3]; e.origin != "webhook" {
		t.Errorf("origin %q", e.origin)
	}
	want := map[string]float64{
		"annals_source_events_total cluster prod source webhook outcome accepted":  4,
		"annals_source_events_total cluster prod source webhook outcome duplicate": 3,
		"annals_webhook_receiving": 0,
	}
	for _, m := range s.cfg.Metrics.All() {
		key := strings.Join(append([]string{m.Name}, m.Labels...), " ")
		if w, ok := want[key]; ok && w != m.Value {
			t.Errorf("%s = %v, want %v", key, m.Value, w)
		}
		delete(want, key)
		if MetricHelp[m.Name] == "" {
			t.Errorf("%s has no help", m.Name)
		}
	}
	if len(want) > 0 {
		t.Errorf("missing %v", want)
	}
}

// One bad event never fails its batch.
func TestDeliverBadEvents(t *testing.T) {
	for _, c := range []struct {
		name, body string
		good       []string
		bad        bool
	}{
		{"one bad among good", list(item(1), `{"level":"Metadata","auditID":`+"\x01"+`}`, item(2)), ids(1, 3), true},
		{"an item that is no event", list(item(1), `true`, item(2)), ids(1, 3), true},
		{"an item cut short, then nothing", strings.TrimSuffix(list(item(1)), "]}\n") + "," + item(2)[:200], []string{id(1), id(2)}, false},
		{"log lines instead of a list", lines(1, 4), ids(1, 4), false},
		{"garbage", "hello", nil, true},
		{"no items", list(), nil, false},
		{"null items", `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":null}`, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := new(fakeLedger)
			w := NewWebhook(WebhookConfig{Access: anyone("prod"), Ledger: l, Log: new(testLog).logger()})
			rec := httptest.NewRecorder()
			w.ServeHTTP(rec, httptest.NewRequest("POST", "/v1/audit/prod", strings.NewReader(c.body)))
			if rec.Code != 200 {
				t.Fatalf("%d %s", rec.Code, rec.Body)
			}
			var good []string
			bad := 0
			for _, e := range l.all() {
				if e.id != "" {
					good = append(good, e.id)
				} else {
					bad++
				}
			}
			if d := cmp.Diff(c.good, good); d != "" || c.bad != (bad > 0) {
				t.Errorf("%s; %d unreadable", d, bad)
			}
		})
	}
}

type anyone string

func (a anyone) Authenticate(*http.Request) (string, error) { return string(a), nil }

func TestRefusals(t *testing.T) {
	s := serve(t, nil)
	other, _, err := s.store.NewToken("test", "")
	if err != nil {
		t.Fatal(err)
	}
	c := s.client(t, nil)
	body := list(item(1))
	for _, x := range []struct {
		name, method, path, token string
		header                    []string
		body                      string
		want                      int
		says                      string
		answer                    [2]string // a header of the answer
	}{
		{name: "another path", path: "/metrics", want: 404, says: "this port takes audit events at /v1/audit/<cluster>[/<server>] and serves /healthz and /readyz"},
		{name: "the root", method: "GET", path: "/", want: 404, says: "nothing else"},
		{name: "no cluster", path: "/v1/audit/", token: s.token, body: body, want: 400, says: "cluster name is empty"},
		{name: "no slash", path: "/v1/audit", token: s.token, body: body, want: 404, says: "<cluster>"},
		{name: "bad cluster", path: "/v1/audit/Prod", token: s.token, body: body, want: 400, says: `"Prod"`},
		{name: "reserved cluster", path: "/v1/audit/annals", token: s.token, body: body, want: 400, says: "kept for the server's own events"},
		{name: "bad server", path: "/v1/audit/prod/-", token: s.token, body: body, want: 400, says: "server name"},
		{name: "too deep", path: "/v1/audit/prod/a/b", token: s.token, body: body, want: 400, says: "server name"},
		{name: "escaped dots", path: "/v1/audit/%2e%2e/x", token: s.token, body: body, want: 400, says: "cluster name"},
		{name: "GET", method: "GET", path: "/v1/audit/prod", token: s.token, want: 405, says: "POST", answer: [2]string{"Allow", "POST"}},
		{name: "PUT", method: "PUT", path: "/v1/audit/prod", token: s.token, body: body, want: 405, says: "POST", answer: [2]string{"Allow", "POST"}},
		{name: "POST to healthz", path: "/healthz", want: 405, says: "GET", answer: [2]string{"Allow", "GET, HEAD"}},
		{name: "no credentials", path: "/v1/audit/prod", body: body, want: 401, says: "annals setup", answer: [2]string{"WWW-Authenticate", `Bearer realm="annals"`}},
		{name: "unknown token", path: "/v1/audit/prod", token: access.TokenPrefix + "x", body: body, want: 401, says: "revoked"},
		{name: "token for another cluster", path: "/v1/audit/prod", token: other, body: body, want: 403, says: `for cluster "test", and the URL names cluster "prod"`},
		{name: "unknown encoding", path: "/v1/audit/prod", token: s.token, header: []string{"Content-Encoding", "br"}, body: body, want: 415, says: `"br"`},
		{name: "no gzip though it says so", path: "/v1/audit/prod", token: s.token, header: []string{"Content-Encoding", "gzip"}, body: body, want: 400, says: "gzip"},
		{name: "empty body", path: "/v1/audit/prod", token: s.token, want: 400, says: "empty"},
	} {
		t.Run(x.name, func(t *testing.T) {
			method := x.method
			if method == "" {
				method = "POST"
			}
			req, err := http.NewRequest(method, s.url+x.path, strings.NewReader(x.body))
			if err != nil {
				t.Fatal(err)
			}
			if x.token != "" {
				req.Header.Set("Authorization", "Bearer "+x.token)
			}
			for i := 0; i < len(x.header); i += 2 {
				req.Header.Set(x.header[i], x.header[i+1])
			}
			resp, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			text, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != x.want || !strings.Contains(string(text), x.says) {
				t.Errorf("%d %q, want %d with %q", resp.StatusCode, text, x.want, x.says)
			}
			if k := x.answer[0]; k != "" && resp.Header.Get(k) != x.answer[1] {
				t.Errorf("%s: %q, want %q", k, resp.Header.Get(k), x.answer[1])
			}
		})
	}
	if n := len(s.ledger.all()); n != 0 {
		t.Errorf("%d events were taken from refused requests", n)
	}
	if !strings.Contains(s.log.String(), `for cluster \"test\"`) {
		t.Errorf("the log does not say what was refused: %s", s.log)
	}
}

func TestGzipBody(t *testing.T) {
	s := serve(t, nil)
	c := s.client(t, nil)
	var z bytes.Buffer
	for round := range 2 { // the second uses the first one's reader again
		z.Reset()
		zw := gzip.NewWriter(&z)
		io.WriteString(zw, list(item(10*round), item(10*round+1)))
		zw.Close()
		if resp, text := s.post(t, c, "/v1/audit/prod", s.token, bytes.NewReader(z.Bytes()), "Content-Encoding", "gzip"); resp.StatusCode != 200 {
			t.Fatalf("%s: %s", resp.Status, text)
		}
	}
	if d := cmp.Diff([]string{id(0), id(1), id(10), id(11)}, s.ledger.of("prod")); d != "" {
		t.Error(d)
	}
	// Broken in the middle: nobody can say what stood there, so it is not acknowledged.
	b := z.Bytes()
	if resp, text := s.post(t, c, "/v1/audit/prod", s.token, bytes.NewReader(b[:len(b)-20]), "Content-Encoding", "gzip"); resp.StatusCode != 400 {
		t.Errorf("%s: %s", resp.Status, text)
	}
}

func TestClientCertificate(t *testing.T) {
	s := serve(t, nil)
	for _, c := range []struct {
		name, cluster string
		life          time.Duration
		want          int
		says, logged  string
	}{
		{"good", "prod", time.Hour, 200, "accepted", ""},
		{"of another cluster", "test", time.Hour, 403, `cluster "prod"`, ""},
		{"expired", "prod", -time.Minute, 401, "CN=prod", "expired"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cert, key, err := s.store.IssueClient(c.cluster, c.life)
			if err != nil {
				t.Fatal(err)
			}
			pair, err := tls.X509KeyPair(cert, key)
			if err != nil {
				t.Fatal(err)
			}
			client := s.client(t, func(cfg *tls.Config) { cfg.Certificates = []tls.Certificate{pair} })
			resp, text := s.post(t, client, "/v1/audit/prod", "", strings.NewReader(list(item(1))))
			if resp.StatusCode != c.want || !strings.Contains(text, c.says) || !strings.Contains(s.log.String(), c.logged) {
				t.Errorf("%s %q, want %d with %q", resp.Status, text, c.want, c.says)
			}
			if c.logged != "" && !strings.Contains(s.log.String(), pair.Leaf.NotAfter.UTC().Format(time.RFC3339)) {
				t.Errorf("the log does not give the date: %s", s.log)
			}
		})
	}
}

func TestTLSVersions(t *testing.T) {
	s := serve(t, nil)
	for _, c := range []struct {
		name   string
		change func(*tls.Config)
		ok     bool
	}{
		{"1.3", func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 }, true},
		{"1.2 AEAD", func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, true},
		{"1.2 CBC", func(c *tls.Config) {
			c.MaxVersion = tls.VersionTLS12
			c.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA}
		}, false},
		{"1.1", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, false},
		{"a stranger's CA", func(c *tls.Config) { c.RootCAs = x509.NewCertPool() }, false},
	} {
		resp, err := s.client(t, c.change).Get(s.url + "/healthz")
		if err == nil {
			resp.Body.Close()
		}
		if (err == nil) != c.ok {
			t.Errorf("TLS %s: %v", c.name, err)
		}
	}
}
