package diff

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/klog/v2"
	"pgregory.net/rapid"
)

// budget is how many random cases a run compares, over all tests.
var budget = 100_000

// compared counts the random cases of this run.
var compared atomic.Int64

func TestMain(m *testing.M) {
	flag.Parse()
	if s := os.Getenv("ANNALS_CASES"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			fmt.Fprintf(os.Stderr, "ANNALS_CASES is %q: it must be the number of random cases, such as 1000000\n", s)
			os.Exit(2)
		}
		budget = n
	}
	quiet()
	must(flag.Set("rapid.nofailfile", "true"))
	seed := flag.Lookup("rapid.seed")
	if seed.Value.String() == "0" {
		must(seed.Value.Set(strconv.FormatInt(time.Now().UnixNano(), 10)))
	}
	code := m.Run()
	fmt.Printf("%d random cases with seed %s\n", compared.Load(), seed.Value)
	whole := budget >= 100_000 && flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.skip").Value.String() == "" && !testing.Short()
	if stale := unneeded(); code == 0 && whole && len(stale) > 0 {
		fmt.Printf("FAIL: no case of this run needed these entries of Differences, so they are out of date: %v\n", stale)
		code = 1
	}
	os.Exit(code)
}

// quiet makes upstream's code keep what it would log to itself: it logs every event that is lost, and tests lose many.
func quiet() {
	var flags flag.FlagSet
	klog.InitFlags(&flags)
	must(flags.Set("logtostderr", "false"))
	must(flags.Set("stderrthreshold", "FATAL"))
	klog.SetOutput(io.Discard)
}

// check compares permille thousandths of the budget. A failing case is made as small as it gets and printed, with how to
// repeat it.
func check(t *testing.T, permille int, property func(*rapid.T)) {
	t.Helper()
	n := max(budget*permille/1000, 20)
	must(flag.Set("rapid.checks", strconv.Itoa(n)))
	rapid.Check(t, property)
	compared.Add(int64(n))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
