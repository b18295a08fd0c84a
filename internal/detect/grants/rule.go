package grants

import (
	"slices"
	"strings"

	"annals.dev/internal/detect"
)

// rule is one of a role's.
type rule struct {
	Verbs           []string `json:"verbs,omitempty"`
	APIGroups       []string `json:"apiGroups,omitempty"`
	Resources       []string `json:"resources,omitempty"`
	ResourceNames   []string `json:"resourceNames,omitempty"`
	NonResourceURLs []string `json:"nonResourceURLs,omitempty"`
}

// grant is one thing that a rule allows.
type grant struct{ verb, group, resource, name, url string }

func (g grant) String() string {
	if g.url != "" {
		return g.verb + " " + g.url
	}
	s := g.verb + " " + g.resource
	if g.group != "" {
		s += "." + g.group
	}
	if g.name != "" {
		s += "/" + g.name
	}
	return s
}

// maxGrants bounds what is compared of a role; beyond it a role allows nearly everything anyhow.
const maxGrants = 10_000

// grants hands each thing that rules allow to f.
func grants(rules []rule, f func(grant)) {
	n := 0
	for _, r := range rules {
		names := r.ResourceNames
		if len(names) == 0 {
			names = []string{""}
		}
		for _, verb := range r.Verbs {
			for _, url := range r.NonResourceURLs {
				if n++; n > maxGrants {
					return
				}
				f(grant{verb: verb, url: url})
			}
			for _, group := range r.APIGroups {
				for _, resource := range r.Resources {
					for _, name := range names {
						if n++; n > maxGrants {
							return
						}
						f(grant{verb: verb, group: group, resource: resource, name: name})
					}
				}
			}
		}
	}
}

// addedGrants are those that no rule of before covers.
func addedGrants(before, now []rule) (added []grant) {
	grants(now, func(g grant) {
		if !slices.ContainsFunc(before, func(r rule) bool { return r.covers(g) }) {
			added = append(added, g)
		}
	})
	return added
}

func (r *rule) covers(g grant) bool {
	if !either(r.Verbs, g.verb) {
		return false
	}
	if g.url != "" {
		return slices.ContainsFunc(r.NonResourceURLs, func(u string) bool {
			prefix, any := strings.CutSuffix(u, "*")
			return u == g.url || any && strings.HasPrefix(g.url, prefix)
		})
	}
	_, sub, _ := strings.Cut(g.resource, "/")
	return either(r.APIGroups, g.group) && (either(r.Resources, g.resource) || sub != "" && slices.Contains(r.Resources, "*/"+sub)) &&
		(len(r.ResourceNames) == 0 || g.name != "" && slices.Contains(r.ResourceNames, g.name))
}

func either(list []string, s string) bool {
	return slices.Contains(list, "*") || slices.Contains(list, s)
}

func texts(grants []grant) (list []string) {
	for _, g := range grants {
		list = append(list, g.String())
	}
	return list
}

// riskOf is how bad it is that something more is allowed.
func riskOf(added []grant) detect.Severity {
	worst := detect.Low
	for _, g := range added {
		s := g.risk()
		if slices.Index(detect.Severities, s) > slices.Index(detect.Severities, worst) {
			worst = s
		}
	}
	return worst
}

func (g grant) risk() detect.Severity {
	reads := g.verb == "*" || g.verb == "get" || g.verb == "list" || g.verb == "watch"
	writes := g.verb == "*" || g.verb == "create" || g.verb == "update" || g.verb == "patch"
	resource, sub, _ := strings.Cut(g.resource, "/")
	switch {
	case g.verb == "*" && (g.resource == "*" || g.url == "*" || g.url == "/*"), g.verb == "escalate", g.verb == "bind", g.verb == "impersonate":
		return detect.Critical
	case (resource == "secrets" || g.resource == "*") && reads, resource == "serviceaccounts" && sub == "token" && writes, resource == "nodes" && sub == "proxy",
		resource == "pods" && (sub == "exec" || sub == "attach" || sub == "ephemeralcontainers"), resource == "certificatesigningrequests" && writes,
		strings.HasSuffix(resource, "webhookconfigurations") && writes:
		return detect.High
	case writes, g.verb == "delete", g.verb == "deletecollection":
		return detect.Medium
	}
	return detect.Low
}

// riskOfRole is how bad it is to be given a role, as far as its name tells.
func riskOfRole(role string) detect.Severity {
	switch {
	case role == "ClusterRole/cluster-admin":
		return detect.Critical
	case role == "ClusterRole/admin" || role == "ClusterRole/edit" || strings.HasPrefix(role, "ClusterRole/system:"):
		return detect.High
	}
	return detect.Medium
}

// addedSubjects are those whom a binding did not bind before to its role.
func addedSubjects(before, now *version) (added []string) {
	for _, s := range now.Subjects {
		if before.Role != now.Role || before.Gone || !slices.Contains(before.Subjects, s) {
			added = append(added, s)
		}
	}
	return added
}

// rulesVersion changes when the same events give other findings.
const rulesVersion = "000000000002"

func ruleOf(id, title, about string, severity detect.Severity, techniques ...string) *detect.Rule {
	return &detect.Rule{
		ID: id, Name: strings.TrimPrefix(id, "annals-"), Title: title, Version: rulesVersion, Language: detect.Builtin, Severity: severity, About: about, Author: "Annals",
		Techniques: techniques, Tactics: []string{"privilege-escalation", "persistence"}, Tags: []string{"rbac"}, File: "builtin/grants",
		FalsePositives: []string{"an administrator's ordinary work", "a new version of an operator"},
	}
}

var (
	ruleRole = ruleOf("annals-grants-role", "A role grants more than it did",
		"A role that exists already is bound already: to widen it gives power to everybody whom it was given to, and looks like maintenance. What it grants is compared with what it granted before, by whatever verb it was changed.",
		detect.High, "T1098.006")
	ruleBinding = ruleOf("annals-grants-binding", "A binding binds somebody whom it did not",
		"To add a subject to a binding that exists is less conspicuous than to make one. Whom it binds is compared with whom it bound before, by whatever verb it was changed.",
		detect.High, "T1098.006")
	ruleUsed = ruleOf("annals-grants-used", "Granted, then used",
		"Whoever was given a role used it within a day. The API server says by which binding it allowed a request. Together with who gave it, and to whom, this tells a grant for an attack from one that was made in advance.",
		detect.Medium, "T1098.006", "T1078")
)

// Rules are what it reports.
func (*Grants) Rules() []*detect.Rule { return []*detect.Rule{ruleRole, ruleBinding, ruleUsed} }
