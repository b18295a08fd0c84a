package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// table is what was measured, as Markdown.
type table struct {
	begun time.Time
	load  string
	rows  []string
}

func newTable() *table { return &table{begun: time.Now(), load: loadAverage()} }

func (t *table) section(name string) { t.rows = append(t.rows, fmt.Sprintf("| **%s** | | |", name)) }

func (t *table) row(what, measured, must string) {
	t.rows = append(t.rows, fmt.Sprintf("| %s | %s | %s |", what, measured, must))
}

// must adds a row with what is asked for, and says if it is missed.
func (t *table) must(what string, v float64, format string, most float64, must string) {
	s := fmt.Sprintf(format, v)
	if v > most {
		s += " **missed**"
	}
	t.row(what, s, must)
}

func (t *table) print(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "| %s | measured | must |\n|---|---|---|\n%s\n\n", "what", strings.Join(t.rows, "\n"))
	fmt.Fprintf(&b, "%s, %d of %s, %s %s/%s; load %s before, %s after.\n", t.begun.UTC().Format("2006-01-02 15:04 MST"), runtime.NumCPU(), processor(),
		runtime.Version(), runtime.GOOS, runtime.GOARCH, t.load, loadAverage())
	fmt.Fprintf(&b, "Command: `%s`\n", command())
	_, err := w.Write(b.Bytes())
	return err
}

// command is how this was started, as somebody else would.
func command() string {
	args := slices.Clone(os.Args[1:])
	return "go run ./test/bench " + strings.Join(args, " ")
}

func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if f := strings.Fields(string(b)); err == nil && len(f) > 0 {
		return f[0]
	}
	return "unknown"
}

func processor() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown processors"
	}
	defer f.Close()
	for in := bufio.NewScanner(f); in.Scan(); {
		if name, v, ok := strings.Cut(in.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return "unknown processors"
}
