package match

// Conjuncts are predicates that together are p: an event matches p if it matches every one of them.
func (p *Predicate) Conjuncts() []*Predicate {
	var all []*Predicate
	for _, n := range p.conjuncts() {
		all = append(all, &Predicate{n})
	}
	return all
}
