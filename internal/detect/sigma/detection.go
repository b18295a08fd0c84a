package sigma

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxSelections is how many selections a rule may have.
const maxSelections = 1000

// selections are the named parts of a detection, in their order.
type selections struct {
	names []string
	named map[string]*expr
}

// readDetection reads selections and the condition over them. Keys that are none are passed over.
func (d *draft) readDetection(n *yaml.Node, except ...string) *expr {
	if n.Kind != yaml.MappingNode {
		d.tell(failure, n.Line, "it is a map of selections and a condition")
		return nil
	}
	s := selections{named: map[string]*expr{}}
	var condition *yaml.Node
	for k, v := range pairs(n) {
		switch {
		case k.Value == "condition":
			condition = v
		case slices.Contains(except, k.Value), k.Value == "timeframe":
			if k.Value == "timeframe" {
				d.tell(warning, k.Line, "timeframe is of an older Sigma and does nothing; write a correlation with a timespan")
			}
		case s.named[k.Value] != nil:
			d.tell(failure, k.Line, "selection %q stands twice; rename one", k.Value)
		case len(s.names) == maxSelections:
			d.tell(failure, k.Line, "there are more than %d selections; split the rule", maxSelections)
			return nil
		default:
			s.names = append(s.names, k.Value)
			if s.named[k.Value] = d.readSelection(k.Value, v); s.named[k.Value] == nil {
				s.named[k.Value] = leaf(never{"", ""}) // told already; so that the condition can be read
			}
		}
	}
	if condition == nil {
		d.tell(failure, n.Line, "there is no condition; write one, such as condition: selection")
		return nil
	}
	if len(s.names) == 0 {
		d.tell(failure, n.Line, "there are no selections; write one, such as selection: {verb: delete}")
		return nil
	}
	conditions := []*yaml.Node{condition}
	if condition.Kind == yaml.SequenceNode {
		conditions = condition.Content
	}
	var some []*expr
	for _, c := range conditions {
		e, err := s.parse(text(c))
		if err != nil {
			d.tell(failure, c.Line, "condition: %v", err)
			return nil
		}
		some = append(some, e)
	}
	if len(some) == 0 {
		d.tell(failure, condition.Line, "the list of conditions is empty; write one, such as condition: selection")
		return nil
	}
	return join(or, some)
}

// readSelection reads what stands under a selection's name: a map of fields, a list of such maps, or keywords.
func (d *draft) readSelection(name string, n *yaml.Node) *expr {
	switch {
	case n.Kind == yaml.MappingNode && len(n.Content) > 0:
		return d.readMap(n)
	case n.Kind == yaml.SequenceNode && len(n.Content) > 0:
		var some []*expr
		words := &yaml.Node{Kind: yaml.SequenceNode, Line: n.Line}
		for _, c := range n.Content {
			switch {
			case c.Kind == yaml.MappingNode && len(c.Content) > 0:
				if e := d.readMap(c); e != nil {
					some = append(some, e)
				}
			case c.Kind == yaml.ScalarNode && !isNull(c):
				words.Content = append(words.Content, c)
			default:
				d.tell(failure, c.Line, "selection %q is a list of maps or of keywords, and this is neither", name)
				return nil
			}
		}
		if len(words.Content) > 0 {
			if e := d.readItem(&yaml.Node{Kind: yaml.ScalarNode, Line: n.Line}, words); e != nil {
				some = append(some, e)
			}
		}
		if len(some) == 0 {
			return nil
		}
		return join(or, some)
	case n.Kind == yaml.ScalarNode && !isNull(n):
		return d.readItem(&yaml.Node{Kind: yaml.ScalarNode, Line: n.Line}, n)
	}
	d.tell(failure, n.Line, "selection %q is empty; write fields with values, or leave it out", name)
	return nil
}

// readMap reads fields that must all hold.
func (d *draft) readMap(n *yaml.Node) *expr {
	var all []*expr
	seen := map[string]bool{}
	for k, v := range pairs(n) {
		if seen[k.Value] {
			d.tell(failure, k.Line, "%s stands twice in one map, and only one of them could count; write a list of values, or a selection of its own", k.Value)
			return nil
		}
		seen[k.Value] = true
		if e := d.readItem(k, v); e != nil {
			all = append(all, e)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return join(and, all)
}

// keywords is the test of texts anywhere in the event.
func (it *item) keywords() *expr {
	m := it.mods
	if m.exists || m.fieldref || m.cidr || m.compare != "" || m.part != "" || m.where == "startswith" || m.where == "endswith" {
		it.tell(failure, it.line, "%s needs a field before it; keywords are looked for anywhere in the event", it)
		return nil
	}
	m.where = "contains"
	if m.re {
		m.where = ""
	}
	it.mods = m
	var each []*expr
	together := &keyword{cased: m.cased}
	var keys []string
	for _, n := range it.values {
		if isNull(n) || n.Value == "" {
			it.tell(failure, n.Line, "an empty keyword stands in every event; write a text")
			return nil
		}
		tokens, err := it.expand(n)
		if err != nil {
			it.tell(failure, n.Line, "%v", err)
			return nil
		}
		t := together
		if m.all {
			t, keys = &keyword{cased: m.cased}, nil
		}
		for _, v := range tokens {
			if keys, err = it.keyword(t, keys, v); err != nil {
				it.tell(failure, n.Line, "%v", err)
				return nil
			}
		}
		if m.all {
			each = append(each, t.finish(keys))
		}
	}
	if !m.all {
		each = append(each, together.finish(keys))
	}
	return it.maybeNot(join(and, each))
}

func (it *item) keyword(t *keyword, keys []string, v []token) ([]string, error) {
	if it.mods.re {
		x, err := it.compile(v)
		t.others = append(t.others, x)
		if err != nil {
			return nil, err
		}
		return append(keys, x.print()), nil
	}
	all, err := it.mods.transform(v)
	if err == nil {
		err = it.spend(len(all))
	}
	if err != nil {
		return nil, err
	}
	for _, tokens := range all {
		if !t.cased {
			tokens = fold(tokens)
		}
		inner := merge(tokens)
		t.globs = append(t.globs, written(inner))
		keys = append(keys, quote(written(inner[1:max(1, len(inner)-1)])))
	}
	return keys, nil
}

func (t *keyword) finish(keys []string) *expr {
	for _, g := range unique(t.globs) {
		t.patterns = append(t.patterns, compile(scan(g, false)))
	}
	t.key = "keyword"
	if t.cased {
		t.key += "|cased"
	}
	t.key += ": (" + strings.Join(unique(keys), ", ") + ")"
	return leaf(t)
}
