package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"annals.dev/internal/disk/sim"
	"annals.dev/internal/wal"
	"annals.dev/sink"
	"annals.dev/sink/sinktest"
)

func TestFull(t *testing.T) {
	for _, c := range []struct {
		when WhenFull
		err  error
	}{{Block, context.DeadlineExceeded}, {Refuse, ErrFull}, {Drop, nil}} {
		t.Run(fmt.Sprint(c.when), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				d := sim.New(1)
				var works atomic.Bool
				m := &sinktest.Memory{Fail: func(context.Context, [][]byte) error {
					if works.Load() {
						return nil
					}
					return errNo
				}}
				s := start(t, d, Config{MaxBytes: 8 << 10, WhenFull: c.when}, m)
				var kept [][]byte
				var err error
				used := func() (n int64) {
					for _, f := range s.log.Files() {
						n += f.Size
					}
					return n
				}
				for i := 0; used() < 7<<10; i++ {
					must(t, s.Send(ctx, events(i, 1)...))
					kept = append(kept, events(i, 1)...)
				}
				big := sinktest.Event(1000, 2<<10)
				for range 3 {
					short, cancel := context.WithTimeout(ctx, time.Minute)
					if err = s.Send(short, big); !errors.Is(err, c.err) {
						t.Errorf("full: %v, want %v", err, c.err)
					}
					cancel()
				}
				if used() > 8<<10 {
					t.Errorf("%d bytes are used", used())
				}
				works.Store(true)
				time.Sleep(2 * time.Minute)
				must(t, s.Send(ctx, big))
				must(t, s.Close(ctx))
				if got := m.Events(); !slices.EqualFunc(got, append(kept, big), bytes.Equal) {
					t.Errorf("%d events arrived, want %d", len(got), len(kept)+1)
				}
			})
		})
	}
}

// A Send that waits for room gets it as soon as the receiver takes something, even in the file that is being written.
func TestRoomIsMade(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := &sinktest.Memory{}
		s := start(t, sim.New(1), Config{MaxBytes: 6 << 10}, m)
		for i := range 100 {
			must(t, s.Send(ctx, sinktest.Event(i, 3<<10)))
		}
		must(t, s.Close(ctx))
		if n := len(m.Events()); n != 100 {
			t.Errorf("%d events arrived", n)
		}
	})
}

func TestTooLarge(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, sim.New(1), Config{MaxBytes: 6 << 10}, &sinktest.Memory{})
		if err := s.Send(ctx, sinktest.Event(1, 6<<10)); !errors.Is(err, ErrFull) {
			t.Errorf("%v", err)
		}
		must(t, s.Close(ctx))
	})
}

// Events that are too much for the spool together go through it in parts; if it refuses a later part, the earlier ones are there.
func TestTooLargeTogether(t *testing.T) {
	bubble(t, func(t *testing.T) {
		all := events(0, 100)
		m := &sinktest.Memory{}
		s := start(t, sim.New(1), Config{MaxBytes: 6 << 10}, m)
		must(t, s.Send(ctx, all...))
		must(t, s.Close(ctx))
		if got := m.Events(); !slices.EqualFunc(got, all, bytes.Equal) {
			t.Errorf("%d events came, of %d", len(got), len(all))
		}

		m = &sinktest.Memory{Fail: down}
		d := sim.New(1)
		s = start(t, d, Config{MaxBytes: 6 << 10, WhenFull: Refuse}, m)
		err := s.Send(ctx, all...)
		partial, ok := errors.AsType[*sink.PartialError](err)
		if !ok || !errors.Is(err, ErrFull) || partial.Lost == 0 || partial.Lost >= len(all) {
			t.Fatalf("in an outage: %v", err)
		}
		must(t, s.Close(ctx))
		m = &sinktest.Memory{}
		s = start(t, d, Config{}, m)
		must(t, s.Close(ctx))
		if got := m.Events(); !slices.EqualFunc(got, all[:len(all)-partial.Lost], bytes.Equal) {
			t.Errorf("%d events were kept, where Send said %d of %d", len(got), len(all)-partial.Lost, len(all))
		}
	})
}

// A pause of centuries is a day: doubled, it would be none, or a panic.
func TestAbsurdBackoff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tries := 0
		m := &sinktest.Memory{Fail: func(context.Context, [][]byte) error {
			if tries++; tries < 8 {
				return errNo
			}
			return nil
		}}
		s := start(t, sim.New(1), Config{MinBackoff: 1<<63 - 1}, m)
		must(t, s.Send(ctx, events(0, 1)...))
		time.Sleep(7 * 29 * time.Hour)
		synctest.Wait()
		if len(m.Events()) != 1 || tries != 8 {
			t.Errorf("%d tries, %d events", tries, len(m.Events()))
		}
		must(t, s.Close(ctx))
	})
}

