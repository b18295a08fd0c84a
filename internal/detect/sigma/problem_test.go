package sigma

import (
	"fmt"
	"strings"
	"testing"

	"annals.dev/internal/detect"
)

// TestSelectionProblems has a row for every error and warning of a selection: the message ends with a remedy.
func TestSelectionProblems(t *testing.T) {
	for _, c := range []struct {
		selection string
		line      int // of the file; a selection begins in line 6
		kind      string
		want      string
	}{
		{`verb|begins: get`, 6, failure, `verb|begins: unknown modifier "begins"; there are all, contains`},
		{`verb|not: get`, 6, failure, "write neq"},
		{`verb|startwith: get`, 6, failure, "did you mean startswith?"},
		{`verb|contains|contains: get`, 6, failure, "stands twice"},
		{`verb|i: get`, 6, failure, "write re|i"},
		{`verb|contains|startswith: get`, 6, failure, "exclude each other"},
		{`verb|gt|lt: 1`, 6, failure, "exclude each other"},
		{`verb|hour|day: 1`, 6, failure, "exclude each other"},
		{`verb|exists|contains: true`, 6, failure, "exists and contains do not go together"},
		{`verb|exists: 'true'`, 6, failure, "wants true or false"},
		{`verb|exists: [true, false]`, 6, failure, "wants true or false"},
		{`verb|re|cased: a`, 6, failure, "re and cased do not go together"},
		{`verb|re|base64: a`, 6, failure, "re and base64"},
		{`verb|re|cidr: a`, 6, failure, "re and cidr"},
		{`verb|re: '('`, 6, failure, "missing closing"},
		{`verb|re: '(?=a)'`, 6, failure, "without look-around"},
		{`verb|re: '(a{1000}){1000}'`, 6, failure, "invalid repeat count"},
		{`verb|re: '(abcdefghij){900}(abcdefghij){900}(abcdefghij){900}(abcdefghij){900}(abcdefghij){900}'`, 6, failure, "split the rule"},
		{`verb|re: '` + strings.Repeat("a", 5000) + `'`, 6, failure, "may have 4096"},
		{`sourceIPs|cidr|contains: 10.0.0.0/8`, 6, failure, "cidr and contains"},
		{`sourceIPs|cidr: ten`, 6, failure, `"ten" is no network; write one like 10.0.0.0/8`},
		{`sourceIPs|cidr: '::ffff:10.0.0.0/104'`, 6, failure, "as IPv4"},
		{`sourceIPs|cidr: 10`, 6, failure, "put it in quotes"},
		{`verb|contains|base64: a`, 6, failure, "write base64|contains"},
		{`verb|base64: 'a*'`, 6, failure, "cannot encode wildcards"},
		{`verb|windash: '-a -a -a -a -a -a -a -a'`, 6, failure, "write fewer dashes"},
		{`userAgent|contains: 5`, 6, failure, "put it in quotes"},
		{`userAgent|contains: true`, 6, failure, "is neither"},
		{`responseStatus.code|gte: '400'`, 6, failure, "leave the quotes out"},
		{`responseStatus.code|gte: .inf`, 6, failure, "is none"},
		{`responseStatus.code|gte|contains: 4`, 6, failure, "gte and contains"},
		{`time|hour: 24`, 6, failure, "hour is a number from 0 to 23"},
		{`time|hour: ten`, 6, failure, "leave the quotes out"},
		{`time|month: 0`, 6, failure, "from 1 to 12"},
		{`time|hour|base64: 1`, 6, failure, "hour and base64"},
		{`verb|fieldref: 'a*'`, 6, failure, "without wildcards"},
		{`verb|fieldref: 5`, 6, failure, "the name of a field"},
		{`verb|fieldref|expand: a`, 6, failure, "fieldref and expand"},
		{`verb: [get, null]`, 6, failure, "null is a value of its own"},
		{`verb|contains: null`, 6, failure, "no modifier but neq"},
		{`verb: []`, 6, failure, "empty list"},
		{`verb: {a: b}`, 6, failure, "write its members as fields"},
		{"verb:\n  - [a]", 7, failure, "list within a list"},
		{`{}`, 6, failure, "is empty"},
		{`[]`, 6, failure, "is empty"},
		{`null`, 6, failure, "is empty"},
		{`- [a]`, 6, failure, "this is neither"},
		{"verb: get\nverb: list", 7, failure, "stands twice in one map"},
		{`user.username|expand: '%nobody%'`, 6, failure, "placeholder %nobody% is not configured; add it to rules.placeholders"},
		{`'|startswith': a`, 6, failure, "needs a field"},
		{`'|exists': true`, 6, failure, "needs a field"},
		{`- ''`, 6, failure, "stands in every event"},

		{`user.username|expand: alice`, 6, warning, "finds no placeholder"},
		{"user.username|expand: '%none%'", 6, note, "without values"},
		{`userAgent|contains|all: a`, 6, warning, "leave all out"},
		{"verb: get\nuserAgent: x\nhostPath: '*'", 8, warning, `no audit event has a field "hostPath", so no event passes this test; write pod.hostPath`},
		{`apiGroup: apps`, 6, warning, "write objectRef.apiGroup"},
		{`capabilities: '*'`, 6, warning, "write pod.capability"},
		{`objectRef.resorce: pods`, 6, warning, `no audit event has a field "objectRef.resorce"`},
		{`user.username|fieldref: nothing`, 6, warning, `no audit event has a field "nothing"`},
		{"verb:\n  - create\n  - replace", 8, warning, `no audit event has the verb "replace"; there are get`},
		{`verb|startswith: escal`, 6, warning, `no audit event has the verb`},
		{`responseStatus.code: ALLOW`, 6, warning, `the code of an audit event is a number, never "ALLOW"`},
	} {
		t.Run(c.selection, func(t *testing.T) {
			rules, problems := parseText(ruleText(c.selection), testPlaceholders)
			if (c.kind == failure) == (len(rules) == 1) {
				t.Errorf("%d rules are used", len(rules))
			}
			if len(problems) == 0 || problems[0].Kind != c.kind || problems[0].Line != c.line || !strings.Contains(problems[0].Message, c.want) ||
				problems[0].Rule != "r" || problems[0].File != "rules.yml" {
				t.Errorf("%s\nwant line %d: %s: …%s…", show(problems), c.line, c.kind, c.want)
			}
		})
	}
}

