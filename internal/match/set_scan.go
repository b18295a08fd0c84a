package match

import (
	"bytes"
	"math/bits"
)

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
