package proxy

import (
	"context"
	"errors"
	"log"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http/httpguts"

	"annals.dev/capture"
)

const auditIDHeader = "Audit-Id"

// forwarder is what stands inside the auditing handler: it decides as whom a request goes up, and sends it.
func (p *Proxy) forwarder() http.Handler {
	reverse := &httputil.ReverseProxy{
		Rewrite: p.rewrite, Transport: p.upstream, FlushInterval: -1, ModifyResponse: p.answered, ErrorHandler: p.failed, ErrorLog: errorLog(p.cfg.Log),
		BufferPool: new(buffers),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := callOf(r)
		stream := isStream(r, c.info)
		places, full := p.requests, "ordinary requests"
		if stream {
			places, full = p.streams, "watches, logs and upgraded connections"
		}
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
		default:
			w.Header().Set("Retry-After", "1")
			p.refuse(w, r, refuse(http.StatusTooManyRequests, "TooManyRequests", "this proxy has as many %s under way as it takes: try again in a second", full))
			return
		}
		if !stream {
			ctx, cancel := context.WithTimeout(r.Context(), p.cfg.Timeout)
			defer cancel()
			r = r.WithContext(ctx)
			// A client that neither sends nor reads holds a place no longer than others. Where it cannot be set, as in a test's
			// recorder, nothing is held either.
			until := time.Now().Add(p.cfg.Timeout + min(lastWord, p.cfg.Timeout)) // so that the answer that says so still goes out
			control := http.NewResponseController(w)
			_ = control.SetReadDeadline(until)
			_ = control.SetWriteDeadline(until)
		}
		as, refused := p.identity(r)
		if refused != nil {
			p.refuse(w, r, refused)
			return
		}
		c.as = as
		// The answer brings the audit ID, so that it survives interim answers, which clear the headers.
		w.Header().Del(auditIDHeader)
		reverse.ServeHTTP(w, r)
	})
}

// lastWord is how much longer than for its request a client may take to read that it took too long.
const lastWord = 5 * time.Second

// isStream says of a request that it may go on for as long as it likes.
func isStream(r *http.Request, info *capture.RequestInfo) bool {
	return isUpgrade(r) || capture.KubernetesLongRunning(r, info)
}

// isUpgrade says of a request that it asks for one of the protocols that Kubernetes knows. No other is let through: by h2c, a
// server on the way that took it would give the client a connection that is authenticated as the proxy.
func isUpgrade(r *http.Request) bool {
	if !httpguts.HeaderValuesContainsToken(r.Header["Connection"], "Upgrade") {
		return false
	}
	protocol := r.Header.Get("Upgrade")
	return strings.EqualFold(protocol, "websocket") || strings.EqualFold(protocol, "SPDY/3.1")
}

// buffers are what bodies are copied through.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if buf, ok := b.pool.Get().(*[]byte); ok {
		return *buf
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(buf []byte) { b.pool.Put(&buf) }

// rewrite makes the request that goes up. It runs after the headers that the client's Connection names were removed, so
// that nobody can have those removed which are set here.
func (p *Proxy) rewrite(pr *httputil.ProxyRequest) {
	c := callOf(pr.In)
	out := pr.Out
	out.URL, out.Host = p.upstream.locate(c.url), ""
	for name, values := range pr.In.Header {
		// What the client was judged by goes up, even if its own Connection names it: nobody is told about as another than acts.
		if carriesCredentials(name) && name != "Proxy-Authorization" || isImpersonation(name) || name == protocolHeader {
			out.Header[name] = slices.Clone(values)
		}
	}
	out.Trailer = nil // the upstream reads none, and what comes after the body is past all checks
	strip(out.Header, p.cfg.Mode)
	if !isUpgrade(pr.In) {
		out.Header.Del("Upgrade")
		out.Header.Del("Connection")
	}
	out.Header.Del("Expect") // the body is asked for when the upstream reads it
	out.Header.Set("X-Forwarded-For", strings.Join(c.ips, ", "))
	if len(c.ips) == 0 {
		out.Header.Del("X-Forwarded-For")
	}
	if id := capture.AuditID(pr.In.Context()); id != "" {
		out.Header[auditIDHeader] = []string{id}
	}
	if p.cfg.Mode == Impersonate {
		if others, _, err := splitProtocols(out.Header); err == nil && len(others) > 0 {
			out.Header[protocolHeader] = []string{strings.Join(others, ", ")}
		} else {
			delete(out.Header, protocolHeader)
		}
		if c.as != nil {
			setIdentity(out.Header, c.as)
		}
	}
}

// answered looks at an answer before it goes to the client.
func (p *Proxy) answered(res *http.Response) error {
	ctx := res.Request.Context()
	c := callOf(res.Request)
	if p.cfg.Mode == Passthrough && c.as != nil && impersonationHeld(res, c.user.Username) {
		capture.SetImpersonatedUser(ctx, c.as, "")
	}
	if id := capture.AuditID(ctx); id != "" {
		res.Header[auditIDHeader] = []string{id}
	}
	return nil
}

// statusClientGone is the code of a request whose client left before there was an answer. No client sees it.
const statusClientGone = 499

// failed answers for an upstream that did not.
func (p *Proxy) failed(w http.ResponseWriter, r *http.Request, err error) {
	f := refuse(http.StatusBadGateway, "ServiceUnavailable", "the API server behind this proxy cannot be reached, or broke off")
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		f = refuse(http.StatusGatewayTimeout, "Timeout", "the API server behind this proxy did not answer within %s", p.cfg.Timeout)
	case errors.Is(r.Context().Err(), context.Canceled):
		f = refuse(statusClientGone, "", "the client went away before there was an answer")
	default:
		p.cfg.Metrics.upstreamFailed()
		p.complain("proxy: the upstream does not answer", err)
	}
	p.refuse(w, r, f)
}

// complain logs what fails for every request while it fails, but once a second; the metrics count each.
func (p *Proxy) complain(what string, err error) {
	p.seldom.Do(func() { p.cfg.Log.Error(what, "error", err) })
}

// unauthorized answers a request whose caller was not accepted.
func (p *Proxy) unauthorized(w http.ResponseWriter, r *http.Request) {
	f := callOf(r).refused
	if f == nil {
		f = refuse(http.StatusUnauthorized, "Unauthorized", "Unauthorized")
	}
	p.refuse(w, r, f)
}

// errorLog is for net/http, which logs whatever clients do.
func errorLog(l *slog.Logger) *log.Logger { return slog.NewLogLogger(l.Handler(), slog.LevelDebug) }
