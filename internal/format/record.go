package format

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"annals.dev/audit"
)

// record takes the next record of m, or finds that there is none.
func (r *Reader) record(m *member) error {
	if m.shut.depth > 0 {
		return r.shutList(m)
	}
	if s := r.toRecord(m); s == paused {
		return errPause
	} else if s != read {
		return r.finish(m)
	}
	if c := m.buf[m.p]; m.table != nil && c != 0 && c != '{' {
		return r.row(m)
	}
	if s := r.ensure(m, 8); s == paused { // enough to tell what begins here
		return errPause
	}
	switch b, c := m.rest(), m.buf[m.p]; {
	case c == 0:
		return r.hole(m)
	case c == '{':
		if next := skipSpace(b, 1); next == len(b) || b[next] == '"' || b[next] == '}' {
			return r.object(m)
		}
	case c == '[' && startsArray(b) && len(m.lists) < maxDepth:
		m.lists = append(m.lists, list{})
		m.pass(1)
		return nil
	case c == ']' && len(m.lists) > 0:
		m.shut = closing{depth: m.lists[len(m.lists)-1].braces}
		m.lists = m.lists[:len(m.lists)-1]
		m.pass(1)
		return nil
	}
	if len(m.lists) > 0 {
		return r.noObject(m)
	}
	return r.line(m)
}

// comesAgain says that a last record without an end is not to be taken: it may still be written, or reading it failed.
func (r *Reader) comesAgain() bool { return r.tail && len(r.layers) == 1 || r.src.err != nil }

// finish leaves m: what waits in it for its other half will not get it.
func (r *Reader) finish(m *member) error {
	if m.err != nil && r.src.err != nil {
		return r.src.err
	}
	r.flushHalves(m)
	r.flushJunk(m)
	if r.tail && len(r.layers) == 1 {
		m.done = false // it may grow
		return io.EOF
	}
	r.flushParts(m)
	if len(r.layers) == 1 {
		r.offset = m.resume() // the input's end
	}
	r.pop()
	if m.err != nil {
		r.brokenContainer(m)
		if n := len(r.layers); n > 0 && r.layers[n-1].archive != nil {
			r.layers[n-1].archive.torn = true
		}
	}
	return nil
}

// toRecord passes over what separates records.
func (r *Reader) toRecord(m *member) status {
	for {
		for ; m.p < m.n; m.p++ {
			switch c := m.buf[m.p]; {
			case c == '\n':
				m.fresh, m.col = true, 0
			case c == ' ' || c == '\t' || c == '\r':
				m.col++
			case c == ',' && (len(m.lists) > 0 || !m.fresh):
			case c == 0xef && m.n-m.p >= 3 && string(m.buf[m.p:m.p+3]) == "\ufeff":
				m.p += 2
			default:
				return read
			}
		}
		if s := r.more(m); s != read {
			return s
		}
	}
}

// pass goes on behind n bytes of a record.
func (m *member) pass(n int) {
	m.p += n
	m.fresh = false
}

// hole passes over the NULs that a crash or a copied and truncated file leaves.
func (r *Reader) hole(m *member) error {
	c := m.context()
	from := m.p
	for m.p < m.n && m.buf[m.p] == 0 {
		m.p++
	}
	m.fresh, m.col = true, 0
	r.skip("run of NUL bytes", m.buf[from:from], &c)
	return nil
}

// object takes the object that m.rest begins with. It is read strictly, and once if it is an event; only what is no JSON
// is looked at again.
func (r *Reader) object(m *member) error {
	if m.tired() {
		return r.carefully(m)
	}
	if found, s := r.sniffList(m); s == paused {
		return errPause
	} else if found {
		return nil
	}
	for {
		e := r.slot()
		n, err := e.View.ParsePrefix(m.rest())
		if err == nil {
			b := m.buf[m.p : m.p+n : m.p+n]
			if m.skipped() == "" && plainEvent(&e.View, m.listed()) {
				place := m.place()
				m.pass(n)
				m.good(b)
				e.Bytes, e.Dialect, e.Marks, e.Note = b, V1, 0, ""
				r.keep(e, m, place)
				r.flushJunk(m)
				return nil
			}
			r.drop()
			r.whole(m, b)
			return nil
		}
		r.drop()
		if errorOffset(err) < m.n-m.p {
			return r.broken(m, err)
		}
		switch r.more(m) {
		case paused:
			return errPause
		case full:
			return r.tooLong(m)
		case ended:
			return r.broken(m, err)
		}
	}
}

// carefully takes an object, looking at each byte of it twice at most.
func (r *Reader) carefully(m *member) error {
	end, s := r.cut(m)
	switch s {
	case paused:
		return errPause
	case full:
		return r.tooLong(m)
	}
	b := m.buf[m.p : m.p+end : m.p+end]
	var v audit.View
	if err := v.Parse(b); err != nil {
		return r.broken(m, err)
	}
	if m.skipped() == "" && plainEvent(&v, m.listed()) {
		c := m.context()
		m.pass(end)
		r.take(V1, b, &c)
		return nil
	}
	r.whole(m, b)
	return nil
}

