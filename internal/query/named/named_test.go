package named

import (
	"math/rand/v2"
	"strings"
	"testing"

	"annals.dev/internal/match"
	"annals.dev/internal/query"
)

func TestBuiltIn(t *testing.T) {
	s := BuiltIn()
	facets := map[string]bool{}
	for _, f := range query.Facets() {
		facets[f] = true
	}
	for _, q := range s.All() {
		for _, f := range q.By {
			if !facets[f] {
				t.Errorf("%s counts by %s, which nothing can be counted by", q.Name, f)
			}
		}
		if !strings.HasSuffix(q.Title, "?") {
			t.Errorf("%s: the title is no question: %s", q.Name, q.Title)
		}
	}
	if n := len(s.All()); n < 30 {
		t.Errorf("%d questions", n)
	}
}

var _ = rand.New
var _ = match.Parse
