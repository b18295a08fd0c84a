package simulate

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Report is what a Simulation found.
type Report struct {
	Recorded Amount    `json:"recorded"` // that was seen
	Copies   int64     `json:"copies"`   // of events that were seen before, byte for byte: they are in no figure
	From     time.Time `json:"from,omitzero"`
	To       time.Time `json:"to,omitzero"`
	Before   Amount    `json:"before"`
	After    Amount    `json:"after"`
	Days     []Day     `json:"days"`
	Changes  []Change  `json:"changes"` // the most lost first
	Unknown  Unknown   `json:"unknown"`
}

// Day is what the rules did on one day, UTC.
type Day struct {
	Day   string `json:"day"` // "" is of events without a time
	Rules []Use  `json:"rules"`
}

// Use is what became of the events that one rule of the new policy decides about.
type Use struct {
	Rule   int    `json:"rule"` // its index, -1 where none matched
	Before Amount `json:"before"`
	After  Amount `json:"after"`
}

// Kind is what requests have in common that the same rule of the new policy decides about.
type Kind struct {
	Rule     int    `json:"rule"`
	Verb     string `json:"verb,omitempty"`
	Group    string `json:"group,omitempty"`
	Resource string `json:"resource,omitempty"`
	Path     string `json:"path,omitempty"`
	Rest     bool   `json:"rest,omitempty"` // all kinds beyond a limit
}

// Change is what one kind of requests loses or gains.
type Change struct {
	Kind
	LostEvents         int64 `json:"lostEvents"`    // of requests that would not be recorded at all
	OmittedStages      int64 `json:"omittedStages"` // events of requests that would be, but not at this stage
	GainedEvents       int64 `json:"gainedEvents"`
	LostRequestBodies  int64 `json:"lostRequestBodies"` // of events that stay
	LostResponseBodies int64 `json:"lostResponseBodies"`
}

func (c *Change) lost() int64 { return c.LostEvents + c.LostRequestBodies + c.LostResponseBodies }

// Unknown counts what a recording cannot show. What its own policy dropped is not in it at all, and cannot be counted.
type Unknown struct {
	RequestBodies  int64 `json:"requestBodies"`  // events that would get a request body, recorded without; its bytes are not in After
	ResponseBodies int64 `json:"responseBodies"` // the same for the response's
	Arrivals       int64 `json:"arrivals"`       // requests whose RequestReceived would be recorded, and was not
	Foreign        int64 `json:"foreign"`        // events that the policy before would not have recorded: it is not the recording's own
	Copies         int64 `json:"copies"`         // events beyond those that are remembered: a copy of one is counted again
}

// Report may be asked for at any time.
func (s *Simulation) Report() Report {
	r := s.report
	r.Unknown.Arrivals = max(0, r.Unknown.Arrivals-s.received)
	r.Days, r.Changes = []Day{}, []Change{}
	for _, day := range slices.Sorted(maps.Keys(s.days)) {
		d := Day{Day: day}
		for _, rule := range slices.Sorted(maps.Keys(s.days[day])) {
			d.Rules = append(d.Rules, *s.days[day][rule])
		}
		r.Days = append(r.Days, d)
	}
	for _, c := range s.kinds {
		r.Changes = append(r.Changes, *c)
	}
	slices.SortFunc(r.Changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(b.lost(), a.lost()), cmp.Compare(b.GainedEvents, a.GainedEvents), cmp.Compare(b.OmittedStages, a.OmittedStages),
			cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Verb, b.Verb), cmp.Compare(a.Group, b.Group), cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Path, b.Path))
	})
	return r
}

// Totals are the uses of each rule over all days.
func (r *Report) Totals() []Use {
	by := map[int]*Use{}
	for _, d := range r.Days {
		for _, u := range d.Rules {
			t := by[u.Rule]
			if t == nil {
				t = &Use{Rule: u.Rule}
				by[u.Rule] = t
			}
			t.Before.Events += u.Before.Events
			t.Before.Bytes += u.Before.Bytes
			t.After.Events += u.After.Events
			t.After.Bytes += u.After.Bytes
		}
	}
	var all []Use
	for _, rule := range slices.Sorted(maps.Keys(by)) {
		all = append(all, *by[rule])
	}
	return all
}
