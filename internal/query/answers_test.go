package query

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"annals.dev/internal/match"
	"annals.dev/internal/match/matchtest"
)

// mixed is a ledger that is sealed in part, and its events.
func mixed(t *testing.T) (*Engine, []stored, [][]byte) {
	t.Helper()
	events := recorded(t)
	l, dir := newLedger(t)
	add(t, l, "prod", events[:150]...)
	seal(t, l)
	add(t, l, "prod", events[150:220]...)
	add(t, l, "stage", events[:60]...)
	seal(t, l)
	add(t, l, "prod", events[220:]...)
	return newEngine(t, l, dir), everything(t, l), events
}

// TestAnswersAgainstMatch holds histograms, facets, values and groups of random searches against the predicate over each event.
func TestAnswersAgainstMatch(t *testing.T) {
	e, all, events := mixed(t)
	r := e.As(All)
	ctx := t.Context()
	rng := rand.New(rand.NewPCG(5, 6))
	for range 60 {
		query := matchtest.Random(rng, events)
		p := parse(t, query)
		of := Range{Query: p}
		if rng.IntN(2) == 0 {
			a, b := all[rng.IntN(len(all))].row.Time, all[rng.IntN(len(all))].row.Time
			of.Since, of.Until = time.UnixMicro(min(a, b)).UTC(), time.UnixMicro(max(a, b)+1).UTC()
		}
		var rows []*Row
		for i := range all {
			at := time.UnixMicro(all[i].row.Time)
			if all[i].match(p) && (of.Since.IsZero() || !at.Before(of.Since) && at.Before(of.Until)) {
				rows = append(rows, &all[i].row)
			}
		}
		fields := append(Facets(), "code-class")
		field := fields[rng.IntN(len(fields))]
		n := make(map[string]int)
		pairs := make(map[[2]string]int)
		for _, row := range rows {
			n[valueOf(field, row)]++
			pairs[[2]string{valueOf(field, row), valueOf("verb", row)}]++
		}
		checkFacet(ctx, t, r, of, field, n, rng.IntN(2) == 0)
		checkValues(ctx, t, r, of, field, n, []string{"", "s", "SYSTEM:", "e"}[rng.IntN(4)])
		checkHits(ctx, t, r, of, field, rows)
		groups, _, err := r.Groups(ctx, of, []string{field, "verb"}, 1000)
		if err != nil || len(groups) != len(pairs) {
			t.Fatalf("%s: %d groups by %s and verb, want %d (%v)", query, len(groups), field, len(pairs), err)
		}
		for i, g := range groups {
			if g.Count != pairs[[2]string{g.Values[0], g.Values[1]}] || i > 0 && g.Count > groups[i-1].Count {
				t.Fatalf("%s: group %+v, want %v", query, g, pairs)
			}
		}
		if t.Failed() {
			t.Fatal(query)
		}
	}
}

func checkFacet(ctx context.Context, t *testing.T, r *Reader, of Range, field string, n map[string]int, rare bool) {
	t.Helper()
	want := Facet{Field: field, Values: []Value{}, Absent: n[""]}
	for v, count := range n {
		if v != "" {
			want.Values = append(want.Values, Value{v, count})
		}
	}
	want.Distinct = len(want.Values)
	slices.SortFunc(want.Values, func(a, b Value) int {
		by := cmp.Compare(b.Count, a.Count)
		if rare {
			by = -by
		}
		return cmp.Or(by, strings.Compare(a.Value, b.Value))
	})
	want.Values = want.Values[:min(4, len(want.Values))]
	got, cov, err := r.Facets(ctx, of, []string{"cluster", field}, 4, rare)
	if err != nil || !cov.Complete || len(got) != 2 {
		t.Fatalf("%v, %+v, %v", got, cov, err)
	}
	if diff := gocmp.Diff(want, got[1]); diff != "" {
		t.Errorf("facet %s (-want +got):\n%s", field, diff)
	}
}

