package detect

import (
	"context"
	"time"

	"annals.dev/internal/ledger"
)

// readBatch is how many unsealed events are looked at before what they give is recorded and the place is noted.
const readBatch = 4096

// read looks at what is new in a cluster: unsealed events in their order, the others a segment at a time.
func (w *Watcher) read(ctx context.Context, v *ledger.ClusterView, done func(n uint64)) error {
	next := w.next[v.Name]
	for _, s := range v.Segments {
		if s.Last < next {
			continue
		}
		rows, err := s.From(next, "")
		if err == nil {
			err = s.Read(ctx, rows, func(_ int, e *ledger.Stored) error { return w.feed(ctx, e, true) })
		}
		if err == nil {
			err = w.batch(ctx, v.Name, s.Last+1, true)
		}
		if err != nil {
			return err
		}
		done(s.Last + 1 - max(next, s.First))
		next = s.Last + 1
	}
	for _, h := range v.Hot {
		rows := h.From(next, "")
		for len(rows) > 0 {
			n := min(len(rows), readBatch)
			if err := h.Read(ctx, rows[:n], func(_ int, e *ledger.Stored) error { return w.feed(ctx, e, false) }); err != nil {
				return err
			}
			next = h.First + uint64(rows[n-1]) + 1
			if err := w.batch(ctx, v.Name, next, false); err != nil {
				return err
			}
			done(uint64(n))
			rows = rows[n:]
		}
	}
	return nil
}

func (w *Watcher) feed(ctx context.Context, e *ledger.Stored, sorted bool) error {
	r := &w.row
	r.View, r.Cluster, r.Origin, r.Position, r.Received, r.Marks, r.Dialect = &e.View, e.Cluster, e.Origin, e.Position, e.Received, e.Marks, e.Dialect
	w.engine.Feed(r, w.out)
	if len(w.out.queue) >= maxQueue {
		return w.out.flush(ctx, sorted)
	}
	return nil
}

// batch records what was found up to a position, and goes on from there.
func (w *Watcher) batch(ctx context.Context, cluster string, next uint64, sorted bool) error {
	if err := w.out.flush(ctx, sorted); err != nil {
		return err
	}
	if err := w.engine.Advance(ctx, cluster, time.Now(), w.out); err != nil {
		return err
	}
	if err := w.out.flush(ctx, false); err != nil {
		return err
	}
	w.mu.Lock()
	w.stats.Events += next - w.next[cluster]
	w.mu.Unlock()
	w.next[cluster], w.dirty = next, true
	return nil
}
