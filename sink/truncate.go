package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"annals.dev/audit"
)

// TruncateConfig is what Truncate allows. A zero limit takes kube-apiserver's default.
type TruncateConfig struct {
	MaxEventSize int64 // 100 KiB: an event's JSON and its newline
	MaxBatchSize int64 // 10 MiB: all events of one Send to the sink within, unless it is a single one
	Strict       bool  // an event that is dropped is an error for the caller, too

	Metrics *Metrics     // Optional.
	Log     *slog.Logger // Optional: slog.Default().
}

// ErrTooLarge is an event above the limit of Truncate, even without its bodies and with its texts cut.
var ErrTooLarge = errors.New("the event is too large even after truncating")

// Truncate takes the bodies off events that are too large and marks them with the annotation audit.k8s.io/truncated. The event that
// it was given stays as it is, so that the other sinks of a union get it whole. Of what is too large even so every text is
// cut, where kube-apiserver drops the event. What still does not fit is dropped and counted; as kube-apiserver's, it tells the
// caller nothing of that, unless Strict is set.
func Truncate(within Sink, cfg TruncateConfig) Sink {
	if cfg.MaxEventSize <= 0 {
		cfg.MaxEventSize = 100 << 10
	}
	if cfg.MaxBatchSize <= 0 {
		cfg.MaxBatchSize = 10 << 20
	}
	return &truncate{within, cfg, &Reporter{Plugin: "truncate", Metrics: cfg.Metrics, Log: cfg.Log}}
}

type truncate struct {
	within Sink
	cfg    TruncateConfig
	report *Reporter
}

func (t *truncate) Send(ctx context.Context, events ...[]byte) error {
	if t.fits(events) {
		return t.within.Send(ctx, events...)
	}
	var all, dropped error
	batch := make([][]byte, 0, len(events))
	size := int64(0)
	for _, e := range events {
		e, err := t.fit(e)
		if err != nil {
			dropped = err
			continue
		}
		if n := int64(len(e)) + 1; len(batch) > 0 && size+n > t.cfg.MaxBatchSize {
			all = errors.Join(all, t.within.Send(ctx, batch...))
			batch, size = batch[:0], 0
		}
		batch = append(batch, e)
		size += int64(len(e)) + 1
	}
	if len(batch) > 0 {
		all = errors.Join(all, t.within.Send(ctx, batch...))
	}
	if dropped != nil && t.cfg.Strict {
		all = errors.Join(all, dropped)
	}
	return all
}

// fits says that nothing is to be done, which is so nearly always.
func (t *truncate) fits(events [][]byte) bool {
	size := int64(0)
	for _, e := range events {
		n := int64(len(e)) + 1
		if size += n; n > t.cfg.MaxEventSize || size > t.cfg.MaxBatchSize && len(events) > 1 {
			return false
		}
	}
	return true
}

// fit is the event, or what is left of it.
func (t *truncate) fit(event []byte) ([]byte, error) {
	size := int64(len(event)) + 1
	if size <= t.cfg.MaxEventSize {
		return event, nil
	}
	var v audit.View
	if err := v.Parse(event); err != nil {
		err = fmt.Errorf("an event of %d bytes cannot be truncated: %w", size, err)
		t.report.Lost(CauseInvalid, 1, err)
		return nil, err
	}
	if audit.Level(v.Level.String()).AtLeast(audit.LevelRequest) {
		event = withoutBodies(&v)
	}
	if int64(len(event))+1 <= t.cfg.MaxEventSize {
		return event, nil
	}
	short := shortened(&v, t.cfg.MaxEventSize)
	if short == nil {
		err := fmt.Errorf("%w: %d bytes, of which %d without its bodies, where %d are allowed", ErrTooLarge, size, len(event)+1, t.cfg.MaxEventSize)
		t.report.Lost(CauseTooLarge, 1, err)
		return nil, err
	}
	return short, nil
}

func (t *truncate) Close(ctx context.Context) error { return t.within.Close(ctx) }

func (t *truncate) String() string { return "truncate<" + t.within.String() + ">" }
