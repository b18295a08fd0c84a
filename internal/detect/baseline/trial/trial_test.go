package trial

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"annals.dev/internal/detect"
	"annals.dev/internal/detect/baseline"
)

var (
	update = flag.Bool("update", false, "write the figures anew")
	seeds  = flag.Int("seeds", 1, "how many trials, of the seeds from 1 on; more than one are printed")
)

// TestFigures runs the first of the published seeds, and holds the result against what is published of it, to the last digit:
// the trial depends on the seed alone.
func TestFigures(t *testing.T) {
	r := NewResult()
	for seed := range *seeds {
		Run(uint64(seed)+1, r)
	}
	got := Table(r, *seeds)
	if *seeds > 1 {
		fmt.Print(got)
		return
	}
	const file = "testdata/seed1.txt"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("seed 1 gives other figures than %s has (go test ./internal/detect/baseline/trial -update, and make bench-baseline for the document):\n%s", file, got)
	}
	s := r.All[detect.Medium]
	if s.Attacked == 0 || s.Recall() < 0.5 || s.Precision() < 0.4 {
		t.Errorf("a baseline finds little: %+v", *s)
	}
}

// TestNotYetKnown is the other half of a benchmark: while actors are not known, nothing is told of them but their many changes,
// which are held against those of their peers.
func TestNotYetKnown(t *testing.T) {
	w := newWorld(7)
	b, found := baseline.New(), rules{}
	for day := range 5 {
		feed(b, w.day(day, nil), found)
	}
	delete(found, "annals-baseline-rate")
	if len(found) != 0 {
		t.Errorf("on the first days, these rules told something: %v", found)
	}
}

type rules map[string]int

func (r rules) Find(f *detect.Finding)    { r[f.Rule]++ }
func (rules) Withdraw(*detect.Withdrawal) {}
