package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"

	"annals.dev/internal/format"
)

// leaf is the record that the tree holds of an event: never the event itself, so that tiles and entry bundles show nothing of
// it, but where and when it came, and the hash of its bytes. docs/format.md gives the layout.
type leaf struct {
	cluster, origin, note string
	received              int64
	dialect               format.Dialect
	marks                 format.Marks
	length                uint64
	sum                   [sha256.Size]byte
}

const leafVersion = 1

func (l *leaf) append(b []byte) []byte {
	b = append(b, leafVersion, byte(len(l.cluster)))
	b = append(b, l.cluster...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(l.origin)))
	b = append(b, l.origin...)
	b = binary.BigEndian.AppendUint64(b, uint64(l.received))
	b = append(b, byte(l.dialect))
	b = binary.BigEndian.AppendUint16(b, uint16(l.marks))
	b = binary.BigEndian.AppendUint16(b, uint16(len(l.note)))
	b = append(b, l.note...)
	b = binary.BigEndian.AppendUint64(b, l.length)
	return append(b, l.sum[:]...)
}

// hash is RFC 6962's hash of the leaf.
func (l *leaf) hash(scratch []byte) ([32]byte, []byte) {
	scratch = l.append(append(scratch[:0], 0))
	return sha256.Sum256(scratch), scratch
}

// frontier is a tree as far as it is needed to grow: the hashes of the perfect subtrees that its size is made of, largest
// first, one for each bit of size.
type frontier struct {
	size   uint64
	hashes []tlog.Hash
}

// add appends a leaf's hash. whole, if not nil, is told of each subtree of 256 leaves when it is complete.
func (f *frontier) add(h tlog.Hash, whole func(tlog.Hash)) {
	f.hashes = append(f.hashes, h)
	for level := range bits.TrailingZeros64(f.size + 1) {
		n := len(f.hashes)
		f.hashes[n-2] = tlog.NodeHash(f.hashes[n-2], f.hashes[n-1])
		f.hashes = f.hashes[:n-1]
		if level == 7 && whole != nil {
			whole(f.hashes[n-2])
		}
	}
	f.size++
}

// root is the tree head's hash.
func (f *frontier) root() tlog.Hash {
	if f.size == 0 {
		return tlog.Hash(sha256.Sum256(nil))
	}
	h := f.hashes[len(f.hashes)-1]
	for i := len(f.hashes) - 2; i >= 0; i-- {
		h = tlog.NodeHash(f.hashes[i], h)
	}
	return h
}

func (f *frontier) clone() frontier {
	return frontier{f.size, append([]tlog.Hash(nil), f.hashes...)}
}
