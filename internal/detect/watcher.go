package detect

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"annals.dev/internal/ledger"
	"annals.dev/internal/match"
)

// WatchConfig is what a Watcher works with.
type WatchConfig struct {
	Ledger    *ledger.Ledger
	Dir       string // the data directory; what is kept over a restart lies in detect/ below it
	Rules     []*Rule
	Detectors []Detector
	History   History       // past.History of a reader who sees everything; nil: see Options
	Lateness  time.Duration // see Options
	Log       *slog.Logger
}

// Watcher reads the events of a ledger as they come and records what is found. It reads behind ingest and never holds it up.
type Watcher struct {
	cfg    WatchConfig
	log    *slog.Logger
	engine *Engine // these four are the goroutine's that runs
	out    *recorder
	next   map[string]uint64 // by cluster: the position to read next
	row    match.Row

	mu    sync.Mutex // guards what follows
	rules []*Rule    // to be used from the next batch on; nil: no others
	stats WatchStats
	subs  map[int]func(Recorded)
	sub   int
	turn  chan struct{} // holds a token while somebody runs
}

// WatchStats say how a watcher fares.
type WatchStats struct {
	Rules    int
	Clusters []WatchCluster
	Events   uint64 // looked at since the start
	Findings uint64 // recorded since the start, withdrawals among them
	Problems []Problem
	Err      error // the last attempt failed; it is tried again
}

// WatchCluster says how far a watcher is behind in a cluster.
type WatchCluster struct {
	Name   string
	Next   uint64        // position that is looked at next
	Behind uint64        // positions
	Lag    time.Duration // since the oldest event that was not looked at yet came
}

// NewWatcher makes a watcher that goes on where the last one ended. What it cannot use of the rules is told.
func NewWatcher(cfg WatchConfig) (*Watcher, []Problem, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	w := &Watcher{cfg: cfg, log: cfg.Log, next: make(map[string]uint64), subs: make(map[int]func(Recorded)), turn: make(chan struct{}, 1)}
	w.out = newRecorder(cfg.Ledger, w.tell)
	var problems []Problem
	w.engine, problems = NewEngine(cfg.Rules, cfg.Detectors, Options{Lateness: cfg.Lateness, History: cfg.History, Log: cfg.Log})
	w.stats.Rules, w.stats.Problems = len(w.engine.Rules()), problems
	return w, problems, nil
}

// Rules are those in use.
func (w *Watcher) Rules() []*Rule {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.engine.Rules()
}

// SetRules uses other rules from the next batch on. Those that are the same, ID and version, go on with what they hold; others
// begin anew.
func (w *Watcher) SetRules(rules []*Rule) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if rules == nil {
		rules = []*Rule{}
	}
	w.rules = rules
}

// Subscribe has f told of what is recorded, until cancel is called. It must return at once.
func (w *Watcher) Subscribe(f func(Recorded)) (cancel func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sub++
	n := w.sub
	w.subs[n] = f
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.subs, n)
	}
}

func (w *Watcher) tell(rec Recorded) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.subs {
		f(rec)
	}
}

// Stats gives the figures as they are now.
func (w *Watcher) Stats() WatchStats {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stats
}

// Run watches until ctx ends. What fails is told in Stats and the log, and tried again. It returns the error of the end: nil if
// all was saved.
func (w *Watcher) Run(ctx context.Context) error {
	select {
	case w.turn <- struct{}{}:
	case <-ctx.Done():
		return nil
	}
	defer func() { <-w.turn }()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		changed := w.cfg.Ledger.Changed()
		err := w.step(ctx, nil)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			if errors.Is(err, ledger.ErrClosed) {
				return err
			}
			w.log.Error("watching", "err", err)
		}
		select {
		case <-changed:
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// CatchUp looks at all that the ledger holds now, and closes all windows. Progress, if it is not nil, is told how many positions
// were looked at and how many there are to look at.
func (w *Watcher) CatchUp(ctx context.Context, progress func(done, total uint64)) error {
	select {
	case w.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-w.turn }()
	if err := w.step(ctx, progress); err != nil {
		return err
	}
	if err := w.engine.Flush(ctx, w.out); err != nil {
		return err
	}
	return w.out.flush(ctx, false)
}

// step looks at all that is new.
func (w *Watcher) step(ctx context.Context, progress func(done, total uint64)) (err error) {
	w.takeRules()
	defer func() { w.note(err) }()
	s := w.cfg.Ledger.Snapshot()
	defer s.Release()
	var done, total uint64
	for _, v := range s.Clusters {
		total += v.Size - min(v.Size, w.next[v.Name])
	}
	for _, v := range s.Clusters {
		err := w.read(ctx, v, func(n uint64) {
			if done += n; progress != nil {
				progress(done, total)
			}
		})
		if err != nil {
			return err
		}
	}
	w.engine.Tick(time.Now(), w.out)
	return w.out.flush(ctx, false)
}

// takeRules changes over to the rules that were set.
func (w *Watcher) takeRules() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.rules == nil {
		return
	}
	w.engine, w.stats.Problems = NewEngine(w.rules, w.cfg.Detectors, w.engine.opt)
	w.rules, w.stats.Rules = nil, len(w.engine.Rules())
}

// note keeps the figures.
func (w *Watcher) note(err error) {
	s := w.cfg.Ledger.Stats()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stats.Err, w.stats.Findings = err, w.out.count
	w.stats.Clusters = nil
	for _, c := range s.Clusters {
		k := WatchCluster{Name: c.Name, Next: w.next[c.Name]}
		if k.Behind = c.Size - min(c.Size, k.Next); k.Behind > 0 {
			k.Lag = max(0, time.Since(time.UnixMicro(c.LastArrival)))
		}
		w.stats.Clusters = append(w.stats.Clusters, k)
	}
}
