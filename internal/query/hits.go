package query

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
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

// steps are nice, and each is a multiple of the one before it.
var steps = []time.Duration{time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute,
	time.Hour, 6 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour, 28 * 24 * time.Hour, 364 * 24 * time.Hour, 3640 * 24 * time.Hour}

// Hits counts the events of a range by time and, if asked, by a field.
func (r *Reader) Hits(ctx context.Context, of Range, opt HitsOptions) (*Hits, error) {
	if opt.Buckets <= 0 {
		opt.Buckets = 60
	}
	if opt.Top <= 0 {
		opt.Top = 5
	}
	if opt.Buckets = min(opt.Buckets, maxBuckets); opt.Step < 0 || opt.Step > 0 && opt.Step < time.Millisecond {
		return nil, fmt.Errorf("a histogram's step is at least a millisecond, not %s", opt.Step)
	}
	if opt.By != "" {
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
	h := &Hits{By: opt.By, Series: []HitSeries{}, Cover: a.cov}
	t := tallyOfTime{fine: opt.Step.Microseconds(), counts: make(map[[2]int64]int), ids: make(map[string]int64), first: math.MaxInt64, last: math.MinInt64}
	if a.rest == nil {
		err = t.ask(ctx, a, of, opt)
	} else {
		err = t.read(ctx, a, of, opt)
	}
	if err != nil {
		return h, err
	}
	return h, t.draw(h, of, opt)
}

// tallyOfTime counts by time and value.
type tallyOfTime struct {
	fine        int64 // microseconds of a step
	counts      map[[2]int64]int
	ids         map[string]int64 // of values
	values      []string
	first, last int64
}

const maxTallied = 512 << 10

var errManySeries = errors.New("the field has too many values over this time for one histogram: narrow the search, or count by another field")

func (t *tallyOfTime) add(at int64, value string, n int) error {
	id, ok := t.ids[value]
	if !ok {
		id = int64(len(t.values))
		t.ids[value], t.values = id, append(t.values, value)
	}
	t.counts[[2]int64{at, id}] += n
	if len(t.counts) > maxTallied {
		return errManySeries
	}
	return nil
}

// span is the range drawn: what was asked for, or where the events themselves begin and end.
func (t *tallyOfTime) span(of Range) (from, to int64) {
	from, to = t.first, t.last
	if !of.Since.IsZero() {
		from = of.Since.UnixMicro()
	}
	if !of.Until.IsZero() {
		to = of.Until.UnixMicro() - 1
	}
	return from, to
}

// choose is the step for a span.
func choose(from, to int64, opt HitsOptions) (int64, error) {
	if opt.Step > 0 {
		us := opt.Step.Microseconds()
		if n := floor(to, us) - floor(from, us) + 1; from <= to && (n > maxBuckets || n <= 0) {
			return 0, fmt.Errorf("steps of %s make more than the %d buckets that a histogram may have: narrow the range, or take a longer step", opt.Step, maxBuckets)
		}
		return us, nil
	}
	for _, s := range steps {
		if us := s.Microseconds(); from > to || floor(to, us)-floor(from, us) < int64(opt.Buckets) {
			return us, nil
		}
	}
	return math.MaxInt64 / 4, nil
}

// ask has DuckDB count.
func (t *tallyOfTime) ask(ctx context.Context, a *asking, of Range, opt HitsOptions) error {
	if of.Since.IsZero() || of.Until.IsZero() {
		sql := func(w window) string { return `SELECT epoch_us(min("time")), epoch_us(max("time")) ` + a.over(w) }
		err := a.aggregate(ctx, sql, func(ch chunk) error {
			t.first, t.last = ch.column(0).int(0, math.MaxInt64), ch.column(1).int(0, math.MinInt64)
			return nil
		}, nil)
		if err != nil {
			return err
		}
	}
	from, to := t.span(of)
	var err error
	if t.fine, err = choose(from, to, opt); err != nil {
		return err
	}
	column, value := "NULL", func(s string) string { return s }
	if opt.By != "" {
		f := facets[opt.By]
		column = f.column
		if f.value != nil {
			value = f.value
		}
	}
	sql := func(w window) string {
		return fmt.Sprintf(`SELECT epoch_us("time") // %d, %s, count(*) %s GROUP BY 1, 2`, t.fine, column, a.over(w))
	}
	return a.aggregate(ctx, sql, func(ch chunk) error {
		at, v, n := ch.column(0).ints(), ch.column(1), ch.column(2).ints()
		for i := range ch.n {
			s := ""
			if opt.By != "" {
				s = value(string(v.bytes(i)))
			}
			if err := t.add(at[i], s, int(n[i])); err != nil {
				return err
			}
		}
		return nil
	}, nil)
}

// read counts the events that must be read to know whether they match. Their bounds are known behind the last of them: until
// then the steps are as short as what is held allows.
func (t *tallyOfTime) read(ctx context.Context, a *asking, of Range, opt HitsOptions) error {
	coarser := 0
	if t.fine == 0 {
		t.fine = steps[0].Microseconds()
	}
	by := func(*Row) string { return "" }
	if opt.By != "" {
		f := facets[opt.By]
		by = f.of
		if f.value != nil {
			by = func(r *Row) string { return f.value(f.of(r)) }
		}
	}
	var failed error
	err := a.aggregate(ctx, nil, nil, func(r *Row) {
		if failed != nil {
			return
		}
		t.first, t.last = min(t.first, r.Time), max(t.last, r.Time)
		failed = t.add(floor(r.Time, t.fine), by(r), 1)
		for failed != nil && opt.Step == 0 && coarser+1 < len(steps) {
			coarser++
			t.coarsen(steps[coarser].Microseconds())
			if len(t.counts) <= maxTallied/2 {
				failed = nil
			}
		}
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return err
	}
	from, to := t.span(of)
	step, err := choose(from, to, opt)
	if err == nil && step > t.fine {
		t.coarsen(step)
	}
	return err
}

func (t *tallyOfTime) coarsen(step int64) {
	old := t.counts
	t.counts = make(map[[2]int64]int)
	for k, n := range old {
		t.counts[[2]int64{floor(k[0]*t.fine, step), k[1]}] += n
	}
	t.fine = step
}

// draw makes series.
func (t *tallyOfTime) draw(h *Hits, of Range, opt HitsOptions) error {
	h.Step = (time.Duration(t.fine) * time.Microsecond).Seconds()
	from, to := t.span(of)
	if from > to {
		h.From, h.To = of.Since, of.Until
		return nil
	}
	first, last := floor(from, t.fine), floor(to, t.fine)
	h.From, h.To = time.UnixMicro(first*t.fine).UTC(), time.UnixMicro((last+1)*t.fine).UTC()
	totals := counts{of: make(map[string]int)}
	for k, n := range t.counts {
		totals.of[t.values[k[1]]] += n
		h.Total += n
	}
	series := make(map[string]int)
	for i, v := range totals.sorted(false) {
		if i < opt.Top || len(totals.of) == opt.Top+1 {
			series[v.Value] = i
			h.Series = append(h.Series, HitSeries{Value: v.Value, Counts: make([]int, last-first+1)})
		}
	}
	if len(h.Series) < len(totals.of) {
		h.Series = append(h.Series, HitSeries{Others: true, Counts: make([]int, last-first+1)})
	}
	for k, n := range t.counts {
		i, ok := series[t.values[k[1]]]
		if !ok {
			i = len(h.Series) - 1
		}
		h.Series[i].Counts[k[0]-first] += n
		h.Series[i].Total += n
	}
	return nil
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
		return nil, a.cov, err
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
