package alert

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// refusal is an answer that says more than that it did not work.
type refusal struct {
	why   error
	final bool          // this message is not wanted, now or later
	whole bool          // nothing is wanted: something is wrong with the destination, or with what we know of it
	after time.Duration // not before
}

func (r *refusal) Error() string { return r.why.Error() }
func (r *refusal) Unwrap() error { return r.why }

// sender speaks to a destination. send returns nil if the destination has taken the message, a *refusal, or any other error if it
// may go better the next time. One goroutine calls it at a time, but for a test.
type sender interface {
	send(ctx context.Context, m *Message) error
}

// destination is one that is in use. Its worker alone delivers to it.
type destination struct {
	*Destination
	sender
	limit *rate.Limiter
	wake  chan struct{}

	mu     sync.Mutex
	status Status
}

// Status is how a destination does.
type Status struct {
	Name      string    `json:"name"`
	Kind      Kind      `json:"kind"`
	Messages  int       `json:"messages"`           // that wait
	Findings  int       `json:"findings"`           // in them, and in groups whose time has not come
	Delivered uint64    `json:"delivered"`          // messages, since the start
	Failed    uint64    `json:"failed"`             // messages that were given up, since the start
	Last      time.Time `json:"last,omitzero"`      // when a message was delivered last
	Error     string    `json:"error,omitempty"`    // why the last attempt failed
	Since     time.Time `json:"since,omitzero"`     // and since when they fail
	Attempts  int       `json:"attempts,omitempty"` // so many, of one message
}

func newDestination(cfg *Destination) (*destination, error) {
	t, err := parseTexts(cfg)
	if err != nil {
		return nil, err
	}
	d := &destination{Destination: cfg, wake: make(chan struct{}, 1), status: Status{Name: cfg.Name, Kind: cfg.Kind}}
	if cfg.Timeout == 0 {
		cfg.Timeout = Duration(defaultTimeout)
	}
	if cfg.MaxPerMinute == 0 {
		cfg.MaxPerMinute = defaultRate
	}
	d.limit = rate.NewLimiter(rate.Limit(float64(cfg.MaxPerMinute)/60), cfg.MaxPerMinute)
	switch cfg.Kind {
	case Email:
		d.sender, err = newEmail(cfg, t)
	case Syslog:
		d.sender, err = newSyslog(cfg, t)
	default:
		d.sender, err = newPoster(cfg, t)
	}
	return d, err
}

// single says that each finding is a message of its own.
func (d *destination) single() bool { return d.Kind == Falco || d.Kind == Syslog }

// work delivers the messages of a destination, one after another.
func (a *Alerter) work(ctx context.Context, d *destination) error {
	for ctx.Err() == nil {
		var head *delivery
		a.see(func(s *state) {
			if q := s.Queues[d.Name]; len(q) > 0 {
				head = q[0]
			}
		})
		if head == nil {
			select {
			case <-ctx.Done():
			case <-d.wake:
			}
			continue
		}
		r, attempts, reason := a.deliver(ctx, d, head)
		if r == "" {
			return nil
		}
		if err := a.commit(ctx, func(s *state) *change { return a.decide(s, now()).ended(d, head, r, attempts, reason) }); err != nil {
			return unlessOver(ctx, err)
		}
	}
	return nil
}

