package sigma

import (
	"fmt"
	"slices"
	"strings"

	"annals.dev/internal/detect"
	"annals.dev/internal/match"
)

// link finds the rules of correlations.
func (c *collection) link() {
	for _, d := range c.drafts {
		if d.corr != nil {
			d.link()
		}
	}
	used, reporting := map[*draft]bool{}, map[*draft]bool{}
	for _, d := range c.drafts {
		if d.corr == nil || d.bad {
			continue
		}
		for _, r := range d.corr.rules {
			used[r] = true
			reporting[r] = reporting[r] || d.corr.generate
		}
	}
	for d := range used {
		d.rule.Silent = !reporting[d]
	}
}

// link finds the rules of one correlation, those of its correlations first.
func (d *draft) link() {
	c := d.corr
	if c.linked || d.bad {
		return
	}
	c.linked, c.linking = true, true
	defer func() { c.linking = false }()
	for _, ref := range c.refs {
		r := d.find(ref)
		if r == nil {
			d.tell(failure, c.line, "it is about the rule %q, and none that is used has this ID or name", ref)
			return
		}
		if r.corr != nil {
			if r.link(); r.corr.linking {
				d.tell(failure, c.line, "it is about the correlation %q, which is about this one: a circle has no beginning; leave one of them out", ref)
				return
			}
		}
		if r.bad {
			d.tell(failure, c.line, "it is about the rule %q, which cannot be used; correct that one", ref)
			return
		}
		c.rules = append(c.rules, r)
	}
	d.resolve()
}

// resolve says how groups and values are read from each rule's events.
func (d *draft) resolve() {
	c, r := d.corr, d.rule.Correlation
	r.GroupBy = c.groupBy
	r.Keys, r.Values = map[string][]detect.Key{}, map[string]detect.Key{}
	if len(c.fields) > 0 {
		r.Field = c.fields[0]
	}
	if len(c.fields) > 1 {
		r.Fields = c.fields
	}
	for _, alias := range sortedKeys(c.aliases) {
		if !slices.Contains(c.groupBy, alias) && !slices.Contains(c.fields, alias) {
			d.tell(warning, c.line, "the alias %q is used by nothing; name it in group-by, or leave it out", alias)
		}
		for _, ref := range sortedKeys(c.aliases[alias]) {
			if of := d.find(ref); of == nil || !slices.Contains(c.rules, of) {
				d.tell(warning, c.line, "the alias %q names the rule %q, which is none of the correlation's", alias, ref)
			}
		}
	}
	severity := 0
	for i, of := range c.rules {
		id := of.rule.ID
		r.Rules = append(r.Rules, id)
		severity = max(severity, slices.Index(detect.Severities, of.rule.Severity))
		r.Keys[id] = []detect.Key{}
		for _, name := range c.groupBy {
			r.Keys[id] = append(r.Keys[id], detect.Key{Name: name, Path: d.member(name, c.refs[i], of)})
		}
		for _, name := range c.fields {
			p := d.member(name, c.refs[i], of)
			switch _, alias := c.aliases[name]; {
			case len(c.fields) == 1:
				r.Values[id] = detect.Key{Name: name, Path: p}
			case alias:
				d.tell(failure, c.line, "the alias %q is one of several fields whose values count together, and those want their own names", name)
			}
		}
	}
	if !d.level {
		d.rule.Severity = detect.Severities[severity]
	}
	if c.of != nil {
		r.Of = d.over(c.of)
	}
}

// member is where a member of the group stands in a rule's events. What a correlation finds has but its group: there it is nil where
// that has the member by an alias.
func (d *draft) member(name, ref string, of *draft) *match.Path {
	field := name
	if alias, ok := d.corr.aliases[name]; ok {
		if field = alias[ref]; field == "" {
			field = alias[of.rule.Name]
		}
		if field == "" {
			field = alias[of.rule.ID]
		}
		if field == "" {
			d.tell(failure, d.corr.line, "the alias %q does not say what it is for the rule %q; add %s: and a field", name, ref, ref)
			return nil
		}
	}
	if of.corr == nil {
		p, err := parsePath(field)
		if err != nil {
			d.tell(failure, d.corr.line, "no event has a field %q to group by or to count; %v", field, err)
		}
		return p
	}
	p, _ := parsePath(field)
	for _, inner := range of.corr.groupBy {
		_, alias := of.corr.aliases[inner]
		if alias && inner == field && field == name {
			return nil
		}
		if alias && inner == field {
			d.tell(failure, d.corr.line, "the correlation %q has %q by an alias, which this one calls %q; call it the same in both", ref, field, name)
			return nil
		}
		if q, err := parsePath(inner); !alias && err == nil && p != nil && p.Name() == q.Name() {
			return p
		}
	}
	d.tell(failure, d.corr.line, "the correlation %q does not group by %q, and what it finds says nothing else of it; add it to its group-by", ref, field)
	return nil
}

// over is an expression over rules as the engine takes it.
func (d *draft) over(e *expr) *detect.RuleExpr {
	if e.op == test {
		return &detect.RuleExpr{Rule: d.find(e.test.Key()).rule.ID}
	}
	var of []*detect.RuleExpr
	for _, c := range e.of {
		of = append(of, d.over(c))
	}
	switch e.op {
	case and:
		return &detect.RuleExpr{And: of}
	case or:
		return &detect.RuleExpr{Or: of}
	}
	return &detect.RuleExpr{Not: of[0]}
}

// print writes all that decides what a correlation finds.
func (c *correlated) print(w *strings.Builder, r *detect.Correlation) {
	fmt.Fprintf(w, "%s %s percent %v compare %v", r.Kind, r.Timespan, r.Percent, r.Compare)
	for _, of := range c.rules {
		fmt.Fprintf(w, "\nrule %q %s", of.rule.ID, of.hash())
		for _, k := range r.Keys[of.rule.ID] {
			fmt.Fprintf(w, "\n by %q %s", k.Name, pathName(k.Path))
		}
		for _, f := range c.fields {
			fmt.Fprintf(w, "\n of %q %s", f, pathName(r.Values[of.rule.ID].Path))
		}
	}
	if c.of != nil {
		w.WriteString("\ncondition ")
		c.of.print(w)
	}
}

func pathName(p *match.Path) string {
	if p == nil {
		return "(its group's)"
	}
	return p.Name()
}
