package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"annals.dev/internal/disk"
)

// What a crash, or a write that failed, leaves in the middle of replacing a file or of publishing a seal or a merge: no manifest
// names it, and nobody was told of it. The next start removes it; verify tells it from files that somebody put there.
var (
	leftTmp  = regexp.MustCompile(`^(ledger\.json|heads|manifest|checkpoint|seen-[0-9a-f]{16}|\d{16,20}-\d{16,20}\.(parquet|idx)|\d{3})\.tmp$`)
	leftSeen = regexp.MustCompile(`^seen-[0-9a-f]{16}$`)
	leftRun  = regexp.MustCompile(`^(\d{16,20})-(\d{16,20})\.(parquet|idx)$`)
)

// leftOver says whether a file in one of a cluster's directories is such a thing.
func (m *manifest) leftOver(d disk.FS, dir, name string) bool {
	if leftTmp.MatchString(name) {
		return true
	}
	if leftSeen.MatchString(name) { // named by its content
		b, err := disk.ReadFile(d, path.Join(dir, name))
		return err == nil && name == seenName(infoOf(b))
	}
	if !leftRun.MatchString(name) {
		return false
	}
	// A seal begins where the last one ended; what a merge makes begins and ends where segments do, and so did what it merged.
	first, last, err := runOf(name)
	if err != nil || last < first {
		return false
	}
	if first >= m.sealed.size {
		return first == m.sealed.size
	}
	begins, ends, inside := false, false, false
	for _, s := range m.segments {
		from, to, err := runOf(s.name)
		begins = begins || err == nil && from == first
		ends = ends || err == nil && to == last
		inside = inside || err == nil && from <= first && last <= to
	}
	return begins && ends || inside
}

// runOf gives the positions that a segment's name tells.
func runOf(name string) (first, last uint64, err error) {
	_, err = fmt.Sscanf(name, "%d-%d", &first, &last)
	return first, last, err
}

// tidy removes what is left over in a cluster's directories.
func (l *Ledger) tidy(cluster string, m *manifest) error {
	dir := clusterDir(cluster)
	listed := []string{seenName(m.seen)}
	for _, s := range m.segments {
		listed = append(listed, s.name+columnsFile, s.name+indexFile)
	}
	for _, sub := range []string{dir, path.Join(dir, "segments")} {
		entries, err := l.fs.ReadDir(sub)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, e := range entries {
			if name := e.Name(); !e.IsDir() && !slices.Contains(listed, name) && m.leftOver(l.fs, sub, name) {
				l.opts.Log.Info("removing what a crash left behind", "file", path.Join(sub, name))
				if err := l.fs.Remove(path.Join(sub, name)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// strays reports what lies in one of the cluster's directories and is not among the names.
func (c *verifyCluster) strays(dir string, names []string) {
	c.v.strays(dir, names, func(name string) bool { return c.manifest.leftOver(c.v.fs, dir, name) })
}

// strayTiles reports the tiles that the sealed positions do not make. A seal that was cut short may have written more: those are
// held against the tree when all of it is known.
func (c *verifyCluster) strayTiles(dir string, known map[string]bool) {
	entries, err := c.v.fs.ReadDir(dir)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			c.v.blame(c.name, dir, err)
		}
		return
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case e.IsDir():
			c.strayTiles(name, known)
		case leftTmp.MatchString(e.Name()):
			c.v.leftBehind(name)
		case !known[name]:
			c.early = append(c.early, name)
		}
	}
}

// earlyTiles holds tiles that were written before their seal was published against the events.
func (c *verifyCluster) earlyTiles() {
	if len(c.early) == 0 || c.ranged || c.broken {
		return
	}
	due := make(map[string][]tlog.Hash)
	hashes := c.whole
	for level := 1; len(hashes) >= tileWidth; level++ {
		var above []tlog.Hash
		for n := 0; n+tileWidth <= len(hashes); n += tileWidth {
			due[tilePath(c.name, level, uint64(n/tileWidth))] = hashes[n : n+tileWidth]
			above = append(above, rootOf(hashes[n:n+tileWidth]))
		}
		hashes = above
	}
	for _, name := range c.early {
		b, err := disk.ReadFile(c.v.fs, name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.v.blame(c.name, name, err)
		} else if want, ok := due[name]; !ok || string(b) != joined(want) {
			c.v.found(Tampered, c.name, name, "a tile that is not the ledger's")
		}
	}
}

func joined(hashes []tlog.Hash) string {
	var b strings.Builder
	for _, h := range hashes {
		b.Write(h[:])
	}
	return b.String()
}
