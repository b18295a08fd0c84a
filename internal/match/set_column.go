package match

import (
	"encoding/binary"
	"slices"
)

// column is what several tests look at and nothing else. An event's value is likely to be one that was seen before, since there
// are few users, clients and kinds of requests: what its tests say, and which predicates they rule out, is remembered by value.
type column struct {
	fields  []*field
	leaves  int      // tests there are
	roots   []int32  // predicates that have one of them
	asking  []uint64 // the same
	filters []*filter
}

// together are the fields that are remembered as one: of them there are few combinations.
var together = map[string]string{
	"verb": "what", "level": "what", "stage": "what", "objectRef.resource": "what", "objectRef.subresource": "what", "objectRef.apiGroup": "what",
	"objectRef.apiVersion": "what", "responseStatus.code": "what", decisionName: "what", "mark": "what", "dialect": "what", "cluster": "what",
	"user.username": "who", "user.groups": "who",
	"impersonatedUser.uid": "impersonatedUser.extra", "impersonatedUser.groups": "impersonatedUser.extra", "ip": "sourceIPs", "peer": "sourceIPs",
}

// remembered says whether a field's value is of a kind that comes again.
func remembered(f *field) bool {
	switch {
	case fields[f.name] != f:
		return false
	case f.derivation != nil:
		return f.column == "requestURI"
	case f.number != nil:
		return f.name == "responseStatus.code"
	}
	return f.column != bodies && f.name != "weekday" && f.name != "auditID"
}

// newColumns gives each test its column, and its number there.
func (s *Set) newColumns() {
	byName := map[string]int{}
	for id := range s.nodes {
		n := &s.nodes[id]
		n.column = -1
		if n.op != ' ' {
			continue
		}
		p, err := ParsePath(Leaf{n.test}.Field())
		if err != nil || !remembered(p.field) {
			continue
		}
		name := p.field.name
		if p.field.derivation != nil {
			name = p.field.column
		}
		if group := together[name]; group != "" {
			name = group
		}
		c, known := byName[name]
		if !known {
			c = len(s.columns)
			byName[name] = c
			s.columns = append(s.columns, column{})
		}
		col := &s.columns[c]
		if !slices.ContainsFunc(col.fields, func(f *field) bool { return sameSource(f, p.field) }) {
			col.fields = append(col.fields, p.field)
		}
		n.column, n.bit = int16(c), int32(col.leaves)
		col.leaves++
	}
	for c := range s.columns {
		s.columns[c].asking = newBits(len(s.roots))
	}
	for id := range s.nodes {
		n := &s.nodes[id]
		if n.column >= 0 {
			n.columns = 1 << (n.column % 64)
		}
		for _, kid := range n.kids {
			n.columns |= s.nodes[kid].columns
		}
	}
	for root, id := range s.roots {
		for c := range s.columns {
			if s.nodes[id].columns>>(c%64)&1 != 0 {
				s.columns[c].roots = append(s.columns[c].roots, int32(root))
				setBit(s.columns[c].asking, root)
			}
		}
	}
	for _, f := range s.newFilters() {
		of := &s.filters
		for c := range s.columns {
			if slices.Contains(s.columns[c].fields, f.field) {
				of = &s.columns[c].filters
			}
		}
		*of = append(*of, f)
	}
	for c := range s.columns {
		s.order = append(s.order, c)
	}
	slices.SortStableFunc(s.order, func(x, y int) int { return len(s.columns[y].roots) - len(s.columns[x].roots) })
}

func sameSource(f, g *field) bool {
	return f == g || f.span != nil && g.span != nil && f.column == g.column || f.derivation != nil && g.derivation != nil
}

// appendKey appends an event's value as it stands, so that no other has the same.
func (c *column) appendKey(dst []byte, r *Row) []byte {
	for _, f := range c.fields {
		var v []byte
		switch {
		case f.text != nil:
			v = f.text(r.View)
		case f.span != nil:
			v = f.span(r.View)
		case f.derivation != nil:
			v = r.View.RequestURI
		case f.row != nil:
			dst = append(dst, f.row(r)...)
			v = []byte{}
		case f.name == "mark":
			dst = binary.LittleEndian.AppendUint32(dst, uint32(r.Marks))
		case f.name == "dialect":
			dst = binary.LittleEndian.AppendUint32(dst, uint32(r.Dialect))
		default:
			dst = binary.LittleEndian.AppendUint32(dst, uint32(r.View.ResponseStatus.Code))
		}
		dst = append(dst, v...)
		n := uint32(len(dst)) << 1
		if v != nil {
			n |= 1
		}
		dst = binary.LittleEndian.AppendUint32(dst, n) // where it ends, and whether it is there
	}
	return dst
}

