package match

import (
	"bytes"
	"cmp"
	"math/bits"
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

// textIndex finds the literals of one field within a value, by one look at each of its bytes: of each literal some four bytes
// that stand in few others are known, and where they are, the whole literal is compared.
type textIndex struct {
	field *field
	shift uint8
	bits  []uint64           // by hash: whether some literal is known by four bytes of it
	grams map[uint32][]known // by four bytes
}

type known struct {
	literal int32
	at      int // where in it they end
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

func gramAt(b []byte, end int) uint32 {
	return uint32(b[end-4])<<24 | uint32(b[end-3])<<16 | uint32(b[end-2])<<8 | uint32(b[end-1])
}

// index chooses by which four bytes each literal is known: those that the fewest have.
func (t *textIndex) index(literals []setLiteral, of int16) {
	count := map[uint32]int{}
	n := 0
	for _, l := range literals {
		if l.field == of {
			n++
			for end := gram; end <= len(l.text); end++ {
				count[gramAt(l.text, end)]++
			}
		}
	}
	log := uint8(10)
	for ; 1<<log < 16*n && log < 24; log++ {
	}
	t.shift, t.bits, t.grams = 32-log, newBits(1<<log), map[uint32][]known{}
	for id, l := range literals {
		if l.field != of {
			continue
		}
		best := gram
		for end := gram + 1; end <= len(l.text); end++ {
			if count[gramAt(l.text, end)] < count[gramAt(l.text, best)] {
				best = end
			}
		}
		g := gramAt(l.text, best)
		setBit(t.bits, int(t.hash(g)))
		t.grams[g] = append(t.grams[g], known{int32(id), best})
	}
}

func (t *textIndex) hash(g uint32) uint32 { return g * 0x9e3779b1 >> t.shift }

// scan is which literals an event's value has.
type scan struct {
	epoch uint32
	any   bool // it is not known: all may be there
	found []int32
}

// scan looks for the literals of a field in the event's value, once.
func (m *Matcher) scan(text int16, r *Row) *scan {
	s := &m.scans[text]
	if s.epoch == m.epoch {
		return s
	}
	s.epoch = m.epoch
	for _, l := range s.found {
		clearBit(m.found, int(l))
	}
	s.found = s.found[:0]
	t := &m.set.texts[text]
	b := r.decode(t.field.text(r.View))
	if s.any = !isASCII(b); s.any || len(b) < gram {
		return s
	}
	m.buf = lower(m.buf[:0], b)
	b = m.buf
	g := gramAt(b, gram) >> 8
	for i := gram - 1; i < len(b); i++ {
		g = g<<8 | uint32(b[i])
		h := t.hash(g)
		if t.bits[h/64]>>(h%64)&1 == 0 {
			continue
		}
		for _, k := range t.grams[g] {
			text := m.set.literals[k.literal].text
			if from := i + 1 - k.at; from < 0 || !bytes.HasPrefix(b[from:], text) {
				continue
			}
			if m.found[k.literal/64]>>(k.literal%64)&1 == 0 {
				setBit(m.found, int(k.literal))
				s.found = append(s.found, k.literal)
			}
		}
	}
	return s
}

// may says whether a test that asks for literals can be true.
func (m *Matcher) may(n *setNode, r *Row) bool {
	if !m.eager && m.scans[n.text].epoch != m.epoch || m.scan(n.text, r).any {
		return true
	}
	for _, l := range n.literals {
		if m.found[l/64]>>(l%64)&1 != 0 {
			return true
		}
	}
	return false
}

// sift takes from the roots those that ask for literals that the event does not have.
func (m *Matcher) sift(r *Row) {
	if m.set.free[0] == nil {
		return
	}
	asking := 0
	for i, free := range m.set.free[0] {
		asking += bits.OnesCount64(m.roots[i] &^ free)
	}
	if asking < minSifted {
		return
	}
	for t := range m.set.texts {
		if m.scan(int16(t), r).any {
			return
		}
	}
	for k, free := range m.set.free {
		if free == nil {
			return
		}
		m.sifted = append(m.sifted[:0], free...)
		for t := range m.scans {
			for _, l := range m.scans[t].found {
				for _, root := range m.set.literals[l].roots[k] {
					setBit(m.sifted, int(root))
				}
			}
		}
		for i, b := range m.sifted {
			m.roots[i] &= b
		}
	}
}
