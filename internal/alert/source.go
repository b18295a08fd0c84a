package alert

import (
	"context"
	"time"

	"annals.dev/internal/detect"
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
