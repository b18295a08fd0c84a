package audit

// Strings yields the strings of a JSON array, in order. Elements that are not strings are passed over; a value that is
// not an array has none. It is made to be ranged over: for ip := range v.SourceIPs.Strings.
func (s Span) Strings(yield func(Text) bool) {
	for value := range s.elements {
		if value[0] == '"' && !yield(Text(value[1:len(value)-1:len(value)-1])) {
			return
		}
	}
}

func (s Span) elements(yield func(Span) bool) {
	p := space(s, 0)
	if p >= len(s) || s[p] != '[' {
		return
	}
	for p = space(s, p+1); p < len(s) && s[p] != ']'; p = space(s, p+1) {
		end := skipValue(s, p, 1)
		if end < 0 || !yield(s[p:end:end]) {
			return
		}
		if p = space(s, end); p >= len(s) || s[p] != ',' {
			return
		}
	}
}

// Members yields the members of a JSON object, in order, null ones and those that stand twice too. A value that is not
// an object has none.
func (s Span) Members(yield func(key Text, value Span) bool) {
	p := space(s, 0)
	if p >= len(s) || s[p] != '{' {
		return
	}
	p, more := first(s, p)
	for more {
		key, at := member(s, p)
		if at < 0 {
			return
		}
		end := skipValue(s, at, 1)
		if end < 0 || !yield(key, s[at:end:end]) {
			return
		}
		p, more = next(s, end)
	}
}

// text is what stands between a string's quotes, nil if s is not a string.
func (s Span) text() Text {
	if len(s) < 2 || s[0] != '"' {
		return nil
	}
	return Text(s[1 : len(s)-1 : len(s)-1])
}
