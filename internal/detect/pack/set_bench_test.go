package pack_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"annals.dev/audit"
	"annals.dev/internal/detect"
	"annals.dev/internal/detect/falco"
	"annals.dev/internal/detect/sigma"
	"annals.dev/internal/match"
	"annals.dev/rules"
)

// everyRule are the conditions of our rules and of the public packs, if those stand beside the corpus.
func everyRule(b *testing.B, dir string) (all []*match.Predicate) {
	var ours, theirs []detect.File
	read := func(fsys fs.FS, into *[]detect.File) {
		err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(name, "ml") || strings.Contains(name, ".test.") || strings.Contains(name, "policy") {
				return err
			}
			data, err := fs.ReadFile(fsys, name)
			*into = append(*into, detect.File{Name: name, Data: data})
			return err
		})
		if err != nil && !os.IsNotExist(err) {
			b.Fatal(err)
		}
	}
	read(rules.FS, &ours)
	read(os.DirFS(filepath.Join(dir, "packs", "sigma")), &ours)
	read(os.DirFS(filepath.Join(dir, "packs", "falco")), &theirs)
	fromSigma, _ := sigma.Parse(ours, sigma.Options{})
	fromFalco, _ := falco.Parse(theirs, falco.Options{All: true})
	for _, r := range append(fromSigma, fromFalco...) {
		if r.Where != nil {
			all = append(all, r.Where)
		}
	}
	return all
}

// BenchmarkSet decides all rules over recorded events: together, with ten times as many of which no two are alike, and, to
// compare, each by itself.
func BenchmarkSet(b *testing.B) {
	dir := os.Getenv("ANNALS_CORPUS")
	if dir == "" {
		b.Skip("ANNALS_CORPUS is not set: make corpus DIR=… sets it")
	}
	ps := everyRule(b, dir)
	var tenfold []*match.Predicate
	for i, p := range ps {
		for j := range 10 {
			query := fmt.Sprintf("-user:nobody-%d-%d", i, j)
			if j%2 == 1 {
				query = fmt.Sprintf("agent:*tool-%d-%d*", i, j)
			}
			q, err := match.Parse(query)
			if err != nil {
				b.Fatal(err)
			}
			tenfold = append(tenfold, match.And(p, q))
		}
	}
	for _, corpus := range []string{"normal-metadata", "normal-full", "wide", "strangers"} {
		var lines [][]byte
		switch corpus {
		case "wide": // writes with large bodies
			for _, line := range linesOf(b, filepath.Join(dir, "corpus", "normal-full.log.gz")) {
				var v audit.View
				if err := v.Parse(line); err != nil {
					b.Fatal(err)
				}
				if len(v.RequestObject) > 1500 {
					lines = append(lines, line)
				}
			}
		case "strangers": // each event by another user with another client
			for i, line := range linesOf(b, filepath.Join(dir, "corpus", "normal-metadata.log.gz"))[:50_000] {
				line = bytes.Replace(line, []byte(`"username":"`), fmt.Appendf(nil, `"username":"u%d-`, i), 1)
				lines = append(lines, bytes.Replace(line, []byte(`"userAgent":"`), fmt.Appendf(nil, `"userAgent":"a%d-`, i), 1))
			}
		default:
			lines = linesOf(b, filepath.Join(dir, "corpus", corpus+".log.gz"))
		}
		size := 0
		for _, line := range lines {
			size += len(line)
		}
		views := make([]audit.View, len(lines))
		for i, line := range lines {
			if err := views[i].Parse(line); err != nil {
				b.Fatal(err)
			}
		}
		check(b, ps, views)
		run := func(name string, n int, parse bool, decide func(r *match.Row) int) {
			b.Run(fmt.Sprintf("%s/%d-rules/%s", corpus, n, name), func(b *testing.B) {
				var v audit.View
				met, i, began := 0, 0, cpu()
				r := &match.Row{Cluster: "prod"}
				for b.Loop() {
					if r.View = &views[i]; parse {
						if err := v.Parse(lines[i]); err != nil {
							b.Fatal(err)
						}
						r.View = &v
					}
					met += decide(r)
					if i++; i == len(views) {
						i = 0
					}
				}
				b.ReportMetric(float64(b.N)/(cpu()-began).Seconds(), "events/cpu-s")
				b.ReportMetric(float64(met)/float64(b.N), "met/event")
				b.ReportMetric(float64(size)/float64(len(lines)), "B/event")
			})
		}
		for _, all := range [][]*match.Predicate{ps, tenfold} {
			m := match.NewSet(all).Matcher()
			var dst []int
			together := func(r *match.Row) int {
				dst = m.Match(dst[:0], r)
				return len(dst)
			}
			run("set", len(all), false, together)
			run("set+parse", len(all), true, together)
		}
		run("each", len(ps), false, func(r *match.Row) (met int) {
			for _, p := range ps {
				if p.Match(r) {
					met++
				}
			}
			return met
		})
	}
}

// check sees to it that what is measured is right: together the rules match what each does by itself.
func check(b *testing.B, ps []*match.Predicate, views []audit.View) {
	m := match.NewSet(ps).Matcher()
	for i := range views[:min(len(views), 5000)] {
		r := &match.Row{View: &views[i], Cluster: "prod"}
		var want []int
		for i, p := range ps {
			if p.Match(r) {
				want = append(want, i)
			}
		}
		if got := m.Match(nil, r); !slices.Equal(got, want) {
			b.Fatalf("together %v match, by themselves %v, of %s", got, want, views[i].Raw)
		}
	}
}

// cpu is the processor time that was used: how long it took by the clock says more about who else is at work.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func linesOf(b *testing.B, name string) [][]byte {
	f, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		b.Fatal(err)
	}
	log, err := io.ReadAll(io.LimitReader(z, 64<<20))
	if err != nil {
		b.Fatal(err)
	}
	if i := bytes.LastIndexByte(log, '\n'); i >= 0 {
		log = log[:i]
	}
	return bytes.Split(log, []byte("\n"))
}
