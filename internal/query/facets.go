package query

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"annals.dev/internal/ledger"
)

// Count counts the events of a range.
func (r *Reader) Count(ctx context.Context, of Range) (n int, _ *Coverage, err error) {
	a, err := r.ask(ctx, of)
	if err != nil {
		return 0, nil, err
	}
	defer a.done()
	sets, err := a.matched(ctx)
	if err != nil {
		cov, err := a.failed(ctx, err)
		return 0, cov, err
	}
	for i, p := range a.parts {
		n += sets[i].count(0, p.rows)
	}
	return n, a.cov, nil
}

// failed is the coverage of an answer that an error cut short, and the error: that of ctx, if whoever asked has gone.
func (a *asking) failed(ctx context.Context, err error) (*Coverage, error) {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = context.Cause(ctx)
	}
	a.cov.incomplete("%v", err)
	return a.cov, err
}

// Value is a value of a field and how many events have it.
type Value struct {
	Value string `json:"value"` // "" where the field is absent
	Count int    `json:"count"`
}

// facet is a field that events can be counted by: its column, and what of that is the value.
type facet struct {
	column string              // SQL, as text
	scan   string              // the ledger's name of it; "": the cluster
	value  func(string) string // nil: the column is the value
}

var facets = map[string]facet{
	"cluster":     {"cluster", "", nil},
	"origin":      {"origin", "origin", nil},
	"level":       {"level", "level", nil},
	"stage":       {"stage", "stage", nil},
	"verb":        {"verb", "verb", nil},
	"user":        {"username", "username", nil},
	"as":          {"impersonatedUsername", "impersonatedUsername", nil},
	"agent":       {"userAgent", "userAgent", nil},
	"uri":         {"requestURI", "requestURI", nil},
	"ip":          {"sourceIPs", "sourceIPs", peer},
	"resource":    {"resource", "resource", nil},
	"subresource": {"subresource", "subresource", nil},
	"ns":          {"namespace", "namespace", nil},
	"name":        {"name", "name", nil},
	"apiGroup":    {"apiGroup", "apiGroup", nil},
	"code":        {"CAST(nullif(code, 0) AS VARCHAR)", "code", nil},
	"code-class":  {"CAST(nullif(code, 0) AS VARCHAR)", "code", codeClass},
	"decision":    {"decision", "decision", nil},
	"reason":      {"reason", "reason", nil},
}

// DefaultFacets are the fields that matter most.
var DefaultFacets = []string{"verb", "resource", "ns", "name", "user", "code", "ip", "agent", "decision", "stage", "level", "cluster"}

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

