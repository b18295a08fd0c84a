package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"annals.dev/internal/disk"
	"annals.dev/internal/ledger"
)

// Deps are what an Alerter works with.
type Deps struct {
	Ledger *ledger.Ledger
	Dir    string       // its own directory, DATA/alert: made if it is missing
	Log    *slog.Logger // optional
	URL    string       // of the web UI, for links; optional

	Source Source                               // of findings; nil: the ledger's cluster annals
	Record func(context.Context, Outcome) error // nil: into the ledger. The same outcome may come twice.
}

// Alerter tells people of findings. All its methods may be called by many goroutines.
type Alerter struct {
	cfg      Config
	deps     Deps
	log      *slog.Logger
	links    links
	dests    map[string]*destination
	silences *silences
	timing   timing

	mu    sync.Mutex
	store *store
	at    uint64 // positions of cluster annals below were read

	wake [3]chan struct{} // of those that read, flush and record: they look again when something has changed
}

// timing is how patient it is.
type timing struct {
	backoff, most time.Duration // between attempts: the first, and the longest
	askedMost     time.Duration // the most that Retry-After is heeded
	patience      time.Duration // with a destination that refuses whatever it is told
	grace         time.Duration // for an attempt under way when it ends
	again         time.Duration // after the ledger or the disk has failed
	compact       int64         // bytes of the log, before it is written anew
}

var usual = timing{backoff: time.Second, most: 5 * time.Minute, askedMost: 15 * time.Minute, patience: time.Hour, grace: 3 * time.Second, again: time.Second, compact: 1 << 20}

// New reads the configuration, and what was left undone when it last ran. A directory that is new begins at the end of cluster
// annals: what was found before alerts were switched on is not told.
func New(cfg Config, deps Deps) (*Alerter, error) {
	dir, err := filepath.Abs(deps.Dir)
	if deps.Dir == "" || err != nil {
		return nil, errors.New("alerts: a directory is needed for what is not delivered yet")
	}
	return open(cfg, deps, disk.OS(dir), usual)
}

func open(cfg Config, deps Deps, d disk.FS, t timing) (*Alerter, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	a := &Alerter{cfg: cfg, deps: deps, log: deps.Log, links: links(deps.URL), dests: map[string]*destination{}, timing: t}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if a.deps.Source == nil {
		a.deps.Source = &ledgerSource{l: deps.Ledger}
	}
	if a.deps.Record == nil {
		a.deps.Record = func(ctx context.Context, o Outcome) error { return record(ctx, deps.Ledger, o) }
	}
	for i := range a.wake {
		a.wake[i] = make(chan struct{}, 1)
	}
	var errs []error
	for i := range cfg.Destinations {
		dest, err := newDestination(&a.cfg.Destinations[i])
		if err != nil {
			errs = append(errs, fmt.Errorf("alerts.destinations[%d] (%s): %w", i, cfg.Destinations[i].Name, err))
			continue
		}
		a.dests[dest.Name] = dest
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if err := a.load(d); err != nil {
		return nil, fmt.Errorf("alerts: %w", err)
	}
	return a, nil
}

func (a *Alerter) load(d disk.FS) error {
	s, fresh, err := openStore(d, a.timing.compact)
	if err != nil {
		return err
	}
	if s.opened.TornFile != 0 {
		a.log.Warn("alerts: the end of the log was half written and is cut off: it was not acknowledged", "bytes", s.opened.TornBytes, "kept", s.opened.TornKept)
	}
	if fresh {
		s.state.Cursor = a.deps.Source.End()
		err = s.commit(&change{Whole: s.state})
	}
	if err == nil {
		a.silences, err = openSilences(d)
	}
	if err != nil {
		_ = s.log.Close()
		return err
	}
	a.store = s
	return nil
}

// Close gives back what New took, where Run is never called.
func (a *Alerter) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.store.log.Close()
}

// Run delivers until ctx ends. Call it once; it closes what New took. Its error says why it cannot go on: then nobody is told
// anything more.
func (a *Alerter) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.read(ctx, a.wake[0]) })
	g.Go(func() error { return a.flush(ctx, a.wake[1]) })
	g.Go(func() error { return a.recordAll(ctx, a.wake[2]) })
	for _, d := range a.dests {
		g.Go(func() error { return a.work(ctx, d) })
	}
	err := g.Wait()
	if cerr := a.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("alerts: %w", err)
	}
	return nil
}

// commit makes a change of the state, durably. While the disk is full it waits for room.
func (a *Alerter) commit(ctx context.Context, make func(s *state) *change) error {
	for {
		a.mu.Lock()
		err := a.store.commit(make(a.store.state))
		a.mu.Unlock()
		if err == nil {
			for _, w := range a.wake {
				poke(w)
			}
			for _, d := range a.dests {
				poke(d.wake)
			}
			return nil
		}
		if !canWait(err) {
			return err
		}
		a.log.Error("alerts wait for room on the disk", "error", err)
		if !pause(ctx, a.timing.again) {
			return err
		}
	}
}

// see reads the state.
func (a *Alerter) see(f func(s *state)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f(a.store.state)
}

// dest is a destination, or what is left of one that is no longer configured.
func (a *Alerter) dest(name string) *destination {
	if d := a.dests[name]; d != nil {
		return d
	}
	return &destination{Destination: &Destination{Name: name}}
}

func now() time.Time { return time.Now().UTC().Round(0) }

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// pause waits; false if ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return ctx.Err() == nil
	}
}
