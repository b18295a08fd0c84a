// Package simulate says what a policy would have made of events that were recorded: how many, how many bytes, by which
// rule, on which day; and what would be lost. Start with Simulation: it sees one event at a time, counts each once, and its
// memory has a limit.
//
// It cannot show what the recording does not hold, and counts where that matters: Unknown.
package simulate

import (
	"bytes"
	"hash/maphash"
	"time"

	"annals.dev/audit"
	"annals.dev/policy"
)

// The limits of what is kept apart; what comes beyond is counted together.
const (
	maxDays  = 400
	maxKinds = 2000
	maxKnown = 4 << 20 // events by which copies are known, 16 to 32 bytes each
)

// Amount is of events.
type Amount struct {
	Events int64 `json:"events"`
	Bytes  int64 `json:"bytes"`
}

func (a *Amount) add(s *side) {
	if s.kept {
		a.Events++
		a.Bytes += s.bytes
	}
}

// Simulation holds a policy against recorded events. Only one goroutine may use it.
type Simulation struct {
	after, before *policy.Evaluator // before is nil: the recording itself
	report        Report
	days          map[string]map[int]*Use
	kinds         map[Kind]*Change
	received      int64 // events RequestReceived that were recorded
	seed          maphash.Seed
	known         map[uint64]struct{} // events that were counted, by a hash of their bytes
}

// New compares a policy with another, or with what was recorded if before is nil.
func New(after, before *policy.Policy) *Simulation {
	s := &Simulation{after: policy.Compile(after), days: map[string]map[int]*Use{}, kinds: map[Kind]*Change{}, seed: maphash.MakeSeed(), known: map[uint64]struct{}{}}
	if before != nil {
		s.before = policy.Compile(before)
	}
	return s
}

// Add counts one recorded event, if it was not counted before.
func (s *Simulation) Add(v *audit.View) {
	r := &s.report
	if s.copied(v.Raw) {
		r.Copies++
		return
	}
	r.Recorded.Events++
	r.Recorded.Bytes += int64(len(v.Raw))
	s.time(v.Time)
	a := policy.AttributesOf(v)
	d := s.after.Decide(&a)
	after, before := decided(v, &a, d), recorded(v)
	if s.before != nil {
		old := s.before.Decide(&a)
		before = decided(v, &a, old)
		// A recording may hold more than the policy made: two policies can be compared over the recording of a third.
		if old.Level == audit.LevelNone {
			r.Unknown.Foreign++
		}
	}
	use := s.use(v.Time, d.Rule)
	use.Before.add(&before)
	use.After.add(&after)
	r.Before.add(&before)
	r.After.add(&after)
	s.stages(v, d, &after)
	if after.unknownRequest {
		r.Unknown.RequestBodies++
	}
	if after.unknownResponse {
		r.Unknown.ResponseBodies++
	}
	s.change(&a, d, &before, &after)
}

// head is what a log's lines have, and a webhook's items have not.
const head = `{"kind":"Event","apiVersion":"audit.k8s.io/v1",`

// copied reports whether an event with these bytes was there before: a log and its copy, a webhook that tried again.
func (s *Simulation) copied(b []byte) bool {
	if rest, ok := bytes.CutPrefix(b, []byte(head)); ok {
		b = rest
	} else {
		b = bytes.TrimPrefix(b, []byte("{"))
	}
	h := maphash.Bytes(s.seed, b)
	if _, ok := s.known[h]; ok {
		return true
	}
	if len(s.known) < maxKnown {
		s.known[h] = struct{}{}
	} else {
		s.report.Unknown.Copies++
	}
	return false
}

func (s *Simulation) time(micros int64) {
	if micros == 0 {
		return
	}
	t := time.UnixMicro(micros).UTC()
	if s.report.From.IsZero() || t.Before(s.report.From) {
		s.report.From = t
	}
	if t.After(s.report.To) {
		s.report.To = t
	}
}

func (s *Simulation) use(micros int64, rule int) *Use {
	day := ""
	if micros != 0 {
		day = time.UnixMicro(micros).UTC().Format(time.DateOnly)
	}
	if s.days[day] == nil {
		if len(s.days) >= maxDays {
			day = ""
		}
		if s.days[day] == nil {
			s.days[day] = map[int]*Use{}
		}
	}
	u := s.days[day][rule]
	if u == nil {
		u = &Use{Rule: rule}
		s.days[day][rule] = u
	}
	return u
}

// stages counts the requests whose arrival the policy would record, and the arrivals that were recorded.
func (s *Simulation) stages(v *audit.View, d policy.Decision, after *side) {
	switch audit.Stage(v.Stage) {
	case audit.StageRequestReceived:
		if after.kept {
			s.received++
		}
	case audit.StageResponseComplete, audit.StagePanic:
		if after.kept && !d.Omit.Has(audit.StageRequestReceived) {
			s.report.Unknown.Arrivals++
		}
	}
}

func (s *Simulation) change(a *policy.Attributes, d policy.Decision, before, after *side) {
	lost := before.kept && d.Level == audit.LevelNone
	omitted := before.kept && !after.kept && !lost
	gained := after.kept && !before.kept
	request := before.kept && after.kept && before.request && !after.request
	response := before.kept && after.kept && before.response && !after.response
	if !lost && !omitted && !gained && !request && !response {
		return
	}
	k := Kind{Verb: a.Verb, Group: a.APIGroup, Resource: a.Resource, Rule: d.Rule}
	if a.Subresource != "" {
		k.Resource += "/" + a.Subresource
	}
	if !a.ResourceRequest {
		k.Path = a.Path
	}
	c := s.kinds[k]
	if c == nil {
		if len(s.kinds) >= maxKinds {
			k = Kind{Rule: d.Rule, Rest: true}
		}
		if c = s.kinds[k]; c == nil {
			c = &Change{Kind: k}
			s.kinds[k] = c
		}
	}
	count := func(n *int64, is bool) {
		if is {
			*n++
		}
	}
	count(&c.LostEvents, lost)
	count(&c.OmittedStages, omitted)
	count(&c.GainedEvents, gained)
	count(&c.LostRequestBodies, request)
	count(&c.LostResponseBodies, response)
}
