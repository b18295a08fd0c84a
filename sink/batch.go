package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// BatchConfig is a queue's limits. A zero field takes the default that is named beside it.
type BatchConfig struct {
	BufferSize    int           // 10000: events that wait; one more is dropped
	BufferBytes   int64         // 256 MiB: bytes of events that wait or are under way; what would exceed it is dropped
	MaxBatchSize  int           // 400: events in one Send to the sink within
	MaxBatchWait  time.Duration // 0: an event waits for no others. Else the longest time from one batch to the next
	ThrottleQPS   float32       // 0, no limit: batches a second
	ThrottleBurst int           // 1: batches at once, after a quiet time
	MaxInFlight   int           // 1: batches on their way to the sink within at the same time. With more than 1 they overtake one another

	Metrics *Metrics     // Optional.
	Log     *slog.Logger // Optional: slog.Default().
}

func (c BatchConfig) withDefaults() BatchConfig {
	set := func(n *int, to int) {
		if *n <= 0 {
			*n = to
		}
	}
	set(&c.BufferSize, 10000)
	set(&c.MaxBatchSize, 400)
	set(&c.ThrottleBurst, 1)
	set(&c.MaxInFlight, 1)
	if c.BufferBytes <= 0 {
		c.BufferBytes = 256 << 20
	}
	return c
}

// Batch puts a queue in memory before a sink: the mode "batch". Send copies the events into the queue and never waits; when the
// queue is full the newest events are dropped and counted, and Send returns nil all the same, as kube-apiserver's does. What the
// sink within does not take is dropped and counted too, and so is what it panics over: retrying is for the sink within, and
// for sink/spool. Close delivers what waits.
func Batch(within Sink, cfg BatchConfig) Sink {
	b := &batch{
		within: within,
		cfg:    cfg.withDefaults(),
		flying: map[*flight]bool{},
		queued: make(chan struct{}, 1),
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
	}
	b.report = &Reporter{Plugin: "buffered", Metrics: cfg.Metrics, Log: cfg.Log}
	b.deliver.report = NewReporter(within, cfg.Metrics, cfg.Log)
	b.deliver.sink = within
	if cfg.ThrottleQPS > 0 {
		b.throttle = rate.NewLimiter(rate.Limit(cfg.ThrottleQPS), b.cfg.ThrottleBurst)
	}
	b.slots = make(chan struct{}, b.cfg.MaxInFlight)
	b.ctx, b.cancel = context.WithCancel(context.Background())
	b.unwatch = cfg.Metrics.Queue(b.String(), b.depth)
	go b.run()
	return b
}

type batch struct {
	within   Sink
	cfg      BatchConfig
	report   *Reporter // of the queue itself
	deliver  delivery
	throttle *rate.Limiter
	slots    chan struct{} // one for each batch under way
	sending  sync.WaitGroup
	unwatch  func()

	ctx    context.Context // of all deliveries; ends when the time for Close is over
	cancel context.CancelFunc

	queued chan struct{} // something came into the queue
	stop   chan struct{} // closed by Close
	done   chan struct{} // run has ended

	mu     sync.Mutex
	queue  []waiting
	slabs  slabs            // of the events in queue and under way
	flying map[*flight]bool // batches under way
	bytes  int64            // waiting and under way
	closed bool
}

type waiting struct {
	event []byte
	slab  *slab
	since time.Time
}

type flight struct {
	events [][]byte
	slabs  []*slab // of each event
	bytes  int64
	since  time.Time // when the first event came
}

func (b *batch) Send(_ context.Context, events ...[]byte) error {
	if len(events) == 0 {
		return nil
	}
	now := time.Now()
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		b.report.Lost(CauseClosed, len(events), ErrClosed)
		return ErrClosed
	}
	taken, before := 0, len(b.queue)
	for _, e := range events {
		size := int64(len(e))
		if len(b.queue) >= b.cfg.BufferSize || b.bytes+size > b.cfg.BufferBytes {
			break // with those that follow it, as upstream: what is kept of one Send is its beginning
		}
		copied, slab := b.slabs.copy(e)
		b.queue = append(b.queue, waiting{copied, slab, now})
		b.bytes += size
		taken++
	}
	after := len(b.queue)
	b.mu.Unlock()
	// run cares for the first event, and for the one that makes a batch full.
	if before == 0 && after > 0 || before < b.cfg.MaxBatchSize && after >= b.cfg.MaxBatchSize {
		select {
		case b.queued <- struct{}{}:
		default:
		}
	}
	if lost := len(events) - taken; lost > 0 {
		b.report.Lost(CauseFull, lost, fmt.Errorf("the queue is full at %d events or %d bytes: the sink within is too slow, "+
			"or the throttle too low", b.cfg.BufferSize, b.cfg.BufferBytes))
	}
	return nil
}

