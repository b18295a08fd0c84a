package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// followedLog is a log with its rotated files.
type followedLog struct {
	savedLog
	s        *followed
	lastLine time.Time
}

// entry is a file found in the log's directory.
type entry struct {
	name string
	path string
	stamp
}

// stamp is a file's identity and what changes with it.
type stamp struct {
	dev, ino      uint64
	size, changed int64
	mode          fs.FileMode
	uid, gid      uint32
}

// discover finds the logs that the source's path names. A log once found stays, also when its file is deleted.
func (s *followed) discover(ctx context.Context) error {
	if fi, err := os.Stat(s.src.Path); err == nil && fi.IsDir() {
		s.watch(s.src.Path)
		s.glob(filepath.Join(escapeGlob(s.src.Path), "*"), func(live string) bool { return strings.HasSuffix(live, ".log") })
		return nil
	}
	if strings.ContainsAny(s.src.Path, `*?[`) {
		s.glob(s.src.Path, func(string) bool { return true })
		return nil
	}
	// A link named outright is followed, and again if it comes to lead elsewhere.
	dir, live := filepath.Split(s.src.Path)
	if path, err := filepath.EvalSymlinks(s.src.Path); err == nil {
		dir, live = filepath.Split(path)
	} else if len(s.logs) > 0 {
		return nil
	}
	dir = filepath.Clean(dir)
	if len(s.logs) != 1 || s.logs[0].Dir == dir && s.logs[0].Live == live {
		s.add(dir, live)
		return nil
	}
	l := s.logs[0]
	if len(l.Files) > 0 {
		if err := l.record(ctx, whatReplaced, "%s leads to %s now, no longer to %s", s.src.Path, filepath.Join(dir, live), filepath.Join(l.Dir, l.Live)); err != nil {
			return err
		}
	}
	l.Dir, l.Live, l.Owned = dir, live, false
	s.watch(dir)
	return nil
}

func (s *followed) glob(pattern string, want func(live string) bool) {
	paths, err := filepath.Glob(pattern)
	if err != nil {
		return // the pattern was checked
	}
	for _, p := range paths {
		r := parseRotated(filepath.Base(p))
		if !want(r.live) || strings.HasPrefix(r.live, ".") {
			continue
		}
		if fi, err := os.Lstat(p); err == nil && fi.Mode().IsRegular() {
			s.add(filepath.Dir(p), r.live)
		}
	}
}

func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

func (s *followed) add(dir, live string) {
	for _, l := range s.logs {
		if l.Dir == dir && l.Live == live {
			s.watch(dir)
			return
		}
	}
	s.logs = append(s.logs, &followedLog{s: s, savedLog: savedLog{Dir: dir, Live: live}})
	s.watch(dir)
}

// list gives the log's files, oldest first. A compressed file whose plain twin is there is still being written. A file that goes
// while the others are looked at may have come back under a name that was not listed: then it looks again.
func (l *followedLog) list() (list []entry, err error) {
	for range 10 {
		var moved bool
		if list, moved, err = l.listOnce(); err != nil || !moved {
			break
		}
	}
	return list, err
}

func (l *followedLog) listOnce() (list []entry, moved bool, err error) {
	names, err := os.ReadDir(l.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, false, err
	}
	plain := make(map[string]bool)
	for _, de := range names {
		r := parseRotated(de.Name())
		if r.live != l.Live || r.compressed != "" && !r.rotated && l.Live != de.Name() {
			continue
		}
		path := filepath.Join(l.Dir, de.Name())
		fi, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			moved = true
			continue
		}
		if err != nil {
			return nil, false, err
		}
		if !fi.Mode().IsRegular() {
			continue
		}
		list = append(list, entry{name: de.Name(), path: path, stamp: stampOf(fi)})
		if r.compressed == "" {
			plain[de.Name()] = true
		}
	}
	list = slices.DeleteFunc(list, func(e entry) bool {
		c := parseRotated(e.name).compressed
		return c != "" && plain[strings.TrimSuffix(e.name, c)]
	})
	slices.SortFunc(list, func(a, b entry) int { return olderFirst(a.name, b.name) })
	return list, moved, nil
}

func stampOf(fi fs.FileInfo) stamp {
	st := stamp{size: fi.Size(), changed: fi.ModTime().UnixNano(), mode: fi.Mode()}
	if sys, ok := fi.Sys().(*syscall.Stat_t); ok {
		st.dev, st.ino, st.uid, st.gid = uint64(sys.Dev), sys.Ino, sys.Uid, sys.Gid
	}
	return st
}

