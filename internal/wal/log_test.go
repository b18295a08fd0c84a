package wal_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"

	"annals.dev/internal/disk"
	"annals.dev/internal/disk/sim"
	"annals.dev/internal/wal"
)

func TestAppendAndReopen(t *testing.T) {
	d := disk.OS(t.TempDir())
	if err := wal.Create(d, "log"); err != nil {
		t.Fatal(err)
	}
	var want []string
	for round := range 3 {
		var got []string
		l, r, err := wal.Open(d, "log", func(e wal.Entry) error {
			got = append(got, string(e.Payload))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) || r.Next != uint64(len(want))+1 {
			t.Fatalf("replayed %q, want %q; report %+v", got, want, r)
		}
		for i := range 3 {
			p := fmt.Sprintf("payload %d of round %d", i, round)
			places, err := l.Append([][]byte{[]byte(p[:4]), nil, []byte(p[4:])}, nil)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, p, "")
			b := make([]byte, places[0].Len)
			if _, err := l.ReadAt(places[0].File, b, places[0].Off); err != nil || !bytes.Equal(b, []byte(p)) {
				t.Fatalf("read back %q, %v", b, err)
			}
		}
		if err := l.Rotate(); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCreateAndOpen(t *testing.T) {
	d := sim.New(1)
	none := func(wal.Entry) error { return nil }
	if _, _, err := wal.Open(d, "log", none); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("no directory: %v", err)
	}
	must(t, d.MkdirAll("log"))
	if _, _, err := wal.Open(d, "log", none); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "log holds no log") {
		t.Fatalf("an empty directory: %v", err)
	}
	must(t, wal.Create(d, "log"))
	if err := wal.Create(d, "log"); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("made twice: %v", err)
	}
	l, report, err := wal.Open(d.Crash(), "log", none)
	must(t, err)
	if report.Next != 1 || len(report.Files) != 1 || l.ID() != report.ID || report.ID == [16]byte{} {
		t.Fatalf("%+v", report)
	}
	must(t, l.Close())
	must(t, l.Close())
	for _, err := range []error{l.Rotate(), l.Drop(1), func() error { _, err := l.Append([][]byte{nil}); return err }()} {
		if !errors.Is(err, wal.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
	if _, err := l.ReadAt(1, make([]byte, 1), 0); err == nil {
		t.Error("read after Close")
	}
}

func TestReplayStops(t *testing.T) {
	files, _ := made(t)
	d := onDisk(t, files)
	stop := errors.New("stop")
	n := 0
	_, _, err := wal.Open(d, "log", func(wal.Entry) error {
		if n++; n == 6 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || n != 6 || d.Count(sim.Write) != 0 || d.Count(sim.Open)+d.Count(sim.OpenRW) != d.Count(sim.Close) {
		t.Fatalf("%v after %d", err, n)
	}
}

func TestTooLarge(t *testing.T) {
	d := sim.New(1)
	l := open(t, d)
	piece := make([]byte, 64<<20)
	large := [][]byte{piece, piece, piece, piece, piece, piece, piece, piece, {0}}
	writes := d.Count(sim.Write)
	if _, err := l.Append([][]byte{[]byte("small")}, large); err == nil || !strings.Contains(err.Error(), "536870913") {
		t.Fatal(err)
	}
	if d.Count(sim.Write) != writes {
		t.Fatal("something was written")
	}
	places, err := l.Append([][]byte{[]byte("small")})
	if err != nil || places[0].Seq != 1 {
		t.Fatal(places, err)
	}
}

// Each fsync is a few milliseconds of everybody's time: none more than is needed.
func TestCosts(t *testing.T) {
	files, _ := made(t)
	d := onDisk(t, files)
	var ops []string
	count := func(what string, do func() error, want string) {
		t.Helper()
		ops = nil
		must(t, do())
		if got := strings.Join(ops, " "); got != want {
			t.Errorf("%s:\n got %s\nwant %s", what, got, want)
		}
	}
	d.Plan(func(op sim.Op) sim.Fault {
		if op.Kind != sim.Read && op.Kind != sim.Stat {
			ops = append(ops, op.Kind.String())
		}
		return sim.None
	})
	var l *wal.Log
	count("Open", func() (err error) {
		l, _, err = wal.Open(d, "log", func(wal.Entry) error { return nil })
		return err
	}, "readdir open open openrw write sync syncdir")
	count("Append of one", func() error { _, err := l.Append([][]byte{[]byte("a"), []byte("b")}); return err }, "write sync")
	count("Append of many", func() error {
		_, err := l.Append(slices.Repeat([][][]byte{{make([]byte, 1000), make([]byte, 5)}}, 1000)...)
		return err
	}, "write sync")
	count("Append of none", func() error { _, err := l.Append(); return err }, "")
	count("Rotate", l.Rotate, "create write sync close rename syncdir openrw")
	count("Rotate of an empty file", l.Rotate, "")
	count("Drop of nothing", func() error { return l.Drop(1) }, "")
	count("Drop", func() error { return l.Drop(3) }, "remove syncdir close remove syncdir close")
	count("Drop of all", func() error { return l.Drop(99) }, "remove syncdir close")
	if f := l.Files(); len(f) != 1 || f[0] != (wal.FileInfo{File: 4, First: 1014, Size: 44}) {
		t.Errorf("left: %+v", f)
	}
	count("Close", l.Close, "close")
	count("Open of an empty file", func() (err error) {
		l, _, err = wal.Open(d, "log", func(wal.Entry) error { return nil })
		return err
	}, "readdir openrw sync syncdir")
}

func TestHandle(t *testing.T) {
	for _, c := range []struct {
		name string
		d    disk.FS
		fd   bool
	}{{"os", disk.OS(t.TempDir()), true}, {"sim", sim.New(1), false}} {
		t.Run(c.name, func(t *testing.T) {
			l := open(t, c.d)
			places, err := l.Append([][]byte{[]byte("hello")})
			must(t, err)
			p := places[0]
			if _, err := l.Handle(p.File + 1); err == nil {
				t.Fatal("a handle to a file that is not there")
			}
			h, err := l.Handle(p.File)
			must(t, err)
			if _, ok := h.Fd(); ok != c.fd || h.File() != p.File {
				t.Fatalf("file %d, a descriptor: %v", h.File(), ok)
			}
			must(t, l.Rotate())
			must(t, l.Drop(p.File+1))
			if _, err := l.Handle(p.File); err == nil {
				t.Fatal("a handle to a dropped file")
			}
			must(t, l.Close())
			b := make([]byte, p.Len)
			if _, err := h.ReadAt(b, p.Off); err != nil || string(b) != "hello" {
				t.Fatalf("%q, %v", b, err)
			}
			h.Release()
			if _, err := h.ReadAt(b, p.Off); !errors.Is(err, fs.ErrClosed) {
				t.Fatalf("the last release did not close the file: %v", err)
			}
		})
	}
}

// Readers and writers at once: every acknowledged place gives its bytes until its file is dropped.
func TestConcurrent(t *testing.T) {
	l := open(t, disk.OS(t.TempDir()))
	places := make(chan wal.Place, 1000)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for p := range places {
				h, err := l.Handle(p.File)
				if err != nil {
					continue // dropped
				}
				b := make([]byte, p.Len)
				if _, err := h.ReadAt(b, p.Off); err != nil || string(b) != fmt.Sprint("payload ", p.Seq) {
					t.Errorf("frame %d reads %q, %v", p.Seq, b, err)
				}
				h.Release()
				l.Files()
			}
		})
	}
	for i := range 200 {
		p, err := l.Append([][]byte{fmt.Appendf(nil, "payload %d", 2*i+1)}, [][]byte{fmt.Appendf(nil, "payload %d", 2*i+2)})
		must(t, err)
		places <- p[0]
		places <- p[1]
		if i%20 == 19 {
			must(t, l.Rotate())
			must(t, l.Drop(p[0].File))
		}
	}
	close(places)
	wg.Wait()
	must(t, l.Close())
}
