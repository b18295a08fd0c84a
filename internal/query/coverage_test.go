package query

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
)

func TestMissing(t *testing.T) {
	run := func(first, last uint64) *ledger.Segment { return &ledger.Segment{First: first, Last: last} }
	hot := func(first uint64, n int) *ledger.Hot { return &ledger.Hot{First: first, N: n} }
	for _, tt := range []struct {
		name string
		view ledger.ClusterView
		why  []string
	}{
		{"empty", ledger.ClusterView{}, nil},
		{"whole", ledger.ClusterView{Size: 25, Segments: []*ledger.Segment{run(0, 9), run(10, 19)}, Hot: []*ledger.Hot{hot(20, 3), hot(23, 2)}}, nil},
		{"unsealed alone", ledger.ClusterView{Size: 3, Hot: []*ledger.Hot{hot(0, 3), hot(3, 0)}}, nil},
		{"the beginning", ledger.ClusterView{Size: 20, Segments: []*ledger.Segment{run(10, 19)}}, []string{"positions 0 to 9 of cluster c are not there"}},
		{"a segment", ledger.ClusterView{Size: 30, Segments: []*ledger.Segment{run(0, 9), run(20, 29)}}, []string{"positions 10 to 19 of cluster c are not there"}},
		{"the end", ledger.ClusterView{Size: 30, Segments: []*ledger.Segment{run(0, 9)}}, []string{"positions 10 to 29 of cluster c are not there"}},
		{"all", ledger.ClusterView{Size: 30}, []string{"positions 0 to 29 of cluster c are not there"}},
	} {
		tt.view.Name = "c"
		c := coverageOf(&ledger.Snapshot{Clusters: []*ledger.ClusterView{&tt.view}}, nil, nil)
		if diff := cmp.Diff(tt.why, c.Why); diff != "" || c.Complete != (tt.why == nil) {
			t.Errorf("%s: complete %v (-want +got)\n%s", tt.name, c.Complete, diff)
		}
	}
}

// TestCoverage counts what a reader must know about, sealed and unsealed, in the range alone.
func TestCoverage(t *testing.T) {
	l, dir := newLedger(t)
	e := newEngine(t, l, dir)
	marked := func(n int, m format.Marks) {
		raw := request(n, "get", "pods", "alice", "x")
		ev := format.Event{Bytes: raw, Marks: m}
		if err := ev.View.Parse(raw); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Append(context.Background(), ledger.Batch{Cluster: "prod", Origin: "import/x", Events: []format.Event{ev}}); err != nil {
			t.Fatal(err)
		}
	}
	marked(0, format.Salvaged)
	marked(1, format.Truncated|format.Salvaged)
	seal(t, l)
	marked(100, format.Quarantined)
	marked(101, 0)
	want := Coverage{Clusters: []ClusterCoverage{{"prod", 0, 4}}, Considered: 4, Salvaged: 2, Truncated: 1, Quarantined: 1, Complete: true}
	check := func(r Range) {
		t.Helper()
		_, got, err := e.As(All).Count(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		got.Seconds, got.Ends = 0, nil
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
	check(Range{})
	want.Since = time.Date(2026, 11, 20, 8, 1, 0, 0, time.UTC)
	want.Considered, want.Salvaged, want.Truncated = 2, 0, 0
	check(Range{Since: want.Since})
	want.Clusters, want.Considered, want.Quarantined = []ClusterCoverage{}, 0, 0
	want.Complete, want.Why = false, []string{`the ledger has no cluster "other"`}
	check(Range{Since: want.Since, Clusters: []string{"other"}})
}
