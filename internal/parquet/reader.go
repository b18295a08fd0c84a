package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// maxPage bounds what a page may unpack to: the largest event, twice over, with room for its page's other rows.
const maxPage = 1 << 28

var decoder = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxPage))
})

// raw reads and unpacks a page.
func (m *Memory) raw(r io.ReaderAt, p Page) ([]byte, error) {
	if p.Raw > maxPage || p.Len > maxPage {
		return nil, fmt.Errorf("parquet: page at %d: %d bytes unpacked, more than %d", p.Off, max(p.Raw, p.Len), maxPage)
	}
	if cap(m.packed) < int(p.Len) {
		m.packed = make([]byte, p.Len+p.Len/2)
	}
	packed := m.packed[:p.Len]
	if _, err := r.ReadAt(packed, p.Off); err != nil {
		return nil, fmt.Errorf("parquet: page at %d: %w", p.Off, err)
	}
	d, err := decoder()
	if err != nil {
		return nil, fmt.Errorf("parquet: zstd: %w", err)
	}
	b, err := d.DecodeAll(packed, take(&m.bytes, int(p.Raw))[:0])
	if err != nil {
		return nil, fmt.Errorf("parquet: page at %d: %w", p.Off, err)
	}
	if len(b) != int(p.Raw) {
		return nil, fmt.Errorf("parquet: page at %d: %d bytes unpacked, not %d", p.Off, len(b), p.Raw)
	}
	return b, nil
}

// split takes the definition levels of a page off its front: present is nil when every value is there.
func (m *Memory) split(b []byte, rows int, optional bool) (present []uint32, n int, rest []byte, err error) {
	if !optional {
		return nil, rows, b, nil
	}
	if len(b) < 4 {
		return nil, 0, nil, errShort
	}
	size := binary.LittleEndian.Uint32(b)
	if uint64(size) > uint64(len(b)-4) {
		return nil, 0, nil, errShort
	}
	present, err = decodeHybrid(take(&m.codes, rows)[:0], b[4:4+size], rows, 1)
	if err != nil {
		return nil, 0, nil, err
	}
	for _, x := range present {
		n += int(x)
	}
	if n == rows {
		present = nil
	}
	return present, n, b[4+size:], nil
}

// pages gives a chunk's dictionary page, if it has one, and its single data page, both unpacked.
func (m *Memory) pages(r io.ReaderAt, c []Page) (dict []byte, entries int, data []byte, p Page, err error) {
	if len(c) == 2 && c[0].Dictionary {
		if dict, err = m.raw(r, c[0]); err != nil {
			return
		}
		entries = int(c[0].Rows)
		c = c[1:]
	}
	if len(c) != 1 || c[0].Dictionary {
		err = errors.New("parquet: a chunk without its one data page")
		return
	}
	p = c[0]
	data, err = m.raw(r, p)
	return
}

func at(p Page, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("parquet: page at %d: %w", p.Off, err)
}

// Ints reads an Int64 or Timestamp chunk.
func (m *Memory) Ints(r io.ReaderAt, c []Page, optional bool) ([]int64, error) {
	dict, entries, data, p, err := m.pages(r, c)
	if err != nil {
		return nil, err
	}
	rows := int(p.Rows)
	present, n, data, err := m.split(data, rows, optional)
	if err != nil {
		return nil, at(p, err)
	}
	var v []int64
	if p.Encoding == rleDictionary {
		codes, err := m.dictionaryCodes(data, n, entries)
		if err != nil {
			return nil, at(p, err)
		}
		if len(dict) != entries*8 {
			return nil, at(p, errShort)
		}
		v = take(&m.ints, rows)[:n]
		for i, k := range codes {
			v[i] = int64(binary.LittleEndian.Uint64(dict[k*8:]))
		}
	} else if v, _, err = decodeDelta(take(&m.ints, rows)[:0], data, n); err != nil {
		return nil, at(p, err)
	}
	if len(v) != n {
		return nil, at(p, errShort)
	}
	if present == nil {
		return v, nil
	}
	v = v[:rows]
	for i, k := rows-1, n; i >= 0; i-- { // spread from the back, in place
		if present[i] == 0 {
			v[i] = Null
			continue
		}
		k--
		v[i] = v[k]
	}
	return v, nil
}

