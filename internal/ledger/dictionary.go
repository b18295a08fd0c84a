package ledger

import (
	"bytes"
	"encoding/binary"
	"unsafe"
)

// dictionary gives each distinct value of a column a code, in order of first appearance: 0 is null, code k is values[k-1].
// Values are only ever appended, so that a snapshot keeps reading the ones it knows while more are added.
//
// In front of Go's map, whose hash is seeded so that nobody can craft collisions, stands a small direct-mapped cache: most
// values were seen a moment ago.
type dictionary struct {
	values [][]byte
	codes  map[string]uint32
	cache  [1024]struct {
		hash uint64
		code uint32
	}
	last  uint32 // the code given last: events come in runs that are alike
	block []byte // values are copied into blocks
}

const dictionaryBlock = 64 << 10

func (d *dictionary) code(v []byte) uint32 {
	if v == nil {
		return 0
	}
	if d.last != 0 && bytes.Equal(d.values[d.last-1], v) {
		return d.last
	}
	d.last = d.find(v)
	return d.last
}

func (d *dictionary) find(v []byte) uint32 {
	h := quickHash(v)
	slot := &d.cache[h>>20%uint64(len(d.cache))]
	if slot.hash == h && slot.code != 0 && bytes.Equal(d.values[slot.code-1], v) {
		return slot.code
	}
	code, ok := d.codes[unsafe.String(unsafe.SliceData(v), len(v))]
	if !ok {
		v = d.keep(v)
		d.values = append(d.values, v)
		code = uint32(len(d.values))
		if d.codes == nil {
			d.codes = make(map[string]uint32)
		}
		d.codes[unsafe.String(unsafe.SliceData(v), len(v))] = code
	}
	slot.hash, slot.code = h, code
	return code
}

func (d *dictionary) keep(v []byte) []byte {
	if len(v) > cap(d.block)-len(d.block) {
		d.block = make([]byte, 0, max(dictionaryBlock, len(v)))
	}
	at := len(d.block)
	d.block = append(d.block, v...)
	return d.block[at:len(d.block):len(d.block)]
}

// quickHash mixes the first, middle and last eight bytes and the length: only a cache's index hangs on it.
func quickHash(b []byte) uint64 {
	n := len(b)
	var first, middle, last uint64
	if n >= 8 {
		first = binary.LittleEndian.Uint64(b)
		middle = binary.LittleEndian.Uint64(b[(n-8)/2:])
		last = binary.LittleEndian.Uint64(b[n-8:])
	} else {
		for i, c := range b {
			first |= uint64(c) << (8 * i)
		}
	}
	h := first*0x9E3779B97F4A7C15 ^ last*0xC2B2AE3D27D4EB4F ^ middle*0x165667B19E3779F9 ^ uint64(n)*0xD6E8FEB86659FD93
	h ^= h >> 29
	return h * 0xBF58476D1CE4E5B9
}
