package wal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"annals.dev/internal/disk"
)

func fileName(n uint32) string { return fmt.Sprintf("%08d.wal", n) }

// Check replays a log without changing anything on disk. A torn tail is not an error; the report has it.
func Check(d disk.FS, dir string, replay func(Entry) error) (Report, error) {
	s := scan{d: d, dir: dir, replay: replay}
	err := s.run()
	for _, h := range s.files {
		h.Release()
	}
	return s.report, err
}

// scan goes over all files of a log.
type scan struct {
	d      disk.FS
	dir    string
	replay func(Entry) error

	report   Report
	leftover []string  // temporary files of writes that a crash cut short
	files    []*Handle // open; the last one for writing, if write is set
	write    bool
	header   header // the last file's
	batchOff int64  // where the last file's last batch begins
	buf      []byte
}

func (s *scan) corrupt(file uint32, off int64, reason string, args ...any) error {
	return &CorruptError{Path: path.Join(s.dir, fileName(file)), File: file, Off: off, Reason: fmt.Sprintf(reason, args...)}
}

func (s *scan) run() error {
	numbers, err := s.list()
	if err != nil {
		return err
	}
	for i, n := range numbers {
		if i > 0 && n != numbers[i-1]+1 {
			return s.corrupt(numbers[i-1]+1, 0, "the file is missing, although later ones are there")
		}
		if err := s.file(n, i == len(numbers)-1); err != nil {
			return err
		}
	}
	return nil
}

// list tells the names in the directory apart.
func (s *scan) list() (numbers []uint32, err error) {
	entries, err := s.d.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name, temporary := strings.CutSuffix(e.Name(), ".tmp")
		var n, off, again uint64
		digits, _, isLog := strings.Cut(name, ".wal")
		_, scanErr := fmt.Sscanf(digits, "%d", &n)
		isLog = isLog && scanErr == nil && n > 0 && n < 1<<32 && name == fileName(uint32(n)) && e.Type().IsRegular()
		isKept := false
		if !isLog && strings.HasPrefix(name, "torn-") {
			if c, _ := fmt.Sscanf(name, "torn-%d-%d.%d", &n, &off, &again); c == 3 && n < 1<<32 {
				isKept = name == keptName(uint32(n), int64(off), int(again)) && e.Type().IsRegular()
			}
		}
		switch {
		case !isLog && !isKept:
			s.report.Others = append(s.report.Others, e.Name())
		case temporary:
			s.leftover = append(s.leftover, e.Name())
		case isKept:
			s.report.Kept = append(s.report.Kept, name)
		default:
			numbers = append(numbers, uint32(n))
		}
	}
	if len(numbers) == 0 {
		return nil, fmt.Errorf("%s holds no log: %w", s.dir, fs.ErrNotExist)
	}
	slices.Sort(numbers)
	return numbers, nil
}

// file replays one file. The position where its good frames end, and the next sequence number, are then in the report.
func (s *scan) file(n uint32, last bool) error {
	open := s.d.Open
	if last && s.write {
		open = s.d.OpenRW
	}
	name := path.Join(s.dir, fileName(n))
	f, err := open(name)
	if err != nil {
		return err
	}
	s.files = append(s.files, newHandle(n, f))
	size, err := f.Size()
	if err != nil {
		return err
	}
	if size < headerSize {
		// No power cut does this: a file gets its name only when its header is durable.
		return s.corrupt(n, 0, "%d bytes are too few for a file header", size)
	}
	in := bufio.NewReaderSize(io.NewSectionReader(f, 0, size), 256<<10)
	var b [headerSize]byte
	if _, err := io.ReadFull(in, b[:]); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	h, reason, err := parseHeader(b[:])
	first := len(s.report.Files) == 0
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	case reason != "":
		return s.corrupt(n, 0, "%s", reason)
	case h.file != n:
		return s.corrupt(n, 0, "its header says that it is file %d", h.file)
	case !first && h.id != s.report.ID:
		return s.corrupt(n, 0, "it belongs to another log, %x", h.id)
	case h.first == 0 || !first && h.first != s.report.Next:
		return s.corrupt(n, 0, "it begins with frame %d, where %d is due", h.first, s.report.Next)
	}
	s.header, s.report.ID, s.report.Next = h, h.id, h.first
	info := FileInfo{File: n, First: h.first}
	info.Size, reason, err = s.frames(f, in, n, size)
	if err != nil {
		return err
	}
	if reason != "" {
		if !last {
			return s.corrupt(n, info.Size, "%s, and later files are there", reason)
		}
		off, later, err := findLater(f, info.Size, size, s.header.key(), s.report.Next)
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		if later > 0 {
			return s.corrupt(n, info.Size, "%s, and frame %d, written after it was durable, is there at byte %d", reason, later, off)
		}
		s.report.TornFile, s.report.TornOff, s.report.TornBytes = n, info.Size, size-info.Size
	}
	info.Frames = s.report.Next - h.first
	s.report.Files = append(s.report.Files, info)
	return nil
}

