package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"sync"

	"annals.dev/internal/disk"
	"annals.dev/internal/format"
	"annals.dev/internal/parquet"
)

// Segment is an immutable run of positions First to Last in two files: columns (Parquet) and an index. Its rows lie by object,
// then time. Its methods may be called by many goroutines; they open the files anew, so the page cache is the only cache.
type Segment struct {
	First, Last      uint64
	MinTime, MaxTime int64 // of the events' time, microseconds

	cluster  string
	fs       disk.FS
	root     string // where fs lies on disk, if it does
	name     string // path without extension, below the ledger's directory
	files    [2]fileInfo
	index    *index
	words    int64 // where the word index begins
	blockEnd []int
	groupEnd []int

	users int  // snapshots and merges that hold it; the ledger's mutex guards it
	dead  bool // no longer in the manifest: the files go when nobody holds it
}

const (
	columnsFile = ".parquet"
	indexFile   = ".idx"
)

func segmentName(cluster string, first, last uint64) string {
	return path.Join(clusterDir(cluster), "segments", runName(first, last))
}

func runName(first, last uint64) string { return fmt.Sprintf("%016d-%016d", first, last) }

// openSegment reads the index of a segment.
func openSegment(d disk.FS, root, cluster, name string) (*Segment, error) {
	f, err := d.Open(name + indexFile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	x, words, err := readIndex(f, size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name+indexFile, err)
	}
	s := &Segment{First: x.First, Last: x.Last, MinTime: x.MinTime, MaxTime: x.MaxTime, cluster: cluster, fs: d, root: root, name: name, index: x, words: words}
	n := 0
	for _, b := range x.Blocks {
		n += b
		s.blockEnd = append(s.blockEnd, n)
	}
	n = 0
	for _, g := range x.Groups {
		n += g.Rows
		s.groupEnd = append(s.groupEnd, n)
	}
	return s, nil
}

// Path names the Parquet file on disk, for DuckDB's read_parquet. Its columns are Columns, in that order.
func (s *Segment) Path() string { return path.Join(s.root, s.name+columnsFile) }

// Rows is how many events it holds.
func (s *Segment) Rows() int { return int(s.Last - s.First + 1) }

// Size is what its files take on disk.
func (s *Segment) Size() int64 { return s.files[0].size + s.files[1].size }

// Marked says how many of its events were salvaged, quarantined, truncated by the API server, and in conflict.
func (s *Segment) Marked() (salvaged, quarantined, truncated, conflicts int) {
	return s.index.Salvaged, s.index.Quarantined, s.index.Truncated, s.index.Conflicts
}

// Blocks is the number of blocks; a block is a run of rows, the unit of pruning. BlockRows gives block i's rows [from, to).
func (s *Segment) Blocks() int { return len(s.blockEnd) }

func (s *Segment) BlockRows(i int) (from, to int) {
	if i > 0 {
		from = s.blockEnd[i-1]
	}
	return from, s.blockEnd[i]
}

// WordBlocks gives the blocks, ascending, that hold a word (match.HashWord): all of them that do, and seldom one that does not.
func (s *Segment) WordBlocks(hash uint32) ([]uint32, error) {
	b := make([]byte, s.index.Words)
	if err := s.readIndexAt(b, s.words); err != nil {
		return nil, err
	}
	list, err := wordBlocks(b, hash, len(s.blockEnd))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name+indexFile, err)
	}
	return list, nil
}

// MayHaveID says whether an event with this audit ID may be in the segment: seldom wrong, and never misses one.
func (s *Segment) MayHaveID(auditID string) (bool, error) {
	hash := hashID(auditID)
	var block [bloomBlock]byte
	if err := s.readIndexAt(block[:], s.words+s.index.Words+bloomAt(hash, s.index.IDs)); err != nil {
		return false, err
	}
	return mayHold(block[:], hash), nil
}

