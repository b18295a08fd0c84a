package policy

import (
	"slices"
	"strings"
)

// matches walks a rule as upstream does. Decide does not use it: it is what Explain shows, and what tests hold Decide to.
func (r *Rule) matches(a *Attributes) bool {
	if len(r.Users) > 0 && (a.User == nil || !slices.Contains(r.Users, a.User.Username)) {
		return false
	}
	if len(r.UserGroups) > 0 && (a.User == nil || !slices.ContainsFunc(a.User.Groups, func(g string) bool { return slices.Contains(r.UserGroups, g) })) {
		return false
	}
	if len(r.Verbs) > 0 && !slices.Contains(r.Verbs, a.Verb) {
		return false
	}
	if len(r.Namespaces) > 0 || len(r.Resources) > 0 {
		return r.matchesResource(a)
	}
	if len(r.NonResourceURLs) > 0 {
		return !a.ResourceRequest && slices.ContainsFunc(r.NonResourceURLs, func(u string) bool { return pathMatches(u, a.Path) })
	}
	return true
}

func pathMatches(u, path string) bool {
	return u == path || strings.HasSuffix(u, "*") && strings.HasPrefix(path, strings.TrimRight(u, "*"))
}

func (r *Rule) matchesResource(a *Attributes) bool {
	if !a.ResourceRequest || len(r.Namespaces) > 0 && !slices.Contains(r.Namespaces, a.Namespace) {
		return false
	}
	return len(r.Resources) == 0 || slices.ContainsFunc(r.Resources, func(g GroupResources) bool { return g.matches(a) })
}

func (g *GroupResources) matches(a *Attributes) bool {
	return g.matchesGroup(a) && (len(g.Resources) == 0 || g.matchesName(a) && slices.ContainsFunc(g.Resources, a.isA))
}

func (g *GroupResources) matchesGroup(a *Attributes) bool {
	return g.Group == a.APIGroup || g.Group == "*"
}

func (g *GroupResources) matchesName(a *Attributes) bool {
	return len(g.ResourceNames) == 0 || slices.Contains(g.ResourceNames, a.Name)
}

// isA reports whether a rule's string stands for the request's resource.
func (a *Attributes) isA(resource string) bool {
	return resource == a.fullResource() || resource == "*" || resource == a.Resource+"/*" || a.Subresource != "" && resource == "*/"+a.Subresource
}

func (a *Attributes) fullResource() string {
	if a.Subresource == "" {
		return a.Resource
	}
	return a.Resource + "/" + a.Subresource
}