// A column remembers values up to this length, until there are so many or their notes take so much memory.
const (
	maxRememberedValue = 1 << 10
	maxRemembered      = 1 << 12
	maxRememberedBytes = 2 << 20
	// A look at so many values tells whether they come again. If not, so many events pass before the next look.
	lookAt = 1 << 12
	passBy = 1 << 16
	// What a value rules out is found for so many predicates for each time that it was seen.
	ruleOutAt = 20
)

// memory is what a matcher remembers of a column.
type memory struct {
	values map[string]*knownValue
	bytes  int
	looks  int
	misses int
	pass   int // events
	now    *knownValue
}

// knownValue is what is known of events with a value.
type knownValue struct {
	seen    int
	decided []uint64 // by test of the column
	met     []uint64
	roots   []uint64 // those that it does not rule out, once it was seen often enough to be worth finding out
}

// look finds what is known of the event's value, and takes the predicates from m.roots that the value rules out. It says whether
// some are left.
func (m *Matcher) look(c int, r *Row) bool {
	col, mem := &m.set.columns[c], &m.memory[c]
	if mem.now = nil; !meet(m.roots, col.asking) {
		return true // of those that are left none asks
	}
	if mem.now = m.recall(col, mem, r); mem.now == nil || mem.now.roots == nil {
		if mem.now == nil || mem.now.seen < 3+len(col.roots)/ruleOutAt {
			for _, f := range col.filters {
				f.restrict(m, r)
			}
			return true
		}
		m.ruleOut(c, r)
	}
	left := uint64(0)
	for i, b := range mem.now.roots {
		m.roots[i] &= b
		left |= m.roots[i]
	}
	return left != 0
}

// meet says whether two have a bit in common.
func meet(x, y []uint64) bool {
	for i := range x {
		if x[i]&y[i] != 0 {
			return true
		}
	}
	return false
}

func (m *Matcher) recall(col *column, mem *memory, r *Row) *knownValue {
	if r.View.AuditID == nil { // to tests of some languages there is no event then, whatever the value
		return nil
	}
	if mem.pass > 0 {
		mem.pass--
		return nil
	}
	m.key = col.appendKey(m.key[:0], r)
	if len(m.key) > maxRememberedValue {
		return nil
	}
	if mem.looks++; mem.looks == lookAt {
		if mem.misses > lookAt/2 {
			mem.pass = passBy
			mem.values, mem.bytes = nil, 0
		}
		mem.looks, mem.misses = 0, 0
	}
	v := mem.values[string(m.key)]
	if v == nil {
		mem.misses++
		if mem.values == nil || len(mem.values) >= maxRemembered || mem.bytes > maxRememberedBytes {
			mem.values, mem.bytes = map[string]*knownValue{}, 0
		}
		words := newBits(col.leaves)
		v = &knownValue{decided: words, met: newBits(col.leaves)}
		mem.values[string(m.key)] = v
		mem.bytes += len(m.key) + 16*len(words) + 200
	}
	v.seen++
	return v
}

// ruleOut finds which predicates can be true of an event with the value that was looked at last.
func (m *Matcher) ruleOut(c int, r *Row) {
	mem := &m.memory[c]
	mem.now.roots = newBits(len(m.set.roots))
	defer func(eager bool) { m.eager = eager }(m.eager)
	m.eager = len(m.set.columns[c].roots) >= minSifted
	for i := range mem.now.roots {
		mem.now.roots[i] = ^uint64(0)
	}
	for _, root := range m.set.columns[c].roots {
		if m.sure(m.set.roots[root], c, r) == No {
			clearBit(mem.now.roots, int(root))
		}
	}
	mem.bytes += 8 * len(mem.now.roots)
}

// sure says what is known of a condition by the tests of one column.
func (m *Matcher) sure(id int32, c int, r *Row) Truth {
	n := &m.set.nodes[id]
	if n.columns>>(c%64)&1 == 0 {
		return Maybe
	}
	switch n.op {
	case ' ':
		if int(n.column) != c {
			return Maybe
		}
		if m.decide(id, r) {
			return Yes
		}
		return No
	case '!':
		return -m.sure(n.kids[0], c, r)
	}
	all := n.op == '&'
	truth := No
	if all {
		truth = Yes
	}
	for _, kid := range n.kids {
		if t := m.sure(kid, c, r); all {
			if truth = min(truth, t); truth == No {
				break
			}
		} else if truth = max(truth, t); truth == Yes {
			break
		}
	}
	return truth
}
