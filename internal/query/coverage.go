package query

import (
	"fmt"
	"slices"
	"time"

	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
)

// Coverage says what an answer is an answer about. An empty answer whose Coverage is not Complete is no empty answer.
type Coverage struct {
	Clusters   []ClusterCoverage `json:"clusters"`
	Since      time.Time         `json:"since,omitzero"` // event time, included; zero: from the first
	Until      time.Time         `json:"until,omitzero"` // event time, excluded; zero: to the last
	Considered int               `json:"considered"`     // events in the parts of the ledger that the range touches
	Returned   int               `json:"returned"`       // events, or rows, given

	// Of the events considered, those that a reader must know about.
	Salvaged    int `json:"salvaged"`
	Quarantined int `json:"quarantined"`
	Truncated   int `json:"truncated"`
	Conflicts   int `json:"conflicts"`

	Scope         string   `json:"scope,omitempty"`         // the answer is about the events that meet this predicate alone
	WithoutBodies bool     `json:"withoutBodies,omitempty"` // requests' and responses' bodies were not looked at
	LimitReached  bool     `json:"limitReached"`            // there is more than was asked for
	Complete      bool     `json:"complete"`                // but for the limit, nothing was left out
	Why           []string `json:"why,omitempty"`           // what was, if not
	Seconds       float64  `json:"seconds"`                 // how long the answer took

	// Ends are where each cluster asked for ended when the answer was begun, for whoever continues from there. A reader with
	// a scope is not told.
	Ends map[string]uint64 `json:"-"`
}

// ClusterCoverage is the run of positions, To excluded, that a snapshot of a cluster holds. To a reader with a scope it is a
// cluster that has events in it, and both are 0.
type ClusterCoverage struct {
	Name string `json:"name"`
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
}

// coverageOf begins the coverage of an answer over parts of a snapshot of the clusters asked for.
func coverageOf(s *ledger.Snapshot, asked []string, parts []*part) *Coverage {
	c := &Coverage{Clusters: []ClusterCoverage{}, Complete: true}
	for _, v := range s.Clusters {
		c.Clusters = append(c.Clusters, ClusterCoverage{v.Name, firstOf(v), v.Size})
		c.missing(v)
	}
	for _, name := range asked {
		if name != "" && !slices.ContainsFunc(s.Clusters, func(v *ledger.ClusterView) bool { return v.Name == name }) {
			c.incomplete("the ledger has no cluster %q", name)
		}
	}
	for _, p := range parts {
		c.Considered += p.rows
		if p.segment != nil {
			salvaged, quarantined, truncated, conflicts := p.segment.Marked()
			c.Salvaged += salvaged
			c.Quarantined += quarantined
			c.Truncated += truncated
			c.Conflicts += conflicts
			continue
		}
		c.countMarks(p.unsealed.Cols[marksColumn].I64[:p.unsealed.N])
	}
	return c
}

// missing tells of positions that the ledger gave once and does not hold.
func (c *Coverage) missing(v *ledger.ClusterView) {
	next := uint64(0)
	run := func(first, last uint64) {
		if first > next {
			c.incomplete("positions %d to %d of cluster %s are not there", next, first-1, v.Name)
		}
		next = last + 1
	}
	for _, s := range v.Segments {
		run(s.First, s.Last)
	}
	for _, h := range v.Hot {
		if h.N > 0 {
			run(h.First, h.First+uint64(h.N)-1)
		}
	}
	if v.Size > 0 {
		run(v.Size, v.Size)
	}
}

// firstOf is the first position that a cluster holds.
func firstOf(v *ledger.ClusterView) uint64 {
	switch {
	case len(v.Segments) > 0:
		return v.Segments[0].First
	case len(v.Hot) > 0:
		return v.Hot[0].First
	}
	return v.Size
}

func (c *Coverage) incomplete(format string, args ...any) {
	c.Complete = false
	c.Why = append(c.Why, fmt.Sprintf(format, args...))
}

func (c *Coverage) countMarks(of []int64) {
	for _, m := range of {
		if m == 0 {
			continue
		}
		for _, k := range []struct {
			mark format.Marks
			n    *int
		}{{format.Salvaged, &c.Salvaged}, {format.Quarantined, &c.Quarantined}, {format.Truncated, &c.Truncated}, {format.Conflict, &c.Conflicts}} {
			if format.Marks(m)&k.mark != 0 {
				*k.n++
			}
		}
	}
}
