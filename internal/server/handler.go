package server

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"annals.dev/internal/access"
	"annals.dev/internal/ledger"
	"annals.dev/internal/match"
	"annals.dev/internal/query"
	"annals.dev/internal/query/named"
	"annals.dev/internal/source"
	"annals.dev/internal/wal"
)

// KindOf sorts an error by what its reader can do about it.
func KindOf(err error) Kind {
	var answered *Error
	var syntax *match.Error
	var refused *query.RefusedError
	var statement *query.Error
	var question *query.QuestionError
	var memory *query.MemoryError
	var damage *ledger.DamageError
	var missing *ledger.MissingError
	var lost *ledger.LostError
	var signature *ledger.SignatureError
	var tree *ledger.TreeError
	var corrupt *wal.CorruptError
	switch {
	case errors.As(err, &answered):
		return answered.Kind
	case errors.As(err, &syntax), errors.As(err, &refused), errors.As(err, &statement), errors.As(err, &question):
		return Usage
	case errors.As(err, &memory):
		return Limit
	case errors.Is(err, query.ErrClosed):
		return Unavailable
	case errors.As(err, &missing), errors.As(err, &lost):
		return Missing
	case errors.As(err, &signature):
		return BadSignature
	case errors.As(err, &damage), errors.As(err, &tree), errors.As(err, &corrupt), errors.Is(err, ledger.ErrProof):
		return Tampered
	}
	return Failed
}

func (c *core) search(ctx context.Context, by *asker, q SearchQuestion, emit func(Row) error) (Coverage, error) {
	s, err := c.searchOf(ctx, by, q)
	if err != nil {
		return Coverage{}, err
	}
	detail := cmp.Or(q.Detail, Summary)
	give := func(r *query.Row) error { return emit(c.given(r, detail)) }
	var cov *query.Coverage
	switch {
	case q.Follow:
		cov, err := c.follow(ctx, by, s, q.Clusters, func() {}, give)
		return cov, notOfTheQuestion(ctx, err)
	case q.Sort == "latency":
		slowest := named.Asked{Question: named.Question{Sort: q.Sort}}
		cov, err = slowest.Run(ctx, by.read, s.Range, s.Limit, s.Bytes, named.Answer{Event: give})
	default:
		cov, err = by.read.Search(ctx, s, give)
	}
	if cov == nil {
		cov = &query.Coverage{}
	}
	return *cov, notOfTheQuestion(ctx, err)
}

// searchOf reads a search.
func (c *core) searchOf(ctx context.Context, by *asker, q SearchQuestion) (s query.Search, err error) {
	for _, x := range []struct {
		name, value string
		known       []string
	}{
		{"detail", string(q.Detail), []string{string(Summary), string(Whole), string(Evidence)}},
		{"order", q.Order, []string{"newest", "oldest"}}, {"sort", q.Sort, []string{"time", "latency"}},
	} {
		if x.value != "" && !slices.Contains(x.known, x.value) {
			return s, &Error{Usage, fmt.Sprintf("%s is one of %s, not %.40q", x.name, strings.Join(x.known, ", "), x.value)}
		}
	}
	switch {
	case q.Limit < 0:
		return s, &Error{Usage, fmt.Sprintf("limit %d: give a number of events, or 0 for all", q.Limit)}
	case q.Sort == "latency" && (q.Order != "" || q.After != "" || q.Follow):
		return s, &Error{Usage, "the slowest come first: sort=latency goes with neither order nor after nor follow"}
	case q.Follow && q.Order != "":
		return s, &Error{Usage, "what is followed comes as it arrives: follow goes without order"}
	}
	s = query.Search{Limit: q.Limit, OldestFirst: q.Order == "oldest", Wide: true, Bytes: cmp.Or(q.Detail, Summary) != Summary}
	if s.After, err = cursorOf(q.After); err != nil {
		return s, err
	}
	s.Range, err = c.rangeOf(ctx, by, Range{q.Query, q.Since, q.Until, q.Clusters})
	return s, err
}

// cursorOf reads the place of an event: TIME,CLUSTER,POSITION.
func cursorOf(s string) (*query.Cursor, error) {
	if s == "" {
		return nil, nil
	}
	wrong := &Error{Usage, fmt.Sprintf("after is the place of an event, such as 2026-11-21T08:00:00.000001Z,prod,42, not %.80q", s)}
	parts := strings.Split(s, ",")
	if len(parts) != 3 {
		return nil, wrong
	}
	at, err := time.Parse(time.RFC3339Nano, parts[0])
	if err != nil {
		return nil, wrong
	}
	position, err := strconv.ParseUint(parts[2], 10, 63)
	if err != nil {
		return nil, wrong
	}
	return &query.Cursor{Time: at, Cluster: parts[1], Position: position}, nil
}

