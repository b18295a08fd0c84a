package audit

// Valid reports whether s is one JSON value, and nothing but white space around it, as encoding/json accepts it within an
// event: brackets may be nested one less deep than by itself.
func (s Span) Valid() bool {
	p := space(s, 0)
	end := skipValue(s, p, 1)
	return end >= 0 && space(s, end) == len(s)
}

// Elements yields the elements of a JSON array, in order. A value that is not an array has none.
func (s Span) Elements(yield func(Span) bool) { s.elements(yield) }
