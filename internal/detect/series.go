package detect

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"time"

	"annals.dev/internal/match"
)

// What is held in memory. Beyond it the oldest goes, and a finding of BoundRule tells so.
const (
	maxEntries      = 400_000 // requests in all windows together
	maxGroupEntries = 20_000  // in one group
	maxGroups       = 100_000 // groups together
)

// slack is how much longer than its windows need a group is held, for events that come late. A later one has the windows
// evaluated again from History.
const slack = int64(10 * time.Minute / time.Microsecond)

const never = math.MaxInt64

// series is a correlation in one cluster.
type series struct {
	*correlation
	engine *Engine
	state  *state
	groups map[string]*group
	dirty  map[*group]struct{} // those with something to judge
	late   []interval          // of times that are to be judged again from History, apart, in order
	swept  int64
	since  int64 // memory holds no request of before: the rule was not used then
	bound  int64 // the hour of which it is told already that something was let go
}

// group is the requests that have something in common.
type group struct {
	key     string
	values  []string
	entries []entry // by time, then ID
	told    []told  // the findings that stand, likewise
	redo    int64   // what is of that time and later is to be judged; never: nothing
}

// entry is a request: what counts of those of its events that are in the group.
type entry struct {
	at     int64
	id     ID
	rules  uint64   // which of the correlation's rules match it
	pos    uint64   // of the first event of the request
	all    []uint64 // of a finding: its events; nil of a request
	values []string
	who    *about
}

// told is a finding that stands.
type told struct {
	at int64
	id ID
}

// interval is a span of time, both ends included.
type interval struct{ from, to int64 }

func newSeries(e *Engine, c *correlation, st *state) *series {
	return &series{correlation: c, engine: e, state: st, groups: make(map[string]*group), dirty: make(map[*group]struct{}), swept: math.MinInt64, since: math.MinInt64}
}

// before is t less d, without overflow.
func before(t, d int64) int64 {
	if t < math.MinInt64+d {
		return math.MinInt64
	}
	return t - d
}

// after is t and d, without overflow.
func after(t, d int64) int64 {
	if t > math.MaxInt64-d {
		return math.MaxInt64
	}
	return t + d
}

// sound is from when on memory holds what is needed to judge; floor from when on it holds anything.
func (s *series) sound() int64 { return max(before(s.state.closed, slack), after(s.since, 2*s.span)) }
func (s *series) floor() int64 { return before(s.sound(), 2*s.span) }

// event takes an event that matches the rule of a slot.
func (s *series) event(slot int, r *match.Row, q Request, who *about) {
	texts := func(k *Key) []string { return k.texts(r) }
	e := entry{at: q.Time, id: q.ID, rules: 1 << slot, pos: r.Position, values: s.slots[slot].combined(texts), who: who}
	if g := s.known(slot, r); g != nil && e.at >= s.sound() {
		s.into(g, e)
		return
	}
	groups := combinations(s.slots[slot].keys, texts)
	for _, values := range groups {
		s.insert(values, e)
	}
}

// finding takes a finding of another correlation.
func (s *series) finding(slot int, f *Finding, id ID) {
	e := entry{at: f.Time.UnixMicro(), id: id, rules: 1 << slot, all: slices.Clip(f.Positions)}
	texts := func(k *Key) []string { return k.member(f.Group) }
	e.values = s.slots[slot].combined(texts)
	e.who = &about{User: f.User, As: f.As, Peer: f.Peer, Verb: f.Verb, Resource: f.Resource, Namespace: f.Namespace, Name: f.Name, Code: f.Code}
	for _, values := range combinations(s.slots[slot].keys, texts) {
		s.insert(values, e)
	}
}

// gone takes a finding of another correlation back.
func (s *series) gone(slot int, group map[string]string, at int64, id ID) {
	texts := func(k *Key) []string { return k.member(group) }
	if at < s.sound() {
		s.again(interval{at, min(after(at, 2*s.span), s.sound()-1)})
	}
	for _, values := range combinations(s.slots[slot].keys, texts) {
		if g := s.groups[joined(values)]; g != nil {
			if i, ok := g.find(at, id); ok {
				g.entries = slices.Delete(g.entries, i, i+1)
				s.engine.entries--
				s.touch(g, at)
			}
		}
	}
}

func (g *group) find(at int64, id ID) (int, bool) {
	return slices.BinarySearchFunc(g.entries, told{at, id}, func(e entry, t told) int {
		return cmp.Or(cmp.Compare(e.at, t.at), bytes.Compare(e.id[:], t.id[:]))
	})
}

// insert puts a request, or another event of it, into a group.
func (s *series) insert(values []string, e entry) {
	if e.at < s.sound() {
		s.again(interval{e.at, min(after(e.at, 2*s.span), s.sound()-1)})
		if e.at < s.floor() {
			return
		}
	}
	key := joined(values)
	g := s.groups[key]
	if g == nil {
		g = s.newGroup(key, values)
	}
	s.into(g, e)
}

// known is the group of an event, if it is in one alone, which is there.
func (s *series) known(slot int, r *match.Row) *group {
	keys := s.slots[slot].keys
	if len(keys) != 1 || keys[0].Path == nil {
		if len(keys) == 0 {
			return s.groups[""]
		}
		return nil
	}
	e := s.engine
	n := 0
	keys[0].Path.Each(r, func(v match.Value) bool {
		e.scratch = append(e.scratch[:0], v.Text...)
		if n++; v.Kind == match.NullValue {
			n = 2
		}
		return n < 2
	})
	if n != 1 || len(e.scratch) == 0 {
		return nil
	}
	return s.groups[string(e.scratch)] // a text that is no UTF-8, or too long, is in none
}

