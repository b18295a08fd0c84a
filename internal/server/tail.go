package server

import "context"

// TailQuestion asks for the newest events and then for each that arrives. Items are query.Event; the end never comes.
type TailQuestion struct {
	Query    string   `json:"query,omitempty"`
	Clusters []string `json:"clusters,omitempty"`
	Limit    *int     `json:"limit,omitempty"`  // how many of those that are there already; default 10
	Detail   Detail   `json:"detail,omitempty"` // default summary
}

const tailFirst = 10

func (c *core) tail(ctx context.Context, by *asker, q TailQuestion, emit func(Row) error) (Coverage, error) {
	limit := tailFirst
	if q.Limit != nil {
		limit = *q.Limit
	}
	return c.search(ctx, by, SearchQuestion{Query: q.Query, Clusters: q.Clusters, Limit: limit, Detail: q.Detail, Follow: true}, emit)
}