func checkValues(ctx context.Context, t *testing.T, r *Reader, of Range, field string, n map[string]int, prefix string) {
	t.Helper()
	var want []Value
	for v, count := range n {
		if v != "" && strings.Contains(strings.ToLower(v), strings.ToLower(prefix)) {
			want = append(want, Value{v, count})
		}
	}
	inner := func(v Value) int {
		if strings.HasPrefix(strings.ToLower(v.Value), strings.ToLower(prefix)) {
			return 0
		}
		return 1
	}
	slices.SortFunc(want, func(a, b Value) int {
		return cmp.Or(cmp.Compare(inner(a), inner(b)), cmp.Compare(b.Count, a.Count), strings.Compare(a.Value, b.Value))
	})
	want = want[:min(6, len(want))]
	got, _, err := r.Values(ctx, of, field, prefix, 6)
	if err != nil || len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
		t.Errorf("values of %s with %q: %v, want %v (%v)", field, prefix, got, want, err)
	}
}

func checkHits(ctx context.Context, t *testing.T, r *Reader, of Range, field string, rows []*Row) {
	t.Helper()
	h, err := r.Hits(ctx, of, HitsOptions{By: field, Top: 2, Buckets: 20})
	if err != nil {
		t.Fatal(err)
	}
	step := int64(h.Step * 1e6)
	if h.Total != len(rows) || !of.Since.IsZero() && (h.From.After(of.Since) || h.To.Before(of.Until)) {
		t.Errorf("hits: %+v, want %d in %v", h, len(rows), of)
	}
	if len(rows) == 0 {
		return
	}
	total := 0
	for i, s := range h.Series {
		if len(s.Counts) != int(h.To.Sub(h.From).Microseconds()/step) || len(s.Counts) > 20 {
			t.Fatalf("%d buckets of %d from %s to %s", len(s.Counts), step, h.From, h.To)
		}
		want := make([]int, len(s.Counts))
		for _, row := range rows {
			v := valueOf(field, row)
			if v == s.Value && !s.Others || s.Others && !slices.ContainsFunc(h.Series[:i], func(x HitSeries) bool { return x.Value == v }) {
				want[(row.Time-h.From.UnixMicro())/step]++
			}
		}
		if !slices.Equal(want, s.Counts) {
			t.Errorf("series %+v, want %v", s, want)
		}
		total += s.Total
	}
	if total != h.Total || len(h.Series) > 3 || h.Nearest != nil {
		t.Errorf("%d in the series of %+v", total, h)
	}
}

// TestPages: pages that begin behind the last row of the one before are together what one search gives.
func TestPages(t *testing.T) {
	e, _, events := mixed(t)
	rng := rand.New(rand.NewPCG(7, 8))
	for range 40 {
		s := Search{Range: Range{Query: parse(t, matchtest.Random(rng, events))}, OldestFirst: rng.IntN(2) == 0, Bytes: rng.IntN(3) == 0}
		want, _ := search(t, e, s)
		var got []Row
		for s.Limit = 1 + rng.IntN(30); ; {
			page, cov := search(t, e, s)
			got = append(got, page...)
			if !cov.LimitReached {
				break
			}
			at := page[len(page)-1].Cursor()
			s.After = &at
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v: pages differ (-search +pages):\n%s", s, gocmp.Diff(want, got))
		}
	}
}

// TestOneInstant: more matches at one microsecond than are held at once come out in order all the same.
func TestOneInstant(t *testing.T) {
	defer func(n int) { maxRows = n }(maxRows)
	maxRows = 7
	l, dir := newLedger(t)
	for i := range 40 {
		raw := strings.Replace(string(request(3, "get", "pods", "alice", "x")), `"auditID":"0000`, fmt.Sprintf(`"auditID":"%04x`, i+1), 1)
		add(t, l, []string{"a", "b"}[i%2], []byte(raw))
		if i == 20 {
			seal(t, l)
		}
	}
	e := newEngine(t, l, dir)
	for _, s := range []Search{{}, {OldestFirst: true}, {Bytes: true}, {Range: Range{Query: parse(t, "alice")}}, {Range: Range{Query: parse(t, "x")}, OldestFirst: true, Limit: 19}} {
		rows, cov := search(t, e, s)
		want := 40
		if s.Limit > 0 {
			want = s.Limit
		}
		if len(rows) != want || !cov.Complete || !slices.IsSortedFunc(rows, func(a, b Row) int {
			if s.OldestFirst {
				return compareRows(&a, &b)
			}
			return compareRows(&b, &a)
		}) {
			t.Errorf("%+v: %d rows, %+v", s, len(rows), cov)
		}
	}
}

