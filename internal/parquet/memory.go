package parquet

// Memory is what pages are unpacked into. Reading a few rows takes as long to get memory as to read, so whoever reads often keeps
// one. What was read into it stays valid until Reset; the zero value is ready. One goroutine uses it at a time.
type Memory struct {
	packed []byte
	bytes  []byte
	ints   []int64
	halves []uint64
	codes  []uint32
	values [][]byte
}

// Reset gives the memory back to be used again.
func (m *Memory) Reset() {
	clear(m.values) // they point to pages
	m.bytes, m.ints, m.halves, m.codes, m.values = m.bytes[:0], m.ints[:0], m.halves[:0], m.codes[:0], m.values[:0]
}

// Size is how many bytes it holds on to.
func (m *Memory) Size() int {
	return cap(m.packed) + cap(m.bytes) + 8*cap(m.ints) + 8*cap(m.halves) + 4*cap(m.codes) + 24*cap(m.values)
}

// take cuts n zero elements off the front of what is free.
func take[T any](from *[]T, n int) []T {
	s := *from
	if cap(s)-len(s) < n {
		s = make([]T, 0, max(n, 2*cap(s), 1<<10))
	}
	part := s[len(s) : len(s)+n : len(s)+n]
	*from = s[:len(s)+n]
	clear(part)
	return part
}