// notOfTheQuestion says of what DuckDB said of a search that it is the ledger's fault: the search was parsed before, and the
// statement made of it is ours. Otherwise a segment that is gone would look like a mistake of whoever asks.
func notOfTheQuestion(ctx context.Context, err error) error {
	var said *query.Error
	if ctx.Err() != nil || !errors.As(err, &said) {
		return err
	}
	return &Error{Failed, fmt.Sprintf("the ledger cannot be read: %v: annals verify finds what is wrong with it", firstLine(said))}
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

const followEvery = 200 * time.Millisecond

// follow gives what is there, the oldest first, calls began, then gives what arrives, in the order of its arrival, until whoever
// asks has gone.
func (c *core) follow(ctx context.Context, by *asker, s query.Search, named []string, began func(), give func(*query.Row) error) (Coverage, error) {
	// The newest rows come first out of a search with a limit, and are to be given last.
	var first []*query.Row
	keep := func(r *query.Row) error { first = append(first, r); return nil }
	if s.Limit == 0 {
		s.OldestFirst, keep = true, give
	}
	cov, err := by.read.Search(ctx, s, keep)
	if err != nil {
		return Coverage{}, err
	}
	for _, r := range slices.Backward(first) {
		if err := give(r); err != nil {
			return Coverage{}, err
		}
	}
	began()
	next := map[string]uint64{}
	maps.Copy(next, cov.Ends)
	predicate := s.Query
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return *cov, ctx.Err()
		case <-tick.C:
		}
		for name, size := range c.sizes(named) {
			if size <= next[name] || name == ledger.Own && len(named) == 0 {
				continue
			}
			arrived, err := match.Parse(fmt.Sprintf("position>=%d", next[name]))
			if err != nil {
				return Coverage{}, err
			}
			s.Range.Query, s.Range.Clusters = match.And(predicate, arrived), []string{name}
			s.Limit, s.OldestFirst = 0, true
			cov, err := by.read.Search(ctx, s, give)
			if err != nil {
				return Coverage{}, err
			}
			maps.Copy(next, cov.Ends)
		}
	}
}

// sizes are how many events each of the clusters has.
func (c *core) sizes(clusters []string) map[string]uint64 {
	snap := c.ledger.Snapshot(clusters...)
	defer snap.Release()
	sizes := make(map[string]uint64, len(snap.Clusters))
	for _, v := range snap.Clusters {
		sizes[v.Name] = v.Size
	}
	return sizes
}

// clusters are those that there are for whoever asks, sorted: Annals' own is for auditors, and one in which a scoped reader sees
// nothing is not there for it.
func (c *core) clusters(ctx context.Context, by *asker) ([]string, error) {
	names := slices.AppendSeq([]string{}, maps.Keys(c.sizes(nil)))
	slices.Sort(names)
	if !by.Role.AtLeast(access.Auditor) {
		names = slices.DeleteFunc(names, func(name string) bool { return name == ledger.Own })
	}
	if by.ScopeText == "" {
		return names, nil
	}
	// What an answer covers is what is in sight, whatever was asked.
	cov, err := by.read.Search(ctx, query.Search{Range: query.Range{Until: time.Unix(0, 0)}, Limit: 1}, func(*query.Row) error { return nil })
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(names, func(name string) bool {
		return !slices.ContainsFunc(cov.Clusters, func(v query.ClusterCoverage) bool { return v.Name == name })
	}), nil
}

// clustersOf says which clusters a question is about: those that it names, or all but Annals' own. It refuses one that is not
// there: a mistyped name must not look like an empty answer. Where Annals' own is the only one, it gives query.Nowhere.
func (c *core) clustersOf(ctx context.Context, by *asker, named []string) ([]string, error) {
	known, err := c.clusters(ctx, by)
	if err != nil {
		return nil, err
	}
	for _, name := range named {
		if slices.Contains(known, name) {
			continue
		}
		if len(known) == 0 {
			return nil, &Error{Usage, fmt.Sprintf("there is no cluster %q: the ledger has no events yet, of any cluster", name)}
		}
		return nil, &Error{Usage, fmt.Sprintf("there is no cluster %q; those with events are: %s", name, strings.Join(known, ", "))}
	}
	if len(named) > 0 {
		return named, nil
	}
	if known = slices.DeleteFunc(known, func(name string) bool { return name == ledger.Own }); len(known) == 0 {
		return query.Nowhere, nil // no names at all would mean all clusters
	}
	return known, nil
}

