package sigma

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"annals.dev/internal/detect"
	"github.com/google/go-cmp/cmp"
)

// base are rules that correlations are about.
const base = `title: Denied
id: 11111111-0000-4000-8000-000000000001
name: denied
level: low
logsource: {product: kubernetes, service: audit}
detection: {a: {responseStatus.code: 403}, condition: a}
---
title: Secret read
id: 11111111-0000-4000-8000-000000000002
name: secret_read
level: medium
logsource: {product: kubernetes, service: audit}
detection: {a: {objectRef.resource: secrets, verb: get}, condition: a}
---
title: Broken
name: broken
level: high
logsource: {product: kubernetes, service: audit}
detection: {a: {verb|no: get}, condition: a}
---
`

const denied, secretRead = "11111111-0000-4000-8000-000000000001", "11111111-0000-4000-8000-000000000002"

// compiled is a correlation as one text.
func compiled(c *detect.Correlation) string {
	var w strings.Builder
	fmt.Fprintf(&w, "%s %v", c.Kind, c.Timespan)
	for _, x := range c.Compare {
		fmt.Fprintf(&w, " %s %v", x.Op, x.N)
	}
	if c.Percent != 0 {
		fmt.Fprintf(&w, " p%v", c.Percent)
	}
	for _, id := range c.Rules {
		fmt.Fprintf(&w, "\n%s", id[max(0, len(id)-1):])
		for _, k := range c.Keys[id] {
			fmt.Fprintf(&w, " %s=%s", k.Name, pathName(k.Path))
		}
		if v, ok := c.Values[id]; ok {
			fmt.Fprintf(&w, " value %s=%s", v.Name, pathName(v.Path))
		}
	}
	if c.Fields != nil {
		fmt.Fprintf(&w, "\nfields %v", c.Fields)
	}
	if c.Of != nil {
		fmt.Fprintf(&w, "\nof %s", over(c.Of))
	}
	return w.String()
}

func over(x *detect.RuleExpr) string {
	list := func(name string, of []*detect.RuleExpr) string {
		var all []string
		for _, x := range of {
			all = append(all, over(x))
		}
		return name + "(" + strings.Join(all, " ") + ")"
	}
	switch {
	case x.Rule != "":
		return x.Rule[len(x.Rule)-1:]
	case x.And != nil:
		return list("and", x.And)
	case x.Or != nil:
		return list("or", x.Or)
	}
	return list("not", []*detect.RuleExpr{x.Not})
}

