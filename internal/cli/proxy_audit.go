package cli

import (
	"context"
	"log/slog"
	"os"

	"github.com/spf13/pflag"

	"annals.dev/capture/proxy"
	"annals.dev/internal/server"
	"annals.dev/policy"
	"annals.dev/sink"
)

// auditFlags are what is recorded and where it goes.
type auditFlags struct{ policyFile string }

func (a *auditFlags) add(f *pflag.FlagSet) {
	f.StringVar(&a.policyFile, "audit-policy-file", "", "the audit policy")
}

func (a *auditFlags) policy() (*policy.Policy, error) { return readPolicy(a.policyFile) }

// sinks are where events go; whoever asks for them closes them.
func (a *auditFlags) sinks(s *proxySettings, held *server.Held, m *sink.Metrics, log *slog.Logger) (sink.Sink, error) {
	if held == nil {
		return nil, usagef("where are the events to go? Give --cluster")
	}
	return ledgerMode(&ledgerSink{to: held.Ledger, cluster: s.cluster, origin: "proxy"}, s.ledgerMode, m, log)
}

// ledgerMode is the ledger in one of kube-apiserver's modes.
func ledgerMode(l sink.Sink, mode string, m *sink.Metrics, log *slog.Logger) (sink.Sink, error) {
	switch mode {
	case "batch":
		return sink.Batch(l, sink.BatchConfig{Metrics: m, Log: log}), nil
	case "blocking":
		return sink.Blocking(l, m, log), nil
	case "blocking-strict":
		return sink.Strict(l, m, log), nil
	}
	return nil, usagef("--ledger-mode %q: use batch, blocking or blocking-strict", mode)
}

// watch changes the policy until the context ends.
func (a *auditFlags) watch(ctx context.Context, p *proxy.Proxy, hangup <-chan os.Signal, log *slog.Logger) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hangup:
		}
		next, err := a.policy()
		if err == nil {
			err = p.Handler().SetPolicy(next, "annals")
		}
		if err != nil {
			log.Error("the policy is not changed", "error", err)
		}
	}
}
