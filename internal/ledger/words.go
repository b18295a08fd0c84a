package ledger

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// The word index says which blocks of a segment hold a word: exactly, but for words whose hashes share their upper 24 bits.
// It is a sorted list of hashes, each with its blocks, cut into groups of 64 whose first hash and place stand in front.
const (
	wordBits  = 24
	wordGroup = 64
)

// wordPairs collects the words of block after block.
type wordPairs struct {
	block uint32
	pairs []uint64 // hash<<32 | block
	slots []uint64 // open addressing: hash<<32 | the last block that had it, plus one; 0 is free
	used  int
}

func (w *wordPairs) add(hash uint32) {
	if w.used*2 >= len(w.slots) {
		w.grow()
	}
	mask := uint32(len(w.slots) - 1)
	for i := hash * 0x9E3779B1 & mask; ; i = (i + 1) & mask {
		s := w.slots[i]
		if s == 0 {
			w.used++
		} else if uint32(s>>32) != hash {
			continue
		} else if uint32(s) == w.block+1 {
			return
		}
		w.slots[i] = uint64(hash)<<32 | uint64(w.block+1)
		w.pairs = append(w.pairs, uint64(hash>>(32-wordBits))<<32|uint64(w.block))
		return
	}
}

func (w *wordPairs) grow() {
	old := w.slots
	w.slots = make([]uint64, max(1<<14, 2*len(old)))
	mask := uint32(len(w.slots) - 1)
	for _, s := range old {
		if s == 0 {
			continue
		}
		i := uint32(s>>32) * 0x9E3779B1 & mask
		for w.slots[i] != 0 {
			i = (i + 1) & mask
		}
		w.slots[i] = s
	}
}

// encode is the index section.
func (w *wordPairs) encode() []byte {
	slices.Sort(w.pairs)
	pairs := slices.Compact(w.pairs)
	var directory, data []byte
	entries := 0
	last := uint32(0)
	var runs []uint32
	for i := 0; i < len(pairs); {
		hash := uint32(pairs[i] >> 32)
		runs = runs[:0] // start, length, start, length …
		for ; i < len(pairs) && uint32(pairs[i]>>32) == hash; i++ {
			block := uint32(pairs[i])
			if n := len(runs); n > 0 && runs[n-2]+runs[n-1] == block {
				runs[n-1]++
			} else {
				runs = append(runs, block, 1)
			}
		}
		if entries%wordGroup == 0 {
			directory = binary.LittleEndian.AppendUint32(directory, hash)
			directory = binary.LittleEndian.AppendUint32(directory, uint32(len(data)))
			last = hash
		}
		data = binary.AppendUvarint(data, uint64(hash-last))
		last = hash
		if len(runs) == 2 && runs[1] == 1 {
			data = binary.AppendUvarint(data, uint64(runs[0])<<1)
		} else {
			data = binary.AppendUvarint(data, uint64(len(runs)/2)<<1|1)
			at := uint32(0)
			for k := 0; k < len(runs); k += 2 {
				data = binary.AppendUvarint(data, uint64(runs[k]-at))
				data = binary.AppendUvarint(data, uint64(runs[k+1]))
				at = runs[k] + runs[k+1]
			}
		}
		entries++
	}
	b := binary.LittleEndian.AppendUint32(nil, uint32(entries))
	return append(append(b, directory...), data...)
}

// wordBlocks looks a word up in an encoded index of a segment of the given number of blocks.
func wordBlocks(b []byte, hash uint32, blocks int) ([]uint32, error) {
	if len(b) < 4 {
		return nil, errIndex
	}
	entries := int(binary.LittleEndian.Uint32(b))
	groups := (entries + wordGroup - 1) / wordGroup
	if groups > (len(b)-4)/8 {
		return nil, errIndex
	}
	directory, data := b[4:4+8*groups], b[4+8*groups:]
	want := hash >> (32 - wordBits)
	lo, hi := 0, groups // the last group that begins at or before want
	for lo < hi {
		if mid := (lo + hi) / 2; binary.LittleEndian.Uint32(directory[8*mid:]) <= want {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == 0 {
		return nil, nil
	}
	g := lo - 1
	at := uint64(binary.LittleEndian.Uint32(directory[8*g+4:]))
	if at > uint64(len(data)) {
		return nil, errIndex
	}
	d := decoder{b: data[at:]}
	h := uint64(binary.LittleEndian.Uint32(directory[8*g:]))
	for range min(wordGroup, entries-g*wordGroup) {
		h += d.uvarint()
		found, err := d.blockList(h == uint64(want), blocks)
		if err != nil || found != nil {
			return found, err
		}
		if d.bad {
			return nil, errIndex
		}
		if h > uint64(want) {
			break
		}
	}
	return nil, nil
}

// blockList reads an entry's blocks, or passes over them.
func (d *decoder) blockList(wanted bool, blocks int) (list []uint32, err error) {
	x := d.uvarint()
	if x&1 == 0 {
		if wanted {
			if x>>1 >= uint64(blocks) {
				return nil, fmt.Errorf("%w: block %d of %d", errIndex, x>>1, blocks)
			}
			list = []uint32{uint32(x >> 1)}
		}
		return list, nil
	}
	if x>>1 > uint64(len(d.b)) {
		return nil, errIndex
	}
	at := uint64(0)
	for range x >> 1 {
		gap, n := d.uvarint(), d.uvarint()
		if room := uint64(blocks) - at; d.bad || gap > room || n > room-gap {
			return nil, errIndex
		}
		from := at + gap
		at = from + n
		for k := from; wanted && k < at; k++ {
			list = append(list, uint32(k))
		}
	}
	return list, nil
}
