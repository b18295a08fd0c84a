package ledger

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"maps"
	"path"
	"slices"

	"annals.dev/internal/disk"
	"annals.dev/internal/parquet"
	"annals.dev/internal/wal"
)

// sealLoop makes segments of frozen rows, merges segments, and removes what no manifest names any more. It alone changes which
// segments a cluster has.
func (l *Ledger) sealLoop() {
	defer l.done.Done()
	for f := range l.frozen {
		err := l.seal(f)
		if err != nil {
			l.opts.Log.Error("sealing failed: what is in memory stays in the log", "error", err)
		}
		l.mu.Lock()
		l.stats.SealFailed = err != nil
		l.mu.Unlock()
		l.sealed <- err
	}
}

func (l *Ledger) names() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.clusters))
}

func (l *Ledger) seal(f freezing) error {
	l.sealing.Lock()
	defer l.sealing.Unlock()
	for _, name := range l.names() {
		if err := l.sealCluster(name); err != nil {
			return fmt.Errorf("cluster %s: %w", name, err)
		}
	}
	l.mu.Lock()
	pinned := l.pinned > 0
	l.mu.Unlock()
	if pinned { // a verification reads the files: the next seal drops them
		return nil
	}
	if err := l.log.Drop(f.file); err != nil {
		return l.refuse(err)
	}
	for _, name := range l.names() {
		if err := l.mergeCluster(name, f.small); err != nil {
			return fmt.Errorf("cluster %s: %w", name, err)
		}
	}
	return nil
}

// sealCluster makes a segment of a cluster's frozen rows and publishes it.
func (l *Ledger) sealCluster(name string) error {
	l.mu.Lock()
	c := l.clusters[name]
	fz, m := c.frozen, c.manifest()
	seenNew := c.seenNew
	l.mu.Unlock()
	if fz == nil && !seenNew {
		return nil
	}
	var s *Segment
	if fz != nil {
		files := logFiles{log: l.log, open: make(map[uint32]*wal.Handle)}
		defer files.release()
		var err error
		s, err = l.writeSegment(name, fz.rows, func(row int, off, n uint32, buf []byte) ([]byte, error) {
			return files.read(fz.rows.refs[row], off, n, buf)
		})
		if err != nil {
			return err
		}
		m.segments = append(m.segments, s.manifest())
		m.sealed = fz.tree
		if m.whole, err = writeTiles(l.fs, name, fz.tree.size>>8, fz.whole); err != nil {
			return err
		}
	}
	return l.publish(c, m, func() {
		if fz == nil {
			return
		}
		c.whole = slices.Clone(c.whole[len(fz.whole)-len(m.whole):])
		c.segments = append(slices.Clone(c.segments), s)
		c.remember(&recentKnown{fz.known, s.First, s.Last})
		c.frozen = nil
		c.sealed = fz.tree
	})
}

// publish writes the sightings and the manifest, and makes the change in memory under the mutex.
func (l *Ledger) publish(c *cluster, m *manifest, change func()) error {
	err := l.fs.MkdirAll(clusterDir(c.name)) // before its first seal a cluster may have sightings already
	var seen []byte
	l.mu.Lock()
	old := c.seenFile
	grown := c.seenNew
	if grown && err == nil {
		seen, err = encodeSeen(c.seen)
		c.seenNew = false
	}
	l.mu.Unlock()
	if seen != nil && err == nil {
		m.seen = infoOf(seen)
		err = disk.WriteFile(l.fs, path.Join(clusterDir(c.name), seenName(m.seen)), seen)
	}
	if err == nil {
		err = l.writeManifest(c.name, m)
	}
	l.mu.Lock()
	if err != nil {
		c.seenNew = c.seenNew || grown
		l.mu.Unlock()
		return err
	}
	c.seenFile = m.seen
	change()
	l.mu.Unlock()
	if old != m.seen && old.size > 0 {
		return l.remove(path.Join(clusterDir(c.name), seenName(old)))
	}
	return nil
}

func (l *Ledger) writeManifest(cluster string, m *manifest) error {
	desc, err := l.desc.marshal()
	if err != nil {
		return err
	}
	m.ledger = infoOf(desc)
	b, err := sign(m.text(l.desc.origin(cluster)), l.signer)
	if err != nil {
		return err
	}
	return disk.WriteFile(l.fs, path.Join(clusterDir(cluster), manifestFile), b)
}

// manifest is the cluster's, as published last. The mutex is held.
func (c *cluster) manifest() *manifest {
	m := &manifest{sealed: c.sealed, seen: c.seenFile}
	full := int((c.sealed.size >> 8) % tileWidth)
	m.whole = slices.Clone(c.whole[:full])
	for _, s := range c.segments {
		m.segments = append(m.segments, s.manifest())
	}
	return m
}

