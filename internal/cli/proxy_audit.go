package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"annals.dev/capture"
	"annals.dev/capture/options"
	"annals.dev/internal/server"
	"annals.dev/policy"
	"annals.dev/sink"
)

// recording is what is recorded and where it goes.
type recording struct {
	*options.Options
	*options.Built
	out sink.Sink
}

// build opens where events go: what the flags name, the ledger if it is held, or both. The caller closes out.
func (r *recording) build(s *proxySettings, held *server.Held, m *sink.Metrics, log *slog.Logger) error {
	if errs := r.Validate(); len(errs) > 0 {
		return &usageError{errors.Join(errs...)}
	}
	if r.PolicyFile == "" {
		return usagef("nothing would be recorded without an audit policy: give --audit-policy-file")
	}
	var sinks []sink.Sink
	if held != nil {
		l, err := inMode(&ledgerSink{to: held.Ledger, cluster: s.cluster, origin: "proxy"}, s.ledgerMode, m, log)
		if err != nil {
			return err
		}
		sinks = append(sinks, l)
	}
	var err error
	if r.Built, err = r.Options.Build(m, log); err != nil {
		if _, wrong := policy.Load(r.PolicyFile, r.PolicyOptions(log)); wrong != nil && !errors.Is(wrong, fs.ErrNotExist) {
			err = fmt.Errorf("%w; annals policy lint %s shows all that is wrong with it", err, r.PolicyFile)
		}
		return errors.Join(err, closeAll(sinks))
	}
	if r.Built.Sink != nil {
		sinks = append(sinks, r.Built.Sink)
	}
	if len(sinks) == 0 {
		return usagef("events would go nowhere: give --cluster for the ledger of --data, --audit-log-path or --audit-webhook-config-file")
	}
	r.out = sink.Union(sinks...)
	return nil
}

func closeAll(sinks []sink.Sink) (err error) {
	for _, s := range sinks {
		err = errors.Join(err, s.Close(context.Background()))
	}
	return err
}

// ledgerBatch is how many events of a queue reach the ledger by one write.
const ledgerBatch = 1000

// inMode is the ledger in one of kube-apiserver's modes.
func inMode(l sink.Sink, mode string, m *sink.Metrics, log *slog.Logger) (sink.Sink, error) {
	switch mode {
	case options.ModeBatch:
		return sink.Batch(l, sink.BatchConfig{MaxBatchSize: ledgerBatch, Metrics: m, Log: log}), nil
	case options.ModeBlocking:
		return sink.Blocking(l, m, log), nil
	case options.ModeBlockingStrict:
		return sink.Strict(l, m, log), nil
	}
	return nil, usagef("--ledger-mode %q: use %s, %s or %s", mode, options.ModeBatch, options.ModeBlocking, options.ModeBlockingStrict)
}

// policyAuthor is who changes the policy, in the events that say so: whoever wrote the file is not known.
const policyAuthor = "annals-proxy"

// follow has the policy changed when its file is, and at a hangup too, with the log file opened anew, until the context ends.
func (r *recording) follow(ctx context.Context, h *capture.Handler, hangup <-chan os.Signal, log *slog.Logger) error {
	if r.PolicyReload {
		watched := make(chan struct{})
		go func() {
			defer close(watched)
			_ = h.Watch(ctx, r.PolicyFile, r.PolicyOptions(log), policyAuthor) // its error is the context's end
		}()
		defer func() { <-watched }()
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hangup:
		}
		if err := r.Reopen(); err != nil {
			log.Error("the log file is not opened anew", "error", err)
		}
		// A policy that is wrong is logged, counted and recorded there, and the one before stays.
		_ = h.Reload(r.PolicyFile, r.PolicyOptions(log), policyAuthor)
	}
}
