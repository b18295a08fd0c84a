package object

import (
	"encoding/json"
	"maps"
	"slices"
)

// shape is what a node is.
type shape uint8

const (
	scalar shape = iota
	object
	list
)

// node is a value of an object's last known state, with who set it. Nodes are not changed once they are part of a state: a
// state shares with the one before all that is the same.
type node struct {
	shape   shape
	value   any // of a scalar: nil, bool, string or json.Number
	members map[string]*node
	items   []*node

	by    int   // number of the version that set it; 0: before the first that was seen
	lines []int // of a text of several lines: who set each; by is then who put the text there
	stale bool  // may have been changed since by what nobody saw; of an object or list: may have more, or fewer
	guess bool  // the value is known, who set it is not quite
	open  bool  // of an object that was sent: the server may have set members more, which were not seen
}

// grow makes nodes of a value. Members that are null are as good as absent.
func grow(v any, by int, stale, guess bool) *node {
	n := &node{by: by, stale: stale, guess: guess}
	switch v := v.(type) {
	case map[string]any:
		n.shape, n.members = object, make(map[string]*node, len(v))
		for k, x := range v {
			if x != nil {
				n.members[k] = grow(x, by, stale, guess)
			}
		}
	case []any:
		n.shape, n.items = list, make([]*node, len(v))
		for i, x := range v {
			n.items[i] = grow(x, by, stale, guess)
		}
	default:
		n.value = v
		if k := len(textLines(v)); k > 1 {
			n.lines = slices.Repeat([]int{by}, k)
		}
	}
	return n
}

// opened is n, which was sent and not answered.
func (n *node) opened() *node {
	n.open = n.shape == object
	for _, x := range n.members {
		x.opened()
	}
	for _, x := range n.items {
		x.opened()
	}
	return n
}

// plain is the value that a node stands for.
func (n *node) plain() any {
	switch n.shape {
	case object:
		m := make(map[string]any, len(n.members))
		for k, x := range n.members {
			m[k] = x.plain()
		}
		return m
	case list:
		l := make([]any, len(n.items))
		for i, x := range n.items {
			l[i] = x.plain()
		}
		return l
	}
	return n.value
}

// jsonOf writes a value; keys are sorted, so the same value is the same text.
func jsonOf(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "" // of what was read from JSON there is nothing that cannot be written
	}
	return string(b)
}

// anyStale says whether something in n may have changed since.
func (n *node) anyStale() bool {
	if n == nil || n.stale {
		return true
	}
	for _, x := range n.members {
		if x.anyStale() {
			return true
		}
	}
	return slices.ContainsFunc(n.items, (*node).anyStale)
}

// doubt is n, all of which may have changed since.
func (n *node) doubt() *node {
	c := *n
	c.stale = true
	if n.members != nil {
		c.members = make(map[string]*node, len(n.members))
		for k, x := range n.members {
			c.members[k] = x.doubt()
		}
	}
	if n.items != nil {
		c.items = make([]*node, len(n.items))
		for i, x := range n.items {
			c.items[i] = x.doubt()
		}
	}
	return &c
}

// doubtful is the root of a state after a change of which nothing is known. What an object is called does not change while
// it is the same object.
func (n *node) doubtful() *node {
	c := n.doubt()
	keep(c, n, identity[""])
	if meta, was := c.members["metadata"], n.members["metadata"]; meta != nil {
		keep(meta, was, identity["metadata"])
	}
	return c
}

func keep(c, n *node, names []string) {
	for _, k := range names {
		if x := n.members[k]; x != nil {
			c.members[k] = x
		}
	}
}

// doubtAt is n with doubt about what stands under one of the paths, each a list of member names.
func (n *node) doubtAt(path []string) *node {
	if len(path) == 0 || n.shape != object {
		return n.doubt()
	}
	c := *n
	x := n.members[path[0]]
	if x == nil { // it may have come to be
		c.stale = true
		return &c
	}
	c.members = maps.Clone(n.members)
	c.members[path[0]] = x.doubtAt(path[1:])
	return &c
}

// sure says whether anything at or below n is known for certain.
func (n *node) sure() bool {
	if n.shape == scalar || len(n.members)+len(n.items) == 0 {
		return !n.stale
	}
	for _, x := range n.members {
		if x.sure() {
			return true
		}
	}
	return slices.ContainsFunc(n.items, (*node).sure)
}

// certain is what of n is known for certain, nil if nothing is.
func (n *node) certain() *node {
	if !n.sure() {
		return nil
	}
	c := *n
	if n.members != nil {
		c.members = map[string]*node{}
		for k, x := range n.members {
			if y := x.certain(); y != nil {
				c.members[k] = y
			}
		}
	}
	if n.items != nil {
		c.items = nil
		for _, x := range n.items {
			if y := x.certain(); y != nil {
				c.items = append(c.items, y)
			}
		}
	}
	return &c
}