func (s *Segment) manifest() manifestSegment { return manifestSegment{path.Base(s.name), s.files} }

// remove removes a file; one that is gone already is no error.
func (l *Ledger) remove(name string) error {
	if err := l.fs.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return l.fs.SyncDir(path.Dir(name))
}

// writeSegment writes the two files of a segment, durably.
func (l *Ledger) writeSegment(cluster string, r *rows, event reader) (*Segment, error) {
	name := segmentName(cluster, r.first, r.first+uint64(r.n)-1)
	if err := l.fs.MkdirAll(path.Dir(name)); err != nil {
		return nil, err
	}
	out, err := createFile(l.fs, name+columnsFile)
	if err != nil {
		return nil, err
	}
	w, err := parquet.NewWriter(out, schema())
	if err != nil {
		return nil, errors.Join(err, out.abandon())
	}
	x, words, ids, err := build(w, r, event)
	if err != nil {
		return nil, errors.Join(err, out.abandon())
	}
	var files [2]fileInfo
	if files[0], err = out.commit(); err != nil {
		return nil, err
	}
	b, err := x.encode(words, ids)
	if err != nil {
		return nil, err
	}
	if err := disk.WriteFile(l.fs, name+indexFile, b); err != nil {
		return nil, err
	}
	files[1] = infoOf(b)
	s, err := openSegment(l.fs, l.root, cluster, name)
	if err != nil {
		return nil, err
	}
	s.files = files
	return s, nil
}

// fileWriter writes a new file front to back, under a temporary name until it is committed.
type fileWriter struct {
	fs   disk.FS
	name string
	f    disk.File
	off  int64
	buf  []byte
	sum  hash.Hash
}

const writeBuffer = 1 << 20

func createFile(d disk.FS, name string) (*fileWriter, error) {
	tmp := name + ".tmp"
	f, err := d.Create(tmp)
	if errors.Is(err, fs.ErrExist) {
		if err := d.Remove(tmp); err != nil {
			return nil, err
		}
		f, err = d.Create(tmp)
	}
	if err != nil {
		return nil, err
	}
	return &fileWriter{fs: d, name: name, f: f, sum: sha256.New()}, nil
}

func (w *fileWriter) Write(b []byte) (int, error) {
	w.buf = append(w.buf, b...)
	if len(w.buf) < writeBuffer {
		return len(b), nil
	}
	return len(b), w.flush()
}

func (w *fileWriter) flush() error {
	w.sum.Write(w.buf)
	n, err := w.f.WriteAt(w.buf, w.off)
	w.off += int64(n)
	w.buf = w.buf[:0]
	return err
}

func (w *fileWriter) commit() (info fileInfo, err error) {
	if err = w.flush(); err == nil {
		err = w.f.Sync()
	}
	if err != nil {
		return info, errors.Join(err, w.abandon())
	}
	if err := w.f.Close(); err != nil {
		return info, errors.Join(err, w.fs.Remove(w.name+".tmp"))
	}
	if err := w.fs.Rename(w.name+".tmp", w.name); err != nil {
		return info, errors.Join(err, w.fs.Remove(w.name+".tmp"))
	}
	info.size = w.off
	w.sum.Sum(info.sum[:0])
	return info, w.fs.SyncDir(path.Dir(w.name))
}

// abandon gives the file up.
func (w *fileWriter) abandon() error {
	return errors.Join(w.f.Close(), w.fs.Remove(w.name+".tmp"))
}

// logFiles reads events from the log, and holds the files that it reads from.
type logFiles struct {
	log  *wal.Log
	open map[uint32]*wal.Handle
}

// read reads n bytes at off of an event.
func (f *logFiles) read(ref BodyRef, off, n uint32, buf []byte) ([]byte, error) {
	h := f.open[ref.File]
	if h == nil {
		var err error
		if h, err = f.log.Handle(ref.File); err != nil {
			return nil, err
		}
		f.open[ref.File] = h
	}
	if cap(buf) < int(n) {
		buf = make([]byte, max(64<<10, int(n)))
	}
	buf = buf[:n]
	if _, err := h.ReadAt(buf, ref.Off+int64(off)); err != nil {
		return nil, fmt.Errorf("file %d of the log at byte %d: %w", ref.File, ref.Off+int64(off), err)
	}
	return buf, nil
}

func (f *logFiles) release() {
	for _, h := range f.open {
		h.Release()
	}
}
