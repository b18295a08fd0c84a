package wal_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"annals.dev/internal/disk"
	"annals.dev/internal/disk/sim"
	"annals.dev/internal/wal"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// made is a log with files 1 to 3, in each two Appends: one of one frame and one of three.
func made(t testing.TB) (files map[string][]byte, frames []string) {
	t.Helper()
	d := sim.New(1)
	l := open(t, d)
	for file := range 3 {
		if file > 0 {
			if err := l.Rotate(); err != nil {
				t.Fatal(err)
			}
		}
		for _, n := range []int{1, 3} {
			var batch [][][]byte
			for range n {
				p := fmt.Sprintf("payload %d in file %d", len(frames)+1, file+1)
				frames = append(frames, p)
				batch = append(batch, [][]byte{[]byte(p)})
			}
			if _, err := l.Append(batch...); err != nil {
				t.Fatal(err)
			}
		}
	}
	return contents(t, d), frames
}

// open makes a log in "log", or opens the one that is there.
func open(t testing.TB, d disk.FS) *wal.Log {
	t.Helper()
	if err := wal.Create(d, "log"); err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	l, _, err := wal.Open(d, "log", func(wal.Entry) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func contents(t testing.TB, d disk.FS) map[string][]byte {
	t.Helper()
	entries, err := d.ReadDir("log")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, e := range entries {
		if all[e.Name()], err = disk.ReadFile(d, "log/"+e.Name()); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func onDisk(t testing.TB, files map[string][]byte) *sim.FS {
	t.Helper()
	d := sim.New(2)
	if err := d.MkdirAll("log"); err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := disk.WriteFile(d, "log/"+name, files[name]); err != nil {
			t.Fatal(err)
		}
	}
	return d.Kill() // counts from 0
}

func copyOf(files map[string][]byte) map[string][]byte {
	c := map[string][]byte{}
	for name, b := range files {
		c[name] = bytes.Clone(b)
	}
	return c
}

// check runs Check, and Open where Check finds corruption, and makes sure that neither changes anything then.
func check(t *testing.T, files map[string][]byte) (frames []string, report wal.Report, corrupt *wal.CorruptError) {
	t.Helper()
	d := onDisk(t, files)
	collect := func(e wal.Entry) error {
		frames = append(frames, string(e.Payload))
		return nil
	}
	report, err := wal.Check(d, "log", collect)
	if err != nil && !errors.As(err, &corrupt) {
		t.Fatal(err)
	}
	if corrupt != nil {
		_, _, oerr := wal.Open(d, "log", func(wal.Entry) error { return nil })
		if oerr == nil || oerr.Error() != err.Error() {
			t.Fatalf("Check says %v, Open says %v", err, oerr)
		}
	}
	for _, kind := range []sim.Kind{sim.Create, sim.Write, sim.Truncate, sim.Rename, sim.Remove, sim.Sync, sim.SyncDir, sim.Mkdir} {
		if d.Count(kind) > 0 {
			t.Fatalf("it changed something on disk: %v", kind)
		}
	}
	if opened := d.Count(sim.Open) + d.Count(sim.OpenRW); opened != d.Count(sim.Close) {
		t.Fatalf("%d files opened, %d closed", opened, d.Count(sim.Close))
	}
	return frames, report, corrupt
}

const last = "00000003.wal"

// Whichever byte is changed: it is found, and nothing but what was written is ever replayed. In the last batch it looks like
// a power cut: whoever keeps a count of frames elsewhere (the ledger does) sees that some are missing.
func TestFlipEveryByte(t *testing.T) {
	files, frames := made(t)
	lastBatch := bytes.Index(files[last], []byte("payload 10 ")) - 24
	for name, b := range files {
		for i := range b {
			for _, mask := range []byte{0x01, 0x80, 0xff} {
				changed := copyOf(files)
				changed[name][i] ^= mask
				got, report, corrupt := check(t, changed)
				if !isPrefix(got, frames) || len(got) == len(frames) {
					t.Fatalf("%s byte %d: replayed %q", name, i, got)
				}
				mayBeTorn := name == last && i >= lastBatch
				if mayBeTorn == (corrupt != nil) || mayBeTorn && report.TornFile != 3 {
					t.Fatalf("%s byte %d: %v, %+v", name, i, corrupt, report)
				}
				if corrupt != nil && (corrupt.Path != "log/"+name || corrupt.Off > int64(i)) {
					t.Fatalf("%s byte %d: reported as %v", name, i, corrupt)
				}
			}
		}
	}
}

func TestCutEveryFile(t *testing.T) {
	files, frames := made(t)
	for name, b := range files {
		for size := range b {
			changed := copyOf(files)
			changed[name] = b[:size]
			got, report, corrupt := check(t, changed)
			if !isPrefix(got, frames) || len(got) == len(frames) {
				t.Fatalf("%s cut to %d: replayed %q", name, size, got)
			}
			if wantCorrupt := name != last || size < 44; wantCorrupt != (corrupt != nil) {
				t.Fatalf("%s cut to %d: %v, %+v", name, size, corrupt, report)
			}
		}
	}
}

func isPrefix(a, b []string) bool { return len(a) <= len(b) && slices.Equal(a, b[:len(a)]) }

func TestTamper(t *testing.T) {
	files, frames := made(t)
	other, _ := made(t) // the same, but for its random id
	// frame cuts a frame out of a file by what its payload says.
	frame := func(f map[string][]byte, name string, n int) (from, to int) {
		from = bytes.Index(f[name], fmt.Appendf(nil, "payload %d in", n)) - 24
		return from, from + 24 + int(binary.LittleEndian.Uint32(f[name][from:]))
	}
	without := func(name string, n int) func(map[string][]byte) {
		return func(f map[string][]byte) {
			from, to := frame(f, name, n)
			f[name] = slices.Delete(f[name], from, to)
		}
	}
	for _, c := range []struct {
		name   string
		do     func(f map[string][]byte)
		path   string // where it is found
		reason string
	}{
		{"first frame of a file dropped", without("00000002.wal", 5), "00000002.wal", "stands where frame 5 is due"},
		{"frame dropped in a batch", without("00000001.wal", 3), "00000001.wal", "stands where frame 3 is due"},
		{"last frame of a file dropped", without("00000001.wal", 4), "00000002.wal", "begins with frame 5, where 4 is due"},
		{"frame dropped in the last file", without(last, 9), last, "stands where frame 9 is due"},
		{"frame dropped in the last batch", without(last, 11), last, "stands where frame 11 is due"},
		{"frames swapped", func(f map[string][]byte) {
			a, b := frame(f, last, 10)
			_, d := frame(f, last, 11)
			f[last] = slices.Concat(f[last][:a], f[last][b:d], f[last][a:b], f[last][d:])
		}, last, "stands where frame 10 is due"},
		{"frame repeated", func(f map[string][]byte) {
			a, b := frame(f, last, 10)
			f[last] = slices.Insert(f[last], b, f[last][a:b]...)
		}, last, "frame 10 of batch 10 stands where frame 11 is due"},
		{"last frame repeated", func(f map[string][]byte) {
			a, b := frame(f, last, 12)
			f[last] = append(f[last], f[last][a:b]...)
		}, last, "stands where frame 13 is due"},
		{"frame of another file put in", func(f map[string][]byte) {
			a, b := frame(f, "00000001.wal", 1)
			f["00000002.wal"] = slices.Insert(f["00000002.wal"], 44, f["00000001.wal"][a:b]...)
		}, "00000002.wal", "frame 5 has a bad head, and later files"},
		{"frame of another log put in the place of ours", func(f map[string][]byte) {
			a, b := frame(f, last, 9)
			copy(f[last][a:b], other[last][a:b])
		}, last, "written after it was durable"},
		{"two frames made one", func(f map[string][]byte) {
			a, _ := frame(f, "00000001.wal", 2)
			f["00000001.wal"][a] *= 2
		}, "00000001.wal", "frame 2 has a bad head"},
		{"bytes put in the middle of the last file", func(f map[string][]byte) {
			f[last] = slices.Insert(f[last], 44, 0)
		}, last, "written after it was durable"},
		{"bytes put at the end of an older file", func(f map[string][]byte) {
			f["00000001.wal"] = append(f["00000001.wal"], 0)
		}, "00000001.wal", "cut short, and later files"},
		{"file missing", func(f map[string][]byte) { delete(f, "00000002.wal") }, "00000002.wal", "missing"},
		{"files swapped", func(f map[string][]byte) {
			f["00000001.wal"], f["00000002.wal"] = f["00000002.wal"], f["00000001.wal"]
		}, "00000001.wal", "says that it is file 2"},
		{"file repeated", func(f map[string][]byte) { f["00000004.wal"] = f["00000003.wal"] }, "00000004.wal", "says that it is file 3"},
		{"file of another log", func(f map[string][]byte) { f[last] = other[last] }, last, "belongs to another log"},
		{"empty file", func(f map[string][]byte) { f["00000004.wal"] = nil }, "00000004.wal", "too few"},
		{"something else", func(f map[string][]byte) { f[last] = bytes.Repeat([]byte("x"), 100) }, last, "no log file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			changed := copyOf(files)
			c.do(changed)
			got, _, corrupt := check(t, changed)
			if corrupt == nil || corrupt.Path != "log/"+c.path || !strings.Contains(corrupt.Reason, c.reason) {
				t.Fatalf("found: %v", corrupt)
			}
			if !isPrefix(got, frames) {
				t.Fatalf("replayed %q", got)
			}
		})
	}
}

// What no log can tell by itself: its oldest files may have been dropped, and its newest frames never written.
func TestWhatTheLogCannotTell(t *testing.T) {
	files, frames := made(t)
	delete(files, "00000001.wal")
	got, report, corrupt := check(t, files)
	if corrupt != nil || !slices.Equal(got, frames[4:]) || report.Files[0].First != 5 {
		t.Fatalf("%q, %+v, %v", got, report, corrupt)
	}
	delete(files, last)
	got, report, corrupt = check(t, files)
	if corrupt != nil || !slices.Equal(got, frames[4:8]) || report.Next != 9 {
		t.Fatalf("%q, %+v, %v", got, report, corrupt)
	}
}

func TestNewerVersion(t *testing.T) {
	files, _ := made(t)
	b := files[last]
	b[8] = 2
	binary.LittleEndian.PutUint32(b[40:], crc32.Checksum(b[:40], crc32.MakeTable(crc32.Castagnoli)))
	_, err := wal.Check(onDisk(t, files), "log", func(wal.Entry) error { return nil })
	if !errors.Is(err, wal.ErrVersion) || !strings.Contains(err.Error(), "log/00000003.wal: version 2") {
		t.Fatal(err)
	}
}

func TestOtherNames(t *testing.T) {
	files, _ := made(t)
	others := []string{"0000001.wal", "000000004.wal", "00000000.wal", "4.wal", "99999999999.wal", "notes", "notes.tmp", "torn-00000001-7",
		"torn-1-7.0", "x00000004.wal"}
	for _, name := range others {
		files[name] = []byte("?")
	}
	files["torn-00000001-7.0"] = nil
	files["00000004.wal.tmp"] = nil
	files["torn-00000001-7.1.tmp"] = nil
	d := onDisk(t, files)
	must(t, d.MkdirAll("log/00000004.wal"))
	report, err := wal.Check(d, "log", func(wal.Entry) error { return nil })
	must(t, err)
	slices.Sort(others)
	if want := append([]string{"00000004.wal"}, others...); !slices.Equal(slices.Sorted(slices.Values(report.Others)), slices.Sorted(slices.Values(want))) {
		t.Fatalf("others: %q", report.Others)
	}
	if !slices.Equal(report.Kept, []string{"torn-00000001-7.0"}) {
		t.Fatalf("kept: %q", report.Kept)
	}
	must(t, d.Remove("log/00000004.wal"))
	must(t, open(t, d).Close())
	after := contents(t, d)
	if len(after) != len(files)-2 {
		t.Fatalf("Open left %v", slices.Sorted(maps.Keys(after)))
	}
}
