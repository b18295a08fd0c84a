package wal_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"annals.dev/internal/disk"
	"annals.dev/internal/disk/sim"
	"annals.dev/internal/wal"
)

// run is a log on a disk that fails, and what must be true of it.
type run struct {
	t   *testing.T
	rng *rand.Rand
	d   *sim.FS
	l   *wal.Log

	known    []record   // acknowledged, or replayed once; by sequence number, without gaps
	next     uint64     // after the last of them
	attempts [][]string // payloads of the Appends since, which failed or were cut
	dropped  uint32     // files below may be gone
	made     int        // payloads
	torn     int
	where    string // to find a failure again
}

func (r *run) fatalf(format string, args ...any) {
	r.t.Helper()
	r.t.Fatalf("%s: %s", r.where, fmt.Sprintf(format, args...))
}

type record struct {
	seq     uint64
	file    uint32
	payload string
}

func newRun(t *testing.T, seed uint64) *run {
	return &run{t: t, rng: rand.New(rand.NewPCG(seed, 1)), d: sim.New(seed), next: 1}
}

func (r *run) payload() string {
	r.made++
	size := r.rng.IntN(60)
	if r.rng.IntN(3) == 0 {
		size = r.rng.IntN(3000)
	}
	return fmt.Sprintf("%d:%s", r.made, strings.Repeat("x", size))
}

func (r *run) append(n int) error {
	var payloads [][][]byte
	var attempt []string
	for range n {
		p := r.payload()
		cut := r.rng.IntN(len(p) + 1)
		attempt = append(attempt, p)
		payloads = append(payloads, [][]byte{[]byte(p[:cut]), []byte(p[cut:])})
	}
	places, err := r.l.Append(payloads...)
	if err != nil {
		r.attempts = append(r.attempts, attempt)
		return err
	}
	for i, p := range places {
		if p.Seq != r.next || int(p.Len) != len(attempt[i]) {
			r.fatalf("frame %d of %d bytes, want %d of %d", p.Seq, p.Len, r.next, len(attempt[i]))
		}
		r.known = append(r.known, record{p.Seq, p.File, attempt[i]})
		r.next++
	}
	r.attempts = nil
	return nil
}

func (r *run) drop() error {
	files := r.l.Files()
	r.dropped = max(r.dropped, files[len(files)-1].File-uint32(r.rng.IntN(2)))
	return r.l.Drop(r.dropped)
}

// stop ends the process: power and all, or by a kill that leaves the kernel's cache.
func (r *run) stop(power bool) {
	if r.l != nil {
		r.l.Close()
		r.l = nil
	}
	if power {
		r.d = r.d.Crash()
	} else {
		r.d = r.d.Kill()
	}
}

// start makes or opens the log, until it succeeds, and holds it against what must be there.
func (r *run) start(plan func(sim.Op) sim.Fault) {
	r.t.Helper()
	for tries := 0; ; tries++ {
		if tries < 3 {
			r.d.Plan(plan)
		} else {
			r.d.Plan(nil)
		}
		var got []record
		l, report, err := wal.Open(r.d, "log", func(e wal.Entry) error {
			got = append(got, record{e.Seq, e.File, string(e.Payload)})
			return nil
		})
		if err == nil {
			r.l = l
			r.compare(got, report)
			return
		}
		if c := new(wal.CorruptError); errors.As(err, &c) {
			r.fatalf("a fault was taken for tampering: %v", err)
		}
		if _, serr := r.d.Stat("log/00000001.wal"); serr != nil && !errors.Is(serr, sim.ErrCrashed) && r.made == 0 {
			if err := wal.Create(r.d, "log"); err == nil {
				continue
			}
		}
		if tries == 5 {
			r.fatalf("a disk without faults, and it does not open: %v", err)
		}
		r.stop(r.rng.IntN(2) == 0)
	}
}

