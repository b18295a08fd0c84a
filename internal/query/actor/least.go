package actor

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	rbac "k8s.io/api/rbac/v1"
)

// access is what one request asked to be allowed, as the authorizer saw it.
type access struct {
	verb, group, resource, subresource, namespace, name string
	path                                                string // instead, where it is for no resource
	code                                                int
}

// manyNames is from how many names on a rule is for all objects: by then they come and go.
const manyNames = 10

// rules are what is to be allowed in one namespace, or with "" everywhere.
type rules map[target]map[string]*names

// target is an API group, and a resource with its subresource behind a slash.
type target struct{ group, resource string }

// names are those of the objects that a verb is for.
type names struct {
	all bool
	of  map[string]bool
}

func (n *names) add(name string, many int) {
	switch {
	case n.all:
	case name == "" || len(n.of) == many-1 && !n.of[name]:
		n.all, n.of = true, nil
	default:
		n.of[name] = true
	}
}

// least gathers accesses, and makes of them the rules that allow these and, where names are few, no others.
type least struct {
	scopes map[string]rules
	paths  map[string]map[string]bool // by path, the verbs

	stars       int // requests for what only a rule with a star would allow
	places      int // requests to namespaces of names that cannot be
	upgrades    int // sessions by WebSocket
	upserts     int // objects made by update and patch
	constrained int // impersonations by verbs of their own
}

func newLeast() *least {
	return &least{scopes: make(map[string]rules), paths: make(map[string]map[string]bool)}
}

// add takes in an access, n times. It is false for one that no rule is made of.
func (l *least) add(a access, n int) bool {
	if a.verb == "" || strings.Contains(a.verb+a.group+a.resource+a.subresource+a.path, "*") {
		l.stars += n
		return false
	}
	if a.resource == "" {
		if !strings.HasPrefix(a.path, "/") {
			return false
		}
		if l.paths[a.path] == nil {
			l.paths[a.path] = make(map[string]bool)
		}
		l.paths[a.path][a.verb] = true
		return true
	}
	if !isLabel(a.namespace) && a.namespace != "" {
		l.places += n
		return false
	}
	resource := a.resource
	if a.subresource != "" {
		resource += "/" + a.subresource
	}
	at := target{a.group, resource}
	name := a.name
	// The name of an object that is created, or of those that are deleted together, is not known when it is decided.
	if a.verb == "create" && a.subresource == "" || a.verb == "deletecollection" {
		name = ""
	}
	l.allow(a.namespace, at, a.verb, name, manyNames)
	switch {
	case (a.verb == "update" || a.verb == "patch") && a.code == 201:
		// It made the object, which is decided once more, as create, and with the name.
		l.upserts += n
		l.allow(a.namespace, at, "create", a.name, manyNames)
	case a.verb == "get" && a.group == "" && a.resource == "pods" && slices.Contains([]string{"exec", "attach", "portforward"}, a.subresource):
		// By WebSocket it is a GET. From Kubernetes 1.35 on that is decided once more, as create.
		l.upgrades += n
		l.allow(a.namespace, at, "create", a.name, manyNames)
	}
	return true
}

func (l *least) allow(namespace string, at target, verb, name string, many int) {
	if l.scopes[namespace] == nil {
		l.scopes[namespace] = make(rules)
	}
	of := l.scopes[namespace]
	if of[at] == nil {
		of[at] = make(map[string]*names)
	}
	if of[at][verb] == nil {
		of[at][verb] = &names{of: make(map[string]bool)}
	}
	of[at][verb].add(name, many)
}

// rulesOf are the rules of a namespace, or the ones for everywhere, without those that the latter allow already. One more rule
// stands wherever verbs are for different names; resources that are alike in group, verbs and names share one.
func (l *least) rulesOf(namespace string) (all []rbac.PolicyRule) {
	type shared struct{ group, verbs, names string } // verbs and names are lists
	resources := make(map[shared][]string)
	everywhere := l.scopes[""]
	for at, verbs := range l.scopes[namespace] {
		byNames := make(map[string][]string)
		for verb, n := range verbs {
			if namespace != "" {
				if n = n.without(everywhere[at][verb]); n == nil {
					continue
				}
			}
			names := joined(slices.Sorted(maps.Keys(n.of)))
			byNames[names] = append(byNames[names], verb)
		}
		for names, verbs := range byNames {
			slices.Sort(verbs)
			key := shared{at.group, joined(verbs), names}
			resources[key] = append(resources[key], at.resource)
		}
	}
	for key, list := range resources {
		slices.Sort(list)
		all = append(all, rbac.PolicyRule{APIGroups: []string{key.group}, Resources: list, Verbs: parted(key.verbs), ResourceNames: parted(key.names)})
	}
	if namespace == "" {
		all = append(all, l.pathRules()...)
	}
	slices.SortFunc(all, func(a, b rbac.PolicyRule) int {
		return cmp.Or(slices.Compare(a.NonResourceURLs, b.NonResourceURLs), slices.Compare(a.APIGroups, b.APIGroups), slices.Compare(a.Resources, b.Resources), slices.Compare(a.ResourceNames, b.ResourceNames), slices.Compare(a.Verbs, b.Verbs))
	})
	return all
}

// joined makes one text of a list, and parted the list again.
func joined(list []string) string {
	text, err := json.Marshal(list)
	if err != nil {
		panic(err) // texts always have a form
	}
	return string(text)
}

func parted(text string) (list []string) {
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		panic(err) // it is joined's
	}
	return list
}

// without leaves out the names that others allow; nil if nothing is left.
func (n *names) without(others *names) *names {
	switch {
	case others == nil:
		return n
	case others.all:
		return nil
	case n.all:
		return n
	}
	left := &names{of: make(map[string]bool)}
	for name := range n.of {
		if !others.of[name] {
			left.of[name] = true
		}
	}
	if len(left.of) == 0 {
		return nil
	}
	return left
}

func (l *least) pathRules() (all []rbac.PolicyRule) {
	byVerbs := make(map[string][]string)
	for path, verbs := range l.paths {
		list := joined(slices.Sorted(maps.Keys(verbs)))
		byVerbs[list] = append(byVerbs[list], path)
	}
	for verbs, paths := range byVerbs {
		slices.Sort(paths)
		all = append(all, rbac.PolicyRule{NonResourceURLs: paths, Verbs: parted(verbs)})
	}
	return all
}

// namespaces are those that there are rules for, sorted.
func (l *least) namespaces() []string {
	var all []string
	for ns := range l.scopes {
		if ns != "" && len(l.rulesOf(ns)) > 0 {
			all = append(all, ns)
		}
	}
	slices.Sort(all)
	return all
}

// isLabel says whether a text can be the name of a namespace.
func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
