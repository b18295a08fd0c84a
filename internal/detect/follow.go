package detect

import (
	"cmp"
	"context"
	"slices"

	"annals.dev/internal/ledger"
)

// Since hands the findings and withdrawals that are recorded from a position of cluster annals on to f, in the order in which
// they were, and returns the position to go on from. What cannot be read as one is passed over. An error of f ends it.
func Since(ctx context.Context, l *ledger.Ledger, from uint64, f func(Recorded) error) (next uint64, err error) {
	s := l.Snapshot(ledger.Own)
	defer s.Release()
	if len(s.Clusters) == 0 {
		return from, nil
	}
	v := s.Clusters[0]
	var some []Recorded
	take := func(_ int, e *ledger.Stored) error {
		if rec, ok, err := ParseRecord(&e.Event, e.Origin, e.Position, e.Received); err == nil && ok {
			some = append(some, rec)
		}
		return nil
	}
	give := func() error {
		slices.SortFunc(some, func(a, b Recorded) int { return cmp.Compare(a.Position, b.Position) })
		for _, rec := range some {
			if err := f(rec); err != nil {
				return err
			}
		}
		some = some[:0]
		return nil
	}
	for _, seg := range v.Segments {
		if seg.Last < from {
			continue
		}
		rows, err := seg.From(from, Origin)
		if err == nil {
			err = seg.Read(ctx, rows, take)
		}
		if err == nil {
			err = give()
		}
		if err != nil {
			return from, err
		}
	}
	for _, h := range v.Hot {
		if err := h.Read(ctx, h.From(from, Origin), take); err != nil {
			return from, err
		}
	}
	return max(from, v.Size), give()
}

// Follow is Since that goes on with what is recorded later, until ctx ends: it returns no other error than that of ctx, of f or
// of reading.
func Follow(ctx context.Context, l *ledger.Ledger, from uint64, f func(Recorded) error) error {
	for {
		changed := l.Changed()
		next, err := Since(ctx, l, from, f)
		if err != nil {
			return err
		}
		from = next
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
