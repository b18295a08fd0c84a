package detect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"annals.dev/internal/ledger"
)

// get is a request for a pod that takes no time.
func get(n int, at time.Duration, user string) event {
	return event{cluster: "prod", request: n, received: at, stage: "ResponseComplete", user: user, resource: "pods", name: "a", code: 200}
}

func feedAll(t *testing.T, e *Engine, w *world, received time.Time, events ...event) {
	t.Helper()
	for _, ev := range events {
		w.append(t, ev.cluster, ev.raw(), received.UnixMicro())
		e.Feed(w.events[len(w.events)-1], w)
	}
}

func only(t *testing.T, ids ...string) (rules []*Rule) {
	t.Helper()
	for _, r := range testRules(t) {
		if slices.Contains(ids, r.ID) {
			rules = append(rules, r)
		}
	}
	return rules
}

func advance(t *testing.T, e *Engine, w *world, now time.Time) {
	t.Helper()
	if err := e.Advance(t.Context(), "prod", now, w); err != nil {
		t.Fatal(err)
	}
}

func rulesOf(w *world) (all []string) {
	for _, rec := range w.records {
		if rec.Finding != nil {
			all = append(all, rec.Finding.Rule)
		} else {
			all = append(all, "-"+rec.Withdrawal.Rule)
		}
	}
	return all
}

func newTestEngine(t *testing.T, w *world, rules []*Rule) *Engine {
	t.Helper()
	e, problems := NewEngine(rules, nil, Options{History: w})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return e
}

// TestWindowsWait: a window is closed when the watermark has passed it, or when nothing has come for a while.
func TestWindowsWait(t *testing.T) {
	w := &world{}
	rules := only(t, "pods", "count")
	rules[0].Silent = true
	e := newTestEngine(t, w, rules)
	feedAll(t, e, w, start, get(1, 0, "alice"), get(2, time.Second, "alice"), get(3, 2*time.Second, "alice"))
	advance(t, e, w, start)
	if len(w.records) > 0 {
		t.Fatal("a window is closed before its time", rulesOf(w))
	}
	feedAll(t, e, w, start, get(4, 12*time.Second, "bob"))
	advance(t, e, w, start)
	if d := cmp.Diff([]string{"count"}, rulesOf(w)); d != "" {
		t.Fatal("the watermark has passed it:", d)
	}
	feedAll(t, e, w, start, get(5, 13*time.Second, "bob"), get(6, 14*time.Second, "bob"))
	advance(t, e, w, start.Add(time.Second))
	advance(t, e, w, start.Add(10*time.Second))
	if len(w.records) != 1 {
		t.Fatal("a window is closed before its time", rulesOf(w))
	}
	advance(t, e, w, start.Add(11*time.Second))
	if d := cmp.Diff([]string{"count", "count"}, rulesOf(w)); d != "" {
		t.Fatal("nothing has come for a while:", d)
	}
}

// TestForgedFuture: an event that says it is of next year closes no window.
func TestForgedFuture(t *testing.T) {
	w := &world{}
	e := newTestEngine(t, w, only(t, "few", "secrets"))
	secret := get(1, 0, "alice")
	secret.resource = "secrets"
	forged := get(2, 365*24*time.Hour, "mallory")
	feedAll(t, e, w, start, forged)
	advance(t, e, w, start)
	// "few" finds less than two within 10 s: a window that is closed too early would find the first one.
	later := start.Add(55 * time.Second)
	secret.received = 55 * time.Second
	feedAll(t, e, w, later, secret)
	advance(t, e, w, later)
	if len(w.records) > 0 {
		t.Fatal("a window is closed before its time", rulesOf(w))
	}
	if st := e.states["prod"]; st.latest > later.Add(time.Minute).UnixMicro() {
		t.Errorf("the watermark is %v, and it is %v", time.UnixMicro(st.latest).UTC(), later)
	}
}

// TestLate: an event that comes late takes back what was found without it, from memory and from the record.
func TestLate(t *testing.T) {
	for _, after := range []time.Duration{30 * time.Second, 5 * time.Hour} {
		w := &world{}
		e := newTestEngine(t, w, only(t, "pods", "range", "secrets"))
		for _, r := range e.rules {
			r.Silent = r.Where != nil
		}
		// "range" finds two or three within 30 s.
		feedAll(t, e, w, start, get(1, 0, "alice"), get(2, 10*time.Second, "alice"))
		feedAll(t, e, w, start.Add(after), event{cluster: "prod", request: 9, received: after, resource: "nodes"})
		advance(t, e, w, start)
		if d := cmp.Diff([]string{"range"}, rulesOf(w)); d != "" {
			t.Fatal(d)
		}
		found := w.records[0].Finding
		feedAll(t, e, w, start.Add(time.Minute), get(3, 5*time.Second, "bob"))
		advance(t, e, w, start.Add(time.Minute))
		advance(t, e, w, start.Add(2*time.Minute))
		if d := cmp.Diff([]string{"range", "-range", "range"}, rulesOf(w)); d != "" {
			t.Fatalf("after %v: %s", after, d)
		}
		gone, in := w.records[1].Withdrawal, w.records[2].Finding
		if gone.ID != found.ID || !slices.Equal(gone.By, []string{in.ID}) || in.Time != start.Add(5*time.Second) || in.Count != 2 || !slices.Equal(in.Positions, []uint64{0, 3}) {
			t.Errorf("after %v: %+v, %+v", after, gone, in)
		}
	}
}

