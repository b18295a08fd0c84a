package sink

// slabBytes is how large a slab is, unless a single event is larger.
const slabBytes = 256 << 10

// slab holds copies of events that came one after the other. It is used again once none of them is needed, so that a queue through
// which events flow makes no garbage.
type slab struct {
	bytes []byte
	used  int // events in it that are needed
}

// slabs are those of one queue. The queue's mutex guards them.
type slabs struct {
	current *slab // takes the next event; nil at first
	free    []*slab
}

// maxFree is how many slabs are kept for later.
const maxFree = 16

// copy copies an event into a slab.
func (s *slabs) copy(event []byte) (copied []byte, in *slab) {
	if s.current == nil || cap(s.current.bytes)-len(s.current.bytes) < len(event) {
		s.current = s.next(len(event))
	}
	in = s.current
	from := len(in.bytes)
	in.bytes = append(in.bytes, event...)
	in.used++
	return in.bytes[from:len(in.bytes):len(in.bytes)], in
}

func (s *slabs) next(size int) *slab {
	if n := len(s.free); n > 0 && size <= slabBytes {
		last := s.free[n-1]
		s.free = s.free[:n-1]
		return last
	}
	return &slab{bytes: make([]byte, 0, max(size, slabBytes))}
}

// release says that one event of a slab is no longer needed.
func (s *slabs) release(in *slab) {
	if in.used--; in.used > 0 {
		return
	}
	in.bytes = in.bytes[:0]
	if in != s.current && cap(in.bytes) == slabBytes && len(s.free) < maxFree {
		s.free = append(s.free, in)
	}
}