// TestNeverTrue finds conditions that no event, or every event, can meet.
func TestNeverTrue(t *testing.T) {
	const none, every = "never finds anything", "finds everything"
	for _, c := range []struct{ detection, want string }{
		{"a: {hostPath: x}\ncondition: a", none},
		{"a: {hostPath: x}\nb: {verb: get}\ncondition: a or b", ""},
		{"a: {hostPath: x}\nb: {verb: get}\ncondition: a and b", none},
		{"a: {hostPath: x}\ncondition: not a", every},
		{"a: {hostPath|exists: false}\ncondition: a", every},
		{"a: {hostPath|exists: true}\ncondition: a", none},
		{"a: {hostPath: null}\ncondition: a", every},
		{"a: {hostPath|neq: x}\ncondition: a", every},
		{"a: {hostPath|fieldref: verb}\ncondition: a", none},
		{"a: {verb: replace}\ncondition: a", none},
		{"a: {verb: [replace, create]}\ncondition: a", ""},
		{"a: {responseStatus.code: ALLOW}\ncondition: a", none},
		{"a: {verb: get}\nb: {verb: list}\ncondition: a and b", none},
		{"a: {verb: [get, list]}\nb: {verb: [list, watch]}\ncondition: a and b", ""},
		{"a: {verb: get}\nb: {verb: list}\ncondition: a or b", ""},
		{"a: {user.groups: get}\nb: {user.groups: list}\ncondition: a and b", ""},
		{"a: {verb: get}\ncondition: a and not a", none},
		{"a: {verb: get}\nb: {verb: GET}\ncondition: a and not b", none},
		{"a: {verb: get}\nb: {ns: x}\ncondition: a and (b and not a)", none},
		{"a: {user.username|expand: '%none%'}\ncondition: a", none},
		{"a: {user.username|expand: '%none%'}\ncondition: not a", every},
	} {
		_, problems := parseText("title: t\nlogsource: {product: kubernetes, service: audit}\ndetection:\n"+indent(c.detection, "  "), testPlaceholders)
		got := ""
		for _, p := range problems {
			if p.Kind == failure {
				t.Errorf("%s:\n%s", c.detection, show(problems))
			}
			for _, w := range []string{none, every} {
				if strings.Contains(p.Message, w) {
					got = w
				}
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q\n%s", c.detection, got, c.want, show(problems))
		}
	}
}

// TestRuleProblems has a row for what is wrong with a rule outside its selections.
func TestRuleProblems(t *testing.T) {
	const source = "logsource: {product: kubernetes, service: audit}\n"
	const sound = "detection: {a: {verb: get}, condition: a}\n"
	for _, c := range []struct {
		text string
		used int
		want string // the problems, each LINE KIND MESSAGE's beginning
	}{
		{"title: t\n" + source + sound, 1, ""},
		{"title: t\nlogsource: {product: kubernetes, service: audit, category: application, definition: x}\n" + sound, 1, ""},
		{"title: t\nlogsource: {product: Kubernetes}\n" + sound, 1, ""},
		{"title: t\n" + sound, 1, "1 warning it has no logsource"},
		{"title: t\nlogsource: {product: windows, service: security}\n" + sound, 0, "2 note it is for another log (product: windows, service: security)"},
		{"title: t\nlogsource: {category: application}\n" + sound, 0, "2 note it is for another log"},
		{"title: t\nlogsource: {product: kubernetes, service: kubelet}\n" + sound, 0, "2 note it is for another log"},
		{"title: t\nlogsource: kubernetes\n" + sound, 0, "2 error logsource is a map"},
		{source + sound, 0, "1 error it has no title"},
		{"title: t\n" + source, 0, "1 error it has none of detection, correlation, filter and search"},
		{"title: t\n" + source + "detection: {condition: a}\n", 0, "3 error there are no selections"},
		{"title: t\n" + source + "detection: {a: {verb: get}}\n", 0, "3 error there is no condition"},
		{"title: t\n" + source + "detection: {a: {verb: get}, condition: []}\n", 0, "3 error the list of conditions is empty"},
		{"title: t\n" + source + "detection: [a]\n", 0, "3 error it is a map"},
		{"title: t\n" + source + "detection:\n  a: {verb: get}\n  a: {verb: list}\n  condition: a\n", 0, `5 error selection "a" stands twice`},
		{"title: t\ntitle: u\n" + source + sound, 0, "2 error title stands twice"},
		{"title: t\nlevel: bad\n" + source + sound, 0, `2 error level "bad" is none`},
		{"title: t\nstatus: good\n" + source + sound, 1, `2 warning status "good" is none`},
		{"title: t\nstatus: deprecated\n" + source + sound, 1, "2 note its author calls it deprecated"},
		{"title: t\nstatus: unsupported\n" + source + sound, 0, "2 note its author calls it unsupported"},
		{"title: t\ntaxonomy: ecs\n" + source + sound, 1, `2 warning taxonomy "ecs"`},
		{"title: t\nfields: [verb, hostPath]\n" + source + sound, 1, `2 warning no audit event has a field "hostPath"`},
		{"title: t\n" + source + "detection: {a: {verb: get}, timeframe: 5m, condition: a}\n", 1, "3 warning timeframe is of an older Sigma"},
		{"title: t\nid: x\n" + source + sound + "---\ntitle: u\nid: x\n" + source + sound, 1, `6 error the ID "x" is that of the rule in rules.yml, line 1`},
		{"title: t\nname: x\n" + source + sound + "---\ntitle: u\nid: y\nname: x\n" + source + sound, 2, `6 warning the name "x" is that of`},
		{"title: [\n", 0, "1 error it cannot be read as YAML"},
		{"title: t\n" + source + sound + "---\na: b: c\n---\ntitle: u\n" + source + sound, 2, "5 error it cannot be read as YAML"},
		{"- title: t\n", 0, "1 error a rule is a map"},
		{"just text\n", 0, "1 error a rule is a map"},
		{"", 0, ""},
		{"# nothing\n---\n# here\n", 0, ""},
		{"a: &a [x, x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\n" +
			"d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\ne: [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]\n", 0, "1 error it has more than 100000 values"},
		{"a: " + strings.Repeat("[", 60) + strings.Repeat("]", 60), 0, "1 error it is nested deeper than 50"},
		{"a: &a\n  b: *a\n", 0, "1 error it"},
		{"title: t\nsearch: verb:get\n", 1, ""},
		{"title: t\nsearch: verbs:get\n", 0, `2 error search: unknown field "verbs"`},
		{"title: t\naction: nothing\n", 0, `2 error unknown action "nothing"`},
		{"title: t\naction: repeat\n", 0, "2 error action repeat has no rule before it"},
	} {
		rules, problems := parseText(c.text, nil)
		if len(rules) != c.used {
			t.Errorf("%s\n%d rules are used, want %d", c.text, len(rules), c.used)
		}
		var got []string
		for _, p := range problems {
			got = append(got, fmt.Sprintf("%d %s %s", p.Line, p.Kind, p.Message))
		}
		if c.want == "" && len(got) > 0 || c.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], c.want)) {
			t.Errorf("%s\nproblems:\n%s\nwant %s", c.text, strings.Join(got, "\n"), c.want)
		}
	}
}

