package wal

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
)

// Reader reads a log's acknowledged frames in order, also while it is written. It is for one goroutine.
type Reader struct {
	log *Log
	seq uint64 // of the frame that Next gives

	h   *Handle // the file that is being read; nil before the first and after an error
	key uint32
	at  uint64 // the frame that begins at off
	off int64
	buf []byte
}

// Reader begins with the frame from. Close it.
func (l *Log) Reader(from uint64) *Reader { return &Reader{log: l, seq: from} }

// Next is the next frame, whose payload is valid until the next call; or io.EOF while there is none. A frame that is not as
// it was written is a CorruptError; a frame in a file that was dropped is an error, too.
func (r *Reader) Next() (Entry, error) {
	info, err := r.log.fileOf(r.seq)
	if err != nil {
		return Entry{}, err
	}
	e, err := r.read(info)
	if err != nil {
		r.Close()
		return Entry{}, err
	}
	return e, nil
}

// fileOf is the file that holds a frame.
func (l *Log) fileOf(seq uint64) (FileInfo, error) {
	l.fmu.RLock()
	defer l.fmu.RUnlock()
	if len(l.infos) == 0 {
		return FileInfo{}, ErrClosed
	}
	if seq < l.infos[0].First {
		return FileInfo{}, fmt.Errorf("frame %d of the log was dropped; the first is %d", seq, l.infos[0].First)
	}
	for _, info := range slices.Backward(l.infos) {
		if seq >= info.First+info.Frames {
			return FileInfo{}, io.EOF
		}
		if seq >= info.First {
			return info, nil
		}
	}
	return FileInfo{}, io.EOF
}

func (r *Reader) read(info FileInfo) (Entry, error) {
	if r.h == nil || r.h.file != info.File {
		r.Close()
		h, err := r.log.Handle(info.File)
		if err != nil {
			return Entry{}, err
		}
		r.h, r.at, r.off = h, info.First, headerSize
		var b [headerSize]byte
		if err := r.fill(b[:], 0); err != nil {
			return Entry{}, err
		}
		header, reason, err := parseHeader(b[:])
		if err != nil {
			return Entry{}, err
		}
		if reason != "" {
			return Entry{}, r.corrupt(0, "%s", reason)
		}
		r.key = header.key()
	}
	for {
		var b [headSize]byte
		if err := r.fill(b[:], r.off); err != nil {
			return Entry{}, err
		}
		head, ok := parseHead(b[:], r.key)
		if !ok || head.seq != r.at {
			return Entry{}, r.corrupt(r.off, "frame %d, which was whole when it was written, has a bad head", r.at)
		}
		off := r.off + headSize
		if r.at < r.seq {
			r.at, r.off = r.at+1, off+int64(head.length)
			continue
		}
		if cap(r.buf) > keepBuffer && int(head.length) <= keepBuffer {
			r.buf = nil // which one giant made
		}
		r.buf = slices.Grow(r.buf[:0], int(head.length))[:head.length]
		if err := r.fill(r.buf, off); err != nil {
			return Entry{}, err
		}
		if crc32.Checksum(r.buf, castagnoli) != head.sum {
			return Entry{}, r.corrupt(r.off, "frame %d, which was whole when it was written, has a bad checksum", r.at)
		}
		r.seq, r.at, r.off = r.seq+1, r.at+1, off+int64(head.length)
		return Entry{Place{head.seq, info.File, off, head.length}, r.buf}, nil
	}
}

func (r *Reader) fill(b []byte, off int64) error {
	if n, err := r.h.ReadAt(b, off); n < len(b) {
		if errors.Is(err, io.EOF) {
			return r.corrupt(off, "the file ends here, before frame %d does", r.at)
		}
		return fmt.Errorf("read %s at byte %d: %w", fileName(r.h.file), off, err)
	}
	return nil
}

func (r *Reader) corrupt(off int64, reason string, args ...any) error {
	s := scan{dir: r.log.dir}
	return s.corrupt(r.h.file, off, reason, args...)
}

// Close gives the file back that is being read. Next opens it again.
func (r *Reader) Close() {
	if r.h != nil {
		r.h.Release()
		r.h = nil
	}
}
