package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"annals.dev/internal/access"
	"annals.dev/internal/alert"
	"annals.dev/internal/detect"
	"annals.dev/internal/detect/baseline"
	"annals.dev/internal/detect/pack"
	"annals.dev/internal/ledger"
	"annals.dev/internal/query"
)

// watch is what looks at events as they come, and tells people what was found. The zero value is one that nothing runs of: its
// rules are read when they are asked for.
type watch struct {
	saving sync.Mutex // one change of saved rules at a time

	mu       sync.Mutex // guards what follows
	file     string     // of what is watched for; "" is the data directory's own
	now      *loaded
	failed   error // why the rules could not be read anew
	watcher  *detect.Watcher
	baseline *baseline.Baseline // the watcher's

	alerts alerts
	found  found
}

// loaded are rules as they were read.
type loaded struct {
	at       time.Time
	config   WatchConfig
	rules    []*detect.Rule // that are on, those of detectors among them
	off      []*detect.Rule
	byID     ruleSet
	problems []detect.Problem
	fallback bool   // what is configured could not be read
	files    string // that were read, with their sizes and times
}

// load reads the rules of a data directory.
func load(file, dir string) (*loaded, error) {
	// What changes while it is read is read again.
	files := stamps(watchFile(file, dir))
	cfg, err := ReadWatch(file, dir)
	if err != nil {
		return nil, err
	}
	files += stamps(rulePaths(cfg, dir)...)
	p, err := pack.Load(cfg.Rules)
	if err != nil {
		return nil, err
	}
	l, err := newLoaded(cfg, p)
	if err != nil {
		return nil, err
	}
	l.files = files
	return l, nil
}

func newLoaded(cfg WatchConfig, p *pack.Pack) (*loaded, error) {
	own, err := newDetectors(cfg)
	if err != nil {
		return nil, err
	}
	l := &loaded{at: time.Now().UTC(), config: cfg, rules: p.Rules, off: p.Off, problems: p.Problems, byID: ruleSet{}}
	for _, d := range own.all() {
		l.rules = append(l.rules, d.Rules()...)
	}
	l.rules = append(l.rules, detect.OwnRules()...)
	for _, r := range l.rules {
		l.byID[r.ID] = r
	}
	return l, nil
}

// ready reads the rules, if that was not done. Where they cannot be read it gives those that come with Annals, by which sight of
// what was found is decided.
func (w *watch) ready(c *core) *loaded {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now != nil {
		return w.now
	}
	if w.now, w.failed = load(w.file, c.dir); w.failed != nil {
		p, err := pack.Load(pack.Config{})
		if err != nil {
			p = new(pack.Pack) // our own rules can always be read
		}
		w.now, _ = newLoaded(WatchConfig{}, p) // nothing is configured that could be wrong
		w.now.fallback = true
	}
	return w.now
}

// trouble is why the rules could not be read anew, "" if they could.
func (w *watch) trouble() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed == nil {
		return ""
	}
	return w.failed.Error()
}

// reloadRules reads the rules anew. If that fails, those of before stay.
func (c *core) reloadRules(context.Context) error {
	old := c.watch.ready(c)
	w := &c.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	l, err := load(w.file, c.dir)
	if w.failed = err; err != nil {
		c.log.Error("what is watched for cannot be read: what was read before stays", "error", err)
		return err
	}
	w.now = l
	if w.watcher != nil {
		w.watcher.SetRules(l.ofFiles())
	}
	w.alerts.use(l.config.Alerts)
	c.log.Info("rules were read", "rules", len(l.rules), "before", len(old.rules), "problems", len(l.problems))
	return nil
}

// ofFiles are the rules but those of detectors.
func (l *loaded) ofFiles() []*detect.Rule {
	return slices.DeleteFunc(slices.Clone(l.rules), func(r *detect.Rule) bool { return r.Language == detect.Builtin })
}

// openWatcher makes the watcher, which goes on where it last ended.
func (c *core) openWatcher() (*detect.Watcher, error) {
	l := c.watch.ready(c)
	c.watch.mu.Lock()
	defer c.watch.mu.Unlock()
	switch {
	case c.watch.watcher != nil:
		return c.watch.watcher, nil
	case l.fallback: // nothing watches for less than was asked for
		return nil, fmt.Errorf("watch: %w", c.watch.failed)
	}
	own, err := newDetectors(l.config)
	if err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	w, problems, err := detect.NewWatcher(detect.WatchConfig{
		Ledger: c.ledger, Dir: c.dir, Rules: l.ofFiles(), Detectors: own.all(), History: c.past(), Log: c.log,
	})
	if err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	l.problems = append(l.problems, problems...)
	c.watch.watcher, c.watch.baseline = w, own.baseline
	w.Subscribe(func(r detect.Recorded) { c.watch.found.count(r, l.byID) })
	return w, nil
}

