package alert

import (
	"context"
	"time"
)

// restLook is how many positions without a finding are looked at again after a restart.
const restLook = 10_000

// read takes findings from the source, and decides who is told.
func (a *Alerter) read(ctx context.Context, wake chan struct{}) error {
	wait := a.timing.again
	for ctx.Err() == nil {
		var from, kept uint64
		full := false
		a.see(func(s *state) { kept, from, full = s.Cursor, max(s.Cursor, a.at), len(s.Outbox) >= maxOutbox })
		if full { // the ledger takes nothing; so there is nothing new in it either
			select {
			case <-ctx.Done():
			case <-wake:
			}
			continue
		}
		entries, next, err := a.deps.Source.Next(ctx, from)
		if err != nil {
			if ctx.Err() == nil {
				a.log.Error("alerts: findings cannot be read; it is tried again", "error", err)
				pause(ctx, wait)
				wait = min(2*wait, time.Minute)
			}
			continue
		}
		wait = a.timing.again
		a.see(func(*state) { a.at = next })
		if len(entries) == 0 && next < kept+restLook { // that nothing was found there is looked up again faster than it is kept
			continue
		}
		if err := a.commit(ctx, func(s *state) *change { return a.decide(s, now()).read(entries, next) }); err != nil {
			return unlessOver(ctx, err)
		}
	}
	return nil
}

// flush makes messages of groups when their time has come.
func (a *Alerter) flush(ctx context.Context, wake chan struct{}) error {
	for ctx.Err() == nil {
		var next time.Time
		var lost []string
		a.see(func(s *state) {
			next = s.next()
			if s.much() {
				next = now()
			}
			for name := range s.Queues {
				if a.dests[name] == nil {
					lost = append(lost, name)
				}
			}
		})
		for _, name := range lost {
			if err := a.commit(ctx, func(s *state) *change { return a.decide(s, now()).orphans(name) }); err != nil {
				return unlessOver(ctx, err)
			}
		}
		if !next.IsZero() && !next.After(now()) {
			if err := a.commit(ctx, func(s *state) *change { return a.decide(s, now()).flush() }); err != nil {
				return unlessOver(ctx, err)
			}
			continue
		}
		left := time.Hour
		if !next.IsZero() {
			left = time.Until(next)
		}
		t := time.NewTimer(left)
		select {
		case <-ctx.Done():
		case <-wake:
		case <-t.C:
		}
		t.Stop()
	}
	return nil
}

// orphans gives up what waits for a destination that is no longer configured.
func (d *decision) orphans(name string) *change {
	dest := d.a.dest(name)
	for _, m := range d.s.Queues[name] {
		d.ended(dest, m, Failed, 0, "the destination is no longer configured")
		d.a.log.Error("an alert is given up: its destination is no longer configured", "destination", name, "key", m.Key)
	}
	return &d.c
}

// recordAll puts outcomes on record.
func (a *Alerter) recordAll(ctx context.Context, wake chan struct{}) error {
	const atOnce = 50
	wait := a.timing.again
	for ctx.Err() == nil {
		var out []Outcome
		a.see(func(s *state) { out = append(out, s.Outbox[:min(len(s.Outbox), atOnce)]...) })
		if len(out) == 0 {
			select {
			case <-ctx.Done():
			case <-wake:
			}
			continue
		}
		n := 0
		var err error
		for ; n < len(out) && err == nil; n++ {
			if err = a.deps.Record(ctx, out[n]); err != nil {
				break
			}
		}
		if n > 0 {
			if cerr := a.commit(ctx, func(*state) *change { return &change{Recorded: n} }); cerr != nil {
				return unlessOver(ctx, cerr)
			}
			wait = a.timing.again
		}
		if err != nil && ctx.Err() == nil {
			a.log.Error("alerts: an outcome cannot be put on record; it is tried again", "outcome", out[n].Result, "key", out[n].Key, "error", err)
			pause(ctx, wait)
			wait = min(2*wait, time.Minute)
		}
	}
	return nil
}

// unlessOver is an error that counts only while it goes on: what was not kept then is done again at the next start.
func unlessOver(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
