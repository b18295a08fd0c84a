package match

import (
	"bytes"
	"strconv"
	"time"
)

// Part is a predicate taken apart, for those who reason about one instead of deciding events with it. Of its members one is
// set; where none is, it is the predicate of every event.
type Part struct {
	And, Or []*Part
	Not     *Part
	Leaf    *Leaf
}

// Parts takes the predicate apart.
func (p *Predicate) Parts() *Part { return partOf(p.root) }

func partOf(n node) *Part {
	list := func(nodes []node) (parts []*Part) {
		for _, n := range nodes {
			parts = append(parts, partOf(n))
		}
		return parts
	}
	switch n := n.(type) {
	case and:
		return &Part{And: list(n)}
	case or:
		return &Part{Or: list(n)}
	case not:
		return &Part{Not: partOf(n.node)}
	}
	return &Part{Leaf: &Leaf{n}}
}

// Sampler is a Tester that knows texts which pass it: nil where it cannot tell, an empty list where none does.
type Sampler interface{ Samples() []string }

// Samples are texts of its field with which the test is true: nil where they cannot be told, an empty list where there are none.
func (l Leaf) Samples() []string {
	switch n := l.node.(type) {
	case *textTest:
		return n.value.samples()
	case *jsonTest:
		return n.value.samples()
	case *derivedTest:
		return n.value.samples()
	case *numberTest:
		return n.samples()
	case *enumTest:
		return []string{n.name}
	case *phrase:
		return []string{string(bytes.Join(n.words, []byte(" ")))}
	case tester:
		if s, ok := n.Tester.(Sampler); ok {
			return s.Samples()
		}
		return n.Exact()
	}
	return nil
}

func (v *value) samples() []string {
	switch {
	case v.op == "<":
		return []string{strconv.FormatFloat(v.num-1, 'f', -1, 64)}
	case v.op == ">":
		return []string{strconv.FormatFloat(v.num+1, 'f', -1, 64)}
	case v.op != "":
		return []string{strconv.FormatFloat(v.num, 'f', -1, 64)}
	case v.net.IsValid():
		return []string{v.net.Addr().String()}
	case v.exact():
		return []string{string(v.parts[0])}
	}
	return []string{string(bytes.Join(v.parts, []byte("x")))}
}

func (t *numberTest) samples() []string {
	var all []string
	for _, n := range []int64{t.from, t.to} {
		switch {
		case n == minNumber || n == maxNumber:
		case t.field.unit == instant:
			all = append(all, time.UnixMicro(n).UTC().Format("2006-01-02T15:04:05.000000Z"))
		case t.field.unit == duration:
			all = append(all, (time.Duration(n) * time.Microsecond).String())
		default:
			all = append(all, strconv.FormatInt(n, 10))
		}
	}
	return all
}

// Predicate puts together again what was taken apart.
func (p *Part) Predicate() *Predicate { return &Predicate{p.node()} }

func (p *Part) node() node {
	switch {
	case p.Leaf != nil:
		return p.Leaf.node
	case p.Not != nil:
		return not{p.Not.node()}
	case p.Or != nil:
		some := make(or, len(p.Or))
		for i, c := range p.Or {
			some[i] = c.node()
		}
		return some
	}
	all := make(and, len(p.And))
	for i, c := range p.And {
		all[i] = c.node()
	}
	return all
}
