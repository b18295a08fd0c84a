package match

import (
	"strings"
	"unicode/utf8"

	"annals.dev/internal/spell"
)

// Error says what is wrong with a query and what to do about it.
type Error struct {
	Pos   int // the byte of Query at which it is wrong
	Msg   string
	Query string
}

// Error is the message, the query, and a caret under the character.
func (e *Error) Error() string {
	const around = 60
	from, to := max(0, e.Pos-around), min(len(e.Query), e.Pos+around)
	for from > 0 && !utf8.RuneStart(e.Query[from]) {
		from--
	}
	for to < len(e.Query) && !utf8.RuneStart(e.Query[to]) {
		to++
	}
	before, after := "", ""
	if from > 0 {
		before = "…"
	}
	if to < len(e.Query) {
		after = "…"
	}
	line := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f {
				return ' '
			}
			return r
		}, s)
	}
	head := before + line(e.Query[from:e.Pos])
	return e.Msg + "\n  " + head + line(e.Query[e.Pos:to]) + after + "\n  " + strings.Repeat(" ", utf8.RuneCountInString(head)) + "^"
}

// closest is the known name most like the one given, or "".
func closest(name string) string {
	best, distance := "", max(1, len(name)/3)
	try := func(known, result string) {
		d := spell.Distance(strings.ToLower(name), strings.ToLower(known))
		closer := best == "" || d < distance || d == distance && len(result) < len(best) ||
			d == distance && len(result) == len(best) && result < best
		if d <= distance && closer {
			best, distance = result, d
		}
	}
	for known := range fields {
		try(known, known)
		if i := strings.LastIndexByte(known, '.'); i >= 0 && !strings.Contains(known, "/") {
			try(known[i+1:], known)
		}
	}
	for known := range aliases {
		try(known, known)
	}
	return best
}
