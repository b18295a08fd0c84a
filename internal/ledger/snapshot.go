package ledger

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"annals.dev/internal/format"
	"annals.dev/internal/wal"
)

// Snapshot is what a question is asked of: clusters at one moment. The files of its segments, and of the log that its rows in
// memory name, stay until Release.
type Snapshot struct {
	Clusters []*ClusterView

	ledger *Ledger
	held   []*Segment
	files  logFiles
}

// ClusterView is one cluster in a snapshot: segments by their first position, then the rows not sealed yet.
type ClusterView struct {
	Name     string
	Size     uint64 // positions 0 to Size-1
	Segments []*Segment
	Hot      []*Hot // consecutive: those being sealed, then the ones that grow
}

// Hot is the rows that are in no segment yet, row i being position First+i, as columns in memory.
type Hot struct {
	First    uint64
	N        int
	Cols     []HotColumn // parallel to Columns
	Refs     []BodyRef   // where the events lie in the log
	Extra    [][]byte    // see BodyRef
	cluster  string
	snapshot *Snapshot
}

// HotColumn is one column's memory; only what its kind needs is set, and its first N entries are read.
type HotColumn struct {
	Kind   Kind
	I64    []int64  // Int64, Timestamp; NullInt is null
	Hi, Lo []uint64 // UUID; both 0: null
	Codes  []uint32 // String: 0 is null, k is Dict[k-1]
	Dict   [][]byte
	Refs   []BodyRef // Body
}

// BodyRef says where in a file of the log an event and its two bodies lie.
type BodyRef struct {
	File      uint32 // for Hot.Fd
	Off       int64  // of the event's first byte
	Len       uint32
	Req, Resp [2]uint32 // offset from Off, and length; length 0: none
	Extra     uint32    // not 0: the bodies do not stand in the log as such (another dialect, bytes that are no UTF-8); the column's value is Hot.Extra[Extra-1]
}

// bodies is the part of the event that holds both bodies.
func (b *BodyRef) bodies() (from, to uint32) {
	if b.Req[1] == 0 {
		return b.Resp[0], b.Resp[0] + b.Resp[1]
	}
	if b.Resp[1] == 0 {
		return b.Req[0], b.Req[0] + b.Req[1]
	}
	return min(b.Req[0], b.Resp[0]), max(b.Req[0]+b.Req[1], b.Resp[0]+b.Resp[1])
}

// Snapshot takes the named clusters, all if none is named, without reading anything. Clusters that do not exist are not in it.
func (l *Ledger) Snapshot(clusters ...string) *Snapshot {
	s := &Snapshot{ledger: l, files: logFiles{log: l.log, open: make(map[uint32]*wal.Handle)}}
	l.mu.Lock()
	defer l.mu.Unlock()
	names := clusters
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(l.clusters))
	}
	for _, name := range names {
		c := l.clusters[name]
		if c == nil {
			continue
		}
		v := &ClusterView{Name: name, Size: c.head.size, Segments: c.segments}
		for _, seg := range c.segments {
			seg.users++
		}
		s.held = append(s.held, c.segments...)
		if c.frozen != nil {
			v.Hot = append(v.Hot, s.view(c, c.frozen.rows))
		}
		if c.hot.n > 0 {
			v.Hot = append(v.Hot, s.view(c, c.hot))
		}
		s.Clusters = append(s.Clusters, v)
	}
	return s
}

// view copies the slice headers of rows: what is added later lies behind them.
func (s *Snapshot) view(c *cluster, r *rows) *Hot {
	h := &Hot{First: r.first, N: r.n, Refs: r.refs, Extra: r.extra, Cols: make([]HotColumn, columnCount), cluster: c.name, snapshot: s}
	for i, def := range Columns {
		h.Cols[i] = HotColumn{Kind: def.Kind, I64: r.ints[i], Codes: r.codes[i], Dict: r.dict[i]}
		switch def.Kind {
		case UUID:
			h.Cols[i].Hi, h.Cols[i].Lo = r.hi, r.lo
		case Body:
			h.Cols[i].Refs = r.refs
		}
	}
	for _, f := range s.ledger.log.Files() { // held so that their descriptors outlive a seal
		if _, ok := s.files.open[f.File]; !ok {
			if handle, err := s.ledger.log.Handle(f.File); err == nil {
				s.files.open[f.File] = handle
			}
		}
	}
	return h
}

// Release gives back what the snapshot holds. Nothing of it may be used after that.
func (s *Snapshot) Release() {
	s.files.release()
	s.ledger.release(s.held)
	s.held = nil
}

