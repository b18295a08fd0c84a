package wal_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"annals.dev/internal/disk"
	"annals.dev/internal/wal"
)

// What a power cut may leave at the end is cut off, kept beside, and reported; and the log goes on.
func TestTorn(t *testing.T) {
	files, frames := made(t)
	whole := files[last]
	at := func(n int) int { return bytes.Index(whole, fmt.Appendf(nil, "payload %d in", n)) - 24 }
	zeroed := func(from, to int) []byte {
		b := bytes.Clone(whole)
		clear(b[from:to])
		return b
	}
	for _, c := range []struct {
		name string
		file []byte
		off  int // where it is cut; len(file): not torn
		kept int // frames
	}{
		{"nothing torn", whole, len(whole), 12},
		{"one byte too many", append(bytes.Clone(whole), 0), len(whole), 12},
		{"zeros", append(bytes.Clone(whole), make([]byte, 100)...), len(whole), 12},
		{"many zeros", append(bytes.Clone(whole), make([]byte, 3<<20)...), len(whole), 12},
		{"noise", append(bytes.Clone(whole), bytes.Repeat([]byte("noise"), 100)...), len(whole), 12},
		{"a head cut short", whole[:at(12)+10], at(12), 11},
		{"a payload cut short", whole[:len(whole)-1], at(12), 11},
		{"a batch's last frame lost", whole[:at(12)], at(12), 11},
		{"a batch's beginning lost, its end there", zeroed(at(10), at(11)), at(10), 9},
		{"a batch's middle lost", zeroed(at(11), at(12)), at(11), 10},
		{"a head lost, its payload there", zeroed(at(10), at(10)+24), at(10), 9},
		{"a payload lost, its head there", zeroed(at(12)+24, len(whole)), at(12), 11},
		{"the only batch lost", zeroed(at(9), len(whole)), at(9), 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			torn := copyOf(files)
			torn[last] = c.file
			_, report, corrupt := check(t, torn)
			if corrupt != nil {
				t.Fatal(corrupt)
			}
			d := onDisk(t, torn)
			var got []string
			l, opened, err := wal.Open(d, "log", func(e wal.Entry) error {
				got = append(got, string(e.Payload))
				return nil
			})
			must(t, err)
			if !slices.Equal(got, frames[:c.kept]) || opened.Next != uint64(c.kept+1) {
				t.Fatalf("replayed %q, next %d", got, opened.Next)
			}
			if c.off == len(c.file) {
				if opened.TornFile != 0 || len(opened.Kept) != 0 {
					t.Fatalf("%+v", opened)
				}
				return
			}
			if opened.TornFile != 3 || opened.TornOff != int64(c.off) || opened.TornBytes != int64(len(c.file)-c.off) {
				t.Fatalf("report %+v, want the cut at %d of %d", opened, c.off, len(c.file))
			}
			if report.TornFile != 3 || report.TornOff != opened.TornOff || report.TornBytes != opened.TornBytes || report.TornKept != "" {
				t.Fatalf("Check %+v, Open %+v", report, opened)
			}
			if want := fmt.Sprintf("torn-00000003-%d.0", c.off); opened.TornKept != want || !slices.Equal(opened.Kept, []string{want}) {
				t.Fatalf("kept as %q", opened.TornKept)
			}
			kept, err := disk.ReadFile(d, "log/"+opened.TornKept)
			if err != nil || !bytes.Equal(kept, c.file[c.off:]) {
				t.Fatalf("kept %d bytes, %v", len(kept), err)
			}
			if _, err := l.Append([][]byte{[]byte("on it goes")}); err != nil {
				t.Fatal(err)
			}
			got, report, corrupt = check(t, contents(t, d.Crash()))
			if corrupt != nil || report.TornFile != 0 || got[len(got)-1] != "on it goes" || len(got) != c.kept+1 {
				t.Fatalf("then %q, %+v, %v", got, report, corrupt)
			}
		})
	}
}

// Torn at the same place twice: both are kept.
func TestTornTwice(t *testing.T) {
	files, _ := made(t)
	d := onDisk(t, files)
	for i := range 3 {
		b := contents(t, d)
		b[last] = append(b[last], strings.Repeat("x", i+1)...)
		d = onDisk(t, b)
		must(t, open(t, d).Close())
	}
	kept := 0
	for name, b := range contents(t, d) {
		if strings.HasPrefix(name, "torn-") {
			kept += len(b)
		}
	}
	if kept != 1+2+3 {
		t.Fatalf("%d bytes kept", kept)
	}
}

// A payload may be anything, even this very log: what is torn in it stays torn, and is not taken for tampering.
func TestPayloadThatLooksLikeTheLog(t *testing.T) {
	files, frames := made(t)
	d := onDisk(t, files)
	l := open(t, d)
	var all []byte
	for _, name := range []string{last, "00000001.wal", last} {
		all = append(all, files[name]...)
	}
	if _, err := l.Append([][]byte{all}); err != nil {
		t.Fatal(err)
	}
	whole := contents(t, d)
	for _, lost := range []int{0, 8, 20, 30, 200, len(all)} {
		torn := copyOf(whole)
		torn[last][len(files[last])+lost] ^= 1
		got, report, corrupt := check(t, torn)
		if corrupt != nil || report.TornFile != 3 || !slices.Equal(got, frames) {
			t.Fatalf("byte %d of the frame lost: %v, %+v, %d frames", lost, corrupt, report, len(got))
		}
	}
}

// However far the next batch is: it is found, at the border of what the search reads at once too.
func TestLaterFrameFarAway(t *testing.T) {
	for size := 1<<20 - 50; size < 1<<20-20; size++ {
		files, _ := made(t)
		d := onDisk(t, files)
		l := open(t, d)
		for _, payload := range []string{strings.Repeat("x", size), "later"} {
			if _, err := l.Append([][]byte{[]byte(payload)}); err != nil {
				t.Fatal(err)
			}
		}
		after := contents(t, d)
		after[last][len(files[last])] ^= 1
		_, report, corrupt := check(t, after)
		if corrupt == nil || corrupt.Off != int64(len(files[last])) || !strings.Contains(corrupt.Reason, "frame 14, written after it was durable") {
			t.Fatalf("%d bytes: %v, %+v", size, corrupt, report)
		}
	}
}
