package match

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// Sieve passes over events that cannot match by a look at their bytes, much faster than reading them would. One goroutine uses
// it at a time.
type Sieve struct {
	need sieveNeed
	buf  []byte
}

// sieveNeed is what the folded bytes of an event must include: a text, or all or any of several needs.
type sieveNeed struct {
	text     []byte
	all, any []*sieveNeed
}

// Sieve is the predicate's, or nil if it lets everything through. It is for JSON as audit.View reads it, and no other dialect.
func (p *Predicate) Sieve() *Sieve {
	if n := sieveOf(p.root); n != nil {
		return &Sieve{need: *n}
	}
	return nil
}

// sieveOf asks for the words of phrases. Where a word begins and ends is for the predicate to see.
func sieveOf(n node) *sieveNeed {
	switch n := n.(type) {
	case and:
		all := &sieveNeed{}
		for _, c := range n {
			if need := sieveOf(c); need != nil {
				all.all = append(all.all, need)
			}
		}
		if all.all != nil {
			return all
		}
	case or:
		any := &sieveNeed{}
		for _, c := range n {
			need := sieveOf(c)
			if need == nil {
				return nil
			}
			any.any = append(any.any, need)
		}
		return any
	case *phrase:
		all := &sieveNeed{}
		for _, w := range n.words {
			// Bytes beyond ASCII may be spelled, or be invalid, in more ways than one.
			if !slices.ContainsFunc(w, func(c byte) bool { return c >= 0x80 }) {
				all.all = append(all.all, &sieveNeed{text: w})
			}
		}
		if all.all != nil {
			return all
		}
	}
	return nil
}

// May says whether an event of these bytes may match: seldom wrong, and never false for one that does.
func (s *Sieve) May(raw []byte) bool {
	s.buf = lower(s.buf[:0], raw)
	return s.need.in(s.buf) || spelled(raw)
}

func (n *sieveNeed) in(b []byte) bool {
	in := func(c *sieveNeed) bool { return c.in(b) }
	switch {
	case n.all != nil:
		return !slices.ContainsFunc(n.all, func(c *sieveNeed) bool { return !c.in(b) })
	case n.any != nil:
		return slices.ContainsFunc(n.any, in)
	}
	return bytes.Contains(b, n.text)
}

// spelled says whether an escape stands for something that may be part of an ASCII word, as \u0061 does for a.
func spelled(raw []byte) bool {
	for {
		i := bytes.Index(raw, []byte(`\u`))
		if i < 0 {
			return false
		}
		raw = raw[i+2:]
		if r, ok := hex4(raw); ok && r < 0x80 && (fold[r] > backslash || r == '-' || r == '\\') {
			return true
		}
	}
}

// lower appends b with its ASCII letters in lower case, eight bytes at a time.
func lower(dst, b []byte) []byte {
	const (
		ones  = 0x0101010101010101
		highs = 0x80 * ones
	)
	dst = append(dst, b...)
	i := 0
	for ; i+8 <= len(dst); i += 8 {
		x := binary.LittleEndian.Uint64(dst[i:])
		low := x &^ highs
		isUpper := (low + (0x80-'A')*ones) &^ (low + (0x80-'Z'-1)*ones) &^ x & highs
		binary.LittleEndian.PutUint64(dst[i:], x|isUpper>>2)
	}
	for ; i < len(dst); i++ {
		if c := dst[i]; c >= 'A' && c <= 'Z' {
			dst[i] = c + 'a' - 'A'
		}
	}
	return dst
}
