package server

import (
	"context"
	"fmt"
	"math"
	"time"

	"annals.dev/internal/query"
)

// HitRow is a bucket of a series as a row of a table.
type HitRow struct {
	Time  time.Time `json:"time"` // its start
	Value string    `json:"value"`
	Count int       `json:"count"`
}

// maxHitBuckets is how many a histogram has at most.
const maxHitBuckets = 2000

// othersValue stands in a row for all values that have no series of their own.
const othersValue = "others"

func (c *core) hits(ctx context.Context, by *asker, q HitsQuestion, emit func(HitRow) error) (*query.Hits, error) {
	of, err := c.rangeOf(ctx, by, q.Range)
	if err != nil {
		return nil, err
	}
	if q.Step < 0 || q.Step > (100*365*24*time.Hour).Seconds() || q.Buckets < 0 || q.Top < 0 {
		return nil, &Error{Usage, "step is seconds, buckets and top are numbers, and none is negative"}
	}
	if q.Step > 0 && q.Step < 0.001 {
		return nil, &Error{Usage, fmt.Sprintf("a step is at least a millisecond, 0.001, not %v", q.Step)}
	}
	if !of.Since.IsZero() && !of.Until.IsZero() && q.Step > 0 && of.Until.Sub(of.Since).Seconds()/q.Step > maxHitBuckets {
		return nil, &Error{Usage, fmt.Sprintf("steps of %v seconds make more than the %d buckets that a histogram may have: narrow the range, or take a longer step", q.Step, maxHitBuckets)}
	}
	if q.By != "" {
		names, err := facetNames(q.By)
		if err != nil {
			return nil, err
		}
		q.By = names[0]
	}
	h, err := by.read.Hits(ctx, of, query.HitsOptions{Step: time.Duration(q.Step * float64(time.Second)), Buckets: q.Buckets, By: q.By, Top: q.Top})
	if err != nil {
		return nil, notOfTheQuestion(ctx, err)
	}
	if !q.Rows {
		return h, nil
	}
	for _, s := range h.Series {
		value := s.Value
		if s.Others {
			value = othersValue
		}
		for i, n := range s.Counts {
			if n == 0 {
				continue
			}
			if err := emit(HitRow{bucketStart(h, i), value, n}); err != nil {
				return nil, err
			}
		}
	}
	return h, nil
}

// bucketStart is where a bucket begins, as far as JSON can hold it. A Duration has room for 292 years alone.
func bucketStart(h *query.Hits, i int) time.Time {
	at := time.UnixMicro(h.From.UnixMicro() + int64(i)*int64(math.Round(h.Step*1e6))).UTC()
	if last := time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC); at.After(last) {
		return last
	}
	return at
}
