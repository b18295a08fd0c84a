package detect

import (
	"bufio"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"annals.dev/audit"
	"annals.dev/internal/ledger"
	"annals.dev/internal/match"
)

func corpus(b *testing.B, name string, most int) (lines [][]byte) {
	dir := os.Getenv("ANNALS_CORPUS")
	if dir == "" {
		b.Skip("ANNALS_CORPUS is not set: make corpus DIR=… sets it")
	}
	f, err := os.Open(filepath.Join(dir, "corpus", name+".log.gz"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		b.Fatal(err)
	}
	in := bufio.NewScanner(z)
	in.Buffer(nil, 64<<20)
	for in.Scan() && len(lines) < most {
		lines = append(lines, append([]byte(nil), in.Bytes()...))
	}
	return lines
}

// BenchmarkFeed is what an engine costs an event, with the rules of the tests, some of which match often.
func BenchmarkFeed(b *testing.B) {
	lines := corpus(b, "normal-metadata", 20_000)
	rows := make([]*match.Row, len(lines))
	for i, line := range lines {
		rows[i] = &match.Row{View: new(audit.View), Cluster: "prod", Origin: "bench", Position: uint64(i)}
		if err := rows[i].View.Parse(line); err != nil {
			b.Fatal(err)
		}
		rows[i].Received = rows[i].View.Time
	}
	rules := testRules(b)
	for b.Loop() {
		e, _ := NewEngine(rules, nil, Options{})
		out := new(counting)
		for i, r := range rows {
			e.Feed(r, out)
			if i%readBatch == 0 {
				if err := e.Advance(b.Context(), "prod", time.Now(), out); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(rows)), "ns/event")
}

type counting int

func (c *counting) Find(*Finding)        { *c++ }
func (c *counting) Withdraw(*Withdrawal) { *c++ }

// BenchmarkWatch is what reading a ledger's unsealed events costs, with one rule that matches none.
func BenchmarkWatch(b *testing.B) {
	lines := corpus(b, "normal-metadata", 100_000)
	for _, seal := range []bool{false, true} {
		name := "unsealed"
		if seal {
			name = "sealed"
		}
		b.Run(name, func(b *testing.B) {
			l, dir := newLedger(b, ledger.Options{SealAfter: time.Hour, SealEvents: 1 << 20})
			for i := 0; i < len(lines); i += 1000 {
				if err := appendRaw(l, "prod", lines[i:min(i+1000, len(lines))]...); err != nil {
					b.Fatal(err)
				}
			}
			if seal {
				if err := l.Seal(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			rules := []*Rule{{ID: "none", Version: "v1", Where: predicate(b, "verb:nothing")}}
			for b.Loop() {
				b.StopTimer()
				os.Remove(filepath.Join(dir, "detect", stateFile))
				w, _, err := NewWatcher(WatchConfig{Ledger: l, Dir: dir, Rules: rules})
				if err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				if err := w.CatchUp(b.Context(), nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(lines)), "ns/event")
		})
	}
}
