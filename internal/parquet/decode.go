package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
)

var errShort = errors.New("the page ends early")

// uvarint reads an unsigned varint from the front of b.
func uvarint(b []byte) (uint64, []byte, error) {
	x, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil, errShort
	}
	return x, b[n:], nil
}

func varint(b []byte) (int64, []byte, error) {
	x, n := binary.Varint(b)
	if n <= 0 {
		return 0, nil, errShort
	}
	return x, b[n:], nil
}

// decodeHybrid reads n values of the given bit width into dst[:0] and returns it.
func decodeHybrid(dst []uint32, b []byte, n, width int) ([]uint32, error) {
	dst = dst[:0]
	if width > 32 {
		return nil, fmt.Errorf("bit width %d, more than 32", width)
	}
	for len(dst) < n {
		h, rest, err := uvarint(b)
		if err != nil {
			return nil, err
		}
		b = rest
		if h&1 == 0 {
			size := (width + 7) / 8
			if len(b) < size {
				return nil, errShort
			}
			var v uint32
			for k := range size {
				v |= uint32(b[k]) << (8 * k)
			}
			b = b[size:]
			run := int(min(h>>1, uint64(n-len(dst))))
			if run == 0 {
				return nil, errors.New("a run of no values")
			}
			for range run {
				dst = append(dst, v)
			}
			continue
		}
		groups := h >> 1
		if groups == 0 || groups > uint64(len(b)) && width > 0 {
			return nil, errShort
		}
		size := int(groups) * width
		if len(b) < size {
			return nil, errShort
		}
		dst = unpack(dst, b[:size], int(min(groups*8, uint64(n-len(dst)))), width)
		b = b[size:]
	}
	return dst, nil
}

// unpack appends n bit-packed values; b holds them all.
func unpack(dst []uint32, b []byte, n, width int) []uint32 {
	if width == 0 {
		for range n {
			dst = append(dst, 0)
		}
		return dst
	}
	mask := uint64(1)<<width - 1
	for i := range n {
		bit := i * width
		at := bit >> 3
		var x uint64
		if at+8 <= len(b) {
			x = binary.LittleEndian.Uint64(b[at:])
		} else {
			for k := at; k < len(b); k++ {
				x |= uint64(b[k]) << (8 * (k - at))
			}
		}
		dst = append(dst, uint32(x>>(bit&7)&mask))
	}
	return dst
}

// decodeDelta reads DELTA_BINARY_PACKED values into dst[:0] and returns it with what follows them.
func decodeDelta(dst []int64, b []byte, limit int) (_ []int64, rest []byte, err error) {
	dst = dst[:0]
	var block, minis, n uint64
	for _, p := range []*uint64{&block, &minis, &n} {
		if *p, b, err = uvarint(b); err != nil {
			return nil, nil, err
		}
	}
	if block != deltaBlock || minis != deltaBlock/deltaMini {
		return nil, nil, fmt.Errorf("delta blocks of %d values in %d parts, not of %d in %d", block, minis, deltaBlock, deltaBlock/deltaMini)
	}
	if n > uint64(limit) {
		return nil, nil, fmt.Errorf("%d values where at most %d belong", n, limit)
	}
	last, b, err := varint(b)
	if err != nil {
		return nil, nil, err
	}
	if n == 0 {
		return dst, b, nil
	}
	dst = append(dst, last)
	for uint64(len(dst)) < n {
		least, r, err := varint(b)
		if err != nil {
			return nil, nil, err
		}
		if len(r) < deltaBlock/deltaMini {
			return nil, nil, errShort
		}
		widths := r[:deltaBlock/deltaMini]
		b = r[deltaBlock/deltaMini:]
		for _, wb := range widths {
			left := n - uint64(len(dst))
			if left == 0 {
				break
			}
			w := int(wb)
			if w > 64 || len(b) < w*deltaMini/8 {
				return nil, nil, errShort
			}
			for k := range int(min(deltaMini, left)) {
				last += least + int64(bitsAt(b, k*w, w))
				dst = append(dst, last)
			}
			b = b[w*deltaMini/8:]
		}
	}
	return dst, b, nil
}

// bitsAt reads w bits, at most 64, from bit offset at.
func bitsAt(b []byte, at, w int) uint64 {
	if w == 0 {
		return 0
	}
	i, sh := at>>3, at&7
	var x uint64
	if i+8 <= len(b) {
		x = binary.LittleEndian.Uint64(b[i:])
	} else {
		for k := i; k < len(b); k++ {
			x |= uint64(b[k]) << (8 * (k - i))
		}
	}
	x >>= sh
	if sh+w > 64 && i+8 < len(b) {
		x |= uint64(b[i+8]) << (64 - sh)
	}
	if w < 64 {
		x &= 1<<w - 1
	}
	return x
}