func (r *run) compare(got []record, report wal.Report) {
	r.t.Helper()
	if report.TornFile != 0 {
		r.torn++
	}
	first := report.Files[0].First
	for len(r.known) > 0 && r.known[0].seq < first && r.known[0].file < r.dropped {
		r.known = r.known[1:]
	}
	if begin := r.next - uint64(len(r.known)); first != begin {
		r.fatalf("the log begins with frame %d; acknowledged and not dropped is %d", first, begin)
	}
	if len(got) < len(r.known) || report.Next != first+uint64(len(got)) {
		r.fatalf("%d frames from %d, next is %d; %d were acknowledged", len(got), first, report.Next, len(r.known))
	}
	for i, g := range got {
		if g.seq != first+uint64(i) {
			r.fatalf("frame %d stands where %d is due", g.seq, first+uint64(i))
		}
		if i < len(r.known) {
			if g != r.known[i] {
				r.fatalf("frame %d has changed", g.seq)
			}
			continue
		}
		if !r.attempted(i-len(r.known), g.payload) {
			r.fatalf("frame %d was never written as such: %.20q", g.seq, g.payload)
		}
	}
	r.known, r.next, r.attempts = got, report.Next, nil
}

func (r *run) attempted(i int, payload string) bool {
	for _, a := range r.attempts {
		if i < len(a) && a[i] == payload {
			return true
		}
	}
	return false
}

// stays says that what the log shows is what it will show after a power cut.
func (r *run) stays() {
	r.t.Helper()
	next := r.d.Crash()
	i := 0
	report, err := wal.Check(next, "log", func(e wal.Entry) error {
		if i >= len(r.known) || r.known[i] != (record{e.Seq, e.File, string(e.Payload)}) {
			return fmt.Errorf("frame %d is another than the last start saw", e.Seq)
		}
		i++
		return nil
	})
	if err != nil || i != len(r.known) || report.TornFile != 0 {
		r.fatalf("after a start and a power cut: %d of %d frames, %v, %+v", i, len(r.known), err, report)
	}
	r.l.Close()
	r.d = next
}

// script is a log's life, with everything in it.
func (r *run) script() error {
	for _, step := range []func() error{
		func() error { return r.append(1) },
		func() error { return r.append(3) },
		func() error { return r.l.Rotate() },
		func() error { return r.append(2) },
		func() error { return r.l.Rotate() },
		r.drop,
		func() error { return r.append(1) },
		func() error { return r.append(2) },
	} {
		if err := step(); errors.Is(err, sim.ErrCrashed) {
			return err
		}
	}
	return nil
}

// Each operation of a log's life fails once, in each way; then the process ends in each way; then all must be well.
func TestEveryFault(t *testing.T) {
	probe := newRun(t, 0)
	probe.start(nil)
	if err := probe.script(); err != nil {
		t.Fatal(err)
	}
	torn := 0
	for n := range probe.d.N() {
		for _, fault := range sim.Faults() {
			for _, power := range []bool{true, false} {
				for seed := range uint64(6) {
					r := newRun(t, seed+uint64(n)*100)
					r.where = fmt.Sprintf("operation %d, fault %v, power cut %v, seed %d", n, fault, power, seed)
					hit := func(op sim.Op) sim.Fault {
						if op.N == n {
							return fault
						}
						return sim.None
					}
					r.start(hit)
					r.d.Plan(hit)
					_ = r.script()
					r.stop(power)
					r.start(nil)
					r.stays()
					torn += r.torn
				}
			}
		}
	}
	if torn == 0 {
		t.Fatal("no tail was ever torn: this tests nothing")
	}
}

