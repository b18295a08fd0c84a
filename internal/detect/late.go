package detect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"annals.dev/internal/match"
)

// judgeLate judges the times again of which an event came too late for what memory holds: all of them, or what it comes to until
// so long after it was begun.
func (s *series) judgeLate(ctx context.Context, begun time.Time, long time.Duration, out Output) error {
	if len(s.late) == 0 {
		return nil
	}
	s.late = merged(s.late)
	piece := max(4*s.span, int64(time.Hour/time.Microsecond))
	for len(s.late) > 0 {
		x := s.late[0]
		if long != never { // times that lie far apart may be one
			x.to = min(x.to, after(x.from, piece))
		}
		at := time.Now()
		err := s.judgeAgain(ctx, x, out)
		if errors.Is(err, errTooLarge) { // it would be so each time
			s.lost(x.from, x.to, maxWindow)
			err = nil
		}
		if err != nil {
			return fmt.Errorf("rule %s in cluster %s, from %s on: %w", s.rule.ID, s.state.cluster, time.UnixMicro(x.from).UTC().Format(time.RFC3339), err)
		}
		if x.to == s.late[0].to {
			s.late = s.late[1:]
		} else {
			s.late[0].from = x.to + 1
		}
		if long != never && time.Since(begun) >= long {
			return nil
		}
		if time.Since(at) < long/8 {
			piece = after(piece, piece)
		}
	}
	s.late = nil
	return nil
}

// judgeAgain finds what stands of an interval by History, and tells of what is different.
func (s *series) judgeAgain(ctx context.Context, x interval, out Output) error {
	e := s.engine
	var found []*Finding
	keep := func(f *Finding) error { found = append(found, f); return nil }
	if err := Judge(ctx, e.opt.History, e.closure(s.correlation), s.rule, s.state.cluster, x.from, x.to, keep); err != nil {
		return err
	}
	standing, err := s.standing(ctx, x)
	if err != nil {
		return err
	}
	var fresh []*Finding
	for _, f := range found {
		if standing[f.ID] == nil {
			fresh = append(fresh, f)
		}
		delete(standing, f.ID)
	}
	for _, f := range standing {
		id, ok := ParseID(f.ID)
		if !ok {
			continue
		}
		t := told{f.Time.UnixMicro(), id}
		values := s.valuesOf(f.Group)
		s.forget(values, t)
		s.withdraw(values, t, fresh, out)
	}
	for _, f := range fresh {
		if id, ok := ParseID(f.ID); ok {
			s.remember(s.valuesOf(f.Group), told{f.Time.UnixMicro(), id})
		}
		s.report(f, out)
	}
	return nil
}

// standing are the findings of an interval that were told: those on record, of a silent rule those in memory.
func (s *series) standing(ctx context.Context, x interval) (map[string]*Finding, error) {
	all := make(map[string]*Finding)
	if s.rule.Silent {
		for _, g := range s.groups {
			for _, t := range g.told {
				if t.at >= x.from && t.at <= x.to {
					id := t.id.String()
					all[id] = &Finding{ID: id, Time: time.UnixMicro(t.at), Group: s.groupOf(g.values)}
				}
			}
		}
		return all, nil
	}
	err := s.engine.opt.History.Standing(ctx, s.state.cluster, s.rule.ID, s.rule.Version, x.from, x.to, func(f *Finding) { all[f.ID] = f })
	return all, err
}

// remember notes what stands, where memory holds that time.
func (s *series) remember(values []string, t told) *group {
	if t.at < s.floor() {
		return nil
	}
	g := s.groups[joined(values)]
	if g == nil {
		g = s.newGroup(joined(values), values)
	}
	i := firstTold(g.told, t.at)
	for ; i < len(g.told) && g.told[i].at == t.at; i++ {
		if g.told[i].id == t.id {
			return g
		}
	}
	g.told = slices.Insert(g.told, i, t)
	return g
}

// forget notes that something stands no longer.
func (s *series) forget(values []string, t told) {
	if g := s.groups[joined(values)]; g != nil {
		g.told = slices.DeleteFunc(g.told, func(x told) bool { return x == t })
	}
}

// maxJudged is how many events are judged at once. Where there are more, less time is.
var maxJudged = 300_000

// maxWindow is how many events are judged at once at most, however long a correlation's timespan is: what they take must not be all
// the memory that there is.
var maxWindow = 2_000_000

var (
	errTooMany  = errors.New("too many events match")
	errTooLarge = errors.New("more events match within its timespan than are judged at once")
)

// Judge hands what a correlation finds in a cluster, of requests received in [from, to], to f, in order of time, by asking history
// for all that decides about it. Rules are all that it is over, in any order; others may be among them.
func Judge(ctx context.Context, history History, rules []*Rule, root *Rule, cluster string, from, to int64, f func(*Finding) error) error {
	all, _ := NewEngine(rules, nil, Options{})
	c := all.made[root.ID]
	if c == nil {
		return fmt.Errorf("rule %s is no correlation, or cannot be used", root.ID)
	}
	rules = all.closure(c)
	for span := uint64(to - from); from <= to; {
		end := to
		if uint64(to-from) > span {
			end = from + int64(span)
		}
		found, err := judgeOnce(ctx, history, rules, root, cluster, from, end)
		if errors.Is(err, errTooMany) {
			span = uint64(end-from) / 2
			continue
		}
		if err != nil {
			return err
		}
		for _, x := range found {
			if err := f(x); err != nil {
				return err
			}
		}
		if end == to {
			return nil
		}
		from, span = end+1, span+span/2
	}
	return nil
}

func judgeOnce(ctx context.Context, history History, rules []*Rule, root *Rule, cluster string, from, to int64) ([]*Finding, error) {
	e, _ := NewEngine(rules, nil, Options{})
	e.only, e.unbound = root, true
	c := e.made[root.ID]
	var where []*match.Predicate
	for _, r := range rules {
		if r.Where != nil {
			where = append(where, r.Where)
		}
	}
	limit := maxJudged
	if to-from <= c.reach { // less time would not be fewer events
		limit = maxWindow
	}
	var out Collect
	begin, n := before(from, c.reach), 0
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	err := history.Matches(ctx, cluster, match.Any(where...), begin, to, func(r *match.Row) {
		if n++; n > limit {
			cancel(errTooMany)
			return
		}
		if at := RequestOf(r).Time; at >= begin && at <= to {
			e.Feed(r, &out)
		}
	})
	switch {
	case n > limit && limit == maxWindow:
		return nil, fmt.Errorf("rule %s: %w, %d: give it a shorter timespan, or conditions that fewer events meet", root.ID, errTooLarge, limit)
	case n > limit:
		return nil, errTooMany
	}
	if err == nil {
		err = e.Flush(ctx, &out)
	}
	return slices.DeleteFunc(out.Findings(), func(f *Finding) bool {
		return f.Rule != root.ID || f.Time.UnixMicro() < from || f.Time.UnixMicro() > to
	}), err
}
