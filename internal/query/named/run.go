package named

import (
	"cmp"
	"container/heap"
	"context"
	"math"
	"slices"

	"annals.dev/internal/match"
	"annals.dev/internal/query"
)

// Answer takes the rows of an answer, of whichever sort the question gives.
type Answer struct {
	Event func(*query.Row) error
	Group func(query.Group) error
}

// Run answers the question about the events of a range; the range's own predicate, if it has one, narrows it. With bytes, events
// have theirs. A limit of 0 is none.
func (a *Asked) Run(ctx context.Context, r *query.Reader, of query.Range, limit int, bytes bool, to Answer) (*query.Coverage, error) {
	p, err := match.Parse(a.Search)
	if err != nil {
		return nil, err
	}
	if of.Query != nil {
		p = match.And(p, of.Query)
	}
	of.Query = p
	s := query.Search{Range: of, Limit: limit, Wide: true, Bytes: bytes}
	switch {
	case len(a.Question.By) > 0:
		return count(ctx, r, of, a.Question.By, limit, to.Group)
	case a.Question.Sort == byLatency:
		return slowest(ctx, r, s, to.Event)
	}
	return r.Search(ctx, s, to.Event)
}

func count(ctx context.Context, r *query.Reader, of query.Range, by []string, limit int, give func(query.Group) error) (*query.Coverage, error) {
	if limit == 0 {
		limit = math.MaxInt
	}
	groups, cov, err := r.Groups(ctx, of, by, limit)
	if err != nil {
		return cov, err
	}
	cov.Returned = len(groups)
	for _, g := range groups {
		if err := give(g); err != nil {
			return cov, err
		}
	}
	return cov, nil
}

const slowestHeld = 10_000 // rows

// slowest gives the rows that took longest, the slowest first.
func slowest(ctx context.Context, r *query.Reader, s query.Search, give func(*query.Row) error) (*query.Coverage, error) {
	limit := s.Limit
	if limit == 0 || limit > slowestHeld {
		limit = slowestHeld
	}
	s.Limit = 0
	var held slow
	more := false
	cov, err := r.Search(ctx, s, func(row *query.Row) error {
		if len(held) < limit {
			heap.Push(&held, row)
			return nil
		}
		if more = true; slower(row, held[0]) < 0 {
			held[0] = row
			heap.Fix(&held, 0)
		}
		return nil
	})
	if err != nil {
		return cov, err
	}
	cov.LimitReached, cov.Returned = more, len(held)
	slices.SortFunc(held, slower)
	for _, row := range held {
		if err := give(row); err != nil {
			return cov, err
		}
	}
	return cov, nil
}

// slow is a heap of rows, the fastest on top.
type slow []*query.Row

func slower(a, b *query.Row) int {
	return cmp.Or(cmp.Compare(b.Latency, a.Latency), cmp.Compare(b.Time, a.Time), cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Position, b.Position))
}

func (s slow) Len() int           { return len(s) }
func (s slow) Less(i, j int) bool { return slower(s[i], s[j]) > 0 }
func (s slow) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *slow) Push(x any)        { *s = append(*s, x.(*query.Row)) }
func (s *slow) Pop() any {
	last := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return last
}
