package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"annals.dev/internal/format"
)

// held is an event as the ledger gives it back.
type held struct {
	number int
	bytes  []byte
	origin string
	leaf   tlog.Hash
}

// read gives a cluster's events by position.
func read(s *Snapshot, cluster string) ([]held, error) {
	i := slices.IndexFunc(s.Clusters, func(c *ClusterView) bool { return c.Name == cluster })
	if i < 0 {
		return nil, nil
	}
	c := s.Clusters[i]
	all := make([]held, c.Size)
	take := func(_ int, e *Stored) error {
		if e.Position >= c.Size || all[e.Position].bytes != nil {
			return &wrongError{fmt.Sprintf("position %d comes twice, or does not belong", e.Position)}
		}
		n, ok := events.number[string(e.Bytes)]
		if !ok {
			return &wrongError{fmt.Sprintf("position %d holds what was never sent: %.300q", e.Position, e.Bytes)}
		}
		if sent := events.events[0][n]; sent.Note != e.Note || sent.Dialect != e.Dialect || sent.Marks != e.Marks {
			return &wrongError{fmt.Sprintf("position %d: note %q, dialect %d, marks %d", e.Position, e.Note, e.Dialect, e.Marks)}
		}
		all[e.Position] = held{n, bytes.Clone(e.Bytes), e.Origin, e.leaf()}
		return nil
	}
	for _, seg := range c.Segments {
		if err := seg.Read(context.Background(), allRows(seg.Rows()), take); err != nil {
			return nil, err
		}
	}
	for _, h := range c.Hot {
		if err := h.Read(context.Background(), allRows(h.N), take); err != nil {
			return nil, err
		}
	}
	if at := slices.IndexFunc(all, func(h held) bool { return h.bytes == nil }); at >= 0 {
		return nil, &wrongError{fmt.Sprintf("position %d of %d is missing", at, len(all))}
	}
	return all, nil
}

// wrongError is what no fault of a disk excuses.
type wrongError struct{ what string }

func (e *wrongError) Error() string { return e.what }

// check holds a cluster of the ledger just opened against what is known, and learns which pieces the cut kept.
func (r *life) check(cluster string) {
	r.t.Helper()
	c := r.truth(cluster)
	s := r.l.Snapshot(cluster)
	defer s.Release()
	got, err := read(s, cluster)
	if err != nil {
		r.fatalf("cluster %s: %v", cluster, err)
	}
	where := make(map[int]int) // position by event
	for at, h := range got {
		if before, ok := where[h.number]; ok {
			r.fatalf("cluster %s: positions %d and %d hold the same event", cluster, before, at)
		}
		where[h.number] = at
	}
	found := 0
	for _, p := range c.pieces {
		at, there := where[p.events[0]]
		switch {
		case there && p.at < 0 && p.tried:
			p.at = at
			r.unsaid++
			for i := range p.events {
				if p.twice {
					c.may.add(p.origin, uint64(at+i))
				}
			}
		case there && p.at != at, !there && p.at >= 0:
			r.fatalf("cluster %s: what was acknowledged at position %d is at %d (%v)", cluster, p.at, at, there)
		}
		p.tried = false
		for i, n := range p.events {
			at, ok := where[n]
			if ok != there || ok && at != p.at+i {
				r.fatalf("cluster %s: of %d events delivered together, the first is at %d (%v) and number %d is at %d (%v)", cluster, len(p.events), p.at, there, i, at, ok)
			}
			if ok {
				found++
				if h := got[at]; !bytes.Equal(h.bytes, events.events[p.form][n].Bytes) || h.origin != p.origin {
					r.fatalf("cluster %s: position %d is not as it came", cluster, at)
				}
			}
		}
	}
	if found != len(got) || found < c.size {
		r.fatalf("cluster %s: %d events, of which %d were delivered, and %d acknowledged", cluster, len(got), found, c.size)
	}
	c.size = found
	r.sightings(cluster, c)
	r.heads(cluster, got)
}

func (r *life) sightings(cluster string, c *truth) {
	r.t.Helper()
	for at := range uint64(c.size) {
		seen := r.l.Seen(cluster, at)
		for origin, must := range c.must {
			if must[at] && !slices.Contains(seen, origin) {
				r.fatalf("cluster %s: %s brought position %d again, was told so, and it is forgotten", cluster, origin, at)
			}
		}
		for _, origin := range seen {
			if !c.must[origin][at] && !c.may[origin][at] {
				r.fatalf("cluster %s: %s is said to have brought position %d again", cluster, origin, at)
			}
		}
	}
}

