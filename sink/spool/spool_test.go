package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"annals.dev/internal/disk"
	"annals.dev/internal/disk/sim"
	"annals.dev/internal/wal"
	"annals.dev/sink"
	"annals.dev/sink/sinktest"
)

var (
	ctx   = context.Background()
	quiet = slog.New(slog.DiscardHandler)
	errNo = errors.New("the receiver is down")
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func events(from, n int) (all [][]byte) {
	for i := range n {
		all = append(all, sinktest.Event(from+i, 0))
	}
	return all
}

func start(t *testing.T, d disk.FS, cfg Config, within sink.Sink) *Spool {
	t.Helper()
	cfg.Log = quiet
	s, err := open(d, cfg, within)
	must(t, err)
	return s
}

// kill ends a spool as a crash would: nothing more comes to the disk.
func kill(d *sim.FS, s *Spool) *sim.FS {
	next := d.Kill()
	_ = s.Close(ctx)
	return next
}

func down(context.Context, [][]byte) error { return errNo }

func TestSpoolIsASink(t *testing.T) {
	for _, cfg := range []Config{{}, {MaxBatchSize: 3, MaxBytes: 20 << 10, MaxBatchBytes: 1000}} {
		sinktest.Run(t, func(t *testing.T) sinktest.Subject {
			m := &sinktest.Memory{}
			cfg.Dir = filepath.Join(t.TempDir(), "spool")
			s, err := Open(cfg, m)
			must(t, err)
			return sinktest.Subject{Sink: s, Events: m.Events, String: "spool<memory>"}
		})
	}
}

// bubble runs a test where time passes when everybody waits for it.
func bubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }

func TestOutage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := &sinktest.Memory{}
		var tried []time.Duration
		begun := time.Now()
		m.Fail = func(context.Context, [][]byte) error {
			if tried = append(tried, time.Since(begun).Round(time.Second)); time.Since(begun) < 3*time.Minute {
				return errNo
			}
			return nil
		}
		metrics := sink.NewMetrics()
		s := start(t, sim.New(1), Config{MaxBatchSize: 10, MinBackoff: 10 * time.Second, MaxBackoff: time.Minute, Metrics: metrics}, m)
		must(t, s.Send(ctx, events(0, 25)...))
		time.Sleep(2 * time.Minute)
		if d := s.depth(); d.Events != 25 || d.Bytes != int64(25*len(sinktest.Event(0, 0))) || time.Since(d.Oldest).Round(time.Second) != 2*time.Minute {
			t.Errorf("%+v", d)
		}
		time.Sleep(4 * time.Minute)
		if got := m.Events(); !slices.EqualFunc(got, events(0, 25), bytes.Equal) {
			t.Errorf("%q", got)
		}
		if d := s.depth(); d != (sink.Depth{}) {
			t.Errorf("%+v", d)
		}
		for i, least := range []int{0, 10, 30, 70, 130, 190} {
			if i >= len(tried) || tried[i] < time.Duration(least)*time.Second || tried[i] > time.Duration(least*6/5+1)*time.Second {
				t.Errorf("tried after %v, want 0, 10, 30, 70, 130, 190 s and up to a fifth more", tried)
				break
			}
		}
		must(t, s.Close(ctx))
	})
}

// A batch is bounded in events and in bytes, but for a single event.
func TestBatches(t *testing.T) {
	bubble(t, func(t *testing.T) {
		gate := make(chan struct{})
		m := &sinktest.Memory{Fail: func(context.Context, [][]byte) error { <-gate; return nil }}
		one := len(sinktest.Event(0, 0))
		s := start(t, sim.New(1), Config{MaxBatchSize: 4, MaxBatchBytes: int64(5 * one)}, m)
		must(t, s.Send(ctx, sinktest.Event(0, 0)))
		synctest.Wait() // the first is under way
		must(t, s.Send(ctx, events(1, 5)...))
		must(t, s.Send(ctx, sinktest.Event(6, 10*one), sinktest.Event(7, 4*one), sinktest.Event(8, 4*one)))
		close(gate)
		must(t, s.Close(ctx))
		var got []int
		for _, b := range m.Batches() {
			got = append(got, len(b))
		}
		if want := []int{1, 4, 1, 1, 1, 1}; !slices.Equal(got, want) {
			t.Errorf("batches of %v events, want %v", got, want)
		}
	})
}

