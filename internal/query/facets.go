package query

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Count counts the events of a range.
func (r *Reader) Count(ctx context.Context, of Range) (n int, _ *Coverage, err error) {
	a, err := r.ask(of)
	if err != nil {
		return 0, nil, err
	}
	defer a.done()
	sql := func(w window) string {
		return fmt.Sprintf("SELECT count(*) %s", a.columns.over(w))
	}
	err = a.aggregate(ctx, sql, func(ch chunk) error {
		n += int(ch.column(0).ints()[0])
		return nil
	}, func(*Row) { n++ })
	return n, a.cov, err
}

// Value is a value of a field and how many events have it.
type Value struct {
	Value string `json:"value"` // "" where the field is absent
	Count int    `json:"count"`
}

// facets are the fields that Top knows: their columns, and how they stand in a row.
var facets = map[string]struct {
	column string
	of     func(*Row) string
}{
	"cluster":     {"cluster", func(r *Row) string { return r.Cluster }},
	"origin":      {"origin", func(r *Row) string { return r.Origin }},
	"level":       {"level", func(r *Row) string { return r.Level }},
	"stage":       {"stage", func(r *Row) string { return r.Stage }},
	"verb":        {"verb", func(r *Row) string { return r.Verb }},
	"user":        {"username", func(r *Row) string { return r.User }},
	"as":          {"impersonatedUsername", func(r *Row) string { return r.As }},
	"agent":       {"userAgent", func(r *Row) string { return r.UserAgent }},
	"ip":          {"sourceIPs", func(r *Row) string { return r.SourceIPs }},
	"resource":    {"resource", func(r *Row) string { return r.Resource }},
	"subresource": {"subresource", func(r *Row) string { return r.Subresource }},
	"ns":          {"namespace", func(r *Row) string { return r.Namespace }},
	"name":        {"name", func(r *Row) string { return r.Name }},
	"apiGroup":    {"apiGroup", func(r *Row) string { return r.APIGroup }},
	"code": {"CAST(code AS VARCHAR)", func(r *Row) string {
		if r.Code == 0 {
			return ""
		}
		return fmt.Sprint(r.Code)
	}},
	"decision": {"decision", func(r *Row) string { return r.Decision }},
}

// Facets are the fields that Top knows, sorted.
func Facets() []string {
	var names []string
	for name := range facets {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Top counts the events of a range by a field, one of Facets, and gives the n most frequent values, the most frequent first.
func (r *Reader) Top(ctx context.Context, of Range, field string, n int) ([]Value, *Coverage, error) {
	facet, ok := facets[field]
	if !ok {
		return nil, nil, fmt.Errorf("events cannot be counted by %q: choose one of %s", field, strings.Join(Facets(), ", "))
	}
	a, err := r.ask(of)
	if err != nil {
		return nil, nil, err
	}
	defer a.done()
	sql := func(w window) string {
		// The column as it stands is grouped by its dictionary; absent and empty become one afterwards.
		groups := fmt.Sprintf("SELECT %s AS v, count(*) AS n %s GROUP BY 1", facet.column, a.columns.over(w))
		return fmt.Sprintf("SELECT coalesce(v, '') AS v, CAST(sum(n) AS BIGINT) AS n FROM (%s) GROUP BY 1 ORDER BY n DESC, v LIMIT %d", groups, n)
	}
	var top []Value
	seen := make(map[string]int)
	err = a.aggregate(ctx, sql, func(ch chunk) error {
		v, counts := ch.column(0), ch.column(1).ints()
		for i := range ch.n {
			top = append(top, Value{string(v.bytes(i)), int(counts[i])})
		}
		return nil
	}, func(r *Row) { seen[facet.of(r)]++ })
	for v, count := range seen {
		top = append(top, Value{v, count})
	}
	slices.SortFunc(top, func(a, b Value) int { return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Value, b.Value)) })
	return top[:min(n, len(top))], a.cov, err
}

// Bucket is a span of time and how many events lie in it.
type Bucket struct {
	Start time.Time
	Count int `json:"count"`
}

// Histogram counts the events of a range by time: buckets of step, from multiples of it since 1970, those without events left
// out, the earliest first.
func (r *Reader) Histogram(ctx context.Context, of Range, step time.Duration) ([]Bucket, *Coverage, error) {
	us := step.Microseconds()
	if us <= 0 {
		return nil, nil, fmt.Errorf("a histogram's step is at least a microsecond, not %s", step)
	}
	a, err := r.ask(of)
	if err != nil {
		return nil, nil, err
	}
	defer a.done()
	sql := func(w window) string {
		return fmt.Sprintf(`SELECT epoch_us("time") // %d AS b, count(*) %s GROUP BY 1`, us, a.columns.over(w))
	}
	counts := make(map[int64]int)
	err = a.aggregate(ctx, sql, func(ch chunk) error {
		b, n := ch.column(0).ints(), ch.column(1).ints()
		for i := range ch.n {
			counts[b[i]] += int(n[i])
		}
		return nil
	}, func(r *Row) { counts[r.Time/us]++ })
	buckets := make([]Bucket, 0, len(counts))
	for b, n := range counts {
		buckets = append(buckets, Bucket{time.UnixMicro(b * us).UTC(), n})
	}
	slices.SortFunc(buckets, func(a, b Bucket) int { return a.Start.Compare(b.Start) })
	return buckets, a.cov, err
}

// aggregate has DuckDB answer with sql where columns are enough; else it hands every event that matches to row.
func (a *asking) aggregate(ctx context.Context, sql func(window) string, f func(chunk) error, row func(*Row)) (err error) {
	switch {
	case len(a.parts) == 0:
	case a.rest == nil:
		err = a.conn.query(ctx, sql(window{a.from, a.to, a.parts}), f)
	default:
		s := new(Search)
		err = a.search(ctx, s, &output{search: s, cov: a.cov, f: func(r *Row) error { row(r); return nil }})
		a.cov.Returned = 0
	}
	if err != nil {
		a.cov.incomplete("%v", err)
	}
	return err
}
