package source

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"

	"annals.dev/internal/access"
	"annals.dev/internal/ledger"
)

// Limits of the webhook. kube-apiserver gives up on a request after 30 seconds and sends it again.
const (
	maxBody       = 256 << 20
	maxHeader     = 64 << 10
	maxConns      = 1024
	maxPerHost    = 256       // of them from one address; an API server needs one or two
	maxPerOrigin  = 32        // requests being received at once from one API server
	maxReceiving  = 320 << 20 // bytes being received at once, over all; above the largest single body
	unknownLength = 72 << 20  // what a body of unknown length may hold in memory: one event of the largest size, and a chunk
	waitForRoom   = 10 * time.Second
	headerTimeout = 10 * time.Second
	bodyTimeout   = 2 * time.Minute
	idleTimeout   = 5 * time.Minute
	drainTimeout  = 30 * time.Second
)

const webhookPath = "/v1/audit/"

// Authenticator says which cluster a request speaks for. *access.Store is the one that matters.
type Authenticator interface {
	Authenticate(r *http.Request) (cluster string, err error)
}

// WebhookConfig is what a Webhook needs.
type WebhookConfig struct {
	Listener net.Listener // plain TCP; Run closes it
	TLS      *tls.Config  // access.Store.TLSConfig
	Access   Authenticator
	Ledger   Appender
	Ready    func() error // Optional. Why the ledger takes nothing at present, for /readyz.
	Log      *slog.Logger
	Metrics  *Metrics // Optional.
}

// Webhook receives what API servers deliver at /v1/audit/<cluster>[/<server>]. The answer is 200 when every event of the
// body is durable, as an event or in quarantine, since an API server sends the whole batch again after any other answer
// and drops it in the end. Requests, bytes in memory, connections and time have limits, stated above; beyond them it
// answers 429.
type Webhook struct {
	cfg      WebhookConfig
	gate     *gate
	quiet    *quiet
	draining atomic.Bool
	largest  int64 // maxBody, but in tests
}

// NewWebhook makes a Webhook. It is an http.Handler too, for which Listener and TLS are not needed.
func NewWebhook(cfg WebhookConfig) *Webhook {
	return &Webhook{
		cfg: cfg, gate: newGate(maxReceiving, maxPerOrigin), quiet: newQuiet(cfg.Log), largest: maxBody,
	}
}

// Run serves until the context ends; then it takes no new request, finishes those it has, and returns nil.
func (w *Webhook) Run(ctx context.Context) error {
	srv := &http.Server{
		Handler:           w,
		TLSConfig:         w.cfg.TLS,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       bodyTimeout,
		WriteTimeout:      bodyTimeout + waitForRoom + drainTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          log.New(w.quiet, "", 0),
	}
	served := make(chan error, 1)
	listener := netutil.LimitListener(newPerHost(w.cfg.Listener, maxPerHost, w.turnedAway), maxConns)
	go func() { served <- srv.ServeTLS(listener, "", "") }()
	select {
	case err := <-served:
		return fmt.Errorf("webhook: %w", err)
	case <-ctx.Done():
	}
	w.draining.Store(true)
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	err := srv.Shutdown(drain)
	if errors.Is(err, context.DeadlineExceeded) {
		w.cfg.Log.Warn("webhook: requests were still open after the time to finish; they are cut, and the API servers send them again", "time", drainTimeout)
		err = srv.Close()
	}
	<-served
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	return nil
}

func (w *Webhook) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	switch {
	case path == "/healthz" || path == "/readyz":
		w.health(rw, r)
	case strings.HasPrefix(path, webhookPath):
		w.deliver(rw, r, path[len(webhookPath):])
	default:
		w.refuse(rw, r, http.StatusNotFound, "path", fmt.Errorf(
			"%.100q is not here: this port takes audit events at %s<cluster>[/<server>] and serves /healthz and /readyz, nothing else", path, webhookPath))
	}
}