// What a receiver does not manage in time at once, it gets in smaller parts: the same batch again and again would never arrive.
func TestBatchTooLargeForTheReceiver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := &sinktest.Memory{Fail: func(_ context.Context, events [][]byte) error {
			if len(events) > 5 {
				return context.DeadlineExceeded
			}
			return nil
		}}
		s := start(t, sim.New(1), Config{MaxBatchSize: 40}, m)
		must(t, s.Send(ctx, events(0, 40)...))
		time.Sleep(time.Hour)
		if got := m.Events(); !slices.EqualFunc(got, events(0, 40), bytes.Equal) {
			t.Errorf("%d events arrived, of 40", len(got))
		}
		must(t, s.Close(ctx))
	})
}

// Senders that come together share an fsync.
func TestGroupCommit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := sim.New(1)
		s := start(t, d, Config{}, &sinktest.Memory{Fail: down})
		before := d.Count(sim.Sync)
		s.mu.Lock() // all come while nobody is served
		var all []*request
		for i := range 50 {
			all = append(all, &request{events: events(i*2, 2), size: 1000, answer: make(chan error, 1)})
		}
		s.pending = all
		s.mu.Unlock()
		wake(s.asked)
		for _, r := range all {
			must(t, <-r.answer)
		}
		if n := d.Count(sim.Sync) - before; n != 1 {
			t.Errorf("%d fsyncs for 50 senders", n)
		}
		if n := s.depth().Events; n != 100 {
			t.Errorf("%d events are there", n)
		}
		must(t, s.Close(ctx))
	})
}

// What was not delivered is, by the next process; what was, is not again, if there was time to say so.
func TestOpenAgain(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, d *sim.FS)
		want  int // the first that arrives
	}{
		{"goes on", func(*testing.T, *sim.FS) {}, 5},
		{"position is lost", func(t *testing.T, d *sim.FS) { must(t, d.Remove(positionFile)) }, 0},
		{"position is damaged", func(t *testing.T, d *sim.FS) {
			b, err := disk.ReadFile(d, positionFile)
			must(t, err)
			must(t, disk.WriteFile(d, positionFile, bytes.Replace(b, []byte(" 5 "), []byte(" 9 "), 1)))
		}, 0},
		{"position of another log", func(t *testing.T, d *sim.FS) {
			must(t, position{log: [16]byte{1}, done: 5}.save(d))
		}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				d := sim.New(1)
				m := &sinktest.Memory{}
				s := start(t, d, Config{}, m)
				must(t, s.Send(ctx, events(0, 5)...))
				synctest.Wait()
				m.Fail = down
				must(t, s.Send(ctx, events(5, 5)...))
				synctest.Wait()
				d = kill(d, s)
				c.spoil(t, d)
				m = &sinktest.Memory{}
				s = start(t, d, Config{}, m)
				must(t, s.Close(ctx))
				if got := m.Events(); !slices.EqualFunc(got, events(c.want, 10-c.want), bytes.Equal) {
					t.Errorf("%q arrived, want from %d on", got, c.want)
				}
			})
		})
	}
}

func TestNotTheLog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := sim.New(1)
		s := start(t, d, Config{}, &sinktest.Memory{Fail: down})
		must(t, s.Send(ctx, events(0, 3)...))
		id := s.log.ID()
		must(t, s.Close(ctx))
		must(t, position{log: id, done: 4}.save(d))
		if _, err := open(d, Config{Log: quiet}, &sinktest.Memory{}); err == nil || !strings.Contains(err.Error(), "the log is not the one that was here") {
			t.Errorf("%v", err)
		}
	})
}

