package query

import (
	"context"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"annals.dev/internal/ledger"
)

// HitsOptions say how a histogram is drawn.
type HitsOptions struct {
	Step    time.Duration // of a bucket; 0: the shortest nice one that makes no more than about Buckets
	Buckets int           // default 60
	By      string        // one of Facets, code-class too; "": one series
	Top     int           // series before the others; default 5
}

// maxBuckets is how many a histogram may have.
const maxBuckets = 2000

const maxSeries = 50

const day = 24 * time.Hour

// steps are nice to read. Behind the last comes ten times as much, of which all that a time can be makes few.
var steps = []time.Duration{time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute,
	time.Hour, 6 * time.Hour, day, 7 * day, 28 * day, 364 * day, 3640 * day, 36400 * day}

// shown is a time that JSON can hold.
func shown(us int64) time.Time {
	return time.UnixMicro(max(yearZero, min(us, yearLast))).UTC()
}

var yearZero, yearLast = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro(), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).UnixMicro()

// Hits counts the events of a range by time and, if asked, by a field.
func (r *Reader) Hits(ctx context.Context, of Range, opt HitsOptions) (*Hits, error) {
	if opt.Buckets <= 0 {
		opt.Buckets = 60
	}
	if opt.Top <= 0 {
		opt.Top = 5
	}
	if opt.Buckets = min(opt.Buckets, maxBuckets); opt.Step < 0 || opt.Step > 0 && opt.Step < time.Millisecond {
		return nil, wrongQuestion("a histogram's step is at least a millisecond, not %s", opt.Step)
	}
	if opt.Top = min(opt.Top, maxSeries); opt.By != "" {
		if _, err := facetsOf([]string{opt.By}); err != nil {
			return nil, err
		}
	}
	h, err := r.hits(ctx, of, opt)
	if err != nil || h.Total > 0 {
		return h, err
	}
	begun := time.Now()
	h.Nearest, err = r.nearest(ctx, of)
	h.Cover.Seconds += time.Since(begun).Seconds()
	return h, err
}

func (r *Reader) hits(ctx context.Context, of Range, opt HitsOptions) (*Hits, error) {
	a, err := r.ask(ctx, of)
	if err != nil {
		return nil, err
	}
	defer a.done()
	h := &Hits{By: opt.By, Series: []HitSeries{}, Cover: a.cov, From: of.Since, To: of.Until}
	err = a.draw(ctx, h, of, opt)
	if err != nil {
		_, err = a.failed(ctx, err)
	}
	return h, err
}

// draw counts twice: first the values and where they begin and end, then what of the most frequent lies where.
func (a *asking) draw(ctx context.Context, h *Hits, of Range, opt HitsOptions) error {
	sets, err := a.matched(ctx)
	if err != nil {
		return err
	}
	by := facet{value: func(string) string { return "" }}
	if opt.By != "" {
		by = facets[opt.By]
	}
	columns := []string{"time"}
	if by.scan != "" {
		columns = append(columns, by.scan)
	}
	column := func(p *part, n int, cols []ledger.HotColumn) coded {
		if len(cols) > 1 {
			return valuesOf(by, p, cols[1], n)
		}
		return valuesOf(by, p, ledger.HotColumn{}, n)
	}
	var mu sync.Mutex
	totals := counts{of: make(map[string]int)}
	first, last := int64(math.MaxInt64), int64(math.MinInt64)
	err = a.scan(ctx, sets, columns, func(p *part, set rowSet, from, n int, cols []ledger.HotColumn) error {
		totals.addAll(column(p, n, cols), set, from, n, nil)
		least, most := int64(math.MaxInt64), int64(math.MinInt64)
		set.rows(from, n, func(i int) { least, most = min(least, cols[0].I64[i]), max(most, cols[0].I64[i]) })
		mu.Lock()
		defer mu.Unlock()
		first, last, h.Total = min(first, least), max(last, most), h.Total+set.count(from, n)
		return nil
	})
	if err != nil {
		return err
	}
	if !of.Since.IsZero() {
		first = of.Since.UnixMicro()
	}
	if !of.Until.IsZero() {
		last = of.Until.UnixMicro() - 1
	}
	step, err := opt.step(first, last)
	if err != nil {
		return err
	}
	h.Step = float64(step) / 1e6
	if first > last {
		return nil
	}
	begin := floor(first, step)
	buckets := int(floor(last, step) - begin + 1)
	h.From, h.To = shown(begin*step), shown((begin+int64(buckets))*step)
	series := h.begin(&totals, opt.Top, buckets)
	return a.scan(ctx, sets, columns, func(p *part, set rowSet, from, n int, cols []ledger.HotColumn) error {
		v := column(p, n, cols)
		at := make([]int, v.size) // the series of a code, from 1
		mine := make([]int, len(h.Series)*buckets)
		set.rows(from, n, func(i int) {
			code := v.code(i)
			if at[code] == 0 {
				k, ok := series[v.value(code)]
				if !ok {
					k = len(h.Series) - 1
				}
				at[code] = k + 1
			}
			mine[(at[code]-1)*buckets+int(floor(cols[0].I64[i], step)-begin)]++
		})
		mu.Lock()
		defer mu.Unlock()
		for i, n := range mine {
			h.Series[i/buckets].Counts[i%buckets] += n
			h.Series[i/buckets].Total += n
		}
		return nil
	})
}

