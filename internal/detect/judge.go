package detect

import (
	"cmp"
	"math"
	"slices"
	"strconv"
)

// window is the requests of a group that lie within a timespan, one after the other as it moves on.
type window struct {
	c      *correlation
	n      int
	slots  []int          // how many there are of each rule
	values map[string]int // and of each value
	chain  []int64        // temporal_ordered: the latest time at which the first i+1 rules, in order, can have begun
	all    []float64      // the numbers of the window at hand
}

func newWindow(c *correlation) *window {
	w := &window{c: c, slots: make([]int, len(c.slots))}
	switch c.c.Kind {
	case ValueCount:
		w.values = make(map[string]int)
	case TemporalOrdered:
		w.chain = slices.Repeat([]int64{math.MinInt64}, len(c.slots))
	}
	return w
}

func (w *window) add(e *entry) {
	w.n++
	for i := range w.slots {
		if e.rules&(1<<i) != 0 {
			w.slots[i]++
		}
	}
	if w.values != nil {
		for _, v := range e.values {
			w.values[v]++
		}
	}
}

func (w *window) remove(e *entry) {
	w.n--
	for i := range w.slots {
		if e.rules&(1<<i) != 0 {
			w.slots[i]--
		}
	}
	if w.values != nil {
		for _, v := range e.values {
			if w.values[v]--; w.values[v] == 0 {
				delete(w.values, v)
			}
		}
	}
}

// instant is told the requests of one time, after those before it. Of equal times each order is possible.
func (w *window) instant(es []entry) {
	if w.chain == nil {
		return
	}
	var rules uint64
	for i := range es {
		rules |= es[i].rules
	}
	for i := range w.chain {
		if rules&(1<<i) == 0 {
			continue
		}
		if i == 0 {
			w.chain[0] = es[0].at
		} else {
			w.chain[i] = max(w.chain[i], w.chain[i-1])
		}
	}
}

// holds is the condition of the window, whose requests are es.
func (w *window) holds(es []entry) bool {
	k := w.c.c
	switch k.Kind {
	case EventCount:
		return w.compare(float64(w.n))
	case ValueCount:
		return w.compare(float64(len(w.values)))
	case Temporal:
		return w.temporal()
	case TemporalOrdered:
		return w.chain[len(w.chain)-1] >= es[len(es)-1].at-w.c.span
	}
	w.all = w.all[:0]
	for i := range es {
		for _, v := range es[i].values {
			if x, err := strconv.ParseFloat(v, 64); err == nil && !math.IsNaN(x) && !math.IsInf(x, 0) {
				w.all = append(w.all, x)
			}
		}
	}
	if len(w.all) == 0 {
		return false
	}
	slices.Sort(w.all) // so that sums do not depend on the order
	switch k.Kind {
	case ValueSum:
		return w.compare(sum(w.all))
	case ValueAvg:
		return w.compare(sum(w.all) / float64(len(w.all)))
	case ValueMedian:
		return w.compare(percentile(w.all, 50))
	}
	return w.compare(percentile(w.all, k.Percent))
}

func sum(all []float64) (s float64) {
	for _, x := range all {
		s += x
	}
	return s
}

// percentile lies between the two nearest of sorted numbers, in proportion.
func percentile(sorted []float64, p float64) float64 {
	at := p / 100 * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

func (w *window) compare(x float64) bool {
	for _, c := range w.c.c.Compare {
		ok := false
		switch d := cmp.Compare(x, c.N); c.Op {
		case "gt":
			ok = d > 0
		case "gte":
			ok = d >= 0
		case "lt":
			ok = d < 0
		case "lte":
			ok = d <= 0
		case "eq":
			ok = d == 0
		case "neq":
			ok = d != 0
		}
		if !ok {
			return false
		}
	}
	return true
}

// temporal asks which rules there are: those of the condition if there is one, else how many if that is compared, else all.
func (w *window) temporal() bool {
	k := w.c.c
	switch {
	case k.Of != nil:
		return w.expr(k.Of)
	case len(k.Compare) > 0:
		n := 0
		for _, c := range w.slots {
			if c > 0 {
				n++
			}
		}
		return w.compare(float64(n))
	}
	return !slices.Contains(w.slots, 0)
}

func (w *window) expr(x *RuleExpr) bool {
	switch {
	case x.Rule != "":
		return w.slots[slices.Index(w.c.c.Rules, x.Rule)] > 0
	case x.Not != nil:
		return !w.expr(x.Not)
	case x.And != nil:
		return !slices.ContainsFunc(x.And, func(x *RuleExpr) bool { return !w.expr(x) })
	}
	return slices.ContainsFunc(x.Or, w.expr)
}

// edge is where the condition becomes true: the requests from..at of the group, to included for those of the same time.
type edge struct{ from, at, to int }

// edges are those of the group from a time on, up to one. What it looks at before that must be there: two timespans of it.
func (g *group) edges(c *correlation, from, to int64) (found []edge) {
	es := g.entries
	at := func(t int64) int { return firstAt(es, t) }
	i := at(from)
	if i == len(es) || es[i].at > to {
		return nil
	}
	was := false
	if i > 0 && es[i-1].at >= es[i].at-c.span {
		i = at(es[i-1].at) // its condition decides whether there is an edge after it
	}
	lo := at(es[i].at - c.span)
	w := newWindow(c)
	for k := lo; k < i; {
		j := k
		for j < i && es[j].at == es[k].at {
			w.add(&es[j])
			j++
		}
		w.instant(es[k:j])
		k = j
	}
	for i < len(es) && es[i].at <= to {
		t := es[i].at
		j := i
		for j < len(es) && es[j].at == t {
			w.add(&es[j])
			j++
		}
		w.instant(es[i:j])
		for es[lo].at < t-c.span {
			w.remove(&es[lo])
			lo++
		}
		if i > 0 && es[i-1].at < t-c.span {
			was = false
		}
		holds := w.holds(es[lo:j])
		if holds && !was && t >= from {
			found = append(found, edge{lo, i, j})
		}
		was = holds
		i = j
	}
	return found
}

// firstAt is the first of sorted entries at a time or later.
func firstAt(es []entry, t int64) int {
	i, _ := slices.BinarySearchFunc(es, t, func(e entry, t int64) int {
		if e.at < t {
			return -1
		}
		return 1
	})
	return i
}
