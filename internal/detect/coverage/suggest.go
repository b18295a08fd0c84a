package coverage

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"annals.dev/audit"
	"annals.dev/internal/detect"
	"annals.dev/policy"
)

// Suggestion is a policy under which rules can fire.
type Suggestion struct {
	Policy  *policy.Policy `json:"policy"`
	YAML    string         `json:"yaml"`
	Results []Result       `json:"rules"` // what Check says of the rules under it
}

// Suggest makes the policy that records the least with which all rules can fire: only the resources, verbs, namespaces, names,
// users and stages that a rule is about, at the lowest level that shows what it looks at. It is checked by Check.
func Suggest(rules []*detect.Rule, tell func(done, total int)) *Suggestion {
	whole := &Policy{Policy: &policy.Policy{Rules: []policy.Rule{{Level: audit.LevelRequestResponse}}}}
	w := newWorld(whole)
	t := table{}
	w.learn(rules)
	for i, r := range rules {
		if r.Where != nil && !r.Own {
			p := newProof(w, r.Where)
			p.run()
			t.add(r, p)
		}
		if tell != nil {
			tell(i+1, 2*len(rules))
		}
	}
	parts := t.policy(w)
	s := &Suggestion{Policy: &policy.Policy{}}
	var b strings.Builder
	b.WriteString("# The least that lets the rules fire. Each rule names what needs it; nothing else is recorded.\napiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n")
	for _, part := range parts {
		s.Policy.Rules = append(s.Policy.Rules, part.rule)
		part.write(&b)
	}
	if len(parts) == 0 {
		s.Policy.Rules = []policy.Rule{{Level: audit.LevelNone}}
		b.WriteString("- level: None\n")
	}
	s.YAML = b.String()
	s.Results = Check(rules, &Policy{Policy: s.Policy, Name: "the suggestion"}, func(done, total int) {
		if tell != nil {
			tell(total+done, 2*total)
		}
	}).Results
	return s
}

// learn adds what rules name to a world, so that each rule is asked about what the others name.
func (w *world) learn(rules []*detect.Rule) {
	known := map[string]bool{}
	for _, of := range w.targets {
		known[of.String()] = true
	}
	var more []*target
	for _, r := range rules {
		if r.Where == nil || r.Own {
			continue
		}
		for _, of := range newProof(w, r.Where).targets {
			if key := of.String(); !known[key] {
				known[key] = true
				more = append(more, of)
			}
		}
	}
	w.targets = append(w.targets, more...)
}

// line is one rule of the policy for a target and a verb: who, where, how much.
type line struct {
	users, groups, spaces, names []string // nil: any
	nobody                       bool     // those who could not be authenticated
	level                        audit.Level
	stages                       policy.Stages
	by                           []string // titles of rules
}

// table is what is needed, by target and verb.
type table map[string]map[string]*cell

type cell struct {
	target *target
	verb   string
	lines  []line
	needs  []needed
}

type needed struct {
	need
	line
}

func (t table) add(r *detect.Rule, p *proof) {
	byCell := map[*cell][]need{}
	var order []*cell
	for _, n := range p.needs {
		for _, target := range n.class.targets {
			key := target.String()
			if t[key] == nil {
				t[key] = map[string]*cell{}
			}
			c := t[key][n.verb]
			if c == nil {
				c = &cell{target: target, verb: n.verb}
				t[key][n.verb] = c
			}
			if byCell[c] == nil {
				order = append(order, c)
			}
			byCell[c] = append(byCell[c], n)
		}
	}
	for _, c := range order {
		var known, nobody []need
		for _, n := range byCell[c] {
			if n.user.UserInfo == nil {
				nobody = append(nobody, n)
			} else {
				known = append(known, n)
			}
		}
		for _, needs := range [][]need{known, nobody} {
			if len(needs) == 0 {
				continue
			}
			l := p.restrict(c, needs)
			l.by = []string{r.Title}
			for _, n := range needs {
				c.needs = append(c.needs, needed{n, l})
			}
		}
	}
}

// restrict says who and what a rule is about, of a target and a verb.
func (p *proof) restrict(c *cell, needs []need) line {
	l := line{level: audit.LevelMetadata, nobody: needs[0].user.UserInfo == nil}
	exact := func(fields ...string) (all []string) {
		for _, t := range p.leaves {
			if slices.Contains(fields, t.field) && t.exact {
				all = union(all, t.samples)
			}
		}
		return all
	}
	users, spaces, names := exact("user.username"), exact("objectRef.namespace", "object.namespace"), exact("objectRef.name", "object.name")
	all := func(value func(n *need) string, named []string, or string) (list []string) {
		for i := range needs {
			v := value(&needs[i])
			if v != or && !slices.Contains(named, v) || v == unknown {
				return nil
			}
			list = union(list, []string{v})
		}
		if len(list) == 1 && list[0] == or {
			return nil
		}
		slices.Sort(list)
		return list
	}
	if c.target.scope == namespaced {
		l.spaces = all(func(n *need) string { return n.namespace }, spaces, "")
	}
	if c.verb != "list" && c.verb != "watch" && c.verb != "deletecollection" {
		l.names = all(func(n *need) string { return n.name }, names, "-")
		if slices.Contains(l.names, "") {
			l.names = nil
		}
	}
	if !l.nobody {
		if l.users = all(func(n *need) string { return n.user.Username }, users, "-"); l.users == nil {
			l.groups = p.common(needs)
		}
	}
	for _, n := range needs {
		if n.level.Order() > l.level.Order() {
			l.level = n.level
		}
	}
	return l
}

