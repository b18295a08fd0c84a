package query

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"annals.dev/internal/ledger"
)

// MaxSlowest is how many of the slowest may be asked for.
const MaxSlowest = 10_000

// slowest answers a search by latency.
func (a *asking) slowest(ctx context.Context, s *Search, out *output) error {
	if len(a.parts) == 0 {
		return nil
	}
	var rows []*Row
	var err error
	if a.rest == nil && !s.Bytes {
		end := fmt.Sprintf(` ORDER BY latency DESC NULLS LAST, "time" DESC, cluster DESC, "position" DESC LIMIT %d`, s.Limit+1)
		columns := *s
		columns.Wide = true // for the latency
		rows, err = a.rows(ctx, &columns, window{a.from, a.to, a.parts}, end)
	} else {
		var places []place
		if places, err = a.slowestPlaces(ctx, s.Limit+1); err == nil {
			rows, err = a.read(ctx, s, a.parts, places, nil)
		}
	}
	if err != nil {
		return err
	}
	slices.SortFunc(rows, func(p, q *Row) int { return cmp.Or(cmp.Compare(q.Latency, p.Latency), compareRows(q, p)) })
	for _, r := range rows {
		if err := out.row(r); err != nil {
			return err
		}
	}
	return nil
}

// slowestPlaces are those of the n slowest events that match.
func (a *asking) slowestPlaces(ctx context.Context, n int) ([]place, error) {
	sets, err := a.matched(ctx)
	if err != nil {
		return nil, err
	}
	type slow struct {
		place
		latency int64
	}
	number := make(map[*part]int32)
	for i, p := range a.parts {
		number[p] = int32(i)
	}
	order := func(p, q slow) int {
		return cmp.Or(cmp.Compare(q.latency, p.latency), cmp.Compare(q.time, p.time),
			strings.Compare(a.parts[q.part].cluster.Name, a.parts[p.part].cluster.Name), cmp.Compare(q.position, p.position))
	}
	var mu sync.Mutex
	var all []slow
	err = a.scan(ctx, sets, []string{"latency", "time", "position"}, func(p *part, set rowSet, from, rows int, cols []ledger.HotColumn) error {
		var mine []slow
		set.rows(from, rows, func(i int) {
			mine = append(mine, slow{place{cols[1].I64[i], cols[2].I64[i], number[p], int32(from + i)}, cols[0].I64[i]})
		})
		slices.SortFunc(mine, order)
		mu.Lock()
		defer mu.Unlock()
		all = append(all, mine[:min(n, len(mine))]...)
		slices.SortFunc(all, order)
		all = all[:min(n, len(all))]
		return nil
	})
	places := make([]place, len(all))
	for i, x := range all {
		places[i] = x.place
	}
	return places, err
}
