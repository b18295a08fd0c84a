package query

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"annals.dev/audit"
	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
	"annals.dev/internal/match"
)

// seen is a Sight made ready for a question: how rows come into sight in SQL, and events in memory.
type seen struct {
	Sight
	in condition // the scope, for DuckDB
}

// errScope says that a scope cannot be held by columns alone. Whoever makes scopes refuses such a one first.
var errScope = errors.New("a reader's scope names words or bodies, which no scope may")

func (s Sight) ready() (seen, error) {
	r := seen{Sight: s}
	if s.Scope == nil {
		return r, nil
	}
	if _, rest := s.Scope.Columns(); rest != nil {
		return r, errScope
	}
	r.in = conditionOf(s.Scope)
	return r, nil
}

// barrier is true, and DuckDB cannot know it: it moves no condition past what is volatile. So no condition of whoever asks
// comes near the files, their statistics and dictionaries, and no value is computed with before the scope admits its row.
const barrier = "random() < 2"

// from writes FROM over parts as they are seen. columns is the order in which they are read where there is no scope; within is
// about the range of time.
func (s *seen) from(parts []*part, columns, within string) string {
	if !s.Bodies {
		columns = strings.Replace(columns, `"bodies"`, `CAST(NULL AS VARCHAR) AS "bodies"`, 1)
	}
	if s.Scope == nil {
		return from(parts, columns) + " WHERE true" + within
	}
	inner := s.in.columns
	if !s.Bodies {
		inner = strings.Replace(inner, `"bodies"`, `CAST(NULL AS VARCHAR) AS "bodies"`, 1)
	}
	return fmt.Sprintf(`FROM (SELECT cluster, src, "row", "time", %s FROM (SELECT *, (%s AND %s) AS annals_seen %s WHERE %s%s))  WHERE true`,
		wrapped, s.in.sql, barrier, from(parts, inner), s.in.sql, within)
}

// wrapped is the ledger's columns as a select list, each without the values that are not seen. Row and time choose and order
// what is read, and tell nothing else.
var wrapped = func() string {
	var all []string
	for _, c := range ledger.Columns {
		if c.Name != "row" && c.Name != "time" {
			all = append(all, fmt.Sprintf("CASE WHEN annals_seen THEN %[1]q END AS %[1]q", c.Name))
		}
	}
	return strings.Join(all, ", ")
}()

// event brings an event into sight, false if it stays out of it. It is first asked for whole, then its bodies are taken away.
func (s *seen) event(m *match.Row) bool {
	if s.Scope != nil && !s.Scope.Match(m) {
		return false
	}
	if !s.Bodies {
		m.View.RequestObject, m.View.ResponseObject = nil, nil
	}
	return true
}

// bytes are those of an event in sight. Without bodies it is written again from what is left of it; of bytes that are not
// surely an event, nobody knows where a body ends, so there are none.
func (s *seen) bytes(e *ledger.Stored) (b []byte, rewritten bool) {
	if s.Bodies {
		return bytes.Clone(e.Bytes), false
	}
	if e.Marks&(format.Quarantined|format.Salvaged) != 0 || e.Dialect == format.Unreadable {
		return nil, true
	}
	view := e.View
	view.RequestObject, view.ResponseObject = nil, nil
	var event audit.Event
	_ = event.UnmarshalFrom(&view) // a time that cannot be read is left out
	return event.AppendJSON(nil), true
}

// only says of a condition that nothing but the cluster's name decides it.
func aboutCluster(p *match.Predicate) bool {
	names := quoted.FindAllString(p.SQL(), -1)
	return len(names) > 0 && !slices.ContainsFunc(names, func(n string) bool { return n != `"cluster"` })
}

// mayShow says whether anything of a cluster may be in scope.
func (s *seen) mayShow(cluster string) bool {
	if s.Scope == nil {
		return true
	}
	m := match.Row{View: new(audit.View), Cluster: cluster}
	return !slices.ContainsFunc(s.Scope.Conjuncts(), func(c *match.Predicate) bool { return aboutCluster(c) && !c.Match(&m) })
}
