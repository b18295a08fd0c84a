package match

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// String is the predicate in one fixed form: Parse makes the same predicate of it.
func (p *Predicate) String() string {
	if n, ok := p.root.(and); ok && len(n) == 0 {
		return ""
	}
	var w strings.Builder
	p.root.print(&w)
	return w.String()
}

func (n and) print(w *strings.Builder) {
	if len(n) == 0 {
		w.WriteByte('*')
	}
	for i, c := range n {
		if i > 0 {
			w.WriteByte(' ')
		}
		if _, ok := c.(or); ok {
			parenthesise(w, c)
		} else {
			c.print(w)
		}
	}
}

func (n or) print(w *strings.Builder) {
	for i, c := range n {
		if i > 0 {
			w.WriteString(" OR ")
		}
		c.print(w)
	}
}

func (n not) print(w *strings.Builder) {
	w.WriteByte('-')
	switch inner := n.node.(type) {
	case or:
		parenthesise(w, inner)
	case and:
		if len(inner) > 0 {
			parenthesise(w, inner)
		} else {
			inner.print(w)
		}
	default:
		inner.print(w)
	}
}

func parenthesise(w *strings.Builder, n node) {
	w.WriteByte('(')
	n.print(w)
	w.WriteByte(')')
}

func (t *textTest) print(w *strings.Builder) {
	w.WriteString(t.field.name)
	t.value.print(w)
}

func (t *jsonTest) print(w *strings.Builder) {
	printPath(w, t.field, t.path)
	t.value.print(w)
}

// printPath writes the name of a member so that it is read back as the same.
func printPath(w *strings.Builder, f *field, path []string) {
	w.WriteString(f.name)
	for _, key := range path {
		plain := key != "" && strings.IndexFunc(key, func(r rune) bool { return r >= 0x80 || !isNameByte(byte(r)) || r == '.' && !f.flat }) < 0
		if plain {
			w.WriteString("." + key)
		} else {
			w.WriteByte('[')
			printQuoted(w, key)
			w.WriteByte(']')
		}
	}
}

func (t *numberTest) print(w *strings.Builder) {
	w.WriteString(t.field.name)
	switch {
	case t.from == minNumber && t.to == maxNumber:
		w.WriteString(":*")
	case t.from == t.to:
		w.WriteString(":" + t.format(t.from))
	case t.from == minNumber:
		w.WriteString("<=" + t.format(t.to))
	default:
		w.WriteString(">=" + t.format(t.from))
	}
}

func (t *numberTest) format(n int64) string {
	switch t.field.unit {
	case instant:
		return time.UnixMicro(n).UTC().Format(time.RFC3339Nano)
	case duration:
		return (time.Duration(n) * time.Microsecond).String()
	}
	return strconv.FormatInt(n, 10)
}

func (t *enumTest) print(w *strings.Builder) {
	w.WriteString(t.field.name + ":" + t.name)
}

func (p *phrase) print(w *strings.Builder) {
	text := string(bytes.Join(p.words, []byte(" ")))
	switch {
	case p.prefix:
		w.WriteString(strings.ReplaceAll(text, " ", "/") + "*")
	case len(p.words) == 1 && text != "or" && text != "and" && text != "not":
		w.WriteString(text)
	default:
		printQuoted(w, text)
	}
}
