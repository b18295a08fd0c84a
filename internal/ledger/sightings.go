package ledger

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"annals.dev/internal/disk"
)

// Sightings are the positions whose events came again, by origin: one event with two origins. They are a set, so that a batch
// delivered three times counts once.

// sighted notes positions that came again by an origin. The ledger's mutex is held.
func (c *cluster) sighted(origin string, positions []uint64) {
	if len(positions) == 0 {
		return
	}
	b := c.seen[origin]
	if b == nil {
		b = roaring64.New()
		c.seen[origin] = b
	}
	b.AddMany(positions)
	c.seenNew = true
}

const seenMagic = "annals seen 1\n\n\n"

// encodeSeen is the file of sightings: for each origin its name, the bitmap's length and the bitmap in Roaring's format.
func encodeSeen(seen map[string]*roaring64.Bitmap) ([]byte, error) {
	if len(seen) == 0 {
		return nil, nil
	}
	b := []byte(seenMagic)
	for _, origin := range slices.Sorted(maps.Keys(seen)) {
		seen[origin].RunOptimize()
		var buf bytes.Buffer
		if _, err := seen[origin].WriteTo(&buf); err != nil {
			return nil, err
		}
		b = appendString(b, origin)
		b = binary.AppendUvarint(b, uint64(buf.Len()))
		b = append(b, buf.Bytes()...)
	}
	return b, nil
}

// readSeen reads a cluster's file of sightings, of which the manifest says want.
func readSeen(d disk.FS, cluster string, want fileInfo) (map[string]*roaring64.Bitmap, error) {
	seen := make(map[string]*roaring64.Bitmap)
	if want.size == 0 {
		return seen, nil
	}
	name := path.Join(clusterDir(cluster), seenName(want))
	b, err := disk.ReadFile(d, name)
	if err != nil {
		return nil, err
	}
	if infoOf(b) != want || len(b) < len(seenMagic) || string(b[:len(seenMagic)]) != seenMagic {
		return nil, &DamageError{name, fmt.Errorf("it is not the file that the manifest names")}
	}
	for dec := (decoder{b: b[len(seenMagic):]}); len(dec.b) > 0; {
		origin := dec.string()
		bitmap := roaring64.New()
		if _, err := bitmap.ReadFrom(bytes.NewReader(dec.take(dec.uvarint()))); err != nil || dec.bad {
			return nil, &DamageError{name, fmt.Errorf("the sightings of %q cannot be read: %v", origin, err)}
		}
		seen[origin] = bitmap
	}
	return seen, nil
}

// seenName is the file of sightings with this content: the old one stays until the manifest names the new one.
func seenName(f fileInfo) string { return fmt.Sprintf("%s-%x", seenFile, f.sum[:8]) }

// Seen says by which other origins an event came again.
func (l *Ledger) Seen(clusterName string, position uint64) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var origins []string
	if c := l.clusters[clusterName]; c != nil {
		for origin, b := range c.seen {
			if b.Contains(position) {
				origins = append(origins, origin)
			}
		}
	}
	slices.Sort(origins)
	return origins
}