// Each operation of a start fails once, in each way, when a batch was cut short before; then the process ends, and the next
// start must find all well.
func TestEveryFaultOfOpen(t *testing.T) {
	for n := range 40 {
		for _, fault := range sim.Faults() {
			for seed := range uint64(12) {
				r := newRun(t, seed)
				r.where = fmt.Sprintf("operation %d, fault %v, seed %d", n, fault, seed)
				r.start(nil)
				if err := r.script(); err != nil {
					t.Fatal(err)
				}
				r.d.Plan(func(op sim.Op) sim.Fault {
					if op.Kind == sim.Sync || op.Kind == sim.Truncate {
						return sim.Crash
					}
					if op.Kind == sim.Write && seed%2 == 0 {
						return sim.Short
					}
					return sim.None
				})
				if err := r.append(4); err == nil {
					t.Fatal("no fault")
				}
				r.stop(seed%3 > 0)
				r.start(func(op sim.Op) sim.Fault {
					if op.N == n {
						return fault
					}
					return sim.None
				})
				r.d.Plan(nil)
				if err := r.append(2); err != nil {
					t.Fatal(err)
				}
				r.stop(seed%4 > 0)
				r.start(nil)
				r.stays()
			}
		}
	}
}

// Random lives: faults at random, any number of kills and power cuts, while writing and while recovering. ANNALS_CUTS says
// how many lives; each has several cuts.
func TestPowerCuts(t *testing.T) {
	lives := 300
	if s := os.Getenv("ANNALS_CUTS"); s != "" {
		var err error
		if lives, err = strconv.Atoi(s); err != nil {
			t.Fatalf("ANNALS_CUTS=%q is no number", s)
		}
	}
	torn, cuts, frames := 0, 0, 0
	for seed := range uint64(lives) {
		r := newRun(t, seed)
		r.where = fmt.Sprintf("seed %d", seed)
		rate := []int{0, 3, 30}[r.rng.IntN(3)] // faults in a thousand operations
		faults := sim.Faults()
		plan := func(op sim.Op) sim.Fault {
			if r.rng.IntN(1000) < rate {
				return faults[r.rng.IntN(len(faults))]
			}
			return sim.None
		}
		for range 1 + r.rng.IntN(6) {
			r.start(plan)
			crashAt := r.d.N() + r.rng.IntN(40)
			r.d.Plan(func(op sim.Op) sim.Fault {
				if op.N == crashAt {
					return sim.Crash
				}
				return plan(op)
			})
			for range r.rng.IntN(20) {
				var err error
				switch r.rng.IntN(8) {
				case 0:
					err = r.l.Rotate()
				case 1:
					err = r.drop()
				default:
					err = r.append(1 + r.rng.IntN(4))
				}
				if errors.Is(err, sim.ErrCrashed) {
					break
				}
			}
			r.stop(r.rng.IntN(4) > 0)
			cuts++
		}
		r.start(nil)
		frames += len(r.known)
		r.stays()
		torn += r.torn
	}
	t.Logf("%d lives, %d cuts, %d torn tails, %d frames kept to the end", lives, cuts, torn, frames)
	if lives >= 100 && torn == 0 {
		t.Fatal("no tail was ever torn: this tests nothing")
	}
}

// A log that has failed stays failed, whatever the disk does afterwards.
func TestFailedSync(t *testing.T) {
	for _, fault := range []sim.Fault{sim.IO, sim.Lost, sim.Done, sim.Full} {
		t.Run(fault.String(), func(t *testing.T) {
			r := newRun(t, 1)
			r.start(nil)
			if err := r.append(1); err != nil {
				t.Fatal(err)
			}
			r.d.Plan(func(op sim.Op) sim.Fault {
				if op.Kind == sim.Sync {
					return fault
				}
				return sim.None
			})
			first := r.append(1)
			if !errors.Is(first, wal.ErrFailed) {
				t.Fatalf("after a failed fsync: %v", first)
			}
			r.d.Plan(nil)
			writes := r.d.Count(sim.Write)
			for _, err := range []error{r.append(1), r.l.Rotate(), r.l.Drop(9)} {
				if err == nil || err.Error() != first.Error() || !errors.Is(err, wal.ErrFailed) {
					t.Fatalf("later: %v, want %v", err, first)
				}
			}
			if r.d.Count(sim.Write) != writes {
				t.Fatal("it wrote on")
			}
			b := make([]byte, 3)
			if _, err := r.l.ReadAt(1, b, 0); err != nil {
				t.Fatalf("what is there cannot be read any more: %v", err)
			}
			r.stop(false)
			r.start(nil)
			if err := r.append(2); err != nil {
				t.Fatal(err)
			}
			r.stays()
		})
	}
}

