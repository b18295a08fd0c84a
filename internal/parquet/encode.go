package parquet

import (
	"encoding/binary"
	"math/bits"
)

// appendHybrid appends v as Parquet's RLE/bit-packing hybrid at the given bit width: a run of 8 or more equal values as a
// run, everything between runs bit-packed in groups of eight.
func appendHybrid(dst []byte, v []uint32, width int) []byte {
	for i := 0; i < len(v); {
		run := 1
		for i+run < len(v) && v[i+run] == v[i] {
			run++
		}
		if run >= 8 || i+run == len(v) {
			dst = binary.AppendUvarint(dst, uint64(run)<<1)
			for k := 0; k < width; k += 8 {
				dst = append(dst, byte(v[i]>>k))
			}
			i += run
			continue
		}
		// Bit-packed groups end where a run that pays for its own header begins, at a multiple of eight values from here.
		end := i + 8
		for end < len(v) {
			k := end + 1
			for k < len(v) && k < end+16 && v[k] == v[end] {
				k++
			}
			if k-end >= 16 {
				break
			}
			end += 8
		}
		groups := (end - i) / 8
		dst = binary.AppendUvarint(dst, uint64(groups)<<1|1)
		dst = appendPacked(dst, v[i:min(end, len(v))], groups*8, width)
		i = end
	}
	return dst
}

// appendPacked bit-packs v, padded with zeros to n values.
func appendPacked(dst []byte, v []uint32, n, width int) []byte {
	var acc uint64
	filled := 0
	for _, x := range v {
		acc |= uint64(x) << filled
		filled += width
		for filled >= 8 {
			dst = append(dst, byte(acc))
			acc >>= 8
			filled -= 8
		}
	}
	for pad := (n - len(v)) * width; pad > 0 || filled > 0; {
		dst = append(dst, byte(acc))
		acc >>= 8
		if filled >= 8 {
			filled -= 8
		} else {
			pad -= 8 - filled
			filled = 0
		}
	}
	return dst
}

const (
	deltaBlock = 128
	deltaMini  = 32
)

// appendDelta appends v as DELTA_BINARY_PACKED: blocks of 128 values, miniblocks of 32.
func appendDelta(dst []byte, v []int64) []byte {
	dst = binary.AppendUvarint(dst, deltaBlock)
	dst = binary.AppendUvarint(dst, deltaBlock/deltaMini)
	dst = binary.AppendUvarint(dst, uint64(len(v)))
	if len(v) == 0 {
		return binary.AppendVarint(dst, 0)
	}
	dst = binary.AppendVarint(dst, v[0])
	var d [deltaBlock]int64
	for i := 1; i < len(v); i += deltaBlock {
		n := min(deltaBlock, len(v)-i)
		least := v[i] - v[i-1]
		for k := range n {
			d[k] = v[i+k] - v[i+k-1]
			least = min(least, d[k])
		}
		dst = binary.AppendVarint(dst, least)
		var width [deltaBlock / deltaMini]int
		for m := range width {
			var all uint64
			for k := m * deltaMini; k < min((m+1)*deltaMini, n); k++ {
				all |= uint64(d[k] - least)
			}
			width[m] = bits.Len64(all)
			dst = append(dst, byte(width[m]))
		}
		for m, w := range width {
			if m*deltaMini >= n || w == 0 {
				continue
			}
			var acc uint64
			filled := 0
			for k := m * deltaMini; k < (m+1)*deltaMini; k++ {
				var x uint64
				if k < n {
					x = uint64(d[k] - least)
				}
				acc |= x << filled
				if filled += w; filled >= 64 {
					dst = binary.LittleEndian.AppendUint64(dst, acc)
					filled -= 64
					acc = x >> (w - filled) // w-filled = 64 when nothing is left over: Go shifts that to 0
				}
			}
			for ; filled > 0; filled -= 8 {
				dst = append(dst, byte(acc))
				acc >>= 8
			}
		}
	}
	return dst
}
