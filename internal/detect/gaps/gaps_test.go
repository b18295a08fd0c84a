package gaps_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"annals.dev/audit"
	"annals.dev/internal/detect"
	"annals.dev/internal/detect/gaps"
	"annals.dev/internal/format"
	"annals.dev/internal/match"
)

type found []string

func (f *found) Find(x *detect.Finding)    { *f = append(*f, x.Rule+": "+x.Summary) }
func (*found) Withdraw(*detect.Withdrawal) {}

var begin = time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)

// event is one that came by an origin, seconds after the beginning.
type event struct {
	origin string
	at     int
	id     string
	stage  audit.Stage
}

func feed(t *testing.T, g *gaps.Gaps, out detect.Output, events ...event) {
	t.Helper()
	for i, e := range events {
		at := audit.MicroTime{Time: begin.Add(time.Duration(e.at) * time.Second)} // all stages of a request have the same time of receipt
		v := audit.Event{AuditID: e.id, Stage: e.stage, Verb: "get", RequestURI: "/api/v1/pods", User: audit.UserInfo{Username: "jane"}, RequestReceivedTimestamp: at, StageTimestamp: at}
		var view audit.View
		if err := view.Parse(v.AppendJSON(nil)); err != nil {
			t.Fatal(err)
		}
		g.Feed(&match.Row{View: &view, Cluster: "c", Origin: e.origin, Position: uint64(i), Received: at.UnixMicro(), Dialect: format.V1}, out)
		// A restart between any two events changes nothing.
		state, err := g.Save()
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Load(state); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSilence(t *testing.T) {
	g, err := gaps.New(gaps.Config{After: "5m", Ignore: []string{"webhook/spare-*"}}, begin)
	if err != nil {
		t.Fatal(err)
	}
	var got found
	end := audit.StageResponseComplete
	feed(t, g, &got, event{"webhook/a", 0, "1", end}, event{"webhook/b", 200, "2", end}, event{"webhook/spare-1", 0, "3", end}, event{"import/x.log", 0, "4", end})
	tick := func(at int) { g.Tick(begin.Add(time.Duration(at)*time.Second), &got) }
	tick(299)
	if got != nil {
		t.Errorf("told too early: %q", got)
	}
	tick(301)
	tick(302)
	silent := "annals-gaps-silent: webhook/%s has sent nothing since %s: an API server is down, cannot reach Annals, or was told not to audit"
	want := found{fmt.Sprintf(silent, "a", "2026-05-01T10:00:00Z")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("-want +got:\n" + diff)
	}
	// It speaks again, and is silent again.
	feed(t, g, &got, event{"webhook/a", 400, "5", end}, event{"webhook/b", 690, "6", end})
	tick(701)
	want = append(want, fmt.Sprintf(silent, "a", "2026-05-01T10:06:40Z"))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("-want +got:\n" + diff)
	}
	// While nobody listened nothing was silent.
	state, _ := g.Save()
	later, _ := gaps.New(gaps.Config{After: "5m"}, begin.Add(time.Hour))
	if err := later.Load(state); err != nil {
		t.Fatal(err)
	}
	got = nil
	later.Tick(begin.Add(time.Hour+299*time.Second), &got)
	if got != nil {
		t.Errorf("right after a start: %q", got)
	}
	later.Tick(begin.Add(time.Hour+301*time.Second), &got)
	if len(got) != 1 { // a was told of before
		t.Errorf("five minutes after a start: %q", got)
	}
}

func TestUnanswered(t *testing.T) {
	g, _ := gaps.New(gaps.Config{}, begin)
	var got found
	events := []event{{"webhook/a", -61, "first", audit.StageRequestReceived}}
	for i := range 40 {
		begins, ends := event{"webhook/a", i, fmt.Sprint("r", i), audit.StageRequestReceived}, event{"webhook/a", i, fmt.Sprint("r", i), audit.StageResponseComplete}
		switch {
		case i == 7: // its end never comes
			events = append(events, begins)
		case i%3 == 0: // the end comes before the beginning
			events = append(events, ends, begins)
		default:
			events = append(events, begins, ends)
		}
	}
	feed(t, g, &got, events...)
	g.Tick(begin.Add(time.Minute), &got)
	if got != nil {
		t.Errorf("told too early: %q", got)
	}
	feed(t, g, &got, event{"webhook/a", 400, "later", audit.StageResponseComplete})
	g.Tick(begin.Add(7*time.Minute), &got)
	if diff := cmp.Diff(found{"annals-gaps-unanswered: get by jane was received, but no end of it was ever recorded: /api/v1/pods"}, got); diff != "" {
		t.Error("-want +got:\n" + diff)
	}
}

// TestPolicyWithoutEnds is one that omits the stage ResponseComplete: nothing is missing.
func TestPolicyWithoutEnds(t *testing.T) {
	g, _ := gaps.New(gaps.Config{}, begin)
	var got found
	events := []event{{"webhook/a", -61, "first", audit.StageRequestReceived}}
	for i := range 40 {
		events = append(events, event{"webhook/a", i, fmt.Sprint("r", i), audit.StageRequestReceived})
	}
	feed(t, g, &got, append(events, event{"webhook/a", 4000, "later", audit.StageRequestReceived})...)
	g.Tick(begin.Add(2*time.Hour), &got)
	if slices.ContainsFunc(got, func(s string) bool { return s[:18] == "annals-gaps-unansw" }) {
		t.Errorf("%q", got)
	}
}

func TestConfig(t *testing.T) {
	for _, after := range []string{"soon", "-1m", "1ms"} {
		if _, err := gaps.New(gaps.Config{After: after}, begin); err == nil {
			t.Errorf("after %q is taken", after)
		}
	}
	if _, err := gaps.New(gaps.Config{Ignore: []string{"[x"}}, begin); err == nil {
		t.Error("a bad pattern is taken")
	}
	g, err := gaps.New(gaps.Config{After: "0"}, begin)
	if err != nil {
		t.Fatal(err)
	}
	var got found
	feed(t, g, &got, event{"webhook/a", 0, "1", audit.StageResponseComplete})
	g.Tick(begin.Add(24*time.Hour), &got)
	if got != nil {
		t.Errorf("silence that is not watched is told: %q", got)
	}
}
