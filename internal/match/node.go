package match

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"annals.dev/audit"
)

// node is a part of a predicate. Every field test is false where the field is absent, so that its negation is true there.
type node interface {
	match(r *Row) bool
	sql(negated bool) string
	print(w *strings.Builder)
	need() *Need
	narrow() bool // needs neither words nor bodies
}

type (
	and []node // of none: everything
	or  []node // of two or more
	not struct{ node }

	// textTest tests a string field.
	textTest struct {
		field *field
		value value
	}
	// jsonTest tests the values that a path leads to in a JSON value, any of them.
	jsonTest struct {
		field *field
		path  []string // below the field's own
		value value
	}
	// numberTest tests a number, a time or a duration: from and to included.
	numberTest struct {
		field    *field
		from, to int64
	}
	// enumTest tests a field that has named numbers.
	enumTest struct {
		field *field
		name  string
	}
	// phrase looks for words that follow each other in one string of the searchable text.
	phrase struct {
		words  [][]byte // folded
		prefix bool     // the last is the beginning of a word
	}
)

func (n and) match(r *Row) bool {
	return !slices.ContainsFunc(n, func(c node) bool { return !c.match(r) })
}

func (n or) match(r *Row) bool {
	return slices.ContainsFunc(n, func(c node) bool { return c.match(r) })
}

func (n not) match(r *Row) bool { return !n.node.match(r) }

func (t *textTest) match(r *Row) bool {
	if t.field.row != nil {
		r.scratch = append(r.scratch[:0], t.field.row(r)...)
		return t.value.matches(r.scratch, true)
	}
	return t.value.matches(r.decode(t.field.text(r.View)), true)
}

func (r *Row) decode(t audit.Text) []byte {
	if t.Plain() {
		return t
	}
	r.scratch = t.Append(r.scratch[:0])
	return r.scratch
}

func (t *jsonTest) match(r *Row) bool {
	if tape := r.tape(t.field); tape != nil {
		return !tape.each(t.path, &r.scratch, func(v Value) bool { return !t.value.meets(v) })
	}
	return t.in(valid(t.field.span(r.View)), &r.scratch)
}

// valid is the JSON as the ledger's columns have it: bytes that are no UTF-8 replaced.
func valid(s audit.Span) []byte {
	if utf8.Valid(s) {
		return s
	}
	return bytes.ToValidUTF8(s, []byte(string(utf8.RuneError)))
}

func (t *numberTest) match(r *Row) bool {
	n, ok := t.field.number(r)
	return ok && n >= t.from && n <= t.to
}

func (t *enumTest) match(r *Row) bool {
	return t.field.is(r, t.field.names[t.name])
}

func (p *phrase) match(r *Row) bool {
	found := false
	viewText(r.View, &r.scratch, func(span []byte, json bool) bool {
		found = p.in(span, json)
		return !found
	})
	return found
}

func (n and) narrow() bool       { return !slices.ContainsFunc(n, func(c node) bool { return !c.narrow() }) }
func (n or) narrow() bool        { return and(n).narrow() }
func (n not) narrow() bool       { return n.node.narrow() }
func (*textTest) narrow() bool   { return true }
func (t *jsonTest) narrow() bool { return t.field.column != bodies }
func (*numberTest) narrow() bool { return true }
func (*enumTest) narrow() bool   { return true }
func (*phrase) narrow() bool     { return false }