// A full disk costs the batch that met it, and nothing else.
func TestFullDisk(t *testing.T) {
	for _, fault := range []sim.Fault{sim.Full, sim.Short} {
		for _, kind := range []sim.Kind{sim.Write, sim.Create, sim.Rename} {
			t.Run(fmt.Sprint(fault, "-", kind), func(t *testing.T) {
				r := newRun(t, 1)
				r.start(nil)
				if err := r.append(2); err != nil {
					t.Fatal(err)
				}
				full := func(op sim.Op) sim.Fault {
					if op.Kind == kind {
						return fault
					}
					return sim.None
				}
				for range 3 {
					r.d.Plan(full)
					if err := r.l.Rotate(); !disk.IsFull(err) || errors.Is(err, wal.ErrFailed) {
						t.Fatalf("Rotate on a full disk: %v", err)
					}
					if kind == sim.Write {
						if err := r.append(2); !disk.IsFull(err) || errors.Is(err, wal.ErrFailed) {
							t.Fatalf("Append to a full disk: %v", err)
						}
					}
					r.d.Plan(nil)
					if err := r.append(2); err != nil {
						t.Fatalf("once there is room: %v", err)
					}
				}
				if err := r.l.Rotate(); err != nil {
					t.Fatal(err)
				}
				if err := r.append(1); err != nil {
					t.Fatal(err)
				}
				r.stop(true)
				r.start(nil)
				if len(r.known) != 9 || r.torn != 0 {
					t.Fatalf("%d frames, %d torn tails; want 9, none", len(r.known), r.torn)
				}
			})
		}
	}
}

// A batch that failed does not come back under a file that was begun after it, whatever of it was on the disk.
func TestTakenBack(t *testing.T) {
	for seed := range uint64(100) {
		for _, fault := range []sim.Fault{sim.Short, sim.Done} {
			r := newRun(t, seed)
			r.where = fmt.Sprintf("fault %v, seed %d", fault, seed)
			r.start(nil)
			must(t, r.append(1))
			r.d.FailAt(r.d.N(), fault)
			if err := r.append(3); err == nil || errors.Is(err, wal.ErrFailed) {
				r.fatalf("%v", err)
			}
			must(t, r.l.Rotate())
			must(t, r.append(1))
			r.stop(true)
			r.start(nil)
			if len(r.known) != 2 || r.torn != 0 {
				r.fatalf("%d frames, %d torn tails", len(r.known), r.torn)
			}
		}
	}
}

// When a failed write cannot be taken back, the log has failed.
func TestFailedTruncate(t *testing.T) {
	r := newRun(t, 1)
	r.start(nil)
	r.d.Plan(func(op sim.Op) sim.Fault {
		switch op.Kind {
		case sim.Write:
			return sim.Short
		case sim.Truncate:
			return sim.IO
		}
		return sim.None
	})
	if err := r.append(1); !errors.Is(err, wal.ErrFailed) {
		t.Fatal(err)
	}
	r.d.Plan(nil)
	if err := r.append(1); !errors.Is(err, wal.ErrFailed) {
		t.Fatal(err)
	}
	r.stop(false)
	r.start(nil)
	if r.torn != 1 || len(r.known) != 0 {
		t.Fatalf("%d torn tails, %d frames", r.torn, len(r.known))
	}
	r.stays()
}
