package query

import (
	"errors"
	"strings"
	"testing"
	"time"

	"annals.dev/internal/ledger"
)

// What is wrong with a question is told from what is wrong with the ledger.
func TestWrongQuestions(t *testing.T) {
	l, dir := newLedger(t)
	add(t, l, "prod", request(0, "get", "pods", "jane", "a"), request(100_000, "get", "pods", "jane", "a"))
	r := newEngine(t, l, dir).As(All)
	now := time.Now()
	for name, f := range map[string]func() error{
		"step":      func() error { _, err := r.Hits(t.Context(), Range{}, HitsOptions{Step: time.Microsecond}); return err },
		"steps":     func() error { _, err := r.Hits(t.Context(), Range{}, HitsOptions{Step: time.Second}); return err },
		"field":     func() error { _, err := r.Hits(t.Context(), Range{}, HitsOptions{By: "moon"}); return err },
		"facet":     func() error { _, _, err := r.Facets(t.Context(), Range{}, []string{"moon"}, 1, false); return err },
		"no groups": func() error { _, _, err := r.Groups(t.Context(), Range{}, nil, 1); return err },
		"range":     func() error { _, _, err := r.Count(t.Context(), Range{Since: now, Until: now.Add(-1)}); return err },
		"slowest":   func() error { _, err := r.Search(t.Context(), Search{Slowest: true}, nil); return err },
		"bucket":    func() error { _, _, err := r.Histogram(t.Context(), Range{}, 0); return err },
		"long SQL": func() error {
			_, err := r.SQL(t.Context(), Statement{SQL: strings.Repeat(" ", MaxStatement+1)}, nil, nil)
			return err
		},
		"binary SQL": func() error { _, err := r.SQL(t.Context(), Statement{SQL: "SELECT \x00"}, nil, nil); return err },
	} {
		var wrong *QuestionError
		if err := f(); !errors.As(err, &wrong) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A question about no cluster is about no event.
func TestNowhere(t *testing.T) {
	l, dir := newLedger(t)
	add(t, l, ledger.Own, request(0, "get", "pods", "jane", "a"))
	r := newEngine(t, l, dir).As(All)
	n, cov, err := r.Count(t.Context(), Range{Clusters: Nowhere})
	if err != nil || n != 0 || cov.Considered != 0 || len(cov.Clusters) != 0 || !cov.Complete {
		t.Errorf("%d events, %+v, %v", n, cov, err)
	}
	cov, err = r.SQL(t.Context(), Statement{SQL: "SELECT * FROM events", Clusters: Nowhere}, func([]ResultColumn) error { return nil },
		func(row []any) error { t.Errorf("%v", row); return nil })
	if err != nil || cov.Returned != 0 || !cov.Complete {
		t.Errorf("%+v, %v", cov, err)
	}
}
