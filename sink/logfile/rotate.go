package logfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	stampLayout = "2006-01-02T15-04-05.000" // UTC
	gzipSuffix  = ".gz"
	tempSuffix  = ".tmp" // after gzipSuffix: a backup that is being compressed

	// rotateRetry is when rotation is tried again after it failed: for each event would be an error for each event.
	rotateRetry = time.Minute
)

// rotate begins a new file for a line of n bytes. If it cannot, as where the log is a single file mounted into a container, the old
// file grows on.
func (l *Log) rotate(n int64) {
	now := time.Now()
	if now.Before(l.retry) {
		return
	}
	if l.look(now); l.live.size == 0 || l.live.size+n <= l.cfg.MaxSize {
		return // others have emptied or replaced it
	}
	if err := l.startNew(now); err != nil {
		l.retry = now.Add(rotateRetry)
		if l.failing {
			l.report.Metrics.Problem(l.report.Plugin, "rotate") // said once is enough: a mount stays one
		} else {
			l.report.Problem("rotate", fmt.Errorf("the audit log grows beyond %d bytes, because it cannot be rotated: %w", l.cfg.MaxSize, err))
		}
		l.failing = true
		return
	}
	l.failing = false
	select {
	case l.mill <- struct{}{}:
	default:
	}
}

func (l *Log) startNew(now time.Time) error {
	old, err := l.live.file.Stat()
	if err != nil {
		return err
	}
	backup, err := l.backupName(now)
	if err != nil {
		return err
	}
	if err := l.os.rename(l.cfg.Path, backup); err != nil {
		return err
	}
	next, err := l.openLive(old.Mode().Perm())
	if err != nil {
		// What is written from here on goes where the old file is: back to its name, if that can be.
		return errors.Join(err, l.os.rename(backup, l.cfg.Path))
	}
	if err := inherit(l.cfg.Path, old); err != nil {
		l.report.Problem("owner", err)
	}
	l.replace(next)
	return nil
}

// backupName is audit-2026-11-21T00-16-30.152.log for audit.log, and a name that no backup has or had: the time goes on by a
// millisecond until there is none.
func (l *Log) backupName(now time.Time) (string, error) {
	stamp := now.UTC().Truncate(time.Millisecond)
	if !stamp.After(l.stamp) {
		stamp = l.stamp.Add(time.Millisecond)
	}
	for ; ; stamp = stamp.Add(time.Millisecond) {
		prefix, ext := l.parts()
		name := prefix + stamp.Format(stampLayout) + ext
		taken := false
		for _, suffix := range []string{"", gzipSuffix} {
			_, err := os.Lstat(name + suffix)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return "", err
			}
			taken = taken || err == nil
		}
		if !taken {
			l.stamp = stamp
			return name, nil
		}
	}
}

// parts are what stands before and after the time in a backup's path.
func (l *Log) parts() (prefix, ext string) {
	ext = filepath.Ext(l.cfg.Path)
	return strings.TrimSuffix(l.cfg.Path, ext) + "-", ext
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
