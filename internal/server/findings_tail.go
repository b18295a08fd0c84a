package server

import (
	"context"
	"fmt"
	"slices"

	"annals.dev/internal/detect"
	"annals.dev/internal/ledger"
	"annals.dev/internal/match"
)

// tailFindings gives the newest findings, the oldest of them first, and then each as it is recorded. One that was withdrawn comes
// again, and says so.
func (c *core) tailFindings(ctx context.Context, by *asker, q FindingsTailQuestion, emit func(Finding) error) (FindingsCover, error) {
	limit := tailFirst
	if q.Limit != nil {
		limit = *q.Limit
	}
	if limit < 0 || limit > maxTailFirst {
		return FindingsCover{}, &Error{Usage, fmt.Sprintf("limit is how many findings of those that are there already come first: 0 to %d, not %d", maxTailFirst, limit)}
	}
	f, err := c.finder(ctx, by, q.FindingsRange)
	if err != nil {
		return FindingsCover{}, err
	}
	from := c.sizes([]string{ledger.Own})[ledger.Own]
	var newest []*Finding
	if err := f.each(ctx, nil, func(x *Finding) error {
		if x.place.Position >= from {
			return nil // it comes below
		}
		if len(newest) == limit {
			return errEnough
		}
		newest = append(newest, x)
		return nil
	}); err != nil {
		return FindingsCover{}, err
	}
	for _, x := range slices.Backward(newest) {
		if err := emit(*x); err != nil {
			return FindingsCover{}, err
		}
	}
	f.withdrawn = true
	for {
		changed := c.ledger.Changed()
		f.among = []*match.Predicate{constant(fmt.Sprintf("position>=%d", from))}
		some := false
		next, err := detect.Since(ctx, c.ledger, from, func(r detect.Recorded) error {
			some = true
			if r.Withdrawal != nil {
				f.among = append(f.among, constant("name:"+quote(r.Withdrawal.ID)))
			}
			return nil
		})
		if err != nil {
			return FindingsCover{}, err
		}
		if from = next; some {
			newest = newest[:0]
			if err := f.each(ctx, nil, func(x *Finding) error { newest = append(newest, x); return nil }); err != nil {
				return FindingsCover{}, err
			}
			for _, x := range slices.Backward(newest) {
				if err := emit(*x); err != nil {
					return FindingsCover{}, err
				}
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return FindingsCover{}, context.Cause(ctx)
		}
	}
}
