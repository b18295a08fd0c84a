package audit

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// appendBody is appendValid, but bytes that are not JSON become a string.
func appendBody(dst []byte, s Span) []byte {
	if !s.Valid() {
		return appendString(dst, []byte(s))
	}
	return appendValid(dst, s)
}

// appendValid appends a body as encoding/json does: without white space between tokens, and with what HTML could mistake
// escaped; tokens stay as they are.
//
// Most of a body is copied as it is. It is read for the few bytes that may not be, eight at a time; which of them stand inside
// a string the bytes themselves say, but for a space, where those beside it may.
func appendValid(dst []byte, s Span) []byte {
	p := space(s, 0)
	from := p          // of what is still to be copied
	open, shut := p, p // the last string that was looked for: its quote, and behind its end
	for p = plainUntil(s, p); p < len(s); p = plainUntil(s, p) {
		switch c := s[p]; c {
		case '<', '>', '&':
			dst = appendEscape(append(dst, s[from:p]...), c)
			from = p + 1
		case 0xe2:
			if p+2 < len(s) && s[p+1] == 0x80 && s[p+2]&^1 == 0xa8 { // U+2028 and U+2029
				dst = append(append(dst, s[from:p]...), `\u202`...)
				dst = append(dst, '8'+s[p+2]&1)
				from = p + 3
				p += 2
			}
		default:
			if p > 0 && p+1 < len(s) && !beside[s[p-1]] && !beside[s[p+1]] {
				break
			}
			for shut <= p { // a string that ends behind the space, or begins there, is the one to know
				quote := bytes.IndexByte(s[shut:], '"')
				if quote < 0 {
					open, shut = len(s), len(s)
					break
				}
				open = shut + quote
				if shut = skipString(s, open+1); shut < 0 {
					shut = len(s)
				}
			}
			if p > open {
				break
			}
			dst = append(dst, s[from:p]...)
			from = space(s, p)
			p = from - 1
		}
		p++
	}
	return append(dst, s[from:]...)
}

// beside has the bytes of which one stands next to each white space between tokens.
var beside = [256]bool{'{': true, '}': true, '[': true, ']': true, ',': true, ':': true, ' ': true, '\t': true, '\n': true, '\r': true}

// plainUntil is the position, p or behind it, of the first byte that a body may not have as it is, or len(s).
func plainUntil(s []byte, p int) int {
	for p+8 <= len(s) {
		x := binary.LittleEndian.Uint64(s[p:])
		blank := (x - ones*0x21) &^ x
		angle := (x &^ (ones * 2)) ^ ones*'<' // > too
		and := x ^ ones*'&'
		line := x ^ ones*0xe2
		if m := (blank | (angle-ones)&^angle | (and-ones)&^and | (line-ones)&^line) & highs; m != 0 {
			return p + bits.TrailingZeros64(m)>>3
		}
		p += 8
	}
	for p < len(s) && s[p] > ' ' && s[p] != '<' && s[p] != '>' && s[p] != '&' && s[p] != 0xe2 {
		p++
	}
	return p
}
