package lint

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"annals.dev/audit"
	"annals.dev/policy"
)

// What a rule can still decide, once the rules before it have had their turn, is found out by asking the policy about a
// finite number of requests. They stand for all: for every request that the rule matches there is one among them that the
// rule matches too, and that no earlier rule matches which does not match the request. So if each of them is decided by an
// earlier rule, so is every request, and the rule never decides; otherwise one of them is the proof that it does.
//
//   - Where a rule names values (users, groups, verbs, namespaces, resources, names, paths), one request for each.
//   - Where it does not, a value that no rule names: fewer rules match it than any other. A prefix is continued so.
//   - Of a user's groups only one counts, beside those that Kubernetes gives itself: system:authenticated, and to service
//     accounts theirs; fewer groups match fewer rules. A rule that asks for no user is tried with nobody, as when
//     authentication failed.
//   - Verbs of requests for resources are few: all of them.

// unnamed is a word that no policy names.
const unnamed = "\x01annals"

// anyVerb are the verbs that requests for resources have: OPTIONS has none.
var anyVerb = append(slices.Clone(resourceVerbs), "")

// target narrows the requests to a resource, to verbs, or both.
type target struct {
	group, resource, sub string
	verbs                []string
}

func authenticated(name string, groups ...string) *audit.UserInfo {
	return &audit.UserInfo{Username: name, Groups: append(groups, policy.ImpliedGroups(name)...)}
}

// users are those who stand for all whom the rule is for.
func users(r *policy.Rule) (list []*audit.UserInfo) {
	if len(r.Users)+len(r.UserGroups) == 0 {
		return []*audit.UserInfo{nil}
	}
	names, groups := r.Users, r.UserGroups
	if len(names) == 0 {
		names = []string{unnamed}
	}
	for _, n := range names {
		if len(groups) == 0 {
			list = append(list, authenticated(n))
		}
		for _, g := range groups {
			if g == "system:unauthenticated" {
				list = append(list, &audit.UserInfo{Username: n, Groups: []string{g}})
			} else {
				list = append(list, authenticated(n, g))
			}
		}
	}
	return list
}

// requests are those that stand for all that a rule matches, with the target in place of the rule's resources if there is one.
func requests(r *policy.Rule, t *target) iter.Seq[*policy.Attributes] {
	return func(yield func(*policy.Attributes) bool) {
		verbs := r.Verbs
		if len(verbs) == 0 {
			verbs = anyVerb
		}
		if t != nil && t.verbs != nil {
			verbs = t.verbs
		}
		for _, u := range users(r) {
			for _, v := range verbs {
				for a := range objects(r, t) {
					a.User, a.Verb = u, v
					if !yield(&a) {
						return
					}
				}
			}
			if t == nil && len(r.Resources)+len(r.Namespaces) == 0 {
				if !paths(r, u, yield) {
					return
				}
			}
		}
	}
}

// paths are the requests that are not for resources.
func paths(r *policy.Rule, u *audit.UserInfo, yield func(*policy.Attributes) bool) bool {
	list, verbs := r.NonResourceURLs, r.Verbs
	if len(list) == 0 {
		list = []string{"*"}
	}
	if len(verbs) == 0 {
		verbs = []string{unnamed}
	}
	for _, p := range list {
		if begin, wild := strings.CutSuffix(p, "*"); wild {
			p = begin + unnamed
		}
		for _, v := range verbs {
			if !yield(&policy.Attributes{User: u, Verb: v, Path: p}) {
				return false
			}
		}
	}
	return true
}

// objects are the requests for resources, without who and what.
func objects(r *policy.Rule, t *target) iter.Seq[policy.Attributes] {
	return func(yield func(policy.Attributes) bool) {
		if len(r.NonResourceURLs) > 0 {
			return
		}
		namespaces := r.Namespaces
		if len(namespaces) == 0 {
			namespaces = []string{unnamed, ""}
		}
		elems := r.Resources
		if len(elems) == 0 {
			elems = []policy.GroupResources{{Group: "*"}}
		}
		for _, e := range elems {
			if e.Group == "*" {
				e.Group = unnamed
			}
			names := e.ResourceNames
			if len(names) == 0 {
				names = []string{unnamed, ""}
			}
			pairs := pairsOf(e.Resources)
			if t != nil && t.resource != "" {
				e.Group, pairs = t.group, [][2]string{{t.resource, t.sub}}
			}
			for _, p := range pairs {
				for _, ns := range namespaces {
					for _, name := range names {
						a := policy.Attributes{ResourceRequest: true, APIGroup: e.Group, Resource: p[0], Subresource: p[1], Namespace: ns, Name: name}
						if !yield(a) {
							return
						}
					}
				}
			}
		}
	}
}

