package policy

import (
	"slices"
	"strings"

	"annals.dev/audit"
)

// Evaluator is a compiled policy. It does not change; many goroutines may use it.
type Evaluator struct{ policy *Policy }

// Compile makes the form of a policy that Decide uses. It keeps nothing of p.
func Compile(p *Policy) *Evaluator { return &Evaluator{p} }

// Decide gives the verdict on a request.
func (e *Evaluator) Decide(a *Attributes) Decision {
	for i := range e.policy.Rules {
		r := &e.policy.Rules[i]
		if !r.matches(a) {
			continue
		}
		d := Decision{Level: r.Level, Omit: StagesOf(e.policy.OmitStages...) | StagesOf(r.OmitStages...), Rule: i}
		d.OmitManagedFields = e.policy.OmitManagedFields
		if r.OmitManagedFields != nil {
			d.OmitManagedFields = *r.OmitManagedFields
		}
		return d
	}
	return Decision{Level: audit.LevelNone, Omit: StagesOf(e.policy.OmitStages...), Rule: -1}
}

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
		return !a.ResourceRequest && slices.ContainsFunc(r.NonResourceURLs, func(u string) bool {
			prefix, wild := strings.CutSuffix(u, "*")
			return u == a.Path || wild && strings.HasPrefix(a.Path, prefix)
		})
	}
	return true
}

func (r *Rule) matchesResource(a *Attributes) bool {
	if !a.ResourceRequest || len(r.Namespaces) > 0 && !slices.Contains(r.Namespaces, a.Namespace) {
		return false
	}
	return len(r.Resources) == 0 || slices.ContainsFunc(r.Resources, func(g GroupResources) bool {
		if g.Group != a.APIGroup && g.Group != "*" {
			return false
		}
		if len(g.Resources) == 0 {
			return true
		}
		if len(g.ResourceNames) > 0 && !slices.Contains(g.ResourceNames, a.Name) {
			return false
		}
		full := a.Resource
		if a.Subresource != "" {
			full += "/" + a.Subresource
		}
		return slices.ContainsFunc(g.Resources, func(s string) bool {
			return s == full || s == "*" || s == a.Resource+"/*" || a.Subresource != "" && s == "*/"+a.Subresource
		})
	})
}
