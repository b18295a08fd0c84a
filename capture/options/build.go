package options

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"annals.dev/policy"
	"annals.dev/sink"
	"annals.dev/sink/logfile"
	"annals.dev/sink/spool"
	"annals.dev/sink/webhook"
)

// Built is what the options describe.
type Built struct {
	Policy *policy.Policy // nil without a policy file: then nothing is recorded, and Sink is nil too
	Sink   sink.Sink      // nil if nothing is to be written; whoever asked for it closes it
	log    *logfile.Log
}

// Reopen has the log file opened anew, after it was moved away.
func (b *Built) Reopen() error {
	if b.log == nil {
		return nil
	}
	return b.log.Reopen()
}

// Build opens what the options name; they are to be valid. Both m and log may be nil. As in kube-apiserver it is the union of
// truncate<mode<log>> and truncate<mode<webhook>>, and a backend without a policy is not built.
func (o *Options) Build(m *sink.Metrics, log *slog.Logger) (*Built, error) {
	b := &Built{}
	if o.PolicyFile == "" {
		return b, nil
	}
	var err error
	if b.Policy, err = policy.Load(o.PolicyFile, o.PolicyOptions(log)); err != nil {
		return nil, fmt.Errorf("loading audit policy file: %w", err)
	}
	var sinks []sink.Sink
	if o.Log.enabled() {
		s, err := o.Log.build(b, m, log)
		if err != nil {
			return nil, err
		}
		sinks = append(sinks, s)
	}
	if o.Webhook.enabled() {
		s, err := o.Webhook.build(m, log)
		if err != nil {
			for _, s := range sinks {
				err = errors.Join(err, s.Close(context.Background()))
			}
			return nil, fmt.Errorf("initializing audit webhook: %w", err)
		}
		sinks = append(sinks, s)
	}
	if len(sinks) > 0 {
		b.Sink = sink.Union(sinks...)
	}
	return b, nil
}

// PolicyOptions are how the policy file is read, at the start and later.
func (o *Options) PolicyOptions(log *slog.Logger) policy.Options {
	if log == nil {
		log = slog.Default()
	}
	return policy.Options{
		Upstream: o.PolicyMode == PolicyUpstream, Minimal: o.PolicyMinimal,
		Warn: func(text string) { log.Warn(text, "policy", o.PolicyFile) },
	}
}

const (
	megabyte = 1 << 20
	day      = int64(24 * time.Hour)
)

// product is n units, or the most that there is: who gives a huge limit means none.
func product(n int, unit int64) int64 {
	if int64(n) > math.MaxInt64/unit {
		return math.MaxInt64
	}
	return int64(n) * unit
}

func (l *Log) build(b *Built, m *sink.Metrics, log *slog.Logger) (sink.Sink, error) {
	format := logfile.Format(l.Format)
	if l.TwoLines {
		format = logfile.TwoLines
	}
	file, err := logfile.New(logfile.Config{
		Path: l.Path, Format: format, MaxSize: product(l.MaxSize, megabyte), MaxAge: time.Duration(product(l.MaxAge, day)),
		MaxBackups: l.MaxBackups, MaxTotal: product(l.MaxTotal, megabyte), Compress: l.Compress, Sync: l.Fsync.Every, Metrics: m, Log: log,
	})
	if err != nil {
		return nil, err
	}
	b.log = file
	return l.Truncate.wrap(l.Batch.wrap(file, l.Batch.config(), m, log), l.Batch.Mode, m, log), nil
}

// Of batches under way to a webhook, most wait for their next attempt: requests are what the webhook itself bounds. The bytes of
// all of them are bounded by the queue.
const batchesUnderWay = 256

func (w *Webhook) build(m *sink.Metrics, log *slog.Logger) (sink.Sink, error) {
	cfg := webhook.Config{Kubeconfig: w.ConfigFile, InitialBackoff: w.InitialBackoff, Gzip: w.Gzip, Metrics: m, Log: log}
	if w.Spool != "" {
		cfg.Attempts = 1
	}
	hook, err := webhook.New(cfg)
	if err != nil {
		return nil, err
	}
	var within sink.Sink = hook
	queue := w.Batch.config()
	queue.MaxInFlight = batchesUnderWay
	if w.Spool != "" {
		if within, err = w.spool(hook, m, log); err != nil {
			return nil, errors.Join(err, hook.Close(context.Background()))
		}
		// What the flags say of batches is for the receiver, and the spool sees to it. What waits for an fsync waits for nothing
		// else: in the queue before the spool a crash would lose it.
		queue = sink.BatchConfig{BufferSize: w.Batch.BufferSize, MaxBatchSize: w.Batch.MaxSize}
	}
	return w.Truncate.wrap(w.Batch.wrap(within, queue, m, log), w.Batch.Mode, m, log), nil
}

// spool keeps events until the webhook has taken them. While it is full, a request that waits for its event is told so at once;
// the queue of mode batch waits in its stead.
func (w *Webhook) spool(hook sink.Sink, m *sink.Metrics, log *slog.Logger) (sink.Sink, error) {
	cfg := spool.Config{
		Dir: w.Spool, MaxBytes: product(w.SpoolMaxSize, megabyte), WhenFull: spool.Refuse, MinBackoff: w.InitialBackoff, Metrics: m, Log: log,
	}
	if w.Batch.Mode == ModeBatch {
		cfg.WhenFull, cfg.MaxBatchSize = spool.Block, w.Batch.MaxSize
	}
	return spool.Open(cfg, hook)
}

// wrap puts the mode around a sink.
func (b *Batch) wrap(s sink.Sink, queue sink.BatchConfig, m *sink.Metrics, log *slog.Logger) sink.Sink {
	switch b.Mode {
	case ModeBlockingStrict:
		return sink.Strict(s, m, log)
	case ModeBlocking:
		return sink.Blocking(s, m, log)
	}
	queue.Metrics, queue.Log = m, log
	return sink.Batch(s, queue)
}

func (t *Truncate) wrap(s sink.Sink, mode string, m *sink.Metrics, log *slog.Logger) sink.Sink {
	if !t.Enabled {
		return s
	}
	// kube-apiserver's strict mode does not hear of an event that was dropped as too large. Here it does: a request whose event is
	// nowhere does not pass as recorded.
	return sink.Truncate(s, sink.TruncateConfig{
		MaxEventSize: t.MaxEventSize, MaxBatchSize: t.MaxBatchSize, Strict: mode == ModeBlockingStrict, Metrics: m, Log: log,
	})
}
