package wal

import (
	"fmt"
	"sync/atomic"

	"annals.dev/internal/disk"
)

// Handle is one file of the log, open for reading. It stays readable until Release, even if the log drops the file or is
// closed meanwhile.
type Handle struct {
	file uint32
	f    disk.File
	refs atomic.Int64 // the log holds one
}

func newHandle(n uint32, f disk.File) *Handle {
	h := &Handle{file: n, f: f}
	h.refs.Store(1)
	return h
}

// File is the file's number.
func (h *Handle) File() uint32 { return h.file }

// ReadAt reads as io.ReaderAt does. What lies beyond the last acknowledged frame may still change.
func (h *Handle) ReadAt(p []byte, off int64) (int, error) { return h.f.ReadAt(p, off) }

// Fd is the operating system's descriptor for pread, valid until Release; false where the file has none.
func (h *Handle) Fd() (uintptr, bool) {
	if f, ok := h.f.(interface{ Fd() uintptr }); ok {
		return f.Fd(), true
	}
	return 0, false
}

// Release gives the handle back; the last one closes the file. Whatever was acknowledged is durable by then, so that an
// error of close says nothing.
func (h *Handle) Release() {
	if h.refs.Add(-1) == 0 {
		_ = h.f.Close()
	}
}

// Handle takes a file of the log for reading. Many goroutines may call it, during Append too.
func (l *Log) Handle(file uint32) (*Handle, error) {
	l.fmu.RLock()
	defer l.fmu.RUnlock()
	if len(l.handles) > 0 && file >= l.handles[0].file && file-l.handles[0].file < uint32(len(l.handles)) {
		h := l.handles[file-l.handles[0].file]
		h.refs.Add(1)
		return h, nil
	}
	return nil, fmt.Errorf("the log has no file %d (dropped, or not written yet, or the log is closed)", file)
}

// ReadAt reads from a file of the log, as Handle.ReadAt does.
func (l *Log) ReadAt(file uint32, p []byte, off int64) (int, error) {
	h, err := l.Handle(file)
	if err != nil {
		return 0, err
	}
	defer h.Release()
	return h.ReadAt(p, off)
}

// Files lists the log's files, oldest first. The last one is being written.
func (l *Log) Files() []FileInfo {
	l.fmu.RLock()
	defer l.fmu.RUnlock()
	return append([]FileInfo(nil), l.infos...)
}
