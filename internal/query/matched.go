package query

import (
	"context"
	"fmt"
	"math/bits"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"annals.dev/internal/ledger"
	"annals.dev/internal/match"
)

// rowSet is the rows of a part that match: a bit for each. A nil one is of all rows.
type rowSet []uint64

func newRowSet(rows int) rowSet { return make(rowSet, (rows+63)/64) }

func (s rowSet) add(row int) { s[row>>6] |= 1 << (row & 63) }

// has says whether a row is in it.
func (s rowSet) has(row int) bool { return s == nil || s[row>>6]>>(row&63)&1 == 1 }

// count is how many of the rows [from, from+n) are in the set.
func (s rowSet) count(from, n int) (k int) {
	if s == nil {
		return n
	}
	s.each(from, n, func(w uint64, _ int) { k += bits.OnesCount64(w) })
	return k
}

// any says whether one of the rows is in it.
func (s rowSet) any(from, n int) bool { return s.count(from, n) > 0 }

// each hands the bits of rows [from, from+n) to f by words, each with the number, counted from from, of its first bit.
func (s rowSet) each(from, n int, f func(word uint64, first int)) {
	for i := from >> 6; i <= (from+n-1)>>6; i++ {
		w, at := s[i], i<<6
		if at < from {
			w &= ^uint64(0) << (from - at)
		}
		if end := from + n - at; end < 64 {
			w &= 1<<end - 1
		}
		if w != 0 {
			f(w, at-from)
		}
	}
}

// rows calls f with each row of [from, from+n) that is in the set, counted from from.
func (s rowSet) rows(from, n int, f func(i int)) {
	if s == nil {
		for i := range n {
			f(i)
		}
		return
	}
	s.each(from, n, func(w uint64, first int) {
		for ; w != 0; w &= w - 1 {
			f(first + bits.TrailingZeros64(w))
		}
	})
}

// matches are the rows of whole segments that matched before. Segments do not change, and whoever looks at one search looks at
// it in many ways: results, histogram, facets, and all of them again for a shorter time.
type matches struct {
	mu    sync.Mutex
	of    map[matchKey]rowSet
	bytes int
	turns map[string]chan struct{} // of searches that read events: who asks the same at the same time waits
}

type matchKey struct{ path, asked string }

const maxMatches = 32 << 20 // bytes

func (m *matches) get(p *part, asked string) (rowSet, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.of[matchKey{p.segment.Path(), asked}]
	return s, ok
}

func (m *matches) put(p *part, asked string, s rowSet) {
	k := matchKey{p.segment.Path(), asked}
	size := 8*len(s) + len(k.path) + len(k.asked) + 100
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.of == nil || m.bytes+size > maxMatches {
		m.of, m.bytes = make(map[matchKey]rowSet), 0
	}
	if _, ok := m.of[k]; !ok && size <= maxMatches {
		m.of[k] = s
		m.bytes += size
	}
}

