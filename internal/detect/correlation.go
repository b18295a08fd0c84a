package detect

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"annals.dev/internal/match"
)

// correlation is a correlation made ready.
type correlation struct {
	rule  *Rule
	c     *Correlation
	slots []slot // by the place of the rule that they are about in c.Rules
	feeds []feed // the correlations that what it finds goes on to
	span  int64
	reach int64 // how long before a finding an event may come that decides about it
}

// slot is how the events of one rule go into a correlation.
type slot struct {
	keys   []Key // one for each member of the group
	values []Key
}

// feed is where what a rule matches goes.
type feed struct {
	to   *correlation
	slot int
}

// maxSlots is how many rules a correlation may have: they are kept as bits.
const maxSlots = 64

// linker makes correlations ready, each after those that it is over.
type linker struct {
	rules   map[string]*Rule
	singles map[string]*single
	made    map[string]*correlation
	begun   map[string]bool
	order   []*correlation
}

func (l *linker) link(r *Rule) (*correlation, error) {
	if c := l.made[r.ID]; c != nil {
		return c, nil
	}
	if l.begun[r.ID] {
		return nil, fmt.Errorf("the correlation is over itself, by way of others")
	}
	l.begun[r.ID] = true
	c := &correlation{rule: r, c: r.Correlation, span: r.Correlation.Timespan.Microseconds()}
	if err := c.check(); err != nil {
		return nil, err
	}
	var bases []*correlation
	for i, id := range c.c.Rules {
		s, err := c.slot(id)
		if err != nil {
			return nil, err
		}
		c.slots = append(c.slots, s)
		base := l.rules[id]
		switch {
		case base == nil:
			return nil, fmt.Errorf("there is no rule %q, which the correlation is over", id)
		case base.Correlation != nil:
			inner, err := l.link(base)
			if err != nil {
				return nil, fmt.Errorf("rule %s, which the correlation is over: %w", id, err)
			}
			bases = append(bases, inner)
			c.reach = max(c.reach, inner.reach)
		case l.singles[id] == nil:
			return nil, fmt.Errorf("rule %q, which the correlation is over, is no rule over events", id)
		}
		if slices.Index(c.c.Rules, id) != i {
			return nil, fmt.Errorf("rule %q stands twice in the correlation", id)
		}
	}
	c.reach += 2 * c.span
	for i, id := range c.c.Rules {
		if s := l.singles[id]; s != nil {
			s.feeds = append(s.feeds, feed{c, i})
		}
	}
	for _, inner := range bases {
		inner.feeds = append(inner.feeds, feed{c, slices.Index(c.c.Rules, inner.rule.ID)})
	}
	l.made[r.ID] = c
	l.order = append(l.order, c)
	return c, nil
}

// check refuses what has no meaning.
func (c *correlation) check() error {
	k := c.c
	switch {
	case len(k.Rules) == 0 || len(k.Rules) > maxSlots:
		return fmt.Errorf("a correlation is over 1 to %d rules, not %d", maxSlots, len(k.Rules))
	case k.Timespan < time.Microsecond || k.Timespan > maxTimespan:
		return fmt.Errorf("a timespan lies between 1µs and %v, %v does not", maxTimespan, k.Timespan)
	}
	switch k.Kind {
	case Temporal, TemporalOrdered:
		if k.Of != nil {
			return c.checkExpr(k.Of, 0)
		}
		return nil
	case EventCount:
	case ValueCount, ValueSum, ValueAvg, ValuePercentile, ValueMedian:
		if k.Field == "" && len(k.Fields) == 0 {
			return fmt.Errorf("%s wants a field", k.Kind)
		}
		if k.Kind == ValuePercentile && (k.Percent < 0 || k.Percent > 100) {
			return fmt.Errorf("a percentile lies between 0 and 100, %v does not", k.Percent)
		}
	default:
		return fmt.Errorf("there is no correlation of type %q", k.Kind)
	}
	if len(k.Compare) == 0 {
		return fmt.Errorf("%s wants a condition", k.Kind)
	}
	for _, x := range k.Compare {
		if !slices.Contains([]string{"gt", "gte", "lt", "lte", "eq", "neq"}, x.Op) {
			return fmt.Errorf("there is no comparison %q", x.Op)
		}
	}
	return nil
}

