package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"annals.dev/internal/disk/sim"
	"annals.dev/internal/format"
)

// simulated opens a new ledger on a simulated disk.
func simulated(t *testing.T, opts Options) (*Ledger, *sim.FS) {
	t.Helper()
	desc, signer := describeSim(t)
	d := sim.New(1)
	if err := create(d, desc, signer); err != nil {
		t.Fatal(err)
	}
	l, err := open(d, "", desc, signer, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, d
}

// A batch costs one write and one fsync, of the log alone.
func TestAppendCosts(t *testing.T) {
	one(t, func(t *testing.T) {
		l, d := simulated(t, Options{})
		for from := range 3 {
			writes, syncs, all := d.Count(sim.Write), d.Count(sim.Sync), d.N()
			if _, err := l.Append(t.Context(), events.some(from*9, 9)); err != nil {
				t.Fatal(err)
			}
			if w, s, n := d.Count(sim.Write)-writes, d.Count(sim.Sync)-syncs, d.N()-all; w != 1 || s != 1 || n != 2 {
				t.Errorf("%d writes, %d syncs, %d operations", w, s, n)
			}
		}
	})
}

// Batches that wait while another is written share one write and one fsync.
func TestGroupCommit(t *testing.T) {
	one(t, func(t *testing.T) {
		l, d := simulated(t, Options{})
		writes, syncs := d.Count(sim.Write), d.Count(sim.Sync)
		enter, leave := make(chan bool), make(chan bool)
		first := true
		d.Plan(func(op sim.Op) sim.Fault {
			if op.Kind == sim.Sync && first {
				first = false
				enter <- true
				<-leave
			}
			return sim.None
		})
		var wg sync.WaitGroup
		send := func(i int) {
			wg.Go(func() {
				b := events.some(i*5, 5)
				b.Cluster = fmt.Sprintf("c%d", i%3)
				if r, err := l.Append(context.Background(), b); err != nil || r.Accepted != 5 {
					t.Errorf("%+v, %v", r, err)
				}
			})
		}
		send(0)
		<-enter
		for i := range 20 {
			send(1 + i)
		}
		synctest.Wait()
		leave <- true
		wg.Wait()
		if w, s := d.Count(sim.Write)-writes, d.Count(sim.Sync)-syncs; w != 2 || s != 2 {
			t.Errorf("%d writes, %d syncs", w, s)
		}
	})
}

// After a failed fsync, of either kind, nothing more is taken and nothing more is written to the log, until the ledger is opened
// anew; then the batch is there wholly, or not at all, and the next is taken.
func TestFailedSync(t *testing.T) {
	for _, fault := range []sim.Fault{sim.IO, sim.Lost, sim.Done, sim.Full} {
		for seed := range uint64(8) {
			one(t, func(t *testing.T) {
				r := newLife(t, seed)
				r.where = fmt.Sprintf("fault %v, seed %d", fault, seed)
				r.opts = Options{}
				r.start(nil)
				deliver := func() *delivery {
					d := &delivery{cluster: "prod", batch: Batch{Cluster: "prod"}}
					p := r.piece("prod", 5)
					d.batch.Origin, d.fresh = p.origin, []*piece{p}
					for _, n := range p.events {
						d.batch.Events = append(d.batch.Events, events.events[p.form][n])
					}
					r.send(d)
					r.settle(d)
					return d
				}
				deliver()
				r.d.Plan(func(op sim.Op) sim.Fault {
					if op.Kind == sim.Sync && strings.HasPrefix(op.Name, walDir) {
						return fault
					}
					return sim.None
				})
				if d := deliver(); !errors.Is(d.err, ErrFailed) {
					r.fatalf("%v", d.err)
				}
				writes := 0
				r.d.Plan(func(op sim.Op) sim.Fault {
					if op.Kind == sim.Write && strings.HasPrefix(op.Name, walDir) {
						writes++
					}
					return sim.None
				})
				for range 3 {
					if d := deliver(); !errors.Is(d.err, ErrFailed) {
						r.fatalf("later: %v", d.err)
					}
					if err := r.l.Seal(t.Context()); !errors.Is(err, ErrFailed) {
						r.fatalf("a seal: %v", err)
					}
				}
				r.d.Plan(nil)
				if writes > 0 {
					r.fatalf("it wrote on")
				}
				if r.l.Stats().Failed == nil {
					r.fatalf("nobody is told")
				}
				s := r.l.Snapshot()
				if got, err := read(s, "prod"); err != nil || len(got) != 5 {
					r.fatalf("what is there cannot be read any more: %d events, %v", len(got), err)
				}
				s.Release()
				r.stop(seed%2 == 0)
				r.start(nil)
				r.after()
			})
		}
	}
}

// A full disk costs the batches that met it, and nothing else. With room again the ledger goes on without being opened anew,
// and what could not be sealed is sealed in time.
func TestFullDisk(t *testing.T) {
	for _, fault := range []sim.Fault{sim.Full, sim.Short} {
		for seed := range uint64(8) {
			one(t, func(t *testing.T) {
				r := newLife(t, seed)
				r.where = fmt.Sprintf("fault %v, seed %d", fault, seed)
				r.opts = Options{SealEvents: 40, MergeBytes: 1 << 20}
				r.start(nil)
				r.work(8)
				for range 3 {
					r.faults.Add(1)
					r.d.Plan(func(op sim.Op) sim.Fault {
						switch op.Kind {
						case sim.Write, sim.Create, sim.Mkdir, sim.Rename:
							return fault
						}
						return sim.None
					})
					for range 5 {
						d := r.delivery("prod", make(map[*piece]bool))
						r.send(d)
						if !errors.Is(d.err, ErrFull) && !errors.Is(d.err, ErrBusy) {
							r.fatalf("%v", d.err)
						}
						r.settle(d)
						if err := r.l.Seal(t.Context()); err == nil && r.l.Stats().Clusters[0].Hot > 0 {
							r.fatalf("sealed on a full disk")
						}
						time.Sleep(time.Duration(r.rng.IntN(3)) * time.Second)
					}
					r.d.Plan(nil)
					r.faults.Store(0)
					r.work(8)
					time.Sleep(10 * time.Second)
					if s := r.l.Stats(); s.SealFailed || s.Failed != nil {
						r.fatalf("%+v", s)
					}
				}
				r.stop(seed%2 == 0)
				r.start(nil)
				r.after()
			})
		}
	}
}

// A merge that cannot be made, for want of room or because a segment is damaged, keeps nothing from being sealed.
func TestFailedMerge(t *testing.T) {
	one(t, func(t *testing.T) {
		l, d := simulated(t, Options{})
		for i := range 3 {
			if _, err := l.Append(t.Context(), events.some(i*50, 50)); err != nil {
				t.Fatal(err)
			}
			merged := segmentName("prod", 0, uint64(i*50+49)) + columnsFile + ".tmp"
			d.Plan(func(op sim.Op) sim.Fault {
				if i > 0 && op.Kind == sim.Create && op.Name == merged {
					return sim.Full
				}
				return sim.None
			})
			if err := l.Seal(t.Context()); (err != nil) != (i > 0) || i > 0 && !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("seal %d: %v", i, err)
			}
			if s := l.Stats().Clusters[0]; s.Hot != 0 || s.Segments != i+1 {
				t.Fatalf("seal %d: %d events in the log alone, %d segments", i, s.Hot, s.Segments)
			}
		}
		d.Plan(nil)
		if err := l.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := l.Stats().Clusters[0]; s.Segments != 1 {
			t.Errorf("%d segments", s.Segments)
		}
	})
}

