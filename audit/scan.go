package audit

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// The scanners here take bytes and the position of a token, and return the position after it. A negative result is a
// syntax error: fault(off) for a wrong byte at off, or none where one was needed; tooDeep+off for a bracket nested too
// deep. They accept exactly what encoding/json accepts.

const (
	maxDepth = 10000 // encoding/json's
	tooDeep  = math.MinInt

	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

func fault(off int) int { return ^off }

func space(b []byte, p int) int {
	for p < len(b) && (b[p] == ' ' || b[p] == '\n' || b[p] == '\t' || b[p] == '\r') {
		p++
	}
	return p
}

// stops sets the high bit of each byte of x at which a run of ordinary string bytes ends: a quote, a backslash or a
// control character. Only the lowest bit set can be trusted, because borrows run upwards.
func stops(x uint64) uint64 {
	quoteOrControl := (x ^ ones*2) - ones*0x21 // a quote becomes 0x20, so that both are below 0x21
	backslash := (x ^ ones*'\\') - ones
	return (quoteOrControl | backslash) &^ x & highs
}

// skipString returns the position after the closing quote; b[p] is the first byte after the opening one, or any byte of
// the string but the second of an escape.
func skipString(b []byte, p int) int {
	for {
		for p+8 <= len(b) {
			if m := stops(binary.LittleEndian.Uint64(b[p : p+8])); m != 0 {
				p += bits.TrailingZeros64(m) >> 3
				break
			}
			p += 8
		}
		for p < len(b) && b[p] != '"' && b[p] != '\\' && b[p] >= ' ' {
			p++
		}
		if p >= len(b) {
			return fault(len(b))
		}
		switch b[p] {
		case '"':
			return p + 1
		case '\\':
			if p = skipEscape(b, p); p < 0 {
				return p
			}
		default:
			return fault(p)
		}
	}
}

// skipEscape returns the position after the escape at b[p].
func skipEscape(b []byte, p int) int {
	if p+1 >= len(b) {
		return fault(len(b))
	}
	switch b[p+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return p + 2
	case 'u':
		for i := p + 2; i < p+6; i++ {
			if i >= len(b) || unhex(b[i]) < 0 {
				return fault(i)
			}
		}
		return p + 6
	}
	return fault(p + 1)
}

func skipNumber(b []byte, p int) int {
	if b[p] == '-' {
		p++
	}
	switch {
	case p < len(b) && b[p] == '0':
		p++
	case p < len(b) && '1' <= b[p] && b[p] <= '9':
		p = digits(b, p)
	default:
		return fault(p)
	}
	if p < len(b) && b[p] == '.' {
		q := digits(b, p+1)
		if q == p+1 {
			return fault(q)
		}
		p = q
	}
	if p < len(b) && b[p]|0x20 == 'e' {
		if p++; p < len(b) && (b[p] == '+' || b[p] == '-') {
			p++
		}
		q := digits(b, p)
		if q == p {
			return fault(q)
		}
		p = q
	}
	return p
}

func digits(b []byte, p int) int {
	for p < len(b) && b[p]-'0' <= 9 {
		p++
	}
	return p
}

func skipLiteral(b []byte, p int) int {
	want := "null"
	switch b[p] {
	case 't':
		want = "true"
	case 'f':
		want = "false"
	}
	for i := range len(want) {
		if p+i >= len(b) || b[p+i] != want[i] {
			return fault(p + i)
		}
	}
	return p + len(want)
}

// skipValue returns the position after the value at b[p], which stands inside depth brackets.
func skipValue(b []byte, p, depth int) int {
	if p >= len(b) {
		return fault(p)
	}
	switch c := b[p]; {
	case c == '"':
		return skipString(b, p+1)
	case c == '{' || c == '[':
		return skipNested(b, p, depth)
	case c == '-' || c-'0' <= 9:
		return skipNumber(b, p)
	case c == 't' || c == 'f' || c == 'n':
		return skipLiteral(b, p)
	}
	return fault(p)
}
