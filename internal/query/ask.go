package query

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"annals.dev/internal/ledger"
	"annals.dev/internal/match"
)

// Range is what every question by a predicate has: which events it is about.
type Range struct {
	Query    *match.Predicate // nil: all events
	Since    time.Time        // event time, included; zero: from the first
	Until    time.Time        // event time, excluded; zero: to the last
	Clusters []string         // none: all
}

// Nowhere is the Clusters of a question about no cluster at all.
var Nowhere = []string{""}

// asking is one question being answered. One goroutine uses it.
type asking struct {
	engine     *Engine
	seen       seen
	snap       *ledger.Snapshot
	conn       *conn
	closeHots  func()
	begun      time.Time
	cov        *Coverage
	whole      *match.Predicate
	cols, rest *match.Predicate // whole, in columns and what needs events; rest may be nil
	columns    condition        // cols, for DuckDB
	from, to   int64            // event time, both included
	parts      []*part          // that may hold a match
	after      *Cursor          // what is looked for comes behind it
	oldest     bool             // which side of after that is
}

// ask takes a snapshot and leaves out what cannot hold a match. End it with done.
func (r *Reader) ask(ctx context.Context, of Range) (*asking, error) {
	a := &asking{engine: r.engine, begun: time.Now(), whole: of.Query, from: math.MinInt64, to: math.MaxInt64}
	var err error
	if a.seen, err = r.sight.ready(); err != nil {
		return nil, err
	}
	if a.whole == nil {
		a.whole = match.All
	}
	if !of.Since.IsZero() {
		a.from = of.Since.UnixMicro()
	}
	if !of.Until.IsZero() {
		a.to = of.Until.UnixMicro() - 1
	}
	if a.from > a.to {
		return nil, wrongQuestion("the range ends before it begins: since %s, until %s", of.Since.Format(time.RFC3339), of.Until.Format(time.RFC3339))
	}
	a.cols, a.rest = a.whole.Columns()
	a.columns = conditionOf(a.cols)
	c, err := r.engine.search.acquire()
	if err != nil {
		return nil, err
	}
	a.conn = c
	a.snap = r.engine.snapshot(of.Clusters...)
	parts := partsOf(a.snap)
	a.closeHots = openHots(parts, false)
	all, cov, err := a.seen.cover(ctx, r.engine, c, a.snap, parts, of.Clusters, a.from, a.to)
	if err == nil {
		a.cov = cov
		a.cov.Since, a.cov.Until = of.Since, of.Until
		from, to := a.whole.TimeRange()
		a.from, a.to = max(a.from, from), min(a.to, to)
		a.parts, err = a.prune(all)
	}
	if err != nil {
		a.cov = new(Coverage)
		a.done()
		return nil, err
	}
	return a, nil
}

func (a *asking) done() {
	a.closeHots()
	a.engine.search.release(a.conn)
	a.snap.Release()
	a.cov.Seconds = time.Since(a.begun).Seconds()
}

// prune leaves out the parts that cannot hold a match, and sets the blocks of the others that can. Words and audit IDs are
// those of all events, so of a reader with a scope they are not asked: which blocks are read would tell of the others.
func (a *asking) prune(all []*part) (parts []*part, err error) {
	id, hasID := a.whole.AuditID()
	hasID = hasID && a.seen.Scope == nil
	var need *match.Need
	if a.rest != nil && a.seen.Scope == nil {
		need = a.whole.Need()
	}
	for _, p := range all {
		if p.max < a.from || p.min > a.to {
			continue
		}
		if p.segment != nil && hasID {
			if may, err := p.segment.MayHaveID(id); err != nil {
				return nil, err
			} else if !may {
				continue
			}
		}
		if p.segment != nil && need != nil {
			if p.blocks, err = blocksOf(p.segment, need); err != nil {
				return nil, err
			}
			if p.blocks.none() {
				continue
			}
		}
		parts = append(parts, p)
	}
	return parts, nil
}

// condition is what the columns must meet, and the columns in the order in which they are best looked at.
type condition struct {
	sql     string
	columns string
}

var quoted = regexp.MustCompile(`"[A-Za-z]+"`)

// conditionOf writes a predicate for DuckDB's scan, which evaluates comparisons and function calls one after the other, in the
// order of the columns, and then reads of the other columns only the rows that are left. Lists and alternatives it leaves to
// a filter behind the scan, for which all columns are read in full; dressed as a call, those about one column go into the scan
// too. What is negated leaves most rows, so it comes last.
func conditionOf(p *match.Predicate) condition {
	var tests, negated []string
	for _, c := range p.Conjuncts() {
		sql := c.SQL()
		if strings.Contains(sql, " IN (") || strings.Contains(sql, " OR ") {
			sql = span(sql) + "coalesce(" + sql + ", false)"
		}
		if strings.HasPrefix(sql, "(NOT ") || strings.HasPrefix(sql, "coalesce((NOT ") {
			negated = append(negated, sql)
		} else {
			tests = append(tests, sql)
		}
	}
	sql := strings.Join(append(append(tests, negated...), "true"), " AND ")
	var columns []string
	for _, name := range quoted.FindAllString(sql, -1) {
		if isColumn[name] && !slices.Contains(columns, name) {
			columns = append(columns, name)
		}
	}
	for _, c := range ledger.Columns {
		if name := `"` + c.Name + `"`; !slices.Contains(columns, name) {
			columns = append(columns, name)
		}
	}
	return condition{sql, strings.Join(columns, ", ")}
}

// wordList is a column and the list of words that it is one of; word is a word of it.
var word = regexp.MustCompile(`'(?:[^']|'')*'`)
var wordList = regexp.MustCompile(`^("[A-Za-z]+") IN \(('(?:[^']|'')*'(?:, '(?:[^']|'')*')*)\)$`)

// span is the least and the greatest of a list as a condition, by which the scan leaves out row groups; "" for other SQL, and
// for columns by which rows do not lie together, where comparing twice costs more than it saves.
func span(sql string) string {
	m := wordList.FindStringSubmatch(sql)
	if m == nil || !slices.Contains([]string{`"resource"`, `"subresource"`, `"namespace"`, `"name"`}, m[1]) {
		return ""
	}
	var words []string
	for _, w := range word.FindAllString(m[2], -1) {
		words = append(words, strings.ReplaceAll(w[1:len(w)-1], "''", "'"))
	}
	return fmt.Sprintf("%[1]s >= %[2]s AND %[1]s <= %[3]s AND ", m[1], literal(slices.Min(words)), literal(slices.Max(words)))
}

// over writes FROM and WHERE over a window.
func (a *asking) over(w window) string {
	var within strings.Builder
	if slices.ContainsFunc(w.parts, func(p *part) bool { return p.min < w.from }) {
		fmt.Fprintf(&within, ` AND "time" >= make_timestamp(%d)`, w.from)
	}
	if slices.ContainsFunc(w.parts, func(p *part) bool { return p.max > w.to }) {
		fmt.Fprintf(&within, ` AND "time" <= make_timestamp(%d)`, w.to)
	}
	if a.after != nil {
		return a.seen.from(w.parts, a.columns.columns, within.String()) + " AND " + a.columns.sql + " AND " + a.after.sql(a.oldest)
	}
	return a.seen.from(w.parts, a.columns.columns, within.String()) + " AND " + a.columns.sql
}