// A segment that is looked into is not removed, and one that is gone is not looked into.
func TestHold(t *testing.T) {
	one(t, func(t *testing.T) {
		l, d := simulated(t, Options{})
		for i := range 2 {
			if _, err := l.Append(t.Context(), events.some(i*50, 50)); err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				if err := l.Seal(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		s := l.clusters["prod"].segments[0]
		if !l.hold(s) {
			t.Fatal("a segment that is there cannot be held")
		}
		if err := l.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(l.clusters["prod"].segments) != 1 || l.hold(s) {
			t.Fatal("a segment that was merged can be held")
		}
		if _, err := d.Stat(s.name + indexFile); err != nil {
			t.Errorf("it is held, and gone: %v", err)
		}
		l.release([]*Segment{s})
		if _, err := d.Stat(s.name + indexFile); err == nil {
			t.Error("nobody holds it, and it stays")
		}
	})
}

// Odd things in what the ledger adds to an event come back, in valid UTF-8, since columns hold nothing else.
func TestOddOriginAndNote(t *testing.T) {
	long := strings.Repeat("x", maxNote-1) + "é"
	l, _ := newLedger(t, Options{})
	e := format.Event{Bytes: []byte{0xff, 0x1c, 0}, Dialect: format.Unreadable, Marks: format.Quarantined, Note: long}
	if _, err := l.Append(t.Context(), Batch{Cluster: "prod", Origin: "import/a\xff\xfe.log", Events: []format.Event{e}}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s := l.Snapshot()
		err := s.Event(t.Context(), "prod", 0, func(got *Stored) error {
			if got.Origin != "import/a\uFFFD.log" || got.Note != long[:maxNote-1]+"\uFFFD" || !bytes.Equal(got.Bytes, e.Bytes) {
				return fmt.Errorf("%q, %q", got.Origin, got.Note)
			}
			return nil
		})
		s.Release()
		if err != nil {
			t.Error(err)
		}
		if err := l.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := l.Verify(t.Context(), VerifyOptions{}); err != nil || len(r.Findings) > 0 {
		t.Errorf("%+v, %v", r, err)
	}
	for _, b := range []Batch{{Cluster: "Prod", Origin: "a"}, {Cluster: "prod"}, {Cluster: "prod", Origin: strings.Repeat("a", maxOrigin+1)}, {Cluster: "../x", Origin: "a"}} {
		if _, err := l.Append(t.Context(), b); err == nil {
			t.Errorf("cluster %q, origin %.10q: taken", b.Cluster, b.Origin)
		}
	}
}

// An event is the same however its audit ID is escaped, and found by it.
func TestEscapedAuditID(t *testing.T) {
	l, dir := newLedger(t, Options{})
	const id = "0f5a2c1e-0000-4000-8000-00000000beef"
	line := []byte(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"0f5a2c1e-0000-4000-8000-00000000bee\u0066","stage":"ResponseComplete","requestURI":"/a","verb":"get","user":{"username":"a"},"stageTimestamp":"2026-01-01T00:00:00.000000Z"}`)
	b := batch(t, "import/a", [][]byte{line})
	if _, err := l.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = reopen(t, dir, Options{})
	s := l.Snapshot()
	defer s.Release()
	seg := s.Clusters[0].Segments[0]
	if may, err := seg.MayHaveID(id); !may || err != nil {
		t.Error(may, err)
	}
	if rows, err := seg.FindID(t.Context(), id); len(rows) != 1 || err != nil {
		t.Error(rows, err)
	}
	if r, err := l.Append(t.Context(), b); err != nil || r.Duplicates != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

// The largest event there may be, of the kind that grows most when it becomes columns, is sealed and comes back; a larger one
// is refused.
func TestLargestEvent(t *testing.T) {
	const head, tail = `{"requestURI":"`, `"}`
	b := append([]byte(head), bytes.Repeat([]byte("\xffa"), (format.MaxRecord-len(head)-len(tail))/2)...)
	b = append(b, tail...)
	b = append(b, bytes.Repeat([]byte(" "), format.MaxRecord-len(b))...)
	l, _ := newLedger(t, Options{})
	if _, err := l.Append(t.Context(), batch(t, "import/a", [][]byte{b, lines(t)[0]})); err != nil {
		t.Fatal(err)
	}
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, l); len(got) != 2 || !bytes.Equal(got[0], b) {
		t.Error("it is another now")
	}
	if _, err := l.Append(t.Context(), batch(t, "import/a", [][]byte{append(b, ' ')})); err == nil {
		t.Error("a larger one was taken")
	}
}

// A disk that does not give what it holds is not a ledger that somebody changed.
func TestUnreadableDisk(t *testing.T) {
	one(t, func(t *testing.T) {
		l, d := simulated(t, Options{})
		if _, err := l.Append(t.Context(), events.some(0, 50)); err != nil {
			t.Fatal(err)
		}
		if err := l.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Append(t.Context(), events.some(50, 5)); err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{columnsFile, indexFile, manifestFile, checkpointFile, headsFile, walDir + "/"} {
			d.Plan(func(op sim.Op) sim.Fault {
				if op.Kind == sim.Read && strings.Contains(op.Name, part) {
					return sim.IO
				}
				return sim.None
			})
			report, err := l.Verify(t.Context(), VerifyOptions{})
			if err != nil || len(report.Findings) == 0 || report.Findings[0].Kind != Unverifiable {
				t.Errorf("%s cannot be read: %+v, %v", part, report.Findings, err)
			}
		}
	})
}
