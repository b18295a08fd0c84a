// Package sim is a disk in memory that forgets whatever was not fsynced when its power goes, and that fails as told. Start
// with FS. Everything it does follows from its seed.
//
// It is harsher than any one real file system: what was not synced may survive sector by sector and in any order, and each
// name that was not synced may survive or not, whatever became of the others. Only a rename never loses both its names.
package sim

import (
	"io/fs"
	"math/rand/v2"
	"path"
	"slices"
	"sync"
	"syscall"
	"time"

	"annals.dev/internal/disk"
)

// FS is a simulated disk. It is safe for concurrent use; faults are only deterministic without.
type FS struct {
	mu      sync.Mutex // what follows, and all nodes
	rng     *rand.Rand
	root    *node
	links   []*link // changes of names that are not durable, in order
	plan    func(Op) Fault
	n       int
	counts  [kinds]int
	crashed bool
}

var _ disk.FS = (*FS)(nil)

// node is a file or directory.
type node struct {
	dir           bool
	names, stable map[string]*node // a directory's entries as they show, and as they are durable
	data, synced  []byte           // a file's content as it shows, and as it is durable
	dirty         []change         // of the content, not durable, in order
}

// change is a write at off or, if data is nil, a truncation to off.
type change struct {
	off  int64
	data []byte
}

// link says that a name in a directory is to mean a node, or nothing. It cannot be durable before the link it needs.
type link struct {
	dir     *node
	name    string
	to      *node
	needs   *link
	durable bool
}

func newDir() *node { return &node{dir: true, names: map[string]*node{}, stable: map[string]*node{}} }

// New makes an empty disk.
func New(seed uint64) *FS {
	return &FS{rng: rand.New(rand.NewPCG(seed, 0)), root: newDir()}
}

// Plan has every operation from now on ask f what is to go wrong with it. f must not use the disk.
func (s *FS) Plan(f func(Op) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plan = f
}

// FailAt plans a fault for the n-th operation.
func (s *FS) FailAt(n int, f Fault) {
	s.Plan(func(op Op) Fault {
		if op.N == n {
			return f
		}
		return None
	})
}

// N is the number of operations so far.
func (s *FS) N() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n
}

// Count is the number of operations of a kind so far.
func (s *FS) Count(k Kind) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[k]
}

// do is every operation: it counts, asks the plan, and applies. apply is told of the faults Short and Lost where they mean
// something.
func (s *FS) do(k Kind, name string, size int, apply func(Fault) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	fail := func(err error) error { return &fs.PathError{Op: k.String(), Path: name, Err: err} }
	if s.crashed {
		return fail(ErrCrashed)
	}
	op := Op{s.n, k, name, size}
	s.n++
	s.counts[k]++
	fault := None
	if s.plan != nil {
		fault = s.plan(op)
	}
	switch {
	case fault == None:
	case fault == Short && k == Write:
		if err := apply(Short); err != nil {
			return fail(err)
		}
		return fail(syscall.ENOSPC)
	case fault == Full || fault == Short:
		return fail(syscall.ENOSPC)
	case fault == Done || fault == Lost && k == Sync:
		if err := apply(fault); err != nil {
			return fail(err)
		}
		return fail(syscall.EIO)
	case fault == Crash:
		if k != Sync && k != SyncDir { // during a sync all may become durable or not, just as before it
			_ = apply(None)
		}
		s.crashed = true
		return fail(ErrCrashed)
	default:
		return fail(syscall.EIO)
	}
	if err := apply(None); err != nil {
		return fail(err)
	}
	return nil
}

// find gives the directory that holds a name, and what the name means there (nil: nothing).
func (s *FS) find(name string) (dir *node, base string, n *node, err error) {
	if !fs.ValidPath(name) {
		return nil, "", nil, fs.ErrInvalid
	}
	if name == "." {
		return nil, "", s.root, nil
	}
	_, _, dir, err = s.find(path.Dir(name))
	switch {
	case err != nil:
		return nil, "", nil, err
	case dir == nil:
		return nil, "", nil, fs.ErrNotExist
	case !dir.dir:
		return nil, "", nil, syscall.ENOTDIR
	}
	return dir, path.Base(name), dir.names[path.Base(name)], nil
}

