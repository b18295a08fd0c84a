// Package format turns bytes into audit events, whatever they are wrapped in. Start with Reader: it takes a file, an
// archive or a stream and yields the events in it, peeling containers (gzip, tar, …), framings (lines, arrays, CSV, …)
// and carriers (container runtimes, clouds, shippers) record by record, so that one file may mix them. ListReader and
// LineReader are the same for a webhook's body and for a log that is being written.
//
// It promises that no good event is lost beside a bad one, that what cannot be read is handed over with its bytes and the
// reason, that what is left out is counted by kind, and that memory is bounded whatever the input. Event.Bytes are the
// innermost JSON object; where the carrier itself is the event, its record. View says what such bytes mean. Every shape
// that is read, and what it cannot hold, stands in docs/formats.md.
package format

import (
	"errors"
	"io"
	"maps"
)

// The limits. Each counts bytes after decompression.
const (
	MaxRecord  = 64 << 20 // a longer record is quarantined by its head
	MaxLayers  = 4        // containers inside each other
	MaxHead    = 1 << 20  // of the bytes that a quarantined piece keeps
	maxZip     = 64 << 20 // a zip that cannot be read at random is held in memory up to here
	maxRatio   = 1000     // output to input of all containers together, after the first freeOutput bytes
	freeOutput = 1 << 30
	maxDepth   = 8        // carriers and lists inside each other
	chunkSize  = 1 << 20  // of input, that Chunk yields events of at once
	smallest   = 64 << 10 // of buffers
)

// Place says where an event was found and what its carrier adds.
type Place struct {
	Path        string // the file, and the member in it: "must-gather.tar.gz!audit_logs/kube-apiserver/a.log.gz"
	Offset      int64  // of the record that held it, in the decompressed file
	Node        string // the node or host that the carrier names
	CarrierTime int64  // when the carrier took it, microseconds since 1970; 0: it does not say
	Incomplete  bool   // it goes on to the end of the input, and has no end of its own
}

// Item is one thing that a Reader found: an event, an unreadable piece (Dialect Unreadable), or a record that is
// recognised and is no audit event, whose kind Skipped then names.
type Item struct {
	Event
	Place
	Skipped string
}

// Counts says what became of the bytes.
type Counts struct {
	Events      int64            // whole or salvaged
	Salvaged    int64            // of those, cut
	Quarantined map[string]int64 // unreadable pieces by reason
	Skipped     map[string]int64 // records that are no audit events, by kind
	Bytes       int64            // read, after decompression
}

// Reader yields what is in a file. Only one goroutine may use it.
type Reader struct {
	src    *source
	name   string
	layers []layer // the innermost is the last

	events []Event  // of this chunk; everything in them is valid until the next chunk begins
	places []Place  // of each
	kinds  []string // of each, if it is a skipped record
	given  int      // of events, by Next
	arena  []byte   // what they hold that is not in a member's buffer

	chunked bool // events pile up in a chunk; skipped records are only counted
	greedy  bool // a chunk begins by filling the buffer
	plain   bool // no containers
	tail    bool // leave a last record alone that may still grow
	size    int  // of a chunk
	longest int  // MaxRecord
	spare   []byte

	offset int64 // of the input's first byte; once it is read, of its end
	counts Counts
	err    error
}

// layer is an archive, or a member that holds records.
type layer struct {
	archive *archive
	member  *member
}

// NewReader reads r, which is called name in notes and paths. A zip is read at random if r is an io.ReaderAt that knows
// its size, as files and bytes.Reader are.
func NewReader(r io.Reader, name string) *Reader {
	return &Reader{src: newSource(r), name: name, longest: MaxRecord}
}

// Next returns the next item; what it holds is valid until the call after. At the end the error is io.EOF; any other is
// the input's own.
func (r *Reader) Next() (Item, error) {
	if r.given++; r.given >= len(r.events) {
		r.begin()
		for len(r.events) == 0 {
			if err := r.step(); err != nil && len(r.events) == 0 {
				return Item{}, err
			}
		}
	}
	return Item{r.events[r.given], r.places[r.given], r.kinds[r.given]}, nil
}

// Chunk returns the next events and the place of each: as many as lie in a megabyte of input; if max is not 0, nothing
// more is read once there are max of them. Skipped records are only counted. All is valid until the next call. Events
// come without an error; after one there are no more. It is not to be mixed with Next.
func (r *Reader) Chunk(max int) ([]Event, []Place, error) {
	r.chunked, r.greedy, r.size = true, true, chunkSize
	r.begin()
	for err := error(nil); err == nil && (max == 0 || len(r.events) < max); {
		if err = r.step(); err != nil && len(r.events) == 0 {
			return nil, nil, err
		}
	}
	return r.events, r.places, nil
}

// Counts says what has become of the bytes so far. It is the caller's to keep.
func (r *Reader) Counts() Counts {
	c := r.counts
	c.Quarantined, c.Skipped = maps.Clone(c.Quarantined), maps.Clone(c.Skipped)
	return c
}

// begin forgets the last chunk, so that buffers may move again.
func (r *Reader) begin() {
	r.events, r.places, r.kinds, r.given = r.events[:0], r.places[:0], r.kinds[:0], 0
	if cap(r.arena) > 4<<20 {
		r.arena = nil
	}
	r.arena = r.arena[:0]
}

// errPause says that the buffer would have to move, and that there are events in it.
var errPause = errors.New("the chunk is full")

// step takes one record, or one turn with a container.
func (r *Reader) step() error {
	if r.err != nil {
		return r.err
	}
	err := r.turn()
	if err != nil && err != errPause && !(r.tail && err == io.EOF) {
		r.err = err
	}
	return err
}

func (r *Reader) turn() error {
	if r.layers == nil {
		r.layers = []layer{}
		if kind := skippedName(r.name); kind != "" {
			r.skip(kind, nil, &context{m: &member{path: r.name, fix: -1}})
			return nil
		}
		return r.open(r.src, r.name, opening{})
	}
	if len(r.layers) == 0 {
		return io.EOF
	}
	top := r.layers[len(r.layers)-1]
	if top.archive != nil {
		return r.nextMember(top.archive)
	}
	return r.record(top.member)
}

// pop leaves the innermost layer. Its buffer is used again, unless events lie in it.
func (r *Reader) pop() {
	top := &r.layers[len(r.layers)-1]
	if top.member != nil && len(r.events) == 0 && len(top.member.buf) <= chunkSize {
		r.spare = top.member.buf
	}
	*top = layer{}
	r.layers = r.layers[:len(r.layers)-1]
}