// rangeOf reads what events a question is about, for whoever asks.
func (c *core) rangeOf(ctx context.Context, by *asker, q Range) (of query.Range, err error) {
	of = query.Range{Since: q.Since, Until: q.Until}
	if !q.Since.IsZero() && !q.Until.IsZero() && !q.Since.Before(q.Until) {
		return of, &Error{Usage, fmt.Sprintf("the range ends before it begins: since %s, until %s", q.Since.Format(time.RFC3339Nano), q.Until.Format(time.RFC3339Nano))}
	}
	if of.Query, err = match.Parse(q.Query); err != nil {
		return of, err
	}
	of.Clusters, err = c.clustersOf(ctx, by, q.Clusters)
	return of, err
}

func (c *core) sql(ctx context.Context, by *asker, q SQLQuestion, emit func(SQLItem) error) (Coverage, error) {
	clusters, err := c.clustersOf(ctx, by, q.Clusters)
	if err != nil {
		return Coverage{}, err
	}
	leave, err := c.limits.statement(ctx, by)
	if err != nil {
		return Coverage{}, err
	}
	defer leave()
	columns := func(cols []query.ResultColumn) error {
		item := SQLItem{}
		for _, col := range cols {
			item.Columns = append(item.Columns, SQLColumn(col))
		}
		return emit(item)
	}
	row := func(values []any) error {
		item := SQLItem{Row: make([]json.RawMessage, len(values))}
		for i, v := range values {
			b, err := json.Marshal(v)
			if err != nil {
				return fmt.Errorf("column %d: %w", i+1, err)
			}
			item.Row[i] = b
		}
		return emit(item)
	}
	cov, err := by.read.SQL(ctx, query.Statement{SQL: q.Statement, Clusters: clusters}, columns, row)
	if cov == nil {
		cov = &query.Coverage{}
	}
	// A statement reaches no file but the ledger's. Where one is gone, DuckDB looks for it as a folder, which it may not.
	if said := new(query.Error); errors.As(err, &said) &&
		(strings.HasPrefix(said.Message, "IO Error") || strings.HasPrefix(said.Message, "Permission Error")) {
		err = notOfTheQuestion(ctx, err)
	}
	return *cov, err
}

// serveImport reads the files that a question names, or what stands behind the question's line, as they are sent.
func (c *core) serveImport(w http.ResponseWriter, r *http.Request) {
	// Progress is told while the body is still being read.
	if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	reply(w, r, func(emit func(source.Progress) error) (ImportEnd, error) {
		body := bufio.NewReader(r.Body)
		line, err := body.ReadSlice('\n')
		var q ImportQuestion
		if err == nil {
			err = json.Unmarshal(bytes.TrimSpace(line), &q)
		}
		if err != nil {
			return ImportEnd{}, &Error{Usage, fmt.Sprintf("the question cannot be read: %v", err)}
		}
		return c.importFiles(r.Context(), q, body, emit)
	})
}

func (c *core) importFiles(ctx context.Context, q ImportQuestion, body io.Reader, emit func(source.Progress) error) (ImportEnd, error) {
	if err := access.CheckCluster(q.Cluster); err != nil {
		return ImportEnd{}, &Error{Usage, err.Error()}
	}
	noteImport(ctx, q)
	if by := askerOf(ctx); len(q.Paths) > 0 && (by == nil || !by.isOwner()) {
		return ImportEnd{}, &Error{Forbidden, "files of the server's machine are read for its owner alone: send their content"}
	}
	for _, p := range q.Paths {
		if !filepath.IsAbs(p) {
			return ImportEnd{}, &Error{Usage, fmt.Sprintf("%q is not an absolute path", p)}
		}
	}
	paths := q.Paths
	if len(paths) == 0 {
		paths = []string{"-"}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	im := source.NewImporter(source.ImporterConfig{
		Ledger: c.ledger, Cluster: q.Cluster, Data: c.dir, Again: q.Again, Stdin: body, Name: fileName(q.Name), Log: c.log, Metrics: c.metrics,
		Progress: func(p source.Progress) {
			if emit(p) != nil {
				cancel() // nobody listens any more
			}
		},
	})
	sum, err := im.Run(ctx, paths)
	end := ImportEnd{Summary: sum, Failed: []FileFailure{}}
	for _, f := range sum.Failed {
		end.Failed = append(end.Failed, FileFailure{f.Path, f.Err.Error()})
	}
	end.Summary.Failed = []source.FileError{} // what failed is told beside it, in words
	return end, err
}

// fileName is the last part of a name that somebody gave a file, without what a terminal would obey; "" if there is none.
func fileName(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, name)
	if name == "." || name == ".." {
		return ""
	}
	return strings.ToValidUTF8(name[:min(len(name), maxFileName)], "")
}

const maxFileName = 255

// ready says why nothing is taken any more, or nil.
func (c *core) ready() error { return c.ledger.Stats().Failed }
