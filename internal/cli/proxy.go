package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"annals.dev/capture"
	"annals.dev/capture/options"
	"annals.dev/capture/proxy"
	"annals.dev/internal/access"
	"annals.dev/internal/server"
	"annals.dev/sink"
)

const proxyLong = `Proxy stands before a Kubernetes API server and records every request as an audit event, by an audit
policy, as the API server would: for a managed cluster, say, whose API server cannot be told to.

Who calls is told in one of two ways. With --mode passthrough the caller's token goes up unchanged,
and the API server itself says whose it is; the proxy needs no rights. With --mode impersonate the
proxy takes client certificates and tokens, and passes requests on as that user with credentials of
its own: docs/proxy.md has the rights that it needs and what to think of.

Events go where the --audit-* flags say, which are kube-apiserver's own, or into the ledger of --data
with --cluster NAME, where annals search finds them at once.

    annals proxy --upstream-kubeconfig cluster.conf --audit-policy-file policy.yaml --cluster prod
    annals proxy --upstream-kubeconfig cluster.conf --audit-policy-file policy.yaml \
        --audit-log-path audit.log --tls-cert-file proxy.crt --tls-private-key-file proxy.key

SIGHUP reopens the log file and reads the policy anew. SIGTERM and Ctrl-C end it once the requests
under way have ended, or after --drain.`

// proxySettings are the flags of annals proxy but for --audit-*.
type proxySettings struct {
	mode, upstream, listen, metricsListen string
	cert, key, clientCA                   string
	audiences, trusted                    []string
	allowImpersonation, proxyProtocol     bool
	cluster, ledgerMode                   string
	drain                                 time.Duration
}

func newProxy(e *env) *cobra.Command {
	var s proxySettings
	rec := recording{Options: options.New()}
	cmd := &cobra.Command{Use: "proxy", Short: "Audit a cluster from before its API server", Long: proxyLong, Args: cobra.NoArgs}
	f := cmd.Flags()
	f.StringVar(&s.mode, "mode", string(proxy.Passthrough), "as whom requests go up: passthrough or impersonate")
	f.StringVar(&s.upstream, "upstream-kubeconfig", "", "kubeconfig of the API server (default: the cluster that this runs in)")
	f.StringVar(&s.listen, "listen", ":8443", "where callers reach the proxy")
	f.StringVar(&s.metricsListen, "metrics-listen", "127.0.0.1:7091", `where /metrics, /healthz and /readyz are; "" for nowhere`)
	f.StringVar(&s.cert, "tls-cert-file", "", "certificate by which callers know the proxy, read anew when it changes (default: one by the ledger's authority)")
	f.StringVar(&s.key, "tls-private-key-file", "", "its key")
	f.StringVar(&s.clientCA, "client-ca-file", "", "authorities of callers' certificates; with --mode impersonate")
	f.StringArrayVar(&s.audiences, "token-audience", nil, "whom a caller's token must be for; with --mode impersonate; repeat it for more")
	f.BoolVar(&s.allowImpersonation, "allow-impersonation", false, "let callers impersonate whom the API server's authorizer lets them; with --mode impersonate")
	f.StringArrayVar(&s.trusted, "trusted-proxies", nil, "addresses, such as 192.0.2.0/24, whose X-Forwarded-For is believed; repeat it for more")
	f.BoolVar(&s.proxyProtocol, "proxy-protocol", false, "the trusted proxies begin connections with a PROXY header")
	f.StringVar(&s.cluster, "cluster", "", "keep the events in the ledger of --data, under this name")
	f.StringVar(&s.ledgerMode, "ledger-mode", "blocking", "batch: a request does not wait for the ledger; blocking: it does; blocking-strict: and fails if its event cannot be kept")
	f.DurationVar(&s.drain, "drain", 10*time.Second, "how long requests under way may go on when the proxy is to end")
	rec.AddFlags(f)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		// Whatever ended the process at a hangup lets go of it: here it means another thing.
		signal.Ignore(syscall.SIGHUP)
		hangup := make(chan os.Signal, 1)
		signal.Notify(hangup, syscall.SIGHUP)
		defer signal.Stop(hangup)
		log := e.logger(slog.LevelInfo)
		if s.cluster == "" {
			return e.proxy(cmd.Context(), &s, &rec, nil, hangup, log)
		}
		if err := access.CheckCluster(s.cluster); err != nil {
			return &usageError{err}
		}
		return server.Hold(cmd.Context(), e.data, log, func(ctx context.Context, held server.Held) error {
			return e.proxy(ctx, &s, &rec, &held, hangup, log)
		})
	}
	return cmd
}