// Close does not wait for a receiver that is down: what is left is safe.
func TestCloseInAnOutage(t *testing.T) {
	for _, hang := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			m := &sinktest.Memory{Fail: down}
			if hang {
				m.Fail = func(ctx context.Context, _ [][]byte) error { <-ctx.Done(); return ctx.Err() }
			}
			d := sim.New(1)
			s := start(t, d, Config{}, m)
			must(t, s.Send(ctx, events(0, 3)...))
			short, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			begun := time.Now()
			must(t, s.Close(short))
			if took := time.Since(begun); hang != (took == time.Minute) || !hang && took > 0 {
				t.Errorf("Close took %v", took)
			}
			if !m.Closed() {
				t.Error("the sink within is not closed")
			}
			m = &sinktest.Memory{}
			s = start(t, d, Config{}, m)
			must(t, s.Close(ctx))
			if len(m.Events()) != 3 {
				t.Errorf("%d events arrived later", len(m.Events()))
			}
		})
	}
}

// A sink that panics is tried again: an event is not lost for it.
func TestPanic(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := &sinktest.Memory{}
		left := 3
		m.Fail = func(context.Context, [][]byte) error {
			if left--; left >= 0 {
				panic("oh")
			}
			return nil
		}
		s := start(t, sim.New(1), Config{}, m)
		must(t, s.Send(ctx, events(0, 3)...))
		time.Sleep(time.Minute)
		must(t, s.Close(ctx))
		if len(m.Events()) != 3 {
			t.Errorf("%d events arrived", len(m.Events()))
		}
	})
}

func TestOneProcess(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(Config{Dir: dir}, &sinktest.Memory{})
	must(t, err)
	if _, err := Open(Config{Dir: dir}, &sinktest.Memory{}); !errors.Is(err, ErrInUse) {
		t.Errorf("%v", err)
	}
	must(t, s.Close(ctx))
	s, err = Open(Config{Dir: dir}, &sinktest.Memory{})
	must(t, err)
	must(t, s.Close(ctx))
	for _, bad := range []string{"", "/dev/null/x"} {
		if _, err := Open(Config{Dir: bad}, &sinktest.Memory{}); err == nil {
			t.Errorf("%q opens", bad)
		}
	}
}

func TestCorrupt(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(Config{Dir: dir, Log: quiet}, &sinktest.Memory{Fail: down})
	must(t, err)
	for i := range 3 {
		must(t, s.Send(ctx, events(i, 1)...))
	}
	must(t, s.Close(ctx))
	name := filepath.Join(dir, walDir, "00000001.wal")
	b, err := os.ReadFile(name)
	must(t, err)
	b[100] ^= 1
	must(t, os.WriteFile(name, b, 0o600))
	_, err = Open(Config{Dir: dir, Log: quiet}, &sinktest.Memory{})
	var corrupt *wal.CorruptError
	if !errors.As(err, &corrupt) || !strings.Contains(err.Error(), dir) {
		t.Errorf("%v", err)
	}
}

func FuzzPosition(f *testing.F) {
	f.Add(position{log: [16]byte{1, 2}, done: 77}.encode())
	f.Add([]byte("annals-spool 1 00 7 00000000\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := parsePosition(b); err == nil && !bytes.Equal(p.encode(), b) {
			t.Errorf("%q is read as %+v", b, p)
		}
	})
}

func BenchmarkSend(b *testing.B) {
	for _, senders := range []int{1, 64} {
		b.Run(fmt.Sprintf("%d senders", senders), func(b *testing.B) {
			s, err := Open(Config{Dir: b.TempDir(), Log: quiet}, nowhere{})
			must(b, err)
			e := sinktest.Event(1, 700)
			b.SetBytes(int64(len(e)))
			b.ReportAllocs()
			b.SetParallelism(senders / 2)
			if senders == 1 {
				for b.Loop() {
					must(b, s.Send(ctx, e))
				}
			} else {
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := s.Send(ctx, e); err != nil {
							b.Error(err)
						}
					}
				})
			}
			must(b, s.Close(ctx))
		})
	}
}

type nowhere struct{}

func (nowhere) Send(context.Context, ...[]byte) error { return nil }
func (nowhere) Close(context.Context) error           { return nil }
func (nowhere) String() string                        { return "nowhere" }
