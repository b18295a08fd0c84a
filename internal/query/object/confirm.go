package object

import (
	"maps"
	"slices"
)

// confirmer clears doubts about what a request itself says.
type confirmer struct{ by int }

// identity is what an object is called. A patch may name it, and sets nothing by that.
var identity = map[string][]string{"": {"apiVersion", "kind"}, "metadata": {"name", "generateName", "namespace", "uid", "creationTimestamp"}}

// confirm is n with what the act itself says beyond doubt; was is n before the act's own doubts.
func (a *act) confirm(n, was *node, by int) *node {
	c := confirmer{by}
	if a.event.Subresource == "scale" { // however it was sent, it says how many
		path := []string{"spec", "replicas"}
		if at := was.at(path); at != nil {
			n = n.with(path, func(*node) *node { return c.clear(at) })
		}
		return n
	}
	if body, ok := a.request.(map[string]any); ok {
		return c.object(n, was, body)
	}
	ops, _ := a.request.([]any)
	for _, op := range ops {
		path, byName := pointer(digText(op, "path"))
		if kind := digText(op, "op"); !byName || kind != "add" && kind != "replace" {
			continue
		}
		at := was.at(path)
		if at == nil || jsonOf(at.plain()) != jsonOf(dig(op, "value")) { // a later one undid it
			continue
		}
		n = n.with(path, func(*node) *node { return c.all(at) })
	}
	return n
}

// object is the root of an object with what the body says of it beyond doubt.
func (c confirmer) object(n, was *node, body map[string]any) *node {
	sent := maps.Clone(body)
	for _, k := range identity[""] {
		delete(sent, k)
	}
	if meta, ok := sent["metadata"].(map[string]any); ok {
		meta = maps.Clone(meta)
		for _, k := range identity["metadata"] {
			delete(meta, k)
		}
		sent["metadata"] = meta
	}
	return c.whatIsSent(n, was, sent, "")
}

// whatIsSent is n with what the body says of it. was has the shape of n.
func (c confirmer) whatIsSent(n, was *node, body any, name string) *node {
	switch body := body.(type) {
	case map[string]any:
		if n.shape != object {
			return n
		}
		m := *n
		m.members = maps.Clone(n.members)
		for k, v := range body {
			if x := n.members[k]; x != nil && v != nil {
				m.members[k] = c.whatIsSent(x, was.members[k], v, k)
			}
		}
		return &m
	case []any:
		if n.shape == list {
			return c.listSent(n, was, body, name)
		}
		return n
	}
	if n.shape == scalar && n.value == body {
		return c.clear(was)
	}
	return n
}

// listSent is a list of which some elements, or all, were sent.
func (c confirmer) listSent(n, was *node, body []any, name string) *node {
	now := make([]any, len(n.items))
	for i, x := range n.items {
		now[i] = x.plain()
	}
	key := keyOf(name, body, now)
	if key == "" && jsonOf(now) == jsonOf(body) {
		return c.all(was)
	}
	m := *n
	m.items = slices.Clone(n.items)
	for i, v := range now {
		for _, sent := range body {
			if key != "" && keyText(v, key) == keyText(sent, key) || key == "" && jsonOf(v) == jsonOf(sent) {
				m.items[i] = c.whatIsSent(n.items[i], was.items[i], sent, "")
			}
		}
	}
	return &m
}

// clear is a node of which the request says what it is.
func (c confirmer) clear(n *node) *node {
	m := *n
	m.stale = false
	switch {
	case n.by == 0:
		m.by, m.guess = c.by, false
		if m.lines != nil {
			m.lines = slices.Repeat([]int{c.by}, len(m.lines))
		}
	case n.by == c.by:
		m.guess = false
	case n.stale: // it may have been another in between, and set back
		m.guess = true
	}
	return &m
}

// all is n, all of which was sent.
func (c confirmer) all(n *node) *node {
	m := *c.clear(n)
	if n.members != nil {
		m.members = make(map[string]*node, len(n.members))
		for k, x := range n.members {
			m.members[k] = c.all(x)
		}
	}
	if n.items != nil {
		m.items = make([]*node, len(n.items))
		for i, x := range n.items {
			m.items[i] = c.all(x)
		}
	}
	return &m
}

// at is what stands at a path, nil if nothing does.
func (n *node) at(path []string) *node {
	for _, k := range path {
		if n != nil {
			n = n.members[k]
		}
	}
	return n
}

// with is n with what stands at a path changed by f.
func (n *node) with(path []string, f func(*node) *node) *node {
	if len(path) == 0 {
		return f(n)
	}
	x := n.members[path[0]]
	if x == nil {
		return n
	}
	m := *n
	m.members = maps.Clone(n.members)
	m.members[path[0]] = x.with(path[1:], f)
	return &m
}