func (s *Segment) readIndexAt(b []byte, off int64) error {
	f, err := s.fs.Open(s.name + indexFile)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.ReadAt(b, off); err != nil {
		return fmt.Errorf("%s at byte %d: %w", s.name+indexFile, off, err)
	}
	return nil
}

// FindID gives the rows, ascending, of the events with this audit ID, by reading the columns of audit IDs alone.
func (s *Segment) FindID(ctx context.Context, auditID string) ([]int, error) {
	f, err := s.fs.Open(s.name + columnsFile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var found []int
	var m parquet.Memory
	hi, lo, isUUID := parseUUID(stringBytes(auditID))
	for g, from := range s.groups() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		pages := s.index.Groups[g].Pages
		m.Reset()
		if isUUID {
			his, los, err := m.UUIDs(f, pages[cAuditID])
			if err != nil {
				return nil, s.damaged(err)
			}
			for i := range his {
				if his[i] == hi && los[i] == lo {
					found = append(found, from+i)
				}
			}
			continue
		}
		dict, codes, err := m.Strings(f, pages[cAuditIDText])
		if err != nil {
			return nil, s.damaged(err)
		}
		for i, c := range codes {
			if c > 0 && string(dict[c-1]) == auditID {
				found = append(found, from+i)
			}
		}
	}
	return found, nil
}

// groups yields each row group and its first row.
func (s *Segment) groups() func(yield func(group, from int) bool) {
	return func(yield func(int, int) bool) {
		from := 0
		for g, end := range s.groupEnd {
			if !yield(g, from) {
				return
			}
			from = end
		}
	}
}

// DamageError says that a file of the ledger cannot be what was written.
type DamageError struct {
	File string
	Err  error
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("%s is damaged: %v: run annals verify", e.File, e.Err)
}
func (e *DamageError) Unwrap() error { return e.Err }

// damaged says that the columns are not what was written, unless it is the disk that does not give them.
func (s *Segment) damaged(err error) error {
	var disk *fs.PathError
	if errors.As(err, &disk) {
		return err
	}
	return &DamageError{s.name + columnsFile, err}
}

// Stored is an event as the ledger holds it.
type Stored struct {
	format.Event
	Cluster  string
	Position uint64
	Origin   string
	Received int64 // microseconds
}

// Read gives back the events of the given rows (ascending), in that order. What f gets is valid until it returns. An error of
// f ends it and is returned.
func (s *Segment) Read(ctx context.Context, rows []int, f func(row int, e *Stored) error) error {
	return s.read(ctx, rows, func(t *table, i, row int, raw []byte, scratch *reading) error {
		if err := scratch.stored(s.cluster, t, i, raw); err != nil {
			return s.damaged(err)
		}
		return f(row, &scratch.event)
	})
}

// reading is what Read uses again for each event.
type reading struct {
	event                    Stored
	scratch, raw             []byte
	group, bodies, surrounds parquet.Memory
}

// readings are at rest. Memory above the bound is not kept.
var readings = sync.Pool{New: func() any { return new(reading) }}

const keepReading = 64 << 20

func (r *reading) rest() {
	for _, m := range []*parquet.Memory{&r.group, &r.bodies, &r.surrounds} {
		m.Reset()
	}
	r.event = Stored{}
	if r.group.Size()+r.bodies.Size()+r.surrounds.Size()+cap(r.raw)+cap(r.scratch) <= keepReading {
		readings.Put(r)
	}
}

// stored fills the event from a row and its bytes.
func (r *reading) stored(cluster string, t *table, i int, raw []byte) (err error) {
	e := &r.event
	*e = Stored{Cluster: cluster, Position: uint64(t.ints[cPosition][i]), Received: t.ints[cReceived][i], Origin: string(t.text(cOrigin, i))}
	e.Bytes, e.Dialect, e.Marks, e.Note = raw, format.Dialect(t.ints[cDialect][i]), format.Marks(t.ints[cMarks][i]), string(t.text(cNote, i))
	r.scratch, err = format.View(e.Dialect, raw, &e.View, r.scratch)
	return err
}

