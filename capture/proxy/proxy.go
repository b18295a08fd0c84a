// Package proxy is a reverse proxy before a Kubernetes API server that records every request as an audit event, for clusters
// whose API server cannot be told to.
//
// Start with New, which makes a Proxy of a Config; it is an http.Handler, and Serve serves it.
//
// It promises: only the configured upstream is ever dialled, whatever a request says; nobody becomes by it what the upstream
// would not let them be; a request whose user cannot be told is not passed on; and no credential in a header or a URL is
// written to an event, a log or a metric.
package proxy

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/client-go/rest"

	"annals.dev/audit"
	"annals.dev/capture"
	"annals.dev/policy"
	"annals.dev/sink"
)

// Mode is as whom requests go up.
type Mode string

const (
	// Passthrough passes the caller's token on unchanged. The proxy has no rights of its own; the upstream tells it whose the
	// token is.
	Passthrough Mode = "passthrough"
	// Impersonate checks who the caller is, and passes the request on with the proxy's own credentials, as that caller.
	Impersonate Mode = "impersonate"
)

// Config is what a Proxy needs.
type Config struct {
	Upstream *rest.Config // the API server; its credentials are used in mode Impersonate alone
	Mode     Mode

	Policy *policy.Policy // what is recorded; Handler changes it
	Sink   sink.Sink      // where events go; whoever made it closes it

	// Audiences are whom a caller's token must be for, one of them. Impersonate only; without them no token is taken.
	Audiences []string
	// ClientCAs gives the authorities of callers' certificates. Impersonate only; without it no certificate is taken.
	ClientCAs func() *x509.CertPool
	// AllowImpersonation lets callers impersonate others where the upstream's authorizer lets them. Impersonate only; in
	// Passthrough the upstream decides by itself.
	AllowImpersonation bool

	// TrustedProxies are whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// MaxRequests and MaxStreams are how many ordinary requests, and how many watches, logs and upgraded connections, may be
	// under way; beyond them the answer is 429. Optional: 1000 and 10000.
	MaxRequests, MaxStreams int
	// Timeout is how long an ordinary request may take. Optional: two minutes.
	Timeout time.Duration
	// MaxBody is the most of one body that is kept and recorded. Optional: capture.DefaultMaxBody.
	MaxBody int64

	Log     *slog.Logger     // Optional.
	Metrics *Metrics         // Optional.
	Capture *capture.Metrics // Optional.
}

// Defaults of Config.
const (
	DefaultMaxRequests = 1000
	DefaultMaxStreams  = 10000
	DefaultTimeout     = 2 * time.Minute
)

// Proxy audits requests and passes them on. Many goroutines may use it.
type Proxy struct {
	cfg      Config
	upstream *upstream
	audited  *capture.Handler
	reviews  *reviews
	ips      func(*http.Request) []string

	requests, streams chan struct{} // a place for each that is under way
	busy              sync.WaitGroup
	seldom            rate.Sometimes
}

// New makes a Proxy. It does not speak to the upstream yet.
func New(cfg Config) (*Proxy, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	cfg.fill()
	up, err := newUpstream(cfg.Upstream, cfg.Mode)
	if err != nil {
		return nil, fmt.Errorf("proxy: upstream: %w", err)
	}
	if cfg.Upstream.Insecure {
		cfg.Log.Warn("proxy: the upstream's certificate is not checked: whoever stands between can read every token; give its CA", "upstream", up.base.Host)
	}
	p := &Proxy{
		cfg: cfg, upstream: up, reviews: newReviews(up, cfg.Metrics), ips: capture.TrustedSourceIPs(cfg.TrustedProxies),
		requests: make(chan struct{}, cfg.MaxRequests), streams: make(chan struct{}, cfg.MaxStreams),
		seldom: rate.Sometimes{Interval: time.Second},
	}
	p.audited, err = capture.New(p.forwarder(), capture.Config{
		Policy: cfg.Policy, Sink: cfg.Sink, Authenticate: authenticator{p}, Unauthorized: http.HandlerFunc(p.unauthorized),
		RequestInfo: about, SourceIPs: believed, Body: DecodeBody, MaxBody: cfg.MaxBody, Log: cfg.Log, Metrics: cfg.Capture,
	})
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	return p, nil
}

func (cfg *Config) check() error {
	switch {
	case cfg.Upstream == nil:
		return errors.New("no upstream: give its kubeconfig")
	case cfg.Policy == nil:
		return errors.New("no policy: without one nothing is recorded")
	case cfg.Sink == nil:
		return errors.New("no sink: events would go nowhere")
	case cfg.Upstream.Impersonate.UserName != "":
		return fmt.Errorf("the upstream's kubeconfig impersonates %q: leave out as, whom a request goes up as is the caller's affair", cfg.Upstream.Impersonate.UserName)
	}
	switch cfg.Mode {
	case Passthrough:
		if cfg.ClientCAs != nil || len(cfg.Audiences) > 0 || cfg.AllowImpersonation {
			return errors.New("client certificates, token audiences and allowed impersonation belong to mode impersonate: in passthrough the upstream itself judges the caller's token")
		}
	case Impersonate:
		if cfg.ClientCAs == nil && len(cfg.Audiences) == 0 {
			return errors.New("mode impersonate needs a way to tell who calls: token audiences, a client CA, or both")
		}
	default:
		return fmt.Errorf("mode %q is not known: use %s or %s", cfg.Mode, Passthrough, Impersonate)
	}
	return nil
}

func (cfg *Config) fill() {
	if cfg.MaxRequests <= 0 {
		cfg.MaxRequests = DefaultMaxRequests
	}
	if cfg.MaxStreams <= 0 {
		cfg.MaxStreams = DefaultMaxStreams
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
}

// Handler is what audits. Its policy may be changed while requests are under way.
func (p *Proxy) Handler() *capture.Handler { return p.audited }

// Upstream is the URL of the API server.
func (p *Proxy) Upstream() string { return p.upstream.base.String() }

// ServeHTTP records a request and passes it on.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.busy.Add(1)
	defer p.busy.Done()
	c := &call{url: r.URL, ips: p.ips(r)}
	seen := r.WithContext(context.WithValue(r.Context(), callKey{}, c))
	seen.URL = redacted(r.URL)
	seen.RequestURI = seen.URL.RequestURI()
	if isUpgrade(r) {
		w = &upgradable{w, r.Context()}
	}
	p.audited.ServeHTTP(w, seen)
}

// call is what the proxy knows of one request, in the request's context. The goroutine that serves the request owns it.
type call struct {
	url       *url.URL             // as the client sent it; the request's own is redacted
	ips       []string             // where it came from, as far as that is believed
	refused   *refusal             // why the caller was not accepted
	as        *audit.UserInfo      // as whom the request asks to act, in Passthrough
	user      *audit.UserInfo      // who calls
	info      *capture.RequestInfo // what it is about
	anonymous bool                 // it came without credentials
}

type callKey struct{}

func callOf(r *http.Request) *call { return r.Context().Value(callKey{}).(*call) }

func about(r *http.Request) (*capture.RequestInfo, error) {
	info, err := capture.KubernetesRequestInfo(r)
	callOf(r).info = info
	return info, err
}

func believed(r *http.Request) []string { return callOf(r).ips }
