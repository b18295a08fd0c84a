package sim

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
)

const sector = 512

// fate is what becomes of the things that are not durable when the power goes.
type fate uint8

const (
	lost    fate = iota // all forgotten
	kept                // all there
	sectors             // each on its own
	fates
)

// Crash cuts the power and gives the disk as the next start finds it: what was synced, and of the rest what chance keeps. It
// may be called again, for another outcome of the same cut. The old disk is dead.
func (s *FS) Crash() *FS {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crashed = true
	next := New(s.rng.Uint64())
	fate := fate(s.rng.IntN(int(fates)))
	names := map[*node]map[string]*node{} // directories whose names were being changed
	keep := map[*link]bool{}
	for _, l := range s.links {
		if fate == lost || fate == sectors && s.rng.IntN(2) == 0 {
			continue
		}
		if l.needs != nil && !l.needs.durable && !keep[l.needs] {
			continue
		}
		keep[l] = true
		if names[l.dir] == nil {
			names[l.dir] = maps.Clone(l.dir.stable)
		}
		assign(names[l.dir], l.name, l.to)
	}
	copies := map[*node]*node{} // half a rename leaves one file under two names
	var rebuild func(*node) *node
	rebuild = func(old *node) *node {
		if n := copies[old]; n != nil {
			return n
		}
		n := &node{dir: old.dir}
		copies[old] = n
		if !old.dir {
			n.synced = s.survive(old, fate)
			n.data = bytes.Clone(n.synced)
			return n
		}
		from := old.stable
		if changed := names[old]; changed != nil {
			from = changed
		}
		n.stable = map[string]*node{}
		for _, name := range sortedNames(from) {
			n.stable[name] = rebuild(from[name])
		}
		n.names = maps.Clone(n.stable)
		return n
	}
	next.root = rebuild(s.root)
	return next
}

// Kill ends the process, not the machine: all that was done is there for the next one to see, and still not durable. The old
// disk and the files opened on it are dead.
func (s *FS) Kill() *FS {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crashed = true
	return &FS{rng: rand.New(rand.NewPCG(s.rng.Uint64(), 0)), root: s.root, links: s.links}
}

// survive is a file's content after the cut.
func (s *FS) survive(n *node, fate fate) []byte {
	b := bytes.Clone(n.synced)
	for _, c := range n.dirty {
		switch {
		case fate == lost:
		case fate == kept || c.data == nil && s.rng.IntN(2) == 0:
			b = c.apply(b)
		case c.data != nil:
			b = s.tear(b, c)
		}
	}
	return b
}

// tear does part of a write: none, all, its beginning, or some of its sectors.
func (s *FS) tear(b []byte, c change) []byte {
	end := c.off + int64(len(c.data))
	switch s.rng.IntN(6) {
	case 0:
		return b
	case 1:
		return c.apply(b)
	case 2:
		return change{c.off, c.data[:s.rng.IntN(len(c.data)+1)]}.apply(b)
	}
	if s.rng.IntN(2) == 0 { // the size may be there and the bytes not: they read as zeros
		b = resize(b, max(int64(len(b)), end))
	}
	one := 1 + s.rng.IntN(9) // of ten
	for at := c.off; at < end; {
		to := min(end, (at/sector+1)*sector)
		if s.rng.IntN(10) < one {
			b = change{at, c.data[at-c.off : to-c.off]}.apply(b)
		}
		at = to
	}
	return b
}

// settle makes the names of a directory durable, and those elsewhere that they need.
func (s *FS) settle(dir *node) {
	dirs := map[*node]bool{dir: true}
	for grown := true; grown; {
		grown = false
		for _, l := range s.links {
			if dirs[l.dir] && l.needs != nil && !l.needs.durable && !dirs[l.needs.dir] {
				dirs[l.needs.dir], grown = true, true
			}
		}
	}
	s.links = slices.DeleteFunc(s.links, func(l *link) bool {
		if dirs[l.dir] {
			assign(l.dir.stable, l.name, l.to)
			l.durable = true
		}
		return l.durable
	})
}

func assign(names map[string]*node, name string, to *node) {
	if to == nil {
		delete(names, name)
	} else {
		names[name] = to
	}
}

func sortedNames(names map[string]*node) []string { return slices.Sorted(maps.Keys(names)) }
