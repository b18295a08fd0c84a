package ledger

import (
	"bytes"
	"hash/maphash"
	"slices"
	"strings"

	"annals.dev/internal/format"
)

// identity says which event this is, in numbers that only this process knows how to make: key for (audit ID, stage), or for
// the bytes where there is no audit ID; digest for the bytes, a leading kind and apiVersion set aside. The seeds are random,
// so nobody can craft two events that seem the same; digests are only compared between events of one key.
type identity struct {
	key, digest uint64
}

type identifier struct{ key, digest maphash.Seed }

func newIdentifier() identifier { return identifier{maphash.MakeSeed(), maphash.MakeSeed()} }

func (s *identifier) of(e *format.Event, scratch []byte) (identity, []byte) {
	b := e.Bytes
	var id identity
	if p := 1 + len(lineHead); len(b) > p && b[0] == '{' && string(b[1:p]) == lineHead {
		id.digest = maphash.Bytes(s.digest, b[p:])
	} else if len(b) > 0 && b[0] == '{' {
		id.digest = maphash.Bytes(s.digest, b[1:])
	} else {
		id.digest = ^maphash.Bytes(s.digest, b) // no JSON object: "{x" and "x" are not the same
	}
	if len(e.View.AuditID) == 0 {
		id.key = id.digest
		return id, scratch
	}
	scratch = append(scratch[:0], e.View.AuditID...)
	scratch = append(append(scratch, 0), e.View.Stage...)
	id.key = maphash.Bytes(s.key, scratch)
	return id, scratch
}

// known is the identities of a run of positions: the rows in memory, or a segment's. It grows only while its rows do.
type known struct {
	at      map[uint64]int32 // key to the entry before, plus one
	entries []knownEntry
}

type knownEntry struct {
	key      uint64
	position uint64
	digest   uint64
	server   uint32 // hash of the server's name
	next     int32  // the next entry with this key, plus one; 0 is none
}

func newKnown() *known { return &known{at: make(map[uint64]int32)} }

func (k *known) add(id identity, position uint64, server uint32) {
	if len(k.entries) == cap(k.entries) {
		k.entries = slices.Grow(k.entries, max(len(k.entries), 256))
	}
	k.entries = append(k.entries, knownEntry{id.key, position, id.digest, server, k.at[id.key]})
	k.at[id.key] = int32(len(k.entries))
}

// truncate takes back what was added after the first n.
func (k *known) truncate(n int) {
	for i := len(k.entries) - 1; i >= n; i-- {
		if e := &k.entries[i]; e.next > 0 {
			k.at[e.key] = e.next
		} else {
			delete(k.at, e.key)
		}
	}
	k.entries = k.entries[:n]
}

// find says whether the event is here (then where), and else whether another event of the same server has its key.
func (k *known) find(id identity, server uint32) (position uint64, same, conflict bool) {
	for i := k.at[id.key]; i > 0; i = k.entries[i-1].next {
		e := &k.entries[i-1]
		if e.digest == id.digest {
			return e.position, true, false
		}
		conflict = conflict || e.server == server
	}
	return 0, false, conflict
}

// serverOf is the API server that an origin names, as a number: webhook/cp-1 and file/cp-1:/var/log/audit.log name the same.
// Audit IDs are chosen by clients, and an API server passes its own on to aggregated ones: only within one server do two
// events under one ID and stage contradict each other.
func serverOf(origin string) uint32 {
	_, name, _ := strings.Cut(origin, "/")
	if strings.HasPrefix(origin, "file/") {
		name, _, _ = strings.Cut(name, ":")
	}
	h := uint32(2166136261)
	for _, c := range []byte(name) {
		h = (h ^ uint32(c)) * 16777619
	}
	return h
}

// truncated says whether the API server itself cut the event's bodies away.
func truncated(e *format.Event) bool {
	return bytes.Contains(e.View.Annotations, []byte(`"audit.k8s.io/truncated":"true"`))
}