// maxTimespan bounds how long a window may be.
const maxTimespan = 366 * 24 * time.Hour

func (c *correlation) checkExpr(x *RuleExpr, depth int) error {
	if depth > 50 {
		return fmt.Errorf("the condition is nested deeper than 50")
	}
	if x.Rule != "" && !slices.Contains(c.c.Rules, x.Rule) {
		return fmt.Errorf("the condition names %q, which is not among the rules of the correlation", x.Rule)
	}
	for _, sub := range slices.Concat(x.And, x.Or) {
		if err := c.checkExpr(sub, depth+1); err != nil {
			return err
		}
	}
	if x.Not != nil {
		return c.checkExpr(x.Not, depth+1)
	}
	return nil
}

// slot finds how the events of a rule are read.
func (c *correlation) slot(id string) (s slot, err error) {
	key := func(k Key, name string) (Key, error) {
		if k.Name == "" {
			k.Name = name
		}
		if k.Path == nil {
			k.Path, err = match.ParsePath(name)
		}
		return k, err
	}
	given := c.c.Keys[id]
	for i, name := range c.c.GroupBy {
		k := Key{Name: name}
		if at := slices.IndexFunc(given, func(k Key) bool { return k.Name == name }); at >= 0 {
			k = given[at]
		} else if len(given) == len(c.c.GroupBy) {
			k = given[i]
		}
		if k, err = key(k, name); err != nil {
			// A chained correlation reads it from the finding; of an event there is none.
			k, err = Key{Name: name}, nil
		}
		k.Name = name
		s.keys = append(s.keys, k)
	}
	fields := c.c.Fields
	if len(fields) == 0 && c.c.Field != "" {
		fields = []string{c.c.Field}
	}
	for _, name := range fields {
		k := Key{Name: name}
		if len(fields) == 1 {
			k = c.c.Values[id]
		}
		if k, err = key(k, name); err != nil {
			k, err = Key{Name: name}, nil
		}
		k.Name = name
		s.values = append(s.values, k)
	}
	return s, nil
}

// maxCombinations is how many groups a request is in at most, where members of the group have several values: the first ones in
// order count.
const maxCombinations = 256

// texts are what a key reads from an event: each once, in order, the empty ones left out.
func (k *Key) texts(r *match.Row) (all []string) {
	if k.Path == nil {
		return nil
	}
	k.Path.Each(r, func(v match.Value) bool {
		if v.Kind != match.NullValue && len(v.Text) > 0 {
			all = append(all, bounded(string(v.Text)))
		}
		return true
	})
	if len(all) > 1 {
		slices.Sort(all)
		all = slices.Compact(all)
	}
	return all
}

// member is what a key reads from a finding's group.
func (k *Key) member(group map[string]string) []string {
	if v := group[k.Name]; v != "" {
		return []string{v}
	}
	if k.Path == nil {
		return nil
	}
	for name, v := range group {
		if p, err := match.ParsePath(name); err == nil && p.Name() == k.Path.Name() && v != "" {
			return []string{v}
		}
	}
	return nil
}

// combinations are all lists of one value of each key, in order; none where a key has none.
func combinations(keys []Key, texts func(*Key) []string) [][]string {
	all := [][]string{nil} // no key, one group
	for i := range keys {
		values := texts(&keys[i])
		if len(values) == 0 {
			return nil
		}
		if len(values) == 1 {
			for j := range all {
				all[j] = append(all[j], values[0])
			}
			continue
		}
		var more [][]string
		for _, before := range all {
			for _, v := range values {
				if len(more) < maxCombinations {
					more = append(more, append(before[:len(before):len(before)], v))
				}
			}
		}
		all = more
	}
	return all
}

// joined is a list as one text, from which no other list has the same.
func joined(values []string) string {
	if len(values) == 1 {
		return values[0]
	}
	var w strings.Builder
	for _, v := range values {
		fmt.Fprintf(&w, "%d:%s", len(v), v)
	}
	return w.String()
}

// values are those of an event or a finding that count.
func (s *slot) combined(texts func(*Key) []string) (all []string) {
	if len(s.values) == 0 {
		return nil
	}
	for _, c := range combinations(s.values, texts) {
		all = append(all, joined(c))
	}
	return all
}
