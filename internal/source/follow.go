package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sync/errgroup"

	"annals.dev/internal/access"
	"annals.dev/internal/format"
)

// FollowerConfig is what a Follower needs.
type FollowerConfig struct {
	Ledger  Appender
	Sources []FollowSource
	Data    string // the data directory, where the places are kept
	Host    string // this machine, for origins; empty: its own name
	Log     *slog.Logger
	Metrics *Metrics // Optional.
}

// FollowSource is one log to follow, or several of one cluster.
type FollowSource struct {
	Cluster string
	Path    string        // a file, a directory (its *.log), or a pattern as filepath.Glob has it
	Silence time.Duration // without a line for so long it counts as silent; 0: DefaultSilence
}

// DefaultSilence is how long a log may bring nothing before that is recorded.
const DefaultSilence = 10 * time.Minute

// Follower reads logs while they are written, and those that were rotated before, oldest first. A log keeps its place by
// inode and by a hash of its beginning, across renames, compression, copying away and restarts. What happens to the
// files (deleted, truncated, replaced, opened to others, silent) it records as events of cluster "annals".
//
// It delivers again where it cannot be sure, and never less: the place is written down only after the ledger has what
// stands before it.
type Follower struct {
	cfg     FollowerConfig
	sources []*followed
}

const (
	pollEvery   = 250 * time.Millisecond
	leastPause  = 25 * time.Millisecond // between passes, however often the files change
	settleAfter = 5 * time.Second       // a file that is no longer written and has not grown for so long has its half last line taken
	orphanLife  = time.Hour             // a deleted file without a new line for so long is let go
	maxOrphans  = 16
	saveEvery   = time.Second
)

// NewFollower checks the sources and reads where they were left.
func NewFollower(cfg FollowerConfig) (*Follower, error) {
	if cfg.Host == "" {
		host, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("follow: %w", err)
		}
		cfg.Host = host
	}
	f := &Follower{cfg: cfg}
	seen := make(map[FollowSource]bool)
	for _, src := range cfg.Sources {
		if err := access.CheckCluster(src.Cluster); err != nil {
			return nil, fmt.Errorf("follow %s: %w", src.Path, err)
		}
		abs, err := filepath.Abs(src.Path)
		if err != nil {
			return nil, fmt.Errorf("follow %s: %w", src.Path, err)
		}
		if _, err := filepath.Match(abs, ""); err != nil {
			return nil, fmt.Errorf("follow %s: the pattern is not valid: %w", src.Path, err)
		}
		src.Path = abs
		if src.Silence <= 0 {
			src.Silence = DefaultSilence
		}
		key := FollowSource{Cluster: src.Cluster, Path: src.Path}
		if seen[key] {
			return nil, fmt.Errorf("follow %s: it is named twice for cluster %q", src.Path, src.Cluster)
		}
		seen[key] = true
		s, err := newFollowed(cfg, src)
		if err != nil {
			return nil, err
		}
		f.sources = append(f.sources, s)
	}
	return f, nil
}

// Run follows until the context ends, then returns nil; or until the ledger fails.
func (f *Follower) Run(ctx context.Context) error {
	hints, err := fsnotify.NewWatcher()
	if err != nil {
		// Hints only make it quicker.
		f.cfg.Log.Warn("follow: no notice of file changes; files are looked at four times a second", "error", err)
		hints = nil
	}
	g, gctx := errgroup.WithContext(ctx)
	for _, s := range f.sources {
		s.hints = hints
		g.Go(func() error { return s.run(gctx) })
	}
	var wg sync.WaitGroup
	if hints != nil {
		wg.Go(func() { f.wake(hints) })
	}
	err = g.Wait()
	if hints != nil {
		hints.Close()
	}
	wg.Wait()
	for _, s := range f.sources {
		s.close()
	}
	if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		return nil
	}
	return err
}

