package ledger

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"annals.dev/internal/disk/sim"
)

// cuts is how many power cuts and kills a test makes: ANNALS_CUTS, or a few.
func cutsToMake(t *testing.T, few int) int {
	s := os.Getenv("ANNALS_CUTS")
	if s == "" {
		return few
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("ANNALS_CUTS=%q is no number", s)
	}
	return n
}

// over says that nothing more comes of this process. A ledger that cannot seal any more keeps its writers waiting.
func (r *life) over(err error) bool {
	if errors.Is(err, ErrBusy) {
		_, err = r.d.Stat(".")
	}
	return errors.Is(err, sim.ErrCrashed) || errors.Is(err, ErrFailed)
}

// excuse fails the test for an error that no fault explains.
func (r *life) excuse(what string, err error) {
	r.t.Helper()
	if err != nil && r.faults.Load() == 0 && !r.over(err) {
		r.fatalf("%s, with nothing wrong with the disk: %v", what, err)
	}
}

// work delivers, seals, waits and reads for a while, or until the disk or the ledger is dead.
func (r *life) work(steps int) {
	r.t.Helper()
	clusters := []string{"prod", "prod", "dev", "a.b"}
	var snapshot *Snapshot
	var before [][]held
	defer func() {
		if snapshot != nil {
			snapshot.Release()
		}
	}()
	for range steps {
		cluster := clusters[r.rng.IntN(len(clusters))]
		switch r.rng.IntN(12) {
		case 0:
			err := r.l.Seal(context.Background())
			r.excuse("seal", err)
			if r.over(err) {
				return
			}
		case 1, 2:
			time.Sleep(time.Duration(r.rng.IntN(4000)) * time.Millisecond)
		case 3:
			time.Sleep(time.Minute)
		case 4:
			if r.truth(cluster).size > 0 {
				r.sign(cluster)
			}
		case 5:
			if snapshot == nil {
				snapshot = r.l.Snapshot()
				before = r.peek(snapshot)
			} else if after := r.peek(snapshot); before != nil && after != nil && !slices.EqualFunc(before, after, sameEvents) {
				r.fatalf("a snapshot changed")
			}
		case 6, 7: // several at once
			n := 2 + r.rng.IntN(3)
			taken := make(map[*piece]bool)
			var all []*delivery
			for range n {
				all = append(all, r.delivery(clusters[r.rng.IntN(len(clusters))], taken))
			}
			var wg sync.WaitGroup
			for _, d := range all {
				wg.Go(func() { r.send(d) })
			}
			if r.rng.IntN(2) == 0 {
				wg.Go(func() { _ = r.l.Seal(context.Background()) })
			}
			wg.Wait()
			dead := false
			for _, d := range all {
				r.settle(d)
				r.excuse("append", d.err)
				dead = dead || r.over(d.err)
			}
			if dead {
				return
			}
		default:
			d := r.delivery(cluster, make(map[*piece]bool))
			r.send(d)
			r.settle(d)
			r.excuse("append", d.err)
			if r.over(d.err) {
				return
			}
		}
	}
}

// peek reads all of a snapshot; nil if the disk does not let it.
func (r *life) peek(s *Snapshot) (all [][]held) {
	r.t.Helper()
	for _, c := range s.Clusters {
		got, err := read(s, c.Name)
		var wrong *wrongError
		if errors.As(err, &wrong) {
			r.fatalf("cluster %s: %v", c.Name, err)
		}
		if err != nil {
			return nil
		}
		all = append(all, got)
	}
	return all
}

func sameEvents(a, b []held) bool {
	return slices.EqualFunc(a, b, func(x, y held) bool { return x.leaf == y.leaf && bytes.Equal(x.bytes, y.bytes) })
}

// one runs a life in a bubble of its own, where time passes when everybody waits for it.
func one(t *testing.T, f func(t *testing.T)) {
	warm(t)
	synctest.Test(t, f)
}

// crashAt plans the moment of the cut: after so many operations of any kind, or of those that write to the log, or of those that
// change names. Until then it is plan's.
func crashAt(rng *rand.Rand, plan func(sim.Op) sim.Fault) func(sim.Op) sim.Fault {
	which, left := rng.IntN(3), rng.IntN(20)
	if which == 0 {
		left = rng.IntN(600)
	}
	return func(op sim.Op) sim.Fault {
		switch which {
		case 1:
			if !strings.HasPrefix(op.Name, walDir+"/") || op.Kind != sim.Write && op.Kind != sim.Sync {
				return plan(op)
			}
		case 2:
			if op.Kind != sim.Rename && op.Kind != sim.SyncDir && op.Kind != sim.Remove && op.Kind != sim.Create {
				return plan(op)
			}
		}
		if left--; left < 0 {
			return sim.Crash
		}
		return plan(op)
	}
}

