package logfile

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"strconv"
	"strings"
	"time"

	"annals.dev/audit"
)

// json is the event as it is. White space between its tokens may hold newlines, which would break the line.
func (l *Log) json(dst, event []byte) ([]byte, error) {
	from := len(dst)
	dst = append(dst, event...)
	for at := from; ; at++ {
		i := bytes.IndexByte(dst[at:], '\n')
		if i < 0 {
			return append(dst, '\n'), nil
		}
		at += i
		dst[at] = ' '
	}
}

func (l *Log) legacy(dst, event []byte) ([]byte, error) {
	e, err := parse(event)
	if err != nil {
		return dst, err
	}
	e.RequestReceivedTimestamp = local(e.RequestReceivedTimestamp)
	return append(e.AppendLegacy(dst), '\n'), nil
}

// parse leaves the bodies out.
func parse(event []byte) (*audit.Event, error) {
	var v audit.View
	if err := v.Parse(event); err != nil {
		return nil, fmt.Errorf("an event of %d bytes cannot be written as text: %w", len(event), err)
	}
	v.RequestObject, v.ResponseObject = nil, nil
	var e audit.Event
	if err := e.UnmarshalFrom(&v); err != nil {
		return nil, fmt.Errorf("event %.100q cannot be written as text: %w", e.AuditID, err)
	}
	return &e, nil
}

// local is the time in this process's zone, in which kube-apiserver prints it. No time stays the year 1 in UTC.
func local(t audit.MicroTime) audit.MicroTime {
	if t.IsZero() {
		return t
	}
	return audit.MicroTime{Time: t.Local()}
}

// twoLines is kube-apiserver's format of 2016: a line when the request comes, and one when it is answered. If the first stage is
// not recorded, both come with the next.
func (l *Log) twoLines(dst, event []byte) ([]byte, error) {
	e, err := parse(event)
	if err != nil {
		return dst, err
	}
	if !l.seen.has(e.AuditID) {
		dst = appendRequestLine(dst, e)
		l.seen.add(e.AuditID)
	}
	// A request whose credentials are not accepted has no later stage than ResponseStarted.
	code := 0
	if e.ResponseStatus != nil {
		code = int(e.ResponseStatus.Code)
	}
	if e.Stage == audit.StageResponseComplete || e.Stage == audit.StagePanic || e.Stage == audit.StageResponseStarted && code == 401 {
		dst = appendStamp(dst, e.StageTimestamp)
		dst = strconv.AppendQuote(append(dst, " AUDIT: id="...), e.AuditID)
		dst = strconv.AppendQuote(append(dst, " response="...), strconv.Itoa(code))
		dst = append(dst, '\n')
		l.seen.remove(e.AuditID)
	}
	return dst, nil
}

func appendRequestLine(dst []byte, e *audit.Event) []byte {
	ip, user, as, namespace := "", e.User.Username, "<self>", "<none>"
	if len(e.SourceIPs) > 0 {
		ip = e.SourceIPs[0]
	}
	if user == "" {
		user = "<none>"
	}
	if e.ImpersonatedUser != nil {
		as = e.ImpersonatedUser.Username
	}
	if e.ObjectRef != nil && e.ObjectRef.Namespace != "" {
		namespace = e.ObjectRef.Namespace
	}
	dst = append(appendStamp(dst, e.RequestReceivedTimestamp), " AUDIT:"...)
	for _, f := range [...][2]string{{" id=", e.AuditID}, {" ip=", ip}, {" method=", method(e.Verb)}, {" user=", user},
		{" as=", as}, {" namespace=", namespace}, {" uri=", e.RequestURI}} {
		dst = strconv.AppendQuote(append(dst, f[0]...), f[1])
	}
	return append(dst, '\n')
}

func appendStamp(dst []byte, t audit.MicroTime) []byte {
	return local(t).AppendFormat(dst, time.RFC3339Nano)
}

// method is the HTTP method of a verb. A HEAD for an object has the verb of a GET and is taken for one; a verb that none of the
// methods has, such as an aggregated server's own, stands for itself.
func method(verb string) string {
	switch verb {
	case "get", "list", "watch":
		return "GET"
	case "create":
		return "POST"
	case "update":
		return "PUT"
	case "patch":
		return "PATCH"
	case "delete", "deletecollection":
		return "DELETE"
	}
	return strings.ToUpper(verb)
}

// seenMax bounds the requests under way that are remembered. One that is forgotten gets a second request line.
const seenMax = 1 << 16

// seen are the audit IDs that have a request line and no response line yet: hashes of them, because a client may choose long ones.
type seen struct {
	seed  maphash.Seed
	ids   map[uint64]int // and where in order
	order []uint64       // a ring
	next  int
}

func newSeen() seen { return seen{seed: maphash.MakeSeed(), ids: map[uint64]int{}} }

func (s *seen) has(id string) bool {
	_, ok := s.ids[maphash.String(s.seed, id)]
	return ok
}

func (s *seen) add(id string) {
	h := maphash.String(s.seed, id)
	if len(s.order) < seenMax {
		s.ids[h] = len(s.order)
		s.order = append(s.order, h)
		return
	}
	if at, ok := s.ids[s.order[s.next]]; ok && at == s.next {
		delete(s.ids, s.order[s.next])
	}
	s.ids[h], s.order[s.next] = s.next, h
	s.next = (s.next + 1) % seenMax
}

func (s *seen) remove(id string) { delete(s.ids, maphash.String(s.seed, id)) }