func (m *Memory) dictionaryCodes(data []byte, n, entries int) ([]uint32, error) {
	if len(data) == 0 {
		if n == 0 {
			return nil, nil
		}
		return nil, errShort
	}
	codes, err := decodeHybrid(take(&m.codes, n)[:0], data[1:], n, int(data[0]))
	if err != nil {
		return nil, err
	}
	for _, k := range codes {
		if int(k) >= entries {
			return nil, fmt.Errorf("code %d of a dictionary of %d", k, entries)
		}
	}
	return codes, nil
}

// UUIDs reads a UUID chunk; null is 0, 0.
func (m *Memory) UUIDs(r io.ReaderAt, c []Page) (hi, lo []uint64, err error) {
	_, _, data, p, err := m.pages(r, c)
	if err != nil {
		return nil, nil, err
	}
	rows := int(p.Rows)
	present, n, data, err := m.split(data, rows, true)
	if err != nil || len(data) != n*16 {
		if err == nil {
			err = errShort
		}
		return nil, nil, at(p, err)
	}
	hi, lo = take(&m.halves, rows), take(&m.halves, rows)
	for i := range rows {
		if present != nil && present[i] == 0 {
			continue
		}
		hi[i], lo[i] = binary.BigEndian.Uint64(data), binary.BigEndian.Uint64(data[8:])
		data = data[16:]
	}
	return hi, lo, nil
}

// Strings reads a String chunk as its distinct values and a code for each row: 0 is null, k is dict[k-1].
func (m *Memory) Strings(r io.ReaderAt, c []Page) (dict [][]byte, codes []uint32, err error) {
	d, entries, data, p, err := m.pages(r, c)
	if err != nil {
		return nil, nil, err
	}
	if p.Encoding == deltaLength {
		values, err := m.byteValues(p, data)
		if err != nil {
			return nil, nil, err
		}
		codes = take(&m.codes, len(values))
		dict = take(&m.values, len(values))[:0]
		for i, v := range values {
			if v != nil {
				dict = append(dict, v)
				codes[i] = uint32(len(dict))
			}
		}
		return dict, codes, nil
	}
	if entries > len(d)/4 {
		return nil, nil, at(p, errShort)
	}
	dict = take(&m.values, entries)
	for i := range dict {
		if len(d) < 4 {
			return nil, nil, at(p, errShort)
		}
		n := binary.LittleEndian.Uint32(d)
		if uint64(n) > uint64(len(d)-4) {
			return nil, nil, at(p, errShort)
		}
		dict[i] = d[4 : 4+n : 4+n]
		d = d[4+n:]
	}
	rows := int(p.Rows)
	present, n, data, err := m.split(data, rows, true)
	if err != nil {
		return nil, nil, at(p, err)
	}
	idx, err := m.dictionaryCodes(data, n, entries)
	if err != nil {
		return nil, nil, at(p, err)
	}
	codes = take(&m.codes, rows)
	k := 0
	for i := range codes {
		if present != nil && present[i] == 0 {
			continue
		}
		codes[i] = idx[k] + 1
		k++
	}
	return dict, codes, nil
}

// Bytes reads one page of a column that Writer.Bytes wrote; nil is null.
func (m *Memory) Bytes(r io.ReaderAt, p Page) ([][]byte, error) {
	b, err := m.raw(r, p)
	if err != nil {
		return nil, err
	}
	return m.byteValues(p, b)
}

func (m *Memory) byteValues(p Page, b []byte) ([][]byte, error) {
	rows := int(p.Rows)
	present, n, b, err := m.split(b, rows, true)
	if err != nil {
		return nil, at(p, err)
	}
	lengths, b, err := decodeDelta(take(&m.ints, n)[:0], b, n)
	if err != nil {
		return nil, at(p, err)
	}
	if len(lengths) != n {
		return nil, at(p, errShort)
	}
	values := take(&m.values, rows)
	k := 0
	for i := range values {
		if present != nil && present[i] == 0 {
			continue
		}
		if l := lengths[k]; l < 0 || l > int64(len(b)) {
			return nil, at(p, errShort)
		}
		values[i] = b[:lengths[k]:lengths[k]]
		b = b[lengths[k]:]
		k++
	}
	return values, nil
}
