package alert

import (
	"context"
	"errors"
	"time"

	"annals.dev/internal/detect"
	"annals.dev/internal/ledger"
)

// Entry is a finding as it stands in cluster annals, or the withdrawal of one.
type Entry struct {
	Position   uint64
	Received   time.Time
	Finding    *detect.Finding
	Withdrawal *detect.Withdrawal
}

// Source gives findings in the order of their positions, each time again if asked again.
type Source interface {
	// End is the position that the next event will get.
	End() uint64
	// Next gives the entries from a position on, a thousand at most, and the position behind what it looked at. It waits until
	// there is something to look at, or ctx ends.
	Next(ctx context.Context, from uint64) (entries []Entry, next uint64, err error)
}

// ledgerSource is cluster annals.
type ledgerSource struct{ l *ledger.Ledger }

const (
	maxEntries = 1_000
	maxBytes   = 4 << 20
	breath     = 100 * time.Millisecond // between looks: whatever any cluster records wakes us
)

func (s *ledgerSource) End() uint64 {
	view := s.l.Snapshot(ledger.Own)
	defer view.Release()
	if len(view.Clusters) == 0 {
		return 0
	}
	return view.Clusters[0].Size
}

var errFull = errors.New("enough for once")

func (s *ledgerSource) Next(ctx context.Context, from uint64) ([]Entry, uint64, error) {
	for {
		changed := s.l.Changed()
		var entries []Entry
		size := 0
		next, err := detect.Since(ctx, s.l, from, func(r detect.Recorded) error {
			entries = append(entries, Entry{Position: r.Position, Received: r.Received, Finding: r.Finding, Withdrawal: r.Withdrawal})
			if r.Finding != nil {
				size += sizeOf(r.Finding)
			}
			if len(entries) == maxEntries || size > maxBytes {
				return errFull
			}
			return nil
		})
		switch {
		case errors.Is(err, errFull):
			return entries, entries[len(entries)-1].Position + 1, nil
		case err != nil:
			return nil, from, err
		case next > from:
			return entries, next, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, from, ctx.Err()
		}
		if !pause(ctx, breath) {
			return nil, from, ctx.Err()
		}
	}
}
