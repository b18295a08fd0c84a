package ledger

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"annals.dev/internal/format"
	"annals.dev/internal/wal"
)

// replay takes a frame of the log when the ledger is opened: what is sealed is passed over, the rest become rows in memory. Where
// the tree has the size of the signed checkpoint it must have its root, too.
func (l *Ledger) replay(e wal.Entry, heads map[string]Checkpoint) error {
	f, err := parseFrame(e.Payload)
	if err != nil {
		return &wal.CorruptError{Path: walDir, File: e.File, Off: e.Off, Reason: err.Error()}
	}
	c := l.cluster(f.cluster, 0)
	wrong := func(format string, args ...any) error {
		return &wal.CorruptError{Path: walDir, File: e.File, Off: e.Off, Reason: fmt.Sprintf("cluster %s: ", c.name) + fmt.Sprintf(format, args...)}
	}
	end := f.first + uint64(len(f.events))
	if f.first < c.sealed.size && end > c.sealed.size {
		return wrong("positions %d to %d, of which only those below %d are sealed", f.first, end-1, c.sealed.size)
	}
	c.sighted(f.origin, f.again)
	if end <= c.sealed.size {
		return nil
	}
	if f.first != c.tree.size {
		return wrong("position %d follows, where %d belongs", f.first, c.tree.size)
	}
	server := serverOf(f.origin)
	var scratch, view []byte
	for _, fe := range f.events {
		ev := format.Event{Bytes: fe.bytes, Dialect: fe.dialect, Marks: fe.marks, Note: fe.note}
		if view, err = format.View(ev.Dialect, ev.Bytes, &ev.View, view); err != nil {
			return wrong("position %d: %v", c.tree.size, err)
		}
		lf := leaf{cluster: c.name, origin: f.origin, note: fe.note, received: f.received, dialect: fe.dialect, marks: fe.marks,
			length: uint64(len(fe.bytes)), sum: sha256.Sum256(fe.bytes)}
		var hash [32]byte
		hash, scratch = lf.hash(scratch)
		var id identity
		id, scratch = l.ids.of(&ev, scratch)
		c.known.add(id, c.tree.size, server)
		c.grow(hash)
		c.hot.add(&ev, arrival{position: c.tree.size - 1, origin: f.origin, received: f.received, marks: fe.marks, leaf: hash, file: e.File, off: e.Off + fe.at})
		c.last = max(c.last, ev.View.Time)
		if h, ok := heads[c.name]; ok && h.Size == c.tree.size && h.Root != c.tree.root() {
			return &TreeError{c.name, h.Size}
		}
	}
	c.head = c.tree.clone()
	c.arrived = max(c.arrived, f.received)
	return nil
}

// TreeError says that events are not those that a signed checkpoint covers.
type TreeError struct {
	Cluster string
	Size    uint64
}

func (e *TreeError) Error() string {
	return fmt.Sprintf("cluster %s: the first %d events are not the ones that its signed checkpoint covers: they were changed", e.Cluster, e.Size)
}

// isDamage says whether an error tells of files that are not what was written.
func isDamage(err error) bool {
	var corrupt *wal.CorruptError
	var damage *DamageError
	var tree *TreeError
	return errors.As(err, &corrupt) || errors.As(err, &damage) || errors.As(err, &tree)
}
