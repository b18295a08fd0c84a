package query

import (
	"bytes"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// DuckDB's memory limit does not count the strings that functions make: two thousand rows of one call may be a terabyte before
// it looks whether it should stop. So while a statement runs, the kernel grants the process no more than what it has, the
// statement's memory and elsewhere for everything else; then DuckDB is refused memory, which it takes for the end of the
// statement, and the machine is not.
var dataLimit struct {
	mu      sync.Mutex
	running int
	before  unix.Rlimit
}

// elsewhere is how much the rest of the process may grow meanwhile. Go ends a process that is refused memory.
const elsewhere = 2 << 30

// bound dataLimit the process's memory until the returned function is called. Where that cannot be done it does nothing.
func bound(memory int64) (end func()) {
	dataLimit.mu.Lock()
	defer dataLimit.mu.Unlock()
	var now unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_DATA, &now) != nil {
		return func() {}
	}
	has, ok := dataSize()
	if !ok {
		return func() {}
	}
	if dataLimit.running == 0 {
		dataLimit.before = now
	}
	wanted := has + uint64(memory) + elsewhere
	if dataLimit.running > 0 {
		wanted = max(wanted, now.Cur)
	}
	if wanted = min(wanted, dataLimit.before.Cur); unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: wanted, Max: now.Max}) != nil {
		return func() {}
	}
	dataLimit.running++
	return func() {
		dataLimit.mu.Lock()
		defer dataLimit.mu.Unlock()
		if dataLimit.running--; dataLimit.running == 0 {
			// What was allowed before is allowed again: it is no more than the hard limit.
			_ = unix.Setrlimit(unix.RLIMIT_DATA, &dataLimit.before)
		}
	}
}

// dataSize is how much memory the process has that RLIMIT_DATA counts.
func dataSize() (uint64, bool) {
	text, err := os.ReadFile("/proc/self/statm")
	fields := bytes.Fields(text)
	if err != nil || len(fields) < 6 {
		return 0, false
	}
	pages, err := strconv.ParseUint(string(fields[5]), 10, 64)
	return pages * uint64(os.Getpagesize()), err == nil
}
