package cli

import (
	"fmt"
	"strings"
)

// lineDiff shows how a text changes, line by line: - what goes, + what comes, with the lines' numbers.
func lineDiff(name, before, after string) string {
	if before == after {
		return ""
	}
	a, b := strings.SplitAfter(before, "\n"), strings.SplitAfter(after, "\n")
	var out strings.Builder
	fmt.Fprintf(&out, "--- %s\n+++ %s, mended\n", clean(name), clean(name))
	for i, j := 0, 0; i < len(a) || j < len(b); {
		if i < len(a) && j < len(b) && a[i] == b[j] {
			i++
			j++
			continue
		}
		x, y := nextSame(a[i:], b[j:])
		fmt.Fprintf(&out, "@@ line %d @@\n", i+1)
		for _, l := range a[i : i+x] {
			fmt.Fprintf(&out, "-%s\n", clean(strings.TrimSuffix(l, "\n")))
		}
		for _, l := range b[j : j+y] {
			fmt.Fprintf(&out, "+%s\n", clean(strings.TrimSuffix(l, "\n")))
		}
		i += x
		j += y
	}
	return out.String()
}

// nextSame gives how many lines of each go before they are the same again for two lines, or to their ends.
func nextSame(a, b []string) (x, y int) {
	same := func(i, j int) bool {
		return a[i] == b[j] && (i+1 >= len(a) || j+1 >= len(b) || a[i+1] == b[j+1])
	}
	for sum := 1; sum < min(len(a)+len(b), 2000); sum++ {
		for i := max(0, sum-len(b)+1); i <= min(sum, len(a)-1); i++ {
			if same(i, sum-i) {
				return i, sum - i
			}
		}
	}
	return len(a), len(b)
}
