package coverage

import (
	"fmt"
	"slices"
	"strings"

	"annals.dev/audit"
	"annals.dev/internal/match"
	"annals.dev/policy"
)

// proof is one rule held against a world.
type proof struct {
	world *world
	where *match.Predicate
	*formula
	pools

	by             [aboutFree + 1][]int        // tests by what they are about
	identityTruths map[*identity][]match.Truth // of the tests about identity, in their order

	// Of the request at hand.
	class           *class
	truths, scratch []match.Truth
	unseen          []bool
	bodiless        bool // the rule is about what is not recorded of it

	recalled [aboutFree + 1]map[string][]match.Truth // by kind and value: the tests of that kind, in their order
	absent   map[string][]match.Truth                // by target and verb: the tests of an event that says nothing else
	alike    map[string]*likeness                    // by what the rule sees of a request
	models   map[string]*model                       // by what is left open: whether an event can be made
	choices  map[string][]choice                     // of fields that are open

	// What has been found.
	fires, blind, none int
	seen               int // the rule is about what is not recorded, and it is
	part               int // requests of which an alternative is lost
	blocked            map[string]*Blocked
	order              []string // of the keys of blocked
	witness            *Witness
	level              audit.Level
	stages             []audit.Stage
	needs              []need
	ways               []*branch // the alternatives
}

func newProof(w *world, where *match.Predicate) *proof {
	p := &proof{world: w, where: where, formula: compile(where), identityTruths: map[*identity][]match.Truth{}, absent: map[string][]match.Truth{},
		alike: map[string]*likeness{}, models: map[string]*model{}, choices: map[string][]choice{}, blocked: map[string]*Blocked{}}
	p.truths, p.scratch, p.unseen = make([]match.Truth, len(p.leaves)), make([]match.Truth, len(p.leaves)), make([]bool, len(p.leaves))
	for i, t := range p.leaves {
		p.by[t.about] = append(p.by[t.about], i)
	}
	p.ways = p.alternatives()
	p.fill()
	return p
}

// decide settles the tests of one kind by an event that holds what they look at.
func (p *proof) decide(kind about, event map[string]any) {
	if len(p.by[kind]) == 0 {
		return
	}
	row := rowOf(event)
	for _, i := range p.by[kind] {
		p.truths[i] = truth(p.leaves[i].Match(row))
	}
}

func (p *proof) open(kinds ...about) {
	for _, kind := range kinds {
		for _, i := range p.by[kind] {
			p.truths[i] = match.Maybe
		}
	}
}

// run goes through all requests that stand for others.
func (p *proof) run() {
	p.open(aboutAnything, aboutTarget, aboutVerb, aboutIdentity, aboutNamespace, aboutName, aboutURI, aboutLevel, aboutStage, aboutRequest, aboutResponse, aboutFree)
	if p.root.fold(p.truths) == match.No {
		return
	}
	var classes []*class
	by := map[string]*class{}
	for _, t := range p.targets {
		p.decide(aboutTarget, map[string]any{"objectRef": t.reference("", "")})
		if p.root.fold(p.truths) == match.No {
			continue
		}
		s := p.targetSignature(t)
		if by[s] == nil {
			by[s] = new(class)
			classes = append(classes, by[s])
		}
		by[s].targets = append(by[s].targets, t)
	}
	for _, c := range classes {
		p.decide(aboutTarget, map[string]any{"objectRef": c.targets[0].reference("", "")})
		p.class = c
		p.target(c.targets[0])
	}
	p.open(aboutTarget)
}

// class is targets that neither the rule nor the policy tells apart; the first stands for them all.
type class struct{ targets []*target }

// reference is the objectRef of an event.
func (t *target) reference(namespace, name string) map[string]any {
	if t.path != "" {
		return nil
	}
	ref := map[string]any{"resource": t.resource, "apiVersion": "v1"}
	for key, value := range map[string]string{"apiGroup": t.group, "subresource": t.sub, "namespace": namespace, "name": name} {
		if value != "" {
			ref[key] = value
		}
	}
	return ref
}

