package ledger

import (
	"context"
	"errors"
	"time"

	"annals.dev/internal/format"
)

// STUB: the contract while the ledger is being written.

// Batch is what one delivery brought. Events and their bytes are not kept after Append returns.
type Batch struct {
	Cluster  string    // under which name; valid by ValidCluster
	Origin   string    // "webhook/cp-1", "file/cp-1:/var/log/kubernetes/audit.log", "import/audit.log"
	Received time.Time // zero: now
	Events   []format.Event
}

// Receipt says what became of a batch. All of it is durable.
type Receipt struct {
	First       uint64 // position of the first event that was new
	Accepted    int    // new events, the marked ones too
	Duplicates  int    // events that the ledger held already, byte for byte
	Conflicts   int    // accepted although their audit ID and stage were taken, with other bytes
	Quarantined int    // of the accepted, unreadable
	Salvaged    int    // of the accepted, cut
}

// ErrFull, ErrBusy and ErrFailed say why Append took nothing: the disk is full (it may be tried again), the queue is full
// (try again soon), a write or fsync failed and the ledger takes nothing more until it is opened anew.
var (
	ErrFull   = errors.New("the disk is full")
	ErrBusy   = errors.New("the ledger is busy")
	ErrFailed = errors.New("the ledger has failed")
	ErrClosed = errors.New("the ledger is closed")
)

// Append makes a batch durable and returns. An error means that nothing of it was accepted. Many goroutines may call it.
func (l *Ledger) Append(ctx context.Context, b Batch) (Receipt, error) { panic("stub") }

type Ledger struct{}

// Snapshot is what a question is asked of: the clusters at one moment. Files of its segments stay until Release.
type Snapshot struct {
	Clusters []*ClusterView
}

// Snapshot takes the named clusters (all, if none is named), without reading anything.
func (l *Ledger) Snapshot(clusters ...string) *Snapshot { panic("stub") }
func (s *Snapshot) Release()                            {}

// ClusterView is one cluster in a snapshot: segments by their first position, then the rows not sealed yet.
type ClusterView struct {
	Name     string
	Size     uint64 // positions 0 to Size-1
	Segments []*Segment
	Hot      []*Hot // consecutive: those being sealed, then the one that grows
}

// Segment is an immutable run of positions [First, Last], its rows ordered by object, then time.
type Segment struct {
	First, Last      uint64
	MinTime, MaxTime int64 // of the events' time, microseconds
}

// Path names the Parquet file on disk, for DuckDB's read_parquet. Its columns are Columns, in that order, but for cluster.
func (s *Segment) Path() string { panic("stub") }
func (s *Segment) Rows() int    { panic("stub") }

// Blocks is the number of blocks; a block is a run of rows, the unit of pruning. BlockRows gives block i's rows [from, to).
func (s *Segment) Blocks() int                    { panic("stub") }
func (s *Segment) BlockRows(i int) (from, to int) { panic("stub") }

// WordBlocks sets in the blocks that hold a word (match.HashWord); nil when none does. Exact but for 32-bit collisions.
func (s *Segment) WordBlocks(hash uint32) []uint32 { panic("stub") }

// MayHaveID says whether an event with this audit ID may be in the segment (a Bloom filter: rarely wrong, never misses).
func (s *Segment) MayHaveID(auditID string) bool { panic("stub") }

// Read rebuilds the events of the given rows (ascending) and hands each to f, in that order. What f gets is valid until it
// returns.
func (s *Segment) Read(ctx context.Context, rows []int, f func(row int, e *Stored) error) error {
	panic("stub")
}

// FindID gives the rows, ascending, of the events with this audit ID, by reading the auditID column alone.
func (s *Segment) FindID(ctx context.Context, auditID string) ([]int, error) { panic("stub") }

// Stored is an event as the ledger holds it.
type Stored struct {
	format.Event
	Cluster  string
	Position uint64
	Origin   string
	Received int64 // microseconds
}

// Hot is the rows that are not in a segment yet, row i being position First+i, as columns in memory.
type Hot struct {
	First uint64
	N     int
	Cols  []HotColumn // parallel to Columns
}

// HotColumn is one column's memory; only the slice of its kind is set, and its first N entries are read.
type HotColumn struct {
	Kind   Kind
	I64    []int64  // Int64, Timestamp; Null entries hold NullInt
	Hi, Lo []uint64 // UUID; both 0: null
	Codes  []uint32 // String: 0 is null, k is Dict[k-1]
	Dict   [][]byte
	Refs   []BodyRef // Body
}

// BodyRef says where in a log file an event and its two bodies lie.
type BodyRef struct {
	File      uint32 // index into Hot.Files
	Off       int64  // the event's first byte
	Len       uint32
	Req, Resp [2]uint32 // offset from Off and length; length 0: none
}

// Read hands the events of the given rows to f, as Segment.Read does.
func (h *Hot) Read(ctx context.Context, rows []int, f func(row int, e *Stored) error) error {
	panic("stub")
}

// Fd is the file descriptor of the log file that Refs name, for pread; valid until the snapshot is released. Not ok when the
// file layer has none (the simulated disk).
func (h *Hot) Fd(file uint32) (fd uintptr, ok bool) { panic("stub") }

// Kind is how a column is kept.
type Kind uint8

const (
	Int64     Kind = iota // BIGINT
	Timestamp             // TIMESTAMP, microseconds UTC
	UUID                  // UUID
	String                // VARCHAR, through a dictionary
	Body                  // VARCHAR: request body, 0x1E, response body; null when there is neither
	Blob                  // BLOB: bytes of events that the columns do not give back; hot rows have none
)

const NullInt = -1 << 63

// Column is a column of the ledger's rows, as Parquet files and hot rows have it.
type Column struct {
	Name string
	Kind Kind
}

// Columns, in the order of the files.
var Columns = []Column{
	{"position", Int64}, {"row", Int64}, // row: 0, 1, 2 … within the segment; in hot rows too
	{"origin", String}, {"received", Timestamp}, {"time", Timestamp}, {"latency", Int64}, // latency: microseconds from requestReceivedTimestamp to stageTimestamp
	{"level", String}, {"stage", String}, {"verb", String}, {"requestURI", String},
	{"username", String}, {"userUID", String}, {"groups", String}, {"userExtra", String}, // groups, userExtra: JSON text
	{"impersonatedUsername", String}, {"impersonatedUser", String}, // the second: JSON text
	{"sourceIPs", String}, {"userAgent", String}, // sourceIPs: JSON text
	{"resource", String}, {"namespace", String}, {"name", String}, {"objectUID", String},
	{"apiGroup", String}, {"apiVersion", String}, {"resourceVersion", String}, {"subresource", String},
	{"code", Int64}, {"responseStatus", String}, // JSON text
	{"decision", String}, {"reason", String}, {"annotations", String}, {"authenticationMetadata", String}, // the last two: JSON text
	{"auditID", UUID}, {"auditIDText", String}, // the second where the first is not a UUID
	{"dialect", Int64}, {"marks", Int64}, {"note", String},
	{"bodies", Body},
	{"form", Int64}, {"surround", Blob}, // how the event's bytes are given back; see docs/format.md
}
