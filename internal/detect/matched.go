package detect

import (
	"strings"

	"annals.dev/internal/match"
)

// Bounds on what a finding shows of why an event matched.
const (
	maxMatched = 100 // tests
	maxValues  = 5   // of each
	maxText    = 300 // bytes of a value
)

// matchedBy says which tests of the rule the event passed, and the values that it had.
func matchedBy(rule *Rule, r *match.Row) (all []Matched) {
	for _, e := range rule.Where.Why(r) {
		test := clip(e.Test)
		if e.Absent {
			if is, denied := strings.CutPrefix(test, "not "); denied {
				test = is
			} else {
				test = "not " + test
			}
		}
		all = append(all, Matched{Field: e.Field, Test: test, Values: e.Values})
	}
	for _, p := range rule.Fields {
		if values := valuesOf(p, r); values != nil && len(all) < maxMatched {
			all = append(all, Matched{Field: p.Name(), Values: values})
		}
	}
	return all
}

func valuesOf(p *match.Path, r *match.Row) (values []string) {
	p.Each(r, func(v match.Value) bool {
		values = append(values, clip(string(v.Text)))
		return len(values) < maxValues
	})
	return values
}

// clip bounds a value.
func clip(s string) string { return cut(s, maxText) }

// cut is a text as UTF-8, with no more than so many bytes of it.
func cut(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "") + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