// TestCorrelations has a row for every type and every form of condition.
func TestCorrelations(t *testing.T) {
	for _, c := range []struct{ correlation, want string }{
		{"type: event_count\nrules: [denied]\ngroup-by: [user.username]\ntimespan: 10m\ncondition: {gte: 10}",
			"event_count 10m0s gte 10\n1 user.username=user.username"},
		{"type: event_count\nrules: " + denied + "\ngroup-by: user\ntimespan: 30s\ncondition: {gt: 100, lte: 200}",
			"event_count 30s gt 100 lte 200\n1 user=user.username"},
		{"type: event_count\nrules: [denied, secret_read]\ntimespan: 2h\ncondition: {neq: 5}", "event_count 2h0m0s neq 5\n1\n2"},
		{"type: event_count\nrules: [denied]\ntimespan: 1d\ncondition: {lt: 5}", "event_count 24h0m0s lt 5\n1"},
		{"type: event_count\nrules: [denied]\ntimespan: 1w\ncondition: {eq: 5}", "event_count 168h0m0s eq 5\n1"},
		{"type: value_count\nrules: [secret_read]\ngroup-by: [peer]\ntimespan: 1h\ncondition: {field: name, gte: 20}",
			"value_count 1h0m0s gte 20\n2 peer=peer value name=objectRef.name"},
		{"type: value_count\nrules: [secret_read]\ntimespan: 1h\ncondition: {field: [ns, name], gte: 20}",
			"value_count 1h0m0s gte 20\n2\nfields [ns name]"},
		{"type: value_sum\nrules: [denied]\ntimespan: 1h\ncondition: {field: latency, gt: 1.5}", "value_sum 1h0m0s gt 1.5\n1 value latency=latency"},
		{"type: value_avg\nrules: [denied]\ntimespan: 1h\ncondition: {field: latency, gt: 1}", "value_avg 1h0m0s gt 1\n1 value latency=latency"},
		{"type: value_median\nrules: [denied]\ntimespan: 1h\ncondition: {field: latency, gt: 1}", "value_median 1h0m0s gt 1\n1 value latency=latency"},
		{"type: value_percentile\nrules: [denied]\ntimespan: 1h\ncondition: {field: latency, percentile: 95, gt: 1}", "value_percentile 1h0m0s gt 1 p95\n1 value latency=latency"},
		{"type: value_max\nrules: [denied]\ntimespan: 1h\ncondition: {field: latency, gt: 1}", "value_percentile 1h0m0s gt 1 p100\n1 value latency=latency"},
		{"type: value_min\nrules: [denied]\ntimespan: 1h\ncondition: {field: latency, gt: 1}", "value_percentile 1h0m0s gt 1\n1 value latency=latency"},
		{"type: temporal\nrules: [denied, secret_read]\ngroup-by: [user.username, ns]\ntimespan: 5m",
			"temporal 5m0s\n1 user.username=user.username ns=objectRef.namespace\n2 user.username=user.username ns=objectRef.namespace"},
		{"type: temporal\nrules: [denied, secret_read]\ntimespan: 5m\ncondition: {gte: 1}", "temporal 5m0s gte 1\n1\n2"},
		{"type: temporal\nrules: [denied, secret_read]\ntimespan: 5m\ncondition: denied and not secret_read", "temporal 5m0s\n1\n2\nof and(1 not(2))"},
		{"type: temporal\ntimespan: 5m\ncondition: (secret_read OR denied) and denied", "temporal 5m0s\n2\n1\nof and(or(2 1) 1)"},
		{"type: temporal_ordered\nrules: [secret_read, denied]\ntimespan: 5m", "temporal_ordered 5m0s\n2\n1"},
		{"type: temporal_ordered\nrules: [secret_read, denied]\ntimespan: 5m\ncondition: {gte: 2}", "temporal_ordered 5m0s gte 2\n2\n1"},
		{"type: temporal_ordered\nrules: [secret_read, denied]\ntimespan: 5m\ncondition: denied and secret_read", "temporal_ordered 5m0s\n2\n1\nof and(1 2)"},
		{"type: temporal\nrules: [denied, secret_read]\ngroup-by: [who]\naliases: {who: {denied: as, secret_read: user}}\ntimespan: 5m",
			"temporal 5m0s\n1 who=impersonatedUser.username\n2 who=user.username"},
		{"type: temporal\nrules: [" + denied + ", secret_read]\ngroup-by: [who]\naliases: {who: {denied: as, " + secretRead + ": user.username}}\ntimespan: 5m",
			"temporal 5m0s\n1 who=impersonatedUser.username\n2 who=user.username"},
		{"type: value_count\nrules: [denied]\naliases: {what: {denied: name}}\ntimespan: 5m\ncondition: {field: what, gte: 2}",
			"value_count 5m0s gte 2\n1 value what=objectRef.name"},
	} {
		rules, problems := parseText(base+"title: C\nid: c\ncorrelation:\n"+indent(c.correlation, "  "), nil)
		if len(rules) != 3 || len(problems) != 1 {
			t.Errorf("%s\n%d rules, problems:\n%s", c.correlation, len(rules), show(problems))
			continue
		}
		if diff := cmp.Diff(c.want, compiled(rules[2].Correlation)); diff != "" {
			t.Errorf("%s\n%s", c.correlation, diff)
		}
	}
}

