package wal_test

import (
	"errors"
	"slices"
	"testing"

	"annals.dev/internal/wal"
)

// FuzzOpen opens whatever bytes: alone as a file, and in the place of a good log's bytes, so that the checksums before them
// hold. Nothing panics; Check and Open agree; what Open accepts it accepts again, with the same frames and nothing torn.
func FuzzOpen(f *testing.F) {
	files, frames := made(f)
	for _, b := range files {
		f.Add(b, -1)
		f.Add(b[44:], len(b))
		f.Add(b[:100], 50)
	}
	f.Add([]byte{}, 0)
	f.Add(make([]byte, 3000), 200)
	f.Fuzz(func(t *testing.T, data []byte, at int) {
		log := copyOf(files)
		if at < 0 {
			log = map[string][]byte{"00000001.wal": data}
		} else {
			b := log[last]
			at = min(at, len(b))
			log[last] = append(b[:at], data...)
		}
		d := onDisk(t, log)
		read := func(into *[]string) func(wal.Entry) error {
			return func(e wal.Entry) error {
				*into = append(*into, string(e.Payload))
				return nil
			}
		}
		var checked, opened, again []string
		_, cerr := wal.Check(d, "log", read(&checked))
		l, _, oerr := wal.Open(d, "log", read(&opened))
		if (cerr == nil) != (oerr == nil) || !slices.Equal(checked, opened) {
			t.Fatalf("Check: %v, Open: %v", cerr, oerr)
		}
		if at >= 0 && !isPrefix(frames[:8], opened) {
			t.Fatal("frames before the bad bytes are lost")
		}
		if c := new(wal.CorruptError); oerr != nil {
			if !errors.As(oerr, &c) && !errors.Is(oerr, wal.ErrVersion) {
				t.Fatal(oerr)
			}
			return
		}
		if _, err := l.Append([][]byte{[]byte("more")}); err != nil {
			t.Fatal(err)
		}
		report, err := wal.Check(d.Crash(), "log", read(&again))
		if err != nil || report.TornFile != 0 || !slices.Equal(again, append(opened, "more")) {
			t.Fatalf("again: %v, %+v", err, report)
		}
	})
}
