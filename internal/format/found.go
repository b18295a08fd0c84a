package format

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash"

	"annals.dev/audit"
)

// The reasons for which pieces are quarantined, as Counts has them.
const (
	ReasonSyntax    = "not JSON"
	ReasonCut       = "cut before it says anything"
	ReasonNoEvent   = "JSON without an audit event"
	ReasonText      = "text without an audit event"
	ReasonTooLong   = "record too long"
	ReasonContainer = "broken archive or compression"
	ReasonLayers    = "too many containers inside each other"
	ReasonExpansion = "decompressed size out of proportion"
)

// context is where a piece comes from, as far as its carriers say.
type context struct {
	m          *member
	off        int64
	node       string
	time       int64
	depth      int
	incomplete bool
	strict     bool // take only what is whole
}

func (c *context) place() Place {
	return Place{c.m.path, c.off, c.node, c.time, c.incomplete}
}

// slot is a fresh event at the end of the chunk; drop takes it back, keep and its like commit it.
func (r *Reader) slot() *Event {
	if len(r.events) < cap(r.events) {
		r.events = r.events[:len(r.events)+1]
	} else {
		r.events = append(r.events, Event{})
	}
	return &r.events[len(r.events)-1]
}

func (r *Reader) drop() { r.events = r.events[:len(r.events)-1] }

func (r *Reader) commit(p Place, kind string) {
	r.places = append(r.places, p)
	r.kinds = append(r.kinds, kind)
}

var truncatedMark = []byte(`"audit.k8s.io/truncated"`)

// keep commits the slot e as an event.
func (r *Reader) keep(e *Event, m *member, p Place) {
	if e.View.Duplicate {
		e.Marks |= DuplicateMember
	}
	if bytes.Contains(e.View.Annotations, truncatedMark) {
		e.Marks |= Truncated
	}
	r.counts.Events++
	m.found = true
	r.commit(p, "")
}

// take makes b an event of dialect d. It gives false, and does nothing, if b is none.
func (r *Reader) take(d Dialect, b []byte, c *context) bool {
	e := r.slot()
	e.Bytes, e.Dialect, e.Marks, e.Note = b, d, 0, ""
	if _, err := View(d, b, &e.View, nil); err != nil {
		r.drop()
		return false
	}
	r.keep(e, c.m, c.place())
	return true
}

// salvage makes what is left of an event an event. It gives false, and does nothing, if too little is.
func (r *Reader) salvage(b []byte, why string, c *context) bool {
	e := r.slot()
	v := &e.View
	if v.ParseCut(b) != nil || v.AuditID == nil || v.Level == nil && v.Stage == nil && v.Verb == nil {
		r.drop()
		return false
	}
	e.Bytes, e.Dialect, e.Marks = b, V1, Salvaged
	e.Note = fmt.Sprintf("%s: %s", c.where(), why)
	if v.Time == 0 && c.time != 0 {
		e.Note += "; its carrier says " + formatMicros(c.time)
	}
	r.counts.Salvaged++
	r.keep(e, c.m, c.place())
	return true
}

func (c *context) where() string { return fmt.Sprintf("%s at byte %d", c.m.path, c.off) }

// skip passes over a record of a kind that is no audit event.
func (r *Reader) skip(kind string, b []byte, c *context) {
	r.count(&r.counts.Skipped, kind)
	if r.chunked {
		return
	}
	*r.slot() = Event{Bytes: b, Dialect: Unreadable}
	r.commit(c.place(), kind)
}

// piece is something unreadable. Of a long one only the head is kept.
type piece struct {
	head []byte
	size int64
	sum  hash.Hash // of all, once it is longer than the head
}

func (p *piece) Write(b []byte) (int, error) {
	p.size += int64(len(b))
	if p.sum == nil && p.size > MaxHead {
		p.sum = sha256.New()
		p.sum.Write(p.head)
	}
	if p.sum != nil {
		p.sum.Write(b)
	}
	if room := MaxHead - len(p.head); room > 0 {
		p.head = append(p.head, b[:min(room, len(b))]...)
	}
	return len(b), nil
}

// quarantine hands over bytes that cannot be read. In a member of an archive that was no audit log so far, they are
// none of ours.
func (r *Reader) quarantine(b []byte, reason, why string, c *context) {
	if c.m.foreign && !c.m.found {
		r.skip("record of a file without audit events", b[:min(len(b), MaxHead)], c)
		return
	}
	p := piece{head: b, size: int64(len(b))}
	if len(b) > MaxHead {
		p = piece{}
		p.Write(b)
	}
	r.quarantinePiece(&p, reason, why, c)
}

// tell says how much of a long piece was kept, and what all of it was.
func (p *piece) tell() string {
	if p.sum == nil {
		return ""
	}
	return fmt.Sprintf("; the first %d of %d bytes, SHA-256 of all %x", len(p.head), p.size, p.sum.Sum(nil))
}

func (r *Reader) quarantinePiece(p *piece, reason, why string, c *context) {
	note := c.where() + ": " + why + p.tell()
	if p.size == 0 { // nothing was there to be read: then the evidence is what happened
		p.head = []byte(note)
	}
	r.count(&r.counts.Quarantined, reason)
	*r.slot() = Event{Bytes: p.head, Dialect: Unreadable, Marks: Quarantined, Note: note}
	r.commit(c.place(), "")
}

func (r *Reader) count(m *map[string]int64, key string) {
	if *m == nil {
		*m = make(map[string]int64)
	}
	(*m)[key]++
}

// isEvent tells an event from other JSON. In a list of events one of its fields is enough.
func isEvent(v *audit.View, listed bool) bool {
	level, stage := levelOf(v.Level), stageOf(v.Stage)
	if listed {
		return v.AuditID != nil || v.Level != nil || v.Stage != nil || v.RequestURI != nil || v.Verb != nil ||
			v.User.Raw != nil || v.ObjectRef.Raw != nil || v.StageTimestamp != nil
	}
	switch {
	case bytes.HasPrefix(v.APIVersion, []byte("audit.k8s.io/")):
		return !bytes.HasSuffix(v.Kind, []byte("List")) && !v.Kind.Is("Policy")
	case v.AuditID != nil:
		return level || stage
	}
	return level && stage || stage && v.Verb != nil
}

// plainEvent tells an event that is as kube-apiserver makes it from others and from what only looks like one.
func plainEvent(v *audit.View, listed bool) bool {
	return isEvent(v, listed) && !isViaQ(v) && !isRancher(v)
}

func levelOf(t audit.Text) bool {
	switch string(t) {
	case "Metadata", "Request", "RequestResponse", "None":
		return true
	}
	return false
}

func stageOf(t audit.Text) bool { return audit.Stage(t).Order() >= 0 }
