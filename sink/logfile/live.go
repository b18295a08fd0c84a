package logfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"annals.dev/sink"
)

// checkEvery is how often a write looks whether the file is still the one that has the name. What is written into a file that
// was removed, until that is noticed, is lost with it.
const checkEvery = time.Second

// file is what the log needs of an open file; tests have others than the operating system's.
type file interface {
	io.Writer
	Truncate(size int64) error
	Sync() error
	Stat() (fs.FileInfo, error)
	Close() error
}

// system is what of the operating system can fail in ways that matter.
type system struct {
	open    func(path string, flag int, mode fs.FileMode) (*os.File, file, error) // the same twice
	rename  func(from, to string) error
	syncDir func(path string) error
}

var operatingSystem = system{
	open: func(path string, flag int, mode fs.FileMode) (*os.File, file, error) {
		f, err := os.OpenFile(path, flag, mode)
		return f, f, err
	},
	rename:  os.Rename,
	syncDir: syncDir,
}

// live is the file that is being written.
type live struct {
	file    file
	regular bool  // it has a size, and can be renamed and truncated
	size    int64 // as far as is known
	torn    bool  // it does not end with a newline
	dirty   bool  // written since the last fsync
	checked time.Time
}

// openLive opens the file for appending: always so, that one truncated by others does not begin with a hole.
func (l *Log) openLive(mode fs.FileMode) (live, error) {
	f, opened, err := l.os.open(l.cfg.Path, os.O_RDWR|os.O_APPEND|os.O_CREATE, mode)
	if errors.Is(err, fs.ErrPermission) {
		f, opened, err = l.os.open(l.cfg.Path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, mode)
	}
	if err != nil {
		return live{}, err
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return live{}, err
	}
	n := live{file: opened, regular: info.Mode().IsRegular(), size: info.Size(), checked: time.Now()}
	if n.regular && n.size > 0 {
		var end [1]byte
		_, err := f.ReadAt(end[:], n.size-1) // one that cannot be read is taken for torn: an empty line does no harm
		n.torn = err != nil || end[0] != '\n'
	}
	if n.regular && l.cfg.Sync != SyncNever { // else a power cut could take the name of what is fsynced, new or renamed
		if err := l.os.syncDir(filepath.Dir(l.cfg.Path)); err != nil {
			l.report.Problem("fsync", err)
		}
	}
	return n, nil
}

func (l *Log) reopen() error {
	next, err := l.openLive(0o600)
	if err != nil {
		return fmt.Errorf("reopen the audit log: %w", err)
	}
	l.replace(next)
	return nil
}

// replace goes over to another file. What the old one holds is made durable, if Config says so.
func (l *Log) replace(next live) {
	if l.cfg.Sync != SyncNever {
		if err := l.live.file.Sync(); err != nil {
			l.report.Problem("fsync", err)
		}
	}
	if err := l.live.file.Close(); err != nil {
		l.report.Problem("close", err)
	}
	l.live = next
}

// check looks, not too often, what others have done to the file.
func (l *Log) check(now time.Time) {
	if l.live.regular && now.Sub(l.live.checked) >= checkEvery {
		l.look(now)
	}
}

func (l *Log) look(now time.Time) {
	l.live.checked = now
	named, err := os.Stat(l.cfg.Path)
	ours, oerr := l.live.file.Stat()
	switch {
	case oerr != nil:
		l.report.Problem("stat", oerr)
	case err == nil && os.SameFile(named, ours):
		if l.live.size = ours.Size(); l.live.size == 0 {
			l.live.torn = false
		}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		l.report.Problem("stat", err)
	default:
		if err != nil {
			l.report.Problem("vanished", fmt.Errorf("%s is gone; it is made anew", l.cfg.Path))
		}
		if err := l.reopen(); err != nil {
			l.report.Problem("reopen", err)
		}
	}
}

// write appends whole lines: all of them or, where the file can be cut, none.
func (l *Log) write(lines []byte) error {
	if l.live.torn {
		if _, err := l.live.file.Write([]byte{'\n'}); err != nil {
			return err
		}
		l.live.size++
		l.live.torn = false
	}
	n, err := l.live.file.Write(lines)
	if err == nil && n < len(lines) {
		err = io.ErrShortWrite
	}
	if err != nil {
		if n > 0 {
			l.takeBack(n)
		}
		return err
	}
	l.live.size += int64(n)
	l.live.dirty = true
	if l.cfg.Sync == SyncEach {
		if err := l.live.file.Sync(); err != nil {
			return fmt.Errorf("fsync: %w", err)
		}
	}
	return nil
}

// takeBack cuts off the n bytes that a failed write left at the end.
func (l *Log) takeBack(n int) {
	l.live.torn = true
	if !l.live.regular {
		return
	}
	info, err := l.live.file.Stat() // others may have made it shorter: then l.live.size is a hole's end
	if err == nil {
		err = l.live.file.Truncate(max(0, info.Size()-int64(n)))
	}
	if err != nil {
		l.report.Problem("truncate", err)
		return
	}
	l.live.torn = false
}

var _ sink.Sink = (*Log)(nil)
