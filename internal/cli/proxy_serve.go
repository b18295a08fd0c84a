package cli

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
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"annals.dev/capture/proxy"
	"annals.dev/internal/server"
)

// serve runs the proxy, and beside it what tells how it is and what changes it.
func (s *proxySettings) serve(ctx context.Context, p *proxy.Proxy, l net.Listener, certificates *tls.Config, a *auditFlags, held *server.Held,
	registry *prometheus.Registry, hangup <-chan os.Signal, log *slog.Logger) error {
	group, ctx := errgroup.WithContext(ctx)
	beside, end := context.WithCancel(context.WithoutCancel(ctx)) // of what serves until the last request has ended
	at := ""
	if s.metricsListen != "" {
		m, err := net.Listen("tcp", s.metricsListen)
		if err != nil {
			end()
			return errors.Join(fmt.Errorf("proxy: %w: choose another address with --metrics-listen", err), l.Close())
		}
		at = m.Addr().String()
		group.Go(func() error { return serveState(beside, m, proxyState(p, held, registry)) })
	}
	group.Go(func() error { return a.watch(ctx, p, hangup, log) })
	group.Go(func() error {
		defer end()
		return p.Serve(ctx, proxy.Serving{Listener: l, TLS: certificates, ProxyProtocol: s.proxyProtocol, Drain: s.drain})
	})
	log.Info("serving", "proxy", l.Addr().String(), "metrics", at, "mode", s.mode)
	return group.Wait()
}

// readyWithin is how long the upstream may take to say that it is there.
const readyWithin = 3 * time.Second

// proxyState is what tells how the proxy is.
func proxyState(p *proxy.Proxy, held *server.Held, registry *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyWithin)
		defer cancel()
		err := p.Ready(ctx)
		if held != nil {
			err = errors.Join(held.Ready(), err)
		}
		if err != nil {
			http.Error(w, "not ready: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		io.WriteString(w, "ok\n")
	})
	return mux
}

// serveState serves until the context ends.
func serveState(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10, ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	select {
	case err := <-served:
		return fmt.Errorf("metrics: %w", err)
	case <-ctx.Done():
	}
	srv.Close()
	<-served
	return nil
}
