package audit

import (
	"encoding/binary"
	"math/bits"
)

// Two bytes at once, as they lie between the strings of compact JSON.
const (
	colonQuote = ':' | '"'<<8
	commaQuote = ',' | '"'<<8
)

// skipNested returns the position after the object or array at b[p], which stands inside depth brackets.
//
// Bodies are most of an event's bytes, and they are all read here, so that a fifth of the speed was worth two copies of
// skipString's first lines, which the compiler does not inline, and a way past the general one from string to string.
func skipNested(b []byte, p, depth int) int {
	var (
		objects uint64 // a bit for each open bracket, the innermost lowest: set for an object
		local   int    // how many of them are in use
		m       uint64
	)

open:
	if local == 64 {
		if p = skipNested(b, p, depth+local); p < 0 {
			return p
		}
		goto after
	}
	if depth+local >= maxDepth {
		return tooDeep + p
	}
	local++
	objects <<= 1
	if b[p] == '[' {
		if p++; p < len(b) && b[p] <= ' ' {
			p = space(b, p)
		}
		if p < len(b) && b[p] == ']' {
			goto shut
		}
		goto value
	}
	objects |= 1
	if p++; p < len(b) && b[p] <= ' ' {
		p = space(b, p)
	}
	if p < len(b) && b[p] == '}' {
		goto shut
	}

key:
	if p >= len(b) || b[p] != '"' {
		return fault(p)
	}
keyString:
	p++
	for p+16 <= len(b) {
		m = stops(binary.LittleEndian.Uint64(b[p : p+8]))
		if m == 0 {
			p += 8
			continue
		}
		p += bits.TrailingZeros64(m) >> 3
		if b[p] != '"' {
			break
		}
		p++
		if binary.LittleEndian.Uint16(b[p:p+2]) == colonQuote {
			p++
			goto valueString
		}
		goto colon
	}
	if p = skipString(b, p); p < 0 {
		return p
	}

colon:
	if p < len(b) && b[p] <= ' ' {
		p = space(b, p)
	}
	if p >= len(b) || b[p] != ':' {
		return fault(p)
	}
	if p++; p < len(b) && b[p] <= ' ' {
		p = space(b, p)
	}

value:
	if p >= len(b) {
		return fault(p)
	}
	switch b[p] {
	case '{', '[':
		goto open
	case '"':
		goto valueString
	}
	if p = skipValue(b, p, 0); p < 0 {
		return p
	}
	goto after

valueString:
	p++
	for p+16 <= len(b) {
		m = stops(binary.LittleEndian.Uint64(b[p : p+8]))
		if m == 0 {
			p += 8
			continue
		}
		p += bits.TrailingZeros64(m) >> 3
		if b[p] != '"' {
			break
		}
		p++
		if objects&1 != 0 && binary.LittleEndian.Uint16(b[p:p+2]) == commaQuote {
			p++
			goto keyString
		}
		goto after
	}
	if p = skipString(b, p); p < 0 {
		return p
	}

after:
	if p < len(b) && b[p] <= ' ' {
		p = space(b, p)
	}
	if p >= len(b) {
		return fault(p)
	}
	if b[p] == ',' {
		if p++; p < len(b) && b[p] <= ' ' {
			p = space(b, p)
		}
		if objects&1 != 0 {
			goto key
		}
		goto value
	}
	if b[p] != ']'|byte(objects&1)<<5 { // '}' is ']' with that bit
		return fault(p)
	}

shut:
	p++
	local--
	objects >>= 1
	if local == 0 {
		return p
	}
	goto after
}
