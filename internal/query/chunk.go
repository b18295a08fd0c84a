package query

import (
	"unsafe"

	duck "github.com/duckdb/duckdb-go-bindings"
)

// chunk is up to 2048 rows of a result. Its memory is DuckDB's and is gone when the function it was handed to returns.
type chunk struct {
	data duck.DataChunk
	n    int
}

// column is one column of a chunk.
type column struct {
	data  unsafe.Pointer
	valid unsafe.Pointer // a bit for each row; nil: all are valid
	n     int
}

func (ch chunk) column(i int) column {
	v := duck.DataChunkGetVector(ch.data, duck.IdxT(i))
	return column{duck.VectorGetData(v), duck.VectorGetValidity(v), ch.n}
}

func (c column) null(i int) bool {
	return c.valid != nil && *(*uint64)(unsafe.Add(c.valid, i>>6*8))>>(i&63)&1 == 0
}

// ints are the values of a BIGINT or TIMESTAMP column; those of null rows mean nothing.
func (c column) ints() []int64 { return unsafe.Slice((*int64)(c.data), c.n) }

// int is row i's value, or null where it has none.
func (c column) int(i int, null int64) int64 {
	if c.null(i) {
		return null
	}
	return *(*int64)(unsafe.Add(c.data, i*8))
}

// uuid is row i of a UUID column. DuckDB keeps the upper half with its first bit flipped, so that it sorts.
func (c column) uuid(i int) (hi, lo uint64) {
	p := (*[2]uint64)(unsafe.Add(c.data, i*16))
	return p[1] ^ 1<<63, p[0]
}

// stringHead is DuckDB's string: up to 12 bytes stand in it, longer ones elsewhere.
type stringHead struct {
	n      uint32
	prefix [4]byte
	ptr    *byte
}

// bytes is row i of a VARCHAR or BLOB column, in DuckDB's memory; nil where null.
func (c column) bytes(i int) []byte {
	if c.null(i) {
		return nil
	}
	h := (*stringHead)(unsafe.Add(c.data, i*16))
	if h.n <= 12 {
		return unsafe.Slice(&h.prefix[0], h.n)
	}
	return unsafe.Slice(h.ptr, h.n)
}

// eachString copies the column's bytes into one allocation and hands out its values; null is passed over.
func (c column) eachString(f func(row int, s string)) {
	total := 0
	for i := range c.n {
		total += len(c.bytes(i))
	}
	buf := make([]byte, 0, total)
	for i := range c.n {
		b := c.bytes(i)
		if len(b) == 0 {
			continue
		}
		from := len(buf)
		buf = append(buf, b...)
		f(i, unsafe.String(unsafe.SliceData(buf[from:]), len(b)))
	}
}