func TestCorrelationProblems(t *testing.T) {
	many := make([]string, 65)
	for i := range many {
		many[i] = fmt.Sprint("r", i)
	}
	for _, c := range []struct {
		correlation, kind, want string
	}{
		{"[a]", failure, "correlation is a map"},
		{"{}", failure, `correlation type "" is none`},
		{"{type: near, rules: [denied], timespan: 1m, condition: {gte: 1}}", failure, `correlation type "near" is none; it is one of`},
		{"{type: event_count, timespan: 1m, condition: {gte: 1}}", failure, "says no rules"},
		{"{type: event_count, rules: [denied, denied], timespan: 1m, condition: {gte: 1}}", failure, "stands twice"},
		{"{type: event_count, rules: [nobody], timespan: 1m, condition: {gte: 1}}", failure, `about the rule "nobody", and none`},
		{"{type: event_count, rules: [broken], timespan: 1m, condition: {gte: 1}}", failure, `"broken", which cannot be used`},
		{"{type: event_count, rules: [c], timespan: 1m, condition: {gte: 1}}", failure, "a circle has no beginning"},
		{"{type: event_count, rules: [" + strings.Join(many, ", ") + "], timespan: 1m, condition: {gte: 1}}", failure, "may be about 64"},
		{"{type: event_count, rules: [denied], condition: {gte: 1}}", failure, "has no timespan"},
		{"{type: event_count, rules: [denied], timespan: 5, condition: {gte: 1}}", failure, `timespan "5" is none; write a number and one of`},
		{"{type: event_count, rules: [denied], timespan: 1h30m, condition: {gte: 1}}", failure, "such as 90m"},
		{"{type: event_count, rules: [denied], timespan: 0s, condition: {gte: 1}}", failure, "out of range"},
		{"{type: event_count, rules: [denied], timespan: 367d, condition: {gte: 1}}", failure, "at most 366d"},
		{"{type: event_count, rules: [denied], timespan: 1m}", failure, "has no condition"},
		{"{type: event_count, rules: [denied], timespan: 1m, condition: {}}", failure, "compares with nothing"},
		{"{type: event_count, rules: [denied], timespan: 1m, condition: denied}", failure, "is a map such as"},
		{"{type: event_count, rules: [denied], timespan: 1m, condition: {gte: ten}}", failure, `"ten" is none`},
		{"{type: event_count, rules: [denied], timespan: 1m, condition: {over: 1, gte: 1}}", failure, `condition has no "over"`},
		{"{type: value_count, rules: [denied], timespan: 1m, condition: {gte: 1}}", failure, "value_count wants a field"},
		{"{type: value_sum, rules: [denied], timespan: 1m, condition: {field: [a, b], gte: 1}}", failure, "wants one field"},
		{"{type: value_sum, rules: [denied], timespan: 1m, condition: {field: hostPath, gte: 1}}", failure, `no event has a field "hostPath"`},
		{"{type: value_percentile, rules: [denied], timespan: 1m, condition: {field: latency, percentile: 101, gte: 1}}", failure, "from 0 to 100"},
		{"{type: event_count, rules: [denied], group-by: [apiGroup], timespan: 1m, condition: {gte: 1}}", failure, "write objectRef.apiGroup"},
		{"{type: event_count, rules: [denied], group-by: [computer], timespan: 1m, condition: {gte: 1}}", failure, `no event has a field "computer"`},
		{"{type: temporal, rules: [denied, secret_read], group-by: [who], aliases: {who: {denied: user}}, timespan: 1m}", failure, `does not say what it is for the rule "secret_read"`},
		{"{type: value_count, rules: [denied], aliases: {what: {denied: name}}, timespan: 1m, condition: {field: [what, ns], gte: 1}}", failure, "want their own names"},
		{"{type: temporal, rules: [denied, secret_read], aliases: [a], timespan: 1m}", failure, "aliases is a map"},
		{"{type: temporal, rules: [denied, secret_read], aliases: {who: user}, timespan: 1m}", failure, `alias "who" is a map`},
		{"{type: temporal, rules: [denied], timespan: 1m, condition: denied and secret_read}", failure, "none of the correlation's rules"},
		{"{type: temporal, rules: [denied, secret_read], timespan: 1m, condition: denied}", failure, `does not name the rule "secret_read"`},
		{"{type: temporal, rules: [denied], timespan: 1m, condition: denied and}", failure, "ends where a name should"},
		{"{type: temporal_ordered, rules: [denied, secret_read], timespan: 1m, condition: denied or secret_read}", failure, "write temporal"},
		{"{type: temporal_ordered, rules: [denied, secret_read], timespan: 1m, condition: {gte: 1}}", failure, "write temporal"},
		{"{type: temporal, rules: [denied], timespan: 1m, generate: maybe}", failure, "generate is true or false"},
		{"{type: temporal, rules: [denied], timespan: 1m, window: x}", warning, `correlation has no "window"`},
		{"{type: event_count, rules: [denied], timespan: 1m, condition: {field: verb, gte: 1}}", warning, "field does nothing here"},
		{"{type: event_count, rules: [denied], timespan: 1m, condition: {percentile: 5, gte: 1}}", warning, "has no percentile"},
		{"{type: value_percentile, rules: [denied], timespan: 1m, condition: {field: latency, gte: 1}}", warning, "so it is 50"},
		{"{type: temporal, rules: [denied], aliases: {who: {denied: user}}, timespan: 1m}", warning, "used by nothing"},
		{"{type: temporal, rules: [denied], group-by: [who], aliases: {who: {denied: user, secret_read: user}}, timespan: 1m}", warning, "none of the correlation's"},
	} {
		rules, problems := parseText(base+"title: C\nid: c\ncorrelation: "+c.correlation+"\n", nil)
		if (len(rules) == 3) == (c.kind == failure) {
			t.Errorf("%s: %d rules", c.correlation, len(rules))
		}
		if len(problems) != 2 || problems[1].Kind != c.kind || problems[1].Line != 23 || !strings.Contains(problems[1].Message, c.want) {
			t.Errorf("%s\n%s\nwant line 23: %s: …%s…", c.correlation, show(problems), c.kind, c.want)
		}
	}
}

