package coverage

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"annals.dev/audit"
	"annals.dev/policy"
)

// part is a rule of a suggested policy, and who needs it.
type part struct {
	rule policy.Rule
	by   []string
	why  string
}

// policy makes rules of what is needed. Targets and verbs of which the same is needed share theirs; what is needed of any
// resource stands last, behind those of which less is.
func (t table) policy(w *world) (parts []part) {
	for _, verbs := range t {
		for _, c := range verbs {
			c.settle()
		}
	}
	rest := t.rest()
	parts = t.paths()
	groups := map[string]*group{}
	var order []string
	put := func(of *target, verbs []string, lines []line) {
		key := strings.Join(verbs, ",") + " " + signature(lines)
		if groups[key] == nil {
			groups[key] = &group{verbs: verbs, lines: slices.Clone(lines)}
			order = append(order, key)
		}
		g := groups[key]
		g.targets = append(g.targets, of)
		for i := range lines {
			g.lines[i].by = union(slices.Clone(g.lines[i].by), lines[i].by)
		}
	}
	for _, of := range t.targets(w) {
		if of.path != "" || of.resource == otherResource {
			continue
		}
		by := map[string][]string{}
		lines := map[string][]line{}
		for _, verb := range of.verbs {
			var has []line
			if c := t[of.String()][verb]; c != nil {
				has = c.lines
			}
			s := signature(has)
			if s == signature(rest[verb]) {
				continue
			}
			by[s], lines[s] = append(by[s], verb), has
		}
		for _, s := range slices.Sorted(maps.Keys(by)) {
			put(of, by[s], lines[s])
		}
	}
	slices.SortStableFunc(order, func(a, b string) int { return groups[b].highest() - groups[a].highest() })
	for _, key := range order {
		parts = append(parts, groups[key].parts()...)
	}
	if len(rest) > 0 {
		if !slices.ContainsFunc(parts, func(p part) bool { return slices.Contains(p.rule.NonResourceURLs, "*") }) {
			parts = append(parts, part{rule: policy.Rule{Level: audit.LevelNone, NonResourceURLs: []string{"*"}}, why: "paths that no rule is about"})
		}
		by := map[string]*group{}
		for _, verb := range allVerbs {
			s := signature(rest[verb])
			if rest[verb] == nil {
				continue
			}
			if by[s] == nil {
				by[s] = &group{lines: rest[verb]}
			}
			by[s].verbs = append(by[s].verbs, verb)
		}
		for _, s := range slices.Sorted(maps.Keys(by)) {
			parts = append(parts, by[s].parts()...)
		}
	}
	return parts
}

// targets are all that there are, those that rules name too.
func (t table) targets(w *world) (all []*target) {
	seen := map[string]bool{}
	add := func(of *target) {
		if !seen[of.String()] {
			seen[of.String()] = true
			all = append(all, of)
		}
	}
	for _, of := range w.targets {
		add(of)
	}
	for _, key := range slices.Sorted(maps.Keys(t)) {
		for _, c := range t[key] {
			add(c.target)
			break
		}
	}
	return all
}

// rest is what is needed of resources that nobody names, by verb.
func (t table) rest() map[string][]line {
	rest := map[string][]line{}
	for _, verbs := range t {
		for verb, c := range verbs {
			if c.target.resource != otherResource {
				continue
			}
			all := &cell{target: c.target, verb: verb, lines: slices.Clone(rest[verb])}
			for _, l := range c.lines {
				all.merge(l)
			}
			rest[verb] = all.lines
		}
	}
	return rest
}

// paths are the rules for requests that are for no resource.
func (t table) paths() (parts []part) {
	groups := map[string]*group{}
	for _, key := range slices.Sorted(maps.Keys(t)) {
		for _, verb := range methods {
			c := t[key][verb]
			if c == nil || c.target.path == "" {
				continue
			}
			s := signature(c.lines)
			if groups[s] == nil {
				groups[s] = &group{lines: slices.Clone(c.lines)}
			}
			g := groups[s]
			g.verbs = union(g.verbs, []string{verb})
			g.targets = append(g.targets, c.target)
			for i := range c.lines {
				g.lines[i].by = union(slices.Clone(g.lines[i].by), c.lines[i].by)
			}
		}
	}
	for _, s := range slices.Sorted(maps.Keys(groups)) {
		parts = append(parts, groups[s].parts()...)
	}
	return parts
}

func signature(lines []line) string {
	var all []string
	for _, l := range lines {
		all = append(all, fmt.Sprint(l.scope(), l.level, l.stages))
	}
	return strings.Join(all, "; ")
}

