package detect

import (
	"strings"
	"sync"

	"annals.dev/internal/match"
)

// Bounds on what a finding shows of why an event matched.
const (
	maxMatched = 30  // tests
	maxValues  = 5   // of each
	maxText    = 300 // bytes of a value
)

// paths are those of fields by name: few, and the same again and again.
var paths sync.Map

func pathOf(name string) *match.Path {
	if p, ok := paths.Load(name); ok {
		return p.(*match.Path)
	}
	p, err := match.ParsePath(name)
	if err != nil {
		p = nil
	}
	paths.Store(strings.Clone(name), p)
	return p
}

// matchedBy says which tests of the rule the event passed, and the values that it had.
func matchedBy(rule *Rule, r *match.Row) (all []Matched) {
	seen := make(map[string]bool)
	rule.Where.Fold(func(l match.Leaf) match.Truth {
		if !l.Match(r) {
			return match.No
		}
		if text := l.String(); !seen[text] && len(all) < maxMatched {
			seen[text] = true
			all = append(all, Matched{Field: l.Field(), Test: clip(text), Values: valuesOf(l.Field(), r)})
		}
		return match.Yes
	})
	for _, p := range rule.Fields {
		if values := valuesOf(p.Name(), r); values != nil && len(all) < 2*maxMatched {
			all = append(all, Matched{Field: p.Name(), Values: values})
		}
	}
	return all
}

func valuesOf(field string, r *match.Row) (values []string) {
	if field == "" {
		return nil
	}
	p := pathOf(field)
	if p == nil {
		return nil
	}
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