// targetSignature is the same of targets that neither the rule nor the policy tells apart.
func (p *proof) targetSignature(t *target) string {
	var s strings.Builder
	for _, i := range p.by[aboutTarget] {
		s.WriteByte(byte('b' + p.truths[i]))
	}
	if len(p.by[aboutURI])+len(p.by[aboutRequest])+len(p.by[aboutResponse])+len(p.by[aboutAnything]) > 0 { // of what they look at, each target has its own
		fmt.Fprintf(&s, "%s/%s/%s", t.group, t.resource, t.path)
	}
	fmt.Fprintf(&s, "|%d %v %v %v %v|", t.scope, t.verbs, t.unnamed, slices.Contains(connects, t.sub), strings.HasPrefix(t.path, "/debug/pprof/"))
	if t.resource == "namespaces" {
		s.WriteString("namespaces")
	}
	for i := range p.world.Rules {
		r := &p.world.Rules[i]
		if t.path != "" {
			s.WriteByte("ny"[index(matchesPath(r, t.path))])
			continue
		}
		s.WriteString(strings.Trim(fmt.Sprint(elements(r, t)), "[]") + ",")
	}
	return s.String()
}

func index(b bool) int {
	if b {
		return 1
	}
	return 0
}

func matchesPath(r *policy.Rule, path string) bool {
	if len(r.Namespaces) > 0 || len(r.Resources) > 0 {
		return false
	}
	return len(r.NonResourceURLs) == 0 || slices.ContainsFunc(r.NonResourceURLs, func(u string) bool {
		return u == path || strings.HasSuffix(u, "*") && strings.HasPrefix(path, strings.TrimRight(u, "*"))
	})
}

// elements are those of a rule's resources that stand for a target, whatever its name; -1 where the rule asks for none.
func elements(r *policy.Rule, t *target) (all []int) {
	switch {
	case t.path != "" && !matchesPath(r, t.path), t.path == "" && len(r.Namespaces)+len(r.Resources) == 0 && len(r.NonResourceURLs) > 0:
		return nil
	case len(r.Resources) == 0:
		return []int{-1}
	}
	full := t.resource
	if t.sub != "" {
		full += "/" + t.sub
	}
	for i, g := range r.Resources {
		if g.Group != "*" && g.Group != t.group {
			continue
		}
		if len(g.Resources) == 0 || slices.ContainsFunc(g.Resources, func(s string) bool {
			return s == full || s == "*" || s == t.resource+"/*" || t.sub != "" && s == "*/"+t.sub
		}) {
			all = append(all, i)
		}
	}
	return all
}

// relevant are the policy's rules that can decide requests with that verb for a target, those behind one that decides all left out.
func (p *proof) relevant(t *target, verb string) (all []*policy.Rule) {
	for i := range p.world.Rules {
		r := &p.world.Rules[i]
		of := elements(r, t)
		if len(of) == 0 || len(r.Verbs) > 0 && !slices.Contains(r.Verbs, verb) {
			continue
		}
		all = append(all, r)
		if len(r.Users)+len(r.UserGroups)+len(r.Namespaces) == 0 &&
			slices.ContainsFunc(of, func(i int) bool {
				return i < 0 || len(r.Resources[i].Resources) == 0 || len(r.Resources[i].ResourceNames) == 0
			}) {
			break
		}
	}
	return all
}

func (p *proof) target(t *target) {
	for _, verb := range t.verbs {
		p.recall(p.truths, aboutVerb, verb)
		if p.root.fold(p.truths) == match.No {
			continue
		}
		rules := p.relevant(t, verb)
		var askers []*identity
		for _, id := range p.askers(rules) {
			p.identity(id)
			if p.root.fold(p.truths) != match.No {
				askers = append(askers, id)
			}
		}
		p.open(aboutIdentity)
		for _, ns := range p.spacesOf(t, verb, rules) {
			p.recall(p.truths, aboutNamespace, ns)
			if p.root.fold(p.truths) == match.No {
				continue
			}
			for _, name := range p.namesOf(t, verb, ns, rules) {
				for _, id := range askers {
					p.identity(id)
					if p.root.fold(p.truths) != match.No {
						p.request(&request{t, verb, ns, name, id})
					}
				}
				p.open(aboutIdentity)
			}
		}
		p.open(aboutNamespace)
	}
	p.open(aboutVerb)
}

