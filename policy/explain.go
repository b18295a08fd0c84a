package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Step is one rule held against a request.
type Step struct {
	Rule    int     `json:"rule"` // its index
	Matched bool    `json:"matched"`
	Decided bool    `json:"decided"` // it is the first that matched
	Checks  []Check `json:"checks"`  // of every field that the rule sets; the rule matches if all of them do
}

// Check is one field of a rule held against a request.
type Check struct {
	Field string `json:"field"`
	OK    bool   `json:"ok"`
	Text  string `json:"text"` // for people: what was asked for, and what came
}

// Explain holds every rule against a request, those behind the one that decides too.
func Explain(p *Policy, a *Attributes) []Step {
	steps := make([]Step, 0, len(p.Rules))
	decided := false
	for i := range p.Rules {
		r := &p.Rules[i]
		s := Step{Rule: i, Matched: r.matches(a), Checks: r.explain(a)}
		s.Decided = s.Matched && !decided
		decided = decided || s.Decided
		steps = append(steps, s)
	}
	return steps
}

func (r *Rule) explain(a *Attributes) []Check {
	e := explanation{a: a}
	e.users(r.Users)
	e.groups(r.UserGroups)
	e.value("verbs", "the verb is", a.Verb, r.Verbs)
	switch {
	case len(r.Namespaces) > 0 || len(r.Resources) > 0:
		e.namespaces(r.Namespaces)
		e.resources(r.Resources)
	case len(r.NonResourceURLs) > 0:
		e.paths(r.NonResourceURLs)
	}
	return e.checks
}

type explanation struct {
	a      *Attributes
	checks []Check
}

func (e *explanation) add(field string, ok bool, format string, args ...any) {
	e.checks = append(e.checks, Check{field, ok, fmt.Sprintf(format, args...)})
}

// value is a field that lists strings, of which the request has one.
func (e *explanation) value(field, is, value string, list []string) {
	if len(list) == 0 {
		return
	}
	if slices.Contains(list, value) {
		e.add(field, true, "%s %q", is, value)
		return
	}
	e.add(field, false, "%s %q, and the rule asks for %s%s", is, value, oneOf(list), literal(field, list))
}

func (e *explanation) users(list []string) {
	if len(list) > 0 && e.a.User == nil {
		e.add("users", false, "nobody was authenticated, and the rule asks for %s", oneOf(list))
	} else if len(list) > 0 {
		e.value("users", "the user is", e.a.User.Username, list)
	}
}

func (e *explanation) groups(list []string) {
	if len(list) == 0 {
		return
	}
	if e.a.User == nil {
		e.add("userGroups", false, "nobody was authenticated, and the rule asks for %s", oneOf(list))
		return
	}
	for _, g := range e.a.User.Groups {
		if slices.Contains(list, g) {
			e.add("userGroups", true, "the user is in the group %q", g)
			return
		}
	}
	in := "in no group"
	if len(e.a.User.Groups) > 0 {
		in = "in " + quoted(e.a.User.Groups)
	}
	e.add("userGroups", false, "the user is %s, and the rule asks for %s%s", in, oneOf(list), literal("userGroups", list))
}

func (e *explanation) namespaces(list []string) {
	switch {
	case len(list) == 0:
	case !e.a.ResourceRequest:
		e.add("namespaces", false, "%s is not for a resource, and a rule with namespaces is for those alone", e.a.Path)
	case e.a.Namespace == "" && !slices.Contains(list, ""):
		e.add("namespaces", false, "the request is for no namespace or for all, and the rule asks for %s%s", oneOf(list), literal("namespaces", list))
	default:
		e.value("namespaces", "the namespace is", e.a.Namespace, list)
	}
}

func (e *explanation) resources(list []GroupResources) {
	if len(list) == 0 {
		return
	}
	if !e.a.ResourceRequest {
		e.add("resources", false, "%s is not for a resource, and a rule with resources is for those alone", e.a.Path)
		return
	}
	var why []string
	for i := range list {
		ok, text := e.element(&list[i])
		text = fmt.Sprintf("resources[%d]: %s", i, text)
		if ok {
			e.add("resources", true, "%s", text)
			return
		}
		why = append(why, text)
	}
	e.add("resources", false, "%s", short(why, "; "))
}

func (e *explanation) element(g *GroupResources) (bool, string) {
	a := e.a
	if !g.matchesGroup(a) {
		return false, fmt.Sprintf("%s is in %s, and the rule asks for %s", a.fullResource(), groupName(a.APIGroup), groupName(g.Group))
	}
	if len(g.Resources) == 0 {
		return true, "all of " + groupName(g.Group)
	}
	i := slices.IndexFunc(g.Resources, a.isA)
	if i < 0 {
		hint := ""
		if a.Subresource != "" && slices.Contains(g.Resources, a.Resource) {
			hint = fmt.Sprintf("; %s does not stand for its subresources, %[1]s/* would", a.Resource)
		}
		return false, fmt.Sprintf("the resource is %q, and the rule asks for %s%s", a.fullResource(), oneOf(g.Resources), hint)
	}
	is := fmt.Sprintf("%s in %s", a.fullResource(), groupName(a.APIGroup))
	if said := g.Resources[i]; said != a.fullResource() {
		is += fmt.Sprintf(", for which %q stands", said)
	}
	switch {
	case len(g.ResourceNames) == 0:
		return true, is
	case g.matchesName(a):
		return true, fmt.Sprintf("%s named %q", is, a.Name)
	case a.Name == "":
		return false, fmt.Sprintf("a %s of %s names no object, and the rule asks for %s", a.Verb, a.fullResource(), oneOf(g.ResourceNames))
	}
	return false, fmt.Sprintf("the object is %q, and the rule asks for %s%s", a.Name, oneOf(g.ResourceNames), literal("resourceNames", g.ResourceNames))
}

func (e *explanation) paths(list []string) {
	if e.a.ResourceRequest {
		e.add("nonResourceURLs", false, "the request is for %s, and nonResourceURLs never match a request for a resource", e.a.fullResource())
		return
	}
	for _, u := range list {
		if pathMatches(u, e.a.Path) {
			e.add("nonResourceURLs", true, "the path %s matches %q", e.a.Path, u)
			return
		}
	}
	e.add("nonResourceURLs", false, "the path is %s, and the rule asks for %s", e.a.Path, oneOf(list))
}

func groupName(g string) string {
	switch g {
	case "":
		return "the core group"
	case "*":
		return "any group"
	}
	return "the group " + g
}

// literal warns of a star where it means itself.
func literal(field string, list []string) string {
	for _, s := range list {
		if strings.Contains(s, "*") {
			return fmt.Sprintf("; %s has no wildcards, and %q means just that", field, s)
		}
	}
	return ""
}

func oneOf(list []string) string {
	if len(list) > 1 {
		return "one of " + quoted(list)
	}
	return quoted(list)
}

func quoted(list []string) string {
	q := make([]string, len(list))
	for i, s := range list {
		q[i] = fmt.Sprintf("%q", s)
	}
	return short(q, ", ")
}

// short leaves out what nobody reads to the end of.
func short(list []string, separator string) string {
	const most = 6
	if len(list) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:most-1], separator), len(list)-most+1)
	}
	return strings.Join(list, separator)
}
