package audit

import (
	"encoding/binary"
	"math/bits"
)

// first returns the position of an object's first key, or the position after the object and false if it has none;
// b[p] is its opening bracket.
func first(b []byte, p int) (int, bool) {
	if p++; p < len(b) && b[p] <= ' ' {
		p = space(b, p)
	}
	if p < len(b) && b[p] == '}' {
		return p + 1, false
	}
	return p, true
}

// member reads a key and its colon and returns the key and the value's position.
func member(b []byte, p int) (Text, int) {
	if p >= len(b) || b[p] != '"' {
		return nil, fault(p)
	}
	p++
	from := p
	for p+16 <= len(b) { // skipString's first lines, and the compact style at once: as in skipNested
		m := stops(binary.LittleEndian.Uint64(b[p : p+8]))
		if m == 0 {
			p += 8
			continue
		}
		p += bits.TrailingZeros64(m) >> 3
		if b[p] == '"' && b[p+1] == ':' && b[p+2] > ' ' {
			return Text(b[from:p:p]), p + 2
		}
		break
	}
	end := skipString(b, p)
	if end < 0 {
		return nil, end
	}
	key := Text(b[from : end-1 : end-1])
	if p = space(b, end); p >= len(b) || b[p] != ':' {
		return nil, fault(p)
	}
	return key, space(b, p+1)
}

// next returns the position of the next key, or the position after the object and false; b[p] follows a value. An error
// ends the object too.
func next(b []byte, p int) (int, bool) {
	if p < 0 {
		return p, false
	}
	if p < len(b) && b[p] <= ' ' {
		p = space(b, p)
	}
	if p >= len(b) {
		return fault(p), false
	}
	switch b[p] {
	case ',':
		if p++; p < len(b) && b[p] <= ' ' {
			p = space(b, p)
		}
		return p, true
	case '}':
		return p + 1, false
	}
	return fault(p), false
}

// The functions below read the value at b[p], which stands inside depth brackets.

// text reads a value: nil unless it is a string.
func text(b []byte, p, depth int) (Text, int) {
	if p < len(b) && b[p] == '"' {
		end := skipString(b, p+1)
		if end < 0 {
			return nil, end
		}
		return Text(b[p+1 : end-1 : end-1]), end
	}
	return nil, skipValue(b, p, depth)
}

// span reads a value: nil unless it begins with the bracket.
func span(b []byte, p, depth int, bracket byte) (Span, int) {
	end := skipValue(b, p, depth)
	if end < 0 || b[p] != bracket {
		return nil, end
	}
	return Span(b[p:end:end]), end
}

// body reads a value of any type but null.
func body(b []byte, p, depth int) (Span, int) {
	end := wholeNumber(b, p, skipValue(b, p, depth))
	if end < 0 || b[p] == 'n' {
		return nil, end
	}
	return Span(b[p:end:end]), end
}

// number reads a value: 0 unless it is a whole number that fits.
func number(b []byte, p, depth int) (int32, int) {
	end := wholeNumber(b, p, skipValue(b, p, depth))
	if end < 0 {
		return 0, end
	}
	return int32Of(b[p:end]), end
}

// wholeNumber is end, unless b[p:end] is a number and what follows it is not what follows a member: where the input was
// cut this may be half a number, which must not be kept.
func wholeNumber(b []byte, p, end int) int {
	if end < 0 || b[p] != '-' && b[p]-'0' > 9 {
		return end
	}
	if space(b, end) > end || end < len(b) && (b[end] == ',' || b[end] == '}') {
		return end
	}
	return fault(end)
}

// int32Of is a JSON value as a number, 0 unless it is a whole number that fits.
func int32Of(value []byte) int32 {
	digits, sign := value, int64(1)
	if digits[0] == '-' {
		digits, sign = digits[1:], -1
	}
	if len(digits) > 10 {
		return 0
	}
	n := int64(0)
	for _, c := range digits {
		if c-'0' > 9 {
			return 0
		}
		n = n*10 + int64(c-'0')
	}
	if n *= sign; n != int64(int32(n)) {
		return 0
	}
	return int32(n)
}
