package policy

import (
	"maps"
	"slices"
	"strings"
)

// index is, for one string of a request, the columns that are content with each value.
type index struct {
	rows    table[set]
	rest    set // those that are content with any value
	lengths byLength
}

// byLength is, by the length of a value, columns among which are those that are content with it: whoever asks for a value
// of another length is not there.
type byLength [64]set

func newByLength(rest set) (l byLength) {
	for i := range l {
		l[i] = rest
	}
	return l
}

// add adds columns that are content with a value of this length.
func (l *byLength) add(value string, s set) {
	at := &l[min(len(value), len(l)-1)]
	*at = slices.Clone(*at)
	at.or(s)
}

func (l *byLength) of(value string) set { return l[min(len(value), len(l)-1)] }

func newIndex(words int, wanted [][]string) index {
	x := index{rest: make(set, words)}
	rows := sets{}
	for i, values := range wanted {
		if len(values) == 0 {
			x.rest.add(i)
		}
		for _, v := range values {
			rows.at(v, words).add(i)
		}
	}
	x.lengths = newByLength(x.rest)
	for v, s := range rows {
		s.or(x.rest)
		x.lengths.add(v, s)
	}
	x.rows = newTable(rows)
	return x
}

func (x *index) of(value string) set {
	if s, ok := x.rows.get(value); ok {
		return s
	}
	return x.rest
}

// sets are sets that are being made.
type sets map[string]set

func (m sets) at(key string, words int) set {
	if m[key] == nil {
		m[key] = make(set, words)
	}
	return m[key]
}

// resourceIndex is the same for a resource and its subresource. A rule compares both joined with a slash, and may have
// said pods/*, which is pods too, or */scale.
type resourceIndex struct {
	known table[resourceRow]
	ofAny table[set] // by subresource, of a resource that is not known
	rest  set        // content with any resource
	plain byLength   // by the resource's length
	below byLength   // the same with a subresource
}

// resourceRow is for one resource that the policy mentions.
type resourceRow struct {
	plain set        // without a subresource
	subs  table[set] // with one of these
	other set        // with any other
}

func newResourceIndex(words int, columns []column) resourceIndex {
	type row struct {
		plain, other set
		subs         sets
	}
	known, ofAny, rest := map[string]*row{}, sets{}, make(set, words)
	at := func(resource string) *row {
		if known[resource] == nil {
			known[resource] = &row{make(set, words), make(set, words), sets{}}
		}
		return known[resource]
	}
	for i, c := range columns {
		if !c.resource {
			continue
		}
		if c.element == nil || len(c.element.Resources) == 0 {
			rest.add(i)
			continue
		}
		for _, res := range c.element.Resources {
			if res == "*" {
				rest.add(i)
			}
			at(res).plain.add(i)
			for k := range len(res) - 1 { // a subresource may hold a slash, but is not empty
				if res[k] == '/' {
					at(res[:k]).subs.at(res[k+1:], words).add(i)
				}
			}
			if parent, ok := strings.CutSuffix(res, "/*"); ok {
				at(parent).plain.add(i)
				at(parent).other.add(i)
			}
			if sub, ok := strings.CutPrefix(res, "*/"); ok {
				ofAny.at(sub, words).add(i)
			}
		}
	}
	anyBelow := slices.Clone(rest)
	for _, s := range ofAny {
		s.or(rest)
		anyBelow.or(s)
	}
	x := resourceIndex{ofAny: newTable(ofAny), rest: rest, plain: newByLength(rest), below: newByLength(anyBelow)}
	rows := map[string]resourceRow{}
	for resource, r := range known {
		r.plain.or(rest)
		r.other.or(rest)
		for sub, s := range ofAny {
			r.subs.at(sub, words).or(s)
		}
		x.plain.add(resource, r.plain)
		for _, s := range r.subs {
			s.or(r.other)
			x.below.add(resource, s)
		}
		rows[resource] = resourceRow{r.plain, newTable(r.subs), r.other}
	}
	x.known = newTable(rows)
	return x
}

// guess has the columns that of has, and some more.
func (x *resourceIndex) guess(resource, subresource string) set {
	if subresource == "" {
		return x.plain.of(resource)
	}
	return x.below.of(resource)
}

func (x *resourceIndex) of(resource, subresource string) set {
	row, ok := x.known.get(resource)
	switch {
	case !ok && subresource == "":
		return x.rest
	case !ok:
		if s, ok := x.ofAny.get(subresource); ok {
			return s
		}
		return x.rest
	case subresource == "":
		return row.plain
	}
	if s, ok := row.subs.get(subresource); ok {
		return s
	}
	return row.other
}

// pathIndex is the same for the path of a request that is not for a resource.
type pathIndex struct {
	exact    table[set]
	prefixes []prefix // sorted
	rest     set      // content with any path
}

// prefix is the beginning of a path, as in /healthz*.
type prefix struct {
	text    string
	shorter int // the next shorter one that it begins with, -1 if there is none
	set     set // content with it and with those
}

func newPathIndex(words int, columns []column) pathIndex {
	x := pathIndex{rest: make(set, words)}
	exact, begin := sets{}, sets{}
	for i, c := range columns {
		if !c.path {
			continue
		}
		if len(c.rule.NonResourceURLs) == 0 {
			x.rest.add(i)
		}
		for _, u := range c.rule.NonResourceURLs {
			exact.at(u, words).add(i)
			if strings.HasSuffix(u, "*") {
				begin.at(strings.TrimRight(u, "*"), words).add(i)
			}
		}
	}
	for _, text := range slices.Sorted(maps.Keys(begin)) {
		p := prefix{text: text, shorter: x.longest(text), set: begin[text]}
		p.set.or(x.at(p.shorter))
		x.prefixes = append(x.prefixes, p)
	}
	for path, s := range exact {
		s.or(x.at(x.longest(path)))
	}
	x.exact = newTable(exact)
	return x
}

// longest is the longest prefix that a path has, or -1. It is the last one that does not sort behind the path, or one that
// that begins with: whatever sorts between a path and its beginning has the same beginning.
func (x *pathIndex) longest(path string) int {
	low, high := 0, len(x.prefixes)
	for low < high {
		if middle := int(uint(low+high) >> 1); x.prefixes[middle].text <= path {
			low = middle + 1
		} else {
			high = middle
		}
	}
	i := low - 1
	for i >= 0 && !strings.HasPrefix(path, x.prefixes[i].text) {
		i = x.prefixes[i].shorter
	}
	return i
}

func (x *pathIndex) at(prefix int) set {
	if prefix < 0 {
		return x.rest
	}
	return x.prefixes[prefix].set
}

func (x *pathIndex) of(path string) set {
	if s, ok := x.exact.get(path); ok {
		return s
	}
	return x.at(x.longest(path))
}
