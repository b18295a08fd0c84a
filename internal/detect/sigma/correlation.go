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
	switch n := n.Line; {
	case len(c.refs) == 0:
		d.tell(failure, n, "the correlation says no rules; list the IDs or names of those it is about")
	case len(c.refs) > maxRules:
		d.tell(failure, n, "the correlation is about %d rules, and may be about %d; make several of it, and one about those", len(c.refs), maxRules)
	case kind == detect.TemporalOrdered && !c.all(r.Compare):
		d.tell(failure, n, "temporal_ordered asks for all of its rules, in their order; for some of them, or for their absence, write temporal")
	}
}

// maxRules is how many rules a correlation may be about.
const maxRules = 64

// all says whether the condition asks for all of the rules, as it does where there is none.
func (c *correlated) all(compare []detect.Comparison) bool {
	if c.of != nil {
		return !slices.ContainsFunc(c.of.conjuncts(nil), func(e *expr) bool { return e.op != test })
	}
	n := float64(len(c.refs))
	for _, x := range compare {
		if !(x.Op == "gte" && x.N == n || x.Op == "eq" && x.N == n || x.Op == "gt" && x.N == n-1) {
			return false
		}
	}
	return true
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
