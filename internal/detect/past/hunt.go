package past

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"annals.dev/internal/detect"
	"annals.dev/internal/ledger"
	"annals.dev/internal/match"
	"annals.dev/internal/query"
)

// maxHeld is how many findings of a rule over one event are held back, since an event of the same request that was recorded
// earlier may still come. When there are more, the oldest half is handed out.
const maxHeld = 100_000

// Hunt hands what a rule finds, of requests received in the range, to f, the oldest first, each once. It finds what the watcher
// does. Rules are all there are: a correlation is over others. The range's Query narrows what events are looked at.
func Hunt(ctx context.Context, reader *query.Reader, rules []*detect.Rule, id string, over query.Range, f func(*detect.Finding) error) (*query.Coverage, error) {
	i := slices.IndexFunc(rules, func(r *detect.Rule) bool { return r.ID == id })
	if i < 0 {
		return nil, fmt.Errorf("there is no rule %q", id)
	}
	h := &hunt{History: History{reader}, rules: rules, rule: rules[i], over: over, f: f}
	h.from, h.to = minTime, maxTime
	if !over.Since.IsZero() {
		h.from = over.Since.UnixMicro()
	}
	if !over.Until.IsZero() {
		h.to = over.Until.UnixMicro() - 1
	}
	switch {
	case h.rule.Where != nil:
		return h.single(ctx)
	case h.rule.Correlation != nil:
		return h.correlation(ctx)
	}
	return nil, fmt.Errorf("rule %s is made in Go and keeps what it knows: it cannot be run over a part of what happened", id)
}

type hunt struct {
	History
	rules    []*detect.Rule
	rule     *detect.Rule
	over     query.Range
	from, to int64
	f        func(*detect.Finding) error
}

// narrowed is where, among what is hunted in.
func (h *hunt) narrowed(where *match.Predicate) *match.Predicate {
	if h.over.Query != nil {
		where = match.And(where, h.over.Query)
	}
	return where
}

// single runs a rule over one event. Where other rules go before it, they are asked too.
func (h *hunt) single(ctx context.Context) (*query.Coverage, error) {
	loud := *h.rule
	loud.Silent = false
	asked := []*detect.Rule{&loud}
	if h.rule.First != "" {
		asked = nil
		for _, r := range h.rules {
			if r == h.rule {
				asked = append(asked, &loud)
				break
			}
			if r.First == h.rule.First && r.Where != nil && !r.Silent {
				asked = append(asked, r)
			}
		}
	}
	e, problems := detect.NewEngine(asked, nil, detect.Options{})
	if len(problems) > 0 {
		return nil, fmt.Errorf("rule %s: %s", problems[0].Rule, problems[0].Message)
	}
	out := &held{rule: h.rule.ID, given: make(map[detect.ID]bool)}
	out.f = func(f *detect.Finding) error {
		if at := f.Time.UnixMicro(); at < h.from || at > h.to {
			return nil
		}
		return h.f(f)
	}
	cov, err := h.matches(ctx, h.over.Clusters, h.narrowed(h.rule.Where), h.from, h.to, func(r *match.Row) { e.Feed(r, out) })
	if err == nil {
		err = out.give(0)
	}
	return h.covered(cov), err
}

// covered is what was asked, and not how.
func (h *hunt) covered(cov *query.Coverage) *query.Coverage {
	if cov != nil {
		cov.Since, cov.Until = h.over.Since, h.over.Until
	}
	return cov
}

// held holds findings back until all that is of them is known.
type held struct {
	rule  string
	all   map[string]*detect.Finding
	given map[detect.ID]bool
	f     func(*detect.Finding) error
	err   error
}

func (o *held) Find(f *detect.Finding) {
	if f.Rule != o.rule || o.err != nil {
		return
	}
	if id, ok := detect.ParseID(f.ID); !ok || o.given[id] {
		return
	}
	if had := o.all[f.ID]; had != nil && had.Positions[0] <= f.Positions[0] {
		return
	}
	if o.all == nil {
		o.all = make(map[string]*detect.Finding)
	}
	o.all[f.ID] = f
	if len(o.all) >= maxHeld {
		o.err = o.give(maxHeld / 2)
	}
}

func (o *held) Withdraw(*detect.Withdrawal) {}

// give hands out the oldest, but keeps so many.
func (o *held) give(keep int) error {
	if o.err != nil {
		return o.err
	}
	some := make([]*detect.Finding, 0, len(o.all))
	for _, f := range o.all {
		some = append(some, f)
	}
	slices.SortFunc(some, compare)
	for _, f := range some[:max(0, len(some)-keep)] {
		delete(o.all, f.ID)
		if id, ok := detect.ParseID(f.ID); ok && keep > 0 {
			o.given[id] = true
		}
		if err := o.f(f); err != nil {
			return err
		}
	}
	return nil
}

func compare(a, b *detect.Finding) int {
	return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.Cluster, b.Cluster), strings.Compare(a.ID, b.ID))
}

// correlation runs a correlation, in each cluster, over pieces of the range: what is needed of one is held in memory.
func (h *hunt) correlation(ctx context.Context) (*query.Coverage, error) {
	cov, clusters, err := h.clusters(ctx)
	if err != nil {
		return cov, err
	}
	for _, c := range clusters {
		// Requests of before the first event are those that were going on; that is asked by itself.
		for _, x := range [][2]int64{{h.from, min(h.to, c.from-1)}, {max(h.from, c.from), min(h.to, c.to)}} {
			if x[0] > x[1] {
				continue
			}
			if err := detect.Judge(ctx, h, h.rules, h.rule, c.name, x[0], x[1], h.f); err != nil {
				return cov, err
			}
		}
	}
	return h.covered(cov), nil
}

// Matches is History's, of what is hunted in.
func (h *hunt) Matches(ctx context.Context, cluster string, where *match.Predicate, from, to int64, f func(r *match.Row)) error {
	return h.History.Matches(ctx, cluster, h.narrowed(where), from, to, f)
}

// extent is a cluster and the time of its first and last event.
type extent struct {
	name     string
	from, to int64
}

// clusters are those that are hunted in.
func (h *hunt) clusters(ctx context.Context) (*query.Coverage, []extent, error) {
	var all []extent
	s := query.Search{Range: query.Range{Query: h.over.Query, Since: h.over.Since, Clusters: h.over.Clusters}, Limit: 1}
	cov, err := h.Reader.Search(ctx, s, func(*query.Row) error { return nil })
	if err != nil {
		return cov, nil, err
	}
	for _, c := range cov.Clusters {
		if c.Name == ledger.Own && !h.rule.Own {
			continue
		}
		s.Clusters = []string{c.Name}
		x := extent{name: c.Name, from: maxTime, to: minTime}
		for _, s.OldestFirst = range []bool{true, false} {
			if _, err := h.Reader.Search(ctx, s, func(r *query.Row) error {
				x.from, x.to = min(x.from, r.Time), max(x.to, r.Time)
				return nil
			}); err != nil {
				return cov, nil, err
			}
		}
		if x.from <= x.to {
			all = append(all, x)
		}
	}
	cov.Returned, cov.LimitReached = 0, false
	return cov, all, nil
}
