package query

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"annals.dev/internal/ledger"
	"annals.dev/internal/match"
)

// place is where a row that the columns admit lies.
type place struct {
	time, position int64
	part, row      int32
}

// events answers a window by reading events. Where words leave few rows to look at, those are read. Elsewhere the columns say
// where the events that may match are, in order of time, and they are read in growing batches until enough of them match.
func (a *asking) events(ctx context.Context, s *Search, w window, out *output) error {
	var scanned window
	held, err := a.needles(ctx, s, w, &scanned)
	if err != nil {
		return err
	}
	bound := fmt.Sprintf(" LIMIT %d", maxPlaces+1)
	if a.rest == nil {
		bound = a.firstOf(s, out.left(), maxPlaces)
	}
	places, given, err := a.places(ctx, s, scanned, bound)
	if err != nil {
		return err
	}
	if given.n > maxPlaces {
		return errTooMany
	}
	return a.give(ctx, s, scanned.parts, places, held, out)
}

// give hands out the events at places that match, and those that are held, in order.
func (a *asking) give(ctx context.Context, s *Search, parts []*part, places []place, held []*Row, out *output) error {
	for n := firstBatch; len(places) > 0; n = min(4*n, maxBatch) {
		n = min(n, len(places))
		rows, err := a.read(ctx, s, parts, places[:n], a.rest)
		if err != nil {
			return err
		}
		last := places[n-1]
		end := Row{Time: last.time, Cluster: parts[last.part].cluster.Name, Position: uint64(last.position)}
		k := 0 // of the rows held, those that come before the batch ends
		for k < len(held) && before(held[k], &end, s.OldestFirst) {
			k++
		}
		rows = append(rows, held[:k]...)
		places, held = places[n:], held[k:]
		if err := out.all(rows, s.OldestFirst); err != nil {
			return err
		}
	}
	return out.all(held, s.OldestFirst)
}

// needleRows is how many rows are read for the sake of words alone, without asking the columns.
const needleRows = 8192

// needles reads the few rows of the parts of which words leave few, and returns those that match, in order. The other parts
// it puts in others.
func (a *asking) needles(ctx context.Context, s *Search, w window, others *window) ([]*Row, error) {
	others.from, others.to = w.from, w.to
	var needles []*part
	var places []place
	for _, p := range w.parts {
		if p.blocks == nil || len(places)+p.blocks.rows > needleRows {
			others.parts = append(others.parts, p)
			continue
		}
		for _, row := range p.blocks.all() {
			places = append(places, place{part: int32(len(needles)), row: int32(row)})
		}
		needles = append(needles, p)
	}
	rows, err := a.read(ctx, s, needles, places, a.whole)
	rows = slices.DeleteFunc(rows, func(r *Row) bool {
		return r.Time < w.from || r.Time > w.to || a.after != nil && !before(a.after.row(), r, s.OldestFirst)
	})
	sortRows(rows, s.OldestFirst)
	return rows, err
}

// given is how many rows a statement gave, and which was the last.
type given struct {
	n    int
	last Cursor
}

// places asks the columns of a window where the events that may match are, in order.
func (a *asking) places(ctx context.Context, s *Search, w window, end string) (places []place, all given, err error) {
	if len(w.parts) == 0 {
		return nil, all, nil
	}
	sql := `SELECT src, epoch_us("time"), "position", "row" ` + a.over(w) + end
	err = a.conn.query(ctx, sql, func(ch chunk) error {
		src, at, position, row := ch.column(0).ints(), ch.column(1).ints(), ch.column(2).ints(), ch.column(3).ints()
		for i := range ch.n {
			p := w.parts[src[i]]
			if p.blocks.has(int(row[i])) && p.known.has(int(row[i])) {
				places = append(places, place{at[i], position[i], int32(src[i]), int32(row[i])})
			}
		}
		k := ch.n - 1
		all.n += ch.n
		all.last = Cursor{time.UnixMicro(at[k]), w.parts[src[k]].cluster.Name, uint64(position[k])}
		return nil
	})
	slices.SortFunc(places, func(p, q place) int {
		if !s.OldestFirst {
			p, q = q, p
		}
		return cmp.Or(cmp.Compare(p.time, q.time), strings.Compare(w.parts[p.part].cluster.Name, w.parts[q.part].cluster.Name), cmp.Compare(p.position, q.position))
	})
	return places, all, err
}

const (
	firstBatch = 256
	maxBatch   = 4096
)

// read reads the events at places in parts and makes rows of those that match.
func (a *asking) read(ctx context.Context, s *Search, parts []*part, places []place, by *match.Predicate) ([]*Row, error) {
	byPart := make(map[int32][]int)
	for _, p := range places {
		byPart[p.part] = append(byPart[p.part], int(p.row))
	}
	var mu sync.Mutex
	var found []*Row
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(a.engine.opt.Threads)
	for i, rows := range byPart {
		slices.Sort(rows)
		for piece := range slices.Chunk(rows, max(leastPiece, (len(rows)+a.engine.opt.Threads-1)/a.engine.opt.Threads)) {
			g.Go(func() error {
				some, err := a.readPart(ctx, s, parts[i], piece, by)
				mu.Lock()
				defer mu.Unlock()
				found = append(found, some...)
				return err
			})
		}
	}
	return found, g.Wait()
}

// leastPiece is how many rows are worth a goroutine.
const leastPiece = 64

func (a *asking) readPart(ctx context.Context, s *Search, p *part, rows []int, by *match.Predicate) (found []*Row, err error) {
	err = a.readRows(ctx, p, rows, by, func(_ int, e *ledger.Stored) {
		r := rowOf(e)
		if s.Bytes {
			r.Bytes, r.rewritten = a.seen.bytes(e)
		}
		found = append(found, &r)
	})
	return found, err
}

// readRows reads rows of a part, ascending, and hands those that come into sight and match to f.
func (a *asking) readRows(ctx context.Context, p *part, rows []int, by *match.Predicate, f func(row int, e *ledger.Stored)) error {
	var m match.Row
	each := func(row int, e *ledger.Stored) error {
		m.View, m.Cluster, m.Origin, m.Position, m.Received, m.Marks, m.Dialect = &e.View, e.Cluster, e.Origin, e.Position, e.Received, e.Marks, e.Dialect
		if a.seen.event(&m) && (by == nil || by.Match(&m)) {
			f(row, e)
		}
		return nil
	}
	var sieve *match.Sieve
	if by != nil {
		sieve = by.Sieve()
	}
	switch {
	case p.segment != nil && sieve != nil:
		return p.segment.ReadIf(ctx, rows, sieve.May, each)
	case p.segment != nil:
		return p.segment.Read(ctx, rows, each)
	case sieve != nil:
		return p.unsealed.ReadIf(ctx, rows, sieve.May, each)
	}
	return p.unsealed.Read(ctx, rows, each)
}

func sorted(rows []int) []int {
	slices.Sort(rows)
	return rows
}