// whole takes an object that is JSON, but not plainly an event.
func (r *Reader) whole(m *member, b []byte) {
	at := m.context()
	c := &at
	m.pass(len(b))
	r.flushJunk(m)
	if kind := m.skipped(); kind != "" {
		r.skip(kind, b, c)
		return
	}
	if r.carried(b, c) {
		m.good(b)
		return
	}
	m.p -= len(b)
	if next, _ := m.resync(1, len(b)); next > 0 { // an unknown wrapper of known records
		b = bytes.TrimRight(b[:next], " \t\r\n,")
		m.pass(next)
	} else {
		m.pass(len(b))
	}
	r.quarantine(b, ReasonNoEvent, "JSON, but no audit event and no known carrier of one", c)
}

// broken takes an object that is not JSON, up to where the next record seems to begin.
func (r *Reader) broken(m *member, cause error) error {
	m.effort += int64(errorOffset(cause))
	end, s := r.cut(m)
	switch s {
	case paused:
		return errPause
	case full:
		return r.tooLong(m)
	}
	at := m.context()
	c := &at
	if c.incomplete = s == ended; c.incomplete && r.comesAgain() {
		return r.finish(m)
	}
	b := bytes.TrimRight(m.rest()[:end], " \t\r\n,")
	m.pass(end)
	r.flushJunk(m)
	why := fmt.Sprintf("cut after %d bytes: %s", len(b), reason(cause))
	if r.salvage(b, why, c) || r.salvageInside(b, why, c) {
		return nil
	}
	class := ReasonSyntax
	if c.incomplete {
		class = ReasonCut
	}
	r.quarantine(b, class, reason(cause), c)
	return nil
}

func reason(err error) string {
	var syntax *audit.SyntaxError
	if errors.As(err, &syntax) {
		return syntax.Msg
	}
	return err.Error()
}

// line takes a line of text.
func (r *Reader) line(m *member) error {
	end, s := r.lineEnd(m, 0)
	switch s {
	case paused:
		return errPause
	case full:
		return r.tooLong(m)
	}
	c := m.context()
	if c.incomplete = m.p+end == m.n; c.incomplete && r.comesAgain() {
		return r.finish(m)
	}
	b := bytes.TrimRight(m.rest()[:end], " \t\r")
	if !m.begun {
		m.begun = true
		if m.table = header(b); m.table != nil {
			m.pass(end)
			return nil
		}
	}
	// Only if the line is nothing as a whole may a record begin in the midst of it.
	c.strict = true
	known := r.text(b, &c)
	if !known {
		from := bytes.Index(b, []byte(`{"`))
		if m.fresh {
			from++ // what stands before the first is a prefix
		}
		if next, _ := m.resync(from, end); next > 0 {
			end, c.incomplete = next, false
			b = bytes.TrimRight(m.rest()[:end], " \t\r,")
		}
		c.strict = false
		known = r.text(b, &c)
	}
	m.pass(end)
	if known {
		r.flushJunk(m)
	} else {
		m.junk.add(b, &c)
	}
	return nil
}

// lineEnd is where in m.rest the line ends that goes on at from.
func (r *Reader) lineEnd(m *member, from int) (int, status) {
	for end := from; ; {
		if i := bytes.IndexAny(m.rest()[end:], "\n\x00"); i >= 0 {
			return end + i, read
		}
		end = m.n - m.p
		if s := r.more(m); s == ended {
			return end, read
		} else if s != read {
			return end, s
		}
	}
}

// tooLong hands over the head of a record that has no end within MaxRecord, and passes over the rest of it.
func (r *Reader) tooLong(m *member) error {
	c := m.context()
	var p piece
	for {
		end, more := bytes.IndexByte(m.rest(), '\n'), false
		if end < 0 {
			end, more = m.n-m.p, true
		}
		if p.size > 0 {
			if next, _ := m.resync(1, end); next > 0 {
				end, more = next, false
			}
		}
		p.Write(m.rest()[:end])
		m.pass(end)
		if !more || r.more(m) != read {
			break
		}
	}
	why := fmt.Sprintf("longer than the %d bytes that a record may have", r.longest)
	if !r.salvage(p.head, why+p.tell(), &c) {
		r.quarantinePiece(&p, ReasonTooLong, why, &c)
	}
	return nil
}

// junk is lines of text that nobody knows, side by side: one piece.
type junk struct {
	piece
	at context
}

func (j *junk) add(b []byte, c *context) {
	if j.size == 0 {
		j.at = *c
	} else {
		j.Write([]byte("\n"))
	}
	j.Write(b)
	j.at.incomplete = c.incomplete
}

func (r *Reader) flushJunk(m *member) {
	if m.junk.size == 0 {
		return
	}
	j := m.junk
	m.junk = junk{}
	if m.foreign && !m.found {
		r.skip("record of a file without audit events", j.head, &j.at)
		return
	}
	r.quarantinePiece(&j.piece, ReasonText, "text, but no audit event and no known line of another kind", &j.at)
}
