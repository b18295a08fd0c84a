// Bench measures what capture costs beside kube-apiserver's own auditing, in the same process and the same minutes, and prints
// it as a table.
//
//	cd test/diff && go run ./bench -corpus DIR
//
// DIR holds corpus/ with recorded logs and policies. All is driven in the process, without a network; only the webhook's
// receiver is another process. What is compared takes turns, and each figure is the median of the rounds. The processor's
// time is what getrusage says of the whole process, garbage collection included; it has one processor to itself.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"k8s.io/klog/v2"
)

type config struct {
	corpus, dir string
	only        []string
	rounds      int
}

var parts = []string{"decide", "record", "webhook", "overhead"}

func main() {
	var err error
	if len(os.Args) > 1 && os.Args[1] == "receive" {
		err = receive()
	} else {
		err = bench()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench() error {
	var c config
	only := flag.String("only", strings.Join(parts, ","), "which parts to run")
	profile := flag.String("cpuprofile", "", "write a CPU profile of our side here")
	flag.StringVar(&c.corpus, "corpus", "", "the folder that holds corpus/")
	flag.StringVar(&c.dir, "dir", os.TempDir(), "where the logs are written")
	flag.IntVar(&c.rounds, "rounds", 7, "how often each is measured")
	flag.Parse()
	if c.corpus == "" {
		return errors.New("say where the recorded logs are: -corpus DIR, the folder that holds corpus/")
	}
	if filepath.Base(filepath.Clean(c.corpus)) == "corpus" { // make bench names the folder within
		c.corpus = filepath.Dir(filepath.Clean(c.corpus))
	}
	c.only = strings.Split(*only, ",")
	for _, p := range c.only {
		if !slices.Contains(parts, p) {
			return fmt.Errorf("-only %q: the parts are %s", p, strings.Join(parts, ", "))
		}
	}
	var logging flag.FlagSet // upstream's code logs every event that it loses
	klog.InitFlags(&logging)
	if err := errors.Join(logging.Set("logtostderr", "false"), logging.Set("stderrthreshold", "FATAL")); err != nil {
		return err
	}
	klog.SetOutput(io.Discard)
	slog.SetDefault(slog.New(slog.DiscardHandler))
	stop, err := startProfile(*profile)
	if err != nil {
		return err
	}
	runtime.GOMAXPROCS(1) // with more, the garbage collector takes what is idle
	t := newTable()
	for _, part := range []struct {
		name string
		run  func(*config, *table) error
	}{{"decide", decide}, {"record", record}, {"webhook", webhooks}, {"overhead", overhead}} {
		if slices.Contains(c.only, part.name) {
			if err := part.run(&c, t); err != nil {
				return fmt.Errorf("%s: %w", part.name, err)
			}
		}
	}
	if err := stop(); err != nil {
		return err
	}
	return t.print(os.Stdout)
}
