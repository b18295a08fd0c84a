package sim_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"annals.dev/internal/disk"
	"annals.dev/internal/disk/sim"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, f disk.File, content string, off int64) {
	t.Helper()
	_, err := f.WriteAt([]byte(content), off)
	must(t, err)
}

// outcomes cuts the power again and again and collects what the disk then holds.
func outcomes(t *testing.T, d *sim.FS) map[string]int {
	t.Helper()
	all := map[string]int{}
	for range 300 {
		all[list(t, d.Crash())]++
	}
	return all
}

func list(t *testing.T, d disk.FS) string {
	t.Helper()
	entries, err := d.ReadDir(".")
	must(t, err)
	var names []string
	for _, e := range entries {
		s := e.Name()
		if e.IsDir() {
			s += "/"
		} else {
			b, err := disk.ReadFile(d, e.Name())
			must(t, err)
			s += "=" + string(b)
		}
		names = append(names, s)
	}
	return strings.Join(names, " ")
}

// Every outcome that can be must be, and no other.
func TestNames(t *testing.T) {
	file := func(t *testing.T, d *sim.FS, name string) {
		f, err := d.Create(name)
		must(t, err)
		write(t, f, name, 0)
		must(t, f.Sync())
	}
	for _, c := range []struct {
		name   string
		do     func(t *testing.T, d *sim.FS)
		expect []string
	}{
		{"created", func(t *testing.T, d *sim.FS) { file(t, d, "a") }, []string{"", "a=a"}},
		{"created and synced", func(t *testing.T, d *sim.FS) { file(t, d, "a"); must(t, d.SyncDir(".")) }, []string{"a=a"}},
		{"two created", func(t *testing.T, d *sim.FS) { file(t, d, "a"); file(t, d, "b") }, []string{"", "a=a", "b=b", "a=a b=b"}},
		{"renamed", func(t *testing.T, d *sim.FS) {
			file(t, d, "a")
			must(t, d.SyncDir("."))
			must(t, d.Rename("a", "b"))
		}, []string{"a=a", "b=a", "a=a b=a"}},
		{"renamed over", func(t *testing.T, d *sim.FS) {
			file(t, d, "a")
			file(t, d, "b")
			must(t, d.SyncDir("."))
			must(t, d.Rename("a", "b"))
		}, []string{"a=a b=b", "a=a b=a", "b=a"}},
		{"renamed, and its old name taken", func(t *testing.T, d *sim.FS) {
			file(t, d, "a")
			must(t, d.SyncDir("."))
			must(t, d.Rename("a", "b"))
			file(t, d, "c")
			must(t, d.Rename("c", "a"))
		}, []string{"a=a", "b=a", "a=a b=a", "a=c b=a", "a=a c=c", "b=a c=c", "a=a b=a c=c", "a=c b=a c=c"}},
		{"renamed twice", func(t *testing.T, d *sim.FS) {
			file(t, d, "a")
			must(t, d.SyncDir("."))
			must(t, d.Rename("a", "b"))
			must(t, d.Rename("b", "c"))
		}, []string{"a=a", "b=a", "c=a", "a=a b=a", "a=a c=a", "b=a c=a", "a=a b=a c=a"}},
		{"renamed and synced", func(t *testing.T, d *sim.FS) {
			file(t, d, "a")
			must(t, d.Rename("a", "b"))
			must(t, d.SyncDir("."))
		}, []string{"b=a"}},
		{"removed", func(t *testing.T, d *sim.FS) {
			file(t, d, "a")
			must(t, d.SyncDir("."))
			must(t, d.Remove("a"))
		}, []string{"", "a=a"}},
		{"moved out of a directory, which is synced", func(t *testing.T, d *sim.FS) {
			must(t, d.MkdirAll("x"))
			file(t, d, "x/a")
			must(t, d.SyncDir("x"))
			must(t, d.Rename("x/a", "a"))
			must(t, d.SyncDir("x"))
		}, []string{"a=x/a x/"}},
		{"directory", func(t *testing.T, d *sim.FS) { must(t, d.MkdirAll("x")) }, []string{"x/"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := sim.New(7)
			c.do(t, d)
			seen := outcomes(t, d)
			for _, e := range c.expect {
				if seen[e] == 0 {
					t.Errorf("never saw %q", e)
				}
				delete(seen, e)
			}
			if len(seen) > 0 {
				t.Errorf("impossible outcomes: %v", seen)
			}
		})
	}
}

func TestContent(t *testing.T) {
	d := sim.New(3)
	f, err := d.Create("f")
	must(t, err)
	must(t, d.SyncDir("."))
	before := strings.Repeat("a", 1000)
	write(t, f, before, 0)
	must(t, f.Sync())
	write(t, f, strings.Repeat("b", 3000), 1000)
	var whole, none, reordered, zeros, prefix bool
	for range 500 {
		b, err := disk.ReadFile(d.Crash(), "f")
		must(t, err)
		if !strings.HasPrefix(string(b), before) || len(b) > 4000 || len(bytes.Trim(b[1000:], "b\x00")) > 0 {
			t.Fatalf("synced bytes are lost or strange ones are there: %d bytes", len(b))
		}
		rest := string(b[1000:])
		switch {
		case rest == "":
			none = true
		case len(rest) == 3000 && !strings.Contains(rest, "\x00"):
			whole = true
		case strings.Contains(rest, "\x00b"):
			reordered = true
		case strings.HasSuffix(rest, "\x00"):
			zeros = true
		default:
			prefix = true
		}
	}
	if !whole || !none || !reordered || !zeros || !prefix {
		t.Fatal("some outcome never came:", whole, none, reordered, zeros, prefix)
	}
}

