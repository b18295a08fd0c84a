package webhook

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"annals.dev/sink"
)

// As kube-apiserver.
const (
	backoffFactor = 1.5
	backoffJitter = 0.2
	mostAsked     = 10 // times that Retry-After is heeded without an attempt being counted
)

// mostParts is how many requests one attempt may make of a batch that is refused. One event in 400 is found with 18.
const mostParts = 128

// persist tries until the receiver has taken all, or what it has not taken is given up: what it refuses for good while it takes
// other events, and the rest after as many attempts as there may be.
func (w *Webhook) persist(ctx context.Context, events [][]byte) error {
	wait := w.cfg.InitialBackoff
	rest, taken, lost, asked := events, 0, 0, 0
	var why, last error
	for attempt := 1; ; attempt++ {
		parts := mostParts
		r := w.part(ctx, rest, &parts)
		taken += r.taken
		lost += r.invalid
		if r.why != nil {
			why = r.why
		}
		if r.err != nil {
			last = r.err
		}
		rest = r.rest
		if taken > 0 { // the receiver is in order: it is the events
			lost += len(r.refused)
		} else {
			rest = slices.Concat(rest, r.refused)
		}
		if len(rest) == 0 {
			break
		}
		pause := jitter(wait)
		if s, ok := errors.AsType[*StatusError](last); ok && s.After > 0 && asked < mostAsked && ctx.Err() == nil {
			pause = s.After
			asked++
			attempt--
		} else if attempt == w.cfg.Attempts || ctx.Err() != nil {
			lost += len(rest)
			why = last
			break
		} else {
			wait = time.Duration(float64(wait) * backoffFactor)
			asked = 0
		}
		w.report.Problem("retry", last)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	switch {
	case lost == 0:
		return nil
	case lost < len(events):
		return &sink.PartialError{Lost: lost, Err: refused(why)}
	}
	return refused(why)
}

// result is what became of some events.
type result struct {
	taken   int
	invalid int
	refused [][]byte // one by one
	rest    [][]byte // not taken, for another reason
	why     error    // of invalid and refused
	err     error    // of refused and rest
}

// part makes one attempt. Of what is refused for good it tries each half, so that an event alone is found.
func (w *Webhook) part(ctx context.Context, events [][]byte, parts *int) result {
	*parts--
	err := w.deliver(ctx, events)
	if err == nil {
		return result{taken: len(events)}
	}
	s, answered := errors.AsType[*StatusError](err)
	invalid := errors.Is(err, errInvalid)
	switch {
	case !invalid && !(answered && s.final()) || len(events) > 1 && *parts < 2:
		return result{rest: events, err: err}
	case len(events) > 1:
		a := w.part(ctx, events[:len(events)/2], parts)
		b := w.part(ctx, events[len(events)/2:], parts)
		sum := result{
			taken: a.taken + b.taken, invalid: a.invalid + b.invalid,
			refused: slices.Concat(a.refused, b.refused), rest: slices.Concat(a.rest, b.rest), why: a.why, err: a.err,
		}
		if b.why != nil {
			sum.why = b.why
		}
		if b.err != nil {
			sum.err = b.err
		}
		return sum
	case invalid:
		return result{invalid: 1, why: err}
	}
	return result{refused: events, why: err, err: err}
}

// jitter is d and up to a fifth more.
func jitter(d time.Duration) time.Duration {
	return d + time.Duration(rand.Float64()*backoffJitter*float64(d))
}
