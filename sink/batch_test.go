package sink_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"annals.dev/sink"
	"annals.dev/sink/sinktest"
)

var (
	ctx   = context.Background()
	quiet = slog.New(slog.DiscardHandler)
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

// sizes are how many events each Send to the far end had.
func sizes(m *sinktest.Memory) (all []int) {
	for _, b := range m.Batches() {
		all = append(all, len(b))
	}
	return all
}

// rig is a Batch before a Memory that notes when each batch came; time is the bubble's.
type rig struct {
	*sinktest.Memory
	sink.Sink
	metrics *sink.Metrics
	start   time.Time
	mu      sync.Mutex
	times   []time.Duration
}

func newRig(cfg sink.BatchConfig) *rig {
	r := &rig{Memory: &sinktest.Memory{}, metrics: sink.NewMetrics(), start: time.Now()}
	r.Fail = func(context.Context, [][]byte) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.times = append(r.times, time.Since(r.start))
		return nil
	}
	cfg.Metrics, cfg.Log = r.metrics, quiet
	r.Sink = sink.Batch(r.Memory, cfg)
	return r
}

func (r *rig) send(t *testing.T, events [][]byte) {
	t.Helper()
	must(t, r.Sink.Send(ctx, events...))
	synctest.Wait()
}

func (r *rig) want(t *testing.T, batches ...int) {
	t.Helper()
	synctest.Wait()
	if got := sizes(r.Memory); !slices.Equal(got, batches) {
		t.Errorf("after %v batches of %v have arrived, want %v", time.Since(r.start), got, batches)
	}
}

// A batch goes when it is full, when the time since the last one is over, or at the end: upstream's
// TestBatchedBackendCollectEvents.
func TestBatchIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(sink.BatchConfig{BufferSize: 100, MaxBatchSize: 10, MaxBatchWait: 30 * time.Second})
		r.send(t, events(0, 11))
		r.want(t, 10)
		time.Sleep(29 * time.Second)
		r.send(t, events(11, 1))
		r.want(t, 10)
		time.Sleep(time.Second)
		r.want(t, 10, 2)
		r.send(t, events(12, 3))
		r.want(t, 10, 2)
		must(t, r.Sink.Close(ctx))
		r.want(t, 10, 2, 3)
		if !r.Closed() {
			t.Error("the sink within is not closed")
		}
	})
}

// The time counts from the last batch, or from a multiple of the wait after it, as upstream's timer that is reset at each turn.
func TestBatchWaitsFromTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(sink.BatchConfig{MaxBatchSize: 10, MaxBatchWait: 30 * time.Second})
		time.Sleep(70 * time.Second) // the third period ends after 90
		r.send(t, events(0, 1))
		time.Sleep(time.Minute)
		r.send(t, events(1, 1)) // at 130; the last batch came at 90
		time.Sleep(time.Minute)
		must(t, r.Sink.Close(ctx))
		want := []time.Duration{90 * time.Second, 150 * time.Second}
		if !slices.Equal(r.times, want) {
			t.Errorf("batches came at %v, want %v", r.times, want)
		}
	})
}

// Upstream's TestUnbatchedBackendCollectEvents.
func TestBatchOfOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(sink.BatchConfig{MaxBatchSize: 1, MaxBatchWait: time.Hour})
		r.send(t, events(0, 3))
		r.want(t, 1, 1, 1)
		must(t, r.Sink.Close(ctx))
		r.want(t, 1, 1, 1)
	})
}

// Without a wait nothing waits; and nothing turns in circles either, or the bubble's time would stand still.
func TestBatchWithoutWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(sink.BatchConfig{MaxBatchSize: 100})
		time.Sleep(time.Hour)
		r.send(t, events(0, 7))
		r.want(t, 7)
		must(t, r.Sink.Close(ctx))
	})
}

// Upstream's TestBufferedBackendProcessEventsAfterStop.
func TestBatchAfterClose(t *testing.T) {
	r := newRig(sink.BatchConfig{})
	must(t, r.Sink.Close(ctx))
	if err := r.Sink.Send(ctx, events(0, 1)...); !errors.Is(err, sink.ErrClosed) {
		t.Errorf("%v", err)
	}
	if got := r.Events(); len(got) > 0 {
		t.Errorf("%q arrived", got)
	}
	exposes(t, r.metrics, `apiserver_audit_error_total{plugin="buffered"} 1`, `annals_audit_dropped_events_total{cause="closed",plugin="buffered"} 1`)
}