// proxy runs until the context ends. What is made first is closed last: a request under way needs all of it.
func (e *env) proxy(ctx context.Context, s *proxySettings, rec *recording, held *server.Held, hangup <-chan os.Signal, log *slog.Logger) (err error) {
	cfg, err := s.config(log)
	if err != nil {
		return err
	}
	certificates, err := s.serving(e.data, log)
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	sinkMetrics := sink.NewMetrics()
	cfg.Metrics, cfg.Capture = proxy.NewMetrics(registry), capture.NewMetrics()
	registry.MustRegister(cfg.Capture, sinkMetrics, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if err := rec.build(s, held, sinkMetrics, log); err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), sinkDrain)
		defer cancel()
		err = errors.Join(err, rec.out.Close(closing))
	}()
	cfg.Sink, cfg.Policy = rec.out, rec.Policy
	p, err := proxy.New(cfg)
	if err != nil {
		return &usageError{err}
	}
	listener, err := net.Listen("tcp", s.listen)
	if err != nil {
		return fmt.Errorf("proxy: %w: choose another address with --listen", err)
	}
	run := &proxyRun{
		proxy: p, rec: rec, held: held, registry: registry, hangup: hangup, log: log, metricsListen: s.metricsListen,
		serving: proxy.Serving{Listener: listener, TLS: certificates, ProxyProtocol: s.proxyProtocol, Drain: s.drain},
	}
	log.Info("proxy", "mode", s.mode, "upstream", p.Upstream(), "events", rec.out.String())
	return run.run(ctx)
}

// sinkDrain is how long events that still wait may take to go out at the end.
const sinkDrain = 30 * time.Second

func (s *proxySettings) config(log *slog.Logger) (cfg proxy.Config, err error) {
	cfg = proxy.Config{Mode: proxy.Mode(s.mode), Audiences: s.audiences, AllowImpersonation: s.allowImpersonation, Log: log}
	for _, t := range s.trusted {
		prefix, err := netip.ParsePrefix(t)
		if ip, ierr := netip.ParseAddr(t); ierr == nil {
			prefix, err = netip.PrefixFrom(ip, ip.BitLen()), nil
		}
		if err != nil {
			return cfg, usagef("--trusted-proxies %q: give an address or a network, such as 192.0.2.7 or 192.0.2.0/24", t)
		}
		cfg.TrustedProxies = append(cfg.TrustedProxies, prefix)
	}
	if s.proxyProtocol && len(cfg.TrustedProxies) == 0 {
		return cfg, usagef("--proxy-protocol: say with --trusted-proxies whose PROXY header is believed")
	}
	if s.clientCA != "" {
		if cfg.ClientCAs, err = proxy.CAFile(s.clientCA, log); err != nil {
			return cfg, err
		}
	}
	if cfg.Upstream, err = upstreamConfig(s.upstream); err != nil {
		return cfg, err
	}
	return cfg, nil
}

// upstreamConfig reads the one kubeconfig that is named, and never what KUBECONFIG or a home directory holds.
func upstreamConfig(path string) (*rest.Config, error) {
	if path == "" {
		cfg, err := rest.InClusterConfig()
		if errors.Is(err, rest.ErrNotInCluster) {
			return nil, usagef("which API server? Give its kubeconfig with --upstream-kubeconfig, or run this in a pod of the cluster")
		}
		return cfg, err
	}
	cfg, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: path}, &clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("--upstream-kubeconfig %s: %w", path, err)
	}
	return cfg, nil
}

// serving is the certificate by which callers know the proxy.
func (s *proxySettings) serving(data string, log *slog.Logger) (*tls.Config, error) {
	if (s.cert == "") != (s.key == "") {
		return nil, usagef("--tls-cert-file and --tls-private-key-file belong together")
	}
	if s.cert == "" {
		keys, err := access.Open(data, log)
		if err != nil {
			return nil, fmt.Errorf("no --tls-cert-file, and no authority to make a certificate with: %w", err)
		}
		return keys.TLSConfig(), nil
	}
	get, err := proxy.CertificateFiles(s.cert, s.key, log)
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: get}, err
}
