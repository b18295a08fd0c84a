package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"annals.dev/internal/disk"
	"annals.dev/internal/parquet"
	"annals.dev/internal/wal"
)

// verifyCluster is the verification of one cluster. Its tree grows leaf by leaf, computed from the events' bytes alone.
type verifyCluster struct {
	v    *verifier
	name string
	need uint64 // the size that the signed list of clusters tells

	manifest   manifest
	checkpoint Checkpoint
	against    uint64       // the size of the checkpoint kept elsewhere, if it is this cluster's
	heads      []Checkpoint // that the tree must pass through: the checkpoint, and the one kept elsewhere
	passed     int
	tree       frontier
	whole      []tlog.Hash
	checked    uint64
	broken     bool // events could not be read: what follows cannot be checked
	ranged     bool
	early      []string // tiles that the manifest does not account for
}

// read takes the cluster's small files, and reports those that do not belong.
func (c *verifyCluster) read() {
	v, dir := c.v, clusterDir(c.name)
	m, err := readManifest(v.fs, c.name, v.desc.origin(c.name), v.key)
	if err != nil {
		v.blame(c.name, path.Join(dir, manifestFile), err)
		c.broken = true
		return
	}
	c.manifest = *m
	if desc, err := v.desc.marshal(); err == nil && m.ledger != (fileInfo{}) && m.ledger != infoOf(desc) {
		v.found(Tampered, c.name, descriptionFile, "it is not the file that the manifest of %s names", c.name)
	}
	cp, err := readCheckpoint(v.fs, v.desc, v.key, c.name)
	switch {
	case err == nil:
		c.checkpoint = cp
		c.heads = append(c.heads, cp)
	case errors.Is(err, fs.ErrNotExist) && c.need == 0:
	default:
		v.blame(c.name, path.Join(dir, checkpointFile), err)
	}
	if v.against.Origin == v.desc.origin(c.name) {
		c.heads = append(c.heads, v.against)
		c.against = v.against.Size
	}
	slices.SortFunc(c.heads, func(a, b Checkpoint) int { return int(int64(a.Size) - int64(b.Size)) })
	files := []string{manifestFile, checkpointFile, "segments", "tile"}
	if m.seen.size > 0 {
		files = append(files, seenName(m.seen))
		if _, err := readSeen(v.fs, c.name, m.seen); err != nil {
			v.blame(c.name, path.Join(dir, seenName(m.seen)), err)
		}
	}
	c.strays(dir, files)
	var segments []string
	for _, s := range m.segments {
		segments = append(segments, s.name+columnsFile, s.name+indexFile)
	}
	c.strays(path.Join(dir, "segments"), segments)
	c.strayTiles(path.Join(dir, "tile"), c.tilePaths())
}

// tilePaths are the full tiles that the sealed positions make.
func (c *verifyCluster) tilePaths() map[string]bool {
	paths := make(map[string]bool)
	for level, n := 1, c.manifest.sealed.size>>8/tileWidth; n > 0; level, n = level+1, n/tileWidth {
		for i := range n {
			paths[tilePath(c.name, level, i)] = true
		}
	}
	return paths
}

// segments checks the segments: all, or those that touch the asked range and their neighbours, so that every subtree of 256
// leaves that the range touches is seen whole.
func (c *verifyCluster) segments(ctx context.Context) {
	if c.broken {
		return
	}
	list := c.manifest.segments
	if c.v.opts.To > 0 {
		list = c.inRange(list)
	}
	for _, ms := range list {
		if err := ctx.Err(); err != nil {
			c.v.found(Unverifiable, c.name, ms.name, "%v", err)
			c.broken = true
			return
		}
		leaves, first, err := c.segment(ctx, ms)
		if err != nil {
			c.v.blame(c.name, path.Join(clusterDir(c.name), "segments", ms.name), err)
			c.broken = true
			continue
		}
		c.checked += uint64(len(leaves))
		if c.ranged {
			c.subtrees(first, leaves)
			continue
		}
		if first != c.tree.size {
			c.v.found(Missing, c.name, fmt.Sprintf("positions %d to %d", c.tree.size, int64(first)-1), "no segment holds them")
			c.broken = true
		}
		for _, h := range leaves {
			c.leaf(h)
		}
	}
	if c.broken || c.ranged {
		return
	}
	c.sealedTree()
}

