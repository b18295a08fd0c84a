package match

import (
	"unicode/utf16"
	"unicode/utf8"
)

// A word is a maximal run of ASCII letters, digits, underscores and bytes from 0x80 up in decoded text, its ASCII letters
// folded to lower case. A UUID standing between other bytes is one word. docs/search.md has the whole definition.

const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211

	separator = 0
	backslash = 1
)

// fold is the folded byte of each byte that is part of a word, separator or backslash of the others.
var fold = func() (t [256]uint8) {
	for c := range 256 {
		switch {
		case c >= 'A' && c <= 'Z':
			t[c] = uint8(c) + 'a' - 'A'
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '_', c >= 0x80:
			t[c] = uint8(c)
		case c == '\\':
			t[c] = backslash
		}
	}
	return t
}()

// HashWord is the number under which filters know a word: FNV-1a of 64 bits over its folded bytes, its halves xored.
// Filters on disk hold it, so it never changes.
func HashWord(w []byte) uint32 {
	h := uint64(fnvOffset)
	for _, c := range w {
		if f := fold[c]; f > backslash {
			c = f
		}
		h = (h ^ uint64(c)) * fnvPrime
	}
	return uint32(h>>32) ^ uint32(h)
}

// Words hands the hash of each word of text to f, as often as it occurs. Text is JSON as it stands, or a decoded string: the
// words are the same.
func Words(text []byte, f func(hash uint32)) {
	var buf [512]uint32
	for _, h := range AppendWords(buf[:0], text) {
		f(h)
	}
}

// AppendWords appends the hash of each word of text to dst.
func AppendWords(dst []uint32, text []byte) []uint32 {
	for i := 0; i < len(text); {
		c := fold[text[i]]
		if c <= backslash {
			if c == separator {
				i++
				continue
			}
			n, _, kept := escape(text[i:])
			if kept {
				return AppendWords(dst, unescape(text[i:]))
			}
			i += n
			continue
		}
		start, h := i, uint64(fnvOffset)
		for c > backslash {
			h = (h ^ uint64(c)) * fnvPrime
			if i++; i == len(text) {
				break
			}
			c = fold[text[i]]
		}
		if i < len(text) {
			if c == backslash {
				if _, _, kept := escape(text[i:]); kept {
					return AppendWords(dst, unescape(text[start:]))
				}
			} else if text[i] == '-' && i-start == 8 && isUUID(text[start:]) {
				i = start + uuidLen
				if i < len(text) && text[i] == '\\' {
					if _, _, kept := escape(text[i:]); kept {
						return AppendWords(dst, unescape(text[start:]))
					}
				}
				dst = append(dst, HashWord(text[start:i]))
				continue
			}
		}
		dst = append(dst, uint32(h>>32)^uint32(h))
	}
	return dst
}

const uuidLen = 36

// isUUID says whether text begins with a UUID that no word byte follows.
func isUUID(text []byte) bool {
	if len(text) < uuidLen || len(text) > uuidLen && fold[text[uuidLen]] > backslash {
		return false
	}
	for i, c := range text[:uuidLen] {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
		} else if !isHex(c) {
			return false
		}
	}
	return true
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// escape reads the run of backslashes that text begins with and what it escapes: n bytes that stand for r. The run may be of
// any length, so that JSON text inside a JSON string has the words it has outside. Kept means that r can be part of a word, or
// of a UUID; otherwise it only separates.
func escape(text []byte) (n int, r rune, kept bool) {
	for n < len(text) && text[n] == '\\' {
		n++
	}
	if n == len(text) {
		return n, ' ', false
	}
	switch text[n] {
	case '"', '/', 'n', 't', 'r', 'b', 'f':
		return n + 1, ' ', false
	case 'u':
		r, ok := hex4(text[n+1:])
		if !ok {
			return n, ' ', false
		}
		n += 5
		if utf16.IsSurrogate(r) {
			m := n
			for m < len(text) && text[m] == '\\' {
				m++
			}
			low, ok := rune(0), false
			if m > n && m < len(text) && text[m] == 'u' {
				low, ok = hex4(text[m+1:])
			}
			if full := utf16.DecodeRune(r, low); ok && full != utf8.RuneError {
				return m + 5, full, true
			}
			return n, utf8.RuneError, true
		}
		return n, r, r >= 0x80 || fold[r] > backslash || r == '-'
	}
	return n, ' ', false
}

func hex4(text []byte) (rune, bool) {
	if len(text) < 4 {
		return 0, false
	}
	r := rune(0)
	for _, c := range text[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// unescape resolves every escape of text, to its UTF-8 where that matters to words and to a space otherwise. No backslash is
// left, and the quotes that are left were not escaped.
func unescape(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); {
		if text[i] != '\\' {
			out = append(out, text[i])
			i++
			continue
		}
		n, r, kept := escape(text[i:])
		if !kept {
			r = ' '
		}
		out = utf8.AppendRune(out, r)
		i += n
	}
	return out
}
