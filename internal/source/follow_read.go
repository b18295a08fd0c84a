package source

import (
	"context"
	"errors"
	"io"
	"path/filepath"

	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
)

// pass looks at a log once. What is wrong with a file is logged and tried again at the next pass; the error is the
// ledger's, or the context's.
func (l *followedLog) pass(ctx context.Context) error {
	if err := l.scan(ctx); err != nil {
		return l.trouble(ctx, "its files cannot be listed", err)
	}
	lines, behind := false, int64(0)
	for _, t := range l.Files {
		got, err := l.read(ctx, t)
		lines = lines || got
		if err != nil {
			if err := l.trouble(ctx, t.Name+" cannot be read", err); err != nil {
				return err
			}
		}
		if t.Half < t.Size && t.Offset < t.Size && !t.Done {
			behind += t.Size - t.Offset
		}
	}
	l.letGo()
	l.s.cfg.Metrics.set(metricBehind, float64(behind), "cluster", l.s.src.Cluster, "path", filepath.Join(l.Dir, l.Live))
	return l.silence(ctx, lines)
}

// trouble gives back what ends the follower, and logs what does not.
func (l *followedLog) trouble(ctx context.Context, what string, err error) error {
	var fatal *ledgerError
	if errors.As(err, &fatal) {
		return err
	}
	if ctx.Err() == nil && !vanished(err) {
		l.s.quiet.warn(l.Dir+l.Live+what, "follow: "+what, "log", filepath.Join(l.Dir, l.Live), "error", err)
	}
	return nil
}

// read takes what is new in a file.
func (l *followedLog) read(ctx context.Context, t *tracked) (lines bool, err error) {
	if parseRotated(t.Name).compressed != "" && !t.gone {
		return l.readCompressed(ctx, t)
	}
	if t.f == nil {
		// The live file stays open: only so can be told what becomes of it.
		if t.Name != l.Live && (t.Offset >= t.Size || t.Half == t.Size) {
			return false, nil
		}
		if t.f, err = openEntry(l.entryOf(t)); err != nil {
			return false, err
		}
	}
	fi, err := t.f.Stat()
	if err != nil {
		return false, err
	}
	size := fi.Size()
	if size > t.Size {
		t.Size, t.grew = size, l.s.now
	}
	if size <= t.Offset || size == t.Half {
		return false, nil
	}
	t.extend(size)
	before := t.Offset
	r := &l.s.lines
	r.Reset(io.NewSectionReader(t.f, t.Offset, size-t.Offset), filepath.Join(l.Dir, t.Name), t.Offset, l.s.buf)
	defer func() { l.s.cfg.Metrics.unreadable(l.s.src.Cluster, "file", r.Counts()) }()
	for {
		events, _, err := r.Next(0)
		if err == io.EOF {
			break
		}
		if err != nil {
			return lines, err
		}
		// What was read counts only if the file was not truncated meanwhile.
		if !t.intact(r.End()) {
			return lines, errReplaced
		}
		if err := l.deliver(ctx, events, int(r.End()-t.Offset)); err != nil {
			return lines, err
		}
		lines = true
		t.Offset = r.End()
		l.s.dirty = true
		l.s.save(false)
	}
	if end := r.End(); end > t.Offset && t.intact(end) { // lines that hold no event
		t.Offset, lines, l.s.dirty = end, true, true
	}
	if t.Offset > before {
		t.Half = 0
	}
	if t.Offset < size && (t.Name != l.Live || t.gone) && l.s.now.Sub(t.grew) >= l.s.settle {
		return lines, l.readHalf(ctx, t, size)
	}
	return lines, nil
}

// readHalf takes a line that was never finished, in a file that nobody writes any more. Should it grow after all, it is
// read again from the line's beginning.
func (l *followedLog) readHalf(ctx context.Context, t *tracked, size int64) error {
	r := format.NewLineReader(io.NewSectionReader(t.f, t.Offset, size-t.Offset), filepath.Join(l.Dir, t.Name), t.Offset)
	for {
		events, _, err := r.Finish(0)
		if err == io.EOF {
			l.s.cfg.Metrics.unreadable(l.s.src.Cluster, "file", r.Counts())
			t.Half, l.s.dirty = size, true
			return nil
		}
		if err != nil {
			return err
		}
		if err := l.deliver(ctx, events, 0); err != nil {
			return err
		}
	}
}

// readCompressed takes a rotated and compressed file whole, unless all of it was read before it was compressed. What was
// taken already the ledger knows.
func (l *followedLog) readCompressed(ctx context.Context, t *tracked) (lines bool, err error) {
	if t.Done || l.s.now.Sub(t.grew) < l.s.settle && t.Offset == 0 {
		return false, nil // it may still be written
	}
	f, err := openEntry(l.entryOf(t))
	if err != nil {
		return false, err
	}
	defer f.Close()
	if n, ok := gzipHolds(f); !ok || t.Offset == 0 || int64(n) != t.Offset&0xffffffff {
		r := format.NewReader(f, filepath.Join(l.Dir, t.Name))
		for {
			events, _, err := r.Chunk(0)
			if err == io.EOF {
				break
			}
			if err != nil {
				return lines, err
			}
			if err := l.deliver(ctx, events, 0); err != nil {
				return lines, err
			}
			lines = true
		}
		l.s.cfg.Metrics.add(metricBytes, float64(r.Counts().Bytes), "cluster", l.s.src.Cluster, "source", "file")
		l.s.cfg.Metrics.unreadable(l.s.src.Cluster, "file", r.Counts())
	}
	t.Done, l.s.dirty = true, true
	return lines, nil
}

// intact says whether the file still has what it had when it was scanned, up to end.
func (t *tracked) intact(end int64) bool {
	fi, err := t.f.Stat()
	return err == nil && fi.Size() >= end && t.Head.matches(t.f, "")
}

func (l *followedLog) deliver(ctx context.Context, events []format.Event, bytes int) error {
	origin := "file/" + l.s.cfg.Host + ":" + filepath.Join(l.Dir, l.Live)
	r, err := l.s.ledger.append(ctx, ledger.Batch{Cluster: l.s.src.Cluster, Origin: origin, Events: events})
	if err != nil {
		return &ledgerError{err}
	}
	l.s.cfg.Metrics.took(l.s.src.Cluster, "file", bytes, r)
	return nil
}

func (l *followedLog) entryOf(t *tracked) entry {
	return entry{name: t.Name, path: filepath.Join(l.Dir, t.Name), stamp: stamp{dev: t.Dev, ino: t.Ino}}
}

// letGo closes what need not be open: rotated files once they are still, deleted ones after an hour, or when there are
// too many of them.
func (l *followedLog) letGo() {
	kept, orphans := l.Files[:0], 0
	for i := len(l.Files) - 1; i >= 0; i-- {
		if l.Files[i].gone {
			orphans++
		}
	}
	for _, t := range l.Files {
		still := l.s.now.Sub(t.grew)
		switch {
		case t.gone && (still >= orphanLife || orphans > maxOrphans):
			orphans--
			t.close()
			l.s.dirty = true
			continue
		case !t.gone && t.f != nil && t.Name != l.Live && still >= l.s.settle && (t.Offset >= t.Size || t.Half == t.Size):
			t.close()
		}
		kept = append(kept, t)
	}
	clear(l.Files[len(kept):])
	l.Files = kept
}
