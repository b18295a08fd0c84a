package match

import (
	"math/bits"
	"slices"
)

// Matcher decides a set for one goroutine.
type Matcher struct {
	set   *Set
	epoch uint32
	known []uint32 // by node: the epoch in which it was decided, and in the lowest bit how
	roots []uint64 // those that are still to be tried
	kept  []int32
	buf   []byte
	key   []byte

	scans  []scan   // by text
	found  []uint64 // of the literals
	sifted []uint64
	eager  bool     // texts are scanned for one test
	memory []memory // by column
	memo   memo
}

// Matcher gives a goroutine its own.
func (s *Set) Matcher() *Matcher {
	return &Matcher{
		set: s, known: make([]uint32, len(s.nodes)), roots: newBits(len(s.roots)), memo: memo{shared: true},
		memory: make([]memory, len(s.columns)), scans: make([]scan, len(s.texts)), found: newBits(len(s.literals)),
	}
}

// Match appends to dst the indexes, ascending, of the predicates that the event meets.
func (m *Matcher) Match(dst []int, r *Row) []int {
	if m.epoch += 2; m.epoch == 0 {
		clear(m.known)
		for t := range m.scans {
			m.scans[t].epoch = 0
		}
		m.epoch = 2
	}
	m.memo.reset()
	matching, memo := r.matching, r.memo
	r.matching, r.memo = true, &m.memo
	from := len(dst)

	for i := range m.roots {
		m.roots[i] = ^uint64(0)
	}
	if n := len(m.set.roots) % 64; n != 0 {
		m.roots[len(m.roots)-1] = 1<<n - 1
	}
	for which, body := range [][]byte{r.View.RequestObject, r.View.ResponseObject} {
		if len(body) == 0 {
			for i, b := range m.set.bodies[which] {
				m.roots[i] &= b
			}
		}
	}
	for _, f := range m.set.filters {
		f.restrict(m, r)
	}
	for _, c := range m.set.order {
		if !m.look(c, r) {
			break
		}
	}
	m.sift(r)
	for i, b := range m.roots {
		for ; b != 0; b &= b - 1 {
			root := i*64 + bits.TrailingZeros64(b)
			if m.decide(m.set.roots[root], r) {
				for _, p := range m.set.of[root] {
					dst = append(dst, int(p))
				}
			}
		}
	}

	r.matching, r.memo = matching, memo
	slices.Sort(dst[from:])
	return dst
}

func (m *Matcher) decide(id int32, r *Row) bool {
	if k := m.known[id]; k&^1 == m.epoch {
		return k&1 != 0
	}
	n := &m.set.nodes[id]
	if n.column >= 0 {
		if v := m.memory[n.column].now; v != nil {
			word, bit := n.bit/64, uint64(1)<<(n.bit%64)
			if v.decided[word]&bit == 0 {
				v.decided[word] |= bit
				if m.test(n, r) {
					v.met[word] |= bit
				}
			}
			return v.met[word]&bit != 0
		}
	}
	met := n.op == '&'
	switch n.op {
	case ' ':
		met = m.test(n, r)
	case '!':
		met = !m.decide(n.kids[0], r)
	default:
		for _, kid := range n.kids {
			if m.decide(kid, r) != met {
				met = !met
				break
			}
		}
	}
	m.known[id] = m.epoch
	if met {
		m.known[id]++
	}
	return met
}

func (m *Matcher) test(n *setNode, r *Row) bool {
	return (n.literals == nil || m.may(n, r)) && n.test.match(r)
}
