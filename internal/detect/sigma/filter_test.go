package sigma

import (
	"strings"
	"testing"
)

const filtered = `title: Secret read
id: r1
name: secret_read
logsource: {product: kubernetes, service: audit}
detection: {a: {objectRef.resource: secrets}, condition: a}
---
title: In the application's category
id: r2
logsource: {category: application, product: kubernetes, service: audit}
detection: {a: {objectRef.resource: secrets}, condition: a}
---
title: Many
id: c
correlation: {type: event_count, rules: [r1], timespan: 1m, condition: {gte: 5}}
---
`

// TestFilters has a row for every way in which a filter names its rules, and for both ways in which its condition is written.
func TestFilters(t *testing.T) {
	const eve, backup = `{"objectRef":{"resource":"secrets"},"user":{"username":"eve"}}`, `{"objectRef":{"resource":"secrets"},"user":{"username":"backup-1"}}`
	for _, c := range []struct {
		filter string
		rules  string // those that leave the backup's events out
		want   string // the problem
	}{
		{"{rules: [r1], selection: {user.username|startswith: backup}, condition: selection}", "r1", ""},
		{"{rules: r1, selection: {user.username|startswith: backup}, condition: selection}", "r1", ""},
		{"{rules: [secret_read, r2], selection: {user.username|startswith: backup}, condition: selection}", "r1 r2", ""},
		{"{rules: any, selection: {user.username|startswith: backup}, condition: selection}", "r1 r2", ""},
		{"{rules: all, selection: {user.username|startswith: backup}, condition: selection}", "r1 r2", ""},
		{"{rules: [], selection: {user.username|startswith: backup}, condition: selection}", "r1 r2", ""},
		{"{rules: any, selection: {user.username|startswith: backup}, condition: not selection}", "r1 r2", "note read as pySigma does"},
		{"{rules: any, a: {user.username: backup-1}, b: {verb: list}, condition: not a and not b}", "r1 r2", "note read as pySigma does"},
		{"{rules: any, s1: {user.username: backup-1}, s2: {verb: list}, condition: 1 of s*}", "r1 r2", ""},
		{"{rules: any, a: {user.username: backup-1}, b: {verb: list}, condition: not a or b}", "r1 r2", "note read as pySigma does"},
		{"{rules: any, a: {user.username: backup-1}, b: {verb: list}, condition: a and not b}", "r1 r2", ""},
		{"{rules: any, a: {user.username|neq: eve}, condition: a}", "r1 r2", ""},
		{"{rules: [r1], a: {objectRef.resource: secrets, verb: list}, b: {user.username: backup-1}, condition: all of them}", "", ""},
		{"{rules: [r3], selection: {verb: get}, condition: selection}", "", `warning the filter names the rule "r3", and there is none`},
		{"{rules: [c], selection: {verb: get}, condition: selection}", "", `warning the filter names "c", a correlation`},
		{"{selection: {verb: get}, condition: selection}", "", "error the filter says no rules"},
		{"{rules: {a: b}, selection: {verb: get}, condition: selection}", "", "error rules is a list"},
		{"{rules: any, selection: {verb: get}}", "", "error there is no condition"},
		{"{rules: any, condition: x}", "", "error there are no selections"},
		{"[rules]", "", "error filter is a map"},
	} {
		rules, problems := parseText(filtered+"title: F\nid: f\nlogsource: {product: kubernetes, service: audit}\nfilter: "+c.filter+"\n", nil)
		if len(rules) != 3 {
			t.Errorf("%s: %d rules\n%s", c.filter, len(rules), show(problems))
			continue
		}
		var out []string
		for _, r := range rules[:2] {
			if !r.Where.Match(row(t, eve)) {
				t.Errorf("%s: %s does not match what no filter is about", c.filter, r.ID)
			}
			if !r.Where.Match(row(t, backup)) {
				out = append(out, r.ID)
			}
		}
		if got := strings.Join(out, " "); got != c.rules {
			t.Errorf("%s: it counts in %q, want %q", c.filter, got, c.rules)
		}
		kind, message, _ := strings.Cut(c.want, " ")
		if c.want == "" && len(problems) > 0 || c.want != "" && (len(problems) != 1 || problems[0].Kind != kind || !strings.Contains(problems[0].Message, message)) {
			t.Errorf("%s: %s\nwant %s", c.filter, show(problems), c.want)
		}
	}
}

// TestFilterSource: a filter counts where all that its log source names is what the rule's is.
func TestFilterSource(t *testing.T) {
	for _, c := range []struct{ source, rules, want string }{
		{"{product: kubernetes}", "r1 r2", ""},
		{"{product: kubernetes, service: audit}", "r1 r2", ""},
		{"{category: application, product: kubernetes}", "r2", ""},
		{"{product: windows}", "", "for another log"},
	} {
		rules, problems := parseText(filtered+"title: F\nid: f\nlogsource: "+c.source+"\nfilter: {rules: any, a: {objectRef.resource: secrets}, condition: a}\n", nil)
		var out []string
		for _, r := range rules[:2] {
			if !r.Where.Match(row(t, `{"objectRef":{"resource":"secrets"}}`)) {
				out = append(out, r.ID)
			}
		}
		if got := strings.Join(out, " "); got != c.rules {
			t.Errorf("%s: it counts in %q, want %q", c.source, got, c.rules)
		}
		if !strings.Contains(show(problems), c.want) {
			t.Errorf("%s: %s", c.source, show(problems))
		}
	}
	_, problems := parseText(filtered+"title: F\nlogsource: {product: kubernetes}\nfilter: {rules: [r1], a: {objectRef.resource: secrets}, condition: a}\n", nil)
	if got := show(problems); !strings.Contains(got, "leaves nothing of the rule") {
		t.Errorf("of one that leaves nothing: %s", got)
	}
	_, problems = parseText(filtered+"title: F\nlogsource: {category: application, product: kubernetes}\nfilter: {rules: [r1], a: {verb: get}, condition: a}\n", nil)
	if got := show(problems); !strings.Contains(got, "so it does not count there") {
		t.Errorf("of a rule that it names and does not fit: %s", got)
	}
}