func TestDeadDisk(t *testing.T) {
	d := sim.New(1)
	f, err := d.Create("f")
	must(t, err)
	next := d.Kill()
	if _, err := f.WriteAt([]byte("x"), 0); !errors.Is(err, sim.ErrCrashed) {
		t.Fatal(err)
	}
	if _, err := d.Create("g"); !errors.Is(err, sim.ErrCrashed) {
		t.Fatal(err)
	}
	if got := list(t, next); got != "f=" {
		t.Fatalf("after a kill the disk shows %q", got)
	}
	if all := outcomes(t, next); len(all) != 2 {
		t.Fatalf("after a kill what was not synced still is not: %v", all)
	}
}

func TestSameSeedSameFate(t *testing.T) {
	run := func(seed uint64) (all []string) {
		for i := range 20 {
			d := sim.New(seed + uint64(i))
			f, err := d.Create("f")
			must(t, err)
			write(t, f, strings.Repeat("x", 5000), 0)
			must(t, d.Rename("f", "g"))
			all = append(all, list(t, d.Crash()))
		}
		return all
	}
	if a, b := run(5), run(5); fmt.Sprint(a) != fmt.Sprint(b) {
		t.Fatal("two runs of one seed differ")
	}
	if a, b := run(5), run(500); fmt.Sprint(a) == fmt.Sprint(b) {
		t.Fatal("two seeds do the same")
	}
}

func TestFaults(t *testing.T) {
	const data = "0123456789"
	op := func(k sim.Kind, d *sim.FS, f disk.File) error {
		switch k {
		case sim.Write:
			_, err := f.WriteAt([]byte(data), 0)
			return err
		case sim.Sync:
			return f.Sync()
		case sim.Rename:
			return d.Rename("f", "g")
		}
		return d.Remove("f")
	}
	for _, c := range []struct {
		kind  sim.Kind
		fault sim.Fault
		err   error
		shows string // on the same disk
		after string // one of these after a cut of the power, separated by |
	}{
		{sim.Write, sim.Full, syscall.ENOSPC, "f=", "f="},
		{sim.Write, sim.Short, syscall.ENOSPC, "f=01234", ""},
		{sim.Write, sim.IO, syscall.EIO, "f=", "f="},
		{sim.Write, sim.Done, syscall.EIO, "f=" + data, ""},
		{sim.Sync, sim.IO, syscall.EIO, "f=", "f="},
		{sim.Rename, sim.IO, syscall.EIO, "f=", "f="},
		{sim.Rename, sim.Full, syscall.ENOSPC, "f=", "f="},
		{sim.Rename, sim.Done, syscall.EIO, "g=", "f=|g=|f= g="},
		{sim.Rename, sim.Crash, sim.ErrCrashed, "", "f=|g=|f= g="},
		{sim.Remove, sim.Done, syscall.EIO, "", "|f="},
	} {
		t.Run(fmt.Sprint(c.kind, "-", c.fault), func(t *testing.T) {
			d := sim.New(9)
			f, err := d.Create("f")
			must(t, err)
			must(t, d.SyncDir("."))
			d.FailAt(d.N(), c.fault)
			if err := op(c.kind, d, f); !errors.Is(err, c.err) {
				t.Fatalf("%v, want %v", err, c.err)
			}
			if c.fault != sim.Crash {
				if got := list(t, d); got != c.shows {
					t.Fatalf("shows %q, want %q", got, c.shows)
				}
			} else if _, err := d.Stat("f"); !errors.Is(err, sim.ErrCrashed) {
				t.Fatalf("works on after the crash: %v", err)
			}
			if c.after != "" {
				for got := range outcomes(t, d) {
					if !strings.Contains("|"+c.after+"|", "|"+got+"|") {
						t.Errorf("after the cut: %q", got)
					}
				}
			}
		})
	}
}

// A failed fsync, as Linux has it: what was written shows, later syncs succeed, and it is gone after a cut all the same.
func TestLostSync(t *testing.T) {
	forgot := 0
	for seed := range uint64(50) {
		d := sim.New(seed)
		f, err := d.Create("f")
		must(t, err)
		must(t, d.SyncDir("."))
		write(t, f, strings.Repeat("x", 2000), 0)
		d.FailAt(d.N(), sim.Lost)
		if err := f.Sync(); !errors.Is(err, syscall.EIO) {
			t.Fatal(err)
		}
		must(t, f.Sync())
		if got, err := disk.ReadFile(d, "f"); err != nil || len(got) != 2000 {
			t.Fatalf("%d bytes show, %v", len(got), err)
		}
		got, err := disk.ReadFile(d.Crash(), "f")
		must(t, err)
		if len(got) < 2000 || bytes.ContainsRune(got, 0) {
			forgot++
		}
	}
	if forgot < 25 {
		t.Fatalf("forgotten only %d times of 50", forgot)
	}
}

func TestCounts(t *testing.T) {
	d := sim.New(1)
	var seen []string
	d.Plan(func(op sim.Op) sim.Fault {
		seen = append(seen, fmt.Sprintf("%d:%v:%s:%d", op.N, op.Kind, op.Name, op.Size))
		return sim.None
	})
	f, err := d.Create("f")
	must(t, err)
	write(t, f, "abc", 0)
	must(t, f.Sync())
	if _, err := d.Open("g"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	want := "[0:create:f:0 1:write:f:3 2:sync:f:0 3:open:g:0]"
	if got := fmt.Sprint(seen); got != want || d.N() != 4 || d.Count(sim.Write) != 1 || d.Count(sim.Read) != 0 {
		t.Fatalf("%s; %d operations", got, d.N())
	}
}