// catchUp looks at all events that were not looked at yet, for whoever has the directory open alone.
func (c *core) catchUp(ctx context.Context, progress func(done, total uint64)) error {
	w, err := c.openWatcher()
	if err != nil {
		return err
	}
	return w.CatchUp(ctx, progress)
}

// lookedWithin is how long a question about findings waits for the watcher to look at what was there when it was asked.
const lookedWithin = 3 * time.Second

// cover says how far the clusters are watched that somebody may know of. It waits a little for what came just now.
func (w *watch) cover(ctx context.Context, c *core, by *asker, asked []string, f *FindingsCover) error {
	f.Rules = len(w.ready(c).rules)
	f.Watched = []Watched{}
	names, err := c.clusters(ctx, by)
	if err != nil {
		return err
	}
	if len(asked) > 0 {
		names = asked // they are there
	}
	if len(names) == 0 {
		names = query.Nowhere
	}
	w.mu.Lock()
	watcher := w.watcher
	w.mu.Unlock()
	if watcher == nil {
		f.Complete, f.Why = false, []string{"nothing watches at present: events that came lately were not looked at"}
		return nil
	}
	sizes := c.sizes(names)
	var next map[string]uint64
	var stats detect.WatchStats
	looked := func(name string) bool { return name == ledger.Own || next[name] >= sizes[name] }
	for end := time.Now().Add(lookedWithin); ; {
		stats, next = watcher.Stats(), map[string]uint64{}
		for _, k := range stats.Clusters {
			next[k.Name] = k.Next
		}
		if !slices.ContainsFunc(names, func(n string) bool { return !looked(n) }) || time.Now().After(end) {
			break
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sizes)) {
		x := Watched{Cluster: name}
		if by.ScopeText == "" {
			x.To, x.Behind = min(next[name], sizes[name]), sizes[name]-min(next[name], sizes[name])
		}
		f.Watched = append(f.Watched, x)
		if !looked(name) {
			why := fmt.Sprintf("the newest events of cluster %s were not looked at yet", name)
			if by.ScopeText == "" {
				why = fmt.Sprintf("%d events of cluster %s were not looked at yet", x.Behind, name)
			}
			f.Complete, f.Why = false, append(f.Why, why)
		}
	}
	if stats.Err != nil && by.Role.AtLeast(access.Auditor) {
		f.Why = append(f.Why, "the last attempt failed: "+stats.Err.Error())
	}
	return nil
}

// status is how rules and alerts fare.
func (w *watch) status(c *core) WatchStatus {
	l := w.ready(c)
	st := WatchStatus{Rules: len(l.rules), Trouble: w.trouble(), Clusters: []WatchLag{}, Destinations: []alert.Status{}}
	for _, p := range l.problems {
		if p.Kind == "error" {
			st.Errors++
		}
	}
	w.mu.Lock()
	watcher := w.watcher
	w.mu.Unlock()
	if watcher != nil {
		s := watcher.Stats()
		if st.Findings = s.Findings; s.Err != nil {
			st.Failed = s.Err.Error()
		}
		for _, k := range s.Clusters {
			st.Clusters = append(st.Clusters, WatchLag{k.Name, k.Behind, k.Lag.Seconds()})
		}
	}
	if a, err := c.openAlerter(); err != nil {
		st.NoAlerts = err.Error()
	} else {
		st.NoAlerts = w.alerts.trouble()
		st.Destinations = append(st.Destinations, a.Destinations()...)
	}
	return st
}

// about adds to a finding its rule, the silences that fit it, and who was told.
func (w *watch) about(ctx context.Context, c *core, by *asker, d *FindingDetail) error {
	d.Silences, d.Alerts = []Silence{}, []Delivery{}
	r, err := c.ruleOf(by, d.Finding.Rule)
	if e := new(Error); err != nil && !(errors.As(err, &e) && e.Kind == NotFound) {
		return err
	}
	if err == nil {
		d.Rule, d.Changed = r, r.Version != d.Finding.Version
	}
	if by.ScopeText != "" || !by.Role.AtLeast(access.Reader) {
		return nil // who is told of what is not within any scope
	}
	for _, s := range c.silences() {
		if s.Active(time.Now()) && s.Fits(&d.Finding.Finding) {
			d.Silences = append(d.Silences, s)
		}
	}
	d.Alerts, err = c.deliveriesOf(ctx, d.Finding.ID)
	return err
}
