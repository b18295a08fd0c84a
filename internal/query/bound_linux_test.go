package query

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

// What a statement's strings need is bounded, too, though DuckDB does not count it, and nothing looks while one call makes them.
func TestSQLStrings(t *testing.T) {
	l, dir := newMixed(t)
	e, err := New(l.Snapshot, Options{Dir: dir, SQLMemory: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	before, ok := dataSize()
	if !ok {
		t.Skip("needs /proc to see the memory of the process")
	}
	xs := strings.Repeat("x, ", 1500) + "x"
	for _, sql := range slices.Repeat([]string{
		"select max(strlen(concat(" + xs + "))) from (select range || '" + strings.Repeat("a", 30_000) + "' x from range(10000))",
		"select max(strlen(replace(range || '" + strings.Repeat("a", 25_000) + "', 'a', '" + strings.Repeat("b", 25_000) + "'))) from range(10000)",
	}, 2) {
		_, _, err := answer(context.Background(), e, sql)
		var tooMuch *MemoryError
		if !errors.As(err, &tooMuch) {
			t.Errorf("%.60s: %v", sql, err)
		}
	}
	if _, rows, err := answer(context.Background(), e, "select 1"); err != nil || len(rows) != 1 {
		t.Errorf("a statement after those: %v, %v", rows, err)
	}
	// What they had is given back, so that the bound of the next is no higher.
	if after, _ := dataSize(); after > before+1<<30 {
		t.Errorf("the process has %d MiB more than before", (after-before)>>20)
	}
}
