package sigma

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"annals.dev/internal/detect"
	"annals.dev/internal/match"
)

// correlated is a correlation that is being read.
type correlated struct {
	line     int
	refs     []string // as they were written
	rules    []*draft // what they mean
	groupBy  []string
	fields   []string
	aliases  map[string]map[string]string // alias, reference: field
	generate bool
	of       *expr // of named tests
	linking  bool
	linked   bool
}

var kinds = map[string]detect.CorrelationKind{
	"event_count": detect.EventCount, "value_count": detect.ValueCount, "temporal": detect.Temporal, "temporal_ordered": detect.TemporalOrdered,
	"value_sum": detect.ValueSum, "value_avg": detect.ValueAvg, "value_percentile": detect.ValuePercentile, "value_median": detect.ValueMedian,
	"value_max": detect.ValuePercentile, "value_min": detect.ValuePercentile,
}

// readCorrelation reads the section correlation. What its rules are is seen when all files have been read.
func (d *draft) readCorrelation(n *yaml.Node) {
	c := &correlated{line: n.Line, aliases: map[string]map[string]string{}}
	r := &detect.Correlation{}
	d.corr, d.rule.Correlation = c, r
	if n.Kind != yaml.MappingNode {
		d.tell(failure, n.Line, "correlation is a map with type, rules, group-by, timespan and condition")
		return
	}
	for k := range pairs(n) {
		if !slices.Contains([]string{"type", "rules", "group-by", "timespan", "condition", "aliases", "generate"}, k.Value) {
			d.tell(warning, k.Line, "correlation has no %q; there are type, rules, group-by, timespan, condition, aliases and generate", k.Value)
		}
	}
	name := text(get(n, "type"))
	kind, ok := kinds[name]
	if !ok {
		d.tell(failure, n.Line, "correlation type %q is none; it is one of event_count, value_count, temporal, temporal_ordered, value_sum, value_avg, value_median, value_percentile, value_min and value_max", name)
		return
	}
	r.Kind = kind
	if rules := get(n, "rules"); rules != nil {
		for _, ref := range texts(rules) {
			if slices.Contains(c.refs, ref) {
				d.tell(failure, rules.Line, "the rule %q stands twice among the rules; leave one of them out", ref)
			}
			c.refs = append(c.refs, ref)
		}
	}
	c.groupBy = texts(get(n, "group-by"))
	d.readTimespan(n)
	d.readAliases(get(n, "aliases"))
	for _, g := range []*yaml.Node{get(n, "generate"), get(d.doc.root, "generate")} {
		if g != nil && g.Tag != "!!bool" {
			d.tell(failure, g.Line, "generate is true or false")
		}
		c.generate = c.generate || strings.EqualFold(text(g), "true")
	}
	d.readThreshold(name, n, get(n, "condition"))
	if len(c.refs) == 0 {
		d.tell(failure, n.Line, "the correlation says no rules; list the IDs or names of those it is about")
	}
}

var timespan = regexp.MustCompile(`^(\d{1,9})([smhdw])$`)

// longest is how long a timespan may be.
const longest = 366 * 24 * time.Hour

func (d *draft) readTimespan(n *yaml.Node) {
	v := get(n, "timespan")
	if v == nil {
		d.tell(failure, n.Line, "the correlation has no timespan; write one such as timespan: 10m")
		return
	}
	m := timespan.FindStringSubmatch(text(v))
	if m == nil {
		d.tell(failure, v.Line, "timespan %q is none; write a number and one of s, m, h, d and w, such as 90m", text(v))
		return
	}
	count, _ := strconv.Atoi(m[1])
	unit := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour}[m[2]]
	if count == 0 || count > int(longest/unit) {
		d.tell(failure, v.Line, "timespan %s is out of range; it is more than nothing and at most 366d", text(v))
		return
	}
	d.rule.Correlation.Timespan = time.Duration(count) * unit
}

func (d *draft) readAliases(n *yaml.Node) {
	if n != nil && !isNull(n) && n.Kind != yaml.MappingNode {
		d.tell(failure, n.Line, "aliases is a map of names, each a map of rules and their fields")
	}
	for alias, v := range pairs(n) {
		if v.Kind != yaml.MappingNode {
			d.tell(failure, v.Line, "alias %q is a map of rules and their fields", alias.Value)
			continue
		}
		of := map[string]string{}
		for k, f := range pairs(v) {
			of[k.Value] = text(f)
		}
		d.corr.aliases[alias.Value] = of
	}
}

var operators = []string{"gt", "gte", "lt", "lte", "eq", "neq"}