// deliver tries until a message is taken, or refused for good; without a result if ctx ended first.
func (a *Alerter) deliver(ctx context.Context, d *destination, head *delivery) (r Result, attempts int, reason string) {
	m := a.links.message(head, d.Name)
	wait := a.timing.backoff
	var refused time.Time // since when nothing is wanted there
	for {
		if d.limit.Wait(ctx) != nil {
			return "", attempts, ""
		}
		attempts++
		err := a.attempt(ctx, d, m)
		d.note(err, attempts)
		if err == nil {
			return Delivered, attempts, ""
		}
		if ctx.Err() != nil {
			return "", attempts, ""
		}
		pauseFor := wait/2 + rand.N(wait/2+1)
		wait = min(2*wait, a.timing.most)
		no, _ := errors.AsType[*refusal](err)
		switch {
		case no == nil:
			refused = time.Time{}
		case no.final:
			return a.giveUp(d, m, attempts, err)
		case no.whole && refused.IsZero():
			refused = time.Now()
		case no.whole && time.Since(refused) > a.timing.patience:
			return a.giveUp(d, m, attempts, fmt.Errorf("refused for %v: %w", a.timing.patience, err))
		}
		if no != nil && no.after > 0 {
			pauseFor = min(no.after, a.timing.askedMost)
		}
		a.log.Warn("an alert is not delivered yet", "destination", d.Name, "key", m.Key, "attempts", attempts, "again", pauseFor, "error", err)
		if !pause(ctx, pauseFor) {
			return "", attempts, ""
		}
	}
}

func (a *Alerter) giveUp(d *destination, m *Message, attempts int, err error) (Result, int, string) {
	d.mu.Lock()
	d.status.Failed++
	d.mu.Unlock()
	a.log.Error("an alert is given up", "destination", d.Name, "key", m.Key, "findings", m.Count, "attempts", attempts, "error", err)
	return Failed, attempts, err.Error()
}

// attempt makes one. One that is under way when ctx ends has a moment to come to its end.
func (a *Alerter) attempt(ctx context.Context, d *destination, m *Message) error {
	try, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Duration(d.Timeout))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		if pause(try, a.timing.grace) {
			cancel()
		}
	})
	defer stop()
	return d.send(try, m)
}

func (d *destination) note(err error, attempts int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := &d.status
	if err == nil {
		s.Delivered++
		s.Last, s.Error, s.Since, s.Attempts = now(), "", time.Time{}, 0
		return
	}
	s.Error, s.Attempts = clean(err.Error(), maxText), attempts
	if s.Since.IsZero() {
		s.Since = now()
	}
}

// Destinations says how each destination does, in the order of the configuration.
func (a *Alerter) Destinations() (out []Status) {
	for i := range a.cfg.Destinations {
		d := a.dests[a.cfg.Destinations[i].Name]
		d.mu.Lock()
		s := d.status
		d.mu.Unlock()
		a.see(func(st *state) {
			s.Messages = len(st.Queues[d.Name])
			for _, m := range st.Queues[d.Name] {
				if m.Digest != nil {
					s.Findings += m.Digest.Count
				} else {
					s.Findings += len(m.Findings)
				}
			}
			for _, g := range st.Groups {
				if g.Dest == d.Name {
					s.Findings += len(g.Waiting)
				}
			}
		})
		out = append(out, s)
	}
	return out
}

// Test sends a test message to a destination and says how it went, at once: it waits in no queue and is not tried again. That it
// was sent is on record.
func (a *Alerter) Test(ctx context.Context, name string) error {
	d := a.dests[name]
	if d == nil {
		return fmt.Errorf("there is no destination %q", name)
	}
	m := *samples(name)[0]
	at := now()
	m.Test, m.Time, m.Key, m.URL = true, at, keyOf("test", name, at.Format(time.RFC3339Nano)), a.links.findings()
	f := *m.Findings[0].Finding
	f.Time, f.ID = at, m.Key
	m.From, m.Until, m.Findings = at, at, []Told{{&f, m.URL}}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(d.Timeout))
	defer cancel()
	err := d.send(ctx, &m)
	o := Outcome{Key: m.Key, Time: at, Result: Delivered, Reason: "a test", Destination: name, Kind: d.Kind, Severity: f.Severity, Findings: []string{}, Attempts: 1}
	if err != nil {
		o.Result, o.Reason = Failed, clean("a test: "+err.Error(), maxText)
	}
	if cerr := a.commit(ctx, func(*state) *change { return &change{Outcomes: []Outcome{o}} }); err == nil {
		err = cerr
	}
	return err
}
