package sink

import (
	"errors"
	"fmt"
)

// RefusedError is a receiver's answer that is final: the same events will be refused again. A sink returns it, wrapped or not,
// so that who retries (sink/spool) looks for the event that is the cause and goes on with the others.
type RefusedError struct {
	Reason string // in one line, such as "400 Bad Request: items[3]: no auditID"
}

func (e *RefusedError) Error() string { return "the receiver refuses the events for good: " + e.Reason }

// PartialError says that of the events of one Send only Lost are not where they should be. Without it, that is true of all.
type PartialError struct {
	Lost int
	Err  error
}

func (e *PartialError) Error() string { return fmt.Sprintf("%d events: %v", e.Lost, e.Err) }
func (e *PartialError) Unwrap() error { return e.Err }

// lostOf is how many of n events an error leaves out.
func lostOf(err error, n int) int {
	if p, ok := errors.AsType[*PartialError](err); ok {
		return p.Lost
	}
	return n
}

// causeOf is why events were lost.
func causeOf(err error) string {
	if _, ok := errors.AsType[*RefusedError](err); ok {
		return CauseRefused
	}
	if errors.Is(err, ErrClosed) {
		return CauseClosed
	}
	return CauseFailed
}