func (w *Webhook) health(rw http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		rw.Header().Set("Allow", "GET, HEAD")
		w.refuse(rw, r, http.StatusMethodNotAllowed, "method", fmt.Errorf("%.20s is not for %s: use GET", r.Method, r.URL.Path))
		return
	}
	if r.URL.Path == "/readyz" {
		err := w.unready()
		if err != nil {
			http.Error(rw, "not ready: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
	}
	io.WriteString(rw, "ok\n")
}

func (w *Webhook) unready() error {
	if w.draining.Load() {
		return errClosing
	}
	if w.cfg.Ready != nil {
		return w.cfg.Ready()
	}
	return nil
}

var errClosing = errors.New("the server is shutting down")

// deliver takes one POST. rest is <cluster>[/<server>].
func (w *Webhook) deliver(rw http.ResponseWriter, r *http.Request, rest string) {
	cluster, server, more := strings.Cut(strings.TrimSuffix(rest, "/"), "/")
	err := access.CheckCluster(cluster)
	if err == nil && more {
		err = access.CheckServer(server)
	}
	switch {
	case err != nil:
		w.refuse(rw, r, http.StatusBadRequest, "path", fmt.Errorf("%w; the path is %s<cluster>[/<server>]", err, webhookPath))
		return
	case r.Method != http.MethodPost:
		rw.Header().Set("Allow", "POST")
		w.refuse(rw, r, http.StatusMethodNotAllowed, "method", fmt.Errorf("%.20s is not for %s: events are delivered with POST", r.Method, webhookPath+rest))
		return
	}
	who, err := w.cfg.Access.Authenticate(r)
	switch {
	case err != nil:
		rw.Header().Set("WWW-Authenticate", `Bearer realm="annals"`)
		w.refuse(rw, r, http.StatusUnauthorized, "credentials", err)
		return
	case who != cluster:
		w.refuse(rw, r, http.StatusForbidden, "cluster", fmt.Errorf("these credentials are for cluster %q, and the URL names cluster %q", who, cluster))
		return
	case r.ContentLength > w.largest:
		w.refuse(rw, r, http.StatusRequestEntityTooLarge, "size", fmt.Errorf("the body has %d bytes, the limit is %d: send fewer events at once (--audit-webhook-batch-max-size)", r.ContentLength, w.largest))
		return
	case w.draining.Load():
		w.later(rw, r, http.StatusServiceUnavailable, "closing", errClosing)
		return
	}
	origin := "webhook"
	if server != "" {
		origin += "/" + server
	}
	wait, cancel := context.WithTimeout(r.Context(), waitForRoom)
	leave, err := w.gate.enter(wait, cluster+"/"+server, roomFor(r))
	cancel()
	if err != nil {
		w.later(rw, r, http.StatusTooManyRequests, "queue", errors.New("too much is being received at this moment"))
		return
	}
	defer leave()
	w.cfg.Metrics.add(metricReceiving, 1)
	defer w.cfg.Metrics.add(metricReceiving, -1)

	receipt, err := w.receive(rw, r, cluster, origin)
	if err != nil {
		w.failed(rw, r, err)
		return
	}
	rw.Header().Set("Content-Type", "application/json")
	io.WriteString(rw, receiptJSON(receipt))
}

// roomFor is how much memory a request may come to take.
func roomFor(r *http.Request) int64 {
	const least = 64 << 10
	if r.ContentLength < 0 || r.Header.Get("Content-Encoding") != "" {
		return unknownLength
	}
	return min(max(r.ContentLength, least), unknownLength)
}

// failed answers for a body that was not taken whole. What was appended before stays: the API server sends the body
// again, and the ledger knows what it holds.
func (w *Webhook) failed(rw http.ResponseWriter, r *http.Request, err error) {
	var bad *bodyError
	switch {
	case errors.As(err, &bad):
		w.refuse(rw, r, bad.status, "body", err)
	case errors.Is(err, ledger.ErrBusy):
		w.later(rw, r, http.StatusTooManyRequests, "busy", err)
	case errors.Is(err, ledger.ErrFull):
		w.later(rw, r, http.StatusServiceUnavailable, "full", err)
	case errors.Is(err, ledger.ErrClosed):
		w.later(rw, r, http.StatusServiceUnavailable, "closing", err)
	default:
		w.later(rw, r, http.StatusServiceUnavailable, "failed", err)
	}
}

// retryAfter is in seconds, by reason. An API server heeds it ten times before its own back-off counts the attempt, so it
// says how long a batch waits in the API server's memory.
var retryAfter = map[string]int{"queue": 2, "busy": 2, "closing": 5, "full": 15, "failed": 30}

func (w *Webhook) later(rw http.ResponseWriter, r *http.Request, status int, why string, err error) {
	s := retryAfter[why]
	rw.Header().Set("Retry-After", strconv.Itoa(s))
	w.refuse(rw, r, status, why, fmt.Errorf("%w: try again in %d seconds", err, s))
}

// refuse answers, counts and logs.
func (w *Webhook) refuse(rw http.ResponseWriter, r *http.Request, status int, why string, err error) {
	w.cfg.Metrics.add(metricRefused, 1, "code", strconv.Itoa(status), "reason", why)
	host, _, splitErr := net.SplitHostPort(r.RemoteAddr)
	if splitErr != nil {
		host = r.RemoteAddr
	}
	w.quiet.warn(host+why, "webhook: refused", "from", host, "status", status, "path", fmt.Sprintf("%.200s", r.URL.Path), "error", err)
	http.Error(rw, err.Error(), status)
}

// turnedAway counts and logs a connection that was closed because its host has too many.
func (w *Webhook) turnedAway(host string) {
	w.cfg.Metrics.add(metricRefused, 1, "code", "0", "reason", "connections")
	w.quiet.warn(host+"connections", "webhook: a connection was closed: its host has as many as one may", "from", host, "limit", maxPerHost)
}

func receiptJSON(r ledger.Receipt) string {
	return fmt.Sprintf(`{"accepted":%d,"duplicates":%d,"conflicts":%d,"salvaged":%d,"quarantined":%d}`+"\n",
		r.Accepted, r.Duplicates, r.Conflicts, r.Salvaged, r.Quarantined)
}