// openEntry opens a file that was listed, and only that file: no link put in its place, nothing that blocks.
func openEntry(e entry) (*os.File, error) {
	f, err := os.OpenFile(e.path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil {
		if st := stampOf(fi); !st.mode.IsRegular() || st.dev != e.dev || st.ino != e.ino {
			err = fmt.Errorf("%s: %w", e.path, errReplaced)
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

var errReplaced = errors.New("the file was replaced while it was opened")

// vanished says that a file is not any more what it was when it was listed, which the next scan sorts out.
func vanished(err error) bool { return errors.Is(err, errReplaced) || errors.Is(err, fs.ErrNotExist) }

// scan brings the tracked files in line with what the directory holds, and records what happened to them.
func (l *followedLog) scan(ctx context.Context) error {
	entries, err := l.list()
	if err != nil {
		return err
	}
	for _, t := range l.Files {
		t.bound = false
	}
	var fresh []entry
	var cut []cutFile
	for _, e := range entries {
		t := l.byInode(e)
		if t == nil {
			fresh = append(fresh, e)
			continue
		}
		same, err := t.still(e)
		if vanished(err) {
			t.bound = true // it moved while it was looked at; the next scan sees where to
			continue
		}
		if err != nil {
			return err
		}
		if same {
			l.bind(t, e)
			continue
		}
		cut = append(cut, cutFile{t, t.Name, t.f != nil})
		t.Dev, t.Ino = 0, 0
		t.close()
		fresh = append(fresh, e)
	}
	replayed := false
	for _, e := range fresh {
		t, err := l.byHead(e)
		if vanished(err) {
			continue
		}
		if err != nil {
			return err
		}
		if t == nil {
			t = &tracked{}
			l.Files = append(l.Files, t)
			replayed = replayed || parseRotated(e.name).compressed != ""
		}
		l.bind(t, e)
		l.s.dirty = true
	}
	if err := l.missing(ctx, cut, entries, replayed); err != nil {
		return err
	}
	if err := l.opened(ctx, entries); err != nil {
		return err
	}
	slices.SortStableFunc(l.Files, func(a, b *tracked) int { return olderFirst(a.Name, b.Name) })
	return nil
}

func (l *followedLog) byInode(e entry) *tracked {
	for _, t := range l.Files {
		if t.Ino == e.ino && t.Dev == e.dev && !t.bound {
			return t
		}
	}
	return nil
}

// bind says that e is t.
func (l *followedLog) bind(t *tracked, e entry) {
	switch {
	case t.grew.IsZero(): // first seen in this run
		if t.grew = time.Unix(0, e.changed); t.grew.After(l.s.now) {
			t.grew = l.s.now
		}
	case t.Size != e.size:
		t.grew = l.s.now
	}
	if t.Name != e.name || t.Dev != e.dev || t.Ino != e.ino || t.Size != e.size || t.Changed != e.changed {
		if t.Ino != e.ino || t.Size != e.size || t.Changed != e.changed {
			t.Done = false
		}
		t.Name, t.Dev, t.Ino, t.Size, t.Changed = e.name, e.dev, e.ino, e.size, e.changed
		l.s.dirty = true
	}
	t.bound, t.gone = true, false
}

// byHead finds the file that e was, by its content: it was compressed, or copied away before it was truncated.
func (l *followedLog) byHead(e entry) (*tracked, error) {
	var f *os.File
	defer func() {
		if f != nil {
			f.Close() // it was only read
		}
	}()
	// Those that lost their name come first; then the file that is written, of which this may be a copy.
	for _, copied := range []bool{false, true} {
		for _, t := range l.Files {
			if t.Head.Len < leastHead || t.bound != copied || copied && t.Name != l.Live {
				continue
			}
			if f == nil {
				var err error
				if f, err = openEntry(e); err != nil {
					return nil, err
				}
			}
			if !t.Head.matches(f, parseRotated(e.name).compressed) {
				continue
			}
			if !copied {
				t.close()
				t.Half = 0
				return t, nil
			}
			twin := &tracked{Offset: t.Offset, Head: t.Head}
			l.Files = append(l.Files, twin)
			return twin, nil
		}
	}
	return nil, nil
}