// wake hands the notices to those whose directories they are about.
func (f *Follower) wake(hints *fsnotify.Watcher) {
	for {
		select {
		case e, ok := <-hints.Events:
			if !ok {
				return
			}
			for _, s := range f.sources {
				s.hint(filepath.Dir(e.Name))
			}
		case _, ok := <-hints.Errors: // an overflow: polling sees the change
			if !ok {
				return
			}
		}
	}
}

// followed is one FollowSource. Its fields belong to the goroutine in run, but for woken and watched.
type followed struct {
	cfg    FollowerConfig
	src    FollowSource
	ledger patient
	quiet  *quiet
	state  stateFile
	logs   []*followedLog // by directory and name
	now    time.Time      // of this pass
	saved  time.Time
	dirty  bool // the state differs from the saved one
	stale  bool // what happened could not be recorded: the saved state has to stay, so that it is seen again

	settle time.Duration // settleAfter, but in tests
	lines  format.LineReader
	buf    []byte // of lines

	hints *fsnotify.Watcher
	woken chan struct{}

	mu      sync.Mutex
	watched map[string]bool
}

func newFollowed(cfg FollowerConfig, src FollowSource) (*followed, error) {
	s := &followed{
		cfg: cfg, src: src, ledger: patient{to: cfg.Ledger, log: cfg.Log, waitFull: true}, quiet: newQuiet(cfg.Log),
		settle: settleAfter, buf: make([]byte, 1<<20), woken: make(chan struct{}, 1), watched: make(map[string]bool),
	}
	var err error
	if s.state, err = openState(cfg.Data, src); err != nil {
		return nil, err
	}
	saved, err := s.state.read()
	if err != nil {
		// The ledger knows what it holds: reading all again costs time only.
		cfg.Log.Warn("follow: the places cannot be read; all is read from the beginning", "path", src.Path, "error", err)
	}
	for _, l := range saved.Logs {
		s.logs = append(s.logs, &followedLog{s: s, savedLog: l})
	}
	return s, nil
}

func (s *followed) run(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := s.pass(ctx, time.Now())
		if ctx.Err() != nil || err != nil {
			s.save(true)
			return err
		}
		select {
		case <-ctx.Done():
			s.save(true)
			return context.Cause(ctx)
		case <-tick.C:
			continue
		case <-s.woken:
		}
		select {
		case <-ctx.Done():
		case <-time.After(leastPause):
		}
	}
}

// pass looks at the files once and reads what is new. Its error is the ledger's, or the context's.
func (s *followed) pass(ctx context.Context, now time.Time) error {
	s.now = now
	if err := s.discover(ctx); err != nil {
		return fmt.Errorf("follow %s: %w", s.src.Path, err)
	}
	for _, l := range s.logs {
		if err := l.pass(ctx); err != nil {
			return fmt.Errorf("follow %s: %w", s.src.Path, err)
		}
	}
	s.save(false)
	return nil
}

func (s *followed) save(now bool) {
	if !s.dirty || s.stale || !now && s.now.Sub(s.saved) < saveEvery {
		return
	}
	var st savedState
	for _, l := range s.logs {
		saved := l.savedLog
		saved.Files = slices.DeleteFunc(slices.Clone(l.Files), func(t *tracked) bool { return t.gone })
		st.Logs = append(st.Logs, saved)
	}
	if err := s.state.write(st); err != nil {
		s.quiet.warn("save", "follow: the place cannot be written down; after a restart some of the file is read again", "path", s.src.Path, "error", err)
		return
	}
	s.saved, s.dirty = s.now, false
}

func (s *followed) hint(dir string) {
	s.mu.Lock()
	ours := s.watched[dir]
	s.mu.Unlock()
	if !ours {
		return
	}
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

func (s *followed) watch(dir string) {
	if s.hints == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.watched[dir] && s.hints.Add(dir) == nil {
		s.watched[dir] = true
	}
}

func (s *followed) close() {
	for _, l := range s.logs {
		for _, t := range l.Files {
			t.close()
		}
	}
}
