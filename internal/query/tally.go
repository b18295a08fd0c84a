package query

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"

	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
)

// tally is what a part holds of what a reader sees.
type tally struct {
	rows, salvaged, quarantined, truncated, conflicts int
}

// tallies are of whole segments, by path and scope. Segments do not change, so a reader who comes again has them counted once.
type tallies struct {
	mu sync.Mutex
	of map[[2]string]tally
}

const maxTallies = 64 << 10

func (t *tallies) get(p *part, scope string) (tally, bool) {
	if p.segment == nil {
		return tally{}, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	x, ok := t.of[[2]string{p.segment.Path(), scope}]
	return x, ok
}

func (t *tallies) put(p *part, scope string, x tally) {
	if p.segment == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == nil || len(t.of) >= maxTallies {
		t.of = make(map[[2]string]tally)
	}
	t.of[[2]string{p.segment.Path(), scope}] = x
}

// cover begins the coverage of an answer over the parts of a snapshot from one time to another, and gives those of the parts
// that can hold anything the reader sees in that time.
func (s *seen) cover(ctx context.Context, e *Engine, c *conn, snap *ledger.Snapshot, parts []*part, asked []string, from, to int64) ([]*part, *Coverage, error) {
	touched := slices.DeleteFunc(slices.Clone(parts), func(p *part) bool { return p.max < from || p.min > to })
	cov := coverageOf(snap, asked, touched)
	cov.WithoutBodies = !s.Bodies
	cov.Ends = make(map[string]uint64)
	for _, v := range snap.Clusters {
		cov.Ends[v.Name] = v.Size
	}
	if s.Scope == nil {
		return touched, cov, nil
	}
	return s.coverScope(ctx, e, c, snap, parts, asked, from, to, cov.Ends)
}

func (s *seen) coverScope(ctx context.Context, e *Engine, c *conn, snap *ledger.Snapshot, parts []*part, asked []string, from, to int64, ends map[string]uint64) ([]*part, *Coverage, error) {
	cov := &Coverage{Clusters: []ClusterCoverage{}, Complete: true, Scope: s.Scope.String(), WithoutBodies: !s.Bodies, Ends: ends}
	parts = slices.DeleteFunc(slices.Clone(parts), func(p *part) bool { return !s.mayShow(p.cluster.Name) })
	whole, err := s.tally(ctx, e, c, parts, math.MinInt64, math.MaxInt64)
	if err != nil {
		return nil, nil, err
	}
	shows := make(map[string]bool)
	var within, cut []*part
	for i, p := range parts {
		if whole[i].rows == 0 {
			continue
		}
		shows[p.cluster.Name] = true
		switch {
		case p.max < from || p.min > to:
			continue
		case p.min < from || p.max > to:
			cut = append(cut, p)
		default:
			cov.add(whole[i])
		}
		within = append(within, p)
	}
	some, err := s.tally(ctx, e, c, cut, from, to)
	if err != nil {
		return nil, nil, err
	}
	for _, x := range some {
		cov.add(x)
	}
	for _, name := range slices.Sorted(maps.Keys(shows)) {
		cov.Clusters = append(cov.Clusters, ClusterCoverage{Name: name})
	}
	for _, name := range asked {
		if name != "" && !shows[name] {
			cov.incomplete("the ledger has no cluster %q", name)
		}
	}
	for _, v := range snap.Clusters {
		var gaps Coverage
		if gaps.missing(v); len(gaps.Why) > 0 && s.mayShow(v.Name) {
			cov.incomplete("events that the ledger gave a place are not there")
			break
		}
	}
	return within, cov, nil
}

func (c *Coverage) add(t tally) {
	c.Considered += t.rows
	c.Salvaged += t.salvaged
	c.Quarantined += t.quarantined
	c.Truncated += t.truncated
	c.Conflicts += t.conflicts
}

// tally counts what parts hold in sight, from one time to another. What it reads depends on the scope and the time alone.
func (s *seen) tally(ctx context.Context, e *Engine, c *conn, parts []*part, from, to int64) ([]tally, error) {
	scope := s.Scope.String()
	known := make(map[*part]tally)
	var open []*part
	whole := from == math.MinInt64 && to == math.MaxInt64
	for _, p := range parts {
		x, ok := e.tallies.get(p, scope)
		if ok && (whole || x.rows == 0) {
			known[p] = x
		} else {
			open = append(open, p)
		}
	}
	if len(open) > 0 {
		var marked strings.Builder
		for _, m := range []format.Marks{format.Salvaged, format.Quarantined, format.Truncated, format.Conflict} {
			fmt.Fprintf(&marked, ", count(*) FILTER (marks & %d <> 0)", m)
		}
		a := asking{seen: *s, columns: condition{"true", allColumns}}
		sql := fmt.Sprintf("SELECT src, count(*)%s %s GROUP BY src", marked.String(), a.over(window{from, to, open}))
		err := c.query(ctx, sql, func(ch chunk) error {
			src, rows := ch.column(0).ints(), ch.column(1).ints()
			a, b, t, x := ch.column(2).ints(), ch.column(3).ints(), ch.column(4).ints(), ch.column(5).ints()
			for i := range ch.n {
				known[open[src[i]]] = tally{int(rows[i]), int(a[i]), int(b[i]), int(t[i]), int(x[i])}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if whole {
			for _, p := range open {
				e.tallies.put(p, scope, known[p])
			}
		}
	}
	all := make([]tally, len(parts))
	for i, p := range parts {
		all[i] = known[p]
	}
	return all, nil
}
