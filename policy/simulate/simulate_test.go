package simulate

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"annals.dev/audit"
	"annals.dev/policy"
)

// event is a recorded event, from its parts.
func event(level, stage, verb, more string) string {
	return fmt.Sprintf(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":%q,"auditID":"1","stage":%q,"requestURI":"/api/v1/namespaces/d/pods/x","verb":%q,"user":{"username":"ada"},"objectRef":{"resource":"pods","namespace":"d","name":"x","apiVersion":"v1"}%s,"requestReceivedTimestamp":"2026-11-20T10:00:00.000000Z","stageTimestamp":"2026-11-20T10:00:00.000000Z"}`, level, stage, verb, more)
}

const (
	managed  = `"managedFields":[{"manager":"x"}],`
	request  = `,"requestObject":{"kind":"Pod","metadata":{"name":"x"}}`
	response = `,"responseObject":{"kind":"Pod","metadata":{` + managed + `"name":"x"}}`
)

func run(t *testing.T, before *policy.Policy, after policy.Policy, events ...string) *Report {
	t.Helper()
	s := New(&after, before)
	for _, e := range events {
		var v audit.View
		if err := v.Parse([]byte(e)); err != nil {
			t.Fatal(err)
		}
		s.Add(&v)
	}
	r := s.Report()
	return &r
}

func all(l audit.Level) policy.Policy { return policy.Policy{Rules: []policy.Rule{{Level: l}}} }

// TestWeight holds the bytes that are reported to those of the event as the policy would have had it.
func TestWeight(t *testing.T) {
	full := event("RequestResponse", "ResponseComplete", "update", request+response)
	omitting := all(audit.LevelRequestResponse)
	omitting.OmitManagedFields = true
	omittingComplete := all(audit.LevelMetadata)
	omittingComplete.OmitStages = []audit.Stage{audit.StageResponseComplete}
	list := func(of string) string {
		return event("RequestResponse", "ResponseComplete", "list", `,"responseObject":{"kind":"PodList","metadata":{},"items":[`+of+`,`+of+`],"rows":[{"cells":[],"object":`+of+`}]}`)
	}
	for _, tt := range []struct {
		name, event string
		policy      policy.Policy
		want        string // the event; empty: none
		unknown     Unknown
	}{
		{name: "as it is", event: full, policy: all(audit.LevelRequestResponse), want: full},
		{name: "without the answer", event: full, policy: all(audit.LevelRequest), want: event("Request", "ResponseComplete", "update", request)},
		{name: "without bodies", event: full, policy: all(audit.LevelMetadata), want: event("Metadata", "ResponseComplete", "update", "")},
		{name: "not at all", event: full, policy: all(audit.LevelNone)},
		{name: "not at this stage", event: full, policy: omittingComplete},
		{name: "no rule", event: full, policy: policy.Policy{}},
		{name: "without managed fields", event: full, policy: omitting, want: strings.Replace(full, managed, "", 1)},
		{name: "without those of a list", event: list(`{"metadata":{` + managed + `"a":1}}`), policy: omitting, want: list(`{"metadata":{"a":1}}`)},
		{name: "a patch keeps its own", event: event("RequestResponse", "ResponseComplete", "patch", `,"requestObject":{"metadata":{`+managed+`"a":1}}`), policy: omitting,
			want: event("RequestResponse", "ResponseComplete", "patch", `,"requestObject":{"metadata":{`+managed+`"a":1}}`)},
		{name: "bodies that are not there", event: event("Metadata", "ResponseComplete", "update", ""), policy: all(audit.LevelRequestResponse),
			want: event("RequestResponse", "ResponseComplete", "update", ""), unknown: Unknown{RequestBodies: 1, ResponseBodies: 1, Arrivals: 1}},
		{name: "a read has no body", event: event("Metadata", "ResponseComplete", "get", ""), policy: all(audit.LevelRequestResponse),
			want: event("RequestResponse", "ResponseComplete", "get", ""), unknown: Unknown{ResponseBodies: 1, Arrivals: 1}},
		{name: "an arrival has none", event: event("Metadata", "RequestReceived", "update", ""), policy: all(audit.LevelRequestResponse),
			want: event("RequestResponse", "RequestReceived", "update", "")},
		{name: "minimal", event: event("Metadata", "ResponseComplete", "get", ""), policy: all(policy.LevelMinimal),
			want: strings.Replace(event("Minimal", "ResponseComplete", "get", ""), `"user":{"username":"ada"},`, "", 1), unknown: Unknown{Arrivals: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := run(t, nil, tt.policy, tt.event)
			if r.Before != (Amount{1, int64(len(tt.event))}) || r.Recorded != r.Before {
				t.Errorf("before: %+v, recorded %+v", r.Before, r.Recorded)
			}
			want := Amount{0, 0}
			if tt.want != "" {
				want = Amount{1, int64(len(tt.want))}
			}
			if r.After != want {
				t.Errorf("after: %+v, want %+v", r.After, want)
			}
			if r.Unknown.Arrivals == 1 && tt.unknown == (Unknown{}) {
				tt.unknown.Arrivals = 1 // no event here is of an arrival
			}
			if r.Unknown != tt.unknown {
				t.Errorf("unknown: %+v, want %+v", r.Unknown, tt.unknown)
			}
		})
	}
}

func TestReport(t *testing.T) {
	next := func(e string) string { return strings.ReplaceAll(e, "2026-11-20", "2026-11-21") }
	after := policy.Policy{OmitStages: []audit.Stage{audit.StageRequestReceived}, Rules: []policy.Rule{
		{Level: audit.LevelNone, Verbs: []string{"get"}},
		{Level: audit.LevelMetadata, Verbs: []string{"update"}},
	}}
	update := event("RequestResponse", "ResponseComplete", "update", request+response)
	get := event("Metadata", "ResponseComplete", "get", "")
	patch := event("Metadata", "ResponseComplete", "patch", "")
	received := event("Metadata", "RequestReceived", "update", "")
	small := int64(len(event("Metadata", "ResponseComplete", "update", "")))
	got := run(t, nil, after, get, strings.Replace(get, `"auditID":"1"`, `"auditID":"2"`, 1), received, update, next(get), next(patch), event("Metadata", "x", "get", ""))
	length := func(s string) int64 { return int64(len(s)) }
	bare := length(event("Metadata", "x", "get", ""))
	want := &Report{
		Recorded: Amount{7, 3*length(get) + length(received) + length(update) + length(patch) + bare},
		Before:   Amount{7, 3*length(get) + length(received) + length(update) + length(patch) + bare},
		From:     time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC), To: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC),
		After: Amount{1, small},
		Days: []Day{
			{"2026-11-20", []Use{{0, Amount{3, 2*length(get) + bare}, Amount{}}, {1, Amount{2, length(received) + length(update)}, Amount{1, small}}}},
			{"2026-11-21", []Use{{-1, Amount{1, length(patch)}, Amount{}}, {0, Amount{1, length(get)}, Amount{}}}},
		},
		Changes: []Change{
			{Kind: Kind{Rule: 0, Verb: "get", Resource: "pods"}, LostEvents: 4},
			{Kind: Kind{Rule: 1, Verb: "update", Resource: "pods"}, OmittedStages: 1, LostRequestBodies: 1, LostResponseBodies: 1},
			{Kind: Kind{Rule: -1, Verb: "patch", Resource: "pods"}, LostEvents: 1},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	totals := []Use{
		{-1, Amount{1, length(patch)}, Amount{}},
		{0, Amount{4, 3*length(get) + bare}, Amount{}},
		{1, Amount{2, length(received) + length(update)}, Amount{1, small}},
	}
	if d := cmp.Diff(totals, got.Totals()); d != "" {
		t.Error(d)
	}
	if _, err := json.Marshal(got); err != nil {
		t.Error(err)
	}
}

// TestTwoPolicies compares two over a recording that holds more than either.
func TestTwoPolicies(t *testing.T) {
	before := policy.Policy{OmitStages: []audit.Stage{audit.StageRequestReceived}, Rules: []policy.Rule{{Level: audit.LevelNone, Verbs: []string{"get"}}, {Level: audit.LevelRequestResponse}}}
	after := policy.Policy{OmitStages: []audit.Stage{audit.StageRequestReceived}, Rules: []policy.Rule{{Level: audit.LevelMetadata}}}
	get := event("RequestResponse", "ResponseComplete", "get", response)
	update := event("RequestResponse", "ResponseComplete", "update", request+response)
	r := run(t, &before, after, get, update)
	if d := cmp.Diff([]Change{
		{Kind: Kind{Verb: "update", Resource: "pods"}, LostRequestBodies: 1, LostResponseBodies: 1},
		{Kind: Kind{Verb: "get", Resource: "pods"}, GainedEvents: 1},
	}, r.Changes); d != "" {
		t.Error(d)
	}
	if want := (Amount{1, int64(len(update))}); r.Before != want {
		t.Errorf("before: %+v, want %+v", r.Before, want)
	}
	if r.After.Events != 2 || r.Unknown != (Unknown{Foreign: 1}) {
		t.Errorf("%+v", r)
	}
}

// TestBounded gives more days and paths than are kept apart.
func TestBounded(t *testing.T) {
	none := all(audit.LevelNone)
	s := New(&none, nil)
	const n = 3000
	for i := range n {
		day := time.Date(2000, 1, 1+i, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
		var v audit.View
		if err := v.Parse(fmt.Appendf(nil, `{"verb":"get","requestURI":"/x%d","stage":"ResponseComplete","stageTimestamp":"%sT00:00:00.000000Z"}`, i, day)); err != nil {
			t.Fatal(err)
		}
		s.Add(&v)
	}
	r := s.Report()
	if len(r.Days) != maxDays+1 || len(r.Changes) != maxKinds+1 {
		t.Errorf("%d days and %d kinds", len(r.Days), len(r.Changes))
	}
	if c := r.Changes[0]; !c.Rest || c.LostEvents != n-maxKinds {
		t.Errorf("the rest is %+v", c)
	}
	if total := r.Totals(); len(total) != 1 || total[0].Before.Events != n {
		t.Errorf("%+v", total)
	}
}

// A copy is counted once, also one from a webhook's list, whose items have no kind; the same event at another time is none.
func TestCopies(t *testing.T) {
	get := event("Metadata", "ResponseComplete", "get", "")
	item := strings.Replace(get, `"kind":"Event","apiVersion":"audit.k8s.io/v1",`, "", 1)
	later := strings.Replace(get, "10:00:00", "10:00:01", 2)
	r := run(t, nil, all(audit.LevelMetadata), get, later, item, get)
	if r.Copies != 2 || r.Recorded.Events != 2 || r.After.Events != 2 || r.Unknown.Copies != 0 {
		t.Errorf("%+v", r)
	}
}