// Facets are the fields that events can be counted by, sorted. By code-class they can be counted, too, but not searched.
func Facets() []string {
	var names []string
	for name := range facets {
		if name != "code-class" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func facetsOf(fields []string) (all []facet, _ error) {
	for _, f := range fields {
		x, ok := facets[f]
		if !ok {
			return nil, wrongQuestion("events cannot be counted by %q: choose one of %s", f, strings.Join(Facets(), ", "))
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
		cov, err := a.failed(ctx, err)
		return nil, cov, err
	}
	if counts[0].full {
		a.cov.incomplete("there are more values of %s than the %d that are held at once: narrow the search", field, maxValues)
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
		cov, err := a.failed(ctx, err)
		return nil, cov, err
	}
	all := []Facet{}
	for i := range counts {
		c := &counts[i]
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
	mu    sync.Mutex
	of    map[string]int
	full  bool // there are more values than are held
	bytes int
}

// What is held of one field is so many values, and so many bytes of them. Of those beyond none is counted, of the others all.
const (
	maxValues     = 128 << 10
	maxValueBytes = 8 << 20
)

func (c *counts) add(v string, n int) {
	if _, ok := c.of[v]; !ok {
		if len(c.of) >= maxValues || c.bytes+len(v) > maxValueBytes {
			c.full = true
			return
		}
		c.bytes += len(v)
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
	sets, err := a.matched(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]counts, len(of))
	var columns []string
	for i, f := range of {
		all[i].of = make(map[string]int)
		if f.scan != "" {
			columns = append(columns, f.scan)
		}
	}
	return all, a.scan(ctx, sets, columns, func(p *part, set rowSet, from, n int, cols []ledger.HotColumn) error {
		for i, f := range of {
			col := ledger.HotColumn{}
			if f.scan != "" {
				col, cols = cols[0], cols[1:]
			}
			all[i].addAll(valuesOf(f, p, col, n), set, from, n, keep)
		}
		return nil
	})
}

// coded is a column of some rows as codes of its values: code k is value(k). Code 0 is absence.
type coded struct {
	codes []uint32 // nil: every row has code 0
	size  int      // of the codes
	value func(code uint32) string
}

// valuesOf makes a facet's column of a part's rows coded.
func valuesOf(f facet, p *part, col ledger.HotColumn, n int) coded {
	var c coded
	var text func(code uint32) string
	switch {
	case f.scan == "":
		c.size, text = 1, func(uint32) string { return p.cluster.Name }
	case col.Kind == ledger.String:
		c.codes, c.size = col.Codes[:n], len(col.Dict)+1
		text = func(code uint32) string {
			if code == 0 {
				return ""
			}
			return string(col.Dict[code-1])
		}
	default:
		known, last := map[int64]uint32{ledger.NullInt: 0, 0: 0}, []string{""}
		var small [1024]uint32 // of the numbers that codes of HTTP are, the code and one
		c.codes = make([]uint32, n)
		for i, v := range col.I64[:n] {
			if uint64(v) < uint64(len(small)) && small[v] > 0 {
				c.codes[i] = small[v] - 1
				continue
			}
			code, ok := known[v]
			if !ok {
				code = uint32(len(last))
				known[v], last = code, append(last, fmt.Sprint(v))
			}
			if c.codes[i] = code; uint64(v) < uint64(len(small)) {
				small[v] = code + 1
			}
		}
		c.size, text = len(last), func(code uint32) string { return last[code] }
	}
	c.value = text
	if f.value != nil {
		c.value = func(code uint32) string { return f.value(text(code)) }
	}
	return c
}

// code is that of a row.
func (c *coded) code(row int) uint32 {
	if c.codes == nil {
		return 0
	}
	return c.codes[row]
}

// addAll counts the values of the rows of a set.
func (c *counts) addAll(v coded, set rowSet, from, n int, keep func(string) bool) {
	seen := make([]int, v.size)
	switch {
	case v.codes == nil:
		seen[0] = set.count(from, n)
	case set == nil:
		for _, code := range v.codes {
			seen[code]++
		}
	default:
		set.rows(from, n, func(i int) { seen[v.codes[i]]++ })
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for code, n := range seen {
		if n == 0 {
			continue
		}
		if s := v.value(uint32(code)); keep == nil || keep(s) {
			c.add(s, n)
		}
	}
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
		return nil, nil, wrongQuestion("a histogram's step is at least a microsecond, not %s", step)
	}
	a, err := r.ask(ctx, of)
	if err != nil {
		return nil, nil, err
	}
	defer a.done()
	counts := make(map[int64]int)
	sets, err := a.matched(ctx)
	if err == nil {
		var mu sync.Mutex
		err = a.scan(ctx, sets, []string{"time"}, func(_ *part, set rowSet, from, n int, cols []ledger.HotColumn) error {
			mine := make(map[int64]int)
			set.rows(from, n, func(i int) { mine[floor(cols[0].I64[i], us)]++ })
			mu.Lock()
			defer mu.Unlock()
			for b, n := range mine {
				counts[b] += n
			}
			if len(counts) > maxValues {
				return wrongQuestion("steps of %s make more than the %d buckets that are held at once: narrow the range, or take a longer step", step, maxValues)
			}
			return nil
		})
	}
	if err != nil {
		cov, err := a.failed(ctx, err)
		return nil, cov, err
	}
	buckets := make([]Bucket, 0, len(counts))
	for b, n := range counts {
		buckets = append(buckets, Bucket{time.UnixMicro(b * us).UTC(), n})
	}
	slices.SortFunc(buckets, func(a, b Bucket) int { return a.Start.Compare(b.Start) })
	return buckets, a.cov, nil
}

// floor is the multiple of step that t lies in: // of DuckDB.
func floor(t, step int64) int64 {
	if t%step < 0 {
		return t/step - 1
	}
	return t / step
}

// first is the n first of all, or all if there are no more.
func first[T any](all []T, n int) []T { return all[:max(0, min(n, len(all)))] }