// run makes batches until Close, and then of what is left.
func (b *batch) run() {
	defer close(b.done)
	last := time.Now()
	for {
		b.collect(last)
		if f := b.take(); f != nil {
			b.send(f)
		} else if b.stopped() {
			b.sending.Wait()
			return
		}
		last = time.Now()
	}
}

// collect waits until a batch is due: it is full, or the time since the last one is over and something is there. As upstream,
// the time counts from the last batch rather than from an event's arrival; and a queue that is empty costs nothing.
func (b *batch) collect(last time.Time) {
	var due <-chan time.Time
	for {
		n := b.length()
		if n >= b.cfg.MaxBatchSize || n > 0 && b.cfg.MaxBatchWait <= 0 || b.stopped() {
			return
		}
		if n > 0 && due == nil {
			past := time.Since(last) % b.cfg.MaxBatchWait // of the period in which the event came
			timer := time.NewTimer(b.cfg.MaxBatchWait - past)
			defer timer.Stop()
			due = timer.C
		}
		select {
		case <-b.queued:
		case <-due:
			return
		case <-b.stop:
		}
	}
}

func (b *batch) length() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.queue)
}

func (b *batch) stopped() bool {
	select {
	case <-b.stop:
		return true
	default:
		return false
	}
}

// take moves a batch out of the queue and under way.
func (b *batch) take() *flight {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(len(b.queue), b.cfg.MaxBatchSize)
	if n == 0 {
		b.queue = nil // with the room that a burst took
		return nil
	}
	f := &flight{since: b.queue[0].since, events: make([][]byte, 0, n), slabs: make([]*slab, 0, n)}
	for i, w := range b.queue[:n] {
		f.events, f.slabs = append(f.events, w.event), append(f.slabs, w.slab)
		f.bytes += int64(len(w.event))
		b.queue[i] = waiting{}
	}
	b.queue = b.queue[n:]
	b.flying[f] = true
	return f
}

// send waits for the throttle and for a slot, and delivers. Meanwhile the queue fills.
func (b *batch) send(f *flight) {
	if b.throttle != nil {
		_ = b.throttle.Wait(b.ctx) // an error is the end of ctx, which the delivery sees
	}
	b.slots <- struct{}{}
	b.sending.Go(func() {
		b.deliver.do(b.ctx, f.events)
		b.mu.Lock()
		delete(b.flying, f)
		b.bytes -= f.bytes
		for _, s := range f.slabs {
			b.slabs.release(s)
		}
		b.mu.Unlock()
		<-b.slots
	})
}

// delivery is one Send to a sink that may fail or panic.
type delivery struct {
	sink   Sink
	report *Reporter
}

func (d *delivery) do(ctx context.Context, events [][]byte) {
	cause := CausePanic
	var err error
	defer func() {
		if cause == CausePanic {
			err = fmt.Errorf("panic: %v", recover())
		}
		lost := 0
		if err != nil {
			lost = lostOf(err, len(events))
			d.report.Lost(cause, lost, err)
		}
		d.report.Metrics.Delivered(d.report.Plugin, len(events)-lost)
	}()
	if err = ctx.Err(); err == nil {
		err = d.sink.Send(ctx, events...)
	}
	if cause = causeOf(err); err != nil && ctx.Err() != nil {
		cause = CauseShutdown
	}
}

func (b *batch) depth() Depth {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := Depth{Events: len(b.queue), Bytes: b.bytes}
	if len(b.queue) > 0 {
		d.Oldest = b.queue[0].since
	}
	for f := range b.flying {
		d.Events += len(f.events)
		if d.Oldest.IsZero() || f.since.Before(d.Oldest) {
			d.Oldest = f.since
		}
	}
	return d
}

func (b *batch) Close(ctx context.Context) error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return ErrClosed
	}
	b.closed = true
	close(b.stop)
	b.mu.Unlock()
	defer b.unwatch()
	var err error
	select {
	case <-b.done:
	case <-ctx.Done():
		if n := b.depth().Events; n > 0 {
			err = fmt.Errorf("close %s: %w, with %d events not delivered", b, ctx.Err(), n)
		}
		b.cancel()
		<-b.done
	}
	b.cancel()
	return errors.Join(err, b.within.Close(ctx))
}

func (b *batch) String() string { return "buffered<" + b.within.String() + ">" }
