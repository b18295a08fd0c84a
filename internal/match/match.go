package match

import (
	"math"

	"annals.dev/audit"
	"annals.dev/internal/format"
)

// Predicate is a condition over an event. It does not change after Parse, and many goroutines may use it.
type Predicate struct {
	root node
}

// All is the predicate of every event, that of the empty query.
var All = &Predicate{and{}}

// Row is an event as predicates see it. It holds memory for decoding, so one goroutine uses it at a time and reuses it.
type Row struct {
	View            *audit.View
	Cluster, Origin string
	Position        uint64
	Received        int64 // microseconds
	Marks           format.Marks
	Dialect         format.Dialect

	scratch  []byte
	matching bool  // a predicate is being decided: until it is, the event stays the same
	memo     *memo // what is known of the event meanwhile
}

// Match says whether the event meets the condition.
func (p *Predicate) Match(r *Row) bool {
	if r.matching {
		return p.root.match(r)
	}
	r.matching = true
	met := p.root.match(r)
	r.matching = false
	if r.memo != nil {
		memos.Put(r.memo)
		r.memo = nil
	}
	return met
}

// And is the predicate of the events that meet all of ps.
func And(ps ...*Predicate) *Predicate {
	var all and
	for _, p := range ps {
		all = append(all, p.conjuncts()...)
	}
	return of(all)
}

func of(all and) *Predicate {
	if len(all) == 1 {
		return &Predicate{all[0]}
	}
	return &Predicate{all}
}

func (p *Predicate) conjuncts() and {
	if all, ok := p.root.(and); ok {
		return all
	}
	return and{p.root}
}

// Columns splits the predicate in two that together are equivalent to it: cols is answered by the narrow columns, rest needs
// the event's words or bodies. Rest is nil when nothing is left for it, cols is All when nothing is left for that. What rest
// says of columns among other things is in cols too, so that few events are read for its sake.
func (p *Predicate) Columns() (cols, rest *Predicate) {
	var narrow, wide and
	for _, n := range p.conjuncts() {
		if n.narrow() {
			narrow = append(narrow, n)
		} else {
			wide = append(wide, n)
			if c := narrowed(n); c != nil {
				narrow = append(narrow, c)
			}
		}
	}
	if wide != nil {
		rest = of(wide)
	}
	return of(narrow), rest
}

// narrowed is a condition on the narrow columns that holds wherever n does, nil if there is none.
func narrowed(n node) node {
	if n.narrow() {
		return n
	}
	switch n := n.(type) {
	case *derivedTest:
		return n.narrowed()
	case tester:
		return n.narrowed()
	case not: // of which only what is narrow itself can be told
		switch inner := n.node.(type) {
		case or:
			return narrowed(and(negated(inner)))
		case and:
			return narrowed(or(negated(inner)))
		}
	case and:
		var all and
		for _, c := range n {
			if c := narrowed(c); c != nil {
				all = append(all, c)
			}
		}
		if len(all) > 0 {
			return all
		}
	case or:
		some := make(or, len(n))
		for i, c := range n {
			if some[i] = narrowed(c); some[i] == nil {
				return nil
			}
		}
		return some
	}
	return nil
}

func negated(nodes []node) []node {
	var all []node
	for _, n := range nodes {
		all = append(all, negate(n))
	}
	return all
}

// TimeRange bounds the time of the events that match, both bounds included: microseconds, math.MinInt64 and math.MaxInt64
// where nothing bounds it.
func (p *Predicate) TimeRange() (from, to int64) {
	from, to = math.MinInt64, math.MaxInt64
	for _, n := range p.conjuncts() {
		if t, ok := n.(*numberTest); ok && t.field.name == "time" {
			from, to = max(from, t.from), min(to, t.to)
		}
	}
	return from, to
}

// AuditID gives the one audit ID that matching events have, if the predicate names one.
func (p *Predicate) AuditID() (string, bool) {
	for _, n := range p.conjuncts() {
		if t, ok := n.(*textTest); ok && t.field.name == "auditID" && t.value.exact() {
			return string(t.value.parts[0]), true
		}
	}
	return "", false
}
