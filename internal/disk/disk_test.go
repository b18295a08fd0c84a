package disk_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"annals.dev/internal/disk"
	"annals.dev/internal/disk/sim"
)

// both runs a test on the operating system's files and on the simulated disk: what holds for one must hold for the other.
func both(t *testing.T, test func(t *testing.T, d disk.FS)) {
	t.Run("os", func(t *testing.T) { test(t, disk.OS(t.TempDir())) })
	t.Run("sim", func(t *testing.T) { test(t, sim.New(1)) })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, d disk.FS, name, content string) disk.File {
	t.Helper()
	f, err := d.Create(name)
	must(t, err)
	t.Cleanup(func() { f.Close() })
	_, err = f.WriteAt([]byte(content), 0)
	must(t, err)
	return f
}

func content(t *testing.T, d disk.FS, name string) string {
	t.Helper()
	b, err := disk.ReadFile(d, name)
	must(t, err)
	return string(b)
}

func TestFile(t *testing.T) {
	both(t, func(t *testing.T, d disk.FS) {
		f := create(t, d, "a", "hello")
		must(t, f.Sync())
		if _, err := f.WriteAt([]byte("!"), 7); err != nil {
			t.Fatal(err)
		}
		if n, err := f.Size(); n != 8 || err != nil {
			t.Fatalf("size %d, %v", n, err)
		}
		if got := content(t, d, "a"); got != "hello\x00\x00!" {
			t.Fatalf("content %q", got)
		}
		b := make([]byte, 4)
		if n, err := f.ReadAt(b, 6); n != 2 || err != io.EOF || string(b[:2]) != "\x00!" {
			t.Fatalf("read %d bytes %q, %v", n, b, err)
		}
		must(t, f.Truncate(2))
		must(t, f.Truncate(4))
		if got := content(t, d, "a"); got != "he\x00\x00" {
			t.Fatalf("after truncate %q", got)
		}
		r, err := d.Open("a")
		must(t, err)
		if _, err := r.WriteAt([]byte("x"), 0); err == nil {
			t.Fatal("a file opened for reading was written")
		}
		must(t, r.Close())
		if _, err := r.ReadAt(b, 0); !errors.Is(err, fs.ErrClosed) {
			t.Fatalf("read after close: %v", err)
		}
	})
}

func TestOpenFileOutlivesItsName(t *testing.T) {
	both(t, func(t *testing.T, d disk.FS) {
		f := create(t, d, "a", "old")
		create(t, d, "b", "new")
		must(t, d.Rename("b", "a"))
		if got := content(t, d, "a"); got != "new" {
			t.Fatalf("after rename %q", got)
		}
		b := make([]byte, 3)
		if _, err := f.ReadAt(b, 0); err != nil || string(b) != "old" {
			t.Fatalf("the replaced file reads %q, %v", b, err)
		}
		must(t, d.Remove("a"))
		entries, err := d.ReadDir(".")
		if len(entries) != 0 || err != nil {
			t.Fatalf("left over: %v, %v", entries, err)
		}
	})
}

func TestDirectories(t *testing.T) {
	both(t, func(t *testing.T, d disk.FS) {
		must(t, d.MkdirAll("x/y/z"))
		must(t, d.MkdirAll("x/y"))
		must(t, d.MkdirAll("."))
		create(t, d, "x/y/b", "12")
		create(t, d, "x/y/a", "1")
		entries, err := d.ReadDir("x/y")
		must(t, err)
		var got []string
		for _, e := range entries {
			i, err := e.Info()
			must(t, err)
			if i.IsDir() {
				got = append(got, e.Name()+"/")
				continue
			}
			got = append(got, fmt.Sprintf("%s:%d:%v", e.Name(), i.Size(), i.Mode()))
		}
		if s := strings.Join(got, " "); s != "a:1:-rw------- b:2:-rw------- z/" {
			t.Fatal(s)
		}
		i, err := d.Stat("x/y")
		if err != nil || !i.IsDir() || i.Mode().Perm() != 0o700 {
			t.Fatalf("stat: %v, %v", i, err)
		}
		must(t, d.SyncDir("x/y"))
		if err := d.Remove("x/y"); err == nil {
			t.Fatal("removed a directory that is not empty")
		}
		if err := d.MkdirAll("x/y/a"); !errors.Is(err, fs.ErrExist) {
			t.Fatalf("made a directory where a file is: %v", err)
		}
	})
}

