package ledger

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"testing"

	"annals.dev/internal/format"
)

// lines are recorded events, cut from what a real API server wrote.
func lines(tb testing.TB) [][]byte {
	tb.Helper()
	f, err := os.Open("testdata/events.log.gz")
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
	return bytes.Split(bytes.TrimSuffix(b, []byte("\n")), []byte("\n"))
}

func event(tb testing.TB, line []byte) format.Event {
	e := format.Event{Bytes: line}
	if err := e.View.Parse(line); err != nil {
		tb.Fatalf("%v in %.200s", err, line)
	}
	return e
}

func batch(tb testing.TB, origin string, lines [][]byte) Batch {
	b := Batch{Cluster: "prod", Origin: origin}
	for _, line := range lines {
		b.Events = append(b.Events, event(tb, line))
	}
	return b
}

func appendAll(tb testing.TB, l *Ledger, lines [][]byte) {
	tb.Helper()
	for from := 0; from < len(lines); from += 400 {
		b := batch(tb, "import/test", lines[from:min(from+400, len(lines))])
		if _, err := l.Append(context.Background(), b); err != nil {
			tb.Fatal(err)
		}
	}
}

func newLedger(tb testing.TB, opts Options) (*Ledger, string) {
	tb.Helper()
	dir := tb.TempDir()
	if _, err := Init(dir, ""); err != nil {
		tb.Fatal(err)
	}
	return reopen(tb, dir, opts), dir
}

func reopen(tb testing.TB, dir string, opts Options) *Ledger {
	tb.Helper()
	l, err := Open(dir, opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { l.Close() })
	return l
}

// contents gives every event's bytes in order of position.
func contents(tb testing.TB, l *Ledger) [][]byte {
	tb.Helper()
	s := l.Snapshot("prod")
	defer s.Release()
	if len(s.Clusters) == 0 {
		return nil
	}
	c := s.Clusters[0]
	all := make([][]byte, c.Size)
	take := func(_ int, e *Stored) error {
		if all[e.Position] != nil {
			return fmt.Errorf("position %d comes twice", e.Position)
		}
		all[e.Position] = bytes.Clone(e.Bytes)
		return nil
	}
	for _, seg := range c.Segments {
		if err := seg.Read(context.Background(), allRows(seg.Rows()), take); err != nil {
			tb.Fatal(err)
		}
	}
	for _, h := range c.Hot {
		if err := h.Read(context.Background(), allRows(h.N), take); err != nil {
			tb.Fatal(err)
		}
	}
	return all
}

func same(tb testing.TB, what string, got, want [][]byte) {
	tb.Helper()
	if len(got) != len(want) {
		tb.Fatalf("%s: %d events, want %d", what, len(got), len(want))
	}
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			tb.Fatalf("%s: position %d is\n%.500s\nwant\n%.500s", what, i, got[i], want[i])
		}
	}
}

func TestEventsComeBack(t *testing.T) {
	want := lines(t)
	l, dir := newLedger(t, Options{})
	appendAll(t, l, want)
	same(t, "in memory", contents(t, l), want)
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	same(t, "sealed", contents(t, l), want)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = reopen(t, dir, Options{})
	same(t, "opened again", contents(t, l), want)

	kept := 0
	for _, s := range l.clusters["prod"].segments {
		err := s.read(t.Context(), allRows(s.Rows()), func(tb *table, i, _ int, _ []byte, _ *reading) error {
			if tb.ints[cForm][i] != formLine {
				kept++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if kept > len(want)/100 {
		t.Errorf("%d events of %d are not given back by the writer: it has a fault", kept, len(want))
	}
	t.Logf("%d events, %d kept as they came", len(want), kept)
}

func TestDuplicates(t *testing.T) {
	want := lines(t)[:3000]
	l, dir := newLedger(t, Options{})
	appendAll(t, l, want)
	again := func(l *Ledger, when string) {
		t.Helper()
		items := make([][]byte, len(want))
		for i, line := range want { // as the webhook brings them
			items[i] = append([]byte("{"), line[1+len(lineHead):]...)
		}
		r, err := l.Append(t.Context(), batch(t, "webhook/cp-1", items))
		if err != nil {
			t.Fatal(err)
		}
		if r.Accepted != 0 || r.Duplicates != len(want) {
			t.Fatalf("%s: %+v", when, r)
		}
		if got := l.Seen("prod", 17); len(got) != 1 || got[0] != "webhook/cp-1" {
			t.Fatalf("%s: seen by %q", when, got)
		}
	}
	again(l, "in memory")
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	again(l, "sealed just now")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = reopen(t, dir, Options{})
	again(l, "opened again")
	same(t, "at last", contents(t, l), want)
	if n := l.Stats().Clusters[0].Seen["webhook/cp-1"]; n != uint64(len(want)) {
		t.Errorf("%d events seen again, want %d", n, len(want))
	}

	other := bytes.Replace(want[5], []byte(`"verb":"`), []byte(`"verb":"x`), 1)
	r, err := l.Append(t.Context(), batch(t, "import/test", [][]byte{other}))
	if err != nil || r.Accepted != 1 || r.Conflicts != 1 {
		t.Errorf("other bytes under the same id: %+v, %v", r, err)
	}
	r, err = l.Append(t.Context(), batch(t, "webhook/cp-2", [][]byte{bytes.Replace(other, []byte(`"verb":"`), []byte(`"verb":"y`), 1)}))
	if err != nil || r.Accepted != 1 || r.Conflicts != 0 {
		t.Errorf("other bytes from another server: %+v, %v", r, err)
	}
}

func TestMerge(t *testing.T) {
	want := lines(t)
	l, dir := newLedger(t, Options{SealEvents: 500})
	appendAll(t, l, want)
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	same(t, "merged", contents(t, l), want)
	st := l.Stats()
	if st.Merges == 0 || st.Clusters[0].Segments != 1 {
		t.Errorf("%d merges, %d segments left", st.Merges, st.Clusters[0].Segments)
	}
	entries, err := os.ReadDir(dir + "/clusters/prod/segments")
	if err != nil || len(entries) != 2 {
		t.Errorf("%d files left, want 2 (%v)", len(entries), err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	same(t, "opened again", contents(t, reopen(t, dir, Options{})), want)
}
