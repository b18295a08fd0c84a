package source

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"annals.dev/internal/ledger"
)

// patient appends, and where the ledger is only busy waits and tries again: a file does not run away. A full disk it
// waits out too if waitFull, since somebody may make room.
type patient struct {
	to       Appender
	log      *slog.Logger
	waitFull bool
}

const (
	leastWait = 20 * time.Millisecond
	mostWait  = 5 * time.Second
)

func (p *patient) append(ctx context.Context, b ledger.Batch) (ledger.Receipt, error) {
	for wait := leastWait; ; wait = min(2*wait, mostWait) {
		r, err := p.to.Append(ctx, b)
		full := errors.Is(err, ledger.ErrFull) && p.waitFull
		if err == nil || !full && !errors.Is(err, ledger.ErrBusy) {
			return r, err
		}
		if full && wait == mostWait {
			p.log.Warn("events wait because the ledger takes none", "cluster", b.Cluster, "origin", b.Origin, "error", err)
		}
		select {
		case <-ctx.Done():
			return ledger.Receipt{}, context.Cause(ctx)
		case <-time.After(wait):
		}
	}
}
