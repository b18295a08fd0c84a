package past

import (
	"context"
	"fmt"
	"time"

	"annals.dev/audit"
	"annals.dev/internal/detect"
	"annals.dev/internal/format"
	"annals.dev/internal/match"
	"annals.dev/internal/query"
)

// History is what a reader sees as a detect.History. A watcher's reader sees everything.
type History struct{ Reader *query.Reader }

// Matches hands the events that meet where, of requests received in [from, to], to f.
func (h History) Matches(ctx context.Context, cluster string, where *match.Predicate, from, to int64, f func(r *match.Row)) error {
	_, err := h.matches(ctx, []string{cluster}, where, from, to, f)
	return err
}

// matches is Matches that tells what it looked at. No event is earlier than its request, and one that is later by more than what
// is asked about is found by when its request was received.
func (h History) matches(ctx context.Context, clusters []string, where *match.Predicate, from, to int64, f func(r *match.Row)) (*query.Coverage, error) {
	within, err := received(from, to)
	if err != nil {
		return nil, err
	}
	s := query.Search{Range: query.Range{Query: match.And(where, within), Clusters: clusters}, OldestFirst: true, Wide: true, Bytes: true}
	if from > minTime {
		s.Since = time.UnixMicro(from)
	}
	var view audit.View
	var scratch []byte
	row := match.Row{View: &view}
	return h.Reader.Search(ctx, s, func(r *query.Row) (err error) {
		if r.Bytes == nil {
			return nil // a reader without bodies is not given what may be one
		}
		if scratch, err = format.View(r.Dialect, r.Bytes, &view, scratch); err != nil {
			return fmt.Errorf("cluster %s, position %d: %w", r.Cluster, r.Position, err)
		}
		row.Cluster, row.Origin, row.Position, row.Received, row.Marks, row.Dialect = r.Cluster, r.Origin, r.Position, r.Received, r.Marks, r.Dialect
		if r.Origin == detect.Origin {
			return nil
		}
		f(&row)
		return nil
	})
}

// Times beyond these are as good as none.
var (
	minTime = time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	maxTime = time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
)

// received is the predicate of events whose request was received, or which are themselves of a time, in [from, to].
func received(from, to int64) (*match.Predicate, error) {
	bound := func(field string) string {
		const form = "2006-01-02T15:04:05.000000Z"
		text := ""
		if from > minTime {
			text += field + ">=" + time.UnixMicro(from).UTC().Format(form) + " "
		}
		if to < maxTime {
			text += field + "<=" + time.UnixMicro(to).UTC().Format(form)
		}
		return text
	}
	if bound("") == "" {
		return match.All, nil
	}
	return match.Parse("(" + bound("requestReceivedTimestamp") + ") OR (" + bound("time") + ")")
}

// Standing hands the findings of a rule's version that stand to f.
func (h History) Standing(ctx context.Context, cluster, rule, version string, from, to int64, f func(*detect.Finding)) error {
	q := Question{Rules: []string{rule}, Clusters: []string{cluster}}
	if from > minTime {
		q.Since = time.UnixMicro(from)
	}
	if to < maxTime {
		q.Until = time.UnixMicro(to + 1)
	}
	_, err := Find(ctx, h.Reader, nil, q, func(x *Found) error {
		if x.Version == version {
			f(x.Finding)
		}
		return nil
	})
	return err
}
