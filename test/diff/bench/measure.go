package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"
)

// table is what was measured, as Markdown.
type table struct {
	begun time.Time
	rows  []string
}

func newTable() *table { return &table{begun: time.Now()} }

func (t *table) row(what, ours, upstream, ratio, must string) {
	t.rows = append(t.rows, fmt.Sprintf("| %s | %s | %s | %s | %s |", what, ours, upstream, ratio, must))
	fmt.Fprintln(os.Stderr, t.rows[len(t.rows)-1])
}

// must is a ratio, and says if it is missed.
func must(ratio, least float64) (string, string) {
	s := fmt.Sprintf("%.1f ×", ratio)
	if ratio < least {
		s += " **missed**"
	}
	return s, fmt.Sprintf("≥ %g ×", least)
}

func (t *table) print(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "| what | Annals | kube-apiserver's | ratio | must |\n|---|---|---|---|---|\n%s\n\n", strings.Join(t.rows, "\n"))
	fmt.Fprintf(&b, "%s, %d processors, %s %s/%s; load %s.\n", t.begun.UTC().Format("2006-01-02 15:04 MST"), runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, load())
	_, err := w.Write(b.Bytes())
	return err
}

func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(b))[:3], " ")
}

// processor is the time that the processors have spent on this process.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// cost is what n operations took of the processors' time and of memory, each.
type cost struct{ time, allocs, bytes float64 }

// measured runs what does n operations.
func measured(run func() (n int, err error)) (cost, error) {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begun := processor()
	n, err := run()
	took := processor() - begun
	runtime.ReadMemStats(&after)
	if err != nil {
		return cost{}, err
	}
	f := float64(n)
	return cost{float64(took.Nanoseconds()) / f, float64(after.Mallocs-before.Mallocs) / f, float64(after.TotalAlloc-before.TotalAlloc) / f}, nil
}

// alternate measures each in turn, in every round, and returns the medians. The first round only warms up.
func alternate(rounds int, each ...func() (int, error)) ([]cost, error) {
	all := make([][]cost, len(each))
	for round := range rounds + 1 {
		for i, run := range each {
			c, err := measured(run)
			if err != nil {
				return nil, err
			}
			if round > 0 {
				all[i] = append(all[i], c)
			}
		}
	}
	medians := make([]cost, len(each))
	for i, costs := range all {
		median := func(of func(cost) float64) float64 {
			v := make([]float64, len(costs))
			for j, c := range costs {
				v[j] = of(c)
			}
			slices.Sort(v)
			return v[len(v)/2]
		}
		medians[i] = cost{median(func(c cost) float64 { return c.time }), median(func(c cost) float64 { return c.allocs }), median(func(c cost) float64 { return c.bytes })}
	}
	return medians, nil
}

func startProfile(path string) (stop func() error, err error) {
	if path == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}
