package logfile

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"annals.dev/sink"
	"annals.dev/sink/sinktest"
)

var ctx = context.Background()

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func start(t testing.TB, cfg Config) *Log { return startOn(t, cfg, operatingSystem) }

func startOn(t testing.TB, cfg Config, s system) *Log {
	t.Helper()
	if cfg.Path == "" {
		cfg.Path = filepath.Join(t.TempDir(), "logs", "audit.log")
	}
	l, err := open(cfg, s)
	must(t, err)
	t.Cleanup(func() { _ = l.Close(ctx) })
	return l
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return string(b)
}

// everything is all lines of a log: the backups', the oldest first, and the live file's.
func everything(t testing.TB, l *Log) (lines []string) {
	t.Helper()
	backups, err := l.backups()
	must(t, err)
	for _, b := range slices.Backward(backups) {
		if b.gzip {
			f, err := os.Open(b.name + ".gz")
			must(t, err)
			z, err := gzip.NewReader(f)
			must(t, err)
			text, err := io.ReadAll(z)
			must(t, err)
			must(t, f.Close())
			lines = append(lines, strings.SplitAfter(string(text), "\n")...)
		} else {
			lines = append(lines, strings.SplitAfter(read(t, b.name), "\n")...)
		}
	}
	lines = append(lines, strings.SplitAfter(read(t, l.cfg.Path), "\n")...)
	return slices.DeleteFunc(lines, func(s string) bool { return s == "" })
}

func send(t testing.TB, l *Log, events ...string) {
	t.Helper()
	var all [][]byte
	for _, e := range events {
		all = append(all, []byte(e))
	}
	must(t, l.Send(ctx, all...))
}

func TestLogIsASink(t *testing.T) {
	for _, cfg := range []Config{{}, {MaxSize: 2000}, {MaxSize: 3000, Compress: true, Sync: time.Millisecond}, {Sync: SyncEach}} {
		sinktest.Run(t, func(t *testing.T) sinktest.Subject {
			l := start(t, cfg)
			return sinktest.Subject{Sink: l, String: "log", Events: func() (all [][]byte) {
				for _, line := range everything(t, l) {
					all = append(all, []byte(strings.TrimSuffix(line, "\n")))
				}
				return all
			}}
		})
	}
}

func TestFileAndFolders(t *testing.T) {
	l := start(t, Config{})
	for path, want := range map[string]fs.FileMode{l.cfg.Path: 0o600, filepath.Dir(l.cfg.Path): 0o700} {
		info, err := os.Stat(path)
		must(t, err)
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o", path, info.Mode().Perm())
		}
	}
	for _, cfg := range []Config{{}, {Path: t.TempDir()}, {Path: "x", Format: "xml"}} {
		if l, err := New(cfg); err == nil {
			t.Errorf("%+v opens: %v", cfg, l)
		}
	}
}

func TestStandardOutput(t *testing.T) {
	r, w, err := os.Pipe()
	must(t, err)
	old := os.Stdout
	os.Stdout = w
	l, err := New(Config{Path: "-", MaxSize: 10, Sync: SyncEach})
	os.Stdout = old
	must(t, err)
	send(t, l, `{"a":1}`, `{"b":2}`)
	must(t, l.Reopen())
	must(t, l.Close(ctx))
	_, err = w.WriteString("still open\n")
	must(t, err)
	must(t, w.Close())
	got, err := io.ReadAll(r)
	must(t, err)
	if string(got) != "{\"a\":1}\n{\"b\":2}\nstill open\n" {
		t.Errorf("%q", got)
	}
}

// An event whose white space has newlines stays one line, and means the same.
func TestPrettyEvent(t *testing.T) {
	l := start(t, Config{})
	send(t, l, "{\n \"a\": 1\n\n}", `{"b":2}`)
	if got := read(t, l.cfg.Path); got != "{  \"a\": 1  }\n{\"b\":2}\n" {
		t.Errorf("%q", got)
	}
}