// TestLimits keeps within bounds what a short file could make long.
func TestLimits(t *testing.T) {
	many := make([]string, 40)
	for i := range many {
		many[i] = fmt.Sprintf("s%d: {userAgent: x%d}", i, i)
	}
	for _, c := range []struct{ name, detection, want string }{
		{"quantity", strings.Join(many, "\n") + "\ncondition: 20 of them", "more than can be written out"},
		{"size", "a: [" + strings.Repeat("x", 10_000) + "]\nb: {verb: get}\ncondition: " + strings.Repeat("a or ", 4000) + "b", "names large selections too often"},
		{"texts", "a:\n  userAgent|windash:\n" + strings.Repeat("  - '-a -b -c -d -e'\n", 20) + "condition: a", "stand for more than 50000 texts"},
		{"placeholders", "a: {userAgent|expand: '" + strings.Repeat("%admins%", 20) + "'}\ncondition: a", "stand for more than 5000 texts"},
	} {
		_, problems := parseText("title: t\nlogsource: {product: kubernetes, service: audit}\ndetection:\n"+indent(c.detection, "  "), testPlaceholders)
		if len(problems) != 1 || problems[0].Kind != failure || !strings.Contains(problems[0].Message, c.want) {
			t.Errorf("%s: %s\nwant %s", c.name, show(problems), c.want)
		}
	}
	if _, problems := parseText(strings.Repeat("---\na\n", 2000), nil); len(problems) != maxProblems+2 || !strings.Contains(problems[len(problems)-1].Message, "is not read") {
		t.Errorf("of many problems: %d", len(problems))
	}
	if _, problems := Parse([]detect.File{{Name: "x", Data: make([]byte, maxFile+1)}}, Options{}); len(problems) != 1 || !strings.Contains(problems[0].Message, "split it") {
		t.Errorf("of a large file: %s", show(problems))
	}
}
