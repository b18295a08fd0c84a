// Package spool keeps events on disk until the sink within has them, so that an outage of the receiver, a kill or a power cut
// loses none.
//
// Start with Open. It promises: an event for which Send returned nil is durable, and is given to the sink within again and
// again, in order, until that takes it; what the receiver refuses for good (sink.RefusedError) is put aside in a file, whole,
// and the others go on. After a crash events may be delivered twice, never lost. Memory and disk are bounded.
package spool

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"path/filepath"
	"sync"
	"time"

	"annals.dev/internal/disk"
	"annals.dev/internal/wal"
	"annals.dev/sink"
)

// WhenFull is what Send does while the spool has no room.
type WhenFull int

const (
	Block  WhenFull = iota // wait until there is room, or the context ends
	Refuse                 // return ErrFull
	Drop                   // count the events as dropped, and return nil
)

var (
	// ErrFull is a spool that has no room for the events.
	ErrFull = errors.New("the spool is full")
	// ErrInUse is a spool that another process, or another part of this one, has open.
	ErrInUse = errors.New("the spool is open already: give each process a folder of its own")
)

// Config is where a spool lies and what it may take. A zero field takes the default that is named beside it.
type Config struct {
	Dir      string   // the folder, of this spool alone; made if missing
	MaxBytes int64    // 1 GiB: of the log on disk
	WhenFull WhenFull // Block

	MaxBatchSize  int           // 400: events in one Send to the sink within
	MaxBatchBytes int64         // 8 MiB: their bytes, unless it is a single one
	MinBackoff    time.Duration // 1s: the wait after a failed delivery; it doubles with each
	MaxBackoff    time.Duration // 1m

	Metrics *sink.Metrics // Optional.
	Log     *slog.Logger  // Optional: slog.Default().
}

func (c Config) withDefaults() Config {
	if c.MaxBytes <= 0 {
		c.MaxBytes = 1 << 30
	}
	if c.MaxBatchSize <= 0 {
		c.MaxBatchSize = 400
	}
	if c.MaxBatchBytes <= 0 {
		c.MaxBatchBytes = 8 << 20
	}
	if c.MinBackoff <= 0 {
		c.MinBackoff = time.Second
	}
	if c.MaxBackoff <= 0 {
		c.MaxBackoff = time.Minute
	}
	c.MinBackoff = min(c.MinBackoff, mostBackoff)
	c.MaxBackoff = min(max(c.MinBackoff, c.MaxBackoff), mostBackoff)
	return c
}

// mostBackoff is the longest pause, whatever Config says: centuries, doubled, would be none.
const mostBackoff = 24 * time.Hour

const (
	walDir = "wal"
	// stampSize is the time of arrival before an event in its frame: microseconds since 1970, little-endian.
	stampSize = 8
	// frameSize is the most that the log adds to an event.
	frameSize = 24 + stampSize
)

// Spool is a sink.Sink. Its methods may be called by many goroutines.
type Spool struct {
	cfg    Config
	d      disk.FS
	within sink.Sink
	log    *wal.Log
	unlock func()
	report *sink.Reporter
	target *sink.Reporter // what the receiver refuses is lost there

	ctx       context.Context // of deliveries; ends when the time for Close is over
	cancel    context.CancelFunc
	closing   chan struct{} // closed by Close
	committed chan struct{} // closed when nothing more is appended
	work      sync.WaitGroup
	unwatch   func()

	asked  chan struct{} // a request came
	stored chan struct{} // there is something to deliver, or room to be made
	freed  chan struct{} // there is room

	mu      sync.Mutex
	pending []*request
	closed  bool
	next    uint64    // the frame that is appended next
	done    uint64    // the frames up to it are delivered or put aside
	bytes   int64     // of the events after done
	oldest  time.Time // when the first of them came, zero if unknown
	tight   bool      // somebody wants room

	position position // as it is on disk; the delivery's own
}

