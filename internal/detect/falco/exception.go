package falco

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// exception is what a rule does not report, as tuples of values of fields.
type exception struct {
	name   string
	fields []string
	comps  []string
	single bool // fields is one field, not a list of them: its values are one set
	values [][]string
}

// withExceptions is the rule's condition with its exceptions taken from it.
func (d *ruleDef) withExceptions() string {
	condition := "(" + d.condition + ")"
	for _, e := range d.exceptions {
		if len(e.values) > 0 {
			condition += " and not " + e.condition()
		}
	}
	return condition
}

func (e *exception) condition() string {
	var tuples []string
	if e.single {
		var values []string
		for _, v := range e.values {
			values = append(values, v[0])
		}
		return fmt.Sprintf("%s %s (%s)", e.fields[0], e.comps[0], strings.Join(values, ", "))
	}
	for _, values := range e.values {
		var checks []string
		for i, v := range values {
			checks = append(checks, e.fields[i]+" "+e.comps[i]+" "+v)
		}
		tuples = append(tuples, "("+strings.Join(checks, " and ")+")")
	}
	return "(" + strings.Join(tuples, " or ") + ")"
}

// setwise says whether an operator compares with a list.
func setwise(comp string) bool {
	return slices.Contains(listOps, comp) || strings.HasSuffix(comp, " oneof") || strings.HasSuffix(comp, " anyof") || strings.HasSuffix(comp, " allof")
}

// exceptionsInto reads exceptions into a rule: in place of those it has, or in addition. One that is there already may be given
// more values.
func (it *item) exceptionsInto(d *ruleDef, replace bool) {
	n := it.keys["exceptions"]
	if n == nil {
		return
	}
	if n.Kind != yaml.SequenceNode {
		it.fail("exceptions must be a list")
		return
	}
	var all []*exception
	if !replace {
		for _, e := range d.exceptions {
			copied := *e
			all = append(all, &copied)
		}
	}
	for _, c := range n.Content {
		keys := map[string]*yaml.Node{}
		if c = follow(c); c.Kind == yaml.MappingNode {
			for i := 0; i+1 < len(c.Content); i += 2 {
				keys[c.Content[i].Value] = follow(c.Content[i+1])
			}
		}
		if keys["name"] == nil || keys["name"].Value == "" {
			it.fail("an exception must have a name")
			return
		}
		name := keys["name"].Value
		at := slices.IndexFunc(all, func(e *exception) bool { return e.name == name })
		e := &exception{name: name}
		switch {
		case at < 0:
			it.exceptionFields(e, keys["fields"], keys["comps"])
			all = append(all, e)
		case keys["fields"] != nil || keys["comps"] != nil:
			it.fail("exception %s is there already: only values can be added to it", name)
		default:
			e = all[at]
		}
		if !it.failed && keys["values"] != nil {
			it.exceptionValues(e, keys["values"])
		}
		if it.failed {
			return
		}
	}
	d.exceptions = all
}

func (it *item) exceptionFields(e *exception, fields, comps *yaml.Node) {
	switch {
	case fields == nil:
		it.fail("exception %s has no fields", e.name)
		return
	case fields.Kind == yaml.ScalarNode:
		e.single, e.fields, e.comps = true, []string{fields.Value}, []string{"in"}
		if comps != nil {
			e.comps[0] = comps.Value
		}
		if !setwise(e.comps[0]) {
			it.fail("exception %s has one field, not in a list: its operator must be one of lists, not %q", e.name, e.comps[0])
		}
		return
	}
	for _, f := range fields.Content {
		e.fields = append(e.fields, follow(f).Value)
		if comps == nil {
			e.comps = append(e.comps, "=")
		}
	}
	if comps != nil {
		for _, c := range comps.Content {
			e.comps = append(e.comps, follow(c).Value)
		}
	}
	if len(e.fields) == 0 || len(e.fields) != len(e.comps) {
		it.fail("exception %s has %d fields and %d operators (comps)", e.name, len(e.fields), len(e.comps))
	}
}

func (it *item) exceptionValues(e *exception, values *yaml.Node) {
	if values.Kind != yaml.SequenceNode {
		it.fail("exception %s: values must be a list", e.name)
		return
	}
	for _, v := range values.Content {
		v = follow(v)
		switch {
		case e.single && v.Kind == yaml.ScalarNode:
			e.values = append(e.values, []string{quoted(v.Value)})
		case !e.single && v.Kind == yaml.SequenceNode && len(v.Content) == len(e.fields):
			var tuple []string
			for i, value := range v.Content {
				tuple = append(tuple, exceptionValue(follow(value), e.comps[i]))
			}
			e.values = append(e.values, tuple)
		case e.single:
			it.fail("exception %s is of one field: its values must be texts", e.name)
			return
		default:
			it.fail("exception %s: each of its values must be a list of %d, one per field", e.name, len(e.fields))
			return
		}
	}
}

// exceptionValue writes a value as it stands in a condition: a list in parentheses.
func exceptionValue(n *yaml.Node, comp string) string {
	if n.Kind == yaml.SequenceNode {
		var all []string
		for _, e := range n.Content {
			all = append(all, quoted(follow(e).Value))
		}
		return "(" + strings.Join(all, ", ") + ")"
	}
	if strings.HasPrefix(n.Value, "(") {
		return n.Value
	}
	if setwise(comp) {
		return "(" + quoted(n.Value) + ")"
	}
	return quoted(n.Value)
}

// quoted puts a value in quotes, if it needs them and does not have them.
func quoted(s string) string {
	if len(s) > 1 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s
	}
	return quote(s)
}
