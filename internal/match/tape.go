package match

import (
	"math"

	"annals.dev/audit"
)

// tape is JSON with its structure noted down, so that many can look into it and only one has to read it. Like walker it takes
// bytes that are no JSON without harm.
type tape struct {
	b     []byte
	nodes []tapeNode // in the order of the text: what is in an array or object follows it directly
	seen  int        // how many nodes were looked at, again or not
}

type tapeNode struct {
	key, keyEnd int32 // of a member: its name, as it stands between the quotes
	from, to    int32 // the value
	next        int32 // the node after this one and all that is in it
	kind        ValueKind
}

const arrayValue = ObjectValue + 1

// read notes down b, of which the tape keeps hold.
func (t *tape) read(b []byte) {
	t.b, t.nodes, t.seen = b, t.nodes[:0], 0
	if len(b) > math.MaxInt32 {
		t.b = nil
		return
	}
	w := walker{b: b}
	open := int32(-1) // the array or object that is being read; its next is the one around it until it is closed
	var key, keyEnd int32
	named := false
	for i := w.space(0); i < len(b); i = w.space(i) {
		c := b[i]
		switch c {
		case ',', ':':
			i++
			continue
		case ']', '}':
			i++
			if open < 0 {
				return
			}
			n := &t.nodes[open]
			open, n.next, n.to = n.next, int32(len(t.nodes)), int32(i)
			named = false
			if open < 0 {
				return
			}
			continue
		}
		if c == '"' && !named && open >= 0 && t.nodes[open].kind == ObjectValue {
			end := w.skip(i)
			key, keyEnd, named = int32(i+1), int32(max(i+1, end-1)), true
			i = end
			continue
		}
		n := tapeNode{key: key, keyEnd: keyEnd, from: int32(i)}
		if !named {
			n.key, n.keyEnd = 0, 0
		}
		named = false
		switch c {
		case '{', '[':
			n.kind, n.next, n.to = ObjectValue, open, int32(len(b))
			if c == '[' {
				n.kind = arrayValue
			}
			open = int32(len(t.nodes))
			t.nodes = append(t.nodes, n)
			i++
			continue
		case '"':
			n.kind = StringValue
		case 't', 'f':
			n.kind = BoolValue
		case 'n':
			n.kind = NullValue
		default:
			n.kind = NumberValue
		}
		i = w.skip(i)
		n.to, n.next = int32(i), int32(len(t.nodes))+1
		t.nodes = append(t.nodes, n)
		if open < 0 {
			return
		}
	}
	for open >= 0 { // it ends too early
		n := &t.nodes[open]
		open, n.next = n.next, int32(len(t.nodes))
	}
}

// in yields what is directly in the array or object at i.
func (t *tape) in(i int32) func(yield func(int32) bool) {
	return func(yield func(int32) bool) {
		for c := i + 1; c < t.nodes[i].next; c = t.nodes[c].next {
			t.seen++
			if !yield(c) {
				return
			}
		}
	}
}

func (t *tape) key(i int32) audit.Text { n := &t.nodes[i]; return audit.Text(t.b[n.key:n.keyEnd]) }

// text is a value decoded, valid until scratch is used again: of what is no string it is the JSON.
func (t *tape) text(i int32, scratch *[]byte) []byte {
	n := &t.nodes[i]
	if n.kind != StringValue {
		return t.b[n.from:n.to]
	}
	s := audit.Text(t.b[n.from+1 : max(n.from+1, n.to-1)])
	if s.Plain() {
		return s
	}
	*scratch = s.Append((*scratch)[:0])
	return *scratch
}

// each hands the values that the path leads to to f until it returns false, as walker does.
func (t *tape) each(path []string, scratch *[]byte, f func(Value) bool) bool {
	return len(t.nodes) == 0 || t.eachIn(0, path, scratch, f)
}

func (t *tape) eachIn(i int32, path []string, scratch *[]byte, f func(Value) bool) bool {
	n := &t.nodes[i]
	switch {
	case n.kind == arrayValue:
		for c := range t.in(i) {
			if !t.eachIn(c, path, scratch, f) {
				return false
			}
		}
	case len(path) == 0:
		return f(Value{n.kind, t.text(i, scratch)})
	case n.kind == ObjectValue:
		for c := range t.in(i) {
			if t.key(c).Is(path[0]) && !t.eachIn(c, path[1:], scratch, f) {
				return false
			}
		}
	}
	return true
}
