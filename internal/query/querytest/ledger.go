package querytest

import (
	"bytes"
	"compress/gzip"
	"io"
	"math/rand/v2"
	"os"
	"testing"

	"annals.dev/internal/query"
)

// Ledger makes a ledger of events of a cluster, with a reader who sees everything.
func Ledger(tb testing.TB, cluster string, events [][]byte) *Side {
	tb.Helper()
	all := make([]entry, len(events))
	for i, raw := range events {
		all[i] = entry{cluster: cluster, origin: "webhook/cp-1", raw: raw}
	}
	return fill(tb, rand.New(rand.NewPCG(1, 2)), query.All, all)
}

// Events reads a recording: lines of JSON, compressed.
func Events(tb testing.TB, path string) (events [][]byte) {
	tb.Helper()
	f, err := os.Open(path)
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
		if line = bytes.TrimSpace(line); len(line) > 0 {
			events = append(events, line)
		}
	}
	return events
}
