package baseline_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"annals.dev/audit"
	"annals.dev/internal/detect"
	"annals.dev/internal/detect/baseline"
	"annals.dev/internal/detect/baseline/trial"
	"annals.dev/internal/format"
	"annals.dev/internal/match"
)

// standing gathers the findings that stand.
type standing map[string]*detect.Finding

func (s standing) Find(f *detect.Finding)        { s[f.ID] = f }
func (s standing) Withdraw(w *detect.Withdrawal) { delete(s, w.ID) }

func (s standing) lines() (lines []string) {
	for _, f := range s {
		lines = append(lines, strings.Join([]string{f.ID, f.Rule, f.User, string(f.Severity)}, " "))
	}
	slices.Sort(lines)
	return lines
}

func feed(t *testing.T, b *baseline.Baseline, events []audit.Event, from, to int, out detect.Output) {
	var view audit.View
	row := match.Row{View: &view, Cluster: "c", Dialect: format.V1}
	for i := from; i < to; i++ {
		if err := view.Parse(events[i].AppendJSON(nil)); err != nil {
			t.Fatal(err)
		}
		row.Position = uint64(i)
		b.Feed(&row, out)
	}
}

// TestAnyOrder feeds the same events in their order at once, in batches with restarts between, and within some hours in any order.
func TestAnyOrder(t *testing.T) {
	events := trial.Events(3, 30)
	want := standing{}
	b := baseline.New()
	feed(t, b, events, 0, len(events), want)
	b.Tick(time.Time{}, want)
	if len(want) < 10 {
		t.Fatalf("only %d findings stand: nothing to compare", len(want))
	}
	for seed := range uint64(3) {
		rnd := rand.New(rand.NewPCG(seed, 5))
		mixed := slices.Clone(events)
		if seed > 0 { // seed 0 keeps the order
			for from := 0; from < len(mixed); {
				to := min(len(mixed), from+1+rnd.IntN(20000)) // about two days at most
				part := mixed[from:to]
				rnd.Shuffle(len(part), func(i, j int) { part[i], part[j] = part[j], part[i] })
				from = to
			}
		}
		got, b := standing{}, baseline.New()
		for from := 0; from < len(mixed); {
			to := min(len(mixed), from+1+rnd.IntN(30000))
			feed(t, b, mixed, from, to, got)
			b.Tick(time.Time{}, got)
			if rnd.IntN(3) == 0 {
				state, err := b.Save()
				if err != nil {
					t.Fatal(err)
				}
				b = baseline.New()
				if err := b.Load(state); err != nil {
					t.Fatal(err)
				}
			}
			from = to
		}
		if diff := cmp.Diff(want.lines(), got.lines()); diff != "" {
			t.Errorf("seed %d: other findings stand than of the same events in order (-want +got):\n%s", seed, diff)
		}
	}
}

// TestDocumentedExamples are those of the documents that the project began from.
func TestDocumentedExamples(t *testing.T) {
	events := trial.Events(11, 26)
	b, quiet := baseline.New(), standing{}
	feed(t, b, events, 0, len(events), quiet)
	b.Tick(time.Time{}, quiet)
	day := events[len(events)-1].StageTimestamp.Truncate(24 * time.Hour).Add(24 * time.Hour)
	event := func(user, verb, resource, ip, agent string, at time.Duration) audit.Event {
		e := events[0]
		e.User.Username, e.Verb, e.SourceIPs, e.UserAgent = user, verb, []string{ip}, agent
		e.ObjectRef = &audit.ObjectReference{Resource: resource, Namespace: "team1-0"}
		e.StageTimestamp = audit.MicroTime{Time: day.Add(at)}
		e.RequestReceivedTimestamp = e.StageTimestamp
		return e
	}
	var creates []audit.Event
	for i := range 120 {
		creates = append(creates, event("newcomer@example.com", "create", "configmaps", "10.200.1.7", "kubectl/v1.32.1", 10*time.Hour+time.Duration(i)*10*time.Second))
	}
	for _, tt := range []struct {
		name, rule, user string
		events           []audit.Event
	}{
		{"a new user creates many objects", "annals-baseline-rate", "newcomer@example.com", creates},
		{"an administrator from an abnormal place", "annals-baseline-network", "person0@example.com",
			[]audit.Event{event("person0@example.com", "get", "pods", "192.0.2.77", events[0].UserAgent, 12*time.Hour)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found := standing{}
			feed(t, b, tt.events, 0, len(tt.events), found)
			b.Tick(time.Time{}, found)
			for _, f := range found {
				if f.Rule == tt.rule && f.User == tt.user {
					if f.Unusual == nil || f.Unusual.Score < 8 || f.Unusual.Baseline == "" || len(f.Positions) == 0 || f.Summary == "" {
						t.Errorf("it does not say how unusual, against what, and where: %+v %+v", f, f.Unusual)
					}
					t.Log(f.Severity, f.Summary, "|", f.Unusual.Baseline, "|", f.Unusual.Usual, f.Unusual.Score)
					return
				}
			}
			t.Errorf("rule %s found nothing of %s: %v", tt.rule, tt.user, found.lines())
		})
	}
	if p, ok := b.Profile("c", "person0@example.com"); !ok || p.Active < 10 || len(p.Habits) != 4 || len(p.Habits[0].Values) == 0 {
		t.Errorf("the profile of an administrator: %+v", p)
	}
	if _, ok := b.Profile("c", "nobody"); ok {
		t.Error("there is a profile of nobody")
	}
}

func FuzzLoad(f *testing.F) {
	b := baseline.New()
	events := trial.Events(1, 1)
	var view audit.View
	_ = view.Parse(events[0].AppendJSON(nil))
	b.Feed(&match.Row{View: &view, Cluster: "c"}, standing{})
	state, _ := b.Save()
	f.Add(state)
	f.Add([]byte(`{"Version":1,"Clusters":[{"Name":"c","Last":2147483647,"Actors":[{"Name":"a","Active":{"Last":-5,"Bits":3}}]}]}`))
	f.Fuzz(func(t *testing.T, state []byte) {
		b := baseline.New()
		if b.Load(state) != nil {
			return
		}
		b.Tick(time.Time{}, standing{})
		b.Profile("c", "a")
	})
}
