package query

import (
	"fmt"
	"strings"

	"annals.dev/internal/ledger"
)

// part is a run of rows that a question is asked of: a segment's, or some that are not sealed yet.
type part struct {
	cluster  *ledger.ClusterView
	segment  *ledger.Segment // or
	unsealed *ledger.Hot
	hot      *hotRows // unsealed, once open
	min, max int64    // bounds of the events' time, both included
	rows     int
	blocks   *blocks // of a segment, the rows that may match
	known    rowSet  // of a segment, the rows that do, if that is known
}

// partsOf are the parts of a snapshot.
func partsOf(s *ledger.Snapshot) (parts []*part) {
	for _, c := range s.Clusters {
		for _, g := range c.Segments {
			parts = append(parts, &part{cluster: c, segment: g, min: g.MinTime, max: g.MaxTime, rows: g.Rows()})
		}
		for _, h := range c.Hot {
			if h.N > 0 {
				p := &part{cluster: c, unsealed: h, rows: h.N}
				p.min, p.max = bounds(h)
				parts = append(parts, p)
			}
		}
	}
	return parts
}

var timeColumn, marksColumn = columnNumber("time"), columnNumber("marks")

func columnNumber(name string) int {
	for i, c := range ledger.Columns {
		if c.Name == name {
			return i
		}
	}
	panic("the ledger has no column " + name)
}

func bounds(h *ledger.Hot) (from, to int64) {
	t := h.Cols[timeColumn].I64[:h.N]
	from, to = t[0], t[0]
	for _, x := range t {
		from, to = min(from, x), max(to, x)
	}
	return from, to
}

// openHots makes the unsealed rows among parts readable and returns what ends that.
func openHots(parts []*part, withBodies bool) (closeAll func()) {
	for _, p := range parts {
		if p.segment == nil {
			p.hot = openHot(p.unsealed, withBodies)
		}
	}
	return func() {
		for _, p := range parts {
			if p.hot != nil {
				p.hot.close()
				p.hot = nil
			}
		}
	}
}

// from writes a FROM clause over parts: columns are those of the ledger that the question names, beside them cluster, and
// src, which is the part's index.
func from(parts []*part, columns string) string {
	var b strings.Builder
	b.WriteString("FROM (")
	for i := 0; i < len(parts); {
		if i > 0 {
			b.WriteString(" UNION ALL ")
		}
		p := parts[i]
		if p.segment == nil {
			fmt.Fprintf(&b, "SELECT %s AS cluster, CAST(%d AS BIGINT) AS src, %s FROM %s(%d)", literal(p.cluster.Name), i, columns, hotFunction, p.hot.number)
			i++
			continue
		}
		first := i
		fmt.Fprintf(&b, "SELECT %s AS cluster, CAST(%d + file_index AS BIGINT) AS src, %s FROM read_parquet([", literal(p.cluster.Name), first, columns)
		for ; i < len(parts) && parts[i].segment != nil && parts[i].cluster == p.cluster; i++ {
			if i > first {
				b.WriteString(", ")
			}
			b.WriteString(literal(parts[i].segment.Path()))
		}
		b.WriteString("])")
	}
	if len(parts) == 0 {
		return nothing
	}
	b.WriteString(")")
	return b.String()
}

// nothing has the columns of the ledger and no rows.
var nothing = func() string {
	var b strings.Builder
	b.WriteString("FROM (SELECT CAST(NULL AS VARCHAR) AS cluster, CAST(NULL AS BIGINT) AS src")
	for _, c := range ledger.Columns {
		fmt.Fprintf(&b, ", CAST(NULL AS %s) AS %q", sqlTypes[c.Kind], c.Name)
	}
	b.WriteString(" WHERE false)")
	return b.String()
}()

var sqlTypes = map[ledger.Kind]string{
	ledger.Int64: "BIGINT", ledger.Timestamp: "TIMESTAMP", ledger.UUID: "UUID", ledger.String: "VARCHAR",
	ledger.Body: "VARCHAR", ledger.Blob: "BLOB",
}

// allColumns are the ledger's, as a select list, and isColumn says of a name in quotes whether it is one of them.
var allColumns, isColumn = func() (string, map[string]bool) {
	var names []string
	is := make(map[string]bool)
	for _, c := range ledger.Columns {
		name := `"` + c.Name + `"`
		names = append(names, name)
		is[name] = true
	}
	return strings.Join(names, ", "), is
}()
