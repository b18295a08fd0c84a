package ledger

import (
	"fmt"
	"path"

	"golang.org/x/mod/sumdb/tlog"

	"annals.dev/internal/disk"
)

// Tiles are C2SP's tlog-tiles, from level 1 up and full ones only: 256 hashes of subtrees. Level 0 is computed from the events
// again, and what is not a full tile yet stands in the manifest.
const (
	tileWidth = 256
	tileBytes = tileWidth * tlog.HashSize
)

// tilePath is tile/<L>/<N>, N in groups of three digits.
func tilePath(cluster string, level int, n uint64) string {
	name := fmt.Sprintf("%03d", n%1000)
	for n /= 1000; n > 0; n /= 1000 {
		name = fmt.Sprintf("x%03d/%s", n%1000, name)
	}
	return path.Join(clusterDir(cluster), "tile", fmt.Sprint(level), name)
}

// writeTiles writes the tiles of level 1 that whole fills, and those above that they complete. total is how many subtrees of 256
// leaves there are; whole holds the last of them, from a tile's border. It returns what fills no tile yet.
func writeTiles(d disk.FS, cluster string, total uint64, whole []tlog.Hash) ([]tlog.Hash, error) {
	n := (total - uint64(len(whole))) / tileWidth
	for len(whole) >= tileWidth {
		if err := writeTile(d, cluster, 1, n, whole[:tileWidth]); err != nil {
			return nil, err
		}
		whole = whole[tileWidth:]
		n++
		for level, k := 2, n; k%tileWidth == 0; level, k = level+1, k/tileWidth {
			hashes := make([]tlog.Hash, 0, tileWidth)
			for below := k - tileWidth; below < k; below++ {
				t, err := readTile(d, cluster, level-1, below)
				if err != nil {
					return nil, err
				}
				hashes = append(hashes, rootOf(t))
			}
			if err := writeTile(d, cluster, level, k/tileWidth-1, hashes); err != nil {
				return nil, err
			}
		}
	}
	return whole, nil
}

func writeTile(d disk.FS, cluster string, level int, n uint64, hashes []tlog.Hash) error {
	name := tilePath(cluster, level, n)
	if err := d.MkdirAll(path.Dir(name)); err != nil {
		return err
	}
	b := make([]byte, 0, tileBytes)
	for _, h := range hashes {
		b = append(b, h[:]...)
	}
	return disk.WriteFile(d, name, b)
}

func readTile(d disk.FS, cluster string, level int, n uint64) ([]tlog.Hash, error) {
	name := tilePath(cluster, level, n)
	b, err := disk.ReadFile(d, name)
	if err != nil {
		return nil, err
	}
	if len(b) != tileBytes {
		return nil, &DamageError{name, fmt.Errorf("a tile has %d bytes, this one %d", tileBytes, len(b))}
	}
	hashes := make([]tlog.Hash, tileWidth)
	for i := range hashes {
		copy(hashes[i][:], b[i*tlog.HashSize:])
	}
	return hashes, nil
}

// rootOf is the hash of the perfect subtree over hashes.
func rootOf(hashes []tlog.Hash) tlog.Hash {
	level := append([]tlog.Hash(nil), hashes...)
	for len(level) > 1 {
		for i := 0; i < len(level)/2; i++ {
			level[i] = tlog.NodeHash(level[2*i], level[2*i+1])
		}
		level = level[:len(level)/2]
	}
	return level[0]
}
