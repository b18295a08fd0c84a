package parquet

import "encoding/binary"

// compact writes Thrift's compact protocol, as far as Parquet's headers and footer need it.
type compact struct {
	b    []byte
	last []int16 // the last field id, per open struct
}

func (c *compact) reset()         { c.b, c.last = c.b[:0], c.last[:0] }
func (c *compact) begin()         { c.last = append(c.last, 0) }
func (c *compact) end()           { c.b, c.last = append(c.b, 0), c.last[:len(c.last)-1] }
func (c *compact) zigzag(v int64) { c.b = binary.AppendUvarint(c.b, uint64(v<<1)^uint64(v>>63)) }

// Types of the compact protocol.
const (
	thriftI32    = 5
	thriftI64    = 6
	thriftBinary = 8
	thriftList   = 9
	thriftStruct = 12
)

func (c *compact) field(id int16, kind byte) {
	last := &c.last[len(c.last)-1]
	if d := id - *last; d > 0 && d < 16 {
		c.b = append(c.b, byte(d)<<4|kind)
	} else {
		c.b = append(c.b, kind)
		c.zigzag(int64(id))
	}
	*last = id
}

func (c *compact) i32(id int16, v int64) { c.field(id, thriftI32); c.zigzag(v) }
func (c *compact) i64(id int16, v int64) { c.field(id, thriftI64); c.zigzag(v) }

func (c *compact) binary(id int16, v []byte) {
	c.field(id, thriftBinary)
	c.bytes(v)
}

func (c *compact) bytes(v []byte) {
	c.b = binary.AppendUvarint(c.b, uint64(len(v)))
	c.b = append(c.b, v...)
}

func (c *compact) list(id int16, n int, kind byte) {
	c.field(id, thriftList)
	if n < 15 {
		c.b = append(c.b, byte(n)<<4|kind)
	} else {
		c.b = append(c.b, 0xf0|kind)
		c.b = binary.AppendUvarint(c.b, uint64(n))
	}
}

func (c *compact) structure(id int16) { c.field(id, thriftStruct); c.begin() }
