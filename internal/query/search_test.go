package query

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"annals.dev/audit"
	"annals.dev/internal/ledger"
	"annals.dev/internal/match"
	"annals.dev/internal/match/matchtest"
)

// TestAgainstMatch asks random questions of events that are sealed, unsealed or both, in two clusters, and holds the answers,
// rows and order, against the predicate over each event.
func TestAgainstMatch(t *testing.T) {
	events := recorded(t)
	for _, tt := range []struct {
		name  string
		seals func(cluster string, i int) bool
	}{
		{"unsealed", func(string, int) bool { return false }},
		{"sealed", func(_ string, i int) bool { return i == 2 }},
		{"both", func(_ string, i int) bool { return i == 1 }},
		{"segments", func(string, int) bool { return true }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, dir := newLedger(t)
			for i := range 3 {
				for k, cluster := range []string{"prod", "stage"} {
					third := events[i*len(events)/3 : (i+1)*len(events)/3]
					if k == 1 {
						third = third[:len(third)/2]
					}
					add(t, l, cluster, third...)
					if tt.seals(cluster, i) {
						seal(t, l)
					}
				}
			}
			e := newEngine(t, l, dir)
			all := everything(t, l)
			rng := rand.New(rand.NewPCG(1, 2))
			for i := range 150 {
				query := matchtest.Random(rng, events)
				p, err := match.Parse(query)
				if err != nil {
					t.Fatalf("%s: %v", query, err)
				}
				s := Search{Range: Range{Query: p}, Wide: true, OldestFirst: rng.IntN(2) == 0, Bytes: rng.IntN(4) == 0}
				if rng.IntN(2) == 0 {
					s.Limit = 1 + rng.IntN(40)
				}
				got, cov := search(t, e, s)
				want, more := expected(all, s)
				if !reflect.DeepEqual(want, got) {
					t.Fatalf("query %d: %s (%+v): rows differ (-match +search):\n%s", i, query, s, cmp.Diff(want, got))
				}
				if cov.LimitReached != more || !cov.Complete || cov.Returned != len(got) {
					t.Errorf("%s: coverage %+v of %d rows, more: %v", query, cov, len(got), more)
				}
			}
		})
	}
}

// stored is an event of a ledger as a test keeps it.
type stored struct {
	row   Row
	match func(*match.Predicate) bool
}

// everything reads all events of a ledger.
func everything(tb testing.TB, l *ledger.Ledger) (all []stored) {
	tb.Helper()
	snap := l.Snapshot()
	defer snap.Release()
	keep := func(_ int, s *ledger.Stored) error {
		raw := slices.Clone(s.Bytes)
		m := &match.Row{View: new(audit.View), Cluster: s.Cluster, Origin: s.Origin, Position: s.Position, Received: s.Received, Marks: s.Marks, Dialect: s.Dialect}
		if err := m.View.Parse(raw); err != nil {
			return err
		}
		r := rowOf(s)
		r.Bytes = raw
		all = append(all, stored{r, func(p *match.Predicate) bool { return p.Match(m) }})
		return nil
	}
	for _, p := range partsOf(snap) {
		rows := make([]int, p.rows)
		for i := range rows {
			rows[i] = i
		}
		var err error
		if p.segment != nil {
			err = p.segment.Read(context.Background(), rows, keep)
		} else {
			err = p.unsealed.Read(context.Background(), rows, keep)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	return all
}

// expected answers a search in the plainest way.
func expected(all []stored, s Search) (rows []Row, more bool) {
	var order []*Row
	for i := range all {
		if r := all[i].row; all[i].match(s.Query) {
			if !s.Bytes {
				r.Bytes = nil
			}
			order = append(order, &r)
		}
	}
	sortRows(order, s.OldestFirst)
	for _, r := range order {
		rows = append(rows, *r)
	}
	if s.Limit > 0 && len(rows) > s.Limit {
		return rows[:s.Limit], true
	}
	return rows, false
}

func TestSearchEnds(t *testing.T) {
	l, dir := newLedger(t)
	for n := range 200 {
		add(t, l, "prod", request(n, "get", "pods", fmt.Sprint("user", n%4), fmt.Sprint("word", n)))
	}
	e := newEngine(t, l, dir)
	rows, cov := search(t, e, Search{Range: Range{Query: parse(t, "user:user1 verb:get")}, Limit: 3})
	if len(rows) != 3 || rows[0].Position != 197 || rows[2].Position != 189 || !cov.Complete || !cov.LimitReached {
		t.Errorf("got %+v, %+v", rows, cov)
	}
	seal(t, l)
	rows, cov = search(t, e, Search{Range: Range{Query: parse(t, "word77")}})
	if len(rows) != 1 || rows[0].Position != 77 || !cov.Complete {
		t.Errorf("got %+v, %+v", rows, cov)
	}
}

func TestSpan(t *testing.T) {
	for _, tt := range []struct{ sql, want string }{
		{`"resource" IN ('pods', 'nodes', 'secrets')`, `"resource" >= 'nodes' AND "resource" <= 'secrets' AND `},
		{`"verb" IN ('get', 'delete', 'list')`, ``},
		{`"name" IN ('it''s', 'a'', ''b', '')`, `"name" >= '' AND "name" <= 'it''s' AND `},
		{`("verb" IN ('get', 'list') OR "code" = 200)`, ``},
		{`"verb" IN ('get', 'list') OR "code" IN (1, 2)`, ``},
		{`"code" IN (1, 2)`, ``},
		{`(NOT coalesce("verb" IN ('get', 'list'), false))`, ``},
	} {
		if got := span(tt.sql); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.sql, got, tt.want)
		}
	}
}
