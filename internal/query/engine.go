// Package query answers questions about the events of a ledger: searches, counts and histograms by a predicate, and SQL
// statements. Start with Engine.
//
// A search is planned over a snapshot: segments that cannot hold a match are left out by their time range, audit IDs and
// words, the rest is read by DuckDB, sealed and unsealed rows alike, and what columns cannot decide is decided by the
// predicate itself over the events. What counts events, by fields or by time, asks the same for the rows that match and counts
// them in the columns' dictionaries. A statement runs apart, behind walls: it can read the view events and compute, and
// nothing else. All questions go through a Reader, which holds what somebody may see. Every answer comes with its Coverage,
// which says what it is an answer about.
package query

import (
	"fmt"
	"strings"

	"annals.dev/internal/ledger"
)

// Options say what an Engine may use. The zero value of each is a default.
type Options struct {
	Dir       string // the ledger's directory: the only files that searches may read
	Memory    int64  // bytes, of searches together; default 256 MiB
	SQLMemory int64  // bytes, of a statement; default 512 MiB
	Threads   int    // of each; default 2
}

// Engine answers questions. Many goroutines may ask.
type Engine struct {
	snapshot func(clusters ...string) *ledger.Snapshot
	opt      Options
	search   *instance
	sqlTurn  chan struct{} // holds a token for each statement that runs
	tallies  tallies
	matches  matches
}

// statementsAtOnce is how many statements run at once; others wait.
const statementsAtOnce = 2

// New makes an engine that asks the snapshots that take takes, such as Ledger.Snapshot. Close it.
func New(take func(clusters ...string) *ledger.Snapshot, opt Options) (*Engine, error) {
	if opt.Memory == 0 {
		opt.Memory = 256 << 20
	}
	if opt.SQLMemory == 0 {
		opt.SQLMemory = 512 << 20
	}
	if opt.Threads == 0 {
		opt.Threads = 2
	}
	in, err := openInstance(settings(opt.Memory, opt.Threads))
	if err != nil {
		return nil, err
	}
	e := &Engine{snapshot: take, opt: opt, search: in, sqlTurn: make(chan struct{}, statementsAtOnce)}
	c, err := in.acquire()
	if err == nil {
		defer in.release(c)
		err = registerHot(c)
		if err == nil {
			err = registerFunctions(c)
		}
		if err == nil {
			err = lock(c, "allowed_directories", []string{opt.Dir})
		}
	}
	if err != nil {
		in.close()
		return nil, err
	}
	return e, nil
}

// Close ends the engine. Questions still being answered are answered.
func (e *Engine) Close() { e.search.close() }

// settings of a DuckDB that keeps to itself: it loads nothing, keeps nothing between questions and has no disk.
func settings(memory int64, threads int) [][2]string {
	return [][2]string{
		{"memory_limit", fmt.Sprintf("%dB", memory)},
		{"threads", fmt.Sprint(threads)},
		{"temp_directory", ""},
		{"autoinstall_known_extensions", "false"},
		{"autoload_known_extensions", "false"},
		{"allow_community_extensions", "false"},
		{"allow_persistent_secrets", "false"},
		{"enable_external_file_cache", "false"},
		{"preserve_insertion_order", "false"},
	}
}

// lock takes away the file system, but for the paths given, and then the means to undo that.
func lock(c *conn, setting string, paths []string) error {
	quoted := make([]string, len(paths))
	for i, p := range paths {
		quoted[i] = literal(p)
	}
	for _, s := range []string{
		fmt.Sprintf("SET %s = [%s]", setting, strings.Join(quoted, ", ")),
		"SET enable_external_access = false",
		"SET lock_configuration = true",
	} {
		if err := c.exec(s); err != nil {
			return fmt.Errorf("query: locking duckdb: %w", err)
		}
	}
	return nil
}

// literal writes s as SQL.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
