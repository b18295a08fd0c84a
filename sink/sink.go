// Package sink carries captured events away: to a log file (sink/logfile), to a webhook (sink/webhook), and on the way
// through queues, limits and a spool on disk (sink/spool).
//
// Start with Sink, which is all of them. They are put into one another: kube-apiserver's
// "truncate<buffered<webhook>>" is Truncate(Batch(webhook.New(…))).
//
// It promises: an event is bytes from the moment it is captured, so that no sink sees another's changes; and no event is lost
// but counted by cause in Metrics.
package sink

import (
	"context"
	"errors"
)

// ErrClosed is what a sink that has been closed returns.
var ErrClosed = errors.New("the sink is closed")

// Sink takes events. Each is one audit.k8s.io/v1 Event, a JSON object without the newline, with kind and apiVersion, as
// audit.Event.AppendJSON writes it or as another log had it.
type Sink interface {
	// Send takes the events, in order. Nil means that they are where this sink puts them: a log file wrote them, a spool
	// fsynced them, a queue has them. An error means that some may not be there; those are counted in Metrics by
	// whoever gives up on them. The sink reads the bytes until Send returns, and copies what it keeps. Many goroutines may call it;
	// ctx ends the waiting, if the sink waits.
	Send(ctx context.Context, events ...[]byte) error

	// Close delivers what is under way, until ctx ends, and then closes the sinks within. Send after it returns ErrClosed. It is
	// called once.
	Close(ctx context.Context) error

	// String names the composition as kube-apiserver does: union[ignoreErrors<log>,truncate<buffered<webhook>>].
	String() string
}