func (c *verifyCluster) inRange(list []manifestSegment) []manifestSegment {
	c.ranged = true
	from, to := -1, 0
	for i, ms := range list {
		var first, last uint64
		if _, err := fmt.Sscanf(ms.name, "%d-%d", &first, &last); err != nil || last < c.v.opts.From || first >= c.v.opts.To {
			continue
		}
		if from < 0 {
			from = max(0, i-1)
		}
		to = min(len(list), i+2)
	}
	if from < 0 {
		return nil
	}
	return list[from:to]
}

// leaf grows the tree, and holds it against the signed heads on the way.
func (c *verifyCluster) leaf(h tlog.Hash) {
	c.tree.add(h, func(w tlog.Hash) { c.whole = append(c.whole, w) })
	for c.passed < len(c.heads) && c.heads[c.passed].Size <= c.tree.size {
		if head := c.heads[c.passed]; head.Size == c.tree.size && head.Root != c.tree.root() {
			c.v.found(Tampered, c.name, fmt.Sprintf("positions 0 to %d", head.Size-1), "they are not the events that the signed checkpoint of %d covers", head.Size)
		}
		c.passed++
	}
}

// sealedTree holds the tree of what is sealed against the manifest and the tiles.
func (c *verifyCluster) sealedTree() {
	m := &c.manifest
	if c.tree.size != m.sealed.size || c.tree.root() != m.sealed.root() {
		c.v.found(Tampered, c.name, path.Join(clusterDir(c.name), manifestFile), "its tree of %d is not the tree of the %d events", m.sealed.size, c.tree.size)
	}
	tiles := len(c.whole) / tileWidth
	if !slices.Equal(c.whole[tiles*tileWidth:], m.whole) {
		c.v.found(Tampered, c.name, path.Join(clusterDir(c.name), manifestFile), "its subtrees are not those of the events")
	}
	hashes := c.whole
	for level := 1; len(hashes) >= tileWidth; level++ {
		var above []tlog.Hash
		for n := 0; n+tileWidth <= len(hashes); n += tileWidth {
			name := tilePath(c.name, level, uint64(n/tileWidth))
			kept, err := readTile(c.v.fs, c.name, level, uint64(n/tileWidth))
			if err != nil {
				c.v.blame(c.name, name, err)
			} else if !slices.Equal(kept, hashes[n:n+tileWidth]) {
				c.v.found(Tampered, c.name, name, "the tile is not the events' own")
			}
			above = append(above, rootOf(hashes[n:n+tileWidth]))
		}
		hashes = above
	}
}

// subtrees holds a segment's leaves against the stored hashes of the subtrees that lie wholly in it.
func (c *verifyCluster) subtrees(first uint64, leaves []tlog.Hash) {
	m := &c.manifest
	t := &treeView{fs: c.v.fs, cluster: c.name, size: m.sealed.size, whole: m.whole, total: m.sealed.size / tileWidth}
	for from := (first + tileWidth - 1) / tileWidth * tileWidth; from+tileWidth <= first+uint64(len(leaves)); from += tileWidth {
		want, err := t.subtree(from / tileWidth)
		if err != nil {
			c.v.blame(c.name, fmt.Sprintf("positions %d to %d", from, from+tileWidth-1), err)
			return
		}
		if rootOf(leaves[from-first:][:tileWidth]) != want {
			c.v.found(Tampered, c.name, fmt.Sprintf("positions %d to %d", from, from+tileWidth-1), "they are not the events of the tree")
		}
	}
}

