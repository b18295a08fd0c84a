package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/netutil"

	"annals.dev/capture"
)

// Limits of a connection. A watch may be silent for as long as it likes, so only a request's header, and a connection
// without a request, have a time.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 3 * time.Minute
	maxHeader     = 1 << 20 // what an API server takes
)

// Serving is how a Proxy is served.
type Serving struct {
	Listener net.Listener // plain TCP; Serve closes it
	TLS      *tls.Config
	// ProxyProtocol has Config.TrustedProxies begin each connection with a PROXY header, of which the caller's address is
	// taken. From nobody else is it taken.
	ProxyProtocol bool
	// Drain is how long what is under way may go on once the context has ended. Optional: ten seconds.
	Drain time.Duration
}

// Serve serves until the context ends; then it takes no new request, lets those under way end for a bounded time, cuts what
// then still goes on, and returns nil once each has had its last event.
func (p *Proxy) Serve(ctx context.Context, s Serving) error {
	if s.TLS == nil {
		return errors.Join(errors.New("proxy: no TLS: callers' tokens would cross the network in the clear"), s.Listener.Close())
	}
	config := s.TLS.Clone()
	config.NextProtos = []string{"h2", "http/1.1"}
	config.ClientAuth, config.ClientCAs = tls.NoClientCert, nil
	if p.cfg.ClientCAs != nil {
		// Asked for, and judged with the request: one that is not accepted is a failed login, and an event.
		config.ClientAuth = tls.RequestClientCert
	}
	// No request needs a connection of its own but those that are upgraded; idle ones are to be had too.
	listener := netutil.LimitListener(s.Listener, 2*(p.cfg.MaxRequests+p.cfg.MaxStreams))
	if s.ProxyProtocol {
		listener = capture.ProxyProtocol(listener, p.cfg.TrustedProxies)
	}
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	srv := &http.Server{
		Handler: p, TLSConfig: config, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: errorLog(p.cfg.Log), BaseContext: func(net.Listener) context.Context { return base },
		DisableGeneralOptionsHandler: true, // OPTIONS * is refused as any other, with an event
	}
	served := make(chan error, 1)
	go func() { served <- srv.ServeTLS(listener, "", "") }()
	select {
	case err := <-served:
		return fmt.Errorf("proxy: %w", err)
	case <-ctx.Done():
	}
	drain := s.Drain
	if drain <= 0 {
		drain = 10 * time.Second
	}
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	err := srv.Shutdown(wait)
	if err == nil && !p.idle(wait) || errors.Is(err, context.DeadlineExceeded) {
		p.cfg.Log.Info("proxy: requests still go on after the time to finish, and are cut", "time", drain)
		cut()
		err = srv.Close()
	}
	<-served
	cut()
	p.busy.Wait()
	p.upstream.closeIdle()
	if err != nil {
		return fmt.Errorf("proxy: %w", err)
	}
	return nil
}

// idle waits for upgraded connections, which the server does not count.
func (p *Proxy) idle(ctx context.Context) bool {
	done := make(chan struct{})
	go func() {
		p.busy.Wait()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

var readyz = &url.URL{Path: "/readyz"}

// Ready says why requests cannot be passed on at present.
func (p *Proxy) Ready(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.upstream.locate(readyz).String(), nil)
	if err != nil {
		return err
	}
	res, err := p.upstream.own.ordinary.RoundTrip(r)
	if err != nil {
		return fmt.Errorf("the upstream cannot be reached: %w", err)
	}
	res.Body.Close()
	// Whether it lets us ask is not the question; a refusal too is an answer.
	if res.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("the upstream is not ready: %s", res.Status)
	}
	return nil
}
