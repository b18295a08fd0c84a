package server

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"annals.dev/internal/query"
)

// neighbourSearch finds the events that have the same actor, object or time as another.
func neighbourSearch(by string, r *query.Row) (string, error) {
	same := func(field, value string) string { return field + ":" + quote(value) }
	switch by {
	case "actor":
		return same("user", r.User), nil
	case "object":
		if r.Resource == "" {
			return same("uri", r.RequestURI), nil
		}
		return strings.Join([]string{same("apiGroup", r.APIGroup), same("resource", r.Resource), same("ns", r.Namespace), same("name", r.Name)}, " "), nil
	case "time":
		return "", nil
	}
	return "", &Error{Usage, fmt.Sprintf("neighbours are by actor, object or time, not by %.40q", by)}
}

const (
	neighboursEach    = 5
	maxNeighboursEach = 100
)

func (c *core) neighbours(ctx context.Context, by *asker, q NeighboursQuestion, _ func(nothing) error) (query.Neighbours, error) {
	n := query.Neighbours{By: q.By, Before: []query.Event{}, After: []query.Event{}}
	if q.Limit == 0 {
		q.Limit = neighboursEach
	}
	if q.Limit < 0 || q.Limit > maxNeighboursEach {
		return n, &Error{Usage, fmt.Sprintf("neighbours are 1 to %d on each side, not %d", maxNeighboursEach, q.Limit)}
	}
	found, _, err := c.stagesOf(ctx, by, EventQuestion{Cluster: q.Cluster, Position: &q.Position}, Summary)
	if err != nil {
		return n, err
	}
	r := found[0]
	if n.Search, err = neighbourSearch(q.By, r); err != nil {
		return n, err
	}
	of, err := c.rangeOf(ctx, by, Range{Query: n.Search, Clusters: []string{r.Cluster}})
	if err != nil {
		return n, err
	}
	at := r.Cursor()
	side := func(s query.Search, to *[]query.Event) error {
		s.Limit, s.Wide = q.Limit, true
		n.Cover, err = by.read.Search(ctx, s, func(r *query.Row) error { *to = append(*to, c.given(r, Summary)); return nil })
		return notOfTheQuestion(ctx, err)
	}
	if err := side(query.Search{Range: of, After: &at}, &n.Before); err != nil {
		return n, err
	}
	slices.Reverse(n.Before)
	return n, side(query.Search{Range: of, After: &at, OldestFirst: true}, &n.After)
}
