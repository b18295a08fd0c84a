package ledger

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// mergeTier is how many small segments gather before they are merged, so that each event is written a few times and not once a
// minute.
const mergeTier = 6

// mergeSpan is the longest time of events that a merge makes one segment of: a search prunes by time.
const mergeSpan = 24 * 3600 * 1_000_000

// mergeCluster merges the newest segments while there are enough small ones, or any two if small says so.
func (l *Ledger) mergeCluster(name string, small bool) error {
	for {
		l.mu.Lock()
		c := l.clusters[name]
		run := l.toMerge(c.segments, small)
		pinned := l.pinned > 0
		for _, s := range run {
			s.users++
		}
		l.mu.Unlock()
		if len(run) < 2 || pinned {
			l.release(run)
			return nil
		}
		err := l.merge(c, run)
		l.release(run)
		if err != nil {
			return err
		}
	}
}

// toMerge picks the newest run of segments of like size.
func (l *Ledger) toMerge(segments []*Segment, small bool) []*Segment {
	need := mergeTier
	if small {
		need = 2
	}
	for end := len(segments); end >= need; end-- {
		from, total := end, int64(0)
		least, most := segments[end-1].MinTime, segments[end-1].MaxTime
		for from > 0 {
			s := segments[from-1]
			if total+s.index.Bytes > l.opts.MergeBytes || total > 0 && !small && s.index.Bytes > 2*total {
				break
			}
			least, most = min(least, s.MinTime), max(most, s.MaxTime)
			if total > 0 && most-least > mergeSpan {
				break
			}
			total += s.index.Bytes
			from--
		}
		if end-from >= need {
			return slices.Clone(segments[from:end])
		}
	}
	return nil
}

// merge writes run as one segment. It is published only if it gives back the very leaves of the tree that run gave.
func (l *Ledger) merge(c *cluster, run []*Segment) error {
	ctx := context.Background()
	first, last := run[0].First, run[len(run)-1].Last
	r := newRows(first)
	leaves := make([]tlog.Hash, last-first+1)
	var arena []byte
	for _, s := range run {
		err := s.Read(ctx, allRows(s.Rows()), func(_ int, e *Stored) error {
			if e.Position < s.First || e.Position > s.Last {
				return &DamageError{s.name, fmt.Errorf("it holds position %d", e.Position)}
			}
			leaves[e.Position-first] = e.leaf()
			r.add(&e.Event, arrival{position: e.Position, origin: e.Origin, received: e.Received, marks: e.Marks, off: int64(len(arena))})
			arena = append(arena, e.Bytes...)
			return nil
		})
		if err != nil {
			return err
		}
	}
	if err := l.sameTree(c, first, leaves); err != nil {
		return err
	}
	merged, err := l.writeSegment(c.name, r, r.from(arena))
	if err != nil {
		return err
	}
	found := 0
	err = merged.Read(ctx, allRows(merged.Rows()), func(_ int, e *Stored) error {
		if e.Position < first || e.Position > last || leaves[e.Position-first] != e.leaf() {
			return &DamageError{merged.name, fmt.Errorf("position %d did not come through a merge", e.Position)}
		}
		found++
		return nil
	})
	if err == nil && found != len(leaves) {
		err = &DamageError{merged.name, fmt.Errorf("%d events of %d came through a merge", found, len(leaves))}
	}
	if err != nil {
		return err
	}
	l.mu.Lock()
	m := c.manifest()
	l.mu.Unlock()
	at := slices.IndexFunc(m.segments, func(s manifestSegment) bool { return s == run[0].manifest() })
	m.segments = slices.Replace(m.segments, at, at+len(run), merged.manifest())
	return l.publish(c, m, func() {
		c.segments = slices.Replace(slices.Clone(c.segments), at, at+len(run), merged)
		for _, s := range run {
			s.dead = true
		}
		l.stats.Merges++
	})
}

// from reads events that lie one after another in arena.
func (r *rows) from(arena []byte) reader {
	return func(row int, off, n uint32, _ []byte) ([]byte, error) {
		at := r.refs[row].Off + int64(off)
		return arena[at : at+int64(n) : at+int64(n)], nil
	}
}

// leaf is the hash of the event's leaf in the tree.
func (e *Stored) leaf() tlog.Hash {
	lf := leaf{cluster: e.Cluster, origin: e.Origin, note: e.Note, received: e.Received, dialect: e.Dialect, marks: e.Marks,
		length: uint64(len(e.Bytes)), sum: sha256.Sum256(e.Bytes)}
	h, _ := lf.hash(nil)
	return h
}

// sameTree holds leaves against the hashes that were kept of whole subtrees.
func (l *Ledger) sameTree(c *cluster, first uint64, leaves []tlog.Hash) error {
	l.mu.Lock()
	t := l.tree(c)
	l.mu.Unlock()
	for from := (first + tileWidth - 1) / tileWidth * tileWidth; from+tileWidth <= first+uint64(len(leaves)); from += tileWidth {
		want, err := t.subtree(from / tileWidth)
		if err != nil {
			return err
		}
		if rootOf(leaves[from-first:][:tileWidth]) != want {
			return &TreeError{c.name, from + tileWidth}
		}
	}
	return nil
}

// release gives segments back; files of those that no manifest names go with their last user.
func (l *Ledger) release(segments []*Segment) {
	var gone []*Segment
	l.mu.Lock()
	for _, s := range segments {
		if s.users--; s.users == 0 && s.dead {
			gone = append(gone, s)
		}
	}
	l.mu.Unlock()
	for _, s := range gone {
		for _, ext := range []string{columnsFile, indexFile} {
			if err := l.remove(s.name + ext); err != nil {
				l.opts.Log.Warn("a merged segment's file stays behind until the ledger is opened again", "file", s.name+ext, "error", err)
			}
		}
	}
}