func TestErrors(t *testing.T) {
	both(t, func(t *testing.T, d disk.FS) {
		create(t, d, "a", "")
		_, createErr := d.Create("a")
		_, openErr := d.Open("b")
		_, rwErr := d.OpenRW("b")
		_, underErr := d.Create("no/b")
		_, statErr := d.Stat("b")
		_, listErr := d.ReadDir("no")
		for _, c := range []struct {
			what      string
			err, want error
		}{
			{"create what exists", createErr, fs.ErrExist},
			{"open what does not", openErr, fs.ErrNotExist},
			{"open it for writing", rwErr, fs.ErrNotExist},
			{"create in no directory", underErr, fs.ErrNotExist},
			{"stat", statErr, fs.ErrNotExist},
			{"list", listErr, fs.ErrNotExist},
			{"rename", d.Rename("b", "c"), fs.ErrNotExist},
			{"remove", d.Remove("b"), fs.ErrNotExist},
			{"sync no directory", d.SyncDir("no"), fs.ErrNotExist},
		} {
			if !errors.Is(c.err, c.want) {
				t.Errorf("%s: %v, want %v", c.what, c.err, c.want)
			}
		}
		for _, name := range []string{"", "/a", "../a", "x/../../a", "./a", "a/", "x//y"} {
			_, openErr := d.Open(name)
			_, createErr := d.Create(name)
			for i, err := range []error{openErr, createErr, d.Remove(name), d.Rename("a", name), d.Rename(name, "b"), d.MkdirAll(name)} {
				if !errors.Is(err, fs.ErrInvalid) {
					t.Errorf("name %q, operation %d: %v", name, i, err)
				}
			}
		}
	})
}

func TestOSRootMustBeAbsolute(t *testing.T) {
	if _, err := disk.OS("data").Stat("."); err == nil || !strings.Contains(err.Error(), "absolute") {
		t.Fatal(err)
	}
}

func TestOSMakesItsRoot(t *testing.T) {
	root := filepath.Join(t.TempDir(), "a", "b")
	d := disk.OS(root)
	must(t, d.MkdirAll("."))
	must(t, disk.WriteFile(d, "f", []byte("x")))
	i, err := os.Stat(filepath.Join(root, "f"))
	if err != nil || i.Mode() != 0o600 {
		t.Fatal(i, err)
	}
	i, err = os.Stat(root)
	if err != nil || i.Mode().Perm() != 0o700 {
		t.Fatal(i, err)
	}
}

func TestWriteFile(t *testing.T) {
	both(t, func(t *testing.T, d disk.FS) {
		must(t, d.MkdirAll("x"))
		for _, want := range []string{"", "one", strings.Repeat("two", 100000)} {
			create(t, d, "x/f.tmp", "left over from a crash")
			must(t, disk.WriteFile(d, "x/f", []byte(want)))
			if got := content(t, d, "x/f"); got != want {
				t.Fatalf("%d bytes, want %d", len(got), len(want))
			}
			if _, err := d.Stat("x/f.tmp"); !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("the temporary file is there: %v", err)
			}
		}
	})
}

func TestWriteFileCosts(t *testing.T) {
	d := sim.New(1)
	must(t, disk.WriteFile(d, "f", []byte("x")))
	for kind, want := range map[sim.Kind]int{sim.Create: 1, sim.Write: 1, sim.Sync: 1, sim.Rename: 1, sim.SyncDir: 1, sim.Close: 1} {
		if got := d.Count(kind); got != want {
			t.Errorf("%v: %d times, want %d", kind, got, want)
		}
	}
	if d.N() != 6 {
		t.Errorf("%d operations, want 6", d.N())
	}
}

// Whatever goes wrong at whichever operation, and whether the process is killed or the power goes, the file is the old one or
// the new one, whole; the new one if WriteFile said so; and it can be written again.
func TestWriteFileFaults(t *testing.T) {
	older, newer := strings.Repeat("old ", 700), strings.Repeat("new ", 900)
	for n := range 7 {
		for _, fault := range sim.Faults() {
			for seed := range uint64(20) {
				t.Run(fmt.Sprintf("%d-%v-%d", n, fault, seed), func(t *testing.T) {
					d := sim.New(seed)
					must(t, disk.WriteFile(d, "f", []byte(older)))
					d.FailAt(d.N()+n, fault)
					err := disk.WriteFile(d, "f", []byte(newer))
					next := d.Crash()
					if seed%4 == 0 {
						next = d.Kill()
					}
					got := content(t, next, "f")
					if got != newer && (err == nil || got != older) {
						t.Fatalf("WriteFile said %v, and then the file has %d bytes, %.40q…", err, len(got), got)
					}
					must(t, disk.WriteFile(next, "f", []byte("third")))
					if got := content(t, next.Crash(), "f"); got != "third" {
						t.Fatalf("then %.40q…", got)
					}
				})
			}
		}
	}
}

func TestIsFull(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false}, {syscall.ENOSPC, true}, {syscall.EDQUOT, true}, {syscall.EIO, false},
		{fmt.Errorf("append: %w", &fs.PathError{Op: "write", Path: "f", Err: syscall.ENOSPC}), true},
	} {
		if got := disk.IsFull(c.err); got != c.want {
			t.Errorf("IsFull(%v) = %v", c.err, got)
		}
	}
}
