package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"

	"annals.dev/internal/source"
	"annals.dev/sink"
	"annals.dev/sink/spool"
	"annals.dev/sink/webhook"
)

const forwardLong = `Forward follows audit logs on a node, the rotated files too, and delivers them to annals serve. It reads
on where it was after any restart, and what it has read it keeps in --data, on disk, until the server
has it: no line is lost while the server is away, and the ledger keeps each once. What cannot be read
as an event is delivered as well, and kept there in quarantine.

PATH is a file, a folder (its *.log), or a pattern; give as many as you like. Where to, as which
cluster and with which credentials says the kubeconfig, which annals setup forward writes. What
happens to the files (deleted, truncated, replaced, silent) is recorded in the cluster itself, as
events of user annals:follower.

    annals forward /var/log/kubernetes/audit/audit.log \
        --kubeconfig /etc/annals/forward.yaml --data /var/lib/annals-forward`

// forwardFlags are the settings of annals forward.
type forwardFlags struct {
	kubeconfig, node, metrics string
	spool                     int // megabytes
	gzip, verbose             bool
}

func newForward(e *env) *cobra.Command {
	var f forwardFlags
	cmd := &cobra.Command{
		Use: "forward PATH…", Short: "Follow log files on a node and deliver them to a server", Long: forwardLong,
		Args: cobra.MinimumNArgs(1),
	}
	cmd.Flags().StringVar(&f.kubeconfig, "kubeconfig", "", "where to deliver, and with which credentials")
	cmd.Flags().StringVar(&f.node, "node", "", "the name of this node, by which the ledger knows where events come from (default: that in the kubeconfig's URL, or the host name)")
	cmd.Flags().IntVar(&f.spool, "spool-maxsize", 1024, "megabytes that may wait in --data for the server; beyond them reading waits")
	cmd.Flags().BoolVar(&f.gzip, "gzip", false, "compress what is delivered")
	cmd.Flags().StringVar(&f.metrics, "metrics-listen", "127.0.0.1:7092", `where /metrics and /healthz are, on loopback; "" for nowhere`)
	cmd.Flags().BoolVar(&f.verbose, "verbose", false, "log more")
	cmd.RunE = func(cmd *cobra.Command, paths []string) error {
		if f.kubeconfig == "" {
			return usagef("say where to deliver: --kubeconfig FILE; annals setup forward on the server writes it")
		}
		if f.spool <= 0 || f.spool > math.MaxInt64>>20 {
			return usagef("--spool-maxsize %d: give a number of megabytes above 0, and no more than a disk can have", f.spool)
		}
		level := slog.LevelInfo
		if f.verbose {
			level = slog.LevelDebug
		}
		return forward(cmd.Context(), e.data, paths, f, e.logger(level))
	}
	return cmd
}

// forwardDrain is how long what waits may still be delivered at the end. The rest stays on disk for the next start.
const forwardDrain = 5 * time.Second

// forward runs until ctx ends.
func forward(ctx context.Context, data string, paths []string, f forwardFlags, log *slog.Logger) (err error) {
	// Two kinds of state in one directory would each be damage to the other's eyes.
	if _, err := os.Stat(filepath.Join(data, "pki")); err == nil {
		return usagef("%s holds a ledger: give forward a directory of its own with --data, or follow the files with annals serve --follow", data)
	}
	numbers, metrics := sink.NewMetrics(), &source.Metrics{}
	to, at, err := openForward(data, f, numbers, log)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), forwardDrain)
		defer cancel()
		err = errors.Join(err, to.Close(closing))
	}()
	cfg := source.FollowerConfig{Ledger: &forwarder{to, at.cluster}, Data: data, Host: at.node, Log: log, Metrics: metrics}
	for _, p := range paths {
		cfg.Sources = append(cfg.Sources, source.FollowSource{Cluster: at.cluster, Path: p})
	}
	follower, err := source.NewFollower(cfg)
	if err != nil {
		return err
	}
	serving, err := serveForwardMetrics(f.metrics, numbers, metrics)
	if err != nil {
		return err
	}
	defer serving.close()
	log.Info("forwarding", "cluster", at.cluster, "node", at.node, "data", data, "metrics", serving.addr)
	for _, p := range paths {
		if there, err := filepath.Glob(p); err != nil || len(there) == 0 {
			log.Warn("there is no such file: it is waited for", "path", p)
		}
	}
	if err := follower.Run(ctx); err != nil {
		return err
	}
	log.Info("stopping: what waits is delivered first, as far as that goes at once")
	return nil
}

// destination is what the URL of a server says of where events go.
type destination struct{ cluster, node string }

// openForward opens the way from here to the server, and begins to deliver what was left on it.
func openForward(data string, f forwardFlags, numbers *sink.Metrics, log *slog.Logger) (sink.Sink, destination, error) {
	var at destination
	hook, err := webhook.New(webhook.Config{
		Kubeconfig: f.kubeconfig, Attempts: 1, Gzip: f.gzip, Verbatim: true, Metrics: numbers, Log: log,
		Path: func(path string) (string, error) {
			var err error
			at, err = parseDestination(path, f.node)
			return forwardPath + at.cluster + "/" + at.node, err
		},
	})
	if err != nil {
		return nil, at, fmt.Errorf("--kubeconfig %s: %w", f.kubeconfig, err)
	}
	to, err := spool.Open(spool.Config{
		Dir: filepath.Join(data, "spool"), MaxBytes: int64(f.spool) << 20, WhenFull: spool.Block, Metrics: numbers, Log: log,
	}, hook)
	if err != nil {
		return nil, at, errors.Join(err, hook.Close(context.Background()))
	}
	return to, at, nil
}

// loopbackMetrics are the numbers of a forward, for Prometheus.
type loopbackMetrics struct {
	addr string
	srv  *http.Server
	done chan struct{}
}

func (m *loopbackMetrics) close() {
	if m.srv != nil {
		m.srv.Close()
		<-m.done
	}
}

func serveForwardMetrics(addr string, numbers *sink.Metrics, sources *source.Metrics) (*loopbackMetrics, error) {
	if addr == "" {
		return &loopbackMetrics{addr: "nowhere"}, nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, usagef("--metrics-listen %q: give an address such as 127.0.0.1:7092", addr)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, usagef("--metrics-listen %s is not a loopback address: the numbers ask nobody who they are", addr)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w: choose another address with --metrics-listen", err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(numbers, sourceNumbers{sources}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	m := &loopbackMetrics{addr: l.Addr().String(), srv: &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}, done: make(chan struct{})}
	go func() {
		defer close(m.done)
		m.srv.Serve(l) // until it is closed; the forward goes on without it
	}()
	return m, nil
}

// sourceNumbers publishes the follower's numbers.
type sourceNumbers struct{ *source.Metrics }

// Describe tells nothing beforehand: which there are shows when they count.
func (sourceNumbers) Describe(chan<- *prometheus.Desc) {}

func (s sourceNumbers) Collect(ch chan<- prometheus.Metric) {
	for _, m := range s.All() {
		var names, values []string
		for i := 0; i+1 < len(m.Labels); i += 2 {
			names, values = append(names, m.Labels[i]), append(values, strings.ToValidUTF8(m.Labels[i+1], "\uFFFD"))
		}
		kind := prometheus.CounterValue
		if m.Gauge {
			kind = prometheus.GaugeValue
		}
		ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(m.Name, source.MetricHelp[m.Name], names, nil), kind, m.Value, values...)
	}
}
