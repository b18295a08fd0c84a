// Package parquet writes and reads the few shapes of Parquet that the ledger's segments are made of: flat columns of
// integers, fixed bytes and strings, dictionary codes taken as they are, zstd pages, and pages whose places are known so
// that a few rows can be read without the rest. Start with Writer. What it writes, any Parquet reader reads; Page reads
// back only what Writer wrote.
package parquet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"

	"github.com/klauspost/compress/zstd"
)

// Type is a column's type.
type Type uint8

const (
	Int64     Type = iota
	Timestamp      // microseconds since 1970, without a zone
	UUID           // 16 bytes, big endian
	String         // UTF-8
	Blob           // any bytes
)

// Column is one column of the schema. All are written as optional where Optional says so.
type Column struct {
	Name     string
	Type     Type
	Optional bool
}

// Null is what stands for null among the integers of an Optional column.
const Null = -1 << 63

// encodings, page types and codecs by Parquet's numbers
const (
	plain            = 0
	rle              = 3
	deltaPacked      = 5
	deltaLength      = 6
	rleDictionary    = 8
	dataPage         = 0
	dictionaryPage   = 2
	codecZstd        = 6
	physicalInt64    = 2
	physicalBytes    = 6
	physicalFixed    = 7
	convertedUTF8    = 0
	convertedMicros  = 10
	repetitionNeeded = 0
	repetitionMaybe  = 1
)

// Page says where a page lies and what is in it. The index beside a file keeps them, so that reading a page needs no footer.
type Page struct {
	Off        int64 // of the compressed bytes, behind the header
	Len, Raw   uint32
	Rows       uint32 // values, nulls counted
	Dictionary bool
	Encoding   uint8
}

// Chunk is a column in a row group.
type Chunk struct {
	Pages []Page
	codecTotals
	encodings []int64
	dictOff   int64
	dataOff   int64
	nulls     int64
	min, max  []byte
}

type codecTotals struct{ raw, packed int64 }

// Writer writes one file. Call Group, its columns in schema order, then Close. The first error stays and comes from Close.
type Writer struct {
	Columns []Column
	w       io.Writer
	enc     *zstd.Encoder
	off     int64
	err     error
	groups  []Group

	head                     compact
	packed, payload, room    []byte
	local, indexes, distinct []uint32
	lengths                  []int64
}

// Group is a row group as written.
type Group struct {
	Rows   int
	Chunks []Chunk
}

// NewWriter begins a file on w.
func NewWriter(w io.Writer, columns []Column) (*Writer, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, fmt.Errorf("parquet: zstd: %w", err)
	}
	p := &Writer{Columns: columns, w: w, enc: enc}
	p.write([]byte("PAR1"))
	return p, nil
}

func (p *Writer) write(b []byte) {
	if p.err != nil {
		return
	}
	n, err := p.w.Write(b)
	p.off += int64(n)
	p.err = err
}

// Begin starts a row group.
func (p *Writer) Begin(rows int) {
	p.groups = append(p.groups, Group{Rows: rows, Chunks: make([]Chunk, 0, len(p.Columns))})
}

func (p *Writer) chunk() *Chunk {
	g := &p.groups[len(p.groups)-1]
	g.Chunks = append(g.Chunks, Chunk{})
	return &g.Chunks[len(g.Chunks)-1]
}

// page compresses raw and writes it behind its header.
func (p *Writer) page(c *Chunk, dictionary bool, rows, encoding int, raw []byte) {
	p.packed = p.enc.EncodeAll(raw, p.packed[:0])
	h := &p.head
	h.reset()
	h.begin()
	kind := int64(dataPage)
	if dictionary {
		kind = dictionaryPage
	}
	h.i32(1, kind)
	h.i32(2, int64(len(raw)))
	h.i32(3, int64(len(p.packed)))
	if dictionary {
		h.structure(7)
		h.i32(1, int64(rows))
		h.i32(2, plain)
	} else {
		h.structure(5)
		h.i32(1, int64(rows))
		h.i32(2, int64(encoding))
		h.i32(3, rle)
		h.i32(4, rle)
	}
	h.end()
	h.end()
	if dictionary {
		c.dictOff = p.off
	} else if c.dataOff == 0 {
		c.dataOff = p.off
	}
	p.write(h.b)
	c.Pages = append(c.Pages, Page{Off: p.off, Len: uint32(len(p.packed)), Raw: uint32(len(raw)), Rows: uint32(rows), Dictionary: dictionary, Encoding: uint8(encoding)})
	p.write(p.packed)
	c.raw += int64(len(h.b) + len(raw))
	c.codecTotals.packed += int64(len(h.b) + len(p.packed))
}

