// Package logfile writes events to a log file, as kube-apiserver's audit backend "log" does, and rotates it.
//
// Start with New. It promises: the file has whole lines only, whatever a full disk or a kill leaves; no backup overwrites another,
// and none is removed but for a limit that Config names; a file that is moved, removed or truncated by others is noticed.
package logfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"annals.dev/sink"
)

// Format is what a line is.
type Format string

const (
	JSON     Format = "json"     // the event as it is
	Legacy   Format = "legacy"   // kube-apiserver's one line of text
	TwoLines Format = "two-line" // a line for the request and one for the response, as in 2016
)

// When the file is fsynced. Any other value is how often.
const (
	SyncNever time.Duration = 0  // the kernel decides, as with kube-apiserver
	SyncEach  time.Duration = -1 // before Send returns
)

// Config is where the log lies and what is kept of it. A limit of 0 is none.
type Config struct {
	Path   string // "-" is the standard output, which is neither rotated nor closed
	Format Format // JSON, if empty

	MaxSize    int64         // bytes of the file; the event that would exceed it begins a new one. 0: never, and what follows is not used
	MaxAge     time.Duration // of a backup, by the time in its name
	MaxBackups int           // their number
	MaxTotal   int64         // their bytes, as they lie on disk
	Compress   bool          // backups with gzip, in the background

	Sync time.Duration // SyncNever, SyncEach, or how often

	Metrics *sink.Metrics // Optional.
	Log     *slog.Logger  // Optional: slog.Default().
}

// writeBytes is about how much goes into one write: the lines of one Send.
const writeBytes = 256 << 10

// Log is a sink.Sink. Its methods may be called by many goroutines.
type Log struct {
	cfg    Config
	report *sink.Reporter
	os     system
	format func(l *Log, dst, event []byte) ([]byte, error)

	mu      sync.Mutex // what follows
	live    live
	buf     []byte
	seen    seen // for TwoLines
	closed  bool
	stamp   time.Time // of the last backup
	retry   time.Time // when rotation is tried again after it failed
	failing bool      // the last try failed

	stop chan struct{} // closed by Close
	mill chan struct{} // there may be backups to remove or compress
	work sync.WaitGroup
}

// New opens the log, and makes it and its folders if they are missing.
func New(cfg Config) (*Log, error) { return open(cfg, operatingSystem) }

func open(cfg Config, system system) (*Log, error) {
	l := &Log{cfg: cfg, os: system, seen: newSeen(), stop: make(chan struct{}), mill: make(chan struct{}, 1)}
	l.report = &sink.Reporter{Plugin: l.String(), Metrics: cfg.Metrics, Log: cfg.Log}
	switch cfg.Format {
	case JSON, "":
		l.format = (*Log).json
	case Legacy:
		l.format = (*Log).legacy
	case TwoLines:
		l.format = (*Log).twoLines
	default:
		return nil, fmt.Errorf("the audit log's format %q is none of %q, %q and %q", cfg.Format, JSON, Legacy, TwoLines)
	}
	if cfg.Path == "" {
		return nil, errors.New(`the audit log has no path: name a file, or "-" for the standard output`)
	}
	if cfg.Path == "-" {
		l.live = live{file: standardOutput{os.Stdout}}
		return l, nil
	}
	if err := os.MkdirAll(filepath.Dir(cfg.Path), 0o700); err != nil {
		return nil, fmt.Errorf("make the audit log's folder: %w", err)
	}
	var err error
	if l.live, err = l.openLive(0o600); err != nil {
		return nil, fmt.Errorf("open the audit log: %w", err)
	}
	if l.rotates() {
		// Names go on from the newest backup, whatever the clock says by now: otherwise those of a clock that was once ahead would
		// count as the newest, and what is rotated now would be removed first.
		if old, err := l.backups(); err != nil {
			l.report.Problem("prune", err)
		} else if len(old) > 0 {
			l.stamp = old[0].time
		}
		l.work.Go(l.runMill)
	}
	if cfg.Sync > 0 {
		l.work.Go(l.runSync)
	}
	return l, nil
}

func (l *Log) rotates() bool { return l.cfg.MaxSize > 0 && l.live.regular }

// Send writes a line for each event, in one write if they are small. If the disk is full none of that write's events is there,
// and the error says how many are not.
func (l *Log) Send(_ context.Context, events ...[]byte) error {
	if len(events) == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return sink.ErrClosed
	}
	l.check(time.Now())
	var all error
	lost, held := 0, 0 // events that are lost, and in buf
	flush := func() {
		if held > 0 {
			if err := l.write(l.buf); err != nil {
				lost += held
				all = err
			}
		}
		l.buf, held = l.buf[:0], 0
	}
	for _, e := range events {
		before := len(l.buf)
		line, err := l.format(l, l.buf, e)
		if err != nil {
			lost++
			all = err
			continue
		}
		l.buf = line
		if n := int64(len(line) - before); l.rotates() && l.live.size+int64(len(line)) > l.cfg.MaxSize && l.live.size+int64(before) > 0 {
			l.buf = line[:before]
			own := line[before:]
			flush() // which leaves own where it is
			l.rotate(n)
			l.buf = append(l.buf, own...)
		}
		held++
		if len(l.buf) >= writeBytes {
			flush()
		}
	}
	flush()
	if cap(l.buf) > 4*writeBytes {
		l.buf = nil
	}
	if all != nil {
		return &sink.PartialError{Lost: lost, Err: fmt.Errorf("audit log %s: %w", l.cfg.Path, all)}
	}
	return nil
}

// Reopen closes the file and opens the one that has its name now, or makes it: for SIGHUP, after logrotate moved the old one. If
// that fails, the old one is written on.
func (l *Log) Reopen() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return sink.ErrClosed
	}
	if l.cfg.Path == "-" {
		return nil
	}
	return l.reopen()
}

// Close fsyncs, if Config says so at all. A backup that is being compressed stays as it is until the next start.
func (l *Log) Close(context.Context) error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return sink.ErrClosed
	}
	l.closed = true
	l.mu.Unlock()
	close(l.stop)
	l.work.Wait()
	var err error
	if l.cfg.Sync != SyncNever {
		err = l.live.file.Sync()
	}
	return errors.Join(err, l.live.file.Close())
}

func (l *Log) String() string { return "log" }

// runSync fsyncs every so often.
func (l *Log) runSync() {
	ticker := time.NewTicker(l.cfg.Sync)
	defer ticker.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-ticker.C:
		}
		l.mu.Lock()
		file, dirty := l.live.file, l.live.dirty
		l.live.dirty = false
		l.mu.Unlock()
		if !dirty {
			continue
		}
		// Without the lock: a slow disk must not hold up requests. Should the file be closed meanwhile, that has synced it.
		if err := file.Sync(); err != nil && !errors.Is(err, os.ErrClosed) {
			l.report.Problem("fsync", err)
		}
	}
}

// standardOutput stays open: it is not ours.
type standardOutput struct{ io.Writer }

func (standardOutput) Truncate(int64) error       { return errors.ErrUnsupported }
func (standardOutput) Sync() error                { return nil }
func (standardOutput) Close() error               { return nil }
func (standardOutput) Stat() (os.FileInfo, error) { return nil, errors.ErrUnsupported }
