package source

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
)

// still says whether e, which has t's inode, also has its content: an inode is used again after a file's end, and a file
// may be truncated and written anew. A compressed file must not inherit the place of another: were it as long, it would be taken
// for read.
func (t *tracked) still(e entry) (bool, error) {
	if t.Size == e.size && t.Changed == e.changed {
		return true, nil
	}
	compressed := parseRotated(e.name).compressed
	if compressed != "" && t.Name == e.name {
		return true, nil // it is being written: bind has it read again
	}
	if compressed == "" && e.size < t.Offset {
		return false, nil
	}
	if t.Head.Len == 0 {
		return true, nil // nothing was read of it: whatever it is, it is read from its beginning
	}
	f := t.f
	if f == nil {
		var err error
		if f, err = openEntry(e); err != nil {
			return false, err
		}
		defer f.Close()
	}
	return t.Head.matches(f, compressed), nil
}

// matches says whether a file begins so.
func (h head) matches(f *os.File, compressed string) bool {
	if h.Len == 0 {
		return true
	}
	b := make([]byte, h.Len)
	switch compressed {
	case "":
		if _, err := f.ReadAt(b, h.At); err != nil {
			return false
		}
	case ".gz":
		z, err := gzip.NewReader(io.NewSectionReader(f, 0, 1<<62))
		if err != nil {
			return false
		}
		defer z.Close()
		if _, err := io.CopyN(io.Discard, z, h.At); err != nil {
			return false
		}
		if _, err := io.ReadFull(z, b); err != nil {
			return false
		}
	default:
		return false // it is read again whole
	}
	return headOf(h.At, b) == h
}

// extend makes the head of what the file holds now, if the file had less than a whole head before.
func (t *tracked) extend(size int64) {
	if t.Head.Len >= headSize || t.Head.At+int64(t.Head.Len) >= size {
		return
	}
	at := t.Head.At
	if t.Head.Len == 0 {
		var ok bool
		if at, ok = firstByte(t.f, size); !ok {
			return
		}
	}
	b := make([]byte, min(headSize, size-at))
	n, _ := t.f.ReadAt(b, at) // a short head grows later
	if n > t.Head.Len && (t.Head.Len == 0 || headOf(at, b[:t.Head.Len]) == t.Head) {
		t.Head = headOf(at, b[:n])
	}
}

// firstByte finds the first byte that is not NUL: a log that was truncated under its writer begins with a hole.
func firstByte(f *os.File, size int64) (int64, bool) {
	buf := make([]byte, 64<<10)
	for at := int64(0); at < size; {
		n, err := f.ReadAt(buf, at)
		if i := bytes.IndexFunc(buf[:n], func(r rune) bool { return r != 0 }); i >= 0 {
			return at + int64(i), true
		}
		at += int64(n)
		if err != nil || n == 0 {
			return 0, false
		}
	}
	return 0, false
}

// gzipHolds gives the size that a gzip file says its content has, modulo 2^32; of several members the last one's.
func gzipHolds(f *os.File) (uint32, bool) {
	fi, err := f.Stat()
	if err != nil || fi.Size() < 18 {
		return 0, false
	}
	var b [4]byte
	if _, err := f.ReadAt(b[:], fi.Size()-4); err != nil {
		return 0, false
	}
	return binary.LittleEndian.Uint32(b[:]), true
}
