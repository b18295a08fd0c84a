package match

import "annals.dev/audit"

// in tests the values that the path leads to in the JSON value b. Through an array it leads to every element; of a member that
// stands twice it leads to both.
func (t *jsonTest) in(b []byte, scratch *[]byte) bool {
	if len(b) == 0 {
		return false
	}
	w := walker{b: b, value: &t.value, strings: !t.field.object, scratch: scratch}
	return w.walk(t.field, t.path)
}

// walker reads JSON that is known to be well-formed; anything else ends it early but does no harm. Its methods take the
// position of a value and return the one after it, or stop at a hit.
type walker struct {
	b       []byte
	value   *value                // what is tested,
	each    func(Value) bool      // or where values go: a hit is where it wants no more
	spans   func(audit.Span) bool // or where they go as they stand, arrays whole
	strings bool                  // numbers, booleans and null do not count
	scratch *[]byte
	hit     bool
}

// walk goes over the values of a field of JSON, and says whether there was a hit.
func (w *walker) walk(f *field, path []string) bool {
	if f.last {
		return w.leaf(w.last()) >= 0 && w.hit
	}
	return w.object(0, f.path, path) >= 0 && w.hit
}

// object goes down the first path, then the second.
func (w *walker) object(i int, path, then []string) int {
	if len(path) == 0 {
		if len(then) == 0 {
			return w.leaf(i)
		}
		path, then = then, nil
	}
	switch i = w.space(i); w.at(i) {
	case '[':
		return w.elements(i, path, then)
	case '{':
		i = w.space(i + 1)
		for w.at(i) == '"' {
			end := w.skip(i)
			key := audit.Text(w.b[i+1 : max(i+1, end-1)])
			if i = w.space(end); w.at(i) != ':' {
				break
			}
			if i = w.space(i + 1); key.Is(path[0]) {
				if i = w.object(i, path[1:], then); w.hit {
					return i
				}
			} else {
				i = w.skip(i)
			}
			if i = w.space(i); w.at(i) == ',' {
				i = w.space(i + 1)
			}
		}
		return i + 1
	}
	return w.skip(i)
}

func (w *walker) elements(i int, path, then []string) int {
	i = w.space(i + 1)
	for c := w.at(i); c != ']' && c != 0; c = w.at(i) {
		if i = w.object(i, path, then); w.hit {
			return i
		}
		if i = w.space(i); w.at(i) == ',' {
			i = w.space(i + 1)
		} else {
			break
		}
	}
	return i + 1
}

// last is the position of an array's last element, the end if it has none; of what is no array it is the value itself.
func (w *walker) last() int {
	i := w.space(0)
	if w.at(i) != '[' {
		return i
	}
	last := len(w.b)
	for i = w.space(i + 1); w.at(i) != ']' && w.at(i) != 0; {
		last = i
		if i = w.space(w.skip(i)); w.at(i) != ',' {
			break
		}
		i = w.space(i + 1)
	}
	return last
}

// leaf takes a value. An object has no text, but it is a value.
func (w *walker) leaf(i int) int {
	i = w.space(i)
	c := w.at(i)
	switch {
	case c == 0:
		return i
	case w.spans != nil:
		end := w.skip(i)
		w.hit = !w.spans(audit.Span(w.b[i:end:end]))
		return end
	}
	switch c {
	case '[':
		return w.elements(i, nil, nil)
	case '{':
		end := w.skip(i)
		if w.each != nil {
			w.hit = !w.each(Value{ObjectValue, w.b[i:end]})
		} else {
			w.hit = w.value.any()
		}
		return end
	}
	end := w.skip(i)
	kind, text := StringValue, audit.Text(w.b[i:end])
	switch {
	case c == '"':
		if text = text[1:max(1, len(text)-1)]; !text.Plain() {
			*w.scratch = text.Append((*w.scratch)[:0])
			text = *w.scratch
		}
	case w.strings:
		return end
	case c == 'n':
		kind = NullValue
	case c == 't', c == 'f':
		kind = BoolValue
	default:
		kind = NumberValue
	}
	switch {
	case w.each != nil:
		w.hit = !w.each(Value{kind, text})
	default:
		w.hit = w.value.meets(Value{kind, text})
	}
	return end
}

// skip returns the position after the value at i. It is at least i+1, or the end.
func (w *walker) skip(i int) int {
	switch w.at(i) {
	case '"':
		for i++; i < len(w.b); i++ {
			switch w.b[i] {
			case '"':
				return i + 1
			case '\\':
				i++
			}
		}
		return len(w.b)
	case '{', '[':
		for depth := 0; i < len(w.b); {
			switch w.b[i] {
			case '"':
				i = w.skip(i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
		return i
	}
	for i++; i < len(w.b); i++ {
		switch w.b[i] {
		case ',', ']', '}', ' ', '\t', '\n', '\r':
			return i
		}
	}
	return len(w.b)
}

func (w *walker) space(i int) int {
	for i < len(w.b) && (w.b[i] == ' ' || w.b[i] == '\n' || w.b[i] == '\t' || w.b[i] == '\r') {
		i++
	}
	return i
}

// at is the byte at i, 0 at the end.
func (w *walker) at(i int) byte {
	if i < len(w.b) {
		return w.b[i]
	}
	return 0
}
