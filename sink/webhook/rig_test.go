package webhook

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"annals.dev/sink"
)

// request is one that a receiver got.
type request struct {
	method, uri, proto string
	header             http.Header
	body               string
	client             string // common name of the client's certificate
}

// receiver answers as it is told, and remembers.
type receiver struct {
	*httptest.Server

	mu       sync.Mutex
	requests []request
	answer   func(n int, r request) (status int, header map[string]string, body string)
}

func (v *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	got := request{method: r.Method, uri: r.RequestURI, proto: r.Proto, header: r.Header, body: string(b)}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		got.client = r.TLS.PeerCertificates[0].Subject.CommonName
	}
	v.mu.Lock()
	v.requests = append(v.requests, got)
	n := len(v.requests)
	v.mu.Unlock()
	if v.answer == nil {
		return
	}
	status, header, body := v.answer(n, got)
	for k, h := range header {
		w.Header().Set(k, h)
	}
	w.WriteHeader(status)
	io.WriteString(w, body)
}

func (v *receiver) got() []request {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]request(nil), v.requests...)
}

type answers = func(n int, r request) (int, map[string]string, string)

// always answers every request alike.
func always(status int, body string) answers {
	return func(int, request) (int, map[string]string, string) { return status, nil, body }
}

func plain(t *testing.T, answer answers) *receiver {
	t.Helper()
	v := &receiver{answer: answer}
	v.Server = httptest.NewServer(v)
	t.Cleanup(v.Close)
	return v
}

func secure(t *testing.T, answer answers, with func(*tls.Config)) *receiver {
	t.Helper()
	v := &receiver{answer: answer}
	v.Server = httptest.NewUnstartedServer(v)
	v.EnableHTTP2 = true
	v.TLS = &tls.Config{}
	if with != nil {
		with(v.TLS)
	}
	v.Config.ErrorLog = nil
	v.StartTLS()
	t.Cleanup(v.Close)
	return v
}

// ca is the receiver's certificate, in PEM.
func (v *receiver) ca() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: v.Certificate().Raw})
}

// kubeconfig writes one.
func kubeconfig(t testing.TB, cluster, user map[string]any) string {
	t.Helper()
	named := map[string]any{"cluster": "c"}
	whole := map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "x",
		"clusters": []any{map[string]any{"name": "c", "cluster": cluster}},
		"contexts": []any{map[string]any{"name": "x", "context": named}},
	}
	if user != nil {
		named["user"] = "u"
		whole["users"] = []any{map[string]any{"name": "u", "user": user}}
	}
	b, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, filepath.Join(t.TempDir(), "kubeconfig"), b)
}

func write(t testing.TB, path string, b []byte) string {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func open1(t *testing.T, cfg Config) *Webhook {
	t.Helper()
	if cfg.InitialBackoff == 0 {
		cfg.InitialBackoff = time.Millisecond
	}
	w, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := w.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return w
}

// event is one with an audit ID, as kube-apiserver logs it.
func event(id string) []byte {
	return fmt.Appendf(nil, `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":%q,"stage":"ResponseComplete","requestURI":"/","verb":"get","user":{},"requestReceivedTimestamp":null,"stageTimestamp":null}`, id)
}

func events(ids ...string) (list [][]byte) {
	for _, id := range ids {
		list = append(list, event(id))
	}
	return list
}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// issue makes a certificate for a client of that name, or for a server if there are hosts.
func (a *authority) issue(t *testing.T, name string, hosts ...string) (certificate, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}, DNSNames: hosts,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &k.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	b, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: b})
}

// closedPort is an address at which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// joined is the EventList of these items.
func joined(items ...[]byte) string {
	return `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[` + string(bytes.Join(items, []byte(","))) + "]}\n"
}

var _ sink.Sink = (*Webhook)(nil)