// Open opens the spool in a folder, or makes it, and begins to deliver what it holds. It reads all of it first, to know that it
// is whole: a wal.CorruptError otherwise, and then nothing on disk is changed. One process may have it open.
func Open(cfg Config, within sink.Sink) (*Spool, error) {
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil || cfg.Dir == "" {
		return nil, fmt.Errorf("the spool's folder %q: %w", cfg.Dir, errors.Join(err, fs.ErrInvalid))
	}
	d := disk.OS(dir)
	if err := d.MkdirAll("."); err != nil {
		return nil, fmt.Errorf("make the spool's folder: %w", err)
	}
	unlock, err := lock(dir)
	if err != nil {
		return nil, err
	}
	s, err := open(d, cfg, within)
	if err != nil {
		unlock()
		return nil, fmt.Errorf("open the spool in %s: %w", dir, err)
	}
	s.unlock = unlock
	return s, nil
}

func open(d disk.FS, cfg Config, within sink.Sink) (*Spool, error) {
	cfg = cfg.withDefaults()
	s := &Spool{
		cfg: cfg, d: d, within: within,
		unlock:  func() {},
		closing: make(chan struct{}), committed: make(chan struct{}),
		asked: make(chan struct{}, 1), stored: make(chan struct{}, 1), freed: make(chan struct{}, 1),
	}
	s.report = &sink.Reporter{Plugin: "spool", Metrics: cfg.Metrics, Log: cfg.Log}
	s.target = sink.NewReporter(within, cfg.Metrics, cfg.Log)
	if err := s.openLog(); err != nil {
		return nil, err
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.unwatch = cfg.Metrics.Queue(s.String(), s.depth)
	s.work.Go(s.commit)
	s.work.Go(s.deliver)
	return s, nil
}

// openLog finds out what is not delivered.
func (s *Spool) openLog() error {
	saved, err := loadPosition(s.d)
	if err != nil {
		s.report.Problem("position", err)
	}
	type totals struct {
		bytes  int64
		oldest time.Time
	}
	var all, rest totals // of everything, and of what lies behind the saved position
	count := func(e wal.Entry) error {
		if len(e.Payload) < stampSize {
			return fmt.Errorf("frame %d of the log holds %d bytes and no event: it is not a spool's", e.Seq, len(e.Payload))
		}
		for _, t := range []*totals{&all, &rest} {
			if t == &rest && e.Seq <= saved.done {
				continue
			}
			if t.bytes == 0 {
				t.oldest = arrival(e.Payload)
			}
			t.bytes += int64(len(e.Payload) - stampSize)
		}
		return nil
	}
	log, report, err := wal.Open(s.d, walDir, count)
	if errors.Is(err, fs.ErrNotExist) {
		if err = wal.Create(s.d, walDir); err == nil {
			log, report, err = wal.Open(s.d, walDir, count)
		}
	}
	if err != nil {
		return err
	}
	for _, name := range report.Kept { // half of what nobody was told is kept: it must not fill the disk
		if err := s.d.Remove(path.Join(walDir, name)); err != nil {
			s.report.Problem("torn tail", err)
		}
	}
	s.log, s.next = log, report.Next
	first := report.Files[0].First
	switch {
	case saved.log != report.ID: // of another log, or none
		s.position = position{log: report.ID, done: first - 1}
		s.bytes, s.oldest = all.bytes, all.oldest
	case saved.done >= s.next:
		_ = log.Close()
		return fmt.Errorf("its log ends before frame %d, but %d were delivered: the log is not the one that was here; "+
			"move the folder away and start anew", s.next, saved.done)
	default:
		s.position = position{log: report.ID, done: max(saved.done, first-1)}
		s.bytes, s.oldest = rest.bytes, rest.oldest
	}
	s.done = s.position.done
	return nil
}

func arrival(payload []byte) time.Time {
	return time.UnixMicro(int64(binary.LittleEndian.Uint64(payload)))
}

func (s *Spool) depth() sink.Depth {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sink.Depth{Events: int(s.next - 1 - s.done), Bytes: s.bytes, Oldest: s.oldest}
}

// Close stops taking events and goes on delivering until the spool is empty, a delivery fails, or ctx ends. What is left is
// delivered when the spool is opened again: that is no error.
func (s *Spool) Close(ctx context.Context) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return sink.ErrClosed
	}
	s.closed = true
	close(s.closing)
	s.mu.Unlock()
	stop := context.AfterFunc(ctx, s.cancel)
	s.work.Wait()
	stop()
	s.cancel()
	s.unwatch()
	err := errors.Join(s.log.Close(), s.within.Close(ctx))
	s.unlock()
	return err
}

func (s *Spool) String() string { return "spool<" + s.within.String() + ">" }

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
