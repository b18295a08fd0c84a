package wal

import (
	"testing"

	"annals.dev/internal/disk/sim"
)

// A giant's buffer is not kept for the small frames that follow.
func TestReaderLetsGo(t *testing.T) {
	d := sim.New(1)
	if err := Create(d, "log"); err != nil {
		t.Fatal(err)
	}
	l, _, err := Open(d, "log", func(Entry) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, n := range []int{keepBuffer + 1, 1} {
		if _, err := l.Append([][]byte{make([]byte, n)}); err != nil {
			t.Fatal(err)
		}
	}
	r := l.Reader(1)
	defer r.Close()
	for range 2 {
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if cap(r.buf) > keepBuffer {
		t.Errorf("a buffer of %d bytes is kept", cap(r.buf))
	}
}
