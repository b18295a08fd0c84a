package query

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Search is a question for events.
type Search struct {
	Range
	Limit       int // 0: no limit
	OldestFirst bool
	Wide        bool // fill every field of a Row
	Bytes       bool // and the event's bytes
	After       *Cursor
	Slowest     bool // the slowest first, those of unknown latency last; then in order. It wants a Limit, and knows no After
}

// Cursor is a place in the order of a search, that of a row. What comes strictly behind it is what After asks for.
type Cursor struct {
	Time     time.Time `json:"time"`
	Cluster  string    `json:"cluster"`
	Position uint64    `json:"position"`
}

// Cursor is the row's place.
func (r *Row) Cursor() Cursor { return Cursor{time.UnixMicro(r.Time).UTC(), r.Cluster, r.Position} }

func (c *Cursor) row() *Row {
	return &Row{Time: c.Time.UnixMicro(), Cluster: c.Cluster, Position: c.Position}
}

// sql is true of the rows behind the cursor.
func (c *Cursor) sql(oldestFirst bool) string {
	op := "<"
	if oldestFirst {
		op = ">"
	}
	return fmt.Sprintf(`("time" %[1]s make_timestamp(%[2]d) OR "time" = make_timestamp(%[2]d) AND (cluster %[1]s %[3]s OR cluster = %[3]s AND "position" %[1]s %[4]d))`,
		op, c.Time.UnixMicro(), literal(c.Cluster), c.Position)
}

// Search finds events, in order of time, then position, the newest first unless the search says otherwise. It hands each to f,
// which may keep what it is given. An error of f ends the search and is returned. The coverage is nil only if nothing could be
// asked; beside an error it tells what was given before it.
func (r *Reader) Search(ctx context.Context, s Search, f func(*Row) error) (*Coverage, error) {
	if s.Slowest && (s.Limit < 1 || s.Limit > MaxSlowest || s.After != nil || s.OldestFirst) {
		return nil, wrongQuestion("the slowest are asked for with a limit of 1 to %d, from the first, and in no other order", MaxSlowest)
	}
	s.Limit = min(s.Limit, math.MaxInt-1) // one more is asked for
	a, err := r.ask(ctx, s.Range)
	if err != nil {
		return nil, err
	}
	defer a.done()
	if a.after, a.oldest = s.After, s.OldestFirst; a.after != nil {
		if at := a.after.Time.UnixMicro(); s.OldestFirst {
			a.from = max(a.from, at)
		} else {
			a.to = min(a.to, at)
		}
		if a.from > a.to {
			a.parts = nil
		}
	}
	out := &output{search: &s, f: f, cov: a.cov}
	if s.Slowest {
		err = a.slowest(ctx, &s, out)
	} else {
		err = a.search(ctx, &s, out)
	}
	switch {
	case errors.Is(err, errLimit):
		a.cov.LimitReached = true
		err = nil
	case err != nil:
		return a.failed(ctx, err)
	}
	return a.cov, err
}

// output hands out rows until the limit.
type output struct {
	search *Search
	f      func(*Row) error
	cov    *Coverage
}

// errLimit says that a row came behind the limit.
var errLimit = errors.New("the limit is reached")

func (o *output) row(r *Row) error {
	if o.search.Limit > 0 && o.cov.Returned == o.search.Limit {
		return errLimit
	}
	o.cov.Returned++
	return o.f(r)
}

// all hands out rows in order.
func (o *output) all(rows []*Row, oldestFirst bool) error {
	sortRows(rows, oldestFirst)
	for _, r := range rows {
		if err := o.row(r); err != nil {
			return err
		}
	}
	return nil
}

// left is how many rows to ask for: one more than may be given, so that it is known whether there is more.
func (o *output) left() int { return o.search.Limit - o.cov.Returned + 1 }

// firstBudget is how many rows the first window of a search looks at: the newest few answer most searches, and come at once in
// the others.
const firstBudget = 96 << 10

