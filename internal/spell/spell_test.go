package spell

import (
	"strings"
	"testing"
)

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"verbs", "verbs", 0}, {"verb", "verbs", 1}, {"levle", "level", 2}, {"", "rules", 5}, {"groups", "group", 1},
		{"kitten", "sitting", 3}, {strings.Repeat("x", 1<<20), "level", 1 << 20},
	} {
		if got := Distance(c.a, c.b); got != c.want {
			t.Errorf("from %.20q to %q it is %d, want %d", c.a, c.b, got, c.want)
		}
		if got := Distance(c.b, c.a); got != c.want {
			t.Errorf("from %q to %.20q it is %d, want %d", c.b, c.a, got, c.want)
		}
	}
}
