package detect

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"annals.dev/internal/match"
)

// TestFlood: whoever floods a rule in one cluster has nothing forgotten that another cluster holds, or another rule.
func TestFlood(t *testing.T) {
	w := &world{}
	e := newTestEngine(t, w, only(t, "pods", "count", "secrets", "few"))
	e.limits.groups, e.limits.entries = 40, 500
	secret := get(1, 0, "alice")
	secret.resource = "secrets"
	feedAll(t, e, w, start, get(2, 0, "alice"), get(3, time.Second, "alice"), secret)
	for i := range 3000 {
		flood := get(10+i, 2*time.Second+time.Duration(i)*time.Millisecond, fmt.Sprintf("user-%d", i))
		flood.cluster = "dev"
		feedAll(t, e, w, start, flood)
	}
	if e.dropped == 0 {
		t.Fatal("nothing was dropped: this tests too little")
	}
	feedAll(t, e, w, start, get(4, 3*time.Second, "alice"))
	if err := e.Flush(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, rec := range w.records {
		if f := rec.Finding; f != nil && f.Cluster == "prod" {
			found[f.Rule]++
		}
	}
	if d := cmp.Diff(map[string]int{"pods": 3, "count": 1, "few": 1}, found); d != "" {
		t.Error(d)
	}
}

// asked counts how often a record is asked.
type asked struct {
	*world
	n int
}

func (a *asked) Matches(ctx context.Context, cluster string, where *match.Predicate, from, to int64, f func(*match.Row)) error {
	a.n++
	return a.world.Matches(ctx, cluster, where, from, to, f)
}

// TestLateInPieces: late events of weeks are not looked at at once, and all in the end.
func TestLateInPieces(t *testing.T) {
	w := &world{}
	record := &asked{world: w}
	rules := only(t, "pods", "secrets", "count", "range")
	rules[0].Silent = true
	e, problems := NewEngine(rules, nil, Options{History: record})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	e.lateFor = time.Nanosecond
	feedAll(t, e, w, start, event{cluster: "prod", request: 1, resource: "nodes"})
	advance(t, e, w, start)
	n := 10
	for day := 1; day <= 20; day++ {
		for i := range 3 {
			n++
			feedAll(t, e, w, start, get(n, time.Duration(i-24*3600*day)*time.Second, "alice"))
		}
	}
	now := start
	for n := 0; len(e.states["prod"].series[0].late)+len(e.states["prod"].series[1].late) > 0; n++ {
		if n > 100_000 {
			t.Fatal("it does not end")
		}
		before := record.n
		now = now.Add(askEvery)
		advance(t, e, w, now)
		if record.n-before > 1 {
			t.Fatalf("the record is asked %d times at once", record.n-before)
		}
	}
	found := map[string]int{}
	for _, f := range w.standing() {
		found[f.Rule]++
	}
	if d := cmp.Diff(map[string]int{"count": 20, "range": 20}, found); d != "" {
		t.Error(d)
	}
}

// TestWindowTooLarge: what does not fit into memory is told, and keeps nothing else from being found.
func TestWindowTooLarge(t *testing.T) {
	judged, window := maxJudged, maxWindow
	maxJudged, maxWindow = 3, 5
	defer func() { maxJudged, maxWindow = judged, window }()
	w := &world{}
	e := newTestEngine(t, w, only(t, "pods", "secrets", "count", "range", "few"))
	feedAll(t, e, w, start, event{cluster: "prod", request: 1, resource: "nodes"})
	advance(t, e, w, start)
	for i := range 10 {
		feedAll(t, e, w, start, get(2+i, time.Duration(i)*time.Second-48*time.Hour, "alice"))
	}
	secret := get(20, -47*time.Hour, "alice")
	secret.resource = "secrets"
	feedAll(t, e, w, start, secret)
	advance(t, e, w, start.Add(askEvery))
	found := map[string]int{}
	for _, f := range w.standing() {
		if f.Rule != "pods" {
			found[f.Rule]++
		}
	}
	// It is told of count in one hour, of range in two.
	if d := cmp.Diff(map[string]int{"few": 1, BoundRule: 3}, found); d != "" {
		t.Error(d)
	}
	err := Judge(t.Context(), w, e.rules, e.made["count"].rule, "prod", start.Add(-48*time.Hour).UnixMicro(), start.UnixMicro(), func(*Finding) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "shorter timespan") {
		t.Errorf("%v", err)
	}
}
