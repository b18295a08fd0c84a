package spool

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"annals.dev/internal/disk/sim"
	"annals.dev/internal/wal"
	"annals.dev/sink"
	"annals.dev/sink/sinktest"
)

// times is how often a test does something: what the environment says, or a few.
func times(t *testing.T, variable string, few int) int {
	s := os.Getenv(variable)
	if s == "" {
		return few
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("%s=%q is no number", variable, s)
	}
	return n
}

// life is one spool through kills and power cuts, and what is known of its events.
type life struct {
	t    *testing.T
	seed uint64
	rng  *rand.Rand // the test's own goroutine's
	step int
	next int // number of the last event
	d    *sim.FS
	cfg  Config
	s    *Spool

	mu     sync.Mutex
	faults int            // so far; with any, the disk may fail the spool
	kept   map[string]int // events for which Send returned nil, and in which step that was
	ears   *rand.Rand     // the receiver's
	come   []string       // what the receiver has taken, in order
	mood   int            // of the receiver: how many of 100 calls fail
	alive  *sim.FS        // the disk whose process the receiver listens to
}

func (r *life) fatalf(format string, args ...any) {
	r.t.Helper()
	r.t.Fatalf("seed %d: "+format, append([]any{r.seed}, args...)...)
}

const poison = `"userAgent":"poison`

