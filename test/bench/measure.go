package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cpu is the time that a process has had.
type cpu struct{ user, system time.Duration }

func (c cpu) total() time.Duration { return c.user + c.system }

// clockTick is the unit of /proc, the same on every Linux that Go runs on.
const clockTick = 10 * time.Millisecond

func cpuOf(pid int) (c cpu, err error) {
	path := fmt.Sprintf("/proc/%d/stat", pid)
	b, err := os.ReadFile(path)
	if err != nil {
		return c, err
	}
	// The process's name, in parentheses, may hold anything.
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(f) < 13 {
		return c, fmt.Errorf("%s: %d fields", path, len(f))
	}
	for i, d := range []*time.Duration{&c.user, &c.system} {
		n, err := strconv.ParseInt(string(f[11+i]), 10, 64)
		if err != nil {
			return c, fmt.Errorf("%s: %w", path, err)
		}
		*d = time.Duration(n) * clockTick
	}
	return c, nil
}

// ownCPU is what this process has used, to the microsecond.
func ownCPU() (time.Duration, error) {
	var u unix.Rusage
	err := unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), err
}

// memoryOf reads VmRSS or VmHWM, in bytes.
func memoryOf(pid int, what string) (int64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for in := bufio.NewScanner(f); in.Scan(); {
		if v, ok := strings.CutPrefix(in.Text(), what+":"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("%s has no %s", f.Name(), what)
}

// sizes are what the files of a data directory take.
type sizes struct {
	segments, log, whole int64
	segmentFiles         int // Parquet files
}

func sizesOf(dir string) (s sizes, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		s.whole += info.Size()
		switch filepath.Base(filepath.Dir(path)) {
		case "segments":
			s.segments += info.Size()
			if filepath.Ext(path) == ".parquet" {
				s.segmentFiles++
			}
		case "wal":
			s.log += info.Size()
		}
		return nil
	})
	return s, err
}

// zstd compresses a file as the command does by default, with one thread for that, and gives its user time and how large the
// result is.
func zstd(ctx context.Context, level int, path string) (user time.Duration, size int64, err error) {
	cmd := exec.CommandContext(ctx, "zstd", fmt.Sprintf("-%d", level), "-T1", "-c", "-q", path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, 0, fmt.Errorf("zstd is what annals is measured by: %w: install it (Debian: zstd)", err)
	}
	size, err = io.Copy(io.Discard, out)
	if werr := cmd.Wait(); err == nil && werr != nil {
		err = fmt.Errorf("zstd: %w", werr)
	}
	return cmd.ProcessState.UserTime(), size, err
}

// onOneProcessor keeps what f starts to one processor. The command zstd has a thread that reads beside the one that compresses,
// and as soon as they share a processor, as on a busy machine, one spins while it waits for the other: half as much time again.
func onOneProcessor(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return err
	}
	for i := range len(all) * 64 {
		if all.IsSet(i) {
			one.Set(i)
			break
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return err
	}
	return errors.Join(f(), unix.SchedSetaffinity(0, &all))
}

func median[T int64 | float64 | time.Duration](of []T) T {
	s := slices.Sorted(slices.Values(of))
	return s[len(s)/2]
}
