package wal_test

import (
	"errors"
	"fmt"
	"io"
	"path"
	"testing"

	"annals.dev/internal/disk/sim"
	"annals.dev/internal/wal"
)

func next(t *testing.T, r *wal.Reader, want int) {
	t.Helper()
	e, err := r.Next()
	if err != nil || string(e.Payload) != fmt.Sprintf("payload %d", want) || e.Seq != uint64(want) {
		t.Fatalf("frame %d is %q, %v; want %d", e.Seq, e.Payload, err, want)
	}
}

func TestReader(t *testing.T) {
	d := sim.New(1)
	must(t, wal.Create(d, "log"))
	l, _, err := wal.Open(d, "log", func(wal.Entry) error { return nil })
	must(t, err)
	n := 0
	put := func(count int) {
		for range count {
			n++
			_, err := l.Append([][]byte{fmt.Appendf(nil, "payload %d", n)})
			must(t, err)
		}
	}
	r := l.Reader(1)
	defer r.Close()
	if _, err := r.Next(); err != io.EOF {
		t.Fatalf("an empty log: %v", err)
	}
	put(3)
	must(t, l.Rotate())
	if e, err := l.Reader(4).Next(); err != io.EOF {
		t.Fatalf("an empty last file: %v, %v", e, err)
	}
	put(2)
	must(t, l.Rotate())
	put(1)
	for i := range 6 {
		next(t, r, i+1)
	}
	if _, err := r.Next(); err != io.EOF {
		t.Fatalf("at the end: %v", err)
	}
	put(1)
	next(t, r, 7)
	middle := l.Reader(5)
	next(t, middle, 5)
	must(t, l.Drop(3))
	next(t, middle, 6)
	if _, err := l.Reader(5).Next(); err == nil || errors.Is(err, io.EOF) {
		t.Fatalf("a dropped frame: %v", err)
	}
	must(t, l.Close())
	if _, err := r.Next(); !errors.Is(err, wal.ErrClosed) {
		t.Fatalf("after Close: %v", err)
	}
}

func TestReaderOfDamage(t *testing.T) {
	for _, c := range []struct {
		name string
		off  int64
	}{{"head", 44 + 2}, {"payload", 44 + 24 + 1}} {
		t.Run(c.name, func(t *testing.T) {
			d := sim.New(1)
			must(t, wal.Create(d, "log"))
			l, _, err := wal.Open(d, "log", func(wal.Entry) error { return nil })
			must(t, err)
			_, err = l.Append([][]byte{[]byte("payload 1")}, [][]byte{[]byte("payload 2")})
			must(t, err)
			f, err := d.OpenRW(path.Join("log", "00000001.wal"))
			must(t, err)
			_, err = f.WriteAt([]byte{0xff}, c.off)
			must(t, err)
			_, err = l.Reader(1).Next()
			var corrupt *wal.CorruptError
			if !errors.As(err, &corrupt) || corrupt.Off != 44 {
				t.Fatalf("%v", err)
			}
		})
	}
}
