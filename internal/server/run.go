package server

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
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"annals.dev/internal/access"
	"annals.dev/internal/ledger"
	"annals.dev/internal/source"
)

// Config is what a server is told.
type Config struct {
	Dir     string
	Listen  string // where events are received, "" not at all
	HTTP    string // where the web UI, the API and the metrics are; "" nowhere. On loopback plain, elsewhere by TLS
	Demo    bool   // everybody who reaches HTTP may ask as an auditor, and nobody signs in
	Follow  []source.FollowSource
	Watch   string          // the file of what is watched for and who is told; "" is watch.yaml in Dir, if it is there
	Reload  <-chan struct{} // optional: the rules are to be read anew
	Blind   bool            // nothing is watched for: to measure what that costs
	Log     *slog.Logger
	Started func(Addresses) // Optional. Called once everything runs.
}

// Addresses are where a server listens, and the URL of its web UI; empty where it does not.
type Addresses struct{ Webhook, HTTP, URL string }

// Run serves a data directory until the context ends; then it lets the sources finish what they have begun, and returns nil.
// Any part that fails ends all of them.
func Run(ctx context.Context, cfg Config) (err error) {
	c, err := openServed(ctx, cfg.Dir, cfg.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	keys, err := c.keys()
	if err != nil {
		return err
	}
	c.guard.demo = cfg.Demo
	if cfg.Watch != "" {
		if c.watch.file, err = filepath.Abs(cfg.Watch); err != nil {
			return err
		}
		if _, err := os.Stat(c.watch.file); err != nil {
			return fmt.Errorf("watch: %w: correct --watch", err)
		}
	}

	// What is listed first is started first and stopped last: what others rely on.
	var parts []part
	defer func() {
		for _, p := range parts {
			p.unused()
		}
	}()
	if !cfg.Blind {
		if parts, err = c.watching(cfg.Reload); err != nil {
			return err
		}
	}
	socket, err := listenSocket(c.dir)
	if err != nil {
		return err
	}
	parts = append(parts, c.httpPart("socket", socket, c.handler()))
	var at Addresses
	if cfg.HTTP != "" {
		l, loopback, err := listenHTTP(cfg.HTTP, keys)
		if err != nil {
			return err
		}
		at.HTTP, at.URL = l.Addr().String(), "http://"+l.Addr().String()+"/"
		if !loopback {
			at.URL = "https://" + at.HTTP + "/"
		}
		if cfg.Demo && !loopback {
			l.Close()
			return fmt.Errorf("http: a demo, in which nobody signs in, is for loopback alone, not for %s", cfg.HTTP)
		}
		parts = append(parts, c.httpPart("http", l, c.overHTTP(loopback, c.pages())))
		c.watch.alerts.url = at.URL
		if !cfg.Demo {
			c.tellHowToSignIn(keys)
		}
	}
	if len(cfg.Follow) > 0 {
		f, err := source.NewFollower(source.FollowerConfig{Ledger: c.ledger, Sources: cfg.Follow, Data: c.dir, Log: cfg.Log, Metrics: c.metrics})
		if err != nil {
			return err
		}
		parts = append(parts, part{"follower", f.Run, func() {}})
	}
	if cfg.Listen != "" {
		l, err := net.Listen("tcp", cfg.Listen)
		if err != nil {
			return fmt.Errorf("webhook: %w: choose another address with --listen", err)
		}
		at.Webhook = l.Addr().String()
		w := source.NewWebhook(source.WebhookConfig{
			Listener: l, TLS: keys.TLSConfig(), Access: keys, Ledger: c.ledger, Ready: c.ready, Log: cfg.Log, Metrics: c.metrics,
		})
		parts = append(parts, part{"webhook", w.Run, func() { l.Close() }})
	}
	begun := parts
	parts = nil
	return runParts(ctx, begun, cfg.Log, func() {
		if cfg.Started != nil {
			cfg.Started(at)
		}
	})
}

// openServed opens the directory, and waits for a command that has it open just now; not for another server.
func openServed(ctx context.Context, dir string, log *slog.Logger) (*core, error) {
	for begun := time.Now(); ; {
		c, err := openCore(dir, log)
		if !errors.Is(err, ledger.ErrInUse) || time.Since(begun) > openPatience {
			return c, err
		}
		if conn, derr := dialSocket(dir); derr == nil {
			conn.Close()
			return nil, fmt.Errorf("data directory %s: a server runs on it already", dir)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(openRetry):
		}
	}
}

// part is something that runs until its context ends.
type part struct {
	name   string
	run    func(context.Context) error
	unused func() // closes what run would have closed
}

// runParts runs parts until ctx ends or one of them fails, then ends them in reverse: each has ended before the one that was
// started before it is told to.
func runParts(ctx context.Context, parts []part, log *slog.Logger, started func()) error {
	type end struct {
		cancel context.CancelFunc
		done   chan struct{}
	}
	failed := make(chan error, len(parts))
	ends := make([]end, len(parts))
	var mu sync.Mutex
	var all error
	for i, p := range parts {
		pctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		ends[i] = end{cancel, make(chan struct{})}
		go func() {
			defer close(ends[i].done)
			err := p.run(pctx)
			if err == nil && pctx.Err() == nil {
				err = fmt.Errorf("%s: ended by itself", p.name)
			}
			if err != nil {
				mu.Lock()
				all = errors.Join(all, err)
				mu.Unlock()
				failed <- err
			}
		}()
	}
	started()
	select {
	case <-ctx.Done():
		log.Info("stopping: what was begun is finished first")
	case err := <-failed:
		log.Error("stopping", "error", err)
	}
	for i := len(ends) - 1; i >= 0; i-- {
		begun := time.Now()
		ends[i].cancel()
		<-ends[i].done
		log.Debug("stopped", "part", parts[i].name, "took", time.Since(begun))
	}
	mu.Lock()
	defer mu.Unlock()
	return all
}

// drainFor is how long a question may go on after the server was told to stop.
const drainFor = 2 * time.Second

func (c *core) httpPart(name string, l net.Listener, h http.Handler) part {
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ConnContext: withPeer, ErrorLog: log.New(io.Discard, "", 0),
	}
	run := func(ctx context.Context) error {
		served := make(chan error, 1)
		go func() { served <- srv.Serve(l) }()
		select {
		case err := <-served:
			return fmt.Errorf("%s: %w", name, err)
		case <-ctx.Done():
		}
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainFor)
		defer cancel()
		if srv.Shutdown(drain) != nil {
			srv.Close() // its questions' contexts end with their connections
		}
		<-served
		return nil
	}
	return part{name, run, func() { l.Close() }}
}

