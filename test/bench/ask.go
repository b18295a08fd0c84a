package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"annals.dev/internal/ledger"
	"annals.dev/internal/query"
)

// rounds is how many values each question is asked with.
const rounds = 20

// answers are what the process that asks tells the one that started it.
type answers struct {
	Of        []answer
	RSS, Peak int64 // of the process, after all questions
}

// answer is what a question took, over its values.
type answer struct {
	Name, Must  string
	Rows        int // of all values
	Median, Max time.Duration
	First       time.Duration // the median of the first time with each value
	CPU         time.Duration // the median of what the process used: on a busy machine it says more than the clock does
	Slowest     string        // the text that took Max
}

func (a *answers) get(name string) answer {
	i := slices.IndexFunc(a.Of, func(x answer) bool { return x.Name == name })
	return a.Of[i]
}

// question is asked with its i-th value, and gives how many rows came and how long that took.
type question struct {
	name string
	ask  func(ctx context.Context, i int) (rows int, took time.Duration, text string, err error)
	n    int // values
	must string
}

// ask opens a ledger and asks one set of questions.
func ask(args []string) error {
	f := flag.NewFlagSet("ask", flag.ContinueOnError)
	data := f.String("data", "", "the ledger")
	set := f.String("set", "search", "search, words, hour or screens")
	only := f.String("only", "", "ask only what begins so")
	profile := f.String("cpuprofile", "", "write a CPU profile here")
	verbose := f.Bool("v", false, "tell of each value")
	if err := f.Parse(args); err != nil {
		return err
	}
	l, err := ledger.Open(*data, ledger.Options{})
	if err != nil {
		return err
	}
	defer l.Close()
	e, err := query.New(l.Snapshot, query.Options{Dir: *data})
	if err != nil {
		return err
	}
	defer e.Close()
	ctx := context.Background()
	questions, err := questionsOf(ctx, l, e, *set)
	if err != nil {
		return err
	}
	if *profile != "" {
		p, err := os.Create(*profile)
		if err != nil {
			return err
		}
		defer p.Close()
		if err := pprof.StartCPUProfile(p); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	var a answers
	for _, q := range questions {
		if !strings.HasPrefix(q.name, *only) {
			continue
		}
		got, err := q.measure(ctx, *verbose)
		if err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
		a.Of = append(a.Of, got)
	}
	if a.RSS, err = memoryOf(os.Getpid(), "VmRSS"); err != nil {
		return err
	}
	if a.Peak, err = memoryOf(os.Getpid(), "VmHWM"); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(a)
}

// measure asks with every value twice; the first time brings the files into the page cache.
func (q question) measure(ctx context.Context, verbose bool) (a answer, err error) {
	a.Name, a.Must = q.name, q.must
	var all, first, used []time.Duration
	for i := range 2 * q.n {
		before, err := ownCPU()
		if err != nil {
			return a, err
		}
		rows, took, text, err := q.ask(ctx, i%q.n)
		if err != nil {
			return a, err
		}
		after, err := ownCPU()
		if err != nil {
			return a, err
		}
		if i < q.n {
			first = append(first, took)
			continue
		}
		a.Rows += rows
		if verbose {
			say("%s: %.1f ms, CPU %.1f, %d rows: %s", q.name, ms(took), ms(after-before), rows, text)
		}
		all, used = append(all, took), append(used, after-before)
		if took > a.Max {
			a.Max, a.Slowest = took, text
		}
	}
	a.Median, a.First, a.CPU = median(all), median(first), median(used)
	return a, nil
}

// askIn asks a set of questions in a process of its own.
func (c *config) askIn(ctx context.Context, data, set string) (*answers, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "ask", "-data", data, "-set", set)
	if c.profile != "" && set == "search" {
		cmd.Args = append(cmd.Args, "-cpuprofile", c.profile+".ask")
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("asking: %w", err)
	}
	a := new(answers)
	return a, json.Unmarshal(out, a)
}

var errEnough = errors.New("enough")
