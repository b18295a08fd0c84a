package detect

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"annals.dev/audit"
	"annals.dev/internal/match"
)

var start = time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)

func predicate(tb rapid.TB, query string) *match.Predicate {
	tb.Helper()
	p, err := match.Parse(query)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// testRules are rules of each kind, over pods, secrets and configmaps.
func testRules(tb rapid.TB) []*Rule {
	base := func(id, query string) *Rule {
		return &Rule{ID: id, Title: "rule " + id, Version: "v1", Severity: Medium, Where: predicate(tb, query)}
	}
	over := func(id string, kind CorrelationKind, span time.Duration, c Correlation) *Rule {
		c.Kind, c.Timespan = kind, span
		return &Rule{ID: id, Title: "rule " + id, Version: "v1", Severity: High, Correlation: &c}
	}
	gte := func(n float64) []Comparison { return []Comparison{{"gte", n}} }
	user := []string{"user.username"}
	pods, secrets := base("pods", "resource:pods"), base("secrets", "resource:secrets -stage:RequestReceived")
	secrets.Silent = true
	first, second := base("first", "code:403"), base("second", "code>=400")
	first.First, second.First = "falco", "falco"
	quiet := over("quiet", EventCount, 20*time.Second, Correlation{Rules: []string{"pods"}, GroupBy: user, Compare: gte(2)})
	quiet.Silent = true
	return []*Rule{
		pods, secrets, first, second, base("cm", "resource:configmaps"),
		over("count", EventCount, 30*time.Second, Correlation{Rules: []string{"pods"}, GroupBy: user, Compare: gte(3)}),
		over("range", EventCount, 30*time.Second, Correlation{Rules: []string{"pods", "secrets"}, Compare: []Comparison{{"gt", 1}, {"lte", 3}}}),
		over("few", EventCount, 10*time.Second, Correlation{Rules: []string{"secrets"}, GroupBy: user, Compare: []Comparison{{"lt", 2}}}),
		over("values", ValueCount, time.Minute, Correlation{Rules: []string{"pods", "secrets"}, GroupBy: user, Field: "objectRef.name", Compare: gte(3)}),
		over("groups", ValueCount, time.Minute, Correlation{Rules: []string{"pods", "secrets"}, GroupBy: []string{"user.groups", "objectRef.resource"}, Field: "user.username", Compare: gte(2)}),
		over("sum", ValueSum, time.Minute, Correlation{Rules: []string{"pods"}, Field: "requestObject.n", Compare: gte(9)}),
		over("avg", ValueAvg, time.Minute, Correlation{Rules: []string{"pods"}, GroupBy: user, Field: "requestObject.n", Compare: []Comparison{{"gt", 2.5}}}),
		over("percentile", ValuePercentile, time.Minute, Correlation{Rules: []string{"pods"}, Field: "requestObject.n", Percent: 80, Compare: []Comparison{{"gt", 3.1}}}),
		over("median", ValueMedian, time.Minute, Correlation{Rules: []string{"pods"}, Field: "requestObject.n", Compare: []Comparison{{"eq", 3}}}),
		over("temporal", Temporal, time.Minute, Correlation{Rules: []string{"pods", "secrets", "cm"}, GroupBy: user}),
		over("some", Temporal, time.Minute, Correlation{Rules: []string{"pods", "secrets", "cm"}, GroupBy: user, Compare: gte(2)}),
		over("without", Temporal, 20*time.Second, Correlation{Rules: []string{"pods", "secrets"}, GroupBy: user,
			Of: &RuleExpr{And: []*RuleExpr{{Rule: "secrets"}, {Not: &RuleExpr{Rule: "pods"}}}}}),
		over("ordered", TemporalOrdered, time.Minute, Correlation{Rules: []string{"pods", "secrets", "cm"}, GroupBy: user}),
		over("chain", EventCount, 2*time.Minute, Correlation{Rules: []string{"count", "values"}, GroupBy: user, Compare: gte(2)}),
		quiet,
		over("overquiet", ValueCount, 2*time.Minute, Correlation{Rules: []string{"quiet"}, Field: "user.username", Compare: gte(2)}),
	}
}

// event is one that the property is tested with, before it has bytes.
type event struct {
	cluster          string
	request          int // what makes the audit ID
	received, lasted time.Duration
	stage            string
	user             string
	resource, name   string
	code, n          int
}

func (e *event) raw() []byte {
	at := start.Add(e.received)
	body := ""
	if e.n > 0 {
		body = fmt.Sprintf(`,"requestObject":{"n":%d}`, e.n)
	}
	return fmt.Appendf(nil, `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Request","auditID":"00000000-0000-4000-8000-%012d","stage":"%s","requestURI":"/x","verb":"get","user":{"username":"%s","groups":["g1","g-%[3]s"]},"objectRef":{"resource":"%s","namespace":"prod","name":"%s"},"responseStatus":{"code":%d}%s,"requestReceivedTimestamp":"%s","stageTimestamp":"%s"}`,
		e.request, e.stage, e.user, e.resource, e.name, e.code, body, at.Format("2006-01-02T15:04:05.000000Z"), at.Add(e.lasted).Format("2006-01-02T15:04:05.000000Z"))
}

// world is a ledger in memory, as an engine knows it.
type world struct {
	events  []*match.Row
	records []Recorded
	fails   error // of History
}

func (w *world) append(tb rapid.TB, cluster string, raw []byte, received int64) {
	r := &match.Row{View: new(audit.View), Cluster: cluster, Origin: "test", Position: uint64(len(w.events)), Received: received}
	if err := r.View.Parse(raw); err != nil {
		tb.Fatal(err)
	}
	w.events = append(w.events, r)
}

func (w *world) Matches(_ context.Context, cluster string, where *match.Predicate, from, to int64, f func(*match.Row)) error {
	if w.fails != nil {
		return w.fails
	}
	for _, r := range w.events {
		if r.Cluster == cluster && where.Match(r) {
			f(r)
		}
	}
	return nil
}

func (w *world) standing() map[string]*Finding {
	all := make(map[string]*Finding)
	for _, rec := range w.records {
		if rec.Finding != nil {
			all[rec.Finding.ID] = rec.Finding
		} else {
			delete(all, rec.Withdrawal.ID)
		}
	}
	return all
}

func (w *world) Standing(_ context.Context, cluster, rule, version string, from, to int64, f func(*Finding)) error {
	for _, x := range w.standing() {
		if at := x.Time.UnixMicro(); x.Cluster == cluster && x.Rule == rule && x.Version == version && at >= from && at <= to {
			f(x)
		}
	}
	return nil
}

// Find and Withdraw record once, as the watcher does.
func (w *world) Find(f *Finding) {
	if w.standing()[f.ID] == nil {
		w.records = append(w.records, Recorded{Finding: f, Position: uint64(len(w.records))})
	}
}

func (w *world) Withdraw(x *Withdrawal) {
	if w.standing()[x.ID] != nil {
		w.records = append(w.records, Recorded{Withdrawal: x, Position: uint64(len(w.records))})
	}
}

// drawEvents draws requests with their stages, in an order of arrival that is mostly that of time.
func drawEvents(t *rapid.T) []event {
	var all []event
	requests := rapid.IntRange(1, 40).Draw(t, "requests")
	for i := range requests {
		e := event{
			cluster: rapid.SampledFrom([]string{"prod", "prod", "dev"}).Draw(t, "cluster"), request: i,
			received: time.Duration(rapid.IntRange(0, 60).Draw(t, "received")) * 5 * time.Second,
			user:     rapid.SampledFrom([]string{"alice", "bob"}).Draw(t, "user"),
			resource: rapid.SampledFrom([]string{"pods", "pods", "secrets", "configmaps"}).Draw(t, "resource"),
			name:     rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "name"),
			n:        rapid.IntRange(0, 6).Draw(t, "n"),
		}
		if rapid.IntRange(0, 9).Draw(t, "far") == 0 {
			e.received += 3 * time.Hour * time.Duration(rapid.IntRange(-1, 1).Draw(t, "hours"))
		}
		for _, stage := range []string{"RequestReceived", "ResponseStarted", "ResponseComplete"} {
			if rapid.IntRange(0, 2).Draw(t, "stage") > 0 {
				e.stage = stage
				all = append(all, e)
			}
			e.lasted += rapid.SampledFrom([]time.Duration{0, time.Millisecond, time.Second, 20 * time.Second, 30 * time.Minute}).Draw(t, "lasted")
			e.code = rapid.SampledFrom([]int{200, 403, 404}).Draw(t, "code")
			if rapid.IntRange(0, 5).Draw(t, "other name") == 0 {
				e.name = "e"
			}
		}
	}
	if rapid.Bool().Draw(t, "in order") {
		slices.SortStableFunc(all, func(a, b event) int { return int(a.received + a.lasted - b.received - b.lasted) })
		for range rapid.IntRange(0, 5).Draw(t, "late") { // some come late
			if len(all) > 0 {
				i, j := rapid.IntRange(0, len(all)-1).Draw(t, "from"), rapid.IntRange(0, len(all)-1).Draw(t, "to")
				e := all[i]
				all = slices.Insert(slices.Delete(all, i, i+1), j, e)
			}
		}
	} else {
		all = rapid.Permutation(all).Draw(t, "order")
	}
	return all
}

