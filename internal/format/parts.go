package format

import "bytes"

// parts are messages of which only the beginning has come: container runtimes split at 16 KiB.
type parts []part

const mostParts = 8 // streams at once: stdout, stderr, and what fluentd may merge

type part struct {
	stream string
	b      []byte
	c      context
}

// part takes one part of a message on a stream. It gives false if the message is whole and of no kind that is known.
func (r *Reader) part(stream string, b []byte, final bool, c *context) bool {
	m := c.m
	i := m.parts.of(stream)
	if i >= 0 && bytes.HasPrefix(b, []byte(`{"kind":"Event","apiVersion":"audit.k8s.io/`)) {
		r.lonely(m, i, "the rest of it never came") // its end was lost: another begins
		i = -1
	}
	if i < 0 {
		if final {
			return r.inner(b, c)
		}
		if len(m.parts) == mostParts {
			r.lonely(m, 0, "the rest of it did not come in time")
		}
		m.parts = append(m.parts, part{stream: stream, c: *c})
		i = len(m.parts) - 1
		m.parts[i].c.strict = false
	}
	p := &m.parts[i]
	if len(p.b)+len(b) > r.longest {
		r.lonely(m, i, "longer than a record may be")
		return r.part(stream, b, final, c)
	}
	p.b = append(p.b, b...)
	if final {
		whole := *p
		m.parts.remove(i)
		if !r.inner(whole.b, &whole.c) {
			r.quarantine(whole.b, ReasonText, "neither an audit event nor a known line of another kind", &whole.c)
		}
	}
	return true
}

func (p parts) of(stream string) int {
	for i := range p {
		if p[i].stream == stream {
			return i
		}
	}
	return -1
}

func (p *parts) remove(i int) { *p = append((*p)[:i:i], (*p)[i+1:]...) }

// lonely gives up waiting for the rest of a message.
func (r *Reader) lonely(m *member, i int, why string) {
	p := m.parts[i]
	m.parts.remove(i)
	if !r.inner(p.b, &p.c) {
		r.quarantine(p.b, ReasonCut, why, &p.c)
	}
}

func (r *Reader) flushParts(m *member) {
	for len(m.parts) > 0 {
		m.parts[0].c.incomplete = true
		r.lonely(m, 0, "the rest of it never came")
	}
}

// resume is where reading has to begin again to lose nothing that waits in m.
func (m *member) resume() int64 {
	at := m.offset(m.p)
	for i := range m.parts {
		at = min(at, m.parts[i].c.off)
	}
	if m.junk.size > 0 {
		at = min(at, m.junk.at.off)
	}
	return at
}
