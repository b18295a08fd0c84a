package server

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"annals.dev/internal/match"
	"annals.dev/internal/query"
)

const (
	facetValues    = 10
	completions    = 20
	maxFacetValues = 1000
)

// upTo is how many were asked for, or else the default.
func upTo(limit, normal int) (int, error) {
	switch {
	case limit == 0:
		return normal, nil
	case limit < 0 || limit > maxFacetValues:
		return 0, &Error{Usage, fmt.Sprintf("limit is 1 to %d, not %d", maxFacetValues, limit)}
	}
	return limit, nil
}

// facetNames are the names by which events are counted, of fields by any of their names. It refuses fields by which they cannot be.
func facetNames(names ...string) ([]string, error) {
	known := append(query.Facets(), "code-class")
	resolved := make([]string, len(names))
	for i, name := range names {
		resolved[i] = name
		for _, f := range match.Fields() {
			if f.Name == name || slices.Contains(f.Aliases, name) {
				resolved[i] = cmp.Or(facetOf(f, known), name)
			}
		}
		if !slices.Contains(known, resolved[i]) {
			return nil, &Error{Usage, "what events can be counted by: " + unknown("field", name, known)}
		}
	}
	return resolved, nil
}

// facetOf is the name by which events are counted by a field, "" if they cannot be.
func facetOf(f match.Field, known []string) string {
	for _, name := range append(slices.Clone(f.Aliases), f.Name) {
		if slices.Contains(known, name) {
			return name
		}
	}
	return ""
}

func (c *core) facets(ctx context.Context, by *asker, q FacetsQuestion, emit func(query.Facet) error) (*Coverage, error) {
	limit, err := upTo(q.Limit, facetValues)
	if err != nil {
		return nil, err
	}
	fields, err := facetNames(q.Fields...)
	if err != nil {
		return nil, err
	}
	of, err := c.rangeOf(ctx, by, q.Range)
	if err != nil {
		return nil, err
	}
	all, cov, err := by.read.Facets(ctx, of, fields, limit, q.Rare)
	if err != nil {
		return nil, notOfTheQuestion(ctx, err)
	}
	for _, f := range all {
		if err := emit(f); err != nil {
			return nil, err
		}
	}
	return cov, nil
}

func (c *core) values(ctx context.Context, by *asker, q ValuesQuestion, _ func(nothing) error) (v Values, err error) {
	limit, err := upTo(q.Limit, completions)
	if err != nil {
		return v, err
	}
	field, err := facetNames(q.Field)
	if err != nil {
		return v, err
	}
	of, err := c.rangeOf(ctx, by, q.Range)
	if err != nil {
		return v, err
	}
	v.Values, v.Cover, err = by.read.Values(ctx, of, field[0], q.Prefix, limit)
	return v, notOfTheQuestion(ctx, err)
}

// FieldsQuestion asks for the fields of the search language. Items are Field.
type FieldsQuestion struct{}

func (c *core) fields(_ context.Context, _ *asker, _ FieldsQuestion, emit func(Field) error) (nothing, error) {
	facets := query.Facets()
	for _, f := range match.Fields() {
		x := Field{f, facetOf(f, facets)}
		if err := emit(x); err != nil {
			return nothing{}, err
		}
	}
	return nothing{}, nil
}
