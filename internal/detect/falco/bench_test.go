package falco

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"

	"annals.dev/audit"
	"annals.dev/internal/match"
)

// BenchmarkPack is Falco's own rules over recorded events, reading the events not counted.
func BenchmarkPack(b *testing.B) {
	for _, name := range []string{"normal-metadata", "normal-full"} {
		b.Run(name, func(b *testing.B) {
			f, err := os.Open(filepath.Join(corpus(b), "corpus", name+".log.gz"))
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
			var views []*audit.View
			for line := range bytes.Lines(log) {
				if v := new(audit.View); v.Parse(line) == nil {
					views = append(views, v)
				}
			}
			rules, _ := Parse(packFiles(b, "k8s_audit_rules.yaml", "k8s_audit_rules_gke.yaml"), Options{All: true})
			var all []*match.Predicate
			for _, r := range rules {
				all = append(all, r.Where)
			}
			m := match.NewSet(all).Matcher()
			var row match.Row
			var hits []int
			found := 0
			for b.Loop() {
				for _, v := range views {
					row.View = v
					hits = m.Match(hits[:0], &row)
					found += len(hits)
				}
			}
			b.ReportMetric(float64(b.N)*float64(len(views))/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(found)/float64(b.N)/float64(len(views)), "matches/event")
		})
	}
}
