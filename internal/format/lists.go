package format

import (
	"bytes"
	"strings"

	"annals.dev/audit"
)

// list is an array whose items are records: a bare one, or the one that a wrapper such as an EventList is there for.
// Wrappers are never held whole, however large.
type list struct {
	braces int    // of the wrapper, open around the array
	events bool   // an EventList: its items need have little of an event
	skip   string // the kind of all its items, if they are no audit events
	time   int64  // what stood before the item, as Fluent Bit's forward has it
}

// closing is what is open of a wrapper whose list has ended.
type closing struct {
	depth    int
	inString bool
}

func (m *member) listed() bool { return len(m.lists) > 0 && m.lists[len(m.lists)-1].events }

func (m *member) skipped() string {
	if len(m.lists) > 0 {
		return m.lists[len(m.lists)-1].skip
	}
	return ""
}

func (m *member) context() context {
	p := m.place()
	return context{m: m, off: p.Offset, node: p.Node, time: p.CarrierTime, depth: m.depth}
}

// place is where m.rest begins.
func (m *member) place() Place {
	p := Place{Path: m.path, Offset: m.offset(m.p), Node: m.node, CarrierTime: m.time}
	if len(m.lists) > 0 && m.lists[len(m.lists)-1].time != 0 {
		p.CarrierTime = m.lists[len(m.lists)-1].time
	}
	return p
}

const sniffed = 64 << 10 // of a wrapper, at most, stands before its list

// sniffList enters the list of a wrapper that m.rest begins with.
func (r *Reader) sniffList(m *member) (bool, status) {
	for {
		b := m.rest()
		switch string(firstKey(b)) {
		case "level", "auditID", "date", "log", "stream", "insertId", "category", "time", "stage":
			return false, read
		case "kind":
			if bytes.HasPrefix(b, []byte(`{"kind":"Event",`)) {
				return false, read
			}
		}
		l, at, cut := listIn(b[:min(len(b), sniffed)])
		if at > 0 && len(m.lists) < maxDepth {
			if l.skip == "" {
				l.skip = m.skipped()
			}
			m.good(b)
			m.lists = append(m.lists, l)
			m.pass(at)
			r.flushJunk(m)
			return true, read
		}
		if at > 0 || !cut {
			return false, read
		}
		if len(b) >= sniffed {
			m.effort += sniffed
			return false, read
		}
		if s := r.more(m); s != read {
			return false, s
		}
	}
}

// listIn finds the list in the wrapper that b begins with and returns the position of its first item; cut says that b
// ends before that is clear.
func listIn(b []byte) (l list, at int, cut bool) {
	l.braces = 1
	p := skipSpace(b, 1)
	for p < len(b) && b[p] == '"' {
		key, value := keyAt(b, p)
		if value < 0 || value >= len(b) {
			return l, 0, value != notJSON
		}
		switch key {
		case "items", "events", "records", "Records", "logEvents", "hits", "entries", "value":
			if b[value] == '[' {
				return l, value + 1, false
			}
			if key == "hits" && b[value] == '{' && l.braces == 1 {
				l.braces = 2
				p = skipSpace(b, value+1)
				continue
			}
		}
		end := skipValue(b, value)
		if end < 0 {
			return l, 0, end == endOfInput
		}
		switch v := b[value:end]; key {
		case "auditID", "protoPayload", "AuditId":
			return l, 0, false
		case "kind":
			l.events = string(v) == `"EventList"`
		case "messageType":
			if string(v) == `"CONTROL_MESSAGE"` {
				l.skip = "CloudWatch control message"
			}
		case "logStream":
			if l.skip == "" {
				l.skip = streamKind(content(v))
			}
		}
		if p = skipSpace(b, end); p < len(b) && b[p] == ',' {
			p = skipSpace(b, p+1)
		}
	}
	return l, 0, p >= len(b)
}

// streamKind is the kind of what an EKS log stream holds, "" for audit events.
func streamKind(stream audit.Text) string {
	s := string(stream)
	if strings.HasPrefix(s, "kube-apiserver-audit") {
		return ""
	}
	for _, prefix := range []string{"authenticator-", "kube-apiserver-", "cloud-controller-", "kube-controller-manager-", "kube-scheduler-"} {
		if strings.HasPrefix(s, prefix) {
			return "EKS log stream other than audit"
		}
	}
	return ""
}

// shutList passes over the rest of a wrapper. Another list in it is entered, and what begins as its records did is taken
// for one: so an error in reading the list hides nothing.
func (r *Reader) shutList(m *member) error {
	for {
		for ; m.p < m.n && m.shut.depth > 0; m.p++ {
			c := m.buf[m.p]
			if m.shut.inString {
				switch c {
				case '\\':
					if s := r.ensure(m, 2); s == paused {
						return errPause
					}
					if b := m.rest(); len(b) > 1 && b[1] != '\n' && b[1] != 0 {
						m.p++
					}
				case '"':
					m.shut.inString = false
				case '\n', 0:
					m.shut.depth = 0
					return nil
				}
				continue
			}
			switch c {
			case '"':
				m.shut.inString = true
			case '}', ']':
				m.shut.depth--
			case '\n':
				if s := r.ensure(m, 2); s == paused {
					return errPause
				}
				if b := m.rest(); len(b) > 1 && beginsRecord(b[1], 0, 0) {
					m.shut.depth = 0
					return nil
				}
			case '{', '[':
				if s := r.ensure(m, 256); s == paused {
					return errPause
				}
				if b := m.rest(); c == '{' && m.known(b) {
					m.shut.depth = 0
					return nil
				} else if next := skipSpace(b, 1); c == '[' && next < len(b) && b[next] == '{' && len(m.lists) < maxDepth {
					m.lists = append(m.lists, list{braces: m.shut.depth})
					m.shut = closing{}
					m.pass(1)
					return nil
				}
				m.shut.depth++
			}
		}
		m.fresh = false
		if m.shut.depth == 0 {
			return nil
		}
		if s := r.more(m); s == paused {
			return errPause
		} else if s != read {
			m.shut.depth = 0
			return nil
		}
	}
}

// known says whether b begins as a record of m did, or as an event.
func (m *member) known(b []byte) bool {
	for _, start := range m.starts {
		if len(start) > 0 && bytes.HasPrefix(b, start) {
			return true
		}
	}
	return bytes.HasPrefix(b, []byte(`{"kind":"Event",`))
}

// noObject takes what stands in a list and is no object. Fluent Bit's forward has a tag and times there.
func (r *Reader) noObject(m *member) error {
	if s := r.ensure(m, 512); s == paused {
		return errPause
	}
	b := m.rest()
	if end := skipValue(b[:min(len(b), 512)], 0); end > 0 {
		next := skipSpace(b, end)
		if next < len(b) && b[next] == ',' {
			next = skipSpace(b, next+1)
		}
		if next < len(b) && (b[next] == '{' || b[next] == '[') && (b[0] == '"' || b[0]-'0' <= 9) {
			m.lists[len(m.lists)-1].time = timeOf(b[:end])
			m.pass(end)
			return nil
		}
	}
	return r.broken(m, errNoObject)
}

// startsArray tells an array from text that begins with a bracket.
func startsArray(b []byte) bool {
	p := skipSpace(b, 1)
	if p == len(b) {
		return true
	}
	switch c := b[p]; c {
	case '{', '[', '"', ']', '-':
		return true
	default:
		return c-'0' <= 9 || bytes.HasPrefix(b[p:], []byte("null")) || bytes.HasPrefix(b[p:], []byte("true"))
	}
}