// levels appends the definition levels of n values, of which present says whether each is there.
func levels(dst []byte, present []uint32) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = appendHybrid(dst, present, 1)
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

// presence fills p.local-independent scratch with 1 for each value that is there.
func presence(dst []uint32, v []int64) ([]uint32, int) {
	dst = dst[:0]
	nulls := 0
	for _, x := range v {
		if x == Null {
			dst = append(dst, 0)
			nulls++
		} else {
			dst = append(dst, 1)
		}
	}
	return dst, nulls
}

// Ints writes an Int64 or Timestamp column: through a dictionary where few values recur, else as packed differences.
func (p *Writer) Ints(v []int64) {
	c := p.chunk()
	optional := p.Columns[len(p.groups[len(p.groups)-1].Chunks)-1].Optional
	raw := p.payload[:0]
	values := v
	if optional {
		var nulls int
		p.indexes, nulls = presence(p.indexes, v)
		c.nulls = int64(nulls)
		raw = levels(raw, p.indexes)
		if nulls > 0 {
			values = p.lengths[:0]
			for _, x := range v {
				if x != Null {
					values = append(values, x)
				}
			}
			p.lengths = values
		}
	}
	if len(values) > 0 {
		least, most := values[0], values[0]
		for _, x := range values {
			least, most = min(least, x), max(most, x)
		}
		c.min = binary.LittleEndian.AppendUint64(nil, uint64(least))
		c.max = binary.LittleEndian.AppendUint64(nil, uint64(most))
	}
	if dict, codes := intDictionary(values); dict != nil {
		var d []byte
		for _, x := range dict {
			d = binary.LittleEndian.AppendUint64(d, uint64(x))
		}
		p.page(c, true, len(dict), plain, d)
		width := bits.Len32(uint32(len(dict) - 1))
		raw = append(raw, byte(width))
		raw = appendHybrid(raw, codes, width)
		p.page(c, false, len(v), rleDictionary, raw)
		c.encodings = []int64{plain, rle, rleDictionary}
	} else {
		raw = appendDelta(raw, values)
		p.page(c, false, len(v), deltaPacked, raw)
		c.encodings = []int64{rle, deltaPacked}
	}
	p.payload = raw
}

// intDictionary gives the distinct values and each value's place among them, if there are at most one for sixteen values.
func intDictionary(v []int64) (dict []int64, codes []uint32) {
	limit := len(v) / 16
	if limit == 0 {
		return nil, nil
	}
	seen := make(map[int64]uint32)
	codes = make([]uint32, len(v))
	last, code := v[0]+1, uint32(0)
	for i, x := range v {
		if x != last {
			k, ok := seen[x]
			if !ok {
				if len(dict) == limit {
					return nil, nil
				}
				k = uint32(len(dict))
				seen[x] = k
				dict = append(dict, x)
			}
			last, code = x, k
		}
		codes[i] = code
	}
	return dict, codes
}

// UUIDs writes a UUID column; both halves 0 are null.
func (p *Writer) UUIDs(hi, lo []uint64) {
	c := p.chunk()
	present := p.indexes[:0]
	values := p.room[:0]
	for i := range hi {
		if hi[i]|lo[i] == 0 {
			present = append(present, 0)
			c.nulls++
			continue
		}
		present = append(present, 1)
		values = binary.BigEndian.AppendUint64(values, hi[i])
		values = binary.BigEndian.AppendUint64(values, lo[i])
	}
	raw := levels(p.payload[:0], present)
	raw = append(raw, values...)
	p.page(c, false, len(hi), plain, raw)
	c.encodings = []int64{rle, plain}
	p.indexes, p.room, p.payload = present, values, raw
}

