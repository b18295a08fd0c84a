package format

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// source is the input, and the measure of how far it expands.
type source struct {
	r       io.Reader
	at      io.ReaderAt // with size, if the input can be read at random
	size    int64
	in, out int64
	free    int64 // of out
	err     error // of the input itself
}

func newSource(r io.Reader) *source {
	s := &source{r: r, free: freeOutput}
	at, ok := r.(io.ReaderAt)
	if !ok {
		return s
	}
	switch sized := r.(type) {
	case interface{ Size() int64 }:
		s.at, s.size = at, sized.Size()
	case interface{ Stat() (fs.FileInfo, error) }:
		if info, err := sized.Stat(); err == nil && info.Mode().IsRegular() {
			s.at, s.size = at, info.Size()
		}
	}
	return s
}

func (s *source) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	return n, s.count(n, err)
}

func (s *source) ReadAt(b []byte, off int64) (int, error) {
	n, err := s.at.ReadAt(b, off)
	return n, s.count(n, err)
}

func (s *source) count(n int, err error) error {
	s.in += int64(n)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return err
}

// tail remembers the last bytes that went through, to show where a container broke.
type tail struct {
	r io.Reader
	n int64
	b []byte
}

const tailSize = 512

func (t *tail) Read(b []byte) (int, error) {
	n, err := t.r.Read(b)
	t.n += int64(n)
	t.b = append(t.b, b[max(0, n-tailSize):n]...)
	t.b = t.b[max(0, len(t.b)-tailSize):]
	return n, err
}

var errExpansion = errors.New("decompressed size out of proportion")

// expanding counts what comes out of a container, and stops when it is out of proportion to what went into the first.
type expanding struct {
	r io.Reader
	s *source
}

func (x *expanding) Read(b []byte) (int, error) {
	n, err := x.r.Read(b)
	if x.s.out += int64(n); x.s.out > x.s.free && x.s.out/maxRatio > x.s.in {
		return n, fmt.Errorf("%w: %d bytes out of %d", errExpansion, x.s.out, x.s.in)
	}
	return n, err
}