func (a *asking) search(ctx context.Context, s *Search, out *output) error {
	a.recall()
	ws := newWindows(a.parts, a.from, a.to, s.OldestFirst, firstBudget)
	for {
		w, ok := ws.next()
		if !ok {
			return nil
		}
		for {
			err := a.window(ctx, s, w, out)
			if err == nil {
				break
			}
			if !errors.Is(err, errTooMany) {
				return err
			}
			half, ok := ws.halve(w)
			if !ok {
				if err := a.instant(ctx, s, w, out); err != nil {
					return err
				}
				break
			}
			w = half
		}
		ws.done(w)
	}
}

// maxRows is how many rows of a window are held; maxPlaces how many that are known by their place alone.
var maxRows = 64 << 10 // tests make it less

const maxPlaces = maxBudget

// errTooMany says that a window must be cut.
var errTooMany = errors.New("too many rows")

// window answers one window.
func (a *asking) window(ctx context.Context, s *Search, w window, out *output) error {
	if a.rest != nil || s.Bytes {
		return a.events(ctx, s, w, out)
	}
	rows, err := a.rows(ctx, s, w, a.firstOf(s, out.left(), maxRows))
	if err != nil {
		return err
	}
	if len(rows) > maxRows {
		return errTooMany
	}
	return out.all(rows, s.OldestFirst)
}

// rows asks the columns of a window.
func (a *asking) rows(ctx context.Context, s *Search, w window, end string) (rows []*Row, err error) {
	columns := narrow
	if s.Wide {
		columns = wide
	}
	if a.seen.Scope != nil {
		// Behind the barrier all columns of what is in scope are read, also where nothing of it matches. That is asked first.
		any := false
		err := a.conn.query(ctx, "SELECT 1 "+a.over(w)+" LIMIT 1", func(chunk) error { any = true; return nil })
		if err != nil || !any {
			return nil, err
		}
	}
	err = a.conn.query(ctx, "SELECT "+columns.list+" "+a.over(w)+end, func(ch chunk) error {
		some := columns.rows(ch, w.parts)
		for i := range some {
			rows = append(rows, &some[i])
		}
		return nil
	})
	return rows, err
}

// instant answers a window of one instant that has more matches than are held at once, by positions.
func (a *asking) instant(ctx context.Context, s *Search, w window, out *output) error {
	after := a.after
	defer func() { a.after = after }()
	end := a.order(s, maxRows)
	for {
		var last Cursor
		n := 0
		if a.rest != nil || s.Bytes {
			places, given, err := a.places(ctx, s, w, end)
			if err != nil {
				return err
			}
			if n = given.n; n > 0 {
				last = given.last
			}
			if err := a.give(ctx, s, w.parts, places, nil, out); err != nil {
				return err
			}
		} else {
			rows, err := a.rows(ctx, s, w, end)
			if err != nil {
				return err
			}
			if err := out.all(rows, s.OldestFirst); err != nil {
				return err
			}
			if n = len(rows); n > 0 {
				last = rows[n-1].Cursor()
			}
		}
		if n < maxRows {
			return nil
		}
		a.after = &last
	}
}

// firstOf ends a statement that needs no more than left rows in order, or bound rows of any.
func (a *asking) firstOf(s *Search, left, bound int) string {
	if s.Limit == 0 || left > bound {
		return fmt.Sprintf(" LIMIT %d", bound+1)
	}
	return a.order(s, left)
}

// order ends a statement that wants the first n rows in order.
func (a *asking) order(s *Search, n int) string {
	if s.OldestFirst {
		return fmt.Sprintf(` ORDER BY "time", cluster, "position" LIMIT %d`, n)
	}
	return fmt.Sprintf(` ORDER BY "time" DESC, cluster DESC, "position" DESC LIMIT %d`, n)
}

func sortRows(rows []*Row, oldestFirst bool) {
	slices.SortFunc(rows, func(a, b *Row) int {
		if oldestFirst {
			return compareRows(a, b)
		}
		return compareRows(b, a)
	})
}

func before(a, b *Row, oldestFirst bool) bool {
	if oldestFirst {
		return compareRows(a, b) < 0
	}
	return compareRows(b, a) < 0
}

func compareRows(a, b *Row) int {
	return cmp.Or(cmp.Compare(a.Time, b.Time), strings.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Position, b.Position))
}
