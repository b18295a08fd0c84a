package match

import (
	"bytes"
	"sync"

	"annals.dev/audit"
)

// derived is a field that says what an event means rather than what it says: of a pod's specification wherever it stands in
// which workload, of a role, of a binding. It depends on the two bodies alone, unless it has a column of its own.
type derived uint8

const (
	podPrivileged derived = iota
	podHostPath
	podHostPathWritable
	podHostNetwork
	podHostPID
	podHostIPC
	podHostProcess
	podShareProcessNamespace
	podCapability
	podImage
	podContainer
	podCommand
	podServiceAccount
	podRunAsUser
	podAllowPrivilegeEscalation
	podProcMount
	podSeccomp
	podAppArmor
	podSysctl
	podVolumeType
	podSecret
	podNode
	podHostPort
	podImagePullSecret
	podAutomountToken
	podEphemeral
	roleVerb
	roleResource
	roleAPIGroup
	roleNonResourceURL
	roleGrant
	roleAggregates
	bindingUser
	bindingGroup
	bindingRole
	csrSigner
	csrUser
	csrGroup
	bodyName // object.name and object.namespace, where objectRef has none
	bodyNamespace
	actor
	execCommand
	execContainer
	derivedCount
)

// unsaid stands for what a patch leaves open: it copies from what is there, or adds a verb to a rule.
const unsaid = "?"

// facts are the derived fields of an event's bodies.
type facts struct {
	text   []byte
	values [derivedCount][]piece
}

type piece struct{ from, to int32 } // of text

func (f *facts) reset() {
	f.text = f.text[:0]
	for i := range f.values {
		f.values[i] = f.values[i][:0]
	}
}

func (f *facts) add(d derived, text ...[]byte) {
	from := len(f.text)
	for _, t := range text {
		f.text = append(f.text, t...)
	}
	f.since(d, from)
}

// since makes a value of what was written to text from there on. An empty one is none, and one that is there already stays
// alone if it is the last.
func (f *facts) since(d derived, from int) {
	all := f.values[d]
	if n := len(all); len(f.text) == from || n > 0 && bytes.Equal(f.text[from:], f.text[all[n-1].from:all[n-1].to]) {
		f.text = f.text[:from]
		return
	}
	f.values[d] = append(all, piece{int32(from), int32(len(f.text))})
}

// each hands the values of a field to yield, until it returns false.
func (f *facts) each(d derived, yield func([]byte) bool) bool {
	for _, p := range f.values[d] {
		if !yield(f.text[p.from:p.to]) {
			return false
		}
	}
	return true
}

// memo is what is known of an event while predicates look at it, so that it is found out once.
type memo struct {
	shared            bool // many look at it
	haveFacts         bool
	haveTape          [2]bool
	request, response tape
	facts             facts
}

var memos = sync.Pool{New: func() any { return new(memo) }}

// reset forgets the event, and gives memory back that only a huge one needs.
func (m *memo) reset() {
	const some = 1 << 16
	m.haveFacts, m.haveTape = false, [2]bool{}
	m.request.b, m.response.b = nil, nil
	if cap(m.request.nodes) > some {
		m.request.nodes = nil
	}
	if cap(m.response.nodes) > some {
		m.response.nodes = nil
	}
	if cap(m.facts.text) > some {
		m.facts = facts{}
	}
}

func (m *memo) requestTape(request []byte) *tape {
	if !m.haveTape[0] {
		m.request.read(valid(request))
		m.haveTape[0] = true
	}
	return &m.request
}

func (m *memo) responseTape(response []byte) *tape {
	if !m.haveTape[1] {
		m.response.read(valid(response))
		m.haveTape[1] = true
	}
	return &m.response
}

func (m *memo) factsOf(request, response []byte) *facts {
	if !m.haveFacts {
		m.facts.reset()
		m.haveFacts = true
		if len(request) > 0 {
			extract(m.requestTape(request), &m.facts)
		}
		if len(response) > 0 {
			extractMeta(m.responseTape(response), &m.facts)
		}
		if len(request) > 0 && len(m.facts.values[bodyName]) == 0 && len(m.facts.values[bodyNamespace]) == 0 {
			extractMeta(m.requestTape(request), &m.facts)
		}
	}
	return &m.facts
}

// tape is that of a body, if many look at the event; nil otherwise, and of what is no body.
func (r *Row) tape(f *field) *tape {
	switch {
	case r.memo == nil || !r.memo.shared || f.column != bodies:
		return nil
	case f.name == "requestObject":
		return r.memo.requestTape(r.View.RequestObject)
	case f.name == "responseObject":
		return r.memo.responseTape(r.View.ResponseObject)
	}
	return nil
}

// withMemo gives f what is known of the event: the row's while a predicate looks at it, else one for the moment.
func (r *Row) withMemo(f func(*memo) bool) bool {
	if r.memo != nil {
		return f(r.memo)
	}
	m := memos.Get().(*memo)
	m.reset()
	if r.matching { // until the predicate is decided
		r.memo = m
		return f(m)
	}
	defer memos.Put(m)
	return f(m)
}

// eachDerived hands the values of a derived field to yield, until it returns false.
func (r *Row) eachDerived(d derived, yield func([]byte) bool) bool {
	v := r.View
	own := audit.Text(nil)
	switch d {
	case actor:
		if own = v.ImpersonatedUser.Username; len(own) == 0 {
			own = v.User.Username
		}
		return len(own) == 0 || yield(r.decode(own))
	case execCommand, execContainer:
		if bytes.IndexByte(v.RequestURI, '?') < 0 {
			return true
		}
		command := appendExec(nil, d, r.decode(v.RequestURI))
		return len(command) == 0 || yield(command)
	case bodyName:
		own = v.ObjectRef.Name
	case bodyNamespace:
		own = v.ObjectRef.Namespace
	}
	if len(own) > 0 {
		return yield(r.decode(own))
	}
	if len(v.RequestObject) == 0 && (d < bodyName || len(v.ResponseObject) == 0) {
		return true
	}
	return r.withMemo(func(m *memo) bool { return m.factsOf(v.RequestObject, v.ResponseObject).each(d, yield) })
}

// appendExec appends what a request's URI says of exec: the parameters of that name, decoded, with blanks between them.
func appendExec(dst []byte, d derived, uri []byte) []byte {
	name := "command"
	if d == execContainer {
		name = "container"
	}
	_, query, _ := bytes.Cut(uri, []byte("?"))
	if !bytes.Contains(query, []byte(name)) && bytes.IndexByte(query, '%') < 0 {
		return dst
	}
	for param := range bytes.SplitSeq(query, []byte("&")) {
		key, value, _ := bytes.Cut(param, []byte("="))
		if string(appendUnescaped(nil, key)) != name {
			continue
		}
		if len(dst) > 0 {
			dst = append(dst, ' ')
		}
		dst = appendUnescaped(dst, value)
	}
	return bytes.ToValidUTF8(dst, []byte("\ufffd"))
}

// appendUnescaped appends what a query's key or value stands for. What is no escape stays.
func appendUnescaped(dst, s []byte) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '+' {
			c = ' '
		} else if c == '%' && i+2 < len(s) {
			if r, ok := hex4([]byte{'0', '0', s[i+1], s[i+2]}); ok {
				c, i = byte(r), i+2
			}
		}
		dst = append(dst, c)
	}
	return dst
}
