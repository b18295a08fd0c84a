package format

import (
	"bytes"
	"errors"

	"annals.dev/audit"
)

var errNoObject = errors.New("no JSON object where a list's item should begin")

// cut measures a record that is not JSON: up to where it is closed in spite of that, to the end of its line, to a NUL, or
// to where something begins as good records do and is one. Only as much is read as it takes, since there may be many.
func (r *Reader) cut(m *member) (int, status) {
	var w wreck
	from, col := 0, 0
	if m.fresh {
		col = m.col
	}
	for {
		b := m.rest()
		to := min(len(b), from+16<<10)
		end, look := w.scan(b, from, to, col, m.done)
		if next := m.resync(from-256, end); next > 0 {
			return next, read
		}
		if w.over {
			return end, read
		}
		if from = end; !look && from < len(b) {
			continue
		}
		switch s := r.more(m); s {
		case read:
		case ended:
			return m.n - m.p, read
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
	case '}', ']', '"', '\n', '\r', ',':
		return false
	}
	return at == 0
}

// good remembers how the records of m begin, to find the next one behind a broken one.
func (m *member) good(b []byte) {
	if !bytes.HasPrefix(b, m.start) || len(m.start) == 0 {
		m.key = firstKey(b)
		m.start = append(append(append(m.start[:0], `{"`...), m.key...), '"')
	}
}

// resync finds where the next record begins, between from and to of what m.rest begins a broken one with; 0 if nowhere.
func (m *member) resync(from, to int) int {
	b := m.rest()
	starts := [3][]byte{m.start}
	if key := firstKey(b); key != "" && key != m.key {
		starts[1] = []byte(`{"` + key + `"`)
	} else if m.key == "" {
		starts[1], starts[2] = []byte(`{"kind"`), []byte(`{"level"`)
	}
	best := 0
	for _, start := range starts {
		for at := max(from, 1); len(start) > 0 && at < to && !m.tired(); at++ {
			i := bytes.Index(b[at:to], start)
			if i < 0 || best > 0 && at+i >= best {
				break
			}
			if at += i; m.genuine(b, at) {
				best = at
				break
			}
		}
	}
	return best
}

// genuine tells a record at b[at] from an object inside one: it does not stand as a member's value, and it is JSON; if it
// begins as events do, it is one. What a record of another kind would be cannot be told before its end.
func (m *member) genuine(b []byte, at int) bool {
	before := bytes.TrimRight(b[max(at-64, 0):at], " \t\r\n")
	if len(before) > 0 && (before[len(before)-1] == ':' || before[len(before)-1] == '\\') {
		return false
	}
	var v audit.View
	n, err := v.ParsePrefix(b[at:])
	if err != nil {
		n = errorOffset(err)
		if m.effort += int64(n); n < len(b)-at {
			return false
		}
	}
	m.effort += int64(n)
	switch firstKey(b[at:]) {
	case "kind", "level", "apiVersion", "metadata", "auditID":
		return plainEvent(&v, m.listed())
	}
	return err == nil
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
