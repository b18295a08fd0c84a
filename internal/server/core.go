package server

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"annals.dev/internal/ledger"
	"annals.dev/internal/query"
	"annals.dev/internal/source"
)

// core is an open data directory: what answers questions, whoever asks.
type core struct {
	dir     string // absolute
	ledger  *ledger.Ledger
	engine  *query.Engine
	metrics *source.Metrics
	log     *slog.Logger
	started time.Time
	guard   guard // who may ask, and the record of what was asked
	limits  limits
	api     apiMetrics
	lost    atomic.Uint64 // own acts that are not on record
	judged  verdicts      // what verifications found
	watch   watch         // what looks at events as they come
}

// openCore opens the directory for this process alone. Its errors say what to do.
func openCore(dir string, log *slog.Logger) (*core, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w", dir, err)
	}
	if _, err := os.Stat(abs); errors.Is(err, fs.ErrNotExist) {
		return nil, errNoDirectory(abs)
	}
	l, err := ledger.Open(abs, ledger.Options{Log: log})
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w: run the command as the user that the data directory belongs to", err)
	case err != nil:
		return nil, err
	}
	e, err := query.New(l.Snapshot, query.Options{Dir: abs})
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &core{dir: abs, ledger: l, engine: e, metrics: new(source.Metrics), log: log, started: time.Now()}, nil
}

func (c *core) close() error {
	c.engine.Close()
	return errors.Join(c.watch.alerts.close(), c.ledger.Close())
}
