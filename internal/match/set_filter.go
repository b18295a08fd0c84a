package match

import (
	"maps"
	"slices"
	"strconv"

	"annals.dev/audit"
)

// filter passes over the predicates that ask for other texts of a field than an event has.
type filter struct {
	field *field
	free  []uint64           // roots that do not ask, or not for whole texts
	by    map[string]passing // by text, in small letters
}

// passing are the roots that a text lets pass: as bits with the free ones, or if they are few as a list without.
type passing struct {
	bits []uint64
	list []int32
}

func newBits(n int) []uint64        { return make([]uint64, (n+63)/64) }
func setBit(bits []uint64, i int)   { bits[i/64] |= 1 << (i % 64) }
func clearBit(bits []uint64, i int) { bits[i/64] &^= 1 << (i % 64) }

func filterable(f *field) bool {
	return f != nil && (f.text != nil || f.row != nil || f.name == "responseStatus.code")
}

// newFilters makes one for each field of which a predicate asks for whole texts.
func (s *Set) newFilters() []*filter {
	byField := map[string]*filter{}
	for root, id := range s.roots {
		for name, texts := range s.required(id, false) {
			f := byField[name]
			if f == nil {
				f = &filter{field: fields[name], free: newBits(len(s.roots)), by: map[string]passing{}}
				for i := range s.roots {
					setBit(f.free, i)
				}
				byField[name] = f
			}
			clearBit(f.free, root)
			for text := range texts {
				p := f.by[text]
				p.list = append(p.list, int32(root))
				f.by[text] = p
			}
		}
	}
	var all []*filter
	for _, name := range slices.Sorted(maps.Keys(byField)) {
		f := byField[name]
		for text, p := range f.by {
			if len(p.list) > len(f.free) {
				bits := slices.Clone(f.free)
				for _, root := range p.list {
					setBit(bits, int(root))
				}
				f.by[text] = passing{bits: bits}
			}
		}
		all = append(all, f)
	}
	return all
}

// texts are what a field must be one of.
type texts map[string]bool

// required says, of each field of which the condition asks for whole texts wherever it is true (or false, if negated), for which.
func (s *Set) required(id int32, negated bool) map[string]texts {
	n := &s.nodes[id]
	switch {
	case n.op == '!':
		return s.required(n.kids[0], !negated)
	case n.op == ' ':
		if negated {
			return nil
		}
		name, all := wholeTexts(n.test)
		if all == nil {
			return nil
		}
		return map[string]texts{name: all}
	case n.op == '&' != negated: // all hold
		all := map[string]texts{}
		for _, kid := range n.kids {
			for name, of := range s.required(kid, negated) {
				if known := all[name]; known != nil {
					maps.DeleteFunc(of, func(t string, _ bool) bool { return !known[t] })
				}
				all[name] = of
			}
		}
		return all
	}
	var some map[string]texts
	for i, kid := range n.kids { // one holds
		of := s.required(kid, negated)
		if i == 0 {
			some = of
			continue
		}
		maps.DeleteFunc(some, func(name string, _ texts) bool { return of[name] == nil })
		for name, known := range some {
			maps.Copy(known, of[name])
		}
	}
	return some
}

// wholeTexts are those of which a field must be one for the test to be true, in small letters; nil if it is not that simple.
func wholeTexts(n node) (name string, all texts) {
	exact := Leaf{n}.Exact()
	if t, ok := n.(*numberTest); ok && t.from == t.to && t.field.unit == plain {
		exact = []string{strconv.FormatInt(t.from, 10)}
	}
	if exact == nil {
		return "", nil
	}
	p, err := ParsePath(Leaf{n}.Field())
	if err != nil || !filterable(p.field) || fields[p.field.name] == nil {
		return "", nil
	}
	all = texts{}
	for _, e := range exact {
		folded, ok := foldASCII(nil, []byte(e))
		if !ok {
			return "", nil
		}
		all[string(folded)] = true
	}
	return p.field.name, all
}

