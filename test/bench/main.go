// Bench measures what Annals promises about speed and size, beside what zstd takes for the same bytes on the same machine in
// the same minutes, and prints it as a table.
//
//	go run ./test/bench -corpus DIR
//
// DIR holds normal-full.log.gz, normal-gce.log.gz and normal-metadata.log.gz, recorded audit logs. It starts a real annals
// serve, delivers to it as kube-apiserver does, and waits until the server has sealed and merged all of it by itself. Questions
// are asked in a process of their own that opens the ledger, so that what is measured is the answer and not the way to it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

type config struct {
	corpus, dir, annals, profile string
	only                         []string
	large                        int
	sizes                        []int // of the ledgers that screens are asked of, in gigabytes
	keep                         bool
}

// The parts of the bench.
var parts = []string{"ingest", "search", "growth", "ask", "detect", "watch"}

func main() {
	var err error
	switch {
	case len(os.Args) > 1 && os.Args[1] == "serve":
		err = serve(os.Args[2:])
	case len(os.Args) > 1 && os.Args[1] == "ask":
		err = ask(os.Args[2:])
	default:
		err = bench()
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench() error {
	var c config
	only := flag.String("only", strings.Join(parts, ","), "which parts to run")
	flag.StringVar(&c.corpus, "corpus", "", "the directory of the recorded logs")
	flag.StringVar(&c.dir, "dir", os.TempDir(), "where to work, on a real disk: 5 GB, 12 GB for growth")
	flag.StringVar(&c.annals, "annals", "", "the binary to measure (default: built from this source)")
	flag.StringVar(&c.profile, "cpuprofile", "", "write a CPU profile of the server here, and of the questions to the same name and .ask")
	flag.IntVar(&c.large, "large", 10, "how many times larger the large ledger of growth is")
	sizes := flag.String("sizes", "1", "gigabytes of the ledgers of ask, such as 1,10")
	flag.BoolVar(&c.keep, "keep", false, "keep the ledgers")
	flag.Parse()
	if c.corpus == "" {
		return errors.New("say where the recorded logs are: make bench CORPUS=DIR, or -corpus DIR")
	}
	c.only = strings.Split(*only, ",")
	for _, p := range c.only {
		if !slices.Contains(parts, p) {
			return fmt.Errorf("-only %q: the parts are %s", p, strings.Join(parts, ", "))
		}
	}
	for _, s := range strings.Split(*sizes, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return fmt.Errorf("-sizes %q: whole gigabytes, such as 1,10", *sizes)
		}
		c.sizes = append(c.sizes, n)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return c.run(ctx)
}

func (c *config) run(ctx context.Context) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(c.dir, &fs); err != nil {
		return fmt.Errorf("%s: %w", c.dir, err)
	}
	if fs.Type == unix.TMPFS_MAGIC {
		return fmt.Errorf("%s is memory, and the bench is about a disk: choose another place with -dir", c.dir)
	}
	dir, err := os.MkdirTemp(c.dir, "annals-bench-")
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return err
	}
	if c.keep {
		say("keeping %s", dir)
	} else {
		defer os.RemoveAll(dir)
	}
	c.dir = dir
	if c.annals == "" && slices.ContainsFunc(c.only, func(p string) bool { return p != "ask" && p != "detect" }) {
		c.annals = filepath.Join(dir, "annals")
		say("building annals")
		build := exec.CommandContext(ctx, "go", "build", "-o", c.annals, "annals.dev/cmd/annals")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("building annals: %w", err)
		}
	}
	t := newTable()
	if slices.Contains(c.only, "ingest") {
		if err := c.ingest(ctx, t); err != nil {
			return fmt.Errorf("ingest: %w", err)
		}
	}
	if slices.Contains(c.only, "search") || slices.Contains(c.only, "growth") {
		if err := c.questions(ctx, t); err != nil {
			return err
		}
	}
	if slices.Contains(c.only, "ask") {
		if err := c.screens(ctx, t); err != nil {
			return fmt.Errorf("ask: %w", err)
		}
	}
	if slices.Contains(c.only, "detect") {
		if err := c.detection(ctx, t); err != nil {
			return fmt.Errorf("detect: %w", err)
		}
	}
	if slices.Contains(c.only, "watch") {
		if err := c.watching(ctx, t); err != nil {
			return fmt.Errorf("watch: %w", err)
		}
	}
	return t.print(os.Stdout)
}

// say tells of progress.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