// TestPowerCuts is random lives: faults at random, any number of kills and power cuts, at any operation, while events come, are
// sealed and merged, and while the ledger recovers from the cut before. ANNALS_CUTS says how many cuts.
func TestPowerCuts(t *testing.T) {
	want := cutsToMake(t, 250)
	cuts, unsaid, torn, held := 0, 0, 0, 0
	for seed := uint64(0); cuts < want; seed++ {
		one(t, func(t *testing.T) {
			r := newLife(t, seed)
			rate := []int{0, 2, 20}[r.rng.IntN(3)] // faults in a thousand operations
			faults := sim.Faults()
			rng := rand.New(rand.NewPCG(seed, 8)) // the disk's mutex guards it
			plan := func(sim.Op) sim.Fault {
				if rng.IntN(1000) < rate {
					r.faults.Add(1)
					return faults[rng.IntN(len(faults))]
				}
				return sim.None
			}
			for range 1 + r.rng.IntN(5) {
				r.start(plan)
				r.d.Plan(crashAt(r.rng, plan))
				r.work(r.rng.IntN(24))
				if err := r.l.Seal(context.Background()); err != nil {
					r.excuse("seal", err)
				}
				if r.rng.IntN(8) == 0 {
					_ = r.l.Close()
				}
				r.stop(r.rng.IntN(4) > 0)
			}
			r.start(nil)
			for _, c := range r.clusters {
				held += c.size
			}
			r.after()
			cuts += r.cuts
			unsaid += r.unsaid
			torn += r.torn
		})
		if t.Failed() {
			return
		}
	}
	t.Logf("%d cuts, %d torn tails, %d batches that were kept though nobody was told, %d events at the end", cuts, torn, unsaid, held)
	if torn == 0 || unsaid == 0 {
		t.Error("no tail was ever torn, or no batch was ever kept unsaid: this tests nothing")
	}
}

// outcomes cuts the power once, and has it come out in several ways; the last one stays.
func (r *life) outcomes(n int) {
	r.t.Helper()
	d, l := r.d, r.l
	for range n {
		r.cuts++
		r.d = d.Crash()
		_ = l.Close()
		r.start(nil)
		l = r.l
	}
}

// script is a ledger's life with everything in it, always the same: it returns when the disk or the ledger is dead.
func (r *life) script() {
	r.t.Helper()
	ctx := context.Background()
	deliver := func(cluster string) error {
		d := r.delivery(cluster, make(map[*piece]bool))
		r.send(d)
		r.settle(d)
		return d.err
	}
	for _, step := range []func() error{
		func() error { return deliver("prod") },
		func() error { return deliver("dev") },
		func() error { return r.l.writeCheckpoints() },
		func() error { return deliver("prod") },
		func() error { return r.l.Seal(ctx) },
		func() error { return deliver("prod") },
		func() error { return deliver("prod") },
		func() error { return r.l.Seal(ctx) },
		func() error { return deliver("dev") },
		func() error { return r.l.writeCheckpoints() },
		func() error { return deliver("prod") },
	} {
		if err := step(); r.over(err) {
			return
		}
	}
}

// TestEveryFault has each operation of a ledger's life fail once, in each way; then the process ends in each way, and another cut
// comes right after the next start. A few of them, or with ANNALS_CUTS all.
func TestEveryFault(t *testing.T) {
	total := 0
	one(t, func(t *testing.T) {
		r := newLife(t, 0)
		r.start(nil)
		r.script()
		total = r.d.N()
	})
	step := 1
	if cutsToMake(t, 0) < total {
		step = 37
	}
	cuts, n := 0, 0
	for at := range total {
		for _, fault := range sim.Faults() {
			for _, power := range []bool{true, false} {
				if n++; n%step != 0 {
					continue
				}
				one(t, func(t *testing.T) {
					r := newLife(t, 0)
					r.where = "operation " + strconv.Itoa(at) + ", fault " + fault.String() + ", power " + strconv.FormatBool(power)
					r.start(nil)
					r.d.Plan(func(op sim.Op) sim.Fault {
						if op.N == at {
							return fault
						}
						return sim.None
					})
					r.script()
					r.stop(power)
					r.start(nil)
					r.outcomes(4)
					r.after()
					cuts += r.cuts
				})
				if t.Failed() {
					return
				}
			}
		}
	}
	t.Logf("%d operations, %d cuts", total, cuts)
}
