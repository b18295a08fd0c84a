package sim

import (
	"bytes"
	"io"
	"io/fs"
	"syscall"
)

// file is an open file. It works on after its name is gone.
type file struct {
	s      *FS
	n      *node
	name   string
	write  bool
	closed bool  // with s.mu
	pos    int64 // Read's; one goroutine
}

func (f *file) do(k Kind, size int, apply func(Fault) error) error {
	return f.s.do(k, f.name, size, func(fault Fault) error {
		switch {
		case f.closed:
			return fs.ErrClosed
		case !f.write && (k == Write || k == Truncate):
			return syscall.EBADF
		}
		return apply(fault)
	})
}

func (f *file) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, &fs.PathError{Op: "read", Path: f.name, Err: fs.ErrInvalid}
	}
	err = f.do(Read, len(p), func(Fault) error {
		if off < int64(len(f.n.data)) {
			n = copy(p, f.n.data[off:])
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) Read(p []byte) (int, error) {
	n, err := f.ReadAt(p, f.pos)
	f.pos += int64(n)
	if err == io.EOF && n > 0 {
		err = nil
	}
	return n, err
}

func (f *file) WriteAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, &fs.PathError{Op: "write", Path: f.name, Err: fs.ErrInvalid}
	}
	err = f.do(Write, len(p), func(fault Fault) error {
		b := bytes.Clone(p)
		if fault == Short {
			b = b[:len(b)/2]
		}
		n = len(b)
		if n > 0 {
			c := change{off, b}
			f.n.data = c.apply(f.n.data)
			f.n.dirty = append(f.n.dirty, c)
		}
		return nil
	})
	return n, err
}

func (f *file) Truncate(size int64) error {
	if size < 0 {
		return &fs.PathError{Op: "truncate", Path: f.name, Err: fs.ErrInvalid}
	}
	return f.do(Truncate, 0, func(Fault) error {
		c := change{off: size}
		f.n.data = c.apply(f.n.data)
		f.n.dirty = append(f.n.dirty, c)
		return nil
	})
}

func (f *file) Sync() error {
	return f.do(Sync, 0, func(fault Fault) error {
		if fault == Lost {
			f.n.synced = f.s.survive(f.n, sectors)
		} else {
			for _, c := range f.n.dirty {
				f.n.synced = c.apply(f.n.synced)
			}
		}
		f.n.dirty = nil
		return nil
	})
}

func (f *file) Size() (size int64, err error) {
	err = f.do(Stat, 0, func(Fault) error {
		size = int64(len(f.n.data))
		return nil
	})
	return size, err
}

func (f *file) Close() error {
	return f.do(Close, 0, func(Fault) error {
		f.closed = true
		return nil
	})
}

// apply makes a change to content, in place where it can.
func (c change) apply(to []byte) []byte {
	if c.data == nil {
		return resize(to, c.off)
	}
	to = resize(to, max(int64(len(to)), c.off+int64(len(c.data))))
	copy(to[c.off:], c.data)
	return to
}

// resize cuts or extends with zeros.
func resize(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		return b[:size]
	}
	n := int64(len(b))
	if size > int64(cap(b)) {
		b = append(make([]byte, 0, max(size, 2*n)), b...)
	}
	b = b[:size]
	clear(b[n:])
	return b
}
