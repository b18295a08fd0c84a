package format

import "io"

// maxReused is how many events a reader keeps room for when it is used again.
const maxReused = 8 << 10

// Reset makes l what NewListReader would, in the memory that it has, and with buf, which it has to itself from now on, to
// read into; a megabyte is of use, nil will do. What its Next returned before is not valid any more.
func (l *ListReader) Reset(r io.Reader, limit int64, buf []byte) {
	old := l.r
	*l = *NewListReader(r, limit)
	l.r.inherit(&old, buf)
}

// Reset makes l what NewLineReader would; the rest as with ListReader.
func (l *LineReader) Reset(r io.Reader, name string, offset int64, buf []byte) {
	old := l.r
	*l = *NewLineReader(r, name, offset)
	l.r.inherit(&old, buf)
}

func (r *Reader) inherit(old *Reader, buf []byte) {
	r.spare = buf
	if cap(old.events) <= maxReused {
		r.events, r.places, r.kinds = old.events[:0], old.places[:0], old.kinds[:0]
	}
}