// readThreshold reads the condition: a comparison, or an expression over the rules.
func (d *draft) readThreshold(kind string, n, v *yaml.Node) {
	c, r := d.corr, d.rule.Correlation
	temporal := r.Kind == detect.Temporal || r.Kind == detect.TemporalOrdered
	switch {
	case v == nil && temporal:
		return
	case v == nil:
		d.tell(failure, n.Line, "the correlation has no condition; write one such as condition: {gte: 10}")
		return
	case v.Kind == yaml.ScalarNode && temporal:
		d.readExtended(v)
		return
	case v.Kind != yaml.MappingNode:
		d.tell(failure, v.Line, "the condition of %s is a map such as {gte: 10}", kind)
		return
	}
	percent := ""
	for k, of := range pairs(v) {
		switch {
		case slices.Contains(operators, k.Value):
			f, err := number(text(of))
			if err != nil || of.Tag == "!!str" {
				d.tell(failure, of.Line, "%s wants a number, and %q is none", k.Value, text(of))
				continue
			}
			r.Compare = append(r.Compare, detect.Comparison{Op: k.Value, N: f})
		case k.Value == "field":
			c.fields = texts(of)
		case k.Value == "percentile":
			percent = text(of)
		default:
			d.tell(failure, k.Line, "a correlation's condition has no %q; there are %s, field and percentile", k.Value, strings.Join(operators, ", "))
		}
	}
	d.checkThreshold(kind, percent, v.Line)
}

func (d *draft) checkThreshold(kind, percent string, line int) {
	c, r := d.corr, d.rule.Correlation
	if len(r.Compare) == 0 {
		d.tell(failure, line, "the condition compares with nothing; write one of %s and a number", strings.Join(operators, ", "))
	}
	counts := strings.HasPrefix(kind, "value_")
	switch {
	case counts && len(c.fields) == 0:
		d.tell(failure, line, "%s wants a field in its condition: the one whose values count", kind)
	case len(c.fields) > 1 && kind != "value_count":
		d.tell(failure, line, "%s wants one field; only value_count counts what several have together", kind)
	case !counts && len(c.fields) > 0:
		d.tell(warning, line, "%s counts requests, and no values; field does nothing here: write value_count, or leave it out", kind)
		c.fields = nil
	}
	switch {
	case kind == "value_max":
		r.Percent = 100
	case kind == "value_percentile" && percent == "":
		r.Percent = 50
		d.tell(warning, line, "the condition says no percentile, so it is 50, the median; write percentile: 95")
	case kind == "value_percentile":
		p, err := strconv.ParseFloat(percent, 64)
		if err != nil || !(p >= 0 && p <= 100) {
			d.tell(failure, line, "percentile %q is none; it is a number from 0 to 100", percent)
		}
		r.Percent = p
	case percent != "":
		d.tell(warning, line, "%s has no percentile; it does nothing here: write value_percentile, or leave it out", kind)
	}
}

// readExtended reads a condition over rules.
func (d *draft) readExtended(v *yaml.Node) {
	c := d.corr
	listed := c.refs != nil // in the order that temporal_ordered asks for
	var named []string
	e, err := parseCondition(text(v), func(name string) (*expr, error) {
		if listed && !slices.Contains(c.refs, name) {
			return nil, fmt.Errorf("%q is none of the correlation's rules; there are %s", name, strings.Join(c.refs, ", "))
		}
		if !slices.Contains(named, name) {
			named = append(named, name)
		}
		return leaf(never{name, ""}), nil
	}, nil)
	if err != nil {
		d.tell(failure, v.Line, "condition: %v", err)
		return
	}
	for _, r := range c.refs {
		if !slices.Contains(named, r) {
			d.tell(failure, v.Line, "the condition does not name the rule %q; name it, or leave it out of rules", r)
		}
	}
	if c.of = e; !listed {
		c.refs = named
	}
}

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
		for j, name := range c.fields {
			at := id
			if j > 0 {
				at += "|" + name
			}
			r.Values[at] = detect.Key{Name: name, Path: d.member(name, c.refs[i], of)}
		}
	}
	if !d.level {
		d.rule.Severity = detect.Severities[severity]
	}
	if c.of != nil {
		r.Of = d.over(c.of)
	}
}

// member is where a member of the group stands in a rule's events. It is nil where the rule is a correlation that has one of this
// name itself, by an alias: then it is that of its group.
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
	if of.corr != nil && slices.Contains(of.corr.groupBy, field) {
		if _, alias := of.corr.aliases[field]; alias {
			return nil
		}
	}
	p, err := match.ParsePath(field)
	if err != nil || field == "apiGroup" {
		to := meant[field]
		if to == "" {
			d.tell(failure, d.corr.line, "no event has a field %q to group by or to count: %v", field, err)
		} else {
			d.tell(failure, d.corr.line, "no event has a field %q to group by or to count; write %s", field, to)
		}
	}
	return p
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
		for i, f := range c.fields {
			at := of.rule.ID
			if i > 0 {
				at += "|" + f
			}
			fmt.Fprintf(w, "\n of %q %s", f, pathName(r.Values[at].Path))
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
