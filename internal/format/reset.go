package format

import "io"

// maxReused is how many events a ListReader keeps room for when it is used again.
const maxReused = 8 << 10

// Reset makes l what NewListReader would, in the memory that it has, and with buf, which it has to itself from now on, to
// read into; a megabyte is of use, nil will do. What its Next returned before is not valid any more.
func (l *ListReader) Reset(r io.Reader, limit int64, buf []byte) {
	old := l.r
	*l = *NewListReader(r, limit)
	l.r.spare = buf
	if cap(old.events) <= maxReused {
		l.r.events, l.r.places, l.r.kinds = old.events[:0], old.places[:0], old.kinds[:0]
	}
}
