package past

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"annals.dev/internal/detect"
	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
	"annals.dev/internal/match"
	"annals.dev/internal/query"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)

func parse(tb testing.TB, text string) *match.Predicate {
	tb.Helper()
	p, err := match.Parse(text)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func testRules(tb testing.TB) []*detect.Rule {
	single := func(id, where string, severity detect.Severity, technique string) *detect.Rule {
		return &detect.Rule{ID: id, Title: "rule " + id, Version: "v1", Severity: severity, Techniques: []string{technique}, Where: parse(tb, where)}
	}
	over := func(id string, c detect.Correlation) *detect.Rule {
		return &detect.Rule{ID: id, Title: "rule " + id, Version: "v1", Severity: detect.High, Correlation: &c}
	}
	user := []string{"user.username"}
	first, second := single("first", "code:403", detect.Low, "T1"), single("second", "code>=400", detect.Medium, "T2")
	first.First, second.First = "falco", "falco"
	return []*detect.Rule{
		single("pods", "resource:pods", detect.Low, "T1552.007"), single("secrets", "resource:secrets -stage:RequestReceived", detect.Critical, "T1552"),
		first, second, single("body", "request.n>=5", detect.Informational, "T3"),
		over("count", detect.Correlation{Kind: detect.EventCount, Rules: []string{"pods"}, GroupBy: user, Timespan: time.Minute, Compare: []detect.Comparison{{Op: "gte", N: 4}}}),
		over("few", detect.Correlation{Kind: detect.EventCount, Rules: []string{"secrets"}, GroupBy: user, Timespan: 5 * time.Second, Compare: []detect.Comparison{{Op: "lt", N: 2}}}),
		over("ordered", detect.Correlation{Kind: detect.TemporalOrdered, Rules: []string{"secrets", "pods"}, GroupBy: []string{"user.username", "objectRef.name"}, Timespan: time.Minute}),
		over("sum", detect.Correlation{Kind: detect.ValueSum, Rules: []string{"body"}, Field: "requestObject.n", Timespan: time.Minute, Compare: []detect.Comparison{{Op: "gt", N: 12}}}),
		over("chain", detect.Correlation{Kind: detect.EventCount, Rules: []string{"count", "ordered"}, GroupBy: user, Timespan: time.Hour, Compare: []detect.Comparison{{Op: "gte", N: 3}}}),
	}
}

// rig is a ledger that is watched.
type rig struct {
	t       testing.TB
	ledger  *ledger.Ledger
	engine  *query.Engine
	rules   []*detect.Rule
	watcher *detect.Watcher
}

func newRig(t testing.TB, seal int) *rig {
	t.Helper()
	r := &rig{t: t, rules: testRules(t)}
	dir := t.TempDir()
	if _, err := ledger.Init(dir, ""); err != nil {
		t.Fatal(err)
	}
	var err error
	if r.ledger, err = ledger.Open(dir, ledger.Options{SealEvents: seal, SealAfter: time.Hour}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.ledger.Close() })
	if r.engine, err = query.New(r.ledger.Snapshot, query.Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.engine.Close)
	r.watcher, _, err = detect.NewWatcher(detect.WatchConfig{Ledger: r.ledger, Dir: dir, Rules: r.rules, History: History{r.reader("")}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) reader(scope string) *query.Reader {
	if scope == "" {
		return r.engine.As(query.All)
	}
	return r.engine.As(query.Sight{Scope: parse(r.t, scope), Bodies: true})
}

// fill appends requests, of which some come late and some last long, and has them looked at now and then.
func (r *rig) fill(seed uint64, n int) {
	r.t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	pick := func(all ...string) string { return all[rng.IntN(len(all))] }
	for i := range n {
		at := start.Add(time.Duration(i) * 4 * time.Second)
		if rng.IntN(20) == 0 {
			at = at.Add(-time.Duration(rng.IntN(7200)) * time.Second)
		}
		b := ledger.Batch{Cluster: pick("prod", "dev"), Origin: "webhook/cp-1"}
		user, resource, name, lasted := pick("alice", "bob", "carol"), pick("pods", "secrets", "nodes"), pick("a", "b"), time.Duration(0)
		for _, stage := range []string{"RequestReceived", "ResponseComplete"} {
			code := 200
			if stage == "ResponseComplete" {
				lasted = []time.Duration{time.Millisecond, 2 * time.Second, 15 * time.Minute}[min(rng.IntN(20), 2)]
				code = []int{200, 403, 404}[rng.IntN(3)]
			} else if rng.IntN(2) == 0 {
				continue
			}
			raw := fmt.Appendf(nil, `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Request","auditID":"%08d-0000-4000-8000-%012d","stage":"%s","requestURI":"/x","verb":"get","user":{"username":"%s"},"objectRef":{"resource":"%s","namespace":"ns-%s","name":"%s"},"responseStatus":{"code":%d},"requestObject":{"n":%d},"requestReceivedTimestamp":"%s","stageTimestamp":"%s"}`,
				seed, i, stage, user, resource, user, name, code, i%9, at.Format("2006-01-02T15:04:05.000000Z"), at.Add(lasted).Format("2006-01-02T15:04:05.000000Z"))
			e := format.Event{Bytes: raw}
			if err := e.View.Parse(raw); err != nil {
				r.t.Fatal(err)
			}
			b.Events = append(b.Events, e)
		}
		if _, err := r.ledger.Append(r.t.Context(), b); err != nil {
			r.t.Fatal(err)
		}
		if rng.IntN(n/4) == 0 {
			r.catchUp()
		}
	}
	r.catchUp()
}

func (r *rig) catchUp() {
	r.t.Helper()
	if err := r.watcher.CatchUp(r.t.Context(), nil); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) find(sight *query.Reader, q Question) (all []*Found) {
	r.t.Helper()
	if _, err := Find(r.t.Context(), r.reader(""), sight, q, func(f *Found) error { all = append(all, f); return nil }); err != nil {
		r.t.Fatal(err)
	}
	return all
}

// what is a finding's ID and the events that it names.
func what(f *detect.Finding) string { return fmt.Sprint(f.ID, f.Cluster, f.Positions, f.Count, f.Time) }

// TestHunt: what a hunt finds over the record is what was found as the events came, in any part of it.
func TestHunt(t *testing.T) {
	for _, seal := range []int{0, 60} {
		r := newRig(t, seal)
		r.fill(uint64(seal)+1, 400)
		for _, rule := range r.rules {
			for _, over := range []query.Range{{}, {Clusters: []string{"dev"}}, {Since: start.Add(5 * time.Minute), Until: start.Add(15 * time.Minute)}} {
				want := map[string]bool{}
				for _, f := range r.find(nil, Question{Rules: []string{rule.ID}, Clusters: over.Clusters, Since: over.Since, Until: over.Until}) {
					want[what(f.Finding)] = true
				}
				got := map[string]bool{}
				_, err := Hunt(t.Context(), r.reader(""), r.rules, rule.ID, over, func(f *detect.Finding) error {
					if got[what(f)] {
						t.Errorf("%s is handed out twice", what(f))
					}
					got[what(f)] = true
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(want, got); d != "" || len(want) == 0 && over.Since.IsZero() {
					t.Errorf("seal %d, rule %s, over %+v: %d were found: %s", seal, rule.ID, over, len(want), d)
				}
			}
		}
	}
}

func TestFind(t *testing.T) {
	r := newRig(t, 0)
	r.fill(3, 300)
	all := r.find(nil, Question{})
	if len(all) < 100 {
		t.Fatalf("%d findings are too few", len(all))
	}
	if !slices.IsSortedFunc(all, func(a, b *Found) int { return b.Time.Compare(a.Time) }) {
		t.Error("the newest do not come first")
	}
	for _, tt := range []struct {
		what string
		q    Question
		in   func(f *Found) bool
	}{
		{"rules", Question{Rules: []string{"secrets", "count"}}, func(f *Found) bool { return f.Rule == "secrets" || f.Rule == "count" }},
		{"severity", Question{Severity: detect.High}, func(f *Found) bool { return f.Severity == detect.High || f.Severity == detect.Critical }},
		{"cluster", Question{Clusters: []string{"dev"}}, func(f *Found) bool { return f.Cluster == "dev" }},
		{"user", Question{User: "alice"}, func(f *Found) bool { return f.User == "alice" }},
		{"namespace", Question{Namespace: "ns-bob"}, func(f *Found) bool { return f.Namespace == "ns-bob" }},
		{"technique", Question{Technique: "t1552"}, func(f *Found) bool { return f.Rule == "pods" || f.Rule == "secrets" }},
		{"query", Question{Query: parse(t, "carol")}, func(f *Found) bool { return f.User == "carol" || f.Group["user.username"] == "carol" }},
		{"time", Question{Since: start.Add(time.Minute), Until: start.Add(5 * time.Minute)}, func(f *Found) bool {
			return !f.Time.Before(start.Add(time.Minute)) && f.Time.Before(start.Add(5*time.Minute))
		}},
	} {
		want := 0
		for _, f := range all {
			if tt.in(f) {
				want++
			}
		}
		got := r.find(nil, tt.q)
		for _, f := range got {
			if !tt.in(f) {
				t.Errorf("%s: %+v", tt.what, f.Finding)
			}
		}
		if len(got) != want || want == 0 {
			t.Errorf("%s: %d findings, want %d", tt.what, len(got), want)
		}
	}
	// Page by page, in both directions, the same comes.
	for _, oldest := range []bool{false, true} {
		var paged []*Found
		for q := (Question{Limit: 7, OldestFirst: oldest}); ; {
			some := r.find(nil, q)
			paged = append(paged, some...)
			if len(some) == 0 {
				break
			}
			q.After = &some[len(some)-1].Recorded
		}
		if oldest {
			slices.Reverse(paged)
		}
		if len(paged) != len(all) {
			t.Fatalf("oldest %v: %d findings in pages, %d at once", oldest, len(paged), len(all))
		}
		for i := range all {
			if paged[i].ID != all[i].ID {
				t.Fatalf("oldest %v: finding %d differs", oldest, i)
			}
		}
	}
	groups, _, err := Groups(t.Context(), r.reader(""), nil, Question{}, true)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range groups {
		n += g.Count
	}
	if n != len(all) {
		t.Errorf("groups count %d findings of %d", n, len(all))
	}
}

// TestSight: somebody sees a finding if they see each of its events.
func TestSight(t *testing.T) {
	r := newRig(t, 0)
	r.fill(4, 200)
	visible := map[string]bool{}
	if _, err := r.reader("user:alice").Search(t.Context(), query.Search{}, func(e *query.Row) error {
		visible[fmt.Sprint(e.Cluster, e.Position)] = true
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, f := range r.find(nil, Question{}) {
		all := true
		for _, p := range f.Positions {
			all = all && visible[fmt.Sprint(f.Cluster, p)]
		}
		if all {
			want[f.ID] = true
		}
	}
	got := map[string]bool{}
	for _, f := range r.find(r.reader("user:alice"), Question{}) {
		got[f.ID] = true
	}
	if d := cmp.Diff(want, got); d != "" || len(want) == 0 {
		t.Errorf("%d in sight: %s", len(want), d)
	}
	if _, err := Hunt(context.Background(), r.reader(""), r.rules, "none", query.Range{}, nil); err == nil {
		t.Error("a hunt by a rule that is not there")
	}
}