// segment reads a segment's events, seals them again into nothing, and compares.
func (c *verifyCluster) segment(ctx context.Context, ms manifestSegment) (leaves []tlog.Hash, first uint64, err error) {
	base := path.Join(clusterDir(c.name), "segments", ms.name)
	for i, ext := range []string{columnsFile, indexFile} {
		info, err := fileSum(c.v.fs, base+ext)
		if err != nil {
			return nil, 0, err
		}
		if info != ms.files[i] {
			c.v.found(Tampered, c.name, base+ext, "its bytes are not those that the signed manifest names")
		}
	}
	s, err := openSegment(c.v.fs, c.v.root, c.name, base)
	if err != nil {
		return nil, 0, err
	}
	r := newRows(s.First)
	leaves = make([]tlog.Hash, s.Rows())
	var arena []byte
	err = s.Read(ctx, allRows(s.Rows()), func(row int, e *Stored) error {
		i := e.Position - s.First
		if i >= uint64(len(leaves)) || leaves[i] != (tlog.Hash{}) {
			return &DamageError{base, fmt.Errorf("row %d has position %d, twice or out of the segment", row, e.Position)}
		}
		leaves[i] = e.leaf()
		r.add(&e.Event, arrival{position: e.Position, origin: e.Origin, received: e.Received, marks: e.Marks, off: int64(len(arena))})
		arena = append(arena, e.Bytes...)
		if row%1000 == 999 {
			c.v.progress(1000)
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	c.v.progress(s.Rows() % 1000)
	return leaves, s.First, c.derived(s, base, r, arena)
}

// derived seals the events anew and compares what follows from them: columns, word index, id filter, description.
func (c *verifyCluster) derived(s *Segment, base string, r *rows, arena []byte) error {
	again := &memory{}
	w, err := parquet.NewWriter(again, schema())
	if err != nil {
		return err
	}
	x, words, ids, err := build(w, r, r.from(arena))
	if err != nil {
		return err
	}
	kept := make([]byte, s.index.Words+s.index.IDs)
	if err := s.readIndexAt(kept, s.words); err != nil {
		return err
	}
	if !bytes.Equal(kept[:s.index.Words], words) {
		c.v.found(Tampered, c.name, base+indexFile, "its word index is not the events' own")
	}
	if !bytes.Equal(kept[s.index.Words:], ids) {
		c.v.found(Tampered, c.name, base+indexFile, "its filter of audit IDs is not the events' own")
	}
	if d := describeDifference(s.index, x); d != "" {
		c.v.found(Tampered, c.name, base+indexFile, "its %s are not the events' own", d)
	}
	columns, err := disk.ReadFile(c.v.fs, base+columnsFile)
	if err != nil {
		return err
	}
	if bytes.Equal(columns, again.b) {
		return nil
	}
	// Another version of the compressor may write other bytes: then value by value.
	other := &Segment{cluster: c.name, name: base, index: x}
	for g := range s.index.Groups {
		was, err := s.group(new(parquet.Memory), &memory{b: columns}, g)
		if err != nil {
			return s.damaged(err)
		}
		is, err := other.group(new(parquet.Memory), again, g)
		if err != nil {
			return err
		}
		for col, def := range Columns {
			for i := range is.n {
				if !sameValue(was, is, col, i) {
					c.v.found(Tampered, c.name, base+columnsFile, "column %s of position %d is not the event's own", def.Name, is.ints[cPosition][i])
					return nil
				}
			}
		}
	}
	return nil
}

func sameValue(a, b *table, column, row int) bool {
	switch Columns[column].Kind {
	case Int64, Timestamp:
		return a.ints[column][row] == b.ints[column][row]
	case UUID:
		return a.hi[row] == b.hi[row] && a.lo[row] == b.lo[row]
	case String:
		x, y := a.text(column, row), b.text(column, row)
		return (x == nil) == (y == nil) && bytes.Equal(x, y)
	}
	return true // bodies and surrounds are the evidence itself: the tree covers them
}

// describeDifference compares two descriptions of the same rows, but for where the pages lie.
func describeDifference(a, b *index) string {
	switch {
	case a.First != b.First || a.Last != b.Last || a.MinTime != b.MinTime || a.MaxTime != b.MaxTime:
		return "bounds"
	case a.Bytes != b.Bytes || a.Salvaged != b.Salvaged || a.Quarantined != b.Quarantined || a.Truncated != b.Truncated || a.Conflicts != b.Conflicts || a.Redacted != b.Redacted:
		return "counts"
	case !slices.Equal(a.Blocks, b.Blocks) || len(a.Groups) != len(b.Groups):
		return "blocks"
	}
	for g := range a.Groups {
		if a.Groups[g].Rows != b.Groups[g].Rows {
			return "row groups"
		}
	}
	return ""
}

// frame takes a batch of the log.
func (c *verifyCluster) frame(f *frame, e wal.Entry) {
	end := f.first + uint64(len(f.events))
	if c.broken || end <= c.manifest.sealed.size {
		return
	}
	if f.first != c.tree.size {
		kind := Tampered
		if f.first > c.tree.size {
			kind = Missing
		}
		c.v.found(kind, c.name, fmt.Sprintf("%s, file %d at byte %d", walDir, e.File, e.Off), "position %d follows, where %d belongs", f.first, c.tree.size)
		c.broken = true
		return
	}
	for _, fe := range f.events {
		lf := leaf{cluster: f.cluster, origin: f.origin, note: fe.note, received: f.received, dialect: fe.dialect, marks: fe.marks,
			length: uint64(len(fe.bytes)), sum: sha256.Sum256(fe.bytes)}
		h, _ := lf.hash(nil)
		c.leaf(h)
		c.checked++
	}
	c.v.progress(len(f.events))
}

// finish holds the sizes against what was signed, and says what was covered.
func (c *verifyCluster) finish() {
	r := VerifiedRange{Cluster: c.name, Size: c.tree.size, Checked: c.checked, To: c.tree.size, Checkpoint: c.checkpoint.Size, Against: c.against}
	if c.ranged {
		r.Size, r.From, r.To = c.manifest.sealed.size, c.v.opts.From, min(c.v.opts.To, c.manifest.sealed.size)
		if r.To < c.v.opts.To {
			c.v.report.Notes = append(c.v.report.Notes, fmt.Sprintf("cluster %s: a range is checked in segments alone, and they end at position %d", c.name, int64(r.To)-1))
		}
	} else if !c.broken {
		c.earlyTiles()
		r.Root = c.tree.root()
		need := c.need
		for _, h := range c.heads {
			need = max(need, h.Size)
		}
		if c.tree.size < need {
			c.v.found(Missing, c.name, fmt.Sprintf("positions %d to %d", c.tree.size, need-1), "a signed note says that there were %d events, and %d are here", need, c.tree.size)
		}
	}
	c.v.report.Clusters = append(c.v.report.Clusters, r)
}

// fileSum is a file's size and hash.
func fileSum(d disk.FS, name string) (info fileInfo, err error) {
	f, err := d.Open(name)
	if err != nil {
		return info, err
	}
	defer f.Close()
	h := sha256.New()
	if info.size, err = io.Copy(h, f); err != nil {
		return info, err
	}
	h.Sum(info.sum[:0])
	return info, nil
}

// memory is a file in memory: what is sealed again to be compared.
type memory struct {
	disk.File
	b []byte
}

func (m *memory) Write(b []byte) (int, error) {
	m.b = append(m.b, b...)
	return len(b), nil
}

func (m *memory) ReadAt(p []byte, off int64) (int, error) { return bytes.NewReader(m.b).ReadAt(p, off) }