// TestLateFails: a record that cannot be asked keeps nothing else from being found, and is asked again.
func TestLateFails(t *testing.T) {
	w := &world{fails: errors.New("no")}
	e := newTestEngine(t, w, only(t, "cm", "pods", "count"))
	for _, r := range e.rules {
		r.Silent = r.ID == "pods"
	}
	feedAll(t, e, w, start.Add(5*time.Hour), get(1, 5*time.Hour, "bob"))
	advance(t, e, w, start)
	other := get(9, 5*time.Hour, "carol")
	other.resource = "configmaps"
	feedAll(t, e, w, start, get(2, 0, "alice"), get(3, time.Second, "alice"), get(4, 2*time.Second, "alice"), other)
	advance(t, e, w, start.Add(5*time.Second))
	if d := cmp.Diff([]string{"cm"}, rulesOf(w)); d != "" {
		t.Fatal(d)
	}
	if err := e.Flush(t.Context(), w); !errors.Is(err, w.fails) {
		t.Errorf("at the end it must be told: %v", err)
	}
	w.fails = nil
	advance(t, e, w, start.Add(10*time.Second))
	if d := cmp.Diff([]string{"cm", "count"}, rulesOf(w)); d != "" {
		t.Fatal(d)
	}
}

// TestBounds: where more is to be held than may be, the oldest goes, and that is told.
func TestBounds(t *testing.T) {
	w := &world{}
	e := newTestEngine(t, w, only(t, "pods", "count"))
	e.rules[0].Silent = true
	e.limits.group, e.limits.groups, e.limits.entries = 50, 40, 500
	n := 0
	for i := range 3000 {
		n++
		user := fmt.Sprintf("user-%d", i%60)
		if i < 300 {
			user = "alice"
		}
		feedAll(t, e, w, start, get(n, time.Duration(i)*time.Millisecond, user))
		if held := e.states["prod"].series[0]; len(held.groups) > 40 || e.entries > 500 {
			t.Fatalf("%d groups and %d entries are held", len(held.groups), e.entries)
		}
	}
	if err := e.Flush(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	entries := 0
	for _, g := range e.states["prod"].series[0].groups {
		entries += len(g.entries)
	}
	if entries != e.entries || e.groups != len(e.states["prod"].series[0].groups) {
		t.Errorf("%d entries are held, %d are counted", entries, e.entries)
	}
	var told []string
	for _, rec := range w.records {
		if rec.Finding != nil && rec.Finding.Rule == BoundRule {
			told = append(told, rec.Finding.Summary)
		}
	}
	if len(told) != 1 || !strings.Contains(told[0], "annals rules hunt count") {
		t.Errorf("told: %q", told)
	}
	if e.dropped == 0 {
		t.Error("nothing was dropped: this tests too little")
	}
}

// TestOwn: rules look at no event of cluster annals unless they say so, and at no finding ever.
func TestOwn(t *testing.T) {
	w := &world{}
	rules := []*Rule{
		{ID: "all", Version: "v1", Where: predicate(t, "")},
		{ID: "own", Version: "v1", Where: predicate(t, "cluster:annals"), Own: true},
	}
	e := newTestEngine(t, w, rules)
	own := get(1, 0, "alice")
	own.cluster = ledger.Own
	feedAll(t, e, w, start, own)
	if d := cmp.Diff([]string{"own"}, rulesOf(w)); d != "" {
		t.Fatal(d)
	}
	r := *w.events[0]
	r.Origin = Origin
	r.Position++
	e.Feed(&r, w)
	if len(w.records) != 1 {
		t.Error("a rule looks at findings")
	}
}

func TestFirst(t *testing.T) {
	w := &world{}
	e := newTestEngine(t, w, only(t, "first", "second"))
	both, one := get(1, 0, "alice"), get(2, 0, "alice")
	both.code, one.code = 403, 404
	feedAll(t, e, w, start, both, one)
	if d := cmp.Diff([]string{"first", "second"}, rulesOf(w)); d != "" {
		t.Fatal(d)
	}
}

// TestProblems: what makes no sense is told, and the rest is used.
func TestProblems(t *testing.T) {
	pods := testRules(t)[0]
	corr := func(id string, c Correlation) *Rule { return &Rule{ID: id, Version: "v1", Correlation: &c} }
	gte := []Comparison{{"gte", 1}}
	for _, tt := range []struct {
		rule *Rule
		want string
	}{
		{corr("a", Correlation{Kind: EventCount, Timespan: time.Minute, Compare: gte}), "over 1 to 64 rules, not 0"},
		{corr("a", Correlation{Kind: EventCount, Rules: []string{"pods"}, Compare: gte}), "timespan"},
		{corr("a", Correlation{Kind: EventCount, Rules: []string{"pods"}, Timespan: time.Minute}), "wants a condition"},
		{corr("a", Correlation{Kind: ValueCount, Rules: []string{"pods"}, Timespan: time.Minute, Compare: gte}), "wants a field"},
		{corr("a", Correlation{Kind: "guess", Rules: []string{"pods"}, Timespan: time.Minute, Compare: gte}), `no correlation of type "guess"`},
		{corr("a", Correlation{Kind: EventCount, Rules: []string{"pods"}, Timespan: time.Minute, Compare: []Comparison{{"like", 1}}}), `no comparison "like"`},
		{corr("a", Correlation{Kind: EventCount, Rules: []string{"gone"}, Timespan: time.Minute, Compare: gte}), `no rule "gone"`},
		{corr("a", Correlation{Kind: EventCount, Rules: []string{"a"}, Timespan: time.Minute, Compare: gte}), "over itself"},
		{corr("a", Correlation{Kind: EventCount, Rules: []string{"pods", "pods"}, Timespan: time.Minute, Compare: gte}), "twice"},
		{corr("a", Correlation{Kind: Temporal, Rules: []string{"pods"}, Timespan: time.Minute, Of: &RuleExpr{Rule: "x"}}), `names "x"`},
		{corr("pods", Correlation{Kind: EventCount, Rules: []string{"pods"}, Timespan: time.Minute, Compare: gte}), "another rule with the id"},
	} {
		e, problems := NewEngine([]*Rule{pods, tt.rule}, nil, Options{})
		if len(problems) != 1 || !strings.Contains(problems[0].Message, tt.want) {
			t.Errorf("%+v: %v, want %q", tt.rule.Correlation, problems, tt.want)
		}
		if len(e.Rules()) != 1 {
			t.Errorf("%s: %d rules are used", tt.want, len(e.Rules()))
		}
	}
}

// TestNewRule: windows of a rule that is new hold what was before it.
func TestNewRule(t *testing.T) {
	w := &world{}
	old := newTestEngine(t, w, only(t, "secrets"))
	pods := get(1, 0, "alice")
	feedAll(t, old, w, start, pods, get(2, time.Second, "alice"))
	advance(t, old, w, start)
	held, err := old.Save()
	if err != nil {
		t.Fatal(err)
	}
	rules := only(t, "secrets", "pods", "count")
	for _, r := range rules {
		r.Silent = r.Where != nil
	}
	e := newTestEngine(t, w, rules)
	if _, err := e.Load(held); err != nil {
		t.Fatal(err)
	}
	feedAll(t, e, w, start, get(3, 20*time.Second, "alice"))
	for i := range 30 {
		feedAll(t, e, w, start, get(10+i, time.Duration(100+i*20)*time.Second, "bob"))
		advance(t, e, w, start.Add(time.Duration(i)*time.Second))
	}
	if err := e.Flush(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"count"}, rulesOf(w)); d != "" {
		t.Fatal(d)
	}
	if f := w.records[0].Finding; f.Count != 3 || !slices.Equal(f.Positions, []uint64{0, 1, 2}) {
		t.Errorf("%+v", f)
	}
}

