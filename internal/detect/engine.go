package detect

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"annals.dev/internal/ledger"
	"annals.dev/internal/match"
)

// Origin is that of the events of findings. No rule looks at them.
const Origin = "annals/watch"

// DefaultLateness is how late an event may come before windows are closed without it.
const DefaultLateness = 10 * time.Second

// History is the record behind an engine, for windows of which an event came late.
type History interface {
	// Matches hands the events of a cluster that meet where, of requests received in [from, to] (microseconds), to f, in any
	// order; others may be among them. What f is given is valid until it returns.
	Matches(ctx context.Context, cluster string, where *match.Predicate, from, to int64, f func(r *match.Row)) error
	// Standing hands the findings that stand, of a rule in one version, in a cluster, at a time in [from, to], to f.
	Standing(ctx context.Context, cluster, rule, version string, from, to int64, f func(*Finding)) error
}

// Options are how an engine works. The zero value of each is its default.
type Options struct {
	Lateness time.Duration // DefaultLateness
	History  History       // nil: an event that comes too late for what is in memory changes no window
	Log      *slog.Logger
}

// Engine decides rules over events. What it finds depends on the set of events that it is fed alone, not on their order or on how
// often it is advanced. One goroutine uses it at a time.
type Engine struct {
	rules     []*Rule
	detectors []Detector
	opt       Options
	log       *slog.Logger

	others, own matcher // of the events of clusters, and of Annals' own

	firsts map[string]bool // of the event at hand: which groups have reported

	made     map[string]*correlation // by the rule's ID
	order    []*correlation          // each behind those that it is over
	states   map[string]*state       // by cluster
	interned map[string]*about       // by appendAbout
	scratch  []byte
	entries  int // in all windows, and groups
	groups   int
	limits   struct{ entries, group, groups int }
	lateFor  time.Duration
	dropped  uint64     // entries that had to go before their time
	bounds   []*Finding // to be told of that

	held    bool  // see Hold
	only    *Rule // the one that reports; nil: all that are not silent
	unbound bool  // no limits hold
}

// state is what is known of a cluster.
type state struct {
	cluster string
	latest  int64     // the watermark, before it is late by what is allowed
	closed  int64     // the watermark up to which windows were closed
	fed     bool      // since it was last advanced
	quiet   time.Time // since when nothing was fed
	asked   time.Time // when History was last asked
	series  []*series // in the order of the engine's correlations
	turn    int       // which of them is the first whose late events are looked at
	at      map[*correlation]*series
}

// of is the windows of a correlation in the cluster.
func (st *state) of(c *correlation) *series { return st.at[c] }

// matcher decides the rules over one event.
type matcher struct {
	m     *match.Matcher
	rules []*single
	met   []int
}

// single is a rule over one event.
type single struct {
	rule  *Rule
	feeds []feed
}