// TestChain reads correlations over correlations, whichever comes first and in whatever file.
func TestChain(t *testing.T) {
	outer := "title: Outer\nid: outer\ncorrelation:\n  type: temporal_ordered\n  rules: [inner, secret_read]\n  group-by: [who]\n  aliases: {who: {inner: who, secret_read: user.username}}\n  timespan: 1h\n"
	inner := "title: Inner\nid: inner-id\nname: inner\nlevel: high\ncorrelation:\n  type: event_count\n  rules: [denied]\n  group-by: [who]\n  aliases: {who: {denied: as}}\n  generate: true\n  timespan: 10m\n  condition: {gte: 3}\n"
	a, pa := Parse([]detect.File{{Name: "1.yml", Data: []byte(outer)}, {Name: "2.yml", Data: []byte(inner)}, {Name: "3.yml", Data: []byte(base)}}, Options{})
	b, pb := Parse([]detect.File{{Name: "3.yml", Data: []byte(base)}, {Name: "2.yml", Data: []byte(inner)}, {Name: "1.yml", Data: []byte(outer)}}, Options{})
	if len(a) != 4 || len(b) != 4 || len(pa) != 1 || len(pb) != 1 {
		t.Fatalf("%d and %d rules, problems:\n%s%s", len(a), len(b), show(pa), show(pb))
	}
	if diff := cmp.Diff("temporal_ordered 1h0m0s\nd who=(its group's)\n2 who=user.username", compiled(a[0].Correlation)); diff != "" {
		t.Error(diff)
	}
	versions := map[string]string{}
	for _, r := range a {
		versions[r.ID] = r.Version
	}
	for _, r := range b {
		if versions[r.ID] != r.Version {
			t.Errorf("the version of %s depends on the order of files", r.ID)
		}
	}
	for change, want := range map[string]string{
		"group-by: [who, peer]":  `does not group by "peer"`,
		"{inner: person, secret": `does not group by "person"`,
		"group-by: [ns]":         `does not group by "ns"`,
		"group-by: [user]":       `does not group by "user"`,
		"{inner: who, secret":    "", // as it is
		"group-by: [whom]":       `calls it`,
	} {
		changed := outer
		switch {
		case strings.HasPrefix(change, "{"):
			changed = strings.Replace(outer, "{inner: who, secret", change, 1)
		case strings.Contains(change, "whom"):
			changed = strings.Replace(strings.Replace(outer, "group-by: [who]", change, 1), "{who: {", "{whom: {", 1)
			want = `by an alias, which this one calls "whom"`
		default:
			changed = strings.Replace(outer, "group-by: [who]", change, 1)
		}
		_, problems := parseText(changed+"---\n"+inner+"---\n"+base, nil)
		if got := show(problems[:len(problems)-1]); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%s: %s\nwant %s", change, got, want)
		}
	}
	// A correlation without a level has the highest of its rules; what it is about reports only where a correlation generates.
	silent := map[string]bool{}
	for _, r := range a {
		silent[r.ID] = r.Silent
	}
	if diff := cmp.Diff(map[string]bool{"outer": false, "inner-id": true, denied: false, secretRead: true}, silent); diff != "" {
		t.Error(diff)
	}
	if a[0].Severity != detect.High || a[0].Correlation.Timespan != time.Hour {
		t.Errorf("%+v", a[0])
	}
}