// frames replays the frames of a file. It returns the offset where they end and, if that is not the end of the file, what is
// wrong with the next.
func (s *scan) frames(f disk.File, in io.Reader, n uint32, size int64) (off int64, reason string, err error) {
	key := s.header.key()
	off = headerSize
	s.batchOff = off
	var batch uint64 // the last frame's
	for off < size {
		due := s.report.Next
		if size-off < headSize {
			return off, fmt.Sprintf("frame %d is cut short", due), nil
		}
		var b [headSize]byte
		if _, err := io.ReadFull(in, b[:]); err != nil {
			return off, "", fmt.Errorf("read %s at byte %d: %w", fileName(n), off, err)
		}
		h, ok := parseHead(b[:], key)
		if !ok {
			return off, fmt.Sprintf("frame %d has a bad head", due), nil
		}
		if h.seq != due || h.index > 0 && h.batch() != batch {
			// No power cut moves a frame, and what a failed Append wrote was durably gone before the next one wrote.
			return off, "", s.corrupt(n, off, "frame %d of batch %d stands where frame %d is due", h.seq, h.batch(), due)
		}
		if size-off-headSize < int64(h.length) {
			return off, fmt.Sprintf("frame %d is cut short", due), nil
		}
		s.buf = slices.Grow(s.buf[:0], int(h.length))[:h.length]
		if _, err := io.ReadFull(in, s.buf); err != nil {
			return off, "", fmt.Errorf("read %s at byte %d: %w", fileName(n), off, err)
		}
		if crc32.Checksum(s.buf, castagnoli) != h.sum {
			return off, fmt.Sprintf("frame %d has a bad checksum", due), nil
		}
		e := Entry{Place{h.seq, n, off + headSize, h.length}, s.buf}
		if err := s.replay(e); err != nil {
			return off, "", err
		}
		if h.index == 0 {
			batch, s.batchOff = h.seq, off
		}
		off += headSize + int64(h.length)
		s.report.Next++
	}
	return off, "", nil
}

// findLater looks, in what follows a bad frame, for the head of a frame whose batch began after the bad one's: when it was
// written the bad one was durable, so no power cut made it bad. A head's checksum goes on from the log's random id; no
// payload can imitate one. A frame of the same batch proves nothing, since a power cut may keep a batch's end and lose its
// beginning. Each offset costs one checksum of 20 bytes at most, whatever the bytes are.
func findLater(f disk.File, off, size int64, key uint32, bad uint64) (at int64, seq uint64, err error) {
	buf := make([]byte, min(1<<20, size-off))
	for size-off >= headSize {
		b := buf[:min(int64(len(buf)), size-off)]
		if n, err := f.ReadAt(b, off); n < len(b) {
			return 0, 0, errors.Join(err, io.ErrUnexpectedEOF)
		}
		for i := 0; i+headSize <= len(b); i++ {
			if seq := binary.LittleEndian.Uint64(b[i+8:]); seq <= bad || seq-bad > 1<<40 {
				continue
			}
			if h, ok := parseHead(b[i:], key); ok && h.batch() > bad {
				return off + int64(i), h.seq, nil
			}
		}
		off += int64(len(b)) - headSize + 1
	}
	return 0, 0, nil
}
