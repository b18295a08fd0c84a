package query

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
)

// Groups counts the events of a range by several fields of Facets together, and gives the n most frequent combinations, the most
// frequent first.
func (r *Reader) Groups(ctx context.Context, of Range, fields []string, n int) ([]Group, *Coverage, error) {
	by, err := facetsOf(fields)
	if len(fields) == 0 {
		err = fmt.Errorf("events are counted by at least one field: choose of %s", strings.Join(Facets(), ", "))
	}
	if err != nil {
		return nil, nil, err
	}
	a, err := r.ask(ctx, of)
	if err != nil {
		return nil, nil, err
	}
	defer a.done()
	held := counts{of: make(map[string]int)}
	groups := make(map[string][]string)
	add := func(values []string, n int) {
		var key strings.Builder
		for i, f := range by {
			if f.value != nil {
				values[i] = f.value(values[i])
			}
			fmt.Fprintf(&key, "%d:%s", len(values[i]), values[i])
		}
		held.add(key.String(), n)
		if _, ok := groups[key.String()]; !ok && !held.full {
			groups[key.String()] = values
		}
	}
	sql := func(w window) string {
		var list, numbers []string
		for i, f := range by {
			list, numbers = append(list, f.column), append(numbers, fmt.Sprint(i+1))
		}
		return fmt.Sprintf("SELECT %s, count(*) %s GROUP BY %s", strings.Join(list, ", "), a.over(w), strings.Join(numbers, ", "))
	}
	err = a.aggregate(ctx, sql, func(ch chunk) error {
		counts := ch.column(len(by)).ints()
		for row := range ch.n {
			values := make([]string, len(by))
			for i := range by {
				values[i] = string(ch.column(i).bytes(row))
			}
			add(values, int(counts[row]))
		}
		return nil
	}, func(r *Row) {
		values := make([]string, len(by))
		for i, f := range by {
			values[i] = f.of(r)
		}
		add(values, 1)
	})
	if err != nil {
		return nil, a.cov, err
	}
	if held.full {
		a.cov.incomplete("there are more than the %d combinations that are held at once: narrow the search", maxValues)
	}
	all := []Group{}
	for key, values := range groups {
		all = append(all, Group{values, held.of[key]})
	}
	slices.SortFunc(all, func(a, b Group) int { return cmp.Or(cmp.Compare(b.Count, a.Count), slices.Compare(a.Values, b.Values)) })
	a.cov.LimitReached = len(all) > n
	return first(all, n), a.cov, nil
}