// A disk that others have filled is a full spool; when there is room again, it goes on.
func TestFullDisk(t *testing.T) {
	for _, when := range []WhenFull{Block, Refuse, Drop} {
		t.Run(fmt.Sprint(when), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				d := sim.New(1)
				m := &sinktest.Memory{}
				s := start(t, d, Config{WhenFull: when}, m)
				full := true
				var mu sync.Mutex
				d.Plan(func(op sim.Op) sim.Fault {
					mu.Lock()
					defer mu.Unlock()
					if full && op.Kind == sim.Write {
						return sim.Short
					}
					return sim.None
				})
				time.AfterFunc(time.Minute, func() {
					mu.Lock()
					defer mu.Unlock()
					full = false
				})
				err := s.Send(ctx, events(0, 1)...)
				if want := map[WhenFull]error{Block: nil, Refuse: ErrFull, Drop: nil}[when]; !errors.Is(err, want) {
					t.Errorf("%v, want %v", err, want)
				}
				time.Sleep(2 * time.Minute)
				must(t, s.Send(ctx, events(1, 1)...))
				must(t, s.Close(ctx))
				if want := map[WhenFull]int{Block: 2, Refuse: 1, Drop: 1}[when]; len(m.Events()) != want {
					t.Errorf("%d events arrived, want %d", len(m.Events()), want)
				}
			})
		})
	}
}

// On a full disk a new file cannot be begun; that must not keep the spool from removing those that are delivered, which is what
// makes room.
func TestRoomIsMadeOnAFullDisk(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := sim.New(1)
		gate := make(chan struct{})
		m := &sinktest.Memory{Fail: func(context.Context, [][]byte) error { <-gate; return nil }}
		s := start(t, d, Config{MaxBytes: 64 << 10}, m)
		must(t, s.Send(ctx, events(0, 1)...))
		synctest.Wait() // it is under way
		for i := range 60 {
			must(t, s.Send(ctx, events(i+1, 1)...))
		}
		if len(s.log.Files()) < 3 {
			t.Fatalf("only %d files", len(s.log.Files()))
		}
		var full atomic.Bool
		full.Store(true)
		d.Plan(func(op sim.Op) sim.Fault {
			if op.Kind == sim.Remove && path.Ext(op.Name) == ".wal" {
				full.Store(false)
			}
			if full.Load() && op.Kind == sim.Write {
				return sim.Short
			}
			return sim.None
		})
		time.AfterFunc(10*time.Second, func() { close(gate) }) // and all the rest is one batch
		waiting, cancel := context.WithTimeout(ctx, time.Hour)
		defer cancel()
		if err := s.Send(waiting, events(61, 1)...); err != nil {
			t.Errorf("with all delivered: %v", err)
		}
		must(t, s.Close(ctx))
	})
}

// After a failed fsync nothing is taken until the spool is opened anew.
func TestFailedFsync(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := sim.New(1)
		m := &sinktest.Memory{Fail: down}
		s := start(t, d, Config{WhenFull: Drop}, m)
		must(t, s.Send(ctx, events(0, 1)...))
		d.Plan(func(op sim.Op) sim.Fault {
			if op.Kind == sim.Sync {
				return sim.Lost
			}
			return sim.None
		})
		for i := range 2 {
			if err := s.Send(ctx, events(1+i, 1)...); !errors.Is(err, wal.ErrFailed) {
				t.Errorf("%v", err)
			}
			d.Plan(nil)
		}
		must(t, s.Close(ctx))
		m = &sinktest.Memory{}
		s = start(t, d, Config{}, m)
		must(t, s.Send(ctx, events(3, 1)...))
		must(t, s.Close(ctx))
		got := m.Events()
		if len(got) < 2 || !bytes.Equal(got[0], sinktest.Event(0, 0)) || !bytes.Equal(got[len(got)-1], sinktest.Event(3, 0)) {
			t.Errorf("%q", got)
		}
	})
}

// A Send whose context ends while its events are written returns when they are: until then they are read.
func TestContextEndsInTheWrite(t *testing.T) {
	for _, fault := range []sim.Fault{sim.None, sim.Full} {
		bubble(t, func(t *testing.T) {
			d := sim.New(1)
			s := start(t, d, Config{}, &sinktest.Memory{})
			short, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			slept := false
			d.Plan(func(op sim.Op) sim.Fault {
				if op.Kind != sim.Write || slept {
					return sim.None
				}
				slept = true
				time.Sleep(time.Minute)
				return fault
			})
			begun := time.Now()
			err := s.Send(short, events(0, 1)...)
			if want := map[sim.Fault]error{sim.None: nil, sim.Full: context.DeadlineExceeded}[fault]; !errors.Is(err, want) || time.Since(begun) != time.Minute {
				t.Errorf("after %v: %v, want %v", time.Since(begun), err, want)
			}
			must(t, s.Close(ctx))
		})
	}
}

// An event that cannot be put aside is not given up.
func TestRefusedOnAFullDisk(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := sim.New(1)
		begun := time.Now()
		d.Plan(func(op sim.Op) sim.Fault {
			if op.Name == refusedFile && time.Since(begun) < time.Minute {
				return []sim.Fault{sim.Full, sim.Short, sim.Done}[op.N%3]
			}
			return sim.None
		})
		refuse := func(context.Context, [][]byte) error { return &sink.RefusedError{Reason: "400"} }
		s := start(t, d, Config{}, &sinktest.Memory{Fail: refuse})
		must(t, s.Send(ctx, events(0, 3)...))
		time.Sleep(10 * time.Minute)
		must(t, s.Close(ctx))
		there := map[string]bool{}
		for _, e := range readRefused(t, d) {
			there[string(e)] = true
		}
		if len(there) != 3 {
			t.Errorf("%d events are put aside", len(there))
		}
	})
}
