package match

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Set is many predicates decided together. Equal tests are made once per event, predicates that cannot match an event of its
// verb, resource or stage, or of what else they ask for whole, are not tried, nor are those that ask for a part of a text that no
// text of the event has.
type Set struct {
	nodes   []setNode // each after those that it is made of
	roots   []int32   // the distinct predicates
	of      [][]int32 // by root: which predicates it is
	columns []column
	order   []int       // of the columns: what most ask for first
	filters []*filter   // of fields that have no column
	bodies  [2][]uint64 // roots that need no request body, no response body

	texts    []textIndex
	literals []setLiteral
	free     [clauses][]uint64 // roots that have no such clause
}

// setNode is a test, or a condition over nodes. Conditions that are written alike are one node.
type setNode struct {
	op   byte // ' ' a test, '&', '|' or '!'
	test node
	kids []int32
	cost int

	column  int16 // of a test that looks at one: which, and its number there
	bit     int32
	columns uint64 // which tests of it look at, by their number modulo 64

	text     int16   // of a test that is false without one of some literals: whose they are
	literals []int32 // and which
}

// NewSet makes a set. Many goroutines may use it, each with a Matcher of its own.
func NewSet(ps []*Predicate) *Set {
	b := &setBuilder{ids: map[string]int32{}}
	s := &Set{}
	distinct := map[int32]int{}
	for i, p := range ps {
		id := b.add(p.root)
		n, known := distinct[id]
		if !known {
			n = len(s.roots)
			distinct[id] = n
			s.roots, s.of = append(s.roots, id), append(s.of, nil)
		}
		s.of[n] = append(s.of[n], int32(i))
	}
	s.nodes = b.nodes
	for i := range s.nodes { // what is cheap, or asked for often, comes first
		slices.SortStableFunc(s.nodes[i].kids, func(x, y int32) int {
			return cmp.Or(cmp.Compare(s.nodes[x].cost, s.nodes[y].cost), cmp.Compare(b.asked[y], b.asked[x]))
		})
	}
	s.newColumns()
	s.newTexts()
	for which := range s.bodies {
		s.bodies[which] = newBits(len(s.roots))
		for root, id := range s.roots {
			if !s.needsBody(id, false, which) {
				setBit(s.bodies[which], root)
			}
		}
	}
	return s
}

type setBuilder struct {
	nodes []setNode
	ids   map[string]int32
	asked map[int32]int
}

// add makes nodes of a condition and gives the last one's number.
func (b *setBuilder) add(n node) int32 {
	switch n := n.(type) {
	case and:
		return b.join('&', b.all('&', n, nil))
	case or:
		return b.join('|', b.all('|', n, nil))
	case not:
		kid := b.add(n.node)
		if inner := b.nodes[kid]; inner.op == '!' {
			return inner.kids[0]
		}
		return b.node(fmt.Sprint("!", kid), setNode{op: '!', kids: []int32{kid}, cost: b.nodes[kid].cost})
	}
	return b.node(fmt.Sprintf("%T ", n)+Leaf{n}.String(), setNode{op: ' ', test: n, cost: costOf(n)})
}

// all adds the parts of a condition, and those of a part that is joined in the same way.
func (b *setBuilder) all(op byte, parts []node, kids []int32) []int32 {
	for _, c := range parts {
		switch c := c.(type) {
		case and:
			if op == '&' {
				kids = b.all(op, c, kids)
				continue
			}
		case or:
			if op == '|' {
				kids = b.all(op, c, kids)
				continue
			}
		}
		kids = append(kids, b.add(c))
	}
	return kids
}

func (b *setBuilder) join(op byte, kids []int32) int32 {
	slices.Sort(kids)
	if kids = slices.Compact(kids); len(kids) == 1 {
		return kids[0]
	}
	cost := 0
	for _, k := range kids {
		cost = max(cost, b.nodes[k].cost)
	}
	return b.node(string(op)+strings.Trim(fmt.Sprint(kids), "[]"), setNode{op: op, kids: kids, cost: cost + 1})
}

func (b *setBuilder) node(key string, n setNode) int32 {
	if b.asked == nil {
		b.asked = map[int32]int{}
	}
	id, known := b.ids[key]
	if !known {
		id = int32(len(b.nodes))
		b.ids[key] = id
		b.nodes = append(b.nodes, n)
	}
	b.asked[id]++
	return id
}

// costOf is about how much longer a test takes than one of a field.
func costOf(n node) int {
	f := (*field)(nil)
	switch n := n.(type) {
	case *textTest, *numberTest, *enumTest:
		return 0
	case *phrase:
		return 1000
	case *jsonTest:
		f = n.field
	case *derivedTest:
		f = n.field
	case tester:
		p, err := ParsePath(n.Field())
		if err != nil {
			return 200
		}
		if f = p.field; f.span == nil && f.derivation == nil {
			return 1
		}
	}
	switch {
	case f.column == bodies:
		return 100
	case f.column == "annotations" || f.column == "requestURI":
		return 20
	}
	return 5
}