// begin makes the series, empty, and says which is a value's. Values that have none are the others.
func (h *Hits) begin(totals *counts, top, buckets int) map[string]int {
	series := make(map[string]int)
	for i, v := range totals.sorted(false) {
		if i < top || len(totals.of) == top+1 && !totals.full { // one alone needs no others
			series[v.Value] = i
			h.Series = append(h.Series, HitSeries{Value: v.Value, Counts: make([]int, buckets)})
		}
	}
	if len(h.Series) < len(totals.of) {
		h.Series = append(h.Series, HitSeries{Others: true, Counts: make([]int, buckets)})
	}
	return series
}

// step is that of a range, microseconds.
func (opt HitsOptions) step(from, to int64) (int64, error) {
	if opt.Step > 0 {
		us := opt.Step.Microseconds()
		if n := floor(to, us) - floor(from, us) + 1; from <= to && (n > maxBuckets || n <= 0) {
			return 0, wrongQuestion("steps of %s make more than the %d buckets that a histogram may have: narrow the range, or take a longer step", opt.Step, maxBuckets)
		}
		return us, nil
	}
	for _, s := range steps {
		if us := s.Microseconds(); from > to || floor(to, us)-floor(from, us) < int64(opt.Buckets) {
			return us, nil
		}
	}
	return 10 * steps[len(steps)-1].Microseconds(), nil
}

// nearest looks for the closest matches before and after an empty range.
func (r *Reader) nearest(ctx context.Context, of Range) (*Nearest, error) {
	var n Nearest
	find := func(s Search, at *time.Time) error {
		s.Query, s.Clusters, s.Limit = of.Query, of.Clusters, 1
		_, err := r.Search(ctx, s, func(row *Row) error { *at = time.UnixMicro(row.Time).UTC(); return nil })
		return err
	}
	if !of.Since.IsZero() {
		if err := find(Search{Range: Range{Until: of.Since}}, &n.Before); err != nil {
			return nil, err
		}
	}
	if !of.Until.IsZero() {
		if err := find(Search{Range: Range{Since: of.Until}, OldestFirst: true}, &n.After); err != nil {
			return nil, err
		}
	}
	if n.Before.IsZero() && n.After.IsZero() {
		return nil, nil
	}
	return &n, nil
}

// Values completes a field, one of Facets: the values that begin with prefix, then those that hold it, the most frequent first.
// Letters' case counts for nothing.
func (r *Reader) Values(ctx context.Context, of Range, field, prefix string, limit int) ([]Value, *Coverage, error) {
	a, err := r.ask(ctx, of)
	if err != nil {
		return nil, nil, err
	}
	defer a.done()
	prefix = strings.ToLower(prefix)
	counts, err := a.count(ctx, []string{field}, func(v string) bool { return v != "" && strings.Contains(strings.ToLower(v), prefix) })
	if err != nil {
		cov, err := a.failed(ctx, err)
		return nil, cov, err
	}
	all := counts[0].sorted(false)
	slices.SortStableFunc(all, func(a, b Value) int {
		x, y := strings.HasPrefix(strings.ToLower(a.Value), prefix), strings.HasPrefix(strings.ToLower(b.Value), prefix)
		switch {
		case x == y:
			return 0
		case x:
			return -1
		}
		return 1
	})
	return first(all, limit), a.cov, nil
}
