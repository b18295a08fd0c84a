package parquet

import "encoding/binary"

// footer writes Parquet's FileMetaData, its length and the magic.
func (p *Writer) footer() {
	t := &p.head
	t.reset()
	t.begin()
	t.i32(1, 2)
	t.list(2, len(p.Columns)+1, thriftStruct)
	t.begin()
	t.binary(4, []byte("schema"))
	t.i32(5, int64(len(p.Columns)))
	t.end()
	for _, c := range p.Columns {
		t.begin()
		t.i32(1, c.physical())
		if c.Type == UUID {
			t.i32(2, 16)
		}
		t.i32(3, c.repetition())
		t.binary(4, []byte(c.Name))
		switch c.Type {
		case String:
			t.i32(6, convertedUTF8)
		case Timestamp: // the old annotation alone: with the new one DuckDB reads a zone into it, and is three times slower
			t.i32(6, convertedMicros)
		case UUID:
			t.structure(10)
			t.structure(14)
			t.end()
			t.end()
		}
		t.end()
	}
	rows := 0
	for _, g := range p.groups {
		rows += g.Rows
	}
	t.i64(3, int64(rows))
	t.list(4, len(p.groups), thriftStruct)
	for _, g := range p.groups {
		p.group(g)
	}
	t.binary(6, []byte("annals"))
	t.end()
	p.write(t.b)
	p.write(binary.LittleEndian.AppendUint32(nil, uint32(len(t.b))))
	p.write([]byte("PAR1"))
}

func (p *Writer) group(g Group) {
	t := &p.head
	t.begin()
	t.list(1, len(g.Chunks), thriftStruct)
	var raw, packed int64
	for i, c := range g.Chunks {
		def := p.Columns[i]
		raw += c.raw
		packed += c.packed
		t.begin()
		t.i64(2, 0)
		t.structure(3)
		t.i32(1, def.physical())
		t.list(2, len(c.encodings), thriftI32)
		for _, e := range c.encodings {
			t.zigzag(e)
		}
		t.list(3, 1, thriftBinary)
		t.bytes([]byte(def.Name))
		t.i32(4, codecZstd)
		t.i64(5, int64(g.Rows))
		t.i64(6, c.raw)
		t.i64(7, c.packed)
		t.i64(9, c.dataOff)
		if c.dictOff > 0 {
			t.i64(11, c.dictOff)
		}
		t.structure(12)
		t.i64(3, c.nulls)
		if c.max != nil {
			t.binary(5, c.max)
			t.binary(6, c.min)
		}
		t.end()
		t.end()
		t.end()
	}
	t.i64(2, raw)
	t.i64(3, int64(g.Rows))
	t.i64(6, packed)
	t.end()
}

func (c Column) physical() int64 {
	switch c.Type {
	case Int64, Timestamp:
		return physicalInt64
	case UUID:
		return physicalFixed
	}
	return physicalBytes
}

func (c Column) repetition() int64 {
	if c.Optional {
		return repetitionMaybe
	}
	return repetitionNeeded
}
