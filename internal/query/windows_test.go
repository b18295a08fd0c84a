package query

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// TestWindows holds what a search relies on: windows follow each other in order, none overlaps another, together they hold
// every instant of every part, and each names all parts that have one in it; also when some of them are halved.
func TestWindows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		instant := rapid.OneOf(rapid.Int64Range(-30, 30), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64}))
		var parts []*part
		for range rapid.IntRange(0, 12).Draw(t, "parts") {
			a, b := instant.Draw(t, "a"), instant.Draw(t, "b")
			parts = append(parts, &part{min: min(a, b), max: max(a, b), rows: rapid.IntRange(1, 100).Draw(t, "rows")})
		}
		a, b := instant.Draw(t, "from"), instant.Draw(t, "to")
		from, to := min(a, b), max(a, b)
		oldest := rapid.Bool().Draw(t, "oldest first")
		ws := newWindows(parts, from, to, oldest, rapid.IntRange(1, 300).Draw(t, "budget"))
		var all []window
		for n := 0; ; n++ {
			if n > 1000 {
				t.Fatal("no end")
			}
			w, ok := ws.next()
			if !ok {
				break
			}
			for rapid.IntRange(0, 3).Draw(t, "halve") == 0 {
				half, ok := ws.halve(w)
				if !ok {
					if w.from != w.to {
						t.Fatalf("%d to %d cannot be halved", w.from, w.to)
					}
					break
				}
				if half.from < w.from || half.to > w.to || half.from > half.to || half.from == w.from && half.to == w.to {
					t.Fatalf("half of %d to %d: %d to %d", w.from, w.to, half.from, half.to)
				}
				w = half
			}
			ws.done(w)
			all = append(all, w)
		}
		for i, w := range all {
			if w.from > w.to || w.from < from || w.to > to {
				t.Fatalf("window %d to %d in %d to %d", w.from, w.to, from, to)
			}
			if i > 0 && (oldest && w.from <= all[i-1].to || !oldest && w.to >= all[i-1].from) {
				t.Fatalf("window %d to %d comes after %d to %d", w.from, w.to, all[i-1].from, all[i-1].to)
			}
		}
		for _, p := range parts {
			for _, x := range []int64{p.min, p.max, max(p.min, -7), min(p.max, 9), max(p.min, from), min(p.max, to)} {
				if x < p.min || x > p.max || x < from || x > to {
					continue
				}
				found := false
				for _, w := range all {
					if x >= w.from && x <= w.to {
						for _, q := range w.parts {
							found = found || p == q
						}
					}
				}
				if !found {
					t.Fatalf("the part %d to %d at %d is in no window of %v", p.min, p.max, x, all)
				}
			}
		}
	})
}
