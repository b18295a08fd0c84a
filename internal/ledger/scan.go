package ledger

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"annals.dev/internal/disk"
	"annals.dev/internal/parquet"
)

// Scan hands the named columns to f, a row group at a time: n rows of which the first is the segment's row from. What wanted
// turns down is not read. Bodies and blobs cannot be scanned. What f gets is valid until it returns, and not to be changed.
func (s *Segment) Scan(ctx context.Context, columns []string, wanted func(from, n int) bool, f func(from, n int, cols []HotColumn) error) error {
	file, err := s.fs.Open(s.name + columnsFile)
	if err != nil {
		return err
	}
	defer file.Close()
	m := scans.Get().(*parquet.Memory)
	defer func() {
		if m.Reset(); m.Size() <= keepReading {
			scans.Put(m)
		}
	}()
	cols := make([]HotColumn, len(columns))
	for g, from := range s.groups() {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := s.index.Groups[g].Rows
		if !wanted(from, n) {
			continue
		}
		m.Reset()
		for i, name := range columns {
			if cols[i], err = s.column(m, file, g, name); err != nil {
				return err
			}
		}
		if err := f(from, n, cols); err != nil {
			return err
		}
	}
	return nil
}

var scans = sync.Pool{New: func() any { return new(parquet.Memory) }}

func (s *Segment) column(m *parquet.Memory, file disk.File, g int, name string) (c HotColumn, err error) {
	i := slices.IndexFunc(Columns[:], func(c Column) bool { return c.Name == name })
	if i < 0 {
		return c, fmt.Errorf("the ledger has no column %q", name)
	}
	c.Kind = Columns[i].Kind
	switch pages := s.index.Groups[g].Pages[i]; c.Kind {
	case Int64, Timestamp:
		c.I64, err = m.Ints(file, pages, Columns[i].Optional)
	case UUID:
		c.Hi, c.Lo, err = m.UUIDs(file, pages)
	case String:
		c.Dict, c.Codes, err = m.Strings(file, pages)
	default:
		return c, fmt.Errorf("column %s cannot be scanned", name)
	}
	if err != nil {
		return c, s.damaged(fmt.Errorf("column %s: %w", name, err))
	}
	return c, nil
}

// Scan hands the named columns of all rows to f, as Segment.Scan does.
func (h *Hot) Scan(columns []string, f func(from, n int, cols []HotColumn) error) error {
	cols := make([]HotColumn, len(columns))
	for i, name := range columns {
		at := slices.IndexFunc(Columns[:], func(c Column) bool { return c.Name == name })
		if at < 0 || Columns[at].Kind == Body || Columns[at].Kind == Blob {
			return fmt.Errorf("column %q cannot be scanned", name)
		}
		cols[i] = h.Cols[at]
	}
	return f(0, h.N, cols)
}
