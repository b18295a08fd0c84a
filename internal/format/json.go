package format

import (
	"annals.dev/audit"
)

// What is here looks at JSON leniently, and at JSON that ends too early. What is strict is audit.View.

const (
	notJSON    = -1
	endOfInput = -2

	longestKey = 64 // of a record's first key
)

func skipSpace(b []byte, p int) int {
	for p < len(b) && (b[p] == ' ' || b[p] == '\n' || b[p] == '\t' || b[p] == '\r') {
		p++
	}
	return p
}

// skipString returns the position after the string whose opening quote is at b[p].
func skipString(b []byte, p int) int {
	for p++; p < len(b); p++ {
		switch b[p] {
		case '\\':
			p++
		case '"':
			return p + 1
		case '\n', 0:
			return notJSON
		}
	}
	return endOfInput
}

// skipValue returns the position after the value at b[p], notJSON or endOfInput. It counts brackets only.
func skipValue(b []byte, p int) int {
	depth := 0
	for p < len(b) {
		switch c := b[p]; c {
		case '"':
			if p = skipString(b, p); p < 0 {
				return p
			}
		case '{', '[':
			depth++
			p++
		case '}', ']':
			if depth--; depth < 0 {
				return notJSON
			}
			p++
		case ',', ':':
			if depth == 0 {
				return notJSON
			}
			p++
		case 0:
			return notJSON
		default:
			from := p
			for p < len(b) && !isPunctuation(b[p]) {
				p++
			}
			if p == from { // white space
				p++
				continue
			}
			if p == len(b) && depth == 0 {
				return endOfInput
			}
		}
		if depth == 0 {
			return p
		}
	}
	return endOfInput
}

func isPunctuation(c byte) bool {
	switch c {
	case ' ', '\n', '\t', '\r', ',', ':', '{', '}', '[', ']', '"', 0:
		return true
	}
	return false
}

// keyAt reads the key at b[p] and returns it and the position of its value.
func keyAt(b []byte, p int) (string, int) {
	end := skipString(b, p)
	if end < 0 {
		return "", end
	}
	at := skipSpace(b, end)
	if at == len(b) {
		return "", endOfInput
	}
	if b[at] != ':' {
		return "", notJSON
	}
	return string(b[p+1 : end-1]), skipSpace(b, at+1)
}

// firstKey is the first key of the object that b begins with, nil if that is not to be told.
func firstKey(b []byte) []byte {
	if len(b) == 0 || b[0] != '{' {
		return nil
	}
	p := skipSpace(b[:min(len(b), longestKey)], 1)
	if p >= len(b) || b[p] != '"' {
		return nil
	}
	for i := p + 1; i < len(b) && i < p+longestKey; i++ {
		switch c := b[i]; {
		case c == '"':
			return b[p+1 : i : i]
		case c == '\\' || c < ' ':
			return nil
		}
	}
	return nil
}

// walk yields the members of the object that b begins with, as far as they are whole, and returns the one that is not.
func walk(b []byte, yield func(key string, value audit.Span) bool) (cutKey string, cutValue []byte) {
	p := skipSpace(b, 0)
	if p >= len(b) || b[p] != '{' {
		return "", nil
	}
	p = skipSpace(b, p+1)
	for p < len(b) && b[p] == '"' {
		key, at := keyAt(b, p)
		if at < 0 || at >= len(b) {
			return "", nil
		}
		end := skipValue(b, at)
		if end < 0 {
			return key, b[at:]
		}
		if !yield(key, audit.Span(b[at:end:end])) {
			return "", nil
		}
		if p = skipSpace(b, end); p < len(b) && b[p] == ',' {
			p = skipSpace(b, p+1)
		}
	}
	return "", nil
}

// member is the value of key in an object, nil if it has none.
func memberOf(object []byte, key string) (found audit.Span) {
	walk(object, func(k string, v audit.Span) bool {
		if k == key {
			found = v
		}
		return found == nil
	})
	return found
}

// content is what stands between a string's quotes, nil if it is none.
func content(value []byte) audit.Text {
	if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
		return nil
	}
	return audit.Text(value[1 : len(value)-1])
}

// decode appends a string's content to the arena and returns it; nothing if there is too much there from carriers inside
// each other.
func (r *Reader) decode(t audit.Text) []byte {
	if t.Plain() {
		return t
	}
	if len(r.arena)+len(t) > 2*r.longest {
		return nil
	}
	from := len(r.arena)
	r.arena = t.Append(r.arena)
	return r.arena[from:len(r.arena):len(r.arena)]
}