func TestRotation(t *testing.T) {
	line := strings.Repeat("x", 99)
	for _, c := range []struct {
		name   string
		max    int64
		there  string
		events []string
		want   []int // sizes of the files, the oldest first
	}{
		{"exactly full", 200, "", []string{line, line, line}, []int{200, 100}},
		{"one byte over", 199, "", []string{line, line, line}, []int{100, 100, 100}},
		{"too large for any file", 150, "", []string{line, strings.Repeat("y", 400), line, line}, []int{100, 401, 100, 100}},
		{"too large, and first", 150, "", []string{strings.Repeat("y", 400), line}, []int{401, 100}},
		{"a file that is there", 250, "123456789\n", []string{line, line, line}, []int{210, 100}},
		{"none", 0, "", []string{line, line, line}, []int{300}},
	} {
		for _, together := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, together %v", c.name, together), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "audit.log")
				must(t, os.WriteFile(path, []byte(c.there), 0o640))
				l := start(t, Config{Path: path, MaxSize: c.max})
				if together {
					send(t, l, c.events...)
				} else {
					for _, e := range c.events {
						send(t, l, e)
					}
				}
				var sizes []int
				backups, err := l.backups()
				must(t, err)
				for _, b := range slices.Backward(backups) {
					sizes = append(sizes, int(b.size))
				}
				sizes = append(sizes, len(read(t, path)))
				if !slices.Equal(sizes, c.want) {
					t.Errorf("files of %v bytes, want %v", sizes, c.want)
				}
				want := c.there + strings.Join(c.events, "\n") + "\n"
				if got := strings.Join(everything(t, l), ""); got != want {
					t.Errorf("%q\nwant %q", got, want)
				}
				if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
					t.Errorf("the new file has mode %v, %v", info.Mode(), err)
				}
			})
		}
	}
}

// Rotations in one millisecond have names of their own, also after a restart, and also beside compressed ones.
func TestNamesAreUnique(t *testing.T) {
	l := start(t, Config{MaxSize: 10})
	for range 50 {
		send(t, l, strings.Repeat("x", 20))
	}
	prefix, ext := l.parts()
	now := time.Date(2026, 11, 21, 0, 16, 30, 152e6, time.UTC)
	l.stamp = time.Time{}
	first, err := l.backupName(now)
	must(t, err)
	if first != prefix+"2026-11-21T00-16-30.152"+ext {
		t.Errorf("the name is %s", first)
	}
	must(t, os.WriteFile(first+".gz", nil, 0o600))
	l.stamp = time.Time{}
	second, err := l.backupName(now)
	must(t, err)
	if second != prefix+"2026-11-21T00-16-30.153"+ext {
		t.Errorf("beside it, the name is %s", second)
	}
	must(t, os.Remove(first+".gz"))
	if got := everything(t, l); len(got) != 50 {
		t.Errorf("%d events are left of 50", len(got))
	}
}

// A clock that was ahead once, or is behind now, must not make the newest backup the first that is removed.
func TestClockGoesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	ahead := time.Now().UTC().Add(20 * 365 * 24 * time.Hour)
	for i := range 2 {
		name := "audit-" + ahead.Add(time.Duration(i)*time.Hour).Format(stampLayout) + ".log"
		must(t, os.WriteFile(filepath.Join(filepath.Dir(path), name), []byte("old\n"), 0o600))
	}
	l := start(t, Config{Path: path, MaxSize: 10, MaxBackups: 2, MaxAge: 24 * time.Hour})
	send(t, l, "{first}", "{second}", "{third}")
	l.millOnce(time.Now())
	if got := strings.Join(everything(t, l), ""); got != "{first}\n{second}\n{third}\n" {
		t.Errorf("what is left: %q", got)
	}
}