// turn waits until nobody else works on the same, and returns what ends that.
func (m *matches) turn(ctx context.Context, asked string) (done func(), err error) {
	for {
		m.mu.Lock()
		other, busy := m.turns[asked]
		if !busy {
			if m.turns == nil {
				m.turns = make(map[string]chan struct{})
			}
			mine := make(chan struct{})
			m.turns[asked] = mine
			m.mu.Unlock()
			return func() {
				m.mu.Lock()
				delete(m.turns, asked)
				m.mu.Unlock()
				close(mine)
			}, nil
		}
		m.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// matched says of each of a.parts which rows match.
func (a *asking) matched(ctx context.Context) (sets []rowSet, err error) {
	m, asked := &a.engine.matches, a.key()
	if a.rest != nil {
		done, err := m.turn(ctx, asked)
		if err != nil {
			return nil, err
		}
		defer done()
	}
	sets = make([]rowSet, len(a.parts))
	everything := a.whole.String() == "" && a.seen.Scope == nil
	var open []int
	rows := 0
	flush := func() error {
		err := a.match(ctx, open, sets)
		for _, i := range open {
			if p := a.parts[i]; err == nil && p.segment != nil && a.holds(p) {
				m.put(p, asked, sets[i])
			}
		}
		open, rows = nil, 0
		return err
	}
	for i, p := range a.parts {
		if whole := a.holds(p); whole && everything {
			continue
		} else if whole && p.segment != nil {
			if s, ok := m.get(p, asked); ok {
				sets[i] = s
				continue
			}
		}
		sets[i] = newRowSet(p.rows)
		if rows > 0 && rows+p.rows > maxBudget {
			if err := flush(); err != nil {
				return nil, err
			}
		}
		open, rows = append(open, i), rows+p.rows
	}
	return sets, flush()
}

// key is what the rows that match depend on beside the segment.
func (a *asking) key() string {
	key := a.whole.String()
	if a.seen.Scope != nil {
		return fmt.Sprintf("%v\x00%s\x00%v", a.seen.Bodies, key, a.seen.Scope)
	}
	if a.rest != nil {
		return fmt.Sprintf("%v\x00%s", a.seen.Bodies, key)
	}
	return key
}

// recall leaves out, of a search that must read events, what is known not to match.
func (a *asking) recall() {
	if a.rest == nil {
		return
	}
	key := a.key()
	a.parts = slices.DeleteFunc(a.parts, func(p *part) bool {
		if p.segment == nil {
			return false
		}
		set, ok := a.engine.matches.get(p, key)
		if !ok {
			return false
		}
		p.known = set
		return set != nil && !set.any(0, p.rows)
	})
}

// holds says whether all of a part's time was asked for.
func (a *asking) holds(p *part) bool { return p.min >= a.from && p.max <= a.to }

// match fills the sets of some parts.
func (a *asking) match(ctx context.Context, open []int, sets []rowSet) error {
	w := window{from: a.from, to: a.to}
	var candidates [][]int // of w.parts, where events must be read
	var asked, needles []int
	for _, i := range open {
		if p := a.parts[i]; p.blocks != nil && p.blocks.rows <= needleRows {
			needles = append(needles, i)
		} else {
			asked, w.parts = append(asked, i), append(w.parts, p)
		}
	}
	if a.rest != nil {
		candidates = make([][]int, len(asked))
	}
	if len(asked) > 0 {
		err := a.conn.query(ctx, `SELECT src, "row" `+a.over(w), func(ch chunk) error {
			src, row := ch.column(0).ints(), ch.column(1).ints()
			for k := range ch.n {
				if i, r := src[k], int(row[k]); candidates == nil {
					sets[asked[i]].add(r)
				} else if w.parts[i].blocks.has(r) {
					candidates[i] = append(candidates[i], r)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(a.engine.opt.Threads)
	for k, rows := range candidates {
		g.Go(func() error { return a.sift(ctx, a.parts[asked[k]], rows, a.rest, sets[asked[k]]) })
	}
	for _, i := range needles {
		g.Go(func() error { return a.sift(ctx, a.parts[i], a.parts[i].blocks.all(), a.whole, sets[i]) })
	}
	return g.Wait()
}

// sift reads events of a part and puts those that match in its set.
func (a *asking) sift(ctx context.Context, p *part, rows []int, by *match.Predicate, set rowSet) error {
	if len(rows) == 0 {
		return nil
	}
	return a.readRows(ctx, p, sorted(rows), by, func(row int, e *ledger.Stored) {
		at := e.View.Time
		if at == 0 {
			at = e.Received
		}
		if at >= a.from && at <= a.to {
			set.add(row)
		}
	})
}

// scan hands columns of the parts that have matching rows to f, which several goroutines may call at once. Cluster is none of
// the ledger's columns: where it is asked for the column is empty.
func (a *asking) scan(ctx context.Context, sets []rowSet, columns []string, f func(p *part, set rowSet, from, n int, cols []ledger.HotColumn) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(a.engine.opt.Threads)
	for i, p := range a.parts {
		set := sets[i]
		each := func(from, n int, cols []ledger.HotColumn) error {
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			return f(p, set, from, n, cols)
		}
		g.Go(func() error {
			if p.segment != nil {
				return p.segment.Scan(ctx, columns, set.any, each)
			}
			if !set.any(0, p.rows) {
				return nil
			}
			return p.unsealed.Scan(columns, each)
		})
	}
	return g.Wait()
}