// group is targets and verbs of which the same is needed.
type group struct {
	targets []*target // none: any resource
	verbs   []string
	lines   []line // none: nothing
}

func (g *group) highest() int {
	most := -1
	for _, l := range g.lines {
		most = max(most, l.level.Order())
	}
	return most
}

func (g *group) parts() (parts []part) {
	base := policy.Rule{}
	if !slices.ContainsFunc(g.targets, func(t *target) bool { return len(t.verbs) != len(g.verbs) }) && len(g.targets) > 0 || len(g.verbs) == len(allVerbs) {
		base.Verbs = nil // all that there are
	} else {
		base.Verbs = g.verbs
	}
	for _, t := range g.targets {
		if t.path != "" {
			path := t.path
			if path == "/other" {
				path = "*"
			}
			base.NonResourceURLs = union(base.NonResourceURLs, []string{path})
			continue
		}
		name := t.resource
		if t.sub != "" {
			name += "/" + t.sub
		}
		at := slices.IndexFunc(base.Resources, func(r policy.GroupResources) bool { return r.Group == t.group })
		if at < 0 {
			at = len(base.Resources)
			base.Resources = append(base.Resources, policy.GroupResources{Group: t.group})
		}
		base.Resources[at].Resources = append(base.Resources[at].Resources, name)
	}
	if slices.Contains(base.NonResourceURLs, "*") {
		base.NonResourceURLs = []string{"*"}
	}
	if len(g.lines) == 0 {
		base.Level = audit.LevelNone
		return []part{{rule: base, why: "no rule is about these, and the rules below would record them"}}
	}
	for _, l := range g.lines {
		r := base
		r.Resources = slices.Clone(base.Resources)
		for i := range r.Resources {
			r.Resources[i].ResourceNames = l.names
		}
		if l.nobody { // who is authenticated is in one of these
			parts = append(parts, part{rule: policy.Rule{Level: audit.LevelNone, UserGroups: []string{"system:authenticated", "system:unauthenticated"},
				Verbs: r.Verbs, Resources: base.Resources, NonResourceURLs: r.NonResourceURLs}, why: "what is left is of those who could not be authenticated"})
		}
		r.Level, r.Users, r.UserGroups, r.Namespaces = l.level, l.users, l.groups, l.spaces
		for _, s := range []audit.Stage{audit.StageRequestReceived, audit.StageResponseStarted, audit.StageResponseComplete, audit.StagePanic} {
			if !l.stages.Has(s) {
				r.OmitStages = append(r.OmitStages, s)
			}
		}
		parts = append(parts, part{rule: r, by: l.by})
	}
	return parts
}

// write writes a rule as YAML, with who needs it above.
func (p *part) write(b *strings.Builder) {
	const most = 8
	if p.why != "" {
		fmt.Fprintf(b, "# %s\n", p.why)
	}
	for i, title := range p.by {
		if i == most && len(p.by) > most+1 {
			fmt.Fprintf(b, "# and %d more\n", len(p.by)-most)
			break
		}
		fmt.Fprintf(b, "# %s\n", strings.ReplaceAll(title, "\n", " "))
	}
	fmt.Fprintf(b, "- level: %s\n", p.rule.Level)
	list := func(name string, values []string) {
		if len(values) > 0 {
			fmt.Fprintf(b, "  %s: [%s]\n", name, quoted(values))
		}
	}
	list("users", p.rule.Users)
	list("userGroups", p.rule.UserGroups)
	list("verbs", p.rule.Verbs)
	if len(p.rule.Resources) > 0 {
		b.WriteString("  resources:\n")
	}
	for _, g := range p.rule.Resources {
		fmt.Fprintf(b, "  - group: %q\n", g.Group)
		if len(g.Resources) > 0 {
			fmt.Fprintf(b, "    resources: [%s]\n", quoted(g.Resources))
		}
		if len(g.ResourceNames) > 0 {
			fmt.Fprintf(b, "    resourceNames: [%s]\n", quoted(g.ResourceNames))
		}
	}
	list("namespaces", p.rule.Namespaces)
	list("nonResourceURLs", p.rule.NonResourceURLs)
	var stages []string
	for _, s := range p.rule.OmitStages {
		stages = append(stages, string(s))
	}
	list("omitStages", stages)
}

func quoted(values []string) string {
	q := make([]string, len(values))
	for i, v := range values {
		if q[i] = v; v == "" || strings.ContainsAny(v, " ,:[]{}*&!|>'\"%@`#") {
			q[i] = fmt.Sprintf("%q", v)
		}
	}
	return strings.Join(q, ", ")
}
