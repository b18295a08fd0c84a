package query

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
	"annals.dev/internal/match"
)

// recorded are the events that match is tested with.
func recorded(tb testing.TB) (events [][]byte) {
	tb.Helper()
	f, err := os.Open("../match/testdata/events.jsonl.gz")
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		tb.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		events = append(events, bytes.TrimSuffix(line, []byte("\n")))
	}
	return events
}

// request writes the n-th event of a made-up kind: a second apart, with its own audit ID.
func request(n int, verb, resource, user, word string) []byte {
	at := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Second)
	return fmt.Appendf(nil, `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Request","auditID":"%08x-0000-4000-8000-000000000000","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/prod/%s/x%d","verb":"%s","user":{"username":"%s","groups":["system:authenticated"]},"sourceIPs":["10.0.0.%d"],"userAgent":"kubectl/v1.36","objectRef":{"resource":"%s","namespace":"prod","name":"x%d","apiVersion":"v1"},"responseStatus":{"metadata":{},"code":%d},"requestObject":{"word":"%s"},"requestReceivedTimestamp":"%s","stageTimestamp":"%s","annotations":{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":"it's \"fine\""}}`,
		n+1, resource, n%50, verb, user, n%250, resource, n%50, 200+n%3, word,
		at.Add(-time.Millisecond).Format("2006-01-02T15:04:05.000000Z"), at.Format("2006-01-02T15:04:05.000000Z"))
}

// newLedger opens a ledger that seals only when told to.
func newLedger(tb testing.TB) (*ledger.Ledger, string) {
	tb.Helper()
	dir := tb.TempDir()
	if _, err := ledger.Init(dir, ""); err != nil {
		tb.Fatal(err)
	}
	l, err := ledger.Open(dir, ledger.Options{SealAfter: time.Hour})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := l.Close(); err != nil {
			tb.Error(err)
		}
	})
	return l, dir
}

// add appends events under a cluster, in one batch.
func add(tb testing.TB, l *ledger.Ledger, cluster string, events ...[]byte) {
	tb.Helper()
	if err := appendTo(l, cluster, events...); err != nil {
		tb.Fatal(err)
	}
}

func appendTo(l *ledger.Ledger, cluster string, events ...[]byte) error {
	b := ledger.Batch{Cluster: cluster, Origin: "webhook/cp-1", Received: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	for _, raw := range events {
		e := format.Event{Bytes: raw}
		if err := e.View.Parse(raw); err != nil {
			return err
		}
		b.Events = append(b.Events, e)
	}
	_, err := l.Append(context.Background(), b)
	return err
}

func seal(tb testing.TB, l *ledger.Ledger) {
	tb.Helper()
	if err := l.Seal(context.Background()); err != nil {
		tb.Fatal(err)
	}
}

func newEngine(tb testing.TB, l *ledger.Ledger, dir string) *Engine {
	tb.Helper()
	e, err := New(l.Snapshot, Options{Dir: dir})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(e.Close)
	return e
}

func parse(tb testing.TB, query string) *match.Predicate {
	tb.Helper()
	p, err := match.Parse(query)
	if err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
	return p
}

// search gives all the rows of a search.
func search(tb testing.TB, e *Engine, s Search) ([]Row, *Coverage) {
	tb.Helper()
	var rows []Row
	cov, err := e.As(All).Search(context.Background(), s, func(r *Row) error { rows = append(rows, *r); return nil })
	if err != nil {
		tb.Fatal(err)
	}
	return rows, cov
}