// foldASCII appends b with its letters in lower case. It does not know those of other scripts, some of which fold to ASCII.
func foldASCII(dst, b []byte) ([]byte, bool) {
	for _, c := range b {
		if c >= 0x80 {
			return dst, false
		}
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst, true
}

// restrict takes from the matcher's roots those that do not pass.
func (f *filter) restrict(m *Matcher, r *Row) {
	roots, buf := m.roots, &m.buf
	var text []byte
	switch {
	case f.field.text != nil:
		text = r.decode(f.field.text(r.View))
	case f.field.row != nil:
		text = append((*buf)[:0], f.field.row(r)...)
	default:
		if n, ok := f.field.number(r); ok {
			text = strconv.AppendInt((*buf)[:0], n, 10)
		}
	}
	folded, ok := foldASCII((*buf)[:0], text)
	*buf = folded
	if !ok {
		return
	}
	p := f.by[string(folded)]
	if p.bits != nil {
		for i, b := range p.bits {
			roots[i] &= b
		}
		return
	}
	kept := m.kept[:0]
	for _, root := range p.list {
		if roots[root/64]>>(root%64)&1 != 0 {
			kept = append(kept, root)
		}
	}
	for i, b := range f.free {
		roots[i] &= b
	}
	for _, root := range kept {
		setBit(roots, int(root))
	}
	m.kept = kept
}

// needsBody says whether the condition is true (or false, if negated) of no event without the request's or the response's body.
func (s *Set) needsBody(id int32, negated bool, which int) bool {
	n := &s.nodes[id]
	switch {
	case n.op == '!':
		return s.needsBody(n.kids[0], !negated, which)
	case n.op == ' ':
		return ofBody(n.test, which) && metWithout(n.test) == toTruth(negated)
	}
	needs := func(kid int32) bool { return s.needsBody(kid, negated, which) }
	if n.op == '&' != negated {
		return slices.ContainsFunc(n.kids, needs)
	}
	return len(n.kids) > 0 && !slices.ContainsFunc(n.kids, func(kid int32) bool { return !needs(kid) })
}

func toTruth(b bool) Truth {
	if b {
		return Yes
	}
	return No
}

// ofBody says whether a test looks at nothing but the request's body, or the response's.
func ofBody(n node, which int) bool {
	p, err := ParsePath(Leaf{n}.Field())
	if err != nil {
		return false
	}
	switch {
	case p.field.derivation != nil:
		return which == 0 && p.field.column == bodies && p.field.derivation.id < bodyName
	case which == 0:
		return p.field.name == "requestObject"
	}
	return p.field.name == "responseObject"
}

// without are events without bodies, otherwise as different as can be.
var without = []string{
	`{}`,
	`{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"7d4652a1-ab0b-4f5e-a4f5-1e0c0a3b2c5d","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/a/pods/a?x=y","verb":"create",` +
		`"user":{"username":"a","uid":"a","groups":["a"],"extra":{"a":["a"]}},"impersonatedUser":{"username":"a","groups":["a"]},"sourceIPs":["192.0.2.1"],"userAgent":"a","objectRef":{"resource":"pods","namespace":"a","name":"a","uid":"a","apiGroup":"a","apiVersion":"v1","subresource":"a"},` +
		`"responseStatus":{"code":200,"reason":"a"},"requestReceivedTimestamp":"2026-11-21T00:00:00.000000Z","stageTimestamp":"2026-11-21T00:00:00.100000Z","annotations":{"authorization.k8s.io/decision":"allow","a":"a"}}`,
}

// metWithout says whether a test of a body is met where there is none.
func metWithout(n node) Truth {
	met := 0
	for _, e := range without {
		var v audit.View
		if err := v.Parse([]byte(e)); err != nil {
			return Maybe
		}
		if n.match(&Row{View: &v}) {
			met++
		}
	}
	switch met {
	case 0:
		return No
	case len(without):
		return Yes
	}
	return Maybe
}
