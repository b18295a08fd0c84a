package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"

	"annals.dev/internal/format"
)

// A frame of the log is what one batch left: the events that were new, and the positions of those it brought again.
type frame struct {
	cluster, origin string
	received        int64
	first           uint64
	events          []framed
	again           []uint64 // positions, ascending
}

type framed struct {
	dialect format.Dialect
	marks   format.Marks
	note    string
	bytes   []byte
	at      int64 // of bytes, from the payload's start
}

const frameVersion = 1

var errFrame = errors.New("a frame of the log cannot be read")

// head appends all of the frame but the events' bytes, which follow it one after another.
func (f *frame) head(b []byte) []byte {
	b = append(b, frameVersion)
	b = appendString(b, f.cluster)
	b = appendString(b, f.origin)
	b = binary.AppendVarint(b, f.received)
	b = binary.AppendUvarint(b, f.first)
	b = binary.AppendUvarint(b, uint64(len(f.again)))
	last := uint64(0)
	for _, p := range f.again {
		b = binary.AppendUvarint(b, p-last)
		last = p
	}
	b = binary.AppendUvarint(b, uint64(len(f.events)))
	for _, e := range f.events {
		b = append(b, byte(e.dialect))
		b = binary.AppendUvarint(b, uint64(e.marks))
		b = appendString(b, e.note)
		b = binary.AppendUvarint(b, uint64(len(e.bytes)))
	}
	return b
}

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// parseFrame reads a payload of the log. The events' bytes are pieces of it.
func parseFrame(b []byte) (f frame, err error) {
	d := decoder{b: b}
	if v := d.byte(); v != frameVersion {
		return f, fmt.Errorf("%w: version %d; this program knows version %d", errFrame, v, frameVersion)
	}
	f.cluster, f.origin = d.string(), d.string()
	f.received, f.first = d.varint(), d.uvarint()
	last := uint64(0)
	for range d.count() {
		last += d.uvarint()
		f.again = append(f.again, last)
	}
	n := d.count()
	sizes := make([]uint64, 0, n)
	for range n {
		f.events = append(f.events, framed{dialect: format.Dialect(d.byte()), marks: format.Marks(d.uvarint()), note: d.string()})
		sizes = append(sizes, d.uvarint())
	}
	for i, size := range sizes {
		f.events[i].at = int64(len(b) - len(d.b))
		f.events[i].bytes = d.take(size)
	}
	if d.bad || len(d.b) != 0 {
		return f, fmt.Errorf("%w: its lengths do not add up", errFrame)
	}
	return f, nil
}

// decoder reads the ledger's own small binary structures; after a fault it gives zeros, and bad is set.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return nil
	}
	p := d.b[:n:n]
	d.b = d.b[n:]
	return p
}

func (d *decoder) byte() byte {
	if p := d.take(1); p != nil {
		return p[0]
	}
	return 0
}

func (d *decoder) uvarint() uint64 {
	x, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return x
}

func (d *decoder) varint() int64 {
	x, n := binary.Varint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return x
}

// count reads a number of things that take a byte each at least.
func (d *decoder) count() int {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return 0
	}
	return int(n)
}

func (d *decoder) string() string { return string(d.take(d.uvarint())) }
