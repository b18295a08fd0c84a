package ledger

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"annals.dev/internal/disk"
)

// checkpointLoop signs each cluster's tree head within a second of its growth.
func (l *Ledger) checkpointLoop() {
	defer l.done.Done()
	tick := time.NewTicker(time.Second / 2)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := l.writeCheckpoints(); err != nil {
				l.opts.Log.Error("no checkpoint was written", "error", err)
			}
		case <-l.stop:
			return
		}
	}
}

// writeCheckpoints signs the heads that grew. One at a time, so that none overtakes another.
func (l *Ledger) writeCheckpoints() error {
	l.checkpoints.Lock()
	defer l.checkpoints.Unlock()
	var all error
	grown := false
	defer func() {
		if grown {
			if err := l.writeHeads(); err != nil {
				l.opts.Log.Error("the list of clusters was not written", "error", err)
			}
		}
	}()
	for _, name := range l.names() {
		l.mu.Lock()
		c := l.clusters[name]
		head, noted := c.head, c.noted
		l.mu.Unlock()
		if head.size == noted {
			continue
		}
		b, err := sign(Checkpoint{l.desc.origin(name), head.size, head.root()}.text(), l.signer)
		if err == nil {
			err = l.fs.MkdirAll(clusterDir(name))
		}
		if err == nil {
			err = disk.WriteFile(l.fs, path.Join(clusterDir(name), checkpointFile), b)
		}
		if err != nil {
			all = errors.Join(all, fmt.Errorf("cluster %s: %w", name, err))
			continue
		}
		l.mu.Lock()
		c.noted = head.size
		l.mu.Unlock()
		grown = true
	}
	return all
}

// headsFile lists every cluster and its size, signed, so that a whole cluster cannot vanish unseen.
const headsFile = "heads"

func (l *Ledger) writeHeads() error {
	sizes := make(map[string]uint64)
	l.mu.Lock()
	for name, c := range l.clusters {
		sizes[name] = c.noted
	}
	l.mu.Unlock()
	return writeHeads(l.fs, l.desc, l.signer, sizes)
}

func writeHeads(d disk.FS, desc *Description, signer note.Signer, sizes map[string]uint64) error {
	var b strings.Builder
	fmt.Fprintf(&b, "annals/%s heads\n", desc.ID)
	for _, name := range slices.Sorted(maps.Keys(sizes)) {
		fmt.Fprintf(&b, "%s %d\n", name, sizes[name])
	}
	n, err := sign(b.String(), signer)
	if err != nil {
		return err
	}
	return disk.WriteFile(d, headsFile, n)
}

// readHeads gives the size that each cluster had at least.
func readHeads(d disk.FS, desc *Description, v note.Verifier) (map[string]uint64, error) {
	heads := make(map[string]uint64)
	b, err := disk.ReadFile(d, headsFile)
	if err != nil {
		return nil, err
	}
	n, err := note.Open(b, note.VerifierList(v))
	if err != nil {
		return nil, &SignatureError{headsFile, err}
	}
	lines := strings.Split(strings.TrimSuffix(n.Text, "\n"), "\n")
	if lines[0] != "annals/"+desc.ID+" heads" {
		return nil, &DamageError{headsFile, fmt.Errorf("it begins with %q", lines[0])}
	}
	for _, line := range lines[1:] {
		name, size, _ := strings.Cut(line, " ")
		if heads[name], err = strconv.ParseUint(size, 10, 63); err != nil || !ClusterName.MatchString(name) {
			return nil, &DamageError{headsFile, fmt.Errorf("line %q", line)}
		}
	}
	return heads, nil
}

// Checkpoint signs a cluster's tree head as it is now.
func (l *Ledger) Checkpoint(cluster string) ([]byte, error) {
	l.mu.Lock()
	c := l.clusters[cluster]
	var head frontier
	if c != nil {
		head = c.head
	}
	l.mu.Unlock()
	if c == nil {
		return nil, fmt.Errorf("there is no cluster %q", cluster)
	}
	return sign(Checkpoint{l.desc.origin(cluster), head.size, head.root()}.text(), l.signer)
}

// treeView is a cluster's tree as its hashes can be had: tiles on disk, whole subtrees since, and leaves by reading events.
type treeView struct {
	fs      disk.FS
	cluster string
	size    uint64
	whole   []tlog.Hash // from subtree number total-len(whole)
	total   uint64
	leaves  func(from, to uint64) ([]tlog.Hash, error)

	tile    []tlog.Hash // the tile read last
	tileN   uint64
	leaf    []tlog.Hash // the 256 leaves, or fewer, read last
	leafNth uint64
}

// tree is the view of a cluster's whole tree. The mutex is held.
func (l *Ledger) tree(c *cluster) *treeView {
	return &treeView{fs: l.fs, cluster: c.name, size: c.head.size, whole: append([]tlog.Hash(nil), c.whole...), total: c.head.size / tileWidth}
}

// subtree is the hash of the n-th subtree of 256 leaves.
func (t *treeView) subtree(n uint64) (tlog.Hash, error) {
	if n >= t.total {
		return tlog.Hash{}, fmt.Errorf("subtree %d of %d", n, t.total)
	}
	if kept := t.total - uint64(len(t.whole)); n >= kept {
		return t.whole[n-kept], nil
	}
	if t.tile == nil || t.tileN != n/tileWidth {
		hashes, err := readTile(t.fs, t.cluster, 1, n/tileWidth)
		if err != nil {
			return tlog.Hash{}, err
		}
		t.tile, t.tileN = hashes, n/tileWidth
	}
	return t.tile[n%tileWidth], nil
}

// node is the hash of the n-th perfect subtree of 2^level leaves.
func (t *treeView) node(level int, n uint64) (tlog.Hash, error) {
	switch {
	case level == 8:
		return t.subtree(n)
	case level == 0:
		if t.leaf == nil || t.leafNth != n/tileWidth {
			from := n / tileWidth * tileWidth
			h, err := t.leaves(from, min(from+tileWidth, t.size))
			if err != nil {
				return tlog.Hash{}, err
			}
			t.leaf, t.leafNth = h, n/tileWidth
		}
		return t.leaf[n%tileWidth], nil
	}
	left, err := t.node(level-1, 2*n)
	if err != nil {
		return left, err
	}
	right, err := t.node(level-1, 2*n+1)
	return tlog.NodeHash(left, right), err
}

// ReadHashes makes it a tlog.HashReader.
func (t *treeView) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		level, n := tlog.SplitStoredHashIndex(x)
		var err error
		if hashes[i], err = t.node(level, uint64(n)); err != nil {
			return nil, err
		}
	}
	return hashes, nil
}