func TestMill(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	name := func(age time.Duration) string { return "audit-" + now.Add(-age).Format(stampLayout) + ".log" }
	all := map[string]string{ // six backups of 1000 bytes, one of them compressed, one both
		name(1 * time.Hour): "", name(2 * time.Hour): "", name(3*time.Hour) + ".gz": "",
		name(25 * time.Hour): "", name(25*time.Hour) + ".gz": "", name(49 * time.Hour): "", name(73 * time.Hour): "",
		name(4*time.Hour) + ".gz.tmp": "", // half compressed, once
	}
	others := []string{"audit.log.1", "audit-2026.log", "other-2026-11-21T00-16-30.152.log", "audit-2026-11-21T00-16-30.152.txt", "audit-2026-11-21T00-16-30.152.log.gz.bak"}
	for _, c := range []struct {
		name string
		cfg  Config
		want []string
	}{
		{"no limit", Config{}, []string{name(1 * time.Hour), name(2 * time.Hour), name(3*time.Hour) + ".gz", name(25 * time.Hour),
			name(25*time.Hour) + ".gz", name(49 * time.Hour), name(73 * time.Hour)}},
		{"count", Config{MaxBackups: 4}, []string{name(1 * time.Hour), name(2 * time.Hour), name(3*time.Hour) + ".gz", name(25 * time.Hour), name(25*time.Hour) + ".gz"}},
		{"age", Config{MaxAge: 24 * time.Hour}, []string{name(1 * time.Hour), name(2 * time.Hour), name(3*time.Hour) + ".gz"}},
		{"total", Config{MaxTotal: 2500}, []string{name(1 * time.Hour), name(2 * time.Hour)}},
		{"compress", Config{MaxBackups: 4, Compress: true}, []string{name(1*time.Hour) + ".gz", name(2*time.Hour) + ".gz", name(3*time.Hour) + ".gz", name(25*time.Hour) + ".gz"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for n := range all {
				must(t, os.WriteFile(filepath.Join(dir, n), bytes.Repeat([]byte("x"), 1000), 0o600))
			}
			for _, n := range others {
				must(t, os.WriteFile(filepath.Join(dir, n), nil, 0o600))
			}
			c.cfg.Path = filepath.Join(dir, "audit.log")
			l := start(t, c.cfg)
			l.millOnce(now)
			var got []string
			entries, err := os.ReadDir(dir)
			must(t, err)
			for _, e := range entries {
				if e.Name() != "audit.log" && !slices.Contains(others, e.Name()) {
					got = append(got, e.Name())
				}
			}
			slices.Sort(c.want)
			if !slices.Equal(got, c.want) {
				t.Errorf("%v\nwant %v", got, c.want)
			}
			if len(entries) != len(got)+len(others)+1 {
				t.Error("a file that is no backup is gone")
			}
		})
	}
}

func TestReopen(t *testing.T) {
	for _, c := range []struct {
		name  string
		touch func(t *testing.T, l *Log)
		want  string // in the file
		old   string // in the one that was moved away
	}{
		{"moved, and told", func(t *testing.T, l *Log) {
			must(t, os.Rename(l.cfg.Path, l.cfg.Path+".1"))
			must(t, l.Reopen())
		}, "two\n", "one\n"},
		{"moved", func(t *testing.T, l *Log) { must(t, os.Rename(l.cfg.Path, l.cfg.Path+".1")) }, "two\n", "one\n"},
		{"removed", func(t *testing.T, l *Log) { must(t, os.Remove(l.cfg.Path)) }, "two\n", ""},
		{"replaced", func(t *testing.T, l *Log) {
			must(t, os.Rename(l.cfg.Path, l.cfg.Path+".1"))
			must(t, os.WriteFile(l.cfg.Path, []byte("new\n"), 0o600))
		}, "new\ntwo\n", "one\n"},
		{"truncated", func(t *testing.T, l *Log) { must(t, os.Truncate(l.cfg.Path, 0)) }, "two\n", ""},
		{"truncated after a rotation", func(t *testing.T, l *Log) {
			send(t, l, strings.Repeat("x", 60))
			must(t, os.Truncate(l.cfg.Path, 0))
		}, "two\n", ""},
		{"grown by others", func(t *testing.T, l *Log) {
			f, err := os.OpenFile(l.cfg.Path, os.O_APPEND|os.O_WRONLY, 0)
			must(t, err)
			_, err = f.WriteString("other\n")
			must(t, err)
			must(t, f.Close())
		}, "one\nother\ntwo\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := start(t, Config{MaxSize: 60})
			send(t, l, "one")
			c.touch(t, l)
			l.live.checked = time.Time{} // as if a while had passed
			send(t, l, "two")
			if got := read(t, l.cfg.Path); got != c.want {
				t.Errorf("the file has %q, want %q", got, c.want)
			}
			if c.old != "" {
				if got := read(t, l.cfg.Path+".1"); got != c.old {
					t.Errorf("the old file has %q, want %q", got, c.old)
				}
			}
		})
	}
	l := start(t, Config{})
	must(t, l.Close(ctx))
	if err := l.Reopen(); !errors.Is(err, sink.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// A half line, as a crash leaves it, is ended before the next event.
func TestHalfLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	must(t, os.WriteFile(path, []byte("{\"a\":1}\n{\"b\""), 0o600))
	l := start(t, Config{Path: path})
	send(t, l, `{"c":3}`)
	send(t, l, `{"d":4}`)
	if got := read(t, path); got != "{\"a\":1}\n{\"b\"\n{\"c\":3}\n{\"d\":4}\n" {
		t.Errorf("%q", got)
	}
}
