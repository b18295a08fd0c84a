package ledger

import "encoding/binary"

// The id filter is a Bloom filter over a segment's audit IDs, in blocks of 64 bytes, so that a look-up reads one of them. At
// 12 bits an id about one look-up in two hundred is wrong, and costs reading a column.
const (
	bloomBlock = 64
	bloomBits  = 12
	bloomTests = 7
)

type bloom []byte

func newBloom(ids int) bloom {
	return make(bloom, (ids*bloomBits/8/bloomBlock+1)*bloomBlock)
}

// idHash spreads an audit ID over 64 bits. Filters on disk hang on it: it never changes.
func idHash(hi, lo uint64) uint64 {
	h := hi*0x9E3779B97F4A7C15 ^ lo
	h ^= h >> 32
	h *= 0xBF58476D1CE4E5B9
	h ^= h >> 29
	h *= 0x94D049BB133111EB
	return h ^ h>>32
}

// textHash is FNV-1a, for ids that are no UUID.
func textHash(id []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range id {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return idHash(h, uint64(len(id)))
}

func hashID(id string) uint64 {
	if hi, lo, ok := parseUUID(stringBytes(id)); ok {
		return idHash(hi, lo)
	}
	return textHash(stringBytes(id))
}

// bloomAt is the offset of an id's block in a filter of the given size.
func bloomAt(hash uint64, size int64) int64 {
	return int64(hash>>32*uint64(size/bloomBlock)>>32) * bloomBlock
}

// bloomWords calls f with the eight-byte word and bit of each test within a block.
func bloomTest(hash uint64, f func(word int, bit uint64) bool) bool {
	h := uint32(hash)
	step := uint32(hash>>17) | 1
	for range bloomTests {
		if !f(int(h>>6&7), 1<<(h&63)) {
			return false
		}
		h += step
		h ^= h >> 9
	}
	return true
}

func (b bloom) add(hash uint64) {
	block := b[bloomAt(hash, int64(len(b))):][:bloomBlock]
	bloomTest(hash, func(word int, bit uint64) bool {
		w := block[word*8:]
		binary.LittleEndian.PutUint64(w, binary.LittleEndian.Uint64(w)|bit)
		return true
	})
}

// mayHold says whether a block of a filter knows the id.
func mayHold(block []byte, hash uint64) bool {
	return bloomTest(hash, func(word int, bit uint64) bool {
		return binary.LittleEndian.Uint64(block[word*8:])&bit != 0
	})
}