// TestSameFindings: the same events in any order and any batches, some of them more than once, with restarts and kills between,
// give the findings that the definition says, and at the end of all no other ones.
func TestSameFindings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := testRules(t)
		events := drawEvents(t)
		ctx := context.Background()
		w := &world{}
		clock := start
		make1 := func() *Engine {
			e, problems := NewEngine(rules, nil, Options{History: w})
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			return e
		}
		type save struct {
			next, told int
			held       []byte
		}
		e, next := make1(), 0
		saves := []save{{}}
		ahead := rapid.Bool().Draw(t, "received later")
		for len(events) > 0 || next < len(w.events) {
			switch rapid.IntRange(0, 9).Draw(t, "act") {
			case 0, 1, 2, 3: // some come
				n := min(len(events), rapid.IntRange(1, 10).Draw(t, "batch"))
				for _, ev := range events[:n] {
					at := start.Add(ev.received + ev.lasted)
					if ahead {
						at = clock.Add(24 * time.Hour)
					}
					w.append(t, ev.cluster, ev.raw(), at.UnixMicro())
				}
				events = events[n:]
			case 4, 5, 6: // and are looked at
				for range rapid.IntRange(1, 10).Draw(t, "read") {
					if next < len(w.events) {
						e.Feed(w.events[next], w)
						next++
					}
				}
				for _, c := range e.Clusters() {
					if err := e.Advance(ctx, c, clock, w); err != nil {
						t.Fatal(err)
					}
				}
			case 7: // time goes by
				clock = clock.Add(time.Duration(rapid.IntRange(1, 20).Draw(t, "seconds")) * time.Second)
				for _, c := range e.Clusters() {
					if err := e.Advance(ctx, c, clock, w); err != nil {
						t.Fatal(err)
					}
				}
			case 8:
				b, err := e.Save()
				if err != nil {
					t.Fatal(err)
				}
				saves = append(saves, save{next, len(w.records), b})
			case 9: // it is killed, and goes on from what was saved last; or what was saved is lost
				s := saves[len(saves)-1]
				if rapid.IntRange(0, 5).Draw(t, "lost") == 0 {
					s = save{}
				}
				e, next = make1(), s.next
				if s.held != nil {
					if _, err := e.Load(s.held); err != nil {
						t.Fatal(err)
					}
				}
				for _, rec := range w.records[s.told:] {
					e.Told(rec)
				}
				e.Hold(true)
				for next < len(w.events) {
					e.Feed(w.events[next], w)
					if next++; next%7 == 0 {
						for _, c := range e.Clusters() {
							if err := e.Advance(ctx, c, clock, w); err != nil {
								t.Fatal(err)
							}
						}
					}
				}
				e.Hold(false)
				saves = []save{s}
			}
		}
		if err := e.Flush(ctx, w); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{}
		ref := &naive{rules: rules, events: w.events}
		for _, r := range rules {
			if r.Silent || r.ID == "second" {
				continue
			}
			found, _ := ref.findings(r)
			for id := range found {
				want[id] = r.ID
			}
		}
		got := map[string]string{}
		for id, f := range w.standing() {
			if f.Rule != "second" {
				got[id] = f.Rule
			}
		}
		if d := cmp.Diff(count(want), count(got)); d != "" {
			t.Fatalf("findings by rule: %s", d)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("findings: %s", d)
		}
	})
}

func count(m map[string]string) map[string]int {
	n := make(map[string]int)
	for rule := range maps.Values(m) {
		n[rule]++
	}
	return n
}
