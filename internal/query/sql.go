package query

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	duck "github.com/duckdb/duckdb-go-bindings"
)

// Statement is an SQL statement of a user's. It is one SELECT over the view events; View lists its columns.
type Statement struct {
	SQL      string
	Clusters []string // whose events the view holds; none: all
}

// ResultColumn is a column of a statement's answer.
type ResultColumn struct{ Name, Type string }

// SQL runs a statement: columns is told the answer's columns, row each row, whose values are the ones values.go lists. What
// row is given is valid until it returns; an error that either returns ends the statement and is returned. Two statements
// run at a time, each in a DuckDB made for it; others wait, or go when ctx does.
func (r *Reader) SQL(ctx context.Context, st Statement, columns func([]ResultColumn) error, row func([]any) error) (*Coverage, error) {
	begun := time.Now()
	if len(st.SQL) > MaxStatement {
		return nil, wrongQuestion("the statement is %d bytes long, more than the %d that one may be", len(st.SQL), MaxStatement)
	}
	if !utf8.ValidString(st.SQL) || strings.ContainsRune(st.SQL, 0) {
		return nil, wrongQuestion("the statement is not text: it holds a zero byte or is not UTF-8")
	}
	var cov *Coverage
	err := r.isolated(ctx, st, func(c *conn, covered *Coverage) error {
		cov = covered
		return c.answer(ctx, st.SQL, columns, func(values []any) error {
			cov.Returned++
			return row(values)
		})
	})
	var said *Error
	if errors.As(err, &said) && strings.HasPrefix(said.Message, "Out of Memory Error") {
		err = &MemoryError{Limit: fmt.Sprintf("%d MiB", r.engine.opt.SQLMemory>>20)}
	}
	if cov != nil {
		if err != nil {
			cov.incomplete("%v", err)
		}
		cov.Seconds = time.Since(begun).Seconds()
	}
	return cov, err
}

// isolated waits for its turn, checks the statement, and gives f a DuckDB that has the view and nothing else.
func (r *Reader) isolated(ctx context.Context, st Statement, f func(*conn, *Coverage) error) error {
	select {
	case r.engine.sqlTurn <- struct{}{}:
		defer func() { <-r.engine.sqlTurn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer bound(r.engine.opt.SQLMemory)()
	in, err := openInstance(settings(r.engine.opt.SQLMemory, r.engine.opt.Threads))
	if err != nil {
		return err
	}
	defer in.close()
	c, err := in.acquire()
	if err != nil {
		return err
	}
	defer in.release(c)
	if st.SQL != "" {
		if err := checkByParser(ctx, c, st.SQL); err != nil {
			return err
		}
	}
	sight, err := r.sight.ready()
	if err != nil {
		return err
	}
	snap := r.engine.snapshot(st.Clusters...)
	defer snap.Release()
	parts := partsOf(snap)
	defer openHots(parts, sight.Bodies)()
	if err := wall(c, parts); err != nil {
		return err
	}
	all, cov, err := sight.cover(ctx, r.engine, c, snap, parts, st.Clusters, math.MinInt64, math.MaxInt64)
	if err != nil {
		return err
	}
	if err := c.exec(fmt.Sprintf("CREATE VIEW %s AS SELECT %s %s", eventsView, viewColumns(), sight.from(all, allColumns, ""))); err != nil {
		return err
	}
	return f(c, cov)
}

// checkByParser refuses what is not one SELECT over events.
func checkByParser(ctx context.Context, c *conn, sql string) error {
	return c.query(ctx, "SELECT json_serialize_sql("+literal(sql)+")", func(ch chunk) error {
		return checkStatement(ch.column(0).bytes(0))
	})
}

// wall takes all but the segments that the view reads away from the DuckDB of a statement; the walk and SELECT alone keep those
// from being named or written.
func wall(c *conn, parts []*part) error {
	if err := registerHot(c); err != nil {
		return err
	}
	if err := registerFunctions(c); err != nil { // that a scope calls
		return err
	}
	var paths []string
	for _, p := range parts {
		if p.segment != nil {
			paths = append(paths, p.segment.Path())
		}
	}
	return lock(c, "allowed_paths", paths)
}

// answer runs the statement and reads its rows.
func (c *conn) answer(ctx context.Context, sql string, columns func([]ResultColumn) error, row func([]any) error) error {
	var readers []*reader
	begin := func(res *duck.Result) error {
		var names []ResultColumn
		for i := range duck.ColumnCount(res) {
			t := duck.ColumnLogicalType(res, i)
			r, err := newReader(t)
			duck.DestroyLogicalType(&t)
			if err != nil {
				return fmt.Errorf("column %s: %w", duck.ColumnName(res, i), err)
			}
			readers = append(readers, r)
			names = append(names, ResultColumn{duck.ColumnName(res, i), r.name})
		}
		return columns(names)
	}
	return c.stream(ctx, sql, begin, func(ch chunk) error {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		vectors := make([]vector, len(readers))
		for i, r := range readers {
			vectors[i] = r.vector(duck.DataChunkGetVector(ch.data, duck.IdxT(i)), ch.n)
		}
		values := make([]any, len(readers))
		for k := range ch.n {
			for i, r := range readers {
				values[i] = r.value(vectors[i], k)
			}
			if err := row(values); err != nil {
				return err
			}
		}
		return nil
	})
}