// Fd is the file descriptor of the log file that Refs name, for pread, valid until the snapshot is released. Not ok where the
// file layer has none.
func (h *Hot) Fd(file uint32) (fd uintptr, ok bool) {
	handle := h.snapshot.files.open[file]
	if handle == nil {
		return 0, false
	}
	return handle.Fd()
}

// Read hands the events of the given rows to f, in that order. What f gets is valid until it returns.
func (h *Hot) Read(ctx context.Context, rows []int, f func(row int, e *Stored) error) error {
	var scratch []byte
	var ahead readAhead
	var e Stored
	origin := "" // most come one after the other from the same
	for i, row := range rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		if row < 0 || row >= h.N {
			return fmt.Errorf("there is no row %d among %d in memory", row, h.N)
		}
		raw, err := ahead.event(h, rows[i:])
		if err != nil {
			return err
		}
		if from := h.text(cOrigin, row); string(from) != origin {
			origin = string(from)
		}
		e = Stored{Cluster: h.cluster, Position: h.First + uint64(row), Origin: origin, Received: h.Cols[cReceived].I64[row]}
		e.Bytes, e.Note = raw, string(h.text(cNote, row))
		e.Dialect, e.Marks = format.Dialect(h.Cols[cDialect].I64[row]), format.Marks(h.Cols[cMarks].I64[row])
		if scratch, err = format.View(e.Dialect, raw, &e.View, scratch); err != nil {
			return err
		}
		if err := f(row, &e); err != nil {
			return err
		}
	}
	return nil
}

func (h *Hot) text(column, row int) []byte {
	if code := h.Cols[column].Codes[row]; code > 0 {
		return h.Cols[column].Dict[code-1]
	}
	return nil
}

// Stats are a ledger's figures since it was opened, for metrics and pages.
type Stats struct {
	Accepted, Duplicates, Conflicts, Quarantined, Salvaged uint64
	Bytes                                                  uint64 // of accepted events
	Commits                                                uint64
	Sync                                                   time.Duration // in all, of Commits writes and fsyncs of the log
	SyncBuckets                                            [len(SyncBounds)]uint64
	Merges                                                 uint64
	SealFailed                                             bool // the last seal failed; it is tried again
	Failed                                                 error
	Clusters                                               []ClusterStats
	LogBytes                                               int64
}

// SyncBounds are the upper bounds of Stats.SyncBuckets, in seconds; each bucket counts the writes that took no longer.
var SyncBounds = [...]float64{0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10}

// ClusterStats are one cluster's.
type ClusterStats struct {
	Name         string
	Size         uint64
	Hot          int // events in the log alone
	Segments     int
	SegmentBytes int64
	EventBytes   int64 // of the events in segments
	Quarantined  int   // in segments, as Salvaged
	Salvaged     int
	LastEvent    int64 // the latest time of an event, and when the last one came; microseconds
	LastArrival  int64
	Checkpoint   uint64            // size that the last written checkpoint covers
	Seen         map[string]uint64 // events that came again, by origin
}

func (s *Stats) add(r *Receipt, bytes int64) {
	s.Accepted += uint64(r.Accepted)
	s.Duplicates += uint64(r.Duplicates)
	s.Conflicts += uint64(r.Conflicts)
	s.Quarantined += uint64(r.Quarantined)
	s.Salvaged += uint64(r.Salvaged)
	if r.Accepted > 0 {
		s.Bytes += uint64(bytes)
	}
}

func (s *Stats) synced(d time.Duration) {
	s.Commits++
	s.Sync += d
	for i, b := range SyncBounds {
		if d.Seconds() <= b {
			s.SyncBuckets[i]++
		}
	}
}

// Stats gives the figures as they are now.
func (l *Ledger) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Failed = l.failed
	for _, f := range l.log.Files() {
		s.LogBytes += f.Size
	}
	for _, name := range slices.Sorted(maps.Keys(l.clusters)) {
		c := l.clusters[name]
		k := ClusterStats{Name: name, Size: c.head.size, Hot: c.hot.n, Segments: len(c.segments), LastEvent: c.last, LastArrival: c.arrived, Checkpoint: c.noted, Seen: make(map[string]uint64)}
		if c.frozen != nil {
			k.Hot += c.frozen.rows.n
		}
		for _, seg := range c.segments {
			k.SegmentBytes += seg.Size()
			k.EventBytes += seg.index.Bytes
			k.Quarantined += seg.index.Quarantined
			k.Salvaged += seg.index.Salvaged
		}
		for origin, b := range c.seen {
			k.Seen[origin] = b.GetCardinality()
		}
		s.Clusters = append(s.Clusters, k)
	}
	return s
}
