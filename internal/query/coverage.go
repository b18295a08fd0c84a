package query

import (
	"fmt"
	"time"

	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
)

// Coverage says what an answer is an answer about. An empty answer whose Coverage is not Complete is no empty answer.
type Coverage struct {
	Clusters   []ClusterCoverage
	Since      time.Time // event time, included; zero: from the first
	Until      time.Time // event time, excluded; zero: to the last
	Considered int       // events in the parts of the ledger that the range touches
	Returned   int       // rows given

	// Of the events considered, those that a reader must know about.
	Salvaged, Quarantined, Truncated, Conflicts int

	LimitReached bool     // there is more
	Complete     bool     // nothing was left out
	Why          []string // what was, if not
	Elapsed      time.Duration
}

// ClusterCoverage is the run of positions, To excluded, that a snapshot of a cluster holds.
type ClusterCoverage struct {
	Name     string
	From, To uint64
}

// coverageOf begins the coverage of an answer over parts of a snapshot.
func coverageOf(s *ledger.Snapshot, parts []*part) *Coverage {
	c := &Coverage{Complete: true}
	for _, v := range s.Clusters {
		cc := ClusterCoverage{Name: v.Name, To: v.Size}
		if len(v.Segments) > 0 {
			cc.From = v.Segments[0].First
		} else if len(v.Hot) > 0 {
			cc.From = v.Hot[0].First
		}
		c.Clusters = append(c.Clusters, cc)
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