// set gives a name another meaning.
func (s *FS) set(dir *node, name string, to *node, needs *link) *link {
	if needs == nil {
		// Where a rename took a file away, a new one cannot take its place on the disk before the old one has its new name.
		for _, l := range slices.Backward(s.links) {
			if l.dir == dir && l.name == name {
				needs = l.needs
				break
			}
		}
	}
	l := &link{dir: dir, name: name, to: to, needs: needs}
	s.links = append(s.links, l)
	if to == nil {
		delete(dir.names, name)
	} else {
		dir.names[name] = to
	}
	return l
}

func (s *FS) openFile(k Kind, name string) (disk.File, error) {
	f := &file{s: s, name: name, write: k != Open}
	err := s.do(k, name, 0, func(Fault) error {
		dir, base, n, err := s.find(name)
		switch {
		case err != nil:
			return err
		case k == Create && n != nil:
			return fs.ErrExist
		case k == Create:
			n = &node{}
			s.set(dir, base, n, nil)
		case n == nil:
			return fs.ErrNotExist
		case n.dir:
			return syscall.EISDIR
		}
		f.n = n
		return nil
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (s *FS) Open(name string) (disk.File, error)   { return s.openFile(Open, name) }
func (s *FS) Create(name string) (disk.File, error) { return s.openFile(Create, name) }
func (s *FS) OpenRW(name string) (disk.File, error) { return s.openFile(OpenRW, name) }

func (s *FS) Rename(from, to string) error {
	return s.do(Rename, from, 0, func(Fault) error {
		fromDir, fromBase, n, err := s.find(from)
		if err != nil {
			return err
		}
		toDir, toBase, old, err := s.find(to)
		switch {
		case err != nil:
			return err
		case n == nil:
			return fs.ErrNotExist
		case fromDir == nil || toDir == nil:
			return fs.ErrInvalid
		case old == n:
			return nil
		case old != nil && old.dir:
			return fs.ErrExist
		}
		s.set(fromDir, fromBase, nil, s.set(toDir, toBase, n, nil))
		return nil
	})
}

func (s *FS) Remove(name string) error {
	return s.do(Remove, name, 0, func(Fault) error {
		dir, base, n, err := s.find(name)
		switch {
		case err != nil:
			return err
		case n == nil:
			return fs.ErrNotExist
		case dir == nil:
			return fs.ErrInvalid
		case len(n.names) > 0:
			return syscall.ENOTEMPTY
		}
		s.set(dir, base, nil, nil)
		return nil
	})
}

func (s *FS) MkdirAll(name string) error {
	if name != "." && fs.ValidPath(name) {
		if err := s.MkdirAll(path.Dir(name)); err != nil {
			return err
		}
	}
	err := s.do(Mkdir, name, 0, func(Fault) error {
		dir, base, n, err := s.find(name)
		switch {
		case err != nil:
			return err
		case n == nil:
			s.set(dir, base, newDir(), nil)
		case !n.dir:
			return fs.ErrExist
		}
		return nil
	})
	if err != nil || name == "." {
		return err
	}
	return s.SyncDir(path.Dir(name))
}

func (s *FS) ReadDir(name string) (entries []fs.DirEntry, err error) {
	err = s.do(ReadDir, name, 0, func(Fault) error {
		_, _, n, err := s.find(name)
		switch {
		case err != nil:
			return err
		case n == nil:
			return fs.ErrNotExist
		case !n.dir:
			return syscall.ENOTDIR
		}
		for _, base := range sortedNames(n.names) {
			entries = append(entries, fs.FileInfoToDirEntry(stat(base, n.names[base])))
		}
		return nil
	})
	return entries, err
}

func (s *FS) Stat(name string) (i fs.FileInfo, err error) {
	err = s.do(Stat, name, 0, func(Fault) error {
		_, _, n, err := s.find(name)
		if err == nil && n == nil {
			err = fs.ErrNotExist
		}
		if err == nil {
			i = stat(path.Base(name), n)
		}
		return err
	})
	return i, err
}

func (s *FS) SyncDir(name string) error {
	return s.do(SyncDir, name, 0, func(Fault) error {
		_, _, n, err := s.find(name)
		switch {
		case err != nil:
			return err
		case n == nil:
			return fs.ErrNotExist
		case !n.dir:
			return syscall.ENOTDIR
		}
		s.settle(n)
		return nil
	})
}

type info struct {
	name string
	size int64
	dir  bool
}

func stat(name string, n *node) fs.FileInfo { return info{name, int64(len(n.data)), n.dir} }

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) IsDir() bool        { return i.dir }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) Sys() any           { return nil }
func (i info) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o700
	}
	return 0o600
}
