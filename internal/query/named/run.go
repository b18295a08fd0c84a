package named

import (
	"context"
	"math"

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
		s.Slowest = true
		if limit == 0 || limit > query.MaxSlowest {
			s.Limit = query.MaxSlowest
		}
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
