package object

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// turn brings a state to its next version: what stays the same keeps its author, what differs becomes a Change of version by.
type turn struct {
	by       int
	observed bool // the new value is the whole truth; else what was stale stays so
	sent     bool // it is what was sent, not what was answered
	changes  []Change
	dropped  int // changes beyond maxChanges
}

// maxChanges is how many fields of one version are told apart, maxValue how long a value may be in a Change.
const (
	maxChanges = 200
	maxValue   = 2 << 10
)

func (t *turn) change(path string, before, after *node) {
	if len(t.changes) == maxChanges {
		t.dropped++
		return
	}
	c := Change{Path: path}
	if before != nil {
		if before.stale && (!t.observed || before.value == nil && before.shape == scalar) {
			c.BeforeUnknown = true
		} else {
			c.Before = t.short(before, &c)
		}
	}
	if after != nil {
		c.After = t.short(after, &c)
	}
	t.changes = append(t.changes, c)
}

func (t *turn) short(n *node, c *Change) string {
	text := jsonOf(n.plain())
	if len(text) <= maxValue {
		return text
	}
	c.Cut = true
	return jsonOf(fmt.Sprintf("%s… (%d bytes)", strings.ToValidUTF8(text[:maxValue/2], ""), len(text)))
}

// added is a node that was not there. under is what it is added to.
func (t *turn) added(v any, path string, under *node) *node {
	unseen := under.stale || under.open && !t.sent // it may have been there
	n := grow(v, t.by, !t.observed && under.stale, t.observed && unseen)
	if t.sent {
		n.opened()
	}
	if !unseen {
		t.change(path, nil, n)
		return n
	}
	t.change(path, &node{stale: true}, n)
	return n
}

// to is old, turned to v.
func (t *turn) to(old *node, v any, path string) *node {
	var c node
	switch v := v.(type) {
	case map[string]any:
		if old.shape != object {
			return t.replaced(old, v, path)
		}
		c = *old
		c.members = make(map[string]*node, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if v[k] == nil {
				continue
			}
			if x := old.members[k]; x != nil {
				c.members[k] = t.to(x, v[k], member(path, k))
			} else {
				c.members[k] = t.added(v[k], member(path, k), old)
			}
		}
		for _, k := range slices.Sorted(maps.Keys(old.members)) {
			if c.members[k] == nil {
				t.change(member(path, k), old.members[k], nil)
			}
		}
	case []any:
		if old.shape != list {
			return t.replaced(old, v, path)
		}
		c = *old
		c.items = t.items(old, v, path)
	default:
		if old.shape != scalar || old.value != v {
			return t.replaced(old, v, path)
		}
		c = *old
	}
	if t.observed && c.stale { // it is what it was, but may have been another, and set back
		c.stale, c.guess = false, true
	}
	if !t.sent {
		c.open = false
	}
	if c.stale == old.stale && c.open == old.open && sameNodes(&c, old) {
		return old
	}
	return &c
}

func sameNodes(a, b *node) bool {
	return maps.Equal(a.members, b.members) && slices.Equal(a.items, b.items)
}

// replaced is a node whose value is another.
func (t *turn) replaced(old *node, v any, path string) *node {
	n := grow(v, t.by, false, t.observed && old.stale)
	if t.sent {
		n.opened()
	}
	t.change(path, old, n)
	if was, now := textLines(old.value), textLines(v); old.shape == scalar && len(was) > 1 && len(now) > 1 {
		n.by, n.lines = old.by, authors(was, now, old.lines, t.by)
	}
	return n
}

// authors are those of a text's lines: those that stay have the one they had.
func authors(was, now []string, of []int, by int) []int {
	lines := make([]int, 0, len(now))
	for _, e := range compare(was, now) {
		switch e.op {
		case ' ':
			lines = append(lines, of[e.a])
		case '+':
			lines = append(lines, by)
		}
	}
	return lines
}

// textLines are a text's lines, newlines included; of any other value there are none.
func textLines(v any) []string {
	s, ok := v.(string)
	if !ok || s == "" {
		return nil
	}
	lines := strings.SplitAfter(s, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// items turns a list's elements.
func (t *turn) items(old *node, v []any, path string) []*node {
	items := make([]*node, len(v))
	key, from := pairUp(old, v, lastName(path))
	used := make([]bool, len(old.items))
	for i, k := range from {
		if k >= 0 {
			used[k] = true
		}
		at := path + "[" + strconv.Itoa(i) + "]"
		if key != "" {
			at = path + "[" + key + "=" + keyText(v[i], key) + "]"
		}
		switch {
		case k >= 0 && v[i] != nil:
			items[i] = t.to(old.items[k], v[i], at)
		default:
			items[i] = t.added(v[i], at, old)
		}
	}
	for k, x := range old.items {
		if used[k] {
			continue
		}
		at := path + "[" + strconv.Itoa(k) + "]"
		if key != "" {
			at = path + "[" + key + "=" + keyText(x.plain(), key) + "]"
		}
		t.change(at, x, nil)
	}
	if key != "" {
		t.order(old, v, from, key, path)
	}
	return items
}

// order tells that elements stand in another order.
func (t *turn) order(old *node, v []any, from []int, key, path string) {
	var kept []int
	for _, k := range from {
		if k >= 0 {
			kept = append(kept, k)
		}
	}
	if slices.IsSorted(kept) {
		return
	}
	var was, now []any
	for i, k := range from {
		if k >= 0 {
			now = append(now, keyText(v[i], key))
		}
	}
	for _, k := range slices.Sorted(slices.Values(kept)) {
		was = append(was, keyText(old.items[k].plain(), key))
	}
	t.change(path+" (order)", grow(was, 0, old.stale, false), grow(now, 0, false, false))
}

// member is the path of a member.
func member(path, name string) string {
	if strings.ContainsAny(name, ".[]\"= /") || name == "" {
		return path + "[" + strconv.Quote(name) + "]"
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

// lastName is the name of the member that a path ends in.
func lastName(path string) string { return path[strings.LastIndexAny(path, ".]")+1:] }
