package diff

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gopkg.in/natefinch/lumberjack.v2"
	"pgregory.net/rapid"

	"annals.dev/sink/logfile"
)

const megabyte = 1 << 20

// backupName is how a backup is called, up to what makes it unique.
var backupName = regexp.MustCompile(`^audit-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}\.log$`)

// files are the sizes of a log and its backups, oldest first, and what is in them altogether.
func files(t fails, dir string) (sizes []int, content []byte) {
	t.Helper()
	entries, err := os.ReadDir(dir) // by name, which is by time; the log itself is the last
	must(err)
	for _, e := range entries {
		if name := e.Name(); name != "audit.log" && !backupName.MatchString(name) {
			t.Fatalf("a backup is called %s", name)
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		must(err)
		sizes, content = append(sizes, len(b)), append(content, b...)
	}
	return sizes, content
}

type rotation struct {
	before int // bytes that the log has at the beginning
	lines  []int
}

// TestRandomLinesAreRotatedTheSame writes a line a time until both logs have rotated a few times.
func TestRandomLinesAreRotatedTheSame(t *testing.T) {
	check(t, 1, func(t *rapid.T) {
		of := rotation{before: one(t, []int{0, 1, megabyte - 1, megabyte, megabyte + 1}, "before")}
		for range rapid.IntRange(1, 3).Draw(t, "lines") {
			of.lines = append(of.lines, one(t, []int{2, megabyte / 2, megabyte - 2, megabyte - 1, megabyte}, "line"))
		}
		sameRotation(t, of)
	})
	sameRotation(t, rotation{1, []int{megabyte - 1}}) // which is rare among the random ones
}

func sameRotation(t fails, of rotation) {
	t.Helper()
	ourDir, theirDir := tempDir(), tempDir()
	for _, dir := range []string{ourDir, theirDir} {
		if of.before > 0 {
			must(os.WriteFile(filepath.Join(dir, "audit.log"), append(bytes.Repeat([]byte("o"), of.before-1), '\n'), 0o600))
		}
	}
	theirs := &lumberjack.Logger{Filename: filepath.Join(theirDir, "audit.log"), MaxSize: 1}
	ours, err := logfile.New(logfile.Config{Path: filepath.Join(ourDir, "audit.log"), MaxSize: megabyte, Log: slog.New(slog.DiscardHandler)})
	must(err)
	for i, n := range of.lines {
		line := bytes.Repeat([]byte{'a' + byte(i)}, n-1)
		must(ours.Send(context.Background(), line))
		next := time.Now().Add(2 * time.Millisecond) // lumberjack writes over a backup of the same millisecond
		for time.Now().Before(next) {
			time.Sleep(time.Millisecond)
		}
		if _, err := theirs.Write(append(line, '\n')); err != nil {
			t.Fatalf("%v\n%+v", err, of)
		}
	}
	must(theirs.Close())
	must(ours.Close(context.Background()))
	ourSizes, ourContent := files(t, ourDir)
	theirSizes, theirContent := files(t, theirDir)
	same(t, "rotation.sizes", fmt.Sprint(ourSizes), fmt.Sprint(theirSizes), of)
	if !bytes.Equal(ourContent, theirContent) {
		t.Fatalf("the logs hold not the same\n%+v", of)
	}
	must(os.RemoveAll(ourDir))
	must(os.RemoveAll(theirDir))
}

func tempDir() string {
	dir, err := os.MkdirTemp("", "annals-diff-")
	must(err)
	return dir
}

// TestBackupsArePrunedTheSame has backups of all ages lie there when the log is opened.
func TestBackupsArePrunedTheSame(t *testing.T) {
	for _, limit := range []struct{ backups, days int }{{0, 0}, {2, 0}, {1, 0}, {0, 1}, {3, 3}, {100, 400}} {
		var dirs [2]string
		for i := range dirs {
			dirs[i] = t.TempDir()
			for _, days := range []int{0, 1, 2, 5, 365} {
				at := time.Now().UTC().Add(-time.Duration(days)*24*time.Hour - time.Hour)
				must(os.WriteFile(filepath.Join(dirs[i], "audit-"+at.Format("2006-01-02T15-04-05.000")+".log"), []byte("x\n"), 0o600))
			}
			for _, other := range []string{"audit-2020.log", "other-2020-01-01T00-00-00.000.log", "audit-2020-01-01T00-00-00.000.txt", "audit-2020-01-01T00-00-00.000.log.bak"} {
				must(os.WriteFile(filepath.Join(dirs[i], other), nil, 0o600))
			}
		}
		theirs := &lumberjack.Logger{Filename: filepath.Join(dirs[1], "audit.log"), MaxSize: 1, MaxBackups: limit.backups, MaxAge: limit.days}
		ours, err := logfile.New(logfile.Config{Path: filepath.Join(dirs[0], "audit.log"), MaxSize: megabyte, MaxBackups: limit.backups, MaxAge: time.Duration(limit.days) * 24 * time.Hour, Log: slog.New(slog.DiscardHandler)})
		must(err)
		must(ours.Send(context.Background(), []byte("{}")))
		_, err = theirs.Write([]byte("{}\n"))
		must(err)
		kept := func(dir string) string {
			entries, err := os.ReadDir(dir)
			must(err)
			var ages []string
			for _, e := range entries {
				ages = append(ages, regexp.MustCompile(`T\d\d-\d\d-\d\d\.\d{3}`).ReplaceAllString(e.Name(), ""))
			}
			return strings.Join(ages, " ")
		}
		var our, their string
		for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) { // both prune in the background
			if our, their = kept(dirs[0]), kept(dirs[1]); our == their {
				break
			}
		}
		same(t, "rotation.pruned", our, their, limit)
		must(theirs.Close())
		must(ours.Close(context.Background()))
	}
}

