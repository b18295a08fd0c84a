package cli

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// What stands in an event was often written by whoever is watched: a user agent may hold what moves a terminal's cursor,
// recolours a line or turns the direction of text. Nothing of the kind reaches a terminal.

// dangerous says whether a character does something other than being seen.
func dangerous(r rune) bool {
	switch {
	case r < ' ', r >= 0x7f && r <= 0x9f: // C0, DEL, C1
		return true
	case r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x206f, r == 0xfeff: // direction, width, lines
		return true
	case r >= 0xe0000 && r <= 0xe007f: // tags
		return true
	}
	return false
}

// clean makes a text safe to show on one line.
func clean(s string) string {
	if utf8.ValidString(s) && strings.IndexFunc(s, dangerous) < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case dangerous(r) && r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		case dangerous(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// cleanJSON does the same to JSON, which stays the same value: outside of strings there is nothing to escape.
func cleanJSON(text []byte) []byte {
	s := string(text)
	if strings.IndexFunc(s, func(r rune) bool { return r != '\n' && dangerous(r) }) < 0 {
		return text
	}
	out := make([]byte, 0, len(text)+32)
	for _, r := range s {
		switch {
		case r == '\n' || !dangerous(r):
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			high, low := 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}
