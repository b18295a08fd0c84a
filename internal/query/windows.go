package query

import (
	"cmp"
	"slices"
)

// window is a span of event time, both ends included, and the parts that have rows in it.
type window struct {
	from, to int64
	parts    []*part
}

// windows cuts a range of time in spans that are answered one after the other, newest or oldest first, so that rows come out
// in order of time without all of them being held. A span has about budget rows to look at; one that gives too many matches
// is cut again.
type windows struct {
	parts  []*part // by max, falling; in mirrored time where oldest comes first
	mirror bool
	from   int64
	cursor int64 // what is left is from to cursor
	budget int
	span   int64 // 0, or how long a window may be
	over   bool
}

// maxBudget is how many rows a window may look at: it bounds what is held of its matches.
const maxBudget = 512 << 10

func newWindows(parts []*part, from, to int64, oldestFirst bool, budget int) *windows {
	w := &windows{mirror: oldestFirst, from: from, cursor: to, budget: budget, parts: slices.Clone(parts)}
	if oldestFirst {
		w.from, w.cursor = ^to, ^from
	}
	slices.SortStableFunc(w.parts, func(a, b *part) int { return cmp.Compare(w.max(b), w.max(a)) })
	return w
}

// Mirrored time runs backwards: ^t falls as t rises, and every value has one.
func (w *windows) max(p *part) int64 {
	if w.mirror {
		return ^p.min
	}
	return p.max
}

func (w *windows) min(p *part) int64 {
	if w.mirror {
		return ^p.max
	}
	return p.min
}

// next is the next window, false when all were given.
func (w *windows) next() (window, bool) {
	if w.over {
		return window{}, false
	}
	var alive []*part
	var ends []int64
	for _, p := range w.parts {
		if w.min(p) <= w.cursor && w.max(p) >= w.from {
			alive = append(alive, p)
			ends = append(ends, max(w.min(p), w.from))
		}
	}
	if len(alive) == 0 {
		w.over = true
		return window{}, false
	}
	w.cursor = min(w.cursor, w.max(alive[0]))
	slices.SortFunc(ends, func(a, b int64) int { return cmp.Compare(b, a) })
	rows, n, end := 0, 0, ends[0]
	for i, e := range ends {
		for n < len(alive) && w.max(alive[n]) >= e {
			rows += alive[n].rows
			n++
		}
		if i > 0 && rows > w.budget {
			break
		}
		end = e
	}
	if w.span > 0 && w.cursor-end >= w.span {
		end = w.cursor - w.span + 1
	}
	w.budget = min(4*w.budget, maxBudget)
	w.span = min(2*w.span, 1<<60)
	return w.take(end), true
}

// take makes the window from end to the cursor.
func (w *windows) take(end int64) window {
	x := window{from: end, to: w.cursor}
	for _, p := range w.parts {
		if w.min(p) <= w.cursor && w.max(p) >= end {
			x.parts = append(x.parts, p)
		}
	}
	if w.mirror {
		x.from, x.to = ^x.to, ^x.from
	}
	return x
}

// done moves past a window.
func (w *windows) done(x window) {
	end := x.from
	if w.mirror {
		end = ^x.to
	}
	if end <= w.from {
		w.over = true
		return
	}
	w.cursor = end - 1
}

// halve gives the first half of a window instead of it, false if it is one instant.
func (w *windows) halve(x window) (window, bool) {
	end := x.from
	if w.mirror {
		end = ^x.to
	}
	if end == w.cursor {
		return x, false
	}
	// Half of the distance, without overflow: the ends may be those of int64.
	w.span = int64(uint64(w.cursor-end)/2) + 1
	return w.take(w.cursor - w.span + 1), true
}
