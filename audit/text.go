package audit

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// Plain reports whether the text stands for itself: it has no escapes and is valid UTF-8.
func (t Text) Plain() bool {
	i := 0
	for ; i+8 <= len(t); i += 8 {
		x := binary.LittleEndian.Uint64(t[i:])
		if s := x ^ ones*'\\'; (x|(s-ones)&^s)&highs != 0 {
			return t[i:].plainSlowly()
		}
	}
	for ; i < len(t); i++ {
		if t[i] == '\\' || t[i] >= utf8.RuneSelf {
			return t[i:].plainSlowly()
		}
	}
	return true
}

func (t Text) plainSlowly() bool { return bytes.IndexByte(t, '\\') < 0 && utf8.Valid(t) }

// Append appends the text, decoded, to dst. What it appends is valid UTF-8: as with encoding/json, U+FFFD stands for
// each invalid byte, each lone surrogate, and each escape that is none.
func (t Text) Append(dst []byte) []byte {
	for i := 0; i < len(t); {
		c := t[i]
		if c != '\\' && c < utf8.RuneSelf {
			j := i + 1
			for j < len(t) && t[j] != '\\' && t[j] < utf8.RuneSelf {
				j++
			}
			dst = append(dst, t[i:j]...)
			i = j
			continue
		}
		if c != '\\' {
			r, n := utf8.DecodeRune(t[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
			continue
		}
		r, n := t.escape(i)
		dst = utf8.AppendRune(dst, r)
		i += n
	}
	return dst
}

// escape decodes the escape at t[i] and says how many bytes it takes.
func (t Text) escape(i int) (rune, int) {
	if i+1 >= len(t) {
		return utf8.RuneError, 1
	}
	switch c := t[i+1]; c {
	case '"', '\\', '/':
		return rune(c), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		r := t.unit(i)
		if r < 0 {
			break
		}
		if !utf16.IsSurrogate(r) {
			return r, 6
		}
		if pair := utf16.DecodeRune(r, t.unit(i+6)); pair != utf8.RuneError {
			return pair, 12
		}
		return utf8.RuneError, 6
	}
	return utf8.RuneError, 2
}

// unit is the UTF-16 unit that a \u escape at t[i] stands for, or -1.
func (t Text) unit(i int) rune {
	if i+6 > len(t) || t[i] != '\\' || t[i+1] != 'u' {
		return -1
	}
	var r rune
	for _, c := range t[i+2 : i+6] {
		h := unhex(c)
		if h < 0 {
			return -1
		}
		r = r<<4 | h
	}
	return r
}

func unhex(c byte) rune {
	switch {
	case '0' <= c && c <= '9':
		return rune(c - '0')
	case 'a' <= c && c <= 'f':
		return rune(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return rune(c-'A') + 10
	}
	return -1
}

// Decode returns the text decoded: the text's own bytes where it is plain, otherwise it is appended to scratch[:0].
func (t Text) Decode(scratch []byte) []byte {
	if t.Plain() {
		return t
	}
	return t.Append(scratch[:0])
}

// String returns the text decoded.
func (t Text) String() string {
	if t.Plain() {
		return string(t)
	}
	return string(t.Append(make([]byte, 0, len(t))))
}

// Is reports whether the text, decoded, is s.
func (t Text) Is(s string) bool {
	if t.Plain() {
		return string(t) == s
	}
	var scratch [256]byte
	return string(t.Append(scratch[:0])) == s
}