// heads computes the tree anew, by the definition, and holds all that was ever signed of it against that.
func (r *life) heads(cluster string, got []held) {
	r.t.Helper()
	leaves := make([]tlog.Hash, len(got))
	for i := range got {
		leaves[i] = got[i].leaf
	}
	origin := r.desc.origin(cluster)
	r.l.mu.Lock()
	head := r.l.clusters[cluster].head
	r.l.mu.Unlock()
	heads := append([]Checkpoint{{origin, head.size, head.root()}}, r.notes...)
	if c, err := readCheckpoint(r.d, r.desc, r.l.verifier, cluster); err == nil {
		heads = append(heads, c)
	}
	if head.size != uint64(len(leaves)) {
		r.fatalf("cluster %s: a tree of %d for %d events", cluster, head.size, len(leaves))
	}
	for _, h := range heads {
		if h.Origin == origin && (h.Size > uint64(len(leaves)) || h.Root != treeHash(leaves[:h.Size])) {
			r.fatalf("cluster %s: a signed head of %d events does not fit the %d that are here", cluster, h.Size, len(leaves))
		}
	}
}

// treeHash is RFC 6962's MTH, as its section 2.1 defines it.
func treeHash(leaves []tlog.Hash) tlog.Hash {
	switch len(leaves) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return leaves[0]
	}
	k := 1
	for 2*k < len(leaves) {
		k *= 2
	}
	left, right := treeHash(leaves[:k]), treeHash(leaves[k:])
	return sha256.Sum256(slices.Concat([]byte{1}, left[:], right[:]))
}

// sign takes a signed head away, as a witness does.
func (r *life) sign(cluster string) {
	r.t.Helper()
	b, err := r.l.Checkpoint(cluster)
	if err != nil {
		r.fatalf("%v", err)
	}
	c, err := ParseCheckpoint(b, r.l.verifier)
	if err != nil {
		r.fatalf("%v", err)
	}
	r.notes = append(r.notes, c)
}

// verify finds nothing: neither on what a cut left, before the ledger is opened again, nor while it is open.
func (r *life) verify(verify func() (*Report, error)) *Report {
	r.t.Helper()
	report, err := verify()
	if err != nil {
		r.fatalf("verify: %v", err)
	}
	for _, f := range report.Findings {
		r.fatalf("verify finds what nobody did: %+v", f)
	}
	return report
}

func (r *life) offline() (*Report, error) {
	return verify(context.Background(), r.d, "", VerifyOptions{}, false)
}

// after goes on with a ledger that has been through it all: whatever was sent before is known again, and new events are taken.
func (r *life) after() {
	r.t.Helper()
	for name, c := range r.clusters {
		for _, p := range c.pieces {
			d := &delivery{cluster: name, batch: Batch{Cluster: name, Origin: p.origin, Received: events.when}}
			for _, n := range p.events {
				d.batch.Events = append(d.batch.Events, events.events[p.form][n])
			}
			switch {
			case p.at < 0:
				d.fresh = []*piece{p}
			case slices.ContainsFunc(p.events, unreadable):
				continue
			default:
				for i := range p.events {
					d.again = append(d.again, uint64(p.at+i))
				}
			}
			r.send(d)
			if d.err != nil {
				r.fatalf("it takes nothing more: %v", d.err)
			}
			r.settle(d)
		}
	}
	if err := r.l.Seal(context.Background()); err != nil {
		r.fatalf("it cannot be sealed: %v", err)
	}
	if err := r.l.Close(); err != nil {
		r.fatalf("it cannot be closed: %v", err)
	}
	r.l = nil
	r.stop(true)
	r.start(nil)
	if r.l.Opened.TornFile != 0 {
		r.fatalf("closed, and yet torn")
	}
	if err := r.l.Close(); err != nil {
		r.fatalf("it cannot be closed: %v", err)
	}
}

// unreadable events have no ID: they are the same only in the same form, and only while their segment is remembered.
func unreadable(n int) bool { return events.events[0][n].Dialect == format.Unreadable }
