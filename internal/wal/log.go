package wal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"path"
	"slices"
	"sync"

	"annals.dev/internal/disk"
)

// A buffer that one large batch made is not kept for the small ones that follow.
const keepBuffer = 32 << 20

// Log is an open log. All methods may be called by many goroutines; Append, Rotate, Drop and Close wait for one another,
// readers wait for none of them.
type Log struct {
	d   disk.FS
	dir string
	id  [16]byte

	mu     sync.Mutex // what follows, and all writing
	failed error      // set once: every later call that writes returns it
	next   uint64
	end    int64 // where the next frame goes in the last file
	key    uint32
	buf    []byte

	fmu     sync.RWMutex // what follows; written with mu held too
	handles []*Handle    // consecutive files
	infos   []FileInfo   // parallel to handles
}

// Create makes a new log with one empty file. The directory is made too; there must be no log in it.
func Create(d disk.FS, dir string) error {
	if err := d.MkdirAll(dir); err != nil {
		return err
	}
	s := scan{d: d, dir: dir}
	if _, err := s.list(); err == nil {
		return fmt.Errorf("%s holds a log already: %w", dir, fs.ErrExist)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	h := header{file: 1, first: 1}
	rand.Read(h.id[:]) // never fails
	return disk.WriteFile(d, path.Join(dir, fileName(1)), h.encode())
}

// Open replays every frame in order and makes the log ready for Append. It cuts a torn tail off, and keeps and reports what it
// cut. A directory without a log is fs.ErrNotExist: only Create makes one. An error of replay ends it and is returned.
func Open(d disk.FS, dir string, replay func(Entry) error) (*Log, Report, error) {
	s := scan{d: d, dir: dir, replay: replay, write: true}
	err := s.run()
	if err == nil {
		err = s.repair()
	}
	if err != nil {
		for _, h := range s.files {
			h.Release()
		}
		return nil, s.report, err
	}
	r := s.report
	l := &Log{d: d, dir: dir, id: r.ID, next: r.Next, key: s.header.key(), handles: s.files, infos: slices.Clone(r.Files)}
	l.end = l.infos[len(l.infos)-1].Size
	return l, r, nil
}

// repair makes durable what the scan has read, and only that.
func (s *scan) repair() error {
	last := s.files[len(s.files)-1]
	end := s.report.Files[len(s.files)-1].Size
	for _, name := range s.leftover {
		if err := s.d.Remove(path.Join(s.dir, name)); err != nil {
			return err
		}
	}
	if s.report.TornFile != 0 {
		if err := s.keepTail(last.f); err != nil {
			return fmt.Errorf("keep the torn tail of %s: %w", fileName(last.file), err)
		}
		if err := last.f.Truncate(end); err != nil {
			return err
		}
	}
	// The process before this one may have died between write and fsync, or after an fsync that failed: then the kernel
	// shows the last batch, holds it for written, and would not write it again at an fsync. So it is written once more.
	if end > s.batchOff {
		in := io.NewSectionReader(last.f, s.batchOff, end-s.batchOff)
		if _, err := io.Copy(io.NewOffsetWriter(last.f, s.batchOff), in); err != nil {
			return err
		}
	}
	if err := last.f.Sync(); err != nil {
		return err
	}
	return s.d.SyncDir(s.dir)
}

func keptName(file uint32, off int64, again int) string {
	return fmt.Sprintf("torn-%08d-%d.%d", file, off, again)
}

func (s *scan) keepTail(f disk.File) error {
	for again := 0; ; again++ {
		name := keptName(s.report.TornFile, s.report.TornOff, again)
		if slices.Contains(s.report.Kept, name) {
			continue
		}
		tail := io.NewSectionReader(f, s.report.TornOff, s.report.TornBytes)
		if err := disk.Replace(s.d, path.Join(s.dir, name), tail); err != nil {
			return err
		}
		s.report.TornKept = name
		s.report.Kept = append(s.report.Kept, name)
		return nil
	}
}

// ID is the log's random name, drawn by Create.
func (l *Log) ID() [16]byte { return l.id }

// Append writes payloads, each given in pieces, as consecutive frames: one write, one fsync. When it returns they are durable.
// On an error none is acknowledged. After a failed write (disk.IsFull) it may be tried again; after a failed fsync this call
// and every later one give ErrFailed. It keeps nothing of what it was given.
func (l *Log) Append(payloads ...[][]byte) ([]Place, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil || len(payloads) == 0 {
		return nil, l.failed
	}
	places, err := l.encode(payloads)
	if err != nil {
		return nil, err
	}
	last := l.handles[len(l.handles)-1]
	n, err := last.f.WriteAt(l.buf, l.end)
	size := int64(len(l.buf))
	if cap(l.buf) > keepBuffer {
		l.buf = nil
	}
	if err == nil && int64(n) < size {
		err = io.ErrShortWrite
	}
	if err != nil {
		// Taken back durably: else a power cut could bring it back under a file that was begun meanwhile.
		terr := last.f.Truncate(l.end)
		if terr == nil {
			terr = last.f.Sync()
		}
		if terr != nil {
			return nil, l.fail(fmt.Errorf("%w; and taking it back: %w", err, terr))
		}
		return nil, fmt.Errorf("append to %s: %w", fileName(last.file), err)
	}
	if err := last.f.Sync(); err != nil {
		return nil, l.fail(err)
	}
	l.end += size
	l.next += uint64(len(places))
	l.fmu.Lock()
	info := &l.infos[len(l.infos)-1]
	info.Frames += uint64(len(places))
	info.Size = l.end
	l.fmu.Unlock()
	return places, nil
}

// encode makes the frames in l.buf.
func (l *Log) encode(payloads [][][]byte) ([]Place, error) {
	total := 0
	places := make([]Place, len(payloads))
	for i, pieces := range payloads {
		n := 0
		for _, piece := range pieces {
			n += len(piece)
		}
		if n > MaxPayload {
			return nil, fmt.Errorf("a payload of %d bytes: a frame of the log holds at most %d; append it in parts", n, MaxPayload)
		}
		off := l.end + int64(total) + headSize
		places[i] = Place{Seq: l.next + uint64(i), File: l.infos[len(l.infos)-1].File, Off: off, Len: uint32(n)}
		total += headSize + n
	}
	b := slices.Grow(l.buf[:0], total)
	for i, pieces := range payloads {
		at := len(b)
		b = b[:at+headSize]
		sum := uint32(0)
		for _, piece := range pieces {
			for len(piece) > 0 { // in parts that are still in the processor's cache when they are summed
				part := piece[:min(len(piece), 64<<10)]
				piece = piece[len(part):]
				b = append(b, part...)
				sum = crc32.Update(sum, castagnoli, part)
			}
		}
		head{length: places[i].Len, index: uint32(i), seq: places[i].Seq, sum: sum}.put(b[at:], l.key)
	}
	l.buf = b
	return places, nil
}

func (l *Log) fail(err error) error {
	l.failed = fmt.Errorf("%s: %w: %w", l.dir, ErrFailed, err)
	return l.failed
}

// Rotate begins a new file, so that the one before it can be dropped some day. It does nothing if the last file is empty.
func (l *Log) Rotate() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return l.failed
	}
	last := l.infos[len(l.infos)-1]
	if last.Frames == 0 {
		return nil
	}
	if last.File == math.MaxUint32 {
		return errors.New("the log has used up all file numbers")
	}
	h := header{file: last.File + 1, first: l.next, id: l.id}
	name := path.Join(l.dir, fileName(h.file))
	if err := disk.WriteFile(l.d, name, h.encode()); err != nil {
		// Appending to the old file while the new one has its name would look like corruption ever after.
		if _, serr := l.d.Stat(name); disk.IsFull(err) && errors.Is(serr, fs.ErrNotExist) {
			return fmt.Errorf("begin %s: %w", name, err)
		}
		return l.fail(err)
	}
	f, err := l.d.OpenRW(name)
	if err != nil {
		return l.fail(err)
	}
	l.key, l.end = h.key(), headerSize
	l.fmu.Lock()
	l.handles = append(l.handles, newHandle(h.file, f))
	l.infos = append(l.infos, FileInfo{File: h.file, First: h.first, Size: headerSize})
	l.fmu.Unlock()
	return nil
}

// Drop removes the files numbered below before, oldest first; the last file always stays. Who holds a Handle reads on.
func (l *Log) Drop(before uint32) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return l.failed
	}
	for len(l.handles) > 1 && l.handles[0].file < before {
		h := l.handles[0]
		if err := l.d.Remove(path.Join(l.dir, fileName(h.file))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		// One at a time: were a later removal durable before an earlier one, a file in the middle would be missing.
		if err := l.d.SyncDir(l.dir); err != nil {
			return l.fail(err)
		}
		l.fmu.Lock()
		l.handles = slices.Clone(l.handles[1:])
		l.infos = slices.Clone(l.infos[1:])
		l.fmu.Unlock()
		h.Release()
	}
	return nil
}

// Close ends the log. There is nothing to flush. Handles that were taken stay readable.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(l.failed, ErrClosed) {
		return nil
	}
	l.failed = ErrClosed
	l.fmu.Lock()
	handles := l.handles
	l.handles, l.infos = nil, nil
	l.fmu.Unlock()
	for _, h := range handles {
		h.Release()
	}
	return nil
}
