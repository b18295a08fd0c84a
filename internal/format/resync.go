package format

import (
	"bytes"
	"errors"

	"annals.dev/audit"
)

var errNoObject = errors.New("no JSON object where a list's item should begin")

// cut measures a record that is not JSON: up to where it is closed in spite of that, to the end of its line, to a NUL, or
// to where something begins as good records do and is one. The status is ended if it is none of these but the input's end.
// Only as much is read as it takes, since there may be many.
func (r *Reader) cut(m *member) (int, status) {
	var w wreck
	col := 0
	if m.fresh {
		col = m.col
	}
	for sought, end := 0, 0; ; {
		b := m.rest()
		look := false
		if !w.over {
			end, look = w.scan(b, end, min(len(b), end+16<<10), col, m.done)
		}
		next, unclear := m.resync(sought, end)
		switch {
		case unclear > 0 && (next == 0 || unclear < next):
			sought = unclear
		case next > 0:
			return next, read
		case w.over:
			return end, read
		default:
			sought = max(end-longestKey, 0)
			if end < len(b) && !look {
				continue
			}
		}
		switch s := r.more(m); s {
		case read:
		case ended:
			if unclear == 0 { // otherwise it may be clear now that there is no more
				return m.n - m.p, ended
			}
		default:
			return 0, s
		}
	}
}

// wreck is how far a record that is not JSON has been followed.
type wreck struct {
	depth    int
	inString bool
	escaped  bool
	over     bool
}

// scan follows b from from and returns where it stopped: at the record's end if over is set; otherwise at to, or where
// it has to look further ahead than b goes.
func (w *wreck) scan(b []byte, from, to, col int, done bool) (end int, look bool) {
	for i := from; i < to; i++ {
		c := b[i]
		switch {
		case c == 0 || c == '\n' && w.inString:
			w.over = true
			return i, false
		case w.escaped:
			w.escaped = false
		case w.inString:
			w.escaped = c == '\\'
			w.inString = c != '"'
		case c == '"':
			w.inString = true
		case c == '{' || c == '[':
			if w.depth == 0 && i > 0 && c == '{' { // the first bracket behind garbage
				w.over = true
				return i, false
			}
			w.depth++
		case c == '}' || c == ']':
			if w.depth--; w.depth <= 0 {
				w.over = true
				return i + 1, false
			}
		case c == '\n':
			next := i + 1
			for next < len(b) && (b[next] == ' ' || b[next] == '\t') {
				next++
			}
			if next == len(b) && !done {
				return i, true
			}
			if next < len(b) && beginsRecord(b[next], next-i-1, col) {
				w.over = true
				return i, false
			}
		}
	}
	return to, false
}

// beginsRecord says whether a line that begins with c in column at begins a record, not a member of the one before, which
// began in column col.
func beginsRecord(c byte, at, col int) bool {
	switch c {
	case '{', '[':
		return at <= col
	case '}', ']', '"', ' ', '\t', '\n', '\r', ',':
		return false
	}
	return at == 0
}

// good remembers how a record of m began, to find the next one behind a broken one. Two ways are remembered: lists may
// take turns with their wrappers.
func (m *member) good(b []byte) {
	if len(m.starts[1]) > 0 && bytes.HasPrefix(b, m.starts[1]) {
		return
	}
	if m.key = string(firstKey(b)); m.key != "" {
		m.starts[0], m.starts[1] = m.starts[1], []byte(`{"`+m.key+`"`)
	}
}

// usual is how records begin where none has been read yet.
var usual = [][]byte{
	[]byte(`{"id"`), []byte(`{"messageType"`), []byte(`{"logStreamName"`), []byte(`{"timestamp"`), []byte(`{"category"`),
	[]byte(`{"insertId"`), []byte(`{"@timestamp"`), []byte(`{"_index"`), []byte(`{"TenantId"`), []byte(`{"Level"`),
}

// resync finds where the next record begins, between from and to of what m.rest begins a broken one with; 0 if nowhere.
// It is unclear of the first that would need more bytes than there are.
func (m *member) resync(from, to int) (next, unclear int) {
	b := m.rest()
	starts := append(make([][]byte, 0, 16), []byte(`{"kind"`), []byte(`{"level"`))
	for _, start := range m.starts {
		if len(start) > 0 {
			starts = append(starts, start)
		}
	}
	if key := string(firstKey(b)); key != "" && key != m.key {
		starts = append(starts, []byte(`{"`+key+`"`))
	}
	if len(m.starts[0]) == 0 && m.key != "kind" && m.key != "level" {
		starts = append(starts, usual...)
	}
	for _, start := range starts {
		for at := max(from, 1); at < to && !m.tired(); at++ {
			i := bytes.Index(b[at:to], start)
			if i < 0 || next > 0 && at+i >= next {
				break
			}
			at += i
			is, short := m.genuine(b, at)
			if is {
				next = at
				break
			}
			if short && (unclear == 0 || at < unclear) {
				unclear = at
			}
		}
	}
	return next, unclear
}

// genuine tells a record at b[at] from an object inside one: a whole event is no part of another; anything else must not
// stand as a member's value, and be JSON, and an event if it begins as events do. Short says that b ends too early to tell.
func (m *member) genuine(b []byte, at int) (is, short bool) {
	var v audit.View
	n, err := v.ParsePrefix(b[at:])
	if err != nil {
		n = errorOffset(err)
	}
	m.effort += int64(n)
	if err != nil && n < len(b)-at {
		return false, false
	}
	if err != nil && !m.done {
		return false, true
	}
	event := plainEvent(&v, m.listed())
	if err == nil && event {
		return true, false
	}
	before := bytes.TrimRight(b[max(at-longestKey, 0):at], " \t\r\n")
	if len(before) > 0 && (before[len(before)-1] == ':' || before[len(before)-1] == '\\') {
		return false, false
	}
	switch string(firstKey(b[at:])) {
	case "kind", "level", "apiVersion", "metadata", "auditID":
		return event, false
	}
	return err == nil, false
}

// tired says that bytes were looked at again and again, which only input made for that needs: then records end with their
// line or their bracket, and nothing is searched for.
func (m *member) tired() bool { return m.effort > 16*(m.base+int64(m.n))+1<<20 }

// errorOffset is how far into its input a syntax error is.
func errorOffset(err error) int {
	var syntax *audit.SyntaxError
	if errors.As(err, &syntax) {
		return syntax.Offset
	}
	return 0
}
