package detect

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"time"
)

// BoundRule is the ID of what tells that a window did not hold all of its requests.
const BoundRule = "annals-detect-bound"

// bound is that rule.
var bound = &Rule{
	ID: BoundRule, Title: "A correlation's windows were larger than memory", Version: "000000000001", Language: Builtin, Severity: Low,
	About: "A rule matched so many requests that its oldest ones had to be let go before their time. Somebody may do that on purpose. " +
		"annals rules hunt decides by the ledger, exactly.",
	Tags: []string{"annals.watch"},
}

// OwnRules are the rules by which the engine tells of itself.
func OwnRules() []*Rule { return []*Rule{bound} }

// keepBounds lets the oldest go where there is too much. What must be let go is told with the next Advance.
func (s *series) keepBounds(g *group) {
	e := s.engine
	if e.unbound {
		return
	}
	if len(g.entries) > e.limits.group {
		s.drop(g, len(g.entries)/8+1)
	}
	if e.entries > e.limits.entries || e.groups > e.limits.groups {
		e.shrink()
	}
}

// drop lets go of a group's oldest requests.
func (s *series) drop(g *group, n int) {
	s.lost(g.entries[0].at, g.entries[n-1].at, n)
	g.entries = slices.Clone(g.entries[n:])
	s.engine.entries -= n
}

// shrink lets groups go where most are held, a tenth of them at least, those first whose last request is the oldest: whoever
// floods one rule of one cluster has nothing forgotten that others hold.
func (e *Engine) shrink() {
	type held struct {
		s       *series
		entries int
	}
	var all []held
	for _, st := range e.states {
		for _, s := range st.series {
			h := held{s: s}
			for _, g := range s.groups {
				h.entries += len(g.entries)
			}
			all = append(all, h)
		}
	}
	share := func(h held) float64 {
		return max(float64(h.entries)/float64(e.limits.entries), float64(len(h.s.groups))/float64(e.limits.groups))
	}
	slices.SortFunc(all, func(a, b held) int { return cmp.Compare(share(b), share(a)) })
	for _, h := range all {
		if e.entries <= e.limits.entries*9/10 && e.groups <= e.limits.groups*9/10 {
			return
		}
		h.s.shrink()
	}
}

// shrink lets the groups go whose last request is the oldest, until the engine holds little enough.
func (s *series) shrink() {
	e := s.engine
	all := slices.SortedFunc(maps.Values(s.groups), func(a, b *group) int { return cmp.Compare(a.lastTime(), b.lastTime()) })
	for i, g := range all {
		if i > len(all)/10 && e.entries <= e.limits.entries*9/10 && e.groups <= e.limits.groups*9/10 {
			return
		}
		if n := len(g.entries); n > 0 {
			s.drop(g, n)
		}
		delete(s.groups, g.key)
		delete(s.dirty, g)
		e.groups--
	}
}

// lost notes what was let go, once for an hour of events.
func (s *series) lost(from, to int64, n int) {
	hour := to / int64(time.Hour/time.Microsecond)
	s.engine.dropped += uint64(n)
	if s.bound == hour {
		return
	}
	s.bound = hour
	d := digest{sha256.New()}
	d.text("bound", s.rule.ID, s.rule.Version, s.state.cluster)
	d.number(hour)
	f := newFinding(bound, d.sum(), s.state.cluster, to, &about{})
	f.From, f.Count, f.Positions = time.UnixMicro(from).UTC(), n, []uint64{}
	f.Group = map[string]string{"rule": s.rule.ID}
	f.Summary = fmt.Sprintf("rule %s matches more in cluster %s than its windows hold: those from %s to %s may be incomplete, and annals rules hunt %s decides",
		s.rule.ID, s.state.cluster, f.From.Format(time.RFC3339), f.Time.Add(s.c.Timespan).Format(time.RFC3339), s.rule.ID)
	s.engine.bounds = append(s.engine.bounds, f)
}