func TestSlowest(t *testing.T) {
	e, all, events := mixed(t)
	rng := rand.New(rand.NewPCG(9, 1))
	for range 40 {
		s := Search{Range: Range{Query: parse(t, matchtest.Random(rng, events))}, Slowest: true, Limit: 1 + rng.IntN(20), Wide: true, Bytes: rng.IntN(2) == 0}
		got, cov := search(t, e, s)
		var want []Row
		for _, x := range all {
			if x.match(s.Query) {
				if !s.Bytes {
					x.row.Bytes = nil
				}
				want = append(want, x.row)
			}
		}
		slices.SortFunc(want, func(a, b Row) int { return cmp.Or(cmp.Compare(b.Latency, a.Latency), compareRows(&b, &a)) })
		if cov.LimitReached != (len(want) > s.Limit) {
			t.Errorf("%+v of %d", cov, len(want))
		}
		if want = want[:min(s.Limit, len(want))]; len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
			t.Fatalf("%v: (-want +got)\n%s", s.Query, gocmp.Diff(want, got))
		}
	}
	for _, s := range []Search{{Slowest: true}, {Slowest: true, Limit: MaxSlowest + 1}, {Slowest: true, Limit: 1, OldestFirst: true}, {Slowest: true, Limit: 1, After: &Cursor{}}} {
		if _, err := e.As(All).Search(t.Context(), s, nil); err == nil {
			t.Errorf("%+v was answered", s)
		}
	}
}

func TestHitsEmptyAndRefused(t *testing.T) {
	l, dir := newLedger(t)
	for n := range 100 {
		add(t, l, "prod", request(n*60, "get", "pods", "alice", fmt.Sprint("word", n%5)))
	}
	r := newEngine(t, l, dir).As(All)
	at := func(n int) time.Time { return time.Date(2026, 11, 20, 8, n, 0, 0, time.UTC) }
	for _, query := range []string{"ip:10.0.0.0/30 code:200", "word3"} {
		of := Range{Query: parse(t, query), Since: at(30).Add(time.Second), Until: at(31).Add(-time.Second)}
		h, err := r.Hits(t.Context(), of, HitsOptions{})
		if err != nil || h.Total != 0 || h.Nearest == nil || !h.Nearest.Before.Before(of.Since) || h.Nearest.After.Before(of.Until) || h.Step != 1 {
			t.Errorf("%s: %+v, %v", query, h, err)
		}
	}
	h, err := r.Hits(t.Context(), Range{Query: parse(t, "verb:nothing")}, HitsOptions{})
	if err != nil || h.Total != 0 || h.Nearest != nil || len(h.Series) != 0 || !h.Cover.Complete {
		t.Errorf("%+v, %v", h, err)
	}
	if h, err = r.Hits(t.Context(), Range{}, HitsOptions{Step: time.Hour}); err != nil || h.Total != 100 || len(h.Series[0].Counts) != 2 {
		t.Errorf("%+v, %v", h, err)
	}
	for _, o := range []HitsOptions{{Step: time.Millisecond}, {Step: -1}, {Step: 1}, {By: "nothing"}} {
		if _, err := r.Hits(t.Context(), Range{}, o); err == nil {
			t.Errorf("%+v was answered", o)
		}
	}
	if _, _, err := r.Groups(t.Context(), Range{}, nil, 3); err == nil {
		t.Error("groups of nothing")
	}
	if v, _, err := r.Values(t.Context(), Range{}, "user", "", -1); err != nil || len(v) != 0 {
		t.Error(v, err)
	}
}

