package match

import "strings"

// Tester is a test that the query language cannot say, such as those of Sigma and Falco. Many goroutines use it at a time.
type Tester interface {
	// Test says whether the event passes. It keeps nothing of the row.
	Test(r *Row) bool
	// Key is the test in one fixed form. Two testers with the same key are the same test: it is made once per event, however
	// many rules ask for it.
	Key() string
	// Field is what of the event it looks at, and at nothing else but whether the event has an audit ID: a path as ParsePath
	// names it, "" if it is more than one. What was found of one value is taken to be so of the same value again.
	Field() string
	// Exact are the texts of which the field's must be one for the test to be true, compared without the case of letters; nil if
	// it is not that simple. An ASCII letter is the same as no other script's.
	Exact() []string
}

// Test is the predicate of the events that pass a test.
func Test(t Tester) *Predicate { return &Predicate{tester{t}} }

// Any is the predicate of the events that meet any of ps; of none of them that of no event.
func Any(ps ...*Predicate) *Predicate {
	switch len(ps) {
	case 0:
		return Not(All)
	case 1:
		return ps[0]
	}
	var some or
	for _, p := range ps {
		some = append(some, p.root)
	}
	return &Predicate{some}
}

// Not is the predicate of the events that do not meet p.
func Not(p *Predicate) *Predicate {
	if n, ok := p.root.(not); ok {
		return &Predicate{n.node}
	}
	return &Predicate{not{p.root}}
}

// Truth is what is known of a condition.
type Truth int8

const (
	No Truth = iota - 1
	Maybe
	Yes
)

// Leaf is one test of a predicate.
type Leaf struct{ node node }

// Match says whether the event passes.
func (l Leaf) Match(r *Row) bool { return l.node.match(r) }

// String is the test in one fixed form, by which it is the same as another.
func (l Leaf) String() string {
	var w strings.Builder
	l.node.print(&w)
	return w.String()
}

// Field is what of the event it looks at: a path as ParsePath names it; "" for words, and where it is more than one.
func (l Leaf) Field() string {
	switch n := l.node.(type) {
	case *textTest:
		return n.field.name
	case *numberTest:
		return n.field.name
	case *enumTest:
		return n.field.name
	case *jsonTest:
		return (&Path{n.field, n.path}).Name()
	case *derivedTest:
		return n.field.name
	case tester:
		return n.Field()
	}
	return ""
}

// Exact are the texts of which the field's must be one, compared without their case; nil if it is not that simple.
func (l Leaf) Exact() []string {
	switch n := l.node.(type) {
	case *textTest:
		if n.value.exact() {
			return []string{string(n.value.parts[0])}
		}
	case *derivedTest:
		if n.value.exact() {
			return []string{string(n.value.parts[0])}
		}
	case tester:
		return n.Exact()
	}
	return nil
}

// Fold decides the predicate from what f says of its tests, in their order: as far as that can be said where some of them are
// not known. Tests whose truth no longer matters are not asked for.
func (p *Predicate) Fold(f func(Leaf) Truth) Truth { return foldNode(p.root, f) }

func foldNode(n node, f func(Leaf) Truth) Truth {
	switch n := n.(type) {
	case and:
		all := Yes
		for _, c := range n {
			if all = min(all, foldNode(c, f)); all == No {
				break
			}
		}
		return all
	case or:
		some := No
		for _, c := range n {
			if some = max(some, foldNode(c, f)); some == Yes {
				break
			}
		}
		return some
	case not:
		return -foldNode(n.node, f)
	}
	return f(Leaf{n})
}