// identity settles the tests of who asks.
func (p *proof) identity(id *identity) {
	for n, i := range p.by[aboutIdentity] {
		p.truths[i] = p.identityTruths[id][n]
	}
}

// askers are the identities that the rule or these rules of the policy tell apart.
func (p *proof) askers(rules []*policy.Rule) (all []*identity) {
	var by []int
	for i := range p.world.Rules {
		if r := &p.world.Rules[i]; len(r.Users)+len(r.UserGroups) > 0 && slices.Contains(rules, r) {
			by = append(by, i)
		}
	}
	seen := map[string]bool{}
	var s []byte
	for _, id := range p.identities {
		s = append(append(s[:0], id.own...), '|')
		for _, i := range by {
			s = append(s, id.asks[i])
		}
		if !seen[string(s)] {
			seen[string(s)] = true
			all = append(all, id)
		}
	}
	return all
}

// spacesOf are the namespaces that a request can be for.
func (p *proof) spacesOf(t *target, verb string, rules []*policy.Rule) (all []string) {
	if t.path != "" {
		return []string{""}
	}
	seen := map[string]bool{}
	spaces := p.spaces
	ofNamespaces := t.resource == "namespaces" && t.group == ""
	if ofNamespaces { // whose name is both
		spaces = union(slices.Clone(spaces), p.names)
	}
	for _, ns := range spaces {
		switch {
		case ofNamespaces && verb == "create", ofNamespaces && (verb == "list" || verb == "watch" || verb == "deletecollection"):
			if ns != "" {
				continue
			}
		case ofNamespaces:
			if ns == "" {
				continue
			}
		case ns == "" && t.scope&clusterWide == 0 && verb != "list" && verb != "watch":
			continue
		case ns != "" && t.scope&namespaced == 0:
			continue
		}
		s := p.signature(aboutNamespace, ns)
		if ns == "" {
			s += "0"
		}
		if ofNamespaces {
			s += p.signature(aboutName, ns)
		}
		for _, r := range rules {
			s += "ny"[index(slices.Contains(r.Namespaces, ns)):][:1]
		}
		if !seen[s] {
			seen[s] = true
			all = append(all, ns)
		}
	}
	return all
}

// signature is how the tests of a kind stand to a value.
func (p *proof) signature(kind about, value string) string {
	p.recall(p.scratch, kind, value)
	s := make([]byte, 0, len(p.by[kind])+1)
	for _, i := range p.by[kind] {
		s = append(s, byte('b'+p.scratch[i]))
	}
	return string(s)
}

// namesOf are the names that the policy may see of a request.
func (p *proof) namesOf(t *target, verb, ns string, rules []*policy.Rule) (all []string) {
	creates := verb == "create" && t.unnamed
	switch {
	case t.path != "", creates, verb == "deletecollection":
		return []string{""}
	case t.resource == "namespaces" && t.group == "" && ns != "":
		return []string{ns}
	}
	seen := map[string]bool{}
	for _, name := range p.names {
		if name == "" && verb != "list" && verb != "watch" {
			continue
		}
		s := p.signature(aboutName, name)
		if name == "" {
			s += "0"
		}
		for _, r := range rules {
			for _, i := range elements(r, t) {
				s += "ny"[index(i >= 0 && slices.Contains(r.Resources[i].ResourceNames, name)):][:1]
			}
		}
		if !seen[s] {
			seen[s] = true
			all = append(all, name)
		}
	}
	return all
}
