package format

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"time"

	"annals.dev/audit"
)

var legacyMark = []byte(" AUDIT: id=")

func isLegacy(b []byte) bool {
	i := bytes.Index(b[:min(len(b), 64)], legacyMark)
	return i >= len("2006-01-02T15:04:05Z") && timeText(b[:i]) != 0
}

// halves are the request lines of Kubernetes 1.7 and before whose response line has not come yet.
type halves struct {
	waiting map[string]*half
	order   []*half // as they came; those that met their other half have no line any more
	size    int     // of all lines
}

type half struct {
	id   string
	line []byte
	c    context
}

const mostHalves = 10000

// legacy takes a line of --audit-log-format=legacy.
func (r *Reader) legacy(b []byte, c *context) bool {
	fields, whole := legacyFields(b)
	id := fields["id"]
	if _, ok := fields["stage"]; ok || id == "" || !whole {
		return r.takeLegacy(b, c)
	}
	h := &c.m.halves
	if _, ok := fields["response"]; !ok {
		if h.waiting == nil {
			h.waiting = make(map[string]*half)
		}
		for len(h.order) == mostHalves || len(h.order) > 0 && h.size+len(b) > r.longest {
			first := h.order[0]
			h.order = h.order[1:]
			r.flushHalf(h, first)
		}
		if old := h.waiting[id]; old != nil {
			r.flushHalf(h, old)
		}
		request := &half{id, bytes.Clone(b), *c}
		h.waiting[id], h.order = request, append(h.order, request)
		h.size += len(b)
		return true
	}
	request := h.waiting[id]
	if request == nil {
		return r.takeLegacy(b, c)
	}
	line := append(append(request.line, '\n'), b...)
	h.forget(request)
	return r.takeLegacy(line, &request.c)
}

func (r *Reader) flushHalf(h *halves, request *half) {
	if request.line != nil {
		r.takeLegacy(request.line, &request.c)
		h.forget(request)
	}
}

func (h *halves) forget(request *half) {
	h.size -= len(request.line)
	request.line = nil
	delete(h.waiting, request.id)
}

func (r *Reader) flushHalves(m *member) {
	for _, request := range m.halves.order {
		r.flushHalf(&m.halves, request)
	}
	m.halves.order = nil
}

// takeLegacy makes an event of a line, or of two that belong together.
func (r *Reader) takeLegacy(b []byte, c *context) bool {
	if !r.take(LegacyText, b, c) {
		return false
	}
	last := b[bytes.LastIndexByte(b, '\n')+1:]
	if _, whole := legacyFields(last); !whole {
		e := &r.events[len(r.events)-1]
		e.Marks |= Salvaged
		e.Note = c.where() + ": the line was cut after " + size(len(b))
		r.counts.Salvaged++
	}
	return true
}

// legacyFields reads a line's key="value" pairs; it is whole if nothing else follows them.
func legacyFields(line []byte) (fields map[string]string, whole bool) {
	fields = make(map[string]string)
	_, rest, ok := strings.Cut(string(line), " AUDIT:")
	for ok && rest != "" {
		var key, quoted string
		if key, rest, ok = strings.Cut(strings.TrimPrefix(rest, " "), "="); !ok {
			return fields, false
		}
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return fields, false
		}
		value, err := strconv.Unquote(quoted)
		if err != nil {
			return fields, false
		}
		fields[key], rest = value, rest[len(quoted):]
	}
	return fields, ok
}

// fromLegacy reads a line of --audit-log-format=legacy, or the two of 1.7 and before. The line has no objectRef: it is
// what kube-apiserver would have made of the URI. At every stage the line's time is that of the request; it has no other.
func fromLegacy(b []byte, e *audit.Event) error {
	first, second, two := bytes.Cut(b, []byte("\n"))
	fields, _ := legacyFields(first)
	stamp, _, _ := bytes.Cut(first, []byte(" "))
	begun := legacyTime(stamp)
	e.AuditID, e.Stage = fields["id"], audit.Stage(fields["stage"])
	response, ended := fields["response"], begun
	if two {
		more, _ := legacyFields(second)
		stamp, _, _ = bytes.Cut(second, []byte(" "))
		response, ended = more["response"], legacyTime(stamp)
	}
	if e.AuditID == "" {
		return errors.New("a line of the legacy log without an id")
	}
	if e.Stage == "" {
		e.Stage = audit.StageRequestReceived
		if response != "" {
			e.Stage = audit.StageResponseComplete
		}
	}
	e.StageTimestamp = ended
	if two || e.Stage == audit.StageRequestReceived { // otherwise it would say that the request took no time
		e.RequestReceivedTimestamp = begun
	}
	if code, err := strconv.ParseInt(response, 10, 32); err == nil {
		e.ResponseStatus = &audit.Status{Code: int32(code)}
	}
	e.User.Username, e.User.Groups = said(fields["user"]), quotedList(fields["groups"])
	if as := said(fields["as"]); as != "" {
		e.ImpersonatedUser = &audit.UserInfo{Username: as, Groups: quotedList(fields["asgroups"])}
	}
	if ip := said(fields["ip"]); ip != "" {
		e.SourceIPs = []string{ip}
	}
	e.UserAgent, e.RequestURI = said(fields["user-agent"]), said(fields["uri"])
	e.Verb, e.ObjectRef = requestOf(said(fields["method"]), e.RequestURI)
	if namespace := said(fields["namespace"]); namespace != "" && e.ObjectRef != nil {
		e.ObjectRef.Namespace = namespace
	}
	return nil
}

func legacyTime(stamp []byte) audit.MicroTime {
	micros, ok := audit.Micros(stamp)
	if !ok {
		return audit.MicroTime{}
	}
	return audit.MicroTime{Time: time.UnixMicro(micros).UTC()}
}

// said is a field's value, "" for the words that say there is none.
func said(value string) string {
	switch value {
	case "<none>", "<self>", "<lookup>", "<deferred>", "<unknown>":
		return ""
	}
	return value
}

// quotedList reads "a","b".
func quotedList(s string) (list []string) {
	for s != "" {
		quoted, err := strconv.QuotedPrefix(s)
		if err != nil {
			return list
		}
		value, err := strconv.Unquote(quoted)
		if err != nil {
			return list
		}
		list = append(list, value)
		s = strings.TrimPrefix(s[len(quoted):], ",")
	}
	return list
}
