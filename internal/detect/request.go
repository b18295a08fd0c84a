package detect

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"strings"
	"time"

	"annals.dev/audit"
	"annals.dev/internal/match"
)

// ID is what findings and requests are known by: the first half of a SHA-256.
type ID [16]byte

// String is the ID as findings have it.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// UUID is the ID as audit IDs are written.
func (id ID) UUID() string {
	h := hex.EncodeToString(id[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// ParseID reads an ID as String writes it.
func ParseID(s string) (id ID, ok bool) {
	n, err := hex.Decode(id[:], []byte(s[:min(len(s), 32)]))
	return id, err == nil && n == len(id) && len(s) == 32
}

// Request is which request an event is a stage of, and when that was received.
type Request struct {
	ID   ID
	Time int64 // microseconds
}

// RequestOf tells an event's request: its cluster, audit ID, requestReceivedTimestamp and requestURI. Where that timestamp is not
// known, or is later than the event, the event's own time is in its place, and so each stage is a request by itself. An event
// without an audit ID is one by itself, too.
func RequestOf(r *match.Row) Request {
	v := r.View
	q := Request{Time: v.RequestTime}
	if at := timeOf(r); q.Time == 0 || q.Time > at {
		q.Time = at
	}
	q.Time = min(max(q.Time, firstTime), lastTime)
	var space [512]byte
	b := append(space[:0], "request"...)
	b = appendText(b, func(b []byte) []byte { return append(b, r.Cluster...) })
	switch {
	case len(v.AuditID) > 0:
		b = appendText(b, v.AuditID.Append)
		b = appendText(b, v.RequestURI.Append)
	case len(v.Raw) > 0:
		b = appendText(b, func(b []byte) []byte { return append(b, v.Raw...) })
	default:
		b = binary.LittleEndian.AppendUint64(b, r.Position)
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(q.Time))
	sum := sha256.Sum256(b)
	copy(q.ID[:], sum[:])
	return q
}

// appendText appends a text and, before it, its length.
func appendText(b []byte, text func([]byte) []byte) []byte {
	at := len(b)
	b = text(append(b, 0, 0, 0, 0))
	binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

// Times lie between these: RFC 3339 cannot say others.
var (
	firstTime = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	lastTime  = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC).UnixMicro()
)

// timeOf is an event's time.
func timeOf(r *match.Row) int64 {
	if r.View.Time != 0 {
		return r.View.Time
	}
	return r.Received
}

// digest hashes texts so that no two lists of them are alike.
type digest struct{ h hash.Hash }

func (d digest) bytes(b []byte) {
	var n [4]byte
	binary.LittleEndian.PutUint32(n[:], uint32(len(b)))
	d.h.Write(n[:])
	d.h.Write(b)
}

func (d digest) text(texts ...string) {
	for _, s := range texts {
		d.bytes([]byte(s))
	}
}

func (d digest) number(n int64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(n))
	d.h.Write(b[:])
}

func (d digest) sum() (id ID) {
	var b [sha256.Size]byte
	copy(id[:], d.h.Sum(b[:0]))
	return id
}

// FindingID is the ID of what a version of a rule found: the values of its group in their order, and the requests that caused it
// in order.
func FindingID(rule, version string, group []string, requests ...ID) ID {
	d := digest{sha256.New()}
	d.text("finding", rule, version)
	d.number(int64(len(group)))
	d.text(group...)
	for i := range requests {
		d.h.Write(requests[i][:])
	}
	return d.sum()
}

// about is what a finding says of the event that made it true.
type about struct {
	User, As, Peer, Verb, Resource, Namespace, Name string
	Code                                            int32
}

// appendAbout appends what tells one about from another.
func appendAbout(b []byte, r *match.Row) []byte {
	v := r.View
	o := &v.ObjectRef
	for _, t := range [...]audit.Text{v.User.Username, v.ImpersonatedUser.Username, v.Verb, o.Resource, o.Subresource, o.Namespace, o.Name} {
		b = append(b, t...)
		b = append(b, '"') // no text holds one that is not escaped
	}
	b = append(b, v.SourceIPs...)
	return binary.LittleEndian.AppendUint32(b, uint32(v.ResponseStatus.Code))
}

func aboutOf(r *match.Row) about {
	v := r.View
	o := &v.ObjectRef
	a := about{
		User: v.User.Username.String(), As: v.ImpersonatedUser.Username.String(), Peer: lastText(v.SourceIPs), Verb: v.Verb.String(),
		Resource: o.Resource.String(), Namespace: o.Namespace.String(), Name: o.Name.String(), Code: v.ResponseStatus.Code,
	}
	if len(o.Subresource) > 0 {
		a.Resource += "/" + o.Subresource.String()
	}
	for _, s := range []*string{&a.User, &a.As, &a.Peer, &a.Verb, &a.Resource, &a.Namespace, &a.Name} {
		*s = bounded(*s)
	}
	return a
}

// longest is how long a text is that a finding has of an event, or that makes a group.
const longest = 1 << 10

// bounded is a text as UTF-8, so long at most. Two that differ still do.
func bounded(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= longest {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return strings.ToValidUTF8(s[:longest-40], "") + "…" + hex.EncodeToString(sum[:16])
}

// lastText is the last string of a list: of the source addresses, the only one that is not the client's own claim.
func lastText(list audit.Span) string {
	end := len(list) - 1
	for end > 0 && list[end] != '"' {
		end--
	}
	from := end - 1
	for from >= 0 && list[from] != '"' {
		from--
	}
	if from < 0 {
		return ""
	}
	return audit.Text(list[from+1 : end]).String()
}
