package ledger

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"path"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"annals.dev/internal/disk"
)

// manifest says which files make up a cluster: it is a signed note, and replacing it is what publishes a seal or a merge.
//
//	annals/<id>/<cluster> manifest
//	ledger <bytes> <SHA-256>       of ledger.json
//	size <positions sealed>
//	edge <hash> …                  the tree's frontier at that size, largest subtree first
//	whole <hash> …                 subtrees of 256 leaves since the last full tile of level 1
//	segment <name> <bytes> <SHA-256 of the columns> <bytes> <SHA-256 of the index>
//	seen <bytes> <SHA-256>         of the file of sightings, if there is one
type manifest struct {
	ledger   fileInfo
	sealed   frontier
	whole    []tlog.Hash
	segments []manifestSegment
	seen     fileInfo
}

type manifestSegment struct {
	name  string // below the cluster's segments directory, without extension
	files [2]fileInfo
}

// fileInfo is what is known of a file's content.
type fileInfo struct {
	size int64
	sum  [sha256.Size]byte
}

func infoOf(b []byte) fileInfo { return fileInfo{int64(len(b)), sha256.Sum256(b)} }

func (f fileInfo) String() string {
	return fmt.Sprintf("%d %s", f.size, base64.StdEncoding.EncodeToString(f.sum[:]))
}

// SignatureError says that a note is not signed by the ledger's key.
type SignatureError struct {
	File string
	Err  error
}

func (e *SignatureError) Error() string {
	return fmt.Sprintf("%s: not signed by this ledger's key: %v", e.File, e.Err)
}
func (e *SignatureError) Unwrap() error { return e.Err }

const (
	manifestFile   = "manifest"
	checkpointFile = "checkpoint"
	seenFile       = "seen"
)

func clusterDir(cluster string) string { return path.Join("clusters", cluster) }

func (m *manifest) text(origin string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s manifest\nledger %s\nsize %d\nedge", origin, m.ledger, m.sealed.size)
	for _, h := range m.sealed.hashes {
		b.WriteString(" " + h.String())
	}
	b.WriteString("\nwhole")
	for _, h := range m.whole {
		b.WriteString(" " + h.String())
	}
	b.WriteString("\n")
	for _, s := range m.segments {
		fmt.Fprintf(&b, "segment %s %s %s\n", s.name, s.files[0], s.files[1])
	}
	if m.seen.size > 0 {
		fmt.Fprintf(&b, "seen %s\n", m.seen)
	}
	return b.String()
}

func parseManifest(text, origin string) (*manifest, error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if lines[0] != origin+" manifest" {
		return nil, fmt.Errorf("it is the manifest of %q, not of %q", lines[0], origin)
	}
	m := &manifest{}
	for _, line := range lines[1:] {
		w := strings.Split(line, " ")
		var err error
		switch {
		case w[0] == "ledger" && len(w) == 3:
			err = m.ledger.parse(w[1], w[2])
		case w[0] == "size" && len(w) == 2:
			m.sealed.size, err = strconv.ParseUint(w[1], 10, 63)
		case w[0] == "edge":
			m.sealed.hashes, err = parseHashes(w[1:])
		case w[0] == "whole":
			m.whole, err = parseHashes(w[1:])
		case w[0] == "segment" && len(w) == 6:
			s := manifestSegment{name: w[1]}
			err = errors.Join(s.files[0].parse(w[2], w[3]), s.files[1].parse(w[4], w[5]))
			m.segments = append(m.segments, s)
		case w[0] == "seen" && len(w) == 3:
			err = m.seen.parse(w[1], w[2])
		default:
			err = errors.New("not known to this version")
		}
		if err != nil {
			return nil, fmt.Errorf("line %q: %w", line, err)
		}
	}
	return m, m.check()
}

// check holds what a manifest says together, so that nothing after it can run out of bounds.
func (m *manifest) check() error {
	size := m.sealed.size
	if edge, whole := bits.OnesCount64(size), int(size/tileWidth%tileWidth); len(m.sealed.hashes) != edge || len(m.whole) != whole {
		return fmt.Errorf("%d positions make an edge of %d hashes and %d whole subtrees, not of %d and %d", size, edge, whole, len(m.sealed.hashes), len(m.whole))
	}
	next := uint64(0)
	for _, s := range m.segments {
		first, last, err := runOf(s.name)
		if err != nil || first != next || last < first || s.name != runName(first, last) {
			return fmt.Errorf("segment %q follows, where position %d belongs", s.name, next)
		}
		next = last + 1
	}
	if next != size {
		return fmt.Errorf("segments of %d positions, and a size of %d", next, size)
	}
	return nil
}

func parseHashes(words []string) (hashes []tlog.Hash, err error) {
	for _, w := range words {
		h, err := tlog.ParseHash(w)
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, h)
	}
	return hashes, nil
}

func (f *fileInfo) parse(size, sum string) (err error) {
	if f.size, err = strconv.ParseInt(size, 10, 64); err != nil {
		return err
	}
	b, err := base64.StdEncoding.DecodeString(sum)
	if err == nil && (len(b) != len(f.sum) || f.size < 0) {
		err = fmt.Errorf("a SHA-256 of %d bytes, a size of %d", len(b), f.size)
	}
	copy(f.sum[:], b)
	return err
}

// readManifest gives the cluster's manifest; an empty one where none was published yet.
func readManifest(d disk.FS, cluster, origin string, verifier note.Verifier) (*manifest, error) {
	name := path.Join(clusterDir(cluster), manifestFile)
	b, err := disk.ReadFile(d, name)
	if errors.Is(err, fs.ErrNotExist) {
		return &manifest{}, nil
	}
	if err != nil {
		return nil, err
	}
	n, err := note.Open(b, note.VerifierList(verifier))
	if err != nil {
		return nil, &SignatureError{name, err}
	}
	m, err := parseManifest(n.Text, origin)
	if err != nil {
		return nil, &DamageError{name, err}
	}
	return m, nil
}

// sign makes a note of text.
func sign(text string, signer note.Signer) ([]byte, error) {
	b, err := note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return b, nil
}

// Checkpoint is a signed tree head: the ledger of one cluster, its size and root.
type Checkpoint struct {
	Origin string
	Size   uint64
	Root   tlog.Hash
}

func (c Checkpoint) text() string {
	return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, c.Root)
}

// ParseCheckpoint reads a C2SP checkpoint and checks its signature.
func ParseCheckpoint(b []byte, verifier note.Verifier) (Checkpoint, error) {
	n, err := note.Open(b, note.VerifierList(verifier))
	if err != nil {
		return Checkpoint{}, &SignatureError{"the checkpoint", err}
	}
	lines := strings.SplitN(n.Text, "\n", 4)
	if len(lines) < 4 {
		return Checkpoint{}, fmt.Errorf("a checkpoint has at least three lines, this one is %q", n.Text)
	}
	c := Checkpoint{Origin: lines[0]}
	if c.Size, err = strconv.ParseUint(lines[1], 10, 63); err != nil {
		return Checkpoint{}, fmt.Errorf("the checkpoint's size: %w", err)
	}
	if c.Root, err = tlog.ParseHash(lines[2]); err != nil {
		return Checkpoint{}, fmt.Errorf("the checkpoint's root: %w", err)
	}
	return c, nil
}
