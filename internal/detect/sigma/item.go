package sigma

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"annals.dev/internal/match"
)

// item is one line of a selection: a field, modifiers and values.
type item struct {
	*draft
	line   int
	field  string // "" of keywords
	path   *match.Path
	mods   modifiers
	values []*yaml.Node
}

// readItem reads a key and its values.
func (d *draft) readItem(k, v *yaml.Node) *expr {
	if err := d.spend(0); err != nil {
		if !d.bad {
			d.tell(failure, k.Line, "%s: %v", k.Value, err)
		}
		return nil
	}
	names := strings.Split(k.Value, "|")
	it := &item{draft: d, line: k.Line, field: names[0]}
	var err error
	if it.mods, err = readModifiers(names[1:]); err != nil {
		d.tell(failure, k.Line, "%s: %v", k.Value, err)
		return nil
	}
	it.values = []*yaml.Node{v}
	if v.Kind == yaml.SequenceNode {
		it.values = v.Content
	}
	for _, n := range it.values {
		switch {
		case n.Kind == yaml.MappingNode:
			d.tell(failure, n.Line, "%s has a map as its value; write its members as fields of their own, as %s.member: value", k.Value, names[0])
			return nil
		case n.Kind != yaml.ScalarNode:
			d.tell(failure, n.Line, "%s has a list within a list; write one list", k.Value)
			return nil
		case isNull(n) && len(it.values) > 1:
			d.tell(failure, n.Line, "%s has null in a list; null is a value of its own: write a selection with %s: null and join the two in the condition", k.Value, names[0])
			return nil
		}
	}
	switch {
	case len(it.values) == 0:
		d.tell(failure, k.Line, "%s has an empty list, and so no event could match; write a value, or leave it out", k.Value)
		return nil
	case it.mods.all && len(it.values) == 1 && !it.mods.expand:
		d.tell(warning, k.Line, "%s: all joins the values of a list, and there is only one; leave all out", k.Value)
	}
	if it.field == "" {
		return it.keywords()
	}
	return it.fields()
}

// fields is the test of a field.
func (it *item) fields() *expr {
	m := it.mods
	it.path = it.lookUp(it.field, it.line)
	if m.exists {
		return it.exists()
	}
	if isNull(it.values[0]) {
		if len(m.names) > 0 && !(len(m.names) == 1 && m.neq) {
			it.tell(failure, it.line, "%s: null goes with no modifier but neq", it)
			return nil
		}
		return it.maybeNot(negate(it.filled()))
	}
	if m.fieldref {
		return it.references()
	}
	if it.path == nil {
		return it.maybeNot(leaf(never{it.String() + ": " + it.print(), it.field}))
	}
	it.check()
	var each []*expr
	var together anyOf
	for _, n := range it.values {
		t := &together
		if m.all {
			t = &anyOf{}
		}
		if n.Value == "" && n.Tag == "!!str" && m.plain() {
			each = append(each, negate(it.filled()))
			continue
		}
		if err := it.alternatives(t, n); err != nil {
			it.tell(failure, n.Line, "%s: %v", it, err)
			return nil
		}
		if m.all {
			each = append(each, it.finish(t))
		}
	}
	if m.all {
		return it.maybeNot(join(and, each))
	}
	if !together.empty() || len(each) == 0 {
		each = append(each, it.finish(&together))
	}
	return it.maybeNot(join(or, each))
}

func (it *item) maybeNot(e *expr) *expr {
	if it.mods.neq && e != nil {
		return negate(e)
	}
	return e
}

// filled says that the field has a value. A field that no event has, has none.
func (it *item) filled() *expr {
	if it.path == nil {
		return leaf(never{"not " + it.field + ": null", it.field})
	}
	return leaf(&filled{it.path})
}

func (it *item) exists() *expr {
	if len(it.values) != 1 || it.values[0].Tag != "!!bool" {
		it.tell(failure, it.line, "%s wants true or false, without quotes", it)
		return nil
	}
	e := leaf(never{it.field + "|exists: true", it.field})
	if it.path != nil {
		e = leaf(&exists{it.path})
	}
	if strings.EqualFold(it.values[0].Value, "false") {
		return negate(e)
	}
	return e
}

func (it *item) references() *expr {
	var each []*expr
	for _, n := range it.values {
		s := text(n)
		if n.Tag != "!!str" || strings.ContainsAny(s, "*?") {
			it.tell(failure, n.Line, "%s wants the name of a field, without wildcards; for those write fieldref|contains, fieldref|startswith or fieldref|endswith", it)
			return nil
		}
		other := it.lookUp(s, n.Line)
		if it.path == nil || other == nil {
			each = append(each, leaf(never{it.String() + ": " + s, it.field}))
			continue
		}
		each = append(each, leaf(reference{it.path, other, it.mods.where, it.mods.cased}))
	}
	if it.mods.all {
		return it.maybeNot(join(and, each))
	}
	return it.maybeNot(join(or, each))
}

// String is the field with its modifiers.
func (it *item) String() string {
	return strings.Join(append([]string{it.field}, it.mods.names...), "|")
}

// print is the values as they were written.
func (it *item) print() string {
	var values []string
	for _, n := range it.values {
		values = append(values, quote(n.Value))
	}
	return "(" + strings.Join(values, ", ") + ")"
}