// TestManyValues: of more values than are held, those that are held are counted exactly, and the answer says so.
func TestManyValues(t *testing.T) {
	c := counts{of: make(map[string]int)}
	for i := range maxValues + 10 {
		c.add(fmt.Sprint(i), 1)
		c.add("0", 1)
	}
	if len(c.of) != maxValues || !c.full || c.of["0"] != maxValues+11 || c.of[fmt.Sprint(maxValues-1)] != 1 {
		t.Errorf("%d values, full %v, %d", len(c.of), c.full, c.of["0"])
	}
}

// TestAnnalsOutOfSight: whatever a scope says, the cluster of Annals' own acts is kept out of it by another condition.
func TestAnnalsOutOfSight(t *testing.T) {
	l, dir := newLedger(t)
	add(t, l, "prod", request(1, "get", "pods", "alice", "x"))
	add(t, l, "annals", request(2, "get", "searches", "alice", "x"))
	e := newEngine(t, l, dir)
	for _, scope := range []string{"user:alice", "cluster:annals OR user:alice", "*"} {
		r := e.As(Sight{Scope: match.And(parse(t, scope), parse(t, "-cluster:annals"))})
		n, cov, err := r.Count(t.Context(), Range{})
		if err != nil || n != 1 || cov.Considered != 1 || len(cov.Clusters) != 1 || cov.Clusters[0].Name != "prod" {
			t.Errorf("%s: %d, %+v, %v", scope, n, cov, err)
		}
		one, two := count(t, r, "annals"), count(t, r, "nowhere")
		one.Why[0] = strings.Replace(one.Why[0], "annals", "nowhere", 1)
		if diff := gocmp.Diff(one, two, gocmp.FilterPath(func(p gocmp.Path) bool { return p.Last().String() == ".Seconds" || p.Last().String() == ".Ends" }, gocmp.Ignore())); diff != "" {
			t.Errorf("%s: a cluster out of sight is not as one that is nowhere:\n%s", scope, diff)
		}
	}
	if _, _, err := e.As(Sight{Scope: parse(t, "word")}).Count(t.Context(), Range{}); err == nil {
		t.Error("a scope of words was taken")
	}
}

func count(t *testing.T, r *Reader, cluster string) *Coverage {
	t.Helper()
	_, cov, err := r.Count(t.Context(), Range{Clusters: []string{cluster}})
	if err != nil {
		t.Fatal(err)
	}
	return cov
}

// TestCancelled: a question whose asker has gone ends with the reason, and leaves nothing behind that the next would wait for.
func TestCancelled(t *testing.T) {
	e, _, _ := mixed(t)
	gone := fmt.Errorf("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	of := Range{Query: parse(t, "system")}
	for _, sight := range []Sight{All, {}, {Scope: parse(t, "verb:get")}} {
		r := e.As(sight)
		for name, ask := range map[string]func(context.Context) error{
			"search": func(ctx context.Context) error {
				_, err := r.Search(ctx, Search{Range: of}, func(*Row) error { return nil })
				return err
			},
			"slowest": func(ctx context.Context) error {
				_, err := r.Search(ctx, Search{Range: of, Slowest: true, Limit: 3}, func(*Row) error { return nil })
				return err
			},
			"count":  func(ctx context.Context) error { _, _, err := r.Count(ctx, of); return err },
			"hits":   func(ctx context.Context) error { _, err := r.Hits(ctx, of, HitsOptions{}); return err },
			"facets": func(ctx context.Context) error { _, _, err := r.Facets(ctx, of, nil, 3, false); return err },
			"groups": func(ctx context.Context) error { _, _, err := r.Groups(ctx, of, []string{"verb"}, 3); return err },
			"sql": func(ctx context.Context) error {
				_, err := r.SQL(ctx, Statement{SQL: "SELECT * FROM events"}, func([]ResultColumn) error { return nil }, func([]any) error { return nil })
				return err
			},
		} {
			if err := ask(ctx); !errors.Is(err, gone) {
				t.Errorf("%s: %v", name, err)
			}
			if err := ask(t.Context()); err != nil {
				t.Errorf("%s after that: %v", name, err)
			}
		}
	}
	done, err := e.matches.turn(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.matches.turn(ctx, "x"); !errors.Is(err, gone) {
		t.Error(err)
	}
	done()
}
