package query

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"annals.dev/internal/ledger"
)

// maxFields is how many fields Groups counts by.
const maxFields = 8

// Groups counts the events of a range by several fields of Facets together, and gives the n most frequent combinations, the most
// frequent first.
func (r *Reader) Groups(ctx context.Context, of Range, fields []string, n int) ([]Group, *Coverage, error) {
	by, err := facetsOf(fields)
	if len(fields) == 0 || len(fields) > maxFields {
		err = wrongQuestion("events are counted by 1 to %d fields together, not by %d: choose of %s", maxFields, len(fields), strings.Join(Facets(), ", "))
	}
	if err != nil {
		return nil, nil, err
	}
	a, err := r.ask(ctx, of)
	if err != nil {
		return nil, nil, err
	}
	defer a.done()
	sets, err := a.matched(ctx)
	if err != nil {
		cov, err := a.failed(ctx, err)
		return nil, cov, err
	}
	held := grouped{counts: counts{of: make(map[string]int)}, values: make(map[string][]string)}
	var columns []string
	for _, f := range by {
		if f.scan != "" {
			columns = append(columns, f.scan)
		}
	}
	err = a.scan(ctx, sets, columns, func(p *part, set rowSet, from, n int, cols []ledger.HotColumn) error {
		var fields [maxFields]coded
		for i, f := range by {
			col := ledger.HotColumn{}
			if f.scan != "" {
				col, cols = cols[0], cols[1:]
			}
			fields[i] = valuesOf(f, p, col, n)
		}
		seen := make(map[[maxFields]uint32]int)
		set.rows(from, n, func(row int) {
			var key [maxFields]uint32
			for i := range by {
				key[i] = fields[i].code(row)
			}
			seen[key]++
		})
		held.mu.Lock()
		defer held.mu.Unlock()
		for key, n := range seen {
			values := make([]string, len(by))
			for i := range by {
				values[i] = fields[i].value(key[i])
			}
			held.put(values, n)
		}
		return nil
	})
	if err != nil {
		cov, err := a.failed(ctx, err)
		return nil, cov, err
	}
	if held.full {
		a.cov.incomplete("there are more than the %d combinations that are held at once: narrow the search", maxValues)
	}
	all := []Group{}
	for key, values := range held.values {
		all = append(all, Group{values, held.of[key]})
	}
	slices.SortFunc(all, func(a, b Group) int { return cmp.Or(cmp.Compare(b.Count, a.Count), slices.Compare(a.Values, b.Values)) })
	a.cov.LimitReached = len(all) > n
	return first(all, n), a.cov, nil
}

// grouped are counts of combinations.
type grouped struct {
	counts
	values map[string][]string
}

func (g *grouped) put(values []string, n int) {
	var key strings.Builder
	for _, v := range values {
		fmt.Fprintf(&key, "%d:%s", len(v), v)
	}
	g.add(key.String(), n)
	if _, ok := g.of[key.String()]; ok {
		g.values[key.String()] = values
	}
}