// common is a group in which all are who make a rule fire, and nobody else is.
func (p *proof) common(needs []need) []string {
	candidates := append(p.samplesOf("user.groups"), "system:serviceaccounts", "system:unauthenticated")
	for _, g := range candidates {
		if !slices.ContainsFunc(needs, func(n need) bool { return !slices.Contains(n.user.Groups, g) || n.user.Username == unknown }) {
			return []string{g}
		}
	}
	return nil
}

// preferred are the stages in the order in which they are taken: what lasts is told when it begins.
func preferred(long bool) []audit.Stage {
	if long {
		return []audit.Stage{audit.StageResponseStarted, audit.StageResponseComplete, audit.StageRequestReceived, audit.StagePanic}
	}
	return []audit.Stage{audit.StageResponseComplete, audit.StageResponseStarted, audit.StageRequestReceived, audit.StagePanic}
}

// settle makes the lines of a cell: which stages, and what overlaps has the most of what any asks for.
func (c *cell) settle() {
	var taken policy.Stages
	r := request{target: c.target, verb: c.verb, user: &identity{UserInfo: &audit.UserInfo{}}}
	for _, n := range c.needs {
		if n.all || len(n.need.stages) == 1 {
			taken |= policy.StagesOf(n.need.stages...)
		}
	}
	for _, n := range c.needs {
		stages := policy.StagesOf(n.need.stages...)
		if !n.all && len(n.need.stages) > 1 {
			if stages&taken == 0 || n.line.nobody {
				for _, s := range preferred(r.long()) {
					if stages.Has(s) {
						stages = policy.StagesOf(s)
						break
					}
				}
			} else {
				stages &= taken
				for _, s := range preferred(r.long()) {
					if stages.Has(s) {
						stages = policy.StagesOf(s)
						break
					}
				}
			}
			taken |= stages
		}
		l := n.line
		l.stages = stages
		c.merge(l)
	}
	// The first that matches decides, so it records what those behind it would, too.
	slices.SortStableFunc(c.lines, func(a, b line) int { return cmp.Compare(a.width(), b.width()) })
	for i := range c.lines {
		for _, b := range c.lines[i+1:] {
			if c.lines[i].overlaps(&b) {
				c.lines[i].level = higher(c.lines[i].level, b.level)
				c.lines[i].stages |= b.stages
			}
		}
	}
	for i := len(c.lines) - 1; i >= 0; i-- {
		if slices.ContainsFunc(c.lines[:i], func(a line) bool { return a.covers(&c.lines[i]) }) {
			c.lines = slices.Delete(c.lines, i, i+1)
			continue
		}
		for j := i + 1; j < len(c.lines); j++ {
			if l := &c.lines[j]; l.covers(&c.lines[i]) && l.level == c.lines[i].level && l.stages == c.lines[i].stages {
				l.by = union(slices.Clone(l.by), c.lines[i].by)
				c.lines = slices.Delete(c.lines, i, i+1)
				break
			}
		}
	}
}

// covers says whether whatever matches b matches l.
func (l *line) covers(b *line) bool {
	within := func(x, y []string) bool {
		return x == nil || y != nil && !slices.ContainsFunc(y, func(s string) bool { return !slices.Contains(x, s) })
	}
	return !l.nobody && within(l.users, b.users) && within(l.groups, b.groups) && within(l.spaces, b.spaces) && within(l.names, b.names)
}

func (c *cell) merge(l line) {
	for i := range c.lines {
		k := &c.lines[i]
		if k.scope() == l.scope() {
			k.level, k.stages, k.by = higher(k.level, l.level), k.stages|l.stages, union(k.by, l.by)
			return
		}
	}
	c.lines = append(c.lines, l)
}

func (l *line) scope() string { return fmt.Sprint(l.users, l.groups, l.spaces, l.names, l.nobody) }

// width orders lines: the narrow ones first, nobody's last.
func (l *line) width() int {
	n := 0
	for i, list := range [][]string{l.users, l.groups, l.spaces, l.names} {
		if list == nil {
			n += 1 << (i + 1)
		}
	}
	if l.nobody {
		n += 100
	}
	return n
}

func (l *line) overlaps(b *line) bool {
	disjoint := func(x, y []string) bool {
		return x != nil && y != nil && !slices.ContainsFunc(x, func(s string) bool { return slices.Contains(y, s) })
	}
	if disjoint(l.users, b.users) || disjoint(l.spaces, b.spaces) || disjoint(l.names, b.names) {
		return false
	}
	return !b.nobody || l.users == nil && l.groups == nil // who is nobody is in no list
}

func higher(a, b audit.Level) audit.Level {
	if b.Order() > a.Order() {
		return b
	}
	return a
}
