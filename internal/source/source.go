// Package source is where events come in: over the network (Webhook), from log files as they grow (Follower), and from
// files that are there already (Importer). Each has Run(ctx), which blocks.
//
// All three promise the same. An event counts as taken only when the ledger has it on disk. What cannot be read goes into
// quarantine with its bytes, and never stands in the way of its neighbours. Nothing is taken twice because of a retry or a
// restart: the ledger knows what it holds, so a source that is unsure delivers again.
package source

import (
	"context"

	"annals.dev/internal/ledger"
)

// Appender is where a source puts events. Append returns when all of the batch is durable, or with an error when nothing
// of it was accepted: ledger.ErrBusy, ErrFull, ErrFailed, ErrClosed, or the context's. It keeps neither the batch nor its
// bytes. Many goroutines may call it. *ledger.Ledger is the one that matters.
type Appender interface {
	Append(ctx context.Context, b ledger.Batch) (ledger.Receipt, error)
}

var _ Appender = (*ledger.Ledger)(nil)

// sum adds a batch's receipt to those before it.
func sum(total *ledger.Receipt, r ledger.Receipt) {
	total.Accepted += r.Accepted
	total.Duplicates += r.Duplicates
	total.Conflicts += r.Conflicts
	total.Quarantined += r.Quarantined
	total.Salvaged += r.Salvaged
}