func (s *series) into(g *group, e entry) {
	i, ok := g.find(e.at, e.id)
	if !ok {
		g.entries = slices.Insert(g.entries, i, e)
		s.engine.entries++
		s.touch(g, e.at)
		s.keepBounds(g)
		return
	}
	if had := &g.entries[i]; had.merge(&e) {
		s.touch(g, e.at)
	}
}

func (s *series) newGroup(key string, values []string) *group {
	g := &group{key: key, values: slices.Clone(values), redo: never}
	s.groups[key] = g
	s.engine.groups++
	return g
}

// touch has a group judged again from a time on.
func (s *series) touch(g *group, at int64) {
	g.redo = min(g.redo, max(at, s.sound()))
	s.dirty[g] = struct{}{}
}

// positions are those of its events.
func (e *entry) positions() []uint64 {
	if e.all != nil {
		return e.all
	}
	return []uint64{e.pos}
}

// place is the other way round.
func (e *entry) place(positions []uint64) {
	if len(positions) == 1 {
		e.pos = positions[0]
	} else {
		e.all = positions
	}
}

// merge takes another event of the same request in, and says whether that may change what is found.
func (e *entry) merge(more *entry) (changed bool) {
	if e.rules|more.rules != e.rules {
		e.rules |= more.rules
		changed = true
	}
	switch {
	case more.all != nil:
		e.all = more.all
	case e.all == nil && more.pos < e.pos:
		e.pos, e.who = more.pos, more.who
	}
	for _, v := range more.values {
		if !slices.Contains(e.values, v) {
			e.values = append(slices.Clone(e.values), v)
			changed = true
		}
	}
	return changed
}

// again notes times to be judged from History.
func (s *series) again(x interval) {
	if x.from > x.to || s.engine.opt.History == nil {
		return
	}
	s.late = append(s.late, x)
	if len(s.late) > 2*maxLate {
		s.late = merged(s.late)
	}
	for _, f := range s.feeds { // what this one finds there, or no longer does, decides about those over it
		over := s.state.of(f.to)
		over.again(interval{x.from, min(after(x.to, 2*over.span), over.sound()-1)})
	}
}

// maxLate is how many intervals are kept apart.
const maxLate = 64

// merged joins intervals that touch, and where there are too many those that are near each other.
func merged(all []interval) []interval {
	slices.SortFunc(all, func(a, b interval) int { return cmp.Compare(a.from, b.from) })
	for near := int64(1); ; near = min(near, never/4) * 4 {
		out := all[:0]
		for _, x := range all {
			if n := len(out); n > 0 && (x.from <= after(out[n-1].to, near) || near > never/4) {
				out[n-1].to = max(out[n-1].to, x.to)
			} else {
				out = append(out, x)
			}
		}
		if all = out; len(all) <= maxLate {
			return all
		}
	}
}

// judge decides all groups up to a time.
func (s *series) judge(limit int64, out Output) {
	for g := range s.dirty {
		if g.redo <= limit {
			s.judgeGroup(g, limit, out)
		}
		if g.redo == never {
			delete(s.dirty, g)
		}
	}
}

func (s *series) judgeGroup(g *group, limit int64, out Output) {
	from := g.redo
	edges := g.edges(s.correlation, from, limit)
	ids := make([]told, len(edges))
	for i, x := range edges {
		ids[i] = told{g.entries[x.at].at, s.id(g, x)}
	}
	lo := firstTold(g.told, from)
	hi := lo
	for hi < len(g.told) && g.told[hi].at <= limit {
		hi++
	}
	old := g.told[lo:hi]
	g.redo = never
	if i := firstAt(g.entries, after(limit, 1)); limit != never && i < len(g.entries) {
		g.redo = g.entries[i].at
	} else if limit != never && hi < len(g.told) {
		g.redo = g.told[hi].at
	}
	var gone []told
	for _, t := range old {
		if !slices.Contains(ids, t) {
			gone = append(gone, t)
		}
	}
	if len(gone) > 0 && s.engine.held && s.engine.opt.History != nil {
		// It was found by more than has been looked at again so far. When all has been, History decides.
		s.again(interval{from, min(limit, g.lastTime())})
		return
	}
	var fresh []*Finding
	for i, x := range edges {
		if !slices.Contains(old, ids[i]) {
			fresh = append(fresh, s.find(g, x, ids[i].id))
		}
	}
	for _, t := range gone {
		s.withdraw(g.values, t, fresh, out)
	}
	for _, f := range fresh {
		s.report(f, out)
	}
	g.told = slices.Concat(g.told[:lo], ids, g.told[hi:])
}

func (g *group) lastTime() int64 {
	last := int64(math.MinInt64)
	if n := len(g.entries); n > 0 {
		last = g.entries[n-1].at
	}
	if n := len(g.told); n > 0 {
		last = max(last, g.told[n-1].at)
	}
	return last
}

func firstTold(all []told, t int64) int {
	i, _ := slices.BinarySearchFunc(all, t, func(x told, t int64) int {
		if x.at < t {
			return -1
		}
		return 1
	})
	return i
}

// sweep lets go of what no window needs any more.
func (s *series) sweep() {
	floor := s.floor()
	if floor == math.MinInt64 || s.swept != math.MinInt64 && floor-s.swept < (2*s.span+slack)/4 {
		return
	}
	s.swept = floor
	for key, g := range s.groups {
		if n := firstAt(g.entries, floor); n > 0 {
			g.entries = slices.Clone(g.entries[n:])
			s.engine.entries -= n
		}
		if n := firstTold(g.told, floor); n > 0 {
			g.told = slices.Clone(g.told[n:])
		}
		if len(g.entries) == 0 && len(g.told) == 0 && g.redo == never {
			delete(s.groups, key)
			s.engine.groups--
		}
	}
}
