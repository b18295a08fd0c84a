package cli

import (
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"annals.dev/internal/server"
	"annals.dev/internal/source"
)

const serveLong = `Serve receives events from API servers at --listen, follows log files, keeps everything, and answers
the other commands on this machine. The web UI, the API, and metrics for Prometheus are at --http: on
loopback in plain HTTP, at any other address by TLS with the server's own certificate. Whoever asks there
has a token: annals token create makes one.

It watches: rules look at each event as it comes, and what they find is on record, and told to whom watch.yaml
names (docs/watch.md). When that file or rules change, they are read anew; SIGHUP does so at once.

It ends at SIGTERM or Ctrl-C, after what it has begun to receive is on disk.`

const serveExample = `  annals serve
  annals serve --follow prod=/var/log/kubernetes/audit/audit.log
  annals serve --watch watch.yaml
  annals serve --listen 127.0.0.1:7443 --http 127.0.0.1:9100`

func newServe(e *env) *cobra.Command {
	cfg := server.Config{}
	var follow []string
	var verbose bool
	cmd := &cobra.Command{Use: "serve", Short: "Receive, keep and answer", Long: serveLong, Example: serveExample, Args: cobra.NoArgs}
	cmd.Flags().StringVar(&cfg.Listen, "listen", ":7443", `where API servers deliver; "" for nowhere`)
	cmd.Flags().StringVar(&cfg.HTTP, "http", "127.0.0.1:7090", `where the web UI, the API and /metrics are; "" for nowhere`)
	cmd.Flags().StringArrayVar(&follow, "follow", nil, "CLUSTER=PATH: follow a log file, a folder's, or a pattern's; repeat it for more")
	cmd.Flags().StringVar(&cfg.Watch, "watch", "", "file of what is watched for and who is told (default watch.yaml in the data directory)")
	cmd.Flags().BoolVar(&verbose, "verbose", false, "log more")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		for _, f := range follow {
			cluster, path, ok := strings.Cut(f, "=")
			if !ok || path == "" {
				return usagef("--follow %q: give CLUSTER=PATH, such as prod=/var/log/kubernetes/audit/audit.log", f)
			}
			cfg.Follow = append(cfg.Follow, source.FollowSource{Cluster: cluster, Path: path})
		}
		level := slog.LevelInfo
		if verbose {
			level = slog.LevelDebug
		}
		cfg.Dir, cfg.Log = e.data, e.logger(level)
		cfg.Started = func(at server.Addresses) {
			cfg.Log.Info("serving", "data", e.data, "webhook", at.Webhook, "http", at.URL)
		}
		reload, stop := e.hangUps()
		defer stop()
		cfg.Reload = reload
		return server.Run(cmd.Context(), cfg)
	}
	return cmd
}
