package policy

import (
	"math/bits"
	"strings"
)

// table is a map by string that is only read: at the sizes of a policy a look-up costs a third of a Go map's, which must
// fear that somebody chooses its keys. Here the policy's author does, and a request only asks.
type table[V any] struct {
	slots   []slot[V] // a power of two; a quarter is used, so that a value that is not there is soon known not to be
	lengths uint64    // a bit for each length of a key: most values that are not there are not even looked at
}

func lengthBit(s string) uint64 { return 1 << min(len(s), 63) }

type slot[V any] struct {
	key   string
	used  bool
	value V
}

func newTable[V any](from map[string]V) table[V] {
	if len(from) == 0 {
		return table[V]{}
	}
	t := table[V]{slots: make([]slot[V], 4<<bits.Len(uint(len(from)-1)))}
	for k, v := range from {
		t.lengths |= lengthBit(k)
		i := t.place(k)
		for t.slots[i].used {
			i = (i + 1) % uint64(len(t.slots))
		}
		t.slots[i] = slot[V]{strings.Clone(k), true, v}
	}
	return t
}

func (t *table[V]) get(key string) (v V, ok bool) {
	if t.lengths&lengthBit(key) == 0 {
		return v, false
	}
	for i := t.place(key); ; i++ {
		s := &t.slots[i&uint64(len(t.slots)-1)]
		if !s.used {
			return v, false
		}
		if s.key == key {
			return s.value, true
		}
	}
}

// place is where a key is looked for first: its length, beginning, middle and end, mixed. Keys of a policy that differ
// nowhere there lie in a row.
func (t *table[V]) place(s string) uint64 {
	const odd = 0x9e3779b97f4a7c15
	n := len(s)
	h := uint64(n)
	if n < 8 {
		for i := range n {
			h = h<<8 ^ uint64(s[i])
		}
	} else {
		h = (h ^ word(s, 0)) * odd
		h = (h ^ h>>32 ^ word(s, n/2-4)) * odd
		h ^= h>>32 ^ word(s, n-8)
	}
	h *= odd
	return h >> 40 & uint64(len(t.slots)-1)
}

func word(s string, i int) uint64 {
	_ = s[i+7]
	return uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
		uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
}