// pairsOf gives the resources and subresources that stand for a list of patterns.
func pairsOf(patterns []string) (pairs [][2]string) {
	if len(patterns) == 0 {
		patterns = []string{"*"}
	}
	for _, p := range patterns {
		res, sub, _ := strings.Cut(p, "/")
		if res == "*" {
			res = unnamed
		}
		if sub == "*" {
			pairs = append(pairs, [2]string{res, ""})
			sub = unnamed
		}
		pairs = append(pairs, [2]string{res, sub})
	}
	return pairs
}

// maxVerdicts bounds the work on one question about one rule: far more than any that people write asks for. Beyond it
// nothing is proved, and nothing is said.
const maxVerdicts = 200_000

// decide asks for a verdict, and says whether there is room for another.
func (c *checker) decide(a *policy.Attributes) (policy.Decision, bool) {
	c.asked++
	return c.eval.Decide(a), c.asked <= maxVerdicts
}

// hit gives a request that the rule decides, within the target.
func (c *checker) hit(r *rule, t *target) (*policy.Attributes, bool) {
	c.asked = 0
	for a := range requests(&r.Rule, t) {
		d, ok := c.decide(a)
		if !ok {
			break
		}
		if d.Rule == r.index {
			return a, true
		}
	}
	return nil, false
}

// shadows proves rules unreachable.
func (c *checker) shadows() {
	for _, r := range c.rules {
		c.asked = 0
		hiding, same, proved := map[int]bool{}, true, false
		for a := range requests(&r.Rule, nil) {
			d, ok := c.decide(a)
			if !ok || d.Rule < 0 || d.Rule >= r.index {
				proved = false
				break
			}
			proved = true
			hiding[d.Rule] = true
			by := &c.rules[d.Rule].Rule
			same = same && by.Level == r.Level && (by.Level == audit.LevelNone || omitted(by) == omitted(&r.Rule))
		}
		broken := func(i int) bool { return c.rules[i].broken }
		if !proved || slices.ContainsFunc(slices.Collect(maps.Keys(hiding)), broken) {
			continue
		}
		var by []string
		for _, i := range slices.Sorted(maps.Keys(hiding)) {
			by = append(by, fmt.Sprintf("%s (line %d)", c.rules[i].name(), c.rules[i].at.Line))
		}
		f := c.add("L18", Warning, r.at, fmt.Sprintf("%s can never decide: every request that it matches is decided before it, by %s", r.name(), and(by)),
			"to stand before them: the first rule that matches decides")
		if same {
			f.Severity = Info
			f.Meant = "nothing that is not so already: they give the same level"
		}
	}
}

func omitted(r *policy.Rule) policy.Stages { return policy.StagesOf(r.OmitStages...) }

func and(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}

// catchAll says what no rule matches.
func (c *checker) catchAll() {
	var open []string
	everyone := authenticated(unnamed)
	for _, v := range resourceVerbs[:8] {
		for _, ns := range []string{unnamed, ""} {
			a := &policy.Attributes{User: everyone, Verb: v, ResourceRequest: true, APIGroup: unnamed, Resource: unnamed, Namespace: ns, Name: unnamed}
			if d, _ := c.decide(a); d.Rule < 0 && !slices.Contains(open, v) {
				open = append(open, v)
			}
		}
	}
	last := c.rules[len(c.rules)-1]
	url, _ := c.decide(&policy.Attributes{User: everyone, Verb: "get", Path: "/" + unnamed})
	switch {
	case len(open) > 0:
		what := "requests that no rule matches"
		if len(open) < 8 {
			what += " (" + and(open) + " of other resources)"
		}
		c.add("L19", Warning, last.at, "this is the last rule, and no catch-all: "+what+" are not recorded, without a word",
			"a last rule of level Metadata alone; or, if the rest is not to be recorded, one of level None that says so")
	case url.Rule < 0:
		c.add("L19", Info, last.at, "this is the last rule, and no catch-all: URLs that no rule matches are not recorded", "a last rule of level Metadata or None alone")
	}
}
