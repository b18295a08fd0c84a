package server

import (
	"cmp"
	"context"
	"fmt"

	"annals.dev/internal/query"
)

// TailQuestion asks for the newest events and then for each that arrives. Items are query.Event; the end never comes.
type TailQuestion struct {
	Query    string   `json:"query,omitempty"`
	Clusters []string `json:"clusters,omitempty"`
	Limit    *int     `json:"limit,omitempty"`  // how many of those that are there already; default 10
	Detail   Detail   `json:"detail,omitempty"` // default summary
}

const (
	tailFirst    = 10
	maxTailFirst = 10_000
)

func (c *core) tail(ctx context.Context, by *asker, q TailQuestion, emit func(Row) error) (Coverage, error) {
	limit := tailFirst
	if q.Limit != nil {
		limit = *q.Limit
	}
	if limit < 0 || limit > maxTailFirst {
		return Coverage{}, &Error{Usage, fmt.Sprintf("limit is how many events of those that are there already come first: 0 to %d, not %d", maxTailFirst, limit)}
	}
	s, err := c.searchOf(ctx, by, SearchQuestion{Query: q.Query, Clusters: q.Clusters, Limit: max(limit, 1), Detail: q.Detail, Follow: true})
	if err != nil {
		return Coverage{}, err
	}
	// A search of one event says where the ledger ends at present.
	skip := limit == 0
	began := func() { skip = false }
	cov, err := c.follow(ctx, by, s, q.Clusters, began, func(r *query.Row) error {
		if skip {
			return nil
		}
		return emit(c.given(r, cmp.Or(q.Detail, Summary)))
	})
	return cov, notOfTheQuestion(ctx, err)
}
