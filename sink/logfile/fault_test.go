package logfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"annals.dev/sink"
)

// faulty is the operating system with faults: each may be nil.
type faulty struct {
	write    func(p []byte) (take int, err error) // how much is written before the error
	truncate func() error
	sync     func() error
	rename   func() error
	open     func() error
	dirs     int // fsyncs of the folder
}

type faultyFile struct {
	*os.File
	f *faulty
}

func (f *faulty) system() system {
	return system{
		open: func(path string, flag int, mode fs.FileMode) (*os.File, file, error) {
			if f.open != nil {
				if err := f.open(); err != nil {
					return nil, nil, err
				}
			}
			o, err := os.OpenFile(path, flag, mode)
			return o, faultyFile{o, f}, err
		},
		rename: func(from, to string) error {
			if f.rename != nil {
				if err := f.rename(); err != nil {
					return err
				}
			}
			return os.Rename(from, to)
		},
		syncDir: func(path string) error {
			f.dirs++
			return syncDir(path)
		},
	}
}

func (f faultyFile) Write(p []byte) (int, error) {
	if f.f.write != nil {
		if n, err := f.f.write(p); err != nil {
			if _, werr := f.File.Write(p[:n]); werr != nil {
				return 0, werr
			}
			return n, err
		}
	}
	return f.File.Write(p)
}

func (f faultyFile) Truncate(size int64) error {
	if f.f.truncate != nil {
		if err := f.f.truncate(); err != nil {
			return err
		}
	}
	return f.File.Truncate(size)
}

func (f faultyFile) Sync() error {
	if f.f.sync != nil {
		return f.f.sync()
	}
	return f.File.Sync()
}

func TestFullDisk(t *testing.T) {
	for _, c := range []struct {
		name     string
		truncate error
		want     string
	}{
		{"taken back", nil, "{\"a\":1}\n{\"d\":4}\n"},
		{"not taken back", syscall.EIO, "{\"a\":1}\n{\"b\"\n{\"d\":4}\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &faulty{}
			l := startOn(t, Config{}, f.system())
			send(t, l, `{"a":1}`)
			f.write = func([]byte) (int, error) { return 4, syscall.ENOSPC }
			f.truncate = func() error { return c.truncate }
			err := l.Send(ctx, []byte(`{"b":2}`), []byte(`{"c":3}`))
			var partial *sink.PartialError
			if !errors.Is(err, syscall.ENOSPC) || !errors.As(err, &partial) || partial.Lost != 2 {
				t.Fatalf("%v", err)
			}
			f.write = nil
			send(t, l, `{"d":4}`)
			if got := read(t, l.cfg.Path); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// Some of a Send's events may be there and some not: the error tells how many.
func TestPartly(t *testing.T) {
	f := &faulty{}
	l := startOn(t, Config{MaxSize: 25}, f.system())
	n := 0
	f.write = func([]byte) (int, error) {
		if n++; n == 2 {
			return 0, syscall.ENOSPC
		}
		return 0, nil
	}
	err := l.Send(ctx, []byte(`{"a":1111111111111}`), []byte(`{"b":2222222222222}`), []byte(`{"c":3333333333333}`))
	var partial *sink.PartialError
	if !errors.As(err, &partial) || partial.Lost != 1 {
		t.Fatalf("%v", err)
	}
	if got := strings.Join(everything(t, l), ""); got != "{\"a\":1111111111111}\n{\"c\":3333333333333}\n" {
		t.Errorf("%q", got)
	}
}

func TestFsync(t *testing.T) {
	f := &faulty{}
	syncs := 0
	f.sync = func() error { syncs++; return nil }
	l := startOn(t, Config{Sync: SyncEach}, f.system())
	send(t, l, "a", "b")
	send(t, l, "c")
	if syncs != 2 {
		t.Errorf("%d fsyncs for two Sends", syncs)
	}
	// A power cut must not take away the name of what was fsynced.
	must(t, os.Remove(l.cfg.Path))
	must(t, l.Reopen())
	if f.dirs != 2 {
		t.Errorf("%d fsyncs of the folder for a file made twice", f.dirs)
	}
	f.sync = func() error { return syscall.EIO }
	if err := l.Send(ctx, []byte("d")); !errors.Is(err, syscall.EIO) {
		t.Errorf("a failed fsync: %v", err)
	}
}

// Where the file cannot be renamed, as one that is mounted alone into a container, it is written on.
func TestRotationFails(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault func(f *faulty)
	}{
		{"rename", func(f *faulty) { f.rename = func() error { return syscall.EBUSY } }},
		{"open", func(f *faulty) { f.open = func() error { return syscall.EMFILE } }},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &faulty{}
			l := startOn(t, Config{MaxSize: 10}, f.system())
			c.fault(f)
			for i := range 20 {
				send(t, l, fmt.Sprintf("event %d", i))
			}
			f.rename, f.open = nil, nil
			if got := everything(t, l); len(got) != 20 || len(read(t, l.cfg.Path)) < 100 {
				t.Fatalf("%q", got)
			}
			l.retry = time.Time{} // as if a minute had passed
			send(t, l, "last")
			if got := read(t, l.cfg.Path); got != "last\n" {
				t.Errorf("later it is not rotated: %q", got)
			}
		})
	}
}

// Whatever moment a crash comes at, a backup that is being compressed is whole, once.
func TestCompressionFails(t *testing.T) {
	f := &faulty{}
	l := startOn(t, Config{}, f.system())
	prefix, ext := l.parts()
	name := prefix + "2026-11-21T00-16-30.152" + ext
	must(t, os.WriteFile(name, []byte("one\ntwo\n"), 0o640))
	f.rename = func() error { return syscall.EIO }
	if err := l.compress(name); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	if got := read(t, name); got != "one\ntwo\n" {
		t.Errorf("%q", got)
	}
	f.rename = nil
	must(t, l.compress(name))
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the plain file is still there")
	}
	if info, err := os.Stat(name + ".gz"); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info, err)
	}
	if got := strings.Join(everything(t, l), ""); got != "one\ntwo\n" {
		t.Errorf("%q", got)
	}
}
