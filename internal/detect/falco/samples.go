package falco

import (
	"strings"

	"annals.dev/internal/match"
)

// Samples are values that pass the test, for those who reason about rules; of what cannot be told there is none.
func (t *tester) Samples() (all []string) {
	c := t.check
	if c.op == "exists" {
		return []string{"x"}
	}
	if c.right != nil {
		return nil
	}
	for _, v := range c.values {
		switch c.op {
		case "!=", ">", "contains", "startswith":
			all = append(all, v+"x")
		case "icontains", "endswith":
			all = append(all, "x"+v)
		case "glob", "iglob":
			all = append(all, strings.NewReplacer("*", "x", "?", "x").Replace(v))
		case "regex":
			if s, ok := match.RegexpSample(v); ok {
				all = append(all, s)
			}
		case "<":
		default: // =, in, intersects, pmatch, <=, >=
			all = append(all, v)
		}
	}
	if t.source.number && c.op == ">" {
		return nil
	}
	return all
}
