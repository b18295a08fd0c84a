package match

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"

	"annals.dev/audit"
)

func BenchmarkWords(b *testing.B) {
	dir := os.Getenv("ANNALS_CORPUS")
	if dir == "" {
		b.Skip("ANNALS_CORPUS is not set: make corpus DIR=… sets it")
	}
	for _, name := range []string{"normal-full", "normal-metadata", "normal-gce"} {
		b.Run(name, func(b *testing.B) {
			f, err := os.Open(filepath.Join(dir, "corpus", name+".log.gz"))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			z, err := gzip.NewReader(f)
			if err != nil {
				b.Fatal(err)
			}
			log, err := io.ReadAll(io.LimitReader(z, 50<<20))
			if err != nil {
				b.Fatal(err)
			}
			var text [][]byte
			var v audit.View
			for line := range bytes.Lines(log) {
				if v.Parse(line) == nil {
					EventText(&v, func(s []byte) { text = append(text, bytes.Clone(s)) })
				}
			}
			b.SetBytes(int64(len(log)))
			b.ResetTimer()
			n := 0
			var dst []uint32
			for b.Loop() {
				for _, s := range text {
					dst = AppendWords(dst[:0], s)
					n += len(dst)
				}
			}
			b.ReportMetric(float64(n)/float64(b.N), "words")
		})
	}
}

func BenchmarkMatch(b *testing.B) {
	for _, query := range []string{
		`verb:delete resource:secrets -user:system:*`, `group:system:masters`, `ip:10.0.0.0/8`, `request.spec.containers.image:nginx*`, `nosuchword`, `"no such phrase"`,
	} {
		b.Run(query, func(b *testing.B) {
			p, err := Parse(query)
			if err != nil {
				b.Fatal(err)
			}
			var rows []*Row
			size := 0
			for i, e := range testEvents(b) {
				rows = append(rows, testRow(b, e, i))
				size += len(e)
			}
			b.SetBytes(int64(size))
			for b.Loop() {
				for _, r := range rows {
					p.Match(r)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(rows)), "ns/event")
		})
	}
}