// Upstream's TestBufferedBackendProcessEventsBufferFull: the newest are dropped, and the caller is not told.
func TestBatchFull(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  sink.BatchConfig
		sent []int // events of each Send
		kept []int
	}{
		{"events", sink.BatchConfig{BufferSize: 1}, []int{2}, []int{0}},
		{"events, over two Sends", sink.BatchConfig{BufferSize: 3}, []int{2, 3, 1}, []int{0, 1, 2}},
		{"bytes", sink.BatchConfig{BufferBytes: int64(len(sinktest.Event(0, 0)))*2 + 5}, []int{3, 1}, []int{0, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.cfg.MaxBatchSize, c.cfg.MaxBatchWait = 100, time.Hour
				r := newRig(c.cfg)
				sent := 0
				for _, n := range c.sent {
					r.send(t, events(sent, n))
					sent += n
				}
				depth := int64(len(c.kept) * len(sinktest.Event(0, 0)))
				time.Sleep(7 * time.Second)
				exposes(t, r.metrics, fmt.Sprintf(`annals_audit_dropped_events_total{cause="full",plugin="buffered"} %d`, sent-len(c.kept)),
					fmt.Sprintf(`apiserver_audit_error_total{plugin="buffered"} %d`, sent-len(c.kept)),
					fmt.Sprintf(`annals_audit_queue_events{sink="buffered<memory>"} %d`, len(c.kept)),
					fmt.Sprintf(`annals_audit_queue_bytes{sink="buffered<memory>"} %d`, depth),
					`annals_audit_queue_lag_seconds{sink="buffered<memory>"} 7`)
				must(t, r.Sink.Close(ctx))
				var want [][]byte
				for _, i := range c.kept {
					want = append(want, sinktest.Event(i, 0))
				}
				if got := r.Events(); !slices.EqualFunc(got, want, slices.Equal) {
					t.Errorf("%q arrived, want %q", got, want)
				}
				exposes(t, r.metrics, fmt.Sprintf(`annals_audit_delivered_events_total{plugin="memory"} %d`, len(want)))
				if strings.Contains(exposition(t, r.metrics), "annals_audit_queue") {
					t.Error("a closed queue is still shown")
				}
			})
		})
	}
}

// What is under way counts for the limit in bytes: a sink that hangs does not let the memory grow.
func TestBatchBytesUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		size := int64(len(sinktest.Event(0, 0)))
		r := newRig(sink.BatchConfig{BufferBytes: 4 * size, MaxBatchSize: 1})
		hang := make(chan struct{})
		r.Fail = func(context.Context, [][]byte) error { <-hang; return nil }
		r.send(t, events(0, 9))
		exposes(t, r.metrics, `annals_audit_queue_events{sink="buffered<memory>"} 4`, `annals_audit_dropped_events_total{cause="full",plugin="buffered"} 5`)
		close(hang)
		r.want(t, 1, 1, 1, 1)
		r.send(t, events(9, 1))
		r.want(t, 1, 1, 1, 1, 1)
		must(t, r.Sink.Close(ctx))
	})
}

// Upstream's TestBufferedBackendShutdownWaitsForDelegatedCalls.
func TestBatchCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(sink.BatchConfig{MaxBatchSize: 10})
		r.Fail = func(context.Context, [][]byte) error { time.Sleep(time.Minute); return nil }
		r.send(t, events(0, 10))
		begun := time.Now()
		must(t, r.Sink.Close(ctx))
		if took := time.Since(begun); took != time.Minute {
			t.Errorf("Close took %v", took)
		}
		r.want(t, 10)
	})
}

// When the time for Close is over, what is not delivered is given up and counted.
func TestBatchCloseGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(sink.BatchConfig{MaxBatchSize: 2, ThrottleQPS: 0.001})
		r.Fail = func(ctx context.Context, _ [][]byte) error { <-ctx.Done(); return ctx.Err() }
		r.send(t, events(0, 5))
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := r.Sink.Close(short); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "5 events") {
			t.Errorf("%v", err)
		}
		exposes(t, r.metrics, `annals_audit_dropped_events_total{cause="shutdown",plugin="memory"} 5`)
		if !r.Closed() {
			t.Error("the sink within is not closed")
		}
	})
}

