package match

import (
	"cmp"
	"slices"
)

// Literals is what a Tester may tell besides: texts of which the field's must include one for the test to be true, compared
// without the case of ASCII letters; nil if it is not that simple. A text of other letters may be as if it included any.
type Literals interface {
	Literals() []string
}

// setLiteral is a text that tests look for within a field.
type setLiteral struct {
	text  []byte           // ASCII, in small letters
	field int16            // of the set's texts
	roots [clauses][]int32 // predicates that ask for it
}

const (
	gram = 4
	// minLiterals is from how many on a field's are looked for together.
	minLiterals = 8
	// minSifted is how many predicates must be left for a look at all bytes of the texts that they ask of.
	minSifted = 16
	// clauses is how many conditions of a predicate that ask for literals pass over it.
	clauses = 3
	// maxClause is how many literals one has at most.
	maxClause = 256
)

// clause are literals of which an event has one wherever a predicate is true.
type clause struct {
	literals []int32
	shortest int
	whole    bool // they are whole values, for which there are filters
}

// newTexts finds which literals tests ask for, and which predicates can be passed over without them.
func (s *Set) newTexts() {
	of := make([][][]byte, len(s.nodes))
	fieldOf := make([]*field, len(s.nodes))
	count := map[*field]map[string]bool{}
	for id := range s.nodes {
		if n := &s.nodes[id]; n.op == ' ' {
			f, literals := literalsOf(n.test)
			if f == nil {
				continue
			}
			if count[f] == nil {
				count[f] = map[string]bool{}
			}
			of[id], fieldOf[id] = literals, f
			for _, l := range literals {
				count[f][string(l)] = true
			}
		}
	}
	texts := map[*field]int16{}
	ids := map[*field]map[string]int32{}
	for id, f := range fieldOf {
		if f == nil || len(count[f]) < minLiterals {
			continue
		}
		t, made := texts[f]
		if !made {
			t = int16(len(s.texts))
			texts[f], ids[f] = t, map[string]int32{}
			s.texts = append(s.texts, textIndex{field: f})
		}
		n := &s.nodes[id]
		n.text = t
		for _, l := range of[id] {
			lit, made := ids[f][string(l)]
			if !made {
				lit = int32(len(s.literals))
				ids[f][string(l)] = lit
				s.literals = append(s.literals, setLiteral{text: l, field: t})
			}
			n.literals = append(n.literals, lit)
		}
	}
	for t := range s.texts {
		s.texts[t].index(s.literals, int16(t))
	}
	for root, id := range s.roots {
		k := 0
		for _, c := range s.clausesOf(id, false) {
			if c.whole || k == clauses {
				continue
			}
			if s.free[k] == nil {
				s.free[k] = newBits(len(s.roots))
				for i := range s.free[k] {
					s.free[k][i] = ^uint64(0)
				}
			}
			clearBit(s.free[k], root)
			for _, l := range c.literals {
				s.literals[l].roots[k] = append(s.literals[l].roots[k], int32(root))
			}
			k++
		}
	}
}

// literalsOf are the texts of which a field has one wherever the test is true; no field if there are none to be looked for.
func literalsOf(n node) (*field, [][]byte) {
	var f *field
	var all []string
	switch n := n.(type) {
	case *textTest:
		if f = n.field; n.value.parts == nil {
			return nil, nil
		}
		longest := slices.MaxFunc(n.value.parts, func(x, y []byte) int { return cmp.Compare(asciiLen(x), asciiLen(y)) })
		all = []string{string(longest)}
	case tester:
		p, err := ParsePath(n.Field())
		if err != nil || len(p.path) > 0 {
			return nil, nil
		}
		f = p.field
		if all = n.Exact(); all == nil {
			if l, ok := n.Tester.(Literals); ok {
				all = l.Literals()
			}
		}
	}
	if f == nil || f.text == nil || len(all) == 0 || len(all) > maxClause {
		return nil, nil
	}
	var literals [][]byte
	for _, s := range all {
		folded, ascii := foldASCII(nil, []byte(s))
		if !ascii || len(folded) < gram {
			return nil, nil
		}
		literals = append(literals, folded)
	}
	return f, literals
}

// asciiLen is the length of a text of ASCII, 0 of others.
func asciiLen(b []byte) int {
	if !isASCII(b) {
		return 0
	}
	return len(b)
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// clausesOf are those of a condition (or of its negation), the best first.
func (s *Set) clausesOf(id int32, negated bool) []clause {
	n := &s.nodes[id]
	switch {
	case n.op == '!':
		return s.clausesOf(n.kids[0], !negated)
	case n.op == ' ':
		if negated || n.literals == nil {
			return nil
		}
		c := clause{literals: n.literals, shortest: 1 << 20, whole: Leaf{n.test}.Exact() != nil}
		for _, l := range n.literals {
			c.shortest = min(c.shortest, len(s.literals[l].text))
		}
		return []clause{c}
	case n.op == '&' != negated: // each is one of the whole
		var all []clause
		for _, kid := range n.kids {
			all = append(all, s.clausesOf(kid, negated)...)
		}
		slices.SortStableFunc(all, func(x, y clause) int {
			switch {
			case x.whole != y.whole && x.whole:
				return 1
			case x.whole != y.whole:
				return -1
			}
			return cmp.Compare(y.shortest, x.shortest)
		})
		return all[:min(len(all), clauses)]
	}
	some := clause{shortest: 1 << 20, whole: true}
	for _, kid := range n.kids { // one is true, so one clause of it holds
		of := s.clausesOf(kid, negated)
		if len(of) == 0 {
			return nil
		}
		some.literals = append(some.literals, of[0].literals...)
		some.shortest = min(some.shortest, of[0].shortest)
		some.whole = some.whole && of[0].whole
	}
	slices.Sort(some.literals)
	if some.literals = slices.Compact(some.literals); len(some.literals) == 0 || len(some.literals) > maxClause {
		return nil
	}
	return []clause{some}
}
