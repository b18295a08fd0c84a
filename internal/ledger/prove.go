package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"annals.dev/internal/format"
	"annals.dev/internal/parquet"
)

// Proof shows to somebody who has only the ledger's public key that an event is in it, where and when it came, and that its bytes
// are these. It is a file of JSON.
type Proof struct {
	Format     string      `json:"format"` // "annals proof 1"
	Event      []byte      `json:"event"`  // base64, as all bytes in JSON
	Cluster    string      `json:"cluster"`
	Position   uint64      `json:"position"`
	Origin     string      `json:"origin"`
	Received   int64       `json:"received"` // microseconds since 1970
	Dialect    uint8       `json:"dialect"`
	Marks      uint16      `json:"marks"`
	Note       string      `json:"note,omitempty"`
	Path       []tlog.Hash `json:"path"` // RFC 6962 inclusion proof
	Checkpoint string      `json:"checkpoint"`
	PublicKey  string      `json:"publicKey"` // a claim: hold it against the key that you were given
}

const proofFormat = "annals proof 1"

// Prove makes the proof of the event at a position.
func (l *Ledger) Prove(ctx context.Context, cluster string, position uint64) ([]byte, error) {
	l.mu.Lock()
	c := l.clusters[cluster]
	if c == nil {
		l.mu.Unlock()
		return nil, fmt.Errorf("there is no cluster %q", cluster)
	}
	head, t := c.head, l.tree(c)
	l.mu.Unlock()
	if position >= head.size {
		return nil, fmt.Errorf("cluster %s has %d events; there is no position %d", cluster, head.size, position)
	}
	s := l.Snapshot(cluster) // after the head: all that it covers is in it
	defer s.Release()
	t.leaves = func(from, to uint64) ([]tlog.Hash, error) { return s.leaves(ctx, from, to) }
	var p Proof
	err := s.at(ctx, position, position+1, func(e *Stored) error {
		p = Proof{Format: proofFormat, Event: bytes.Clone(e.Bytes), Cluster: cluster, Position: position, Origin: e.Origin,
			Received: e.Received, Dialect: uint8(e.Dialect), Marks: uint16(e.Marks), Note: e.Note, PublicKey: l.desc.PublicKey}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if p.Path, err = tlog.ProveRecord(int64(head.size), int64(position), t); err != nil {
		return nil, err
	}
	b, err := sign(Checkpoint{l.desc.origin(cluster), head.size, head.root()}.text(), l.signer)
	if err != nil {
		return nil, err
	}
	p.Checkpoint = string(b)
	if _, err := p.check(l.verifier); err != nil {
		return nil, err
	}
	return json.MarshalIndent(p, "", "  ")
}

// ErrProof is a proof that does not prove.
var ErrProof = errors.New("the proof does not hold: the event, or what is said of it, is not what the checkpoint covers")

// CheckProof checks a proof with a public key; with the one that it claims itself where key is "".
func CheckProof(b []byte, key string) (*Proof, Checkpoint, error) {
	p := &Proof{}
	if err := json.Unmarshal(b, p); err != nil || p.Format != proofFormat {
		return nil, Checkpoint{}, fmt.Errorf("this is no proof that this program knows (format %q, %v)", p.Format, err)
	}
	if key == "" {
		key = p.PublicKey
	}
	v, err := note.NewVerifier(key)
	if err != nil {
		return nil, Checkpoint{}, fmt.Errorf("the public key %q: %w", key, err)
	}
	c, err := p.check(v)
	return p, c, err
}

func (p *Proof) check(v note.Verifier) (Checkpoint, error) {
	c, err := ParseCheckpoint([]byte(p.Checkpoint), v)
	if err != nil {
		return c, err
	}
	if c.Origin != v.Name()+"/"+p.Cluster {
		return c, fmt.Errorf("%w: the checkpoint is of %s, the proof of cluster %s", ErrProof, c.Origin, p.Cluster)
	}
	e := Stored{Event: format.Event{Bytes: p.Event, Dialect: format.Dialect(p.Dialect), Marks: format.Marks(p.Marks), Note: p.Note},
		Cluster: p.Cluster, Origin: p.Origin, Received: p.Received}
	if p.Position >= c.Size || tlog.CheckRecord(p.Path, int64(c.Size), c.Root, int64(p.Position), e.leaf()) != nil {
		return c, ErrProof
	}
	return c, nil
}

// leaves computes the leaf hashes of positions.
func (s *Snapshot) leaves(ctx context.Context, from, to uint64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, to-from)
	err := s.at(ctx, from, to, func(e *Stored) error {
		hashes[e.Position-from] = e.leaf()
		return nil
	})
	return hashes, err
}

// at hands the events of positions [from, to) of the snapshot's one cluster to f, in no order.
func (s *Snapshot) at(ctx context.Context, from, to uint64, f func(e *Stored) error) error {
	found := uint64(0)
	take := func(_ int, e *Stored) error {
		found++
		return f(e)
	}
	c := s.Clusters[0]
	for _, seg := range c.Segments {
		if seg.Last < from || seg.First >= to {
			continue
		}
		rows, err := seg.rowsOf(from, to)
		if err != nil {
			return err
		}
		if err := seg.Read(ctx, rows, take); err != nil {
			return err
		}
	}
	for _, h := range c.Hot {
		for p := max(from, h.First); p < min(to, h.First+uint64(h.N)); p++ {
			if err := h.Read(ctx, []int{int(p - h.First)}, take); err != nil {
				return err
			}
		}
	}
	if found != to-from {
		return fmt.Errorf("cluster %s: %d of the positions %d to %d are here: run annals verify", c.Name, found, from, to-1)
	}
	return nil
}

// Event hands the event at a position to f.
func (s *Snapshot) Event(ctx context.Context, cluster string, position uint64, f func(e *Stored) error) error {
	i := slices.IndexFunc(s.Clusters, func(c *ClusterView) bool { return c.Name == cluster })
	if i < 0 || position >= s.Clusters[i].Size {
		return fmt.Errorf("there is no position %d in cluster %q", position, cluster)
	}
	one := &Snapshot{ledger: s.ledger, Clusters: s.Clusters[i : i+1]}
	return one.at(ctx, position, position+1, f)
}

// rowsOf gives the rows, ascending, of positions [from, to).
func (s *Segment) rowsOf(from, to uint64) ([]int, error) {
	f, err := s.fs.Open(s.name + columnsFile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var rows []int
	var m parquet.Memory
	for g, first := range s.groups() {
		m.Reset()
		positions, err := s.ints(&m, f, g, cPosition)
		if err != nil {
			return nil, s.damaged(err)
		}
		for i, p := range positions {
			if uint64(p) >= from && uint64(p) < to {
				rows = append(rows, first+i)
			}
		}
	}
	return rows, nil
}
