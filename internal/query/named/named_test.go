package named

import (
	"strings"
	"testing"
)

func TestBuiltIn(t *testing.T) {
	s := BuiltIn()
	for _, q := range s.All() {
		if !strings.HasSuffix(q.Title, "?") {
			t.Errorf("%s: the title is no question: %s", q.Name, q.Title)
		}
	}
	if n := len(s.All()); n < 30 {
		t.Errorf("%d questions", n)
	}
}