// read decodes the row groups and body pages that hold the rows, and rebuilds each row's bytes.
func (s *Segment) read(ctx context.Context, rows []int, f func(t *table, i, row int, raw []byte, r *reading) error) error {
	file, err := s.fs.Open(s.name + columnsFile)
	if err != nil {
		return err
	}
	defer file.Close()
	scratch := readings.Get().(*reading)
	defer scratch.rest()
	for len(rows) > 0 {
		g := sort.SearchInts(s.groupEnd, rows[0]+1)
		if g == len(s.groupEnd) {
			return fmt.Errorf("%s has no row %d", s.name, rows[0])
		}
		from := 0
		if g > 0 {
			from = s.groupEnd[g-1]
		}
		n := sort.SearchInts(rows, s.groupEnd[g])
		scratch.group.Reset()
		t, err := s.group(&scratch.group, file, g)
		if err != nil {
			return s.damaged(err)
		}
		bodies := paged{memory: &scratch.bodies, pages: s.index.Groups[g].Pages[cBodies]}
		surrounds := paged{memory: &scratch.surrounds, pages: s.index.Groups[g].Pages[cSurround]}
		for _, row := range rows[:n] {
			if err := ctx.Err(); err != nil {
				return err
			}
			i := row - from
			body, err := bodies.value(file, i)
			if err != nil {
				return s.damaged(err)
			}
			form := t.ints[cForm][i]
			var surround []byte
			if form == formSurround || form == formWhole {
				if surround, err = surrounds.value(file, i); err != nil {
					return s.damaged(err)
				}
			}
			request, response := splitBodies(body)
			if scratch.raw, err = t.appendEvent(scratch.raw[:0], i, form, surround, request, response); err != nil {
				return s.damaged(err)
			}
			if err := f(t, i, row, scratch.raw, scratch); err != nil {
				return err
			}
		}
		rows = rows[n:]
	}
	return nil
}

func (s *Segment) ints(m *parquet.Memory, f disk.File, g, column int) ([]int64, error) {
	return m.Ints(f, s.index.Groups[g].Pages[column], Columns[column].Optional)
}

// group reads the columns of a row group, bodies and surrounds aside, into m.
func (s *Segment) group(m *parquet.Memory, f disk.File, g int) (*table, error) {
	t := &table{n: s.index.Groups[g].Rows}
	for c, def := range Columns {
		pages := s.index.Groups[g].Pages[c]
		var err error
		switch def.Kind {
		case Int64, Timestamp:
			t.ints[c], err = s.ints(m, f, g, c)
		case UUID:
			t.hi, t.lo, err = m.UUIDs(f, pages)
		case String:
			t.dict[c], t.codes[c], err = m.Strings(f, pages)
		}
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", def.Name, err)
		}
	}
	return t, nil
}

// paged is a column of large values, read a page at a time, in order.
type paged struct {
	memory *parquet.Memory // this column's alone: it holds the page read last
	pages  []parquet.Page
	from   int // the first row of pages[0]
	values [][]byte
}

func (p *paged) value(f disk.File, row int) ([]byte, error) {
	for len(p.pages) > 0 && row >= p.from+int(p.pages[0].Rows) {
		p.from += int(p.pages[0].Rows)
		p.pages, p.values = p.pages[1:], nil
	}
	if len(p.pages) == 0 {
		return nil, fmt.Errorf("row %d lies behind the last page", row)
	}
	if p.values == nil {
		p.memory.Reset()
		v, err := p.memory.Bytes(f, p.pages[0])
		if err != nil {
			return nil, err
		}
		p.values = v
	}
	return p.values[row-p.from], nil
}

func splitBodies(b []byte) (request, response []byte) {
	request, response, _ = bytes.Cut(b, []byte{bodySeparator})
	return request, response
}
