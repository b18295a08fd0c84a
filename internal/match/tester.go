package match

import (
	"slices"
	"strconv"
	"strings"
)

// tester is a node that is somebody else's test. Its SQL is never asked for: what the columns can say of it stands in narrowed.
type tester struct{ Tester }

func (t tester) match(r *Row) bool        { return t.Test(r) }
func (tester) narrow() bool               { return false }
func (t tester) print(w *strings.Builder) { w.WriteString(t.Key()) }
func (t tester) sql(negated bool) string  { return strconv.FormatBool(true) }

// need asks for the words that stand where the field does, if there is no passing the test without it, and for those of one of
// the texts.
func (t tester) need() *Need {
	p, err := ParsePath(t.Field())
	if err != nil || p.field.number != nil || p.field.names != nil || p.field.row != nil || p.field.text != nil && !p.field.searched {
		return nil
	}
	exact := t.Exact()
	if exact == nil && metWithout(t) != No || slices.Contains(exact, "") {
		return nil
	}
	var needs []*Need
	verbatim := p.field.text != nil || p.field.span != nil && p.field.name != "ip" && p.field.name != "peer"
	switch d := p.field.derivation; {
	case d != nil:
		needs = append(needs, (&derivedTest{p.field, anything}).need())
		verbatim = d.verbatim
	case p.field.span != nil && (p.field.object || exact != nil):
		needs = append(needs, (&jsonTest{p.field, p.path, anything}).need())
	}
	if verbatim && exact != nil {
		some := &Need{}
		for _, text := range exact {
			v := literal(text)
			words := needAll(v.words())
			if _, ascii := foldASCII(nil, []byte(text)); !ascii || words == nil {
				some = nil
				break
			}
			some.Any = append(some.Any, words)
		}
		if some != nil && len(some.Any) == 1 {
			some = some.Any[0]
		}
		if some != nil {
			needs = append(needs, some)
		}
	}
	return needAll(needs)
}

// narrowed is the test whether the field is one of the texts that the test asks for, if that is as simple.
func (t tester) narrowed() node {
	p, err := ParsePath(t.Field())
	exact := t.Exact()
	if err != nil || len(exact) == 0 || !filterable(p.field) || fields[p.field.name] == nil || p.field.name == "auditID" {
		return nil
	}
	n := &oneOf{field: p.field}
	for _, e := range exact {
		folded, ascii := foldASCII(nil, []byte(e))
		if !ascii || e == "" {
			return nil
		}
		n.texts = append(n.texts, string(folded))
	}
	return n
}

// oneOf is the test whether a text is one of some, without the case of ASCII letters. It stands in what narrows a tester alone,
// and lets too much pass rather than too little.
type oneOf struct {
	field *field
	texts []string // in small letters
}

func (t *oneOf) match(r *Row) bool {
	var text []byte
	switch {
	case t.field.text != nil:
		text = t.field.text(r.View).Decode(nil)
	case t.field.row != nil:
		text = []byte(t.field.row(r))
	default:
		if n, ok := t.field.number(r); ok {
			text = strconv.AppendInt(nil, n, 10)
		}
	}
	folded, ascii := foldASCII(nil, text)
	return !ascii || slices.Contains(t.texts, string(folded))
}

func (t *oneOf) print(w *strings.Builder) {
	w.WriteString(t.field.name + ":(")
	for i, text := range t.texts {
		if i > 0 {
			w.WriteString(" OR ")
		}
		printText(w, text)
	}
	w.WriteByte(')')
}

// sql is never negated: of a test that is, nothing is known.
func (t *oneOf) sql(bool) string {
	column := identifier(t.field.column)
	var list []string
	if t.field.number != nil {
		for _, text := range t.texts {
			if n, err := strconv.Atoi(text); err == nil {
				list = append(list, strconv.Itoa(n))
			}
		}
		column = t.field.column
	} else {
		for _, text := range t.texts {
			list = append(list, quote(text))
		}
		column = "lower(" + column + ")" // which makes ASCII of some letters of other scripts too
	}
	switch len(list) {
	case 0:
		return "false"
	case 1:
		return column + " = " + list[0]
	}
	return column + " IN (" + strings.Join(list, ", ") + ")"
}

func (t *oneOf) need() *Need  { return nil }
func (t *oneOf) narrow() bool { return true }