// maxConns is how many connections there may be at once; more wait.
const maxConns = 1024

// listenHTTP listens by plain HTTP on loopback, and elsewhere by TLS with the server's own certificate: questions, answers and
// tokens do not cross a network in clear.
func listenHTTP(addr string, keys *access.Store) (l net.Listener, loopback bool, err error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, false, fmt.Errorf("http: %w: give an address such as 127.0.0.1:7090", err)
	}
	ip, err := netip.ParseAddr(host)
	loopback = host == "localhost" || err == nil && ip.IsLoopback()
	if l, err = net.Listen("tcp", addr); err != nil {
		return nil, false, fmt.Errorf("http: %w: choose another address with --http", err)
	}
	// What a name stands for is seen when it is listened at.
	if tcp, ok := l.Addr().(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
		loopback = false
	}
	l = netutil.LimitListener(l, maxConns)
	if !loopback {
		cfg := keys.TLSConfig()
		cfg.ClientAuth = tls.NoClientCert // people have tokens, and a browser would ask them for a certificate
		l = tls.NewListener(l, cfg)
	}
	return l, loopback, nil
}

// tellHowToSignIn is for the first start: nobody can sign in yet.
func (c *core) tellHowToSignIn(keys *access.Store) {
	tokens, err := keys.Tokens()
	if err != nil {
		return // the store has said so
	}
	for _, t := range tokens {
		if t.Role != access.Ingest {
			return
		}
	}
	c.log.Info("nobody can sign in at --http yet: make a token with annals token create --role admin")
}
