package detect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"annals.dev/internal/disk"
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
	engine *Engine // these are the goroutine's that runs
	out    *recorder
	next   map[string]uint64 // by cluster: the position to read next
	row    match.Row
	dir    string // where the state is kept
	dirty  bool   // something was looked at since it was saved
	saved  time.Time
	took   time.Duration // to save it
	fresh  bool          // not all that was there at the start has been looked at

	mu    sync.Mutex // guards what follows
	rules []*Rule    // to be used from the next batch on; nil: no others
	used  []*Rule    // those in use, and detectors'
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
	Notes    []string // what had to begin anew
	Err      error    // the last attempt failed; it is tried again
}

// WatchCluster says how far a watcher is behind in a cluster.
type WatchCluster struct {
	Name   string
	Next   uint64        // position that is looked at next
	Behind uint64        // positions
	Lag    time.Duration // since the oldest event that is not sealed yet and was not looked at came
}

// NewWatcher makes a watcher that goes on where the last one ended. What it cannot use of the rules is told.
func NewWatcher(cfg WatchConfig) (*Watcher, []Problem, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	w := &Watcher{cfg: cfg, log: cfg.Log, dir: filepath.Join(cfg.Dir, "detect"), subs: make(map[int]func(Recorded)), turn: make(chan struct{}, 1), fresh: true, saved: time.Now()}
	w.out = newRecorder(cfg.Ledger, w.log, w.tell)
	problems := w.begin(cfg.Rules)
	if err := disk.OS(cfg.Dir).MkdirAll("detect"); err != nil {
		return nil, problems, fmt.Errorf("what the watcher holds is kept in %s: %w", w.dir, err)
	}
	state, err := readState(w.dir)
	if err == nil && state != nil {
		err = w.restore(state)
	}
	if errors.Is(err, errState) {
		w.begin(cfg.Rules)
		why := fmt.Sprintf("%s is damaged: all events are looked at again; what is on record is not recorded twice: %v", filepath.Join(w.dir, stateFile), err)
		w.log.Error(why)
		w.stats.Notes = append(w.stats.Notes, why)
		state, err = nil, os.Rename(filepath.Join(w.dir, stateFile), filepath.Join(w.dir, stateFile+".damaged"))
	}
	if err != nil {
		return nil, problems, err
	}
	var told uint64
	if state != nil {
		told = state.Told
	}
	_, err = Since(context.Background(), cfg.Ledger, told, func(rec Recorded) error { w.engine.Told(rec); return nil })
	return w, problems, err
}

// begin makes an engine that holds nothing.
func (w *Watcher) begin(rules []*Rule) []Problem {
	e, problems := NewEngine(rules, w.cfg.Detectors, Options{Lateness: w.cfg.Lateness, History: w.cfg.History, Log: w.log})
	w.engine, w.next = e, make(map[string]uint64)
	e.Hold(w.fresh)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.used = e.Rules()
	w.stats.Rules, w.stats.Problems = len(w.used), problems
	return problems
}

// restore takes up what was saved.
func (w *Watcher) restore(x *saved) error {
	begun, err := w.engine.Load(x.Engine)
	if err != nil {
		return err
	}
	for _, err := range begun {
		w.log.Warn("watching", "err", err)
		w.stats.Notes = append(w.stats.Notes, err.Error())
	}
	for name, next := range x.Next {
		w.next[name] = next
	}
	return nil
}

// recordRest records what was found and not recorded yet, also where everything ends: what is saved knows of it.
func (w *Watcher) recordRest() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return w.out.flush(ctx, false)
}

// saveEvery is how often the state is saved at most; a large one, that takes long, is saved less often.
const saveEvery = 5 * time.Second

// save keeps the state, if it is time.
func (w *Watcher) save(now bool) error {
	if !w.dirty || !now && time.Since(w.saved) < max(saveEvery, 50*w.took) {
		return nil
	}
	if err := w.recordRest(); err != nil {
		return err
	}
	begun := time.Now()
	engine, err := w.engine.Save()
	if engine == nil {
		return err
	}
	if err != nil {
		w.log.Warn("what a detector holds cannot be saved", "err", err)
	}
	b, err := (&saved{Next: w.next, Told: w.next[ledger.Own], Engine: engine}).encode()
	if err == nil {
		err = writeState(w.dir, b)
	}
	if err != nil {
		return fmt.Errorf("what the watcher holds is not saved: %w", err)
	}
	w.saved, w.took, w.dirty = time.Now(), time.Since(begun), false
	return nil
}

// Rules are those in use.
func (w *Watcher) Rules() []*Rule {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.used
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
func (w *Watcher) Run(ctx context.Context) (err error) {
	select {
	case w.turn <- struct{}{}:
	case <-ctx.Done():
		return nil
	}
	defer func() {
		if serr := w.save(true); err == nil {
			err = serr
		}
		<-w.turn
	}()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	gather := time.NewTimer(0)
	defer gather.Stop()
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
		} else if err := w.save(false); err != nil {
			w.log.Error("watching", "err", err)
		}
		select {
		case <-changed:
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		gather.Reset(gatherFor)
		select {
		case <-gather.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// gatherFor is how long events gather before they are looked at: a step costs as much as many events.
const gatherFor = 10 * time.Millisecond

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
	if err := w.out.flush(ctx, false); err != nil {
		return err
	}
	return w.save(true)
}

// step looks at all that is new.
func (w *Watcher) step(ctx context.Context, progress func(done, total uint64)) (err error) {
	w.takeRules()
	defer func() { w.note(err) }()
	s := w.cfg.Ledger.Snapshot()
	defer s.Release()
	var done, total uint64
	for _, v := range s.Clusters {
		if w.next[v.Name] > v.Size { // an older copy was put in the ledger's place
			w.log.Error("the ledger is shorter than it was: all of the cluster is looked at again", "cluster", v.Name, "position", w.next[v.Name], "size", v.Size)
			w.next[v.Name] = 0
		}
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
	w.fresh = false
	w.engine.Hold(false)
	now := time.Now()
	for _, name := range w.engine.Clusters() {
		if err := w.engine.Advance(ctx, name, now, w.out); err != nil {
			return err
		}
	}
	w.engine.Tick(now, w.out)
	return w.out.flush(ctx, false)
}

// takeRules changes over to the rules that were set.
func (w *Watcher) takeRules() {
	w.mu.Lock()
	rules := w.rules
	w.rules = nil
	w.mu.Unlock()
	if rules == nil {
		return
	}
	held, err := w.engine.Save()
	next := w.next
	w.begin(rules)
	w.next = next
	if err == nil {
		_, err = w.engine.Load(held)
	}
	if err != nil {
		w.log.Error("the rules were changed, and windows begin anew", "err", err)
	}
}

// note keeps the figures.
func (w *Watcher) note(err error) {
	s := w.cfg.Ledger.Snapshot()
	defer s.Release()
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stats.Err, w.stats.Findings = err, w.out.count
	w.stats.Clusters = nil
	for _, v := range s.Clusters {
		k := WatchCluster{Name: v.Name, Next: w.next[v.Name]}
		k.Behind = v.Size - min(v.Size, k.Next)
		for _, h := range v.Hot {
			if row := max(k.Next, h.First) - h.First; row < uint64(h.N) {
				k.Lag = max(0, now.Sub(time.UnixMicro(h.Cols[receivedColumn].I64[row])))
				break
			}
		}
		w.stats.Clusters = append(w.stats.Clusters, k)
	}
}

var receivedColumn = slices.IndexFunc(ledger.Columns[:], func(c ledger.Column) bool { return c.Name == "received" })