// TestRotationWithinAMillisecond has many rotations at once.
func TestRotationWithinAMillisecond(t *testing.T) {
	ourDir, theirDir := t.TempDir(), t.TempDir()
	theirs := &lumberjack.Logger{Filename: filepath.Join(theirDir, "audit.log"), MaxSize: 1}
	ours, err := logfile.New(logfile.Config{Path: filepath.Join(ourDir, "audit.log"), MaxSize: 1, Log: slog.New(slog.DiscardHandler)})
	must(err)
	count := func(dir string) int {
		entries, err := os.ReadDir(dir)
		must(err)
		all := 0
		for _, e := range entries {
			b, err := os.ReadFile(filepath.Join(dir, e.Name()))
			must(err)
			all += bytes.Count(b, []byte("{}"))
		}
		return all
	}
	// Until two of upstream's backups have had one name, which takes two rotations within a millisecond.
	n := 0
	for n < 100_000 && (n%100 > 0 || count(theirDir) == n) {
		must(ours.Send(context.Background(), []byte("{}")))
		_, err := theirs.Write([]byte("{}\n"))
		must(errors.Join(err, theirs.Rotate()))
		n++
	}
	must(theirs.Close())
	must(ours.Close(context.Background()))
	same(t, "rotation.burst", fmt.Sprint(count(ourDir) == n), fmt.Sprint(count(theirDir) == n), nil)
}

// TestLinesOfAnyLength has a line that is longer than a file may be, and a log that is removed and cut by others.
func TestLogsThatOthersTouch(t *testing.T) {
	for _, what := range []string{"too long", "removed", "cut"} {
		var held [2]string
		for i := range held {
			path := filepath.Join(t.TempDir(), "audit.log")
			var write func(string) error
			if i == 0 {
				ours, err := logfile.New(logfile.Config{Path: path, MaxSize: megabyte, Log: slog.New(slog.DiscardHandler)})
				must(err)
				defer ours.Close(context.Background())
				write = func(s string) error { return ours.Send(context.Background(), []byte(s)) }
			} else {
				theirs := &lumberjack.Logger{Filename: path, MaxSize: 1}
				defer theirs.Close()
				write = func(s string) error { _, err := theirs.Write([]byte(s + "\n")); return err }
			}
			second := "2"
			must(write("1"))
			must(write(strings.Repeat("x", megabyte-3))) // the next begins a new file, which is not opened to append
			must(write("3"))
			switch what {
			case "too long":
				second = strings.Repeat("2", megabyte+1)
			case "removed":
				must(os.Remove(path))
			case "cut":
				must(os.Truncate(path, 0))
			}
			err := write(second)
			b, readErr := os.ReadFile(path)
			for end := time.Now().Add(2 * time.Second); readErr != nil && time.Now().Before(end); time.Sleep(10 * time.Millisecond) { // ours looks once a second
				err = write(second)
				b, readErr = os.ReadFile(path)
			}
			held[i] = fmt.Sprintf("stored %v, lost %v, zeros %v", err == nil, readErr != nil || !bytes.Contains(b, []byte(second)), bytes.Contains(b, []byte{0}))
		}
		same(t, "rotation."+what, held[0], held[1], nil)
	}
}
