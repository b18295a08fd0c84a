package policy

import (
	"maps"
	"slices"
	"strings"

	"annals.dev/audit"
)

// Evaluator is a compiled policy. It does not change; many goroutines may use it.
//
// Each rule has a column, or one for every element of its resources, in the rules' order; a set is a bit for each column.
// For every string that the policy mentions there is the set of columns that are content with it. A request's strings
// give a few such sets, and the first column that lies in all of them decides: however many rules there are, the work is a
// few look-ups, and an AND for every 64 columns. The length of a string alone rules out most columns, so that few strings
// are looked at: in a server they lie about in memory, and fetching them is most of the cost.
type Evaluator struct {
	words    int        // of a set
	verdicts []Decision // by column
	asks     []asks     // by column
	none     Decision   // if no rule matches

	users, userGroups, verbs, namespaces, names index

	apiGroups index
	resources resourceIndex
	paths     pathIndex
	all       set
}

// asks are the things that a column does not leave to any value. The path is not among them: it is always looked at.
type asks uint8

const (
	askResource asks = 1 << iota
	askAPIGroup
	askUser
	askGroup
	askVerb
	askNamespace
	askName
)

// set has a bit for each column.
type set []uint64

func (s set) has(column int) bool { return s[column/64]&(1<<(column%64)) != 0 }
func (s set) add(column int)      { s[column/64] |= 1 << (column % 64) }
func (s set) or(o set) {
	for i, w := range o {
		s[i] |= w
	}
}

// column is one rule with at most one of its elements of resources.
type column struct {
	rule     *Rule
	element  *GroupResources
	resource bool // it matches requests for resources
	path     bool // it matches others
}

// Compile makes the form of a policy that Decide uses. It keeps nothing of p.
func Compile(p *Policy) *Evaluator {
	e := &Evaluator{none: Decision{
		Level: audit.LevelNone, Omit: StagesOf(p.OmitStages...), OmitManagedFields: p.OmitManagedFields, Rule: -1,
	}}
	var columns []column
	add := func(i int, c column) {
		c.rule = &p.Rules[i]
		columns = append(columns, c)
		e.verdicts = append(e.verdicts, p.verdict(i))
	}
	for i := range p.Rules {
		r := &p.Rules[i]
		for j := range r.Resources {
			add(i, column{element: &r.Resources[j], resource: true})
		}
		if len(r.Resources) == 0 {
			onlyResources := len(r.Namespaces) > 0
			onlyPaths := !onlyResources && len(r.NonResourceURLs) > 0
			add(i, column{resource: !onlyPaths, path: !onlyResources})
		}
	}
	e.words = (len(columns) + 63) / 64
	e.build(columns)
	return e
}

// verdict is what a rule says, once it matches.
func (p *Policy) verdict(i int) Decision {
	r := &p.Rules[i]
	d := Decision{
		Level: audit.Level(strings.Clone(string(r.Level))), Omit: StagesOf(p.OmitStages...) | StagesOf(r.OmitStages...),
		OmitManagedFields: p.OmitManagedFields, Rule: i,
	}
	if r.OmitManagedFields != nil {
		d.OmitManagedFields = *r.OmitManagedFields
	}
	return d
}

func (e *Evaluator) build(columns []column) {
	e.asks = make([]asks, len(columns))
	list := func(ask asks, of func(c *column) []string) index {
		wanted := make([][]string, len(columns))
		for i := range columns {
			if wanted[i] = of(&columns[i]); len(wanted[i]) > 0 {
				e.asks[i] |= ask
			}
		}
		return newIndex(e.words, wanted)
	}
	e.users = list(askUser, func(c *column) []string { return c.rule.Users })
	e.userGroups = list(askGroup, func(c *column) []string { return c.rule.UserGroups })
	e.verbs = list(askVerb, func(c *column) []string { return c.rule.Verbs })
	e.namespaces = list(askNamespace, func(c *column) []string { return c.rule.Namespaces })
	e.names = list(askName, func(c *column) []string {
		if c.element == nil || len(c.element.Resources) == 0 {
			return nil // names are asked only beside resources
		}
		return c.element.ResourceNames
	})
	e.apiGroups = list(askAPIGroup, func(c *column) []string {
		if c.element == nil || c.element.Group == "*" {
			return nil
		}
		return []string{c.element.Group}
	})
	e.resources = newResourceIndex(e.words, columns)
	for i, c := range columns {
		if c.element != nil && len(c.element.Resources) > 0 {
			e.asks[i] |= askResource
		}
	}
	e.paths = newPathIndex(e.words, columns)
	e.all = make(set, e.words)
	for i := range columns {
		e.all.add(i)
	}
}

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
