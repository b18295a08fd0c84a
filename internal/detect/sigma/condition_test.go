package sigma

import (
	"strings"
	"testing"
)

// TestConditions has a row for every form of condition. The selections hold where the user agent has their letter.
func TestConditions(t *testing.T) {
	const selections = `
  sel_a: {userAgent|contains: a}
  sel_b: {userAgent|contains: b}
  sel_c: {userAgent|contains: c}
  other-d: {userAgent|contains: d}
  _hidden: {userAgent|contains: h}
`
	for _, c := range []struct {
		condition string
		yes, no   string // user agents
	}{
		{"sel_a", "a ab", "b"},
		{"sel_a and sel_b", "ab abc", "a b"},
		{"sel_a or sel_b", "a b ab", "c"},
		{"not sel_a", "b", "a"},
		{"not not sel_a", "a", "b"},
		{"sel_a and not sel_b", "a", "ab b"},
		{"sel_a or sel_b and sel_c", "a bc ac", "b c"},
		{"sel_a and sel_b or sel_c", "ab c", "a b"},
		{"not sel_a and sel_b", "b", "ab a"},
		{"not sel_a or sel_b", "b ab c", "a"},
		{"not (sel_a or sel_b)", "c", "a b"},
		{"(sel_a or sel_b) and sel_c", "ac bc", "a c ab"},
		{"((sel_a)or(sel_b))and(not(sel_c))", "a b", "ac bc c"},
		{"sel_a AND NOT sel_b", "a", "ab"},
		{"sel_a OR sel_b", "a b", "c"},
		{"other-d", "d", "a"},
		{"_hidden", "h", "a"},
		{"1 of sel_*", "a b c ab", "d h"},
		{"any of sel_*", "a b c ab", "d h"},
		{"all of sel_*", "abc", "ab d"},
		{"2 of sel_*", "ab bc ac abc", "a b c ad"},
		{"3 of sel_*", "abc", "ab ad"},
		{"1 of them", "a d", "h x"},
		{"all of them", "abcd abcdh", "abc"},
		{"3 of them", "abc abd bcd abcd", "ab ah abh"},
		{"1 of *_b", "b", "a"},
		{"1 of s*_*", "a b c", "d"},
		{"1 of _*", "h", "a"},
		{"1 of sel_* and not 1 of other*", "a", "ad d"},
		{"not 1 of sel_*", "d", "a"},
		{"not all of sel_*", "ab", "abc"},
		{"1 OF sel_* or sel_a", "b", "d"},
		{"sel_a and sel_b and sel_c and other-d", "abcd", "abc"},
		{"[sel_a and sel_b, sel_c]", "ab c", "a b"},
	} {
		t.Run(c.condition, func(t *testing.T) {
			r := one(t, "title: t\nlogsource: {product: kubernetes, service: audit}\ndetection:"+selections+"  condition: "+c.condition+"\n")
			for _, s := range strings.Fields(c.yes) {
				if !r.Where.Match(row(t, agent(s))) {
					t.Errorf("%s does not meet it", s)
				}
			}
			for _, s := range strings.Fields(c.no) {
				if r.Where.Match(row(t, agent(s))) {
					t.Errorf("%s meets it", s)
				}
			}
		})
	}
}

func TestConditionErrors(t *testing.T) {
	for _, c := range []struct{ condition, want string }{
		{"", "it is empty"},
		{"sel_x", `no selection "sel_x"; there are sel_a`},
		{"sel_a sel_a", `"sel_a" is too much`},
		{"sel_a and", "ends where a name should"},
		{"and sel_a", `"and" stands where a name should`},
		{"(sel_a", "not closed"},
		{"sel_a)", `")" is too much`},
		{"1 of x*", `no selection is named like "x*"`},
		{"2 of sel_*", "2 of 1 selections can never hold"},
		{"0 of sel_*", "no quantity"},
		{"few of sel_*", "no quantity"},
		{"sel_a | count() > 5", "write a correlation"},
		{strings.Repeat("(", 100) + "sel_a" + strings.Repeat(")", 100), "nested deeper than 50"},
		{strings.Repeat("not ", 100) + "sel_a", "nested deeper than 50"},
		{strings.Repeat("sel_a or ", 6000) + "sel_a", "more than 10000 words"},
	} {
		rules, problems := parseText("title: t\nlogsource: {product: kubernetes, service: audit}\ndetection:\n  sel_a: {verb: get}\n  condition: '"+c.condition+"'\n", nil)
		if len(rules) != 0 || len(problems) != 1 || problems[0].Line != 5 || !strings.Contains(problems[0].Message, c.want) {
			t.Errorf("%.60s: %d rules and\n%s\nwant an error at line 5: %s", c.condition, len(rules), show(problems), c.want)
		}
	}
}