// FuzzLoad: what was not saved is refused, and nothing panics with what is taken.
func FuzzLoad(f *testing.F) {
	w := &world{}
	rules := testRules(f)
	e, _ := NewEngine(rules, nil, Options{History: w})
	for _, ev := range madeEvents(3, 60) {
		w.append(f, ev.cluster, ev.raw(), start.UnixMicro())
		e.Feed(w.events[len(w.events)-1], w)
	}
	for _, c := range e.Clusters() {
		if err := e.Advance(context.Background(), c, start, w); err != nil {
			f.Fatal(err)
		}
	}
	held, err := e.Save()
	if err != nil {
		f.Fatal(err)
	}
	file, err := (&saved{Next: map[string]uint64{"prod": 7}, Engine: held}).encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(held)
	f.Add(file)
	f.Add([]byte(stateMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		if x, err := decodeState(b); err == nil {
			b = x.Engine
		}
		w := &world{}
		e, _ := NewEngine(rules, nil, Options{History: w})
		if _, err := e.Load(b); err != nil && len(e.states) > 0 {
			t.Error("half a state was taken")
		}
		for _, ev := range madeEvents(4, 20) {
			w.append(t, ev.cluster, ev.raw(), start.UnixMicro())
			e.Feed(w.events[len(w.events)-1], w)
		}
		for _, c := range e.Clusters() {
			if err := e.Advance(t.Context(), c, start, w); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := e.Save(); err != nil {
			t.Fatal(err)
		}
	})
}