// Strings writes a String column from dictionary codes: 0 is null, k is dict[k-1].
func (p *Writer) Strings(dict [][]byte, codes []uint32) {
	c := p.chunk()
	if len(p.local) < len(dict)+1 {
		p.local = make([]uint32, len(dict)+1) // zero between calls
	}
	distinct, idx := p.distinct[:0], p.indexes[:0]
	rows := len(codes)
	present := make([]uint32, rows)
	for i, code := range codes {
		if code == 0 {
			c.nulls++
			continue
		}
		present[i] = 1
		l := p.local[code]
		if l == 0 {
			distinct = append(distinct, code)
			l = uint32(len(distinct))
			p.local[code] = l
		}
		idx = append(idx, l-1)
	}
	for i, code := range distinct {
		p.local[code] = 0
		v := dict[code-1]
		if i == 0 || bytes.Compare(v, c.min) < 0 {
			c.min = v
		}
		if i == 0 || bytes.Compare(v, c.max) > 0 {
			c.max = v
		}
	}
	if len(c.min) > 128 || len(c.max) > 128 {
		c.min, c.max = nil, nil // long bounds cost more in the footer than they save
	}
	p.distinct, p.indexes = distinct, idx
	raw := p.payload[:0]
	if len(distinct)*2 > len(idx) && len(idx) > 64 { // mostly unique: a dictionary would only add codes
		raw = levels(raw, present)
		p.lengths = p.lengths[:0]
		for _, k := range idx {
			p.lengths = append(p.lengths, int64(len(dict[distinct[k]-1])))
		}
		raw = appendDelta(raw, p.lengths)
		for _, k := range idx {
			raw = append(raw, dict[distinct[k]-1]...)
		}
		p.page(c, false, rows, deltaLength, raw)
		c.encodings = []int64{rle, deltaLength}
		p.payload = raw
		return
	}
	for _, code := range distinct {
		v := dict[code-1]
		raw = binary.LittleEndian.AppendUint32(raw, uint32(len(v)))
		raw = append(raw, v...)
	}
	p.page(c, true, len(distinct), plain, raw)
	width := bits.Len32(uint32(max(len(distinct)-1, 0)))
	raw = levels(raw[:0], present)
	raw = append(raw, byte(width))
	raw = appendHybrid(raw, idx, width)
	p.page(c, false, rows, rleDictionary, raw)
	c.encodings = []int64{plain, rle, rleDictionary}
	p.payload = raw
}

// Bytes writes a String or Blob column of large values: row i's ends at end[i] of b, and is null unless has[i]. Each run of rows
// that ends at a bound is a page.
func (p *Writer) Bytes(bounds []int, b []byte, end []int, has []bool) {
	c := p.chunk()
	from, at := 0, 0
	for _, to := range bounds {
		present := p.indexes[:0]
		lengths := p.lengths[:0]
		first := at
		for i := from; i < to; i++ {
			if !has[i] {
				present = append(present, 0)
				c.nulls++
				continue
			}
			present = append(present, 1)
			lengths = append(lengths, int64(end[i]-at))
			at = end[i]
		}
		raw := appendDelta(levels(p.payload[:0], present), lengths)
		raw = append(raw, b[first:at]...)
		p.page(c, false, to-from, deltaLength, raw)
		p.indexes, p.lengths, p.payload = present, lengths, raw
		from = to
	}
	c.encodings = []int64{rle, deltaLength}
}

// Close writes the footer and returns where every page lies.
func (p *Writer) Close() ([]Group, error) {
	p.footer()
	p.enc.Close()
	if p.err != nil {
		return nil, fmt.Errorf("parquet: %w", p.err)
	}
	return p.groups, nil
}