// Upstream's TestDelegateProcessEvents, with as many batches under way as are allowed and no more.
func TestBatchInFlight(t *testing.T) {
	for _, most := range []int{1, 3, 5} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(sink.BatchConfig{MaxBatchSize: 10, MaxInFlight: most})
				now, peak := 0, 0
				r.Fail = func(context.Context, [][]byte) error {
					r.mu.Lock()
					now++
					peak = max(peak, now)
					r.mu.Unlock()
					time.Sleep(time.Second)
					r.mu.Lock()
					now--
					r.mu.Unlock()
					return nil
				}
				r.send(t, events(0, 50))
				begun := time.Now()
				must(t, r.Sink.Close(ctx))
				r.want(t, 10, 10, 10, 10, 10)
				if took, want := time.Since(begun), time.Duration((5+most-1)/most)*time.Second; peak != most || took != want {
					t.Errorf("%d at once, in %v, want %d in %v", peak, took, most, want)
				}
			})
		})
	}
}

func TestBatchThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(sink.BatchConfig{MaxBatchSize: 1, ThrottleQPS: 2, ThrottleBurst: 3})
		r.send(t, events(0, 5))
		time.Sleep(time.Hour)
		must(t, r.Sink.Close(ctx))
		want := []time.Duration{0, 0, 0, 500 * time.Millisecond, time.Second}
		if !slices.Equal(r.times, want) {
			t.Errorf("batches came at %v, want %v", r.times, want)
		}
	})
}

// What the sink within does not take is lost, counted by cause, and those that follow go on.
func TestBatchFailures(t *testing.T) {
	for _, c := range []struct {
		name  string
		fail  func() error
		cause string
		lost  int
	}{
		{"error", func() error { return errors.New("no") }, "failed", 4},
		{"part of them", func() error { return &sink.PartialError{Lost: 3, Err: errors.New("no")} }, "failed", 3},
		{"refused", func() error { return fmt.Errorf("webhook: %w", &sink.RefusedError{Reason: "400"}) }, "refused", 4},
		{"panic", func() error { panic("oh") }, "panic", 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(sink.BatchConfig{MaxBatchSize: 4})
				first := true
				r.Fail = func(context.Context, [][]byte) error {
					if first {
						first = false
						return c.fail()
					}
					return nil
				}
				r.send(t, events(0, 4))
				r.send(t, events(4, 2))
				r.want(t, 2)
				must(t, r.Sink.Close(ctx))
				exposes(t, r.metrics, fmt.Sprintf(`annals_audit_dropped_events_total{cause="%s",plugin="memory"} %d`, c.cause, c.lost),
					fmt.Sprintf(`apiserver_audit_error_total{plugin="memory"} %d`, c.lost),
					fmt.Sprintf(`annals_audit_delivered_events_total{plugin="memory"} %d`, 6-c.lost))
			})
		})
	}
}

func BenchmarkBatch(b *testing.B) {
	for _, size := range []int{600, 20_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := sink.Batch(nowhere{}, sink.BatchConfig{BufferSize: 1 << 20, MaxBatchWait: time.Millisecond})
			e := sinktest.Event(1, size)
			b.SetBytes(int64(len(e)))
			b.ReportAllocs()
			for b.Loop() {
				must(b, s.Send(ctx, e))
			}
			must(b, s.Close(ctx))
		})
	}
}

type nowhere struct{}

func (nowhere) Send(context.Context, ...[]byte) error { return nil }
func (nowhere) Close(context.Context) error           { return nil }
func (nowhere) String() string                        { return "nowhere" }

// With nothing under way, Close has nothing to complain of, even if there is no time left.
func TestBatchCloseWithoutTime(t *testing.T) {
	over, cancel := context.WithCancel(ctx)
	cancel()
	for range 50 {
		must(t, sink.Batch(&sinktest.Memory{}, sink.BatchConfig{Log: quiet}).Close(over))
	}
}
