package policy

import (
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
