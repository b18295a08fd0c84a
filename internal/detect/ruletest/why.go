package ruletest

import (
	"slices"
	"strings"

	"annals.dev/internal/match"
)

// Held is one test of a rule held against an event.
type Held struct {
	Test   string   `json:"test"`
	OK     bool     `json:"ok"`
	Field  string   `json:"field,omitempty"`
	Values []string `json:"values,omitempty"` // that the event has there; 10 at most, long ones cut
}

// Why holds every test of a predicate against an event, in the order in which they are written.
func Why(p *match.Predicate, r *match.Row) []Held {
	var all []Held
	seen := map[string]bool{}
	for _, leaf := range Leaves(p) {
		if seen[leaf.String()] {
			continue
		}
		seen[leaf.String()] = true
		all = append(all, Held{Test: leaf.String(), OK: leaf.Match(r), Field: leaf.Field(), Values: Values(leaf.Field(), r)})
	}
	return all
}

// Leaves are the tests of a predicate, in their order.
func Leaves(p *match.Predicate) []match.Leaf {
	var all []match.Leaf
	p.Fold(func(l match.Leaf) match.Truth {
		all = append(all, l)
		return match.Maybe // so that none is passed over
	})
	return all
}

const (
	maxValues = 10
	maxValue  = 200
)

// Values are what an event has at a path; none where the path is none.
func Values(field string, r *match.Row) (values []string) {
	path, err := match.ParsePath(field)
	if field == "" || err != nil {
		return nil
	}
	path.Each(r, func(v match.Value) bool {
		text := strings.ToValidUTF8(string(v.Text), "�")
		if len(text) > maxValue {
			text = strings.ToValidUTF8(text[:maxValue], "") + "…"
		}
		if !slices.Contains(values, text) {
			values = append(values, text)
		}
		return len(values) < maxValues
	})
	return values
}
