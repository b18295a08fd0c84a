package format

import (
	"io"
	"path"
	"strings"
)

// member is a stream of records: a file, or one in an archive, or what a carrier held. Its buffer never moves while
// events of this chunk lie in it.
type member struct {
	path    string
	node    string
	src     io.Reader
	raw     *tail  // src before it was decompressed
	kind    string // of the container that raw is
	layers  int    // of containers around it
	depth   int    // of carriers around it
	foreign bool   // of an archive, and not called an audit log: what cannot be read in it is nobody's loss
	found   bool   // an event was

	buf  []byte // buf[p:n] is still to be read
	p, n int
	base int64 // where buf[0] is in the stream
	done bool  // src has no more
	err  error // why it has no more, if not for its end
	fix  int64 // if not negative, the offset of all records: that of the carrier

	fresh  bool // nothing but col spaces stands before p on its line
	col    int
	lists  []list
	shut   closing
	key    string    // the first key of the last good record
	starts [2][]byte // how the last records began, of two kinds
	effort int64     // bytes looked at in vain
	time   int64     // when its carrier took it
	table  *table    // after a CSV header
	begun  bool      // a text line came
	parts  parts
	halves halves
	junk   junk
}

// status is what more came to.
type status int

const (
	read   status = iota
	ended         // there is no more
	full          // the record is too long
	paused        // there is more, but events lie in the buffer
)

func (m *member) rest() []byte { return m.buf[m.p:m.n] }

func (m *member) offset(p int) int64 {
	if m.fix >= 0 {
		return m.fix
	}
	return m.base + int64(p)
}

// more reads on behind buf[:n]; p may move, what is between p and n moves with it.
func (r *Reader) more(m *member) status {
	if m.done {
		return ended
	}
	if len(r.events) > 0 {
		return paused
	}
	have := m.n - m.p
	if have >= r.longest {
		return full
	}
	if m.p > 0 {
		copy(m.buf, m.rest())
		m.base += int64(m.p)
		m.p, m.n = 0, have
	}
	if m.n == len(m.buf) {
		r.grow(m)
	}
	// A record is looked at again from its start after each read: a long one has to come in few reads.
	want := m.n + 1
	switch {
	case r.greedy:
		want = max(r.size, 2*have)
	case have >= 64<<10:
		want = 2 * have
	}
	for m.n < want && !m.done {
		if m.n == len(m.buf) {
			if len(m.buf) == r.longest {
				break
			}
			r.grow(m)
		}
		k, err := m.src.Read(m.buf[m.n:])
		m.n += k
		r.counts.Bytes += int64(k)
		if err != nil {
			m.done = true
			if err != io.EOF {
				m.err = err
			}
		}
	}
	if m.n > have {
		return read
	}
	return ended
}

// grow makes room behind m.buf[:n]; m.p is 0.
func (r *Reader) grow(m *member) {
	grown := r.spare
	if r.spare = nil; len(grown) <= len(m.buf) {
		grown = make([]byte, min(max(2*len(m.buf), smallest), r.longest))
	}
	copy(grown, m.rest())
	m.buf = grown
}

// ensure has k bytes behind p, if the stream has them.
func (r *Reader) ensure(m *member, k int) status {
	for m.n-m.p < k {
		if s := r.more(m); s != read {
			return s
		}
	}
	return read
}

// skippedName is the kind of a file that holds no events, by its name.
func skippedName(name string) string {
	switch base := path.Base(name); {
	case base == "aws-logs-write-test":
		return "aws-logs-write-test"
	case strings.HasSuffix(base, ".audit_logs_listing"), strings.HasSuffix(base, ".terminating"), base == ".lock",
		strings.HasSuffix(base, ".lock"):
		return "must-gather's own file"
	case strings.HasPrefix(base, "._"):
		return "file of the archiver's own"
	}
	return ""
}

// nodeOf is the node in a name that must-gather gave: audit_logs/kube-apiserver/master-0-audit-2018-10-25T14-09-12.581.log.gz
func nodeOf(name string) string {
	if !strings.Contains(name, "/audit_logs/") {
		return ""
	}
	node, _, ok := strings.Cut(path.Base(name), "-audit")
	if !ok {
		return ""
	}
	return node
}