// NewEngine makes an engine of rules, in their order, and detectors. What it cannot use is told.
func NewEngine(rules []*Rule, detectors []Detector, opt Options) (*Engine, []Problem) {
	if opt.Lateness == 0 {
		opt.Lateness = DefaultLateness
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	e := &Engine{detectors: detectors, opt: opt, log: opt.Log, firsts: make(map[string]bool), states: make(map[string]*state), interned: make(map[string]*about)}
	e.limits.entries, e.limits.group, e.limits.groups = maxEntries, maxGroupEntries, maxGroups
	e.lateFor = lateFor
	var problems []Problem
	problem := func(r *Rule, format string, args ...any) {
		problems = append(problems, Problem{File: r.File, Line: r.Line, Rule: r.ID, Kind: "error", Message: fmt.Sprintf(format, args...)})
	}
	l := linker{rules: make(map[string]*Rule), singles: make(map[string]*single), made: make(map[string]*correlation), begun: make(map[string]bool)}
	var all, own []*single
	for _, r := range rules {
		if l.rules[r.ID] != nil {
			problem(r, "there is another rule with the id %s, which is used", r.ID)
			continue
		}
		l.rules[r.ID] = r
		e.rules = append(e.rules, r)
		if r.Where == nil {
			continue
		}
		s := &single{rule: r}
		l.singles[r.ID] = s
		all = append(all, s)
		if r.Own {
			own = append(own, s)
		}
	}
	unused := make(map[*Rule]bool)
	for _, r := range e.rules {
		if r.Correlation == nil {
			continue
		}
		if _, err := l.link(r); err != nil {
			problem(r, "%v", err)
			unused[r] = true
		}
	}
	e.rules = slices.DeleteFunc(e.rules, func(r *Rule) bool { return unused[r] })
	e.made, e.order = l.made, l.order
	e.others, e.own = newMatcher(all), newMatcher(own)
	return e, problems
}

func newMatcher(rules []*single) matcher {
	ps := make([]*match.Predicate, len(rules))
	for i, s := range rules {
		ps[i] = s.rule.Where
	}
	return matcher{m: match.NewSet(ps).Matcher(), rules: rules}
}

// Rules are those in use, those of detectors among them.
func (e *Engine) Rules() []*Rule {
	all := slices.Clone(e.rules)
	for _, d := range e.detectors {
		all = append(all, d.Rules()...)
	}
	return all
}

// Feed takes an event. What is found of it alone goes to out; the same finding may go there again, for another stage of the
// request.
func (e *Engine) Feed(r *match.Row, out Output) {
	m := &e.others
	if r.Cluster == ledger.Own {
		if r.Origin == Origin {
			return
		}
		m = &e.own
	}
	e.state(r.Cluster).see(r)
	m.met = m.m.Match(m.met[:0], r)
	if len(m.met) > 0 {
		e.met(m, r, RequestOf(r), out)
	}
	for _, d := range e.detectors {
		d.Feed(r, out)
	}
}

func (e *Engine) met(m *matcher, r *match.Row, q Request, out Output) {
	clear(e.firsts)
	var who *about
	for _, i := range m.met {
		s := m.rules[i]
		if !s.rule.Silent && e.reports(s.rule) && e.only == nil {
			out.Find(findSingle(s.rule, r, q))
		}
		for _, f := range s.feeds {
			if who == nil {
				who = e.intern(r)
			}
			e.states[r.Cluster].of(f.to).event(f.slot, r, q, who)
		}
	}
}

// reports says whether no earlier rule of its group has reported the event at hand.
func (e *Engine) reports(r *Rule) bool {
	if r.First == "" {
		return true
	}
	if e.firsts[r.First] {
		return false
	}
	e.firsts[r.First] = true
	return true
}

// ahead is how far a watermark may run ahead of arrival: a forged time closes no window long before its time.
const ahead = int64(time.Minute / time.Microsecond)

// state gives a cluster's, made if need be.
func (e *Engine) state(cluster string) *state {
	st := e.states[cluster]
	if st == nil {
		st = &state{cluster: strings.Clone(cluster), latest: math.MinInt64, closed: math.MinInt64, at: make(map[*correlation]*series)}
		e.states[st.cluster] = st
		for _, c := range e.order {
			s := newSeries(e, c, st)
			st.series = append(st.series, s)
			st.at[c] = s
		}
	}
	return st
}

// see moves the watermark on.
func (st *state) see(r *match.Row) {
	st.latest = max(st.latest, min(timeOf(r), r.Received+ahead))
	st.fed = true
}

// Hold has the engine take nothing back until it is called again with false: while events are looked at again, more was known
// before.
func (e *Engine) Hold(hold bool) { e.held = hold }

// askEvery is how often History is asked for the sake of late events.
const askEvery = 5 * time.Second

// Advance closes the windows of a cluster that its watermark has passed, or all where nothing came for as long as an event may be
// late. Now is when that is asked: after each batch, and now and then where nothing comes.
func (e *Engine) Advance(ctx context.Context, cluster string, now time.Time, out Output) error {
	st := e.states[cluster]
	if st == nil {
		return nil
	}
	if st.fed {
		st.fed, st.quiet = false, now
	}
	limit := before(st.latest, e.opt.Lateness.Microseconds())
	st.closed = max(st.closed, limit)
	if now.Sub(st.quiet) >= e.opt.Lateness {
		limit = never
	}
	e.close(st, limit, out)
	if e.held || now.Sub(st.asked) < askEvery {
		return nil
	}
	st.asked = now
	if err := e.late(ctx, st, limit, e.lateFor, out); err != nil && ctx.Err() == nil {
		// It is tried again, and must not keep others from being found.
		e.log.Error("windows of late events are not evaluated again yet", "cluster", cluster, "err", err)
	}
	return nil
}

func (e *Engine) close(st *state, limit int64, out Output) {
	for _, s := range st.series {
		s.judge(limit, out)
		s.sweep()
	}
	for _, f := range e.bounds {
		out.Find(f)
	}
	e.bounds = nil
}

// lateFor is how long late events of a cluster are looked at at once. Whoever sends events with forged times makes much of that to
// do, and other clusters and what is new must not wait for it.
const lateFor = 2 * time.Second

// late looks at late events for so long, or at all of them.
func (e *Engine) late(ctx context.Context, st *state, limit int64, long time.Duration, out Output) error {
	begun := time.Now()
	for i := range st.series {
		s := st.series[(st.turn+i)%len(st.series)]
		if err := s.judgeLate(ctx, begun, long, out); err != nil {
			return err
		}
		if long != never && time.Since(begun) >= long { // the next one has its turn
			st.turn = (st.turn + i + 1) % len(st.series)
			break
		}
	}
	e.close(st, limit, out) // what is different decides about correlations over it
	return nil
}

// Flush closes all windows of all clusters: no more events come for now.
func (e *Engine) Flush(ctx context.Context, out Output) error {
	for _, name := range slices.Sorted(maps.Keys(e.states)) {
		st := e.states[name]
		e.close(st, never, out)
		if e.held {
			continue
		}
		if err := e.late(ctx, st, never, never, out); err != nil {
			return err
		}
	}
	return nil
}

// Clusters are those of which it has seen events.
func (e *Engine) Clusters() []string { return slices.Sorted(maps.Keys(e.states)) }

// closure is a correlation's rule and all that it is over.
func (e *Engine) closure(c *correlation) []*Rule {
	all := []*Rule{c.rule}
	for i := 0; i < len(all); i++ {
		if all[i].Correlation == nil {
			continue
		}
		for _, r := range e.rules {
			if slices.Contains(all[i].Correlation.Rules, r.ID) && !slices.Contains(all, r) {
				all = append(all, r)
			}
		}
	}
	return all
}

// maxInterned is how many descriptions of events are shared.
const maxInterned = 50_000

func (e *Engine) intern(r *match.Row) *about {
	e.scratch = appendAbout(e.scratch[:0], r)
	if p := e.interned[string(e.scratch)]; p != nil {
		return p
	}
	if len(e.interned) >= maxInterned {
		clear(e.interned)
	}
	a := aboutOf(r)
	e.interned[string(e.scratch)] = &a
	return &a
}

// Tick lets detectors follow the clock.
func (e *Engine) Tick(now time.Time, out Output) {
	for _, d := range e.detectors {
		d.Tick(now, out)
	}
}