// Send is the receiver. What it takes after the power is off would hide a loss, so then it takes nothing.
func (r *life) Send(ctx context.Context, events ...[]byte) error {
	r.mu.Lock()
	mood := r.ears.IntN(100)
	r.mu.Unlock()
	if mood%3 == 0 {
		select {
		case <-time.After(time.Duration(mood) * 100 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	_, off := r.disk().Stat(".")
	r.mu.Lock()
	defer r.mu.Unlock()
	if off != nil || mood < r.mood {
		return errNo
	}
	for _, e := range events {
		if strings.Contains(string(e), poison) {
			return &sink.RefusedError{Reason: "poison"}
		}
	}
	for _, e := range events {
		r.come = append(r.come, string(e))
	}
	if mood%7 == 0 {
		return errNo // it took them, and the answer was lost
	}
	return nil
}

func (r *life) Close(context.Context) error { return nil }
func (r *life) String() string              { return "receiver" }

func (r *life) disk() *sim.FS {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.alive
}

func (r *life) over(err error) bool {
	return errors.Is(err, sim.ErrCrashed) || errors.Is(err, wal.ErrFailed)
}

// start opens the spool on the disk as it is; it may be cut short, too.
func (r *life) start(plan func(sim.Op) sim.Fault) bool {
	r.t.Helper()
	r.mu.Lock()
	r.alive, r.mood = r.d, []int{0, 20, 90, 100}[r.rng.IntN(4)]
	r.mu.Unlock()
	r.d.Plan(plan)
	s, err := open(r.d, r.cfg, r)
	if err == nil {
		r.s = s
		return true
	}
	r.mu.Lock()
	faults := r.faults
	r.mu.Unlock()
	var corrupt *wal.CorruptError
	if !r.over(err) && faults == 0 || errors.As(err, &corrupt) {
		r.fatalf("open: %v", err)
	}
	return false
}

// event makes one of random size; the sender and its number are the audit ID, so that the order can be told.
func (r *life) event() []byte {
	r.next++
	e := sinktest.Event(r.next, r.rng.IntN(900))
	if r.rng.IntN(25) == 0 {
		e = []byte(strings.Replace(string(e), `"verb":`, poison+`","verb":`, 1))
	}
	return e
}

func (r *life) work(steps int) {
	for range steps {
		r.step++
		switch r.rng.IntN(8) {
		case 0:
			time.Sleep(time.Duration(r.rng.IntN(5000)) * time.Millisecond)
		case 1:
			time.Sleep(2 * time.Minute)
		default:
			var wg sync.WaitGroup
			for range 1 + r.rng.IntN(3) {
				var batch [][]byte
				for range 1 + r.rng.IntN(6) {
					batch = append(batch, r.event())
				}
				wg.Go(func() { r.send(batch) })
			}
			wg.Wait()
		}
		if _, err := r.d.Stat("."); err != nil {
			return
		}
	}
}

func (r *life) send(batch [][]byte) {
	short, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := r.s.Send(short, batch...)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		if r.faults == 0 && !r.over(err) && !errors.Is(err, ErrFull) && !errors.Is(err, context.DeadlineExceeded) {
			r.t.Errorf("seed %d: Send, with nothing wrong with the disk: %v", r.seed, err)
		}
		return
	}
	for _, e := range batch {
		r.kept[string(e)] = r.step
	}
}

// stop ends the process, in one of four ways, and checks what bounds there are.
func (r *life) stop() (cut bool) {
	used := int64(0)
	for _, f := range r.s.log.Files() {
		used += f.Size
	}
	if used > r.cfg.MaxBytes {
		r.fatalf("%d bytes are used of %d", used, r.cfg.MaxBytes)
	}
	how := r.rng.IntN(4)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	switch how {
	case 0: // in peace
		grace, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = r.s.Close(grace)
		if _, err := r.d.Stat("."); err != nil {
			r.d = r.d.Crash()
			return true
		}
		return false
	case 1:
		next := r.d.Kill()
		_ = r.s.Close(over)
		r.d = next
	default:
		next := r.d.Crash()
		_ = r.s.Close(over)
		r.d = next
		return true
	}
	return false
}

// crashAt plans the moment of the cut.
func (r *life) crashAt(plan func(sim.Op) sim.Fault) func(sim.Op) sim.Fault {
	left := r.rng.IntN(400)
	if r.rng.IntN(3) == 0 {
		left = r.rng.IntN(20)
	}
	return func(op sim.Op) sim.Fault {
		if left--; left < 0 {
			return sim.Crash
		}
		return plan(op)
	}
}

// check opens the spool a last time, with a receiver and a disk that work, and counts.
func (r *life) check() {
	r.t.Helper()
	if !r.start(nil) {
		r.fatalf("it does not open at last")
	}
	r.mu.Lock()
	r.mood = 0
	r.mu.Unlock()
	time.Sleep(time.Hour)
	if err := r.s.Close(context.Background()); err != nil {
		r.fatalf("close: %v", err)
	}
	there := map[string]bool{}
	step := 0
	for _, e := range r.come {
		if of, kept := r.kept[e]; kept && !there[e] {
			if of < step {
				r.fatalf("an event of step %d came after one of step %d", of, step)
			}
			step = of
		}
		there[e] = true
	}
	for _, e := range readRefused(r.t, r.d) {
		there[string(e)] = true
		if !strings.Contains(string(e), poison) {
			r.fatalf("put aside, though nobody refused it: %.200s", e)
		}
	}
	lost := 0
	for e := range r.kept {
		if !there[e] {
			lost++
		}
	}
	if lost > 0 {
		r.fatalf("%d of %d events that Send took are lost", lost, len(r.kept))
	}
}

// TestPowerCuts is random lives: a receiver that comes and goes and refuses some, a spool that is mostly full, faults of the disk,
// kills and power cuts at any operation. Nothing that Send took is lost. ANNALS_CUTS says how many cuts.
func TestPowerCuts(t *testing.T) {
	want := times(t, "ANNALS_CUTS", 150)
	cuts, kept, again, refused := 0, 0, 0, 0
	for seed := uint64(0); cuts < want; seed++ {
		synctest.Test(t, func(t *testing.T) {
			r := &life{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), d: sim.New(seed), kept: map[string]int{}, ears: rand.New(rand.NewPCG(seed, 3))}
			r.cfg = Config{MaxBytes: 24 << 10, MaxBatchSize: 1 + r.rng.IntN(20), MaxBatchBytes: 4 << 10,
				WhenFull: []WhenFull{Block, Refuse}[r.rng.IntN(2)], Log: quiet}
			rate, faults := []int{0, 2, 20}[r.rng.IntN(3)], sim.Faults()
			rng := rand.New(rand.NewPCG(seed, 2)) // the disk's mutex guards it
			plan := func(sim.Op) sim.Fault {
				if rng.IntN(1000) < rate {
					r.mu.Lock()
					defer r.mu.Unlock()
					r.faults++
					return faults[rng.IntN(len(faults))]
				}
				return sim.None
			}
			for range 1 + r.rng.IntN(6) {
				if !r.start(r.crashAt(plan)) {
					r.d = r.d.Crash()
					cuts++
					continue
				}
				r.work(r.rng.IntN(30))
				if r.stop() {
					cuts++
				}
			}
			r.check()
			kept, again = kept+len(r.kept), again+len(r.come)
			refused += len(readRefused(t, r.d))
		})
	}
	t.Log(fmt.Sprintf("%d cuts, %d events taken, %d deliveries, %d put aside", cuts, kept, again, refused))
	if kept == 0 || again == 0 || refused == 0 {
		t.Error("the test tests nothing")
	}
}

// TestEveryFault does the same work again and again, with another operation of the disk failing in another way each time.
func TestEveryFault(t *testing.T) {
	work := func(t *testing.T, n int, fault sim.Fault) (ops int) {
		synctest.Test(t, func(t *testing.T) {
			r := &life{t: t, seed: uint64(n), rng: rand.New(rand.NewPCG(7, 1)), d: sim.New(7), kept: map[string]int{}, ears: rand.New(rand.NewPCG(7, 3))}
			r.cfg = Config{MaxBytes: 12 << 10, MaxBatchSize: 4, WhenFull: Refuse, Log: quiet}
			if fault != sim.None {
				r.faults = 1
			}
			r.alive = r.d
			done := 0
			if r.start(func(op sim.Op) sim.Fault {
				if done++; op.N == n {
					return fault
				}
				return sim.None
			}) {
				r.mood = 0
				for i := range 12 {
					r.step++
					r.send([][]byte{r.event(), []byte(strings.Replace(string(r.event()), `"verb":`, poison+`","verb":`, 1))})
					if i == 6 {
						time.Sleep(time.Minute)
					}
				}
				over, cancel := context.WithCancel(context.Background())
				cancel()
				next := r.d.Crash()
				_ = r.s.Close(over)
				r.d = next
			} else {
				r.d = r.d.Crash()
			}
			ops = done
			r.check()
		})
		return ops
	}
	ops := work(t, -1, sim.None)
	for _, fault := range sim.Faults() {
		for n := range ops {
			work(t, n, fault)
		}
	}
	t.Logf("%d operations, each with %d faults", ops, len(sim.Faults()))
}
