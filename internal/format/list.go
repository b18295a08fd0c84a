package format

import (
	"errors"
	"fmt"
	"io"
)

// ErrTooLarge says that a body is larger than its limit. What came before it is not to be trusted to be all.
var ErrTooLarge = errors.New("the body is too large")

// ListReader reads a webhook's body: an EventList, or anything else that Reader reads, but for containers.
type ListReader struct {
	r Reader
}

// NewListReader reads r, of at most limit bytes.
func NewListReader(r io.Reader, limit int64) *ListReader {
	return &ListReader{Reader{src: newSource(&limited{r, limit, limit}), name: "body", plain: true, longest: MaxRecord}}
}

// Next returns the next events; if max is not 0, nothing more is read once there are max of them. They and their bytes are
// valid until the call after. Each is read once, where it lies. An item that cannot be read is an event too, in quarantine. The error is io.EOF at the
// end, ErrTooLarge, or the input's own: then an item that was cut is not among the events.
func (l *ListReader) Next(max int) ([]Event, error) {
	events, _, err := l.r.Chunk(max)
	return events, err
}

// Counts says what has become of the bytes so far.
func (l *ListReader) Counts() Counts { return l.r.Counts() }

// limited fails, where io.LimitedReader would only end.
type limited struct {
	r           io.Reader
	left, limit int64
}

func (l *limited) Read(b []byte) (int, error) {
	n, err := l.r.Read(b[:min(int64(len(b)), l.left+1)])
	if l.left -= int64(n); l.left < 0 {
		return n, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, l.limit)
	}
	return n, err
}

// LineReader reads a log of lines that may still be written to. It leaves an incomplete last record alone.
type LineReader struct {
	r Reader
}

// NewLineReader reads r, which is called name in notes and begins at offset of it.
func NewLineReader(r io.Reader, name string, offset int64) *LineReader {
	return &LineReader{Reader{src: newSource(r), name: name, plain: true, tail: true, offset: offset, longest: MaxRecord}}
}

// Next returns the next events and the place of each; if max is not 0, nothing more is read once there are max of them.
// All is valid until the call after. The error is io.EOF at the end of what there is: once there is more, Next goes on.
func (l *LineReader) Next(max int) ([]Event, []Place, error) { return l.r.Chunk(max) }

// Finish is Next for a log that will not be written to any more: what is incomplete at its end comes too.
func (l *LineReader) Finish(max int) ([]Event, []Place, error) {
	l.r.tail = false
	return l.r.Chunk(max)
}

// End is the offset at which a new LineReader loses nothing after what Next has returned. After io.EOF an incomplete
// record begins there, if there is one.
func (l *LineReader) End() int64 {
	if len(l.r.layers) == 0 {
		return l.r.offset
	}
	return l.r.layers[0].member.resume()
}

// Counts says what has become of the bytes so far.
func (l *LineReader) Counts() Counts { return l.r.Counts() }
