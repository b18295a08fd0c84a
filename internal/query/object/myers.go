package object

import "slices"

// edit is a step from one list of texts to another: kept (' ', with both indices), removed ('-', a) or added ('+', b).
type edit struct {
	op   byte
	a, b int
}

// maxDistance bounds the work of one comparison, and the memory: texts that differ by more are compared by the lines that
// each of them has once, and what then still differs by more is told as all removed and all added.
const maxDistance = 600

// compare finds how a becomes b.
func compare(a, b []string) []edit {
	edits := make([]edit, 0, max(len(a), len(b)))
	return appendEdits(edits, a, b, 0, 0, 8)
}

func appendEdits(edits []edit, a, b []string, ai, bi, depth int) []edit {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		edits = append(edits, edit{' ', ai + head, bi + head})
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	mid := func(a, b []string, ai, bi int) {
		switch {
		case len(a) == 0 || len(b) == 0:
			edits = appendAll(edits, len(a), len(b), ai, bi)
		default:
			if steps, ok := shortest(a, b); ok {
				for _, e := range steps {
					edits = append(edits, edit{e.op, e.a + ai, e.b + bi})
				}
				return
			}
			anchors := once(a, b)
			if depth == 0 || len(anchors) == 0 {
				edits = appendAll(edits, len(a), len(b), ai, bi)
				return
			}
			pa, pb := 0, 0
			for _, x := range anchors {
				edits = appendEdits(edits, a[pa:x[0]], b[pb:x[1]], ai+pa, bi+pb, depth-1)
				edits = append(edits, edit{' ', ai + x[0], bi + x[1]})
				pa, pb = x[0]+1, x[1]+1
			}
			edits = appendEdits(edits, a[pa:], b[pb:], ai+pa, bi+pb, depth-1)
		}
	}
	mid(a[head:len(a)-tail], b[head:len(b)-tail], ai+head, bi+head)
	for i := range tail {
		edits = append(edits, edit{' ', ai + len(a) - tail + i, bi + len(b) - tail + i})
	}
	return edits
}

func appendAll(edits []edit, n, m, ai, bi int) []edit {
	for i := range n {
		edits = append(edits, edit{'-', ai + i, bi})
	}
	for i := range m {
		edits = append(edits, edit{'+', ai + n, bi + i})
	}
	return edits
}

// shortest is the shortest way from a to b, false if it is longer than maxDistance.
func shortest(a, b []string) ([]edit, bool) {
	limit := min(len(a)+len(b), maxDistance)
	off := limit + 1
	v := make([]int, 2*limit+3) // how far down a each diagonal has come
	var trace [][]int
	for d := 0; d <= limit; d++ {
		trace = append(trace, slices.Clone(v[off-d-1:off+d+2]))
		for k := -d; k <= d; k += 2 {
			x := v[off+k-1] + 1
			if k == -d || k != d && v[off+k-1] < v[off+k+1] {
				x = v[off+k+1]
			}
			for x < len(a) && x-k < len(b) && x-k >= 0 && a[x] == b[x-k] {
				x++
			}
			v[off+k] = x
			if x >= len(a) && x-k >= len(b) {
				return walk(trace, len(a), len(b)), true
			}
		}
	}
	return nil, false
}

// walk goes back the way that was found.
func walk(trace [][]int, x, y int) []edit {
	var edits []edit
	for d := len(trace) - 1; d >= 0; d-- {
		v, off := trace[d], d+1
		k := x - y
		from := k - 1
		if k == -d || k != d && v[off+k-1] < v[off+k+1] {
			from = k + 1
		}
		px := v[off+from]
		py := px - from
		if d == 0 {
			px, py = 0, 0
		}
		for x > px && y > py {
			x, y = x-1, y-1
			edits = append(edits, edit{' ', x, y})
		}
		if d == 0 {
			break
		}
		if x == px {
			y--
			edits = append(edits, edit{'+', x, y})
		} else {
			x--
			edits = append(edits, edit{'-', x, y})
		}
	}
	slices.Reverse(edits)
	return edits
}

// once are the places of the lines that both have once, as many as stand in the same order.
func once(a, b []string) [][2]int {
	type place struct{ in, at, n int }
	count := func(l []string) map[string]place {
		m := make(map[string]place, len(l))
		for i, s := range l {
			m[s] = place{at: i, n: m[s].n + 1}
		}
		return m
	}
	inA, inB := count(a), count(b)
	var pairs [][2]int
	for i, s := range a {
		if inA[s].n == 1 && inB[s].n == 1 {
			pairs = append(pairs, [2]int{i, inB[s].at})
		}
	}
	// The longest run that rises in b: the ends of the best runs of each length, and what stands before each.
	ends, before := []int{}, make([]int, len(pairs))
	for i, p := range pairs {
		at, _ := slices.BinarySearchFunc(ends, p[1], func(e, b int) int { return pairs[e][1] - b })
		before[i] = -1
		if at > 0 {
			before[i] = ends[at-1]
		}
		if at == len(ends) {
			ends = append(ends, i)
		} else {
			ends[at] = i
		}
	}
	if len(ends) == 0 {
		return nil
	}
	var run [][2]int
	for i := ends[len(ends)-1]; i >= 0; i = before[i] {
		run = append(run, pairs[i])
	}
	slices.Reverse(run)
	return run
}
