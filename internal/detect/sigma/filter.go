package sigma

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"annals.dev/internal/match"
)

// readFilter reads a filter: what of some rules' events is left out.
func (d *draft) readFilter(n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		d.tell(failure, n.Line, "filter is a map of rules, selections and a condition")
		return
	}
	rules := get(n, "rules")
	switch names := texts(rules); {
	case rules == nil:
		d.tell(failure, n.Line, "the filter says no rules; list their IDs or names, or write rules: any")
		return
	case rules.Kind == yaml.MappingNode:
		d.tell(failure, rules.Line, "rules is a list of IDs or names, or any")
		return
	case len(names) == 1 && (strings.EqualFold(names[0], "any") || strings.EqualFold(names[0], "all")), len(names) == 0:
		d.any = true
	default:
		d.names = names
	}
	e := d.readDetection(n, "rules")
	if e == nil || d.bad {
		return
	}
	// The specification's filter says what is left out, pySigma's what is kept. What holds where no selection does would leave out
	// nearly everything: nobody means that.
	if d.where = negate(e); holdsOfNone(get(n, "condition")) {
		d.where = e
		d.tell(note, get(n, "condition").Line, "the filter's condition holds where none of its selections does, so it is read as pySigma does: events that meet it are kept")
	}
	d.filters = append(d.filters, d)
}

// holdsOfNone says whether a condition, which is sound, holds where none of the selections does.
func holdsOfNone(condition *yaml.Node) bool {
	none := leaf(never{})
	for _, c := range texts(condition) {
		e, err := parseCondition(c, func(string) (*expr, error) { return none, nil }, func(string, string) (*expr, error) { return none, nil })
		if err == nil && e.truth() == match.Yes {
			return true
		}
	}
	return false
}

// filter puts filters over the rules that they name.
func (c *collection) filter() {
	for _, f := range c.filters {
		used := false
		apply := func(d *draft) {
			if d.where == nil || !f.source.holds(d.source) {
				return
			}
			before := d.where.truth()
			d.where, used = join(and, []*expr{d.where, f.where}), true
			if before != match.No && d.where.truth() == match.No {
				f.tell(warning, 0, "the filter leaves nothing of the rule %q, which never finds anything with it", d.rule.ID)
			}
		}
		if f.any {
			for _, d := range c.drafts {
				apply(d)
			}
		}
		for _, name := range f.names {
			d := c.find(name)
			switch {
			case d == nil:
				f.tell(warning, 0, "the filter names the rule %q, and there is none with this ID or name", name)
			case d.where == nil && d.corr != nil:
				f.tell(warning, 0, "the filter names %q, a correlation; name the rules that it uses", name)
			case d.where != nil && !f.source.holds(d.source):
				f.tell(warning, 0, "the filter is for another log (%s) than the rule %q (%s), so it does not count there", f.source, name, d.source)
			default:
				apply(d)
			}
		}
		if f.any && !used {
			f.tell(note, 0, "there is no rule that the filter is for")
		}
	}
}

// holds says whether all that a filter's log source names is what the rule's is.
func (s logsource) holds(rule logsource) bool {
	if rule == (logsource{}) {
		rule = logsource{product: "kubernetes", service: "audit"}
	}
	return (s.category == "" || s.category == rule.category) && (s.product == "" || s.product == rule.product) &&
		(s.service == "" || s.service == rule.service)
}

// find is the rule of an ID or a name.
func (c *collection) find(ref string) *draft {
	if d := c.byID[ref]; d != nil {
		return d
	}
	return c.byName[ref]
}
