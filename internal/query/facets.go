package query

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Count counts the events of a range.
func (r *Reader) Count(ctx context.Context, of Range) (n int, _ *Coverage, err error) {
	a, err := r.ask(ctx, of)
	if err != nil {
		return 0, nil, err
	}
	defer a.done()
	err = a.aggregate(ctx, func(w window) string { return "SELECT count(*) " + a.over(w) }, func(ch chunk) error {
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

// facet is a field that events can be counted by: its column, how that stands in a row, and what of it is the value.
type facet struct {
	column string // of text, as the ledger has it: grouped by its dictionary
	of     func(*Row) string
	value  func(string) string // nil: the column is the value
}

var facets = map[string]facet{
	"cluster":     {"cluster", func(r *Row) string { return r.Cluster }, nil},
	"origin":      {"origin", func(r *Row) string { return r.Origin }, nil},
	"level":       {"level", func(r *Row) string { return r.Level }, nil},
	"stage":       {"stage", func(r *Row) string { return r.Stage }, nil},
	"verb":        {"verb", func(r *Row) string { return r.Verb }, nil},
	"user":        {"username", func(r *Row) string { return r.User }, nil},
	"as":          {"impersonatedUsername", func(r *Row) string { return r.As }, nil},
	"agent":       {"userAgent", func(r *Row) string { return r.UserAgent }, nil},
	"uri":         {"requestURI", func(r *Row) string { return r.RequestURI }, nil},
	"ip":          {"sourceIPs", func(r *Row) string { return r.SourceIPs }, peer},
	"resource":    {"resource", func(r *Row) string { return r.Resource }, nil},
	"subresource": {"subresource", func(r *Row) string { return r.Subresource }, nil},
	"ns":          {"namespace", func(r *Row) string { return r.Namespace }, nil},
	"name":        {"name", func(r *Row) string { return r.Name }, nil},
	"apiGroup":    {"apiGroup", func(r *Row) string { return r.APIGroup }, nil},
	"code":        {"CAST(nullif(code, 0) AS VARCHAR)", codeOf, nil},
	"code-class":  {"CAST(nullif(code, 0) AS VARCHAR)", codeOf, codeClass},
	"decision":    {"decision", func(r *Row) string { return r.Decision }, nil},
	"reason":      {"reason", func(r *Row) string { return r.Reason }, nil},
}

// DefaultFacets are the fields that matter most.
var DefaultFacets = []string{"verb", "resource", "ns", "name", "user", "code", "ip", "agent", "decision", "stage", "level", "cluster"}

func codeOf(r *Row) string {
	if r.Code == 0 {
		return ""
	}
	return fmt.Sprint(r.Code)
}

func codeClass(code string) string {
	if len(code) != 3 {
		return code
	}
	return code[:1] + "xx"
}

// peer is the last of the source addresses, the one that the API server itself saw; those before it are what clients claim.
func peer(list string) string {
	var ips []string
	if json.Unmarshal([]byte(list), &ips) != nil || len(ips) == 0 {
		return ""
	}
	return ips[len(ips)-1]
}

// Facets are the fields that events can be counted by, sorted.
func Facets() []string {
	var names []string
	for name := range facets {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func facetsOf(fields []string) (all []facet, _ error) {
	for _, f := range fields {
		x, ok := facets[f]
		if !ok {
			return nil, fmt.Errorf("events cannot be counted by %q: choose one of %s", f, strings.Join(Facets(), ", "))
		}
		all = append(all, x)
	}
	return all, nil
}

// Top counts the events of a range by a field, one of Facets, and gives the n most frequent values, the most frequent first.
func (r *Reader) Top(ctx context.Context, of Range, field string, n int) ([]Value, *Coverage, error) {
	a, err := r.ask(ctx, of)
	if err != nil {
		return nil, nil, err
	}
	defer a.done()
	counts, err := a.count(ctx, []string{field}, nil)
	if err != nil {
		return nil, a.cov, err
	}
	top := counts[0].sorted(false)
	return first(top, n), a.cov, nil
}

// Facets counts the events of a range by fields, DefaultFacets if none is named. Of each it gives the limit most frequent values,
// or with rare the rarest, first. Absence is not a value.
func (r *Reader) Facets(ctx context.Context, of Range, fields []string, limit int, rare bool) ([]Facet, *Coverage, error) {
	if len(fields) == 0 {
		fields = DefaultFacets
	}
	a, err := r.ask(ctx, of)
	if err != nil {
		return nil, nil, err
	}
	defer a.done()
	counts, err := a.count(ctx, fields, nil)
	if err != nil {
		return nil, a.cov, err
	}
	all := []Facet{}
	for i, c := range counts {
		f := Facet{Field: fields[i], Values: []Value{}, Absent: c.of[""]}
		delete(c.of, "")
		f.Distinct, f.AtLeast = len(c.of), c.full
		sorted := c.sorted(rare)
		f.Values = append(f.Values, first(sorted, limit)...)
		all = append(all, f)
	}
	return all, a.cov, nil
}

// counts are how many events have each value of a field.
type counts struct {
	of   map[string]int
	full bool // there are more values than are held
}

// maxValues bounds the values that are held of one field. Of those beyond none is counted, of the others all.
const maxValues = 256 << 10

func (c *counts) add(v string, n int) {
	if _, ok := c.of[v]; !ok && len(c.of) >= maxValues {
		c.full = true
		return
	}
	c.of[v] += n
}

func (c *counts) sorted(rare bool) []Value {
	all := make([]Value, 0, len(c.of))
	for v, n := range c.of {
		all = append(all, Value{v, n})
	}
	slices.SortFunc(all, func(a, b Value) int {
		if rare {
			a.Count, b.Count = b.Count, a.Count
		}
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Value, b.Value))
	})
	return all
}

// count counts by several fields. Values that keep turns down are left out.
func (a *asking) count(ctx context.Context, fields []string, keep func(string) bool) ([]counts, error) {
	of, err := facetsOf(fields)
	if err != nil {
		return nil, err
	}
	all := make([]counts, len(of))
	for i := range all {
		all[i].of = make(map[string]int)
	}
	add := func(i int, raw string, n int) {
		if of[i].value != nil {
			raw = of[i].value(raw)
		}
		if keep == nil || keep(raw) {
			all[i].add(raw, n)
		}
	}
	if a.rest != nil {
		return all, a.aggregate(ctx, nil, nil, func(r *Row) {
			for i, f := range of {
				add(i, f.of(r), 1)
			}
		})
	}
	for i, f := range of {
		sql := func(w window) string {
			return fmt.Sprintf("SELECT %s AS v, count(*) AS n %s GROUP BY 1", f.column, a.over(w))
		}
		err := a.aggregate(ctx, sql, func(ch chunk) error {
			v, n := ch.column(0), ch.column(1).ints()
			for k := range ch.n {
				add(i, string(v.bytes(k)), int(n[k]))
			}
			return nil
		}, nil)
		if err != nil {
			return nil, err
		}
	}
	return all, nil
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
	a, err := r.ask(ctx, of)
	if err != nil {
		return nil, nil, err
	}
	defer a.done()
	sql := func(w window) string {
		return fmt.Sprintf(`SELECT epoch_us("time") // %d AS b, count(*) %s GROUP BY 1`, us, a.over(w))
	}
	counts := make(map[int64]int)
	err = a.aggregate(ctx, sql, func(ch chunk) error {
		b, n := ch.column(0).ints(), ch.column(1).ints()
		for i := range ch.n {
			counts[b[i]] += int(n[i])
		}
		return nil
	}, func(r *Row) { counts[floor(r.Time, us)]++ })
	buckets := make([]Bucket, 0, len(counts))
	for b, n := range counts {
		buckets = append(buckets, Bucket{time.UnixMicro(b * us).UTC(), n})
	}
	slices.SortFunc(buckets, func(a, b Bucket) int { return a.Start.Compare(b.Start) })
	return buckets, a.cov, err
}

// floor is the multiple of step that t lies in: // of DuckDB.
func floor(t, step int64) int64 {
	if t%step < 0 {
		return t/step - 1
	}
	return t / step
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

// first is the n first of all, or all if there are no more.
func first[T any](all []T, n int) []T { return all[:max(0, min(n, len(all)))] }
