package cli

import (
	"context"
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

// proxyRun is a proxy, and beside it what tells how it is and what changes it.
type proxyRun struct {
	proxy         *proxy.Proxy
	serving       proxy.Serving
	rec           *recording
	held          *server.Held // nil without a ledger
	registry      *prometheus.Registry
	metricsListen string
	hangup        <-chan os.Signal
	log           *slog.Logger
}

func (r *proxyRun) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	beside, end := context.WithCancel(context.WithoutCancel(ctx)) // goes on until the last request has ended
	defer end()
	at := ""
	if r.metricsListen != "" {
		l, err := net.Listen("tcp", r.metricsListen)
		if err != nil {
			return errors.Join(fmt.Errorf("proxy: %w: choose another address with --metrics-listen", err), r.serving.Listener.Close())
		}
		at = l.Addr().String()
		group.Go(func() error { return serveState(beside, l, r.state()) })
	}
	group.Go(func() error { return r.rec.follow(ctx, r.proxy.Handler(), r.hangup, r.log) })
	group.Go(func() error {
		defer end()
		return r.proxy.Serve(ctx, r.serving)
	})
	r.log.Info("serving", "proxy", r.serving.Listener.Addr().String(), "metrics", at)
	return group.Wait()
}

// readyWithin is how long the upstream may take to say that it is there.
const readyWithin = 3 * time.Second

// state is what tells how the proxy is.
func (r *proxyRun) state() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(r.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, req *http.Request) {
		ctx, cancel := context.WithTimeout(req.Context(), readyWithin)
		defer cancel()
		err := r.proxy.Ready(ctx)
		if r.held != nil {
			err = errors.Join(r.held.Ready(), err)
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
