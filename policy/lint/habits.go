package lint

import (
	"fmt"
	"slices"
	"strings"

	"annals.dev/audit"
	"annals.dev/policy"
)

// failedLogins finds rules that are to record those who fail to log in, and cannot.
func (c *checker) failedLogins() {
	everyone := []string{"system:authenticated", "system:unauthenticated"}
	for _, r := range c.rules {
		broad := slices.ContainsFunc(r.UserGroups, func(g string) bool { return slices.Contains(everyone, g) }) || slices.Contains(r.Users, "system:anonymous")
		if !r.recorded() || !broad {
			continue
		}
		a, ok := c.hit(r, nil)
		if !ok {
			continue
		}
		nobody := *a
		nobody.User = nil
		if d, _ := c.decide(&nobody); d.Level == audit.LevelNone {
			at := r.key("userGroups")
			if r.f["userGroups"] == nil {
				at = r.key("users")
			}
			c.add("L27", Warning, at, r.name()+" asks for a user, and whoever fails to log in (401) is none: those attempts are not recorded; system:anonymous is only who did not try",
				"a last rule without users and userGroups, of level Metadata")
			return
		}
	}
}

// managed reports whether the request may be for an object that has managedFields: one that is kept.
func managed(a *policy.Attributes) bool {
	b := lookup(a.APIGroup, a.Resource)
	return a.ResourceRequest && !slices.Contains(connects, a.Resource+"/"+a.Subresource) && (b == nil || strings.Contains(b.verbs, "g"))
}

// managedFields finds the first rule that records objects with their managedFields.
func (c *checker) managedFields() {
	if c.o.Kubernetes > 0 && c.o.Kubernetes < 23 {
		return
	}
	for _, r := range c.rules {
		if r.Level != audit.LevelRequestResponse || len(r.NonResourceURLs) > 0 {
			continue
		}
		for a := range requests(&r.Rule, nil) {
			d, ok := c.decide(a)
			if !ok {
				return
			}
			if d.Rule == r.index && !d.OmitManagedFields && managed(a) {
				c.add("L37", Info, r.key("level"), r.name()+" records objects with their managedFields, which often are half of them and say nothing that the log does not", "omitManagedFields: true, for the policy")
				return
			}
		}
	}
}

// routine is what every cluster says all day to itself.
var routine = []struct {
	what string
	a    policy.Attributes
}{
	{"leases renewed by nodes", policy.Attributes{User: authenticated("system:node:node-1", "system:nodes"), Verb: "update", ResourceRequest: true, APIGroup: "coordination.k8s.io", Resource: "leases", Namespace: "kube-node-lease", Name: "node-1"}},
	{"leases renewed by the controller manager", policy.Attributes{User: authenticated("system:kube-controller-manager"), Verb: "update", ResourceRequest: true, APIGroup: "coordination.k8s.io", Resource: "leases", Namespace: "kube-system", Name: "kube-controller-manager"}},
	{"health checks", policy.Attributes{User: &audit.UserInfo{Username: "system:anonymous", Groups: []string{"system:unauthenticated"}}, Verb: "get", Path: "/readyz"}},
	{"endpoint slices watched by kube-proxy", policy.Attributes{User: authenticated("system:kube-proxy"), Verb: "watch", ResourceRequest: true, APIGroup: "discovery.k8s.io", Resource: "endpointslices"}},
	{"Events", policy.Attributes{User: authenticated("system:node:node-1", "system:nodes"), Verb: "create", ResourceRequest: true, Resource: "events", Namespace: "default"}},
}

// noise finds recorded routine.
func (c *checker) noise() {
	var what []string
	first := -1
	for _, n := range routine {
		if d, _ := c.decide(&n.a); d.Level.AtLeast(audit.LevelMetadata) {
			what = append(what, n.what)
			if first < 0 {
				first = d.Rule
			}
		}
	}
	if len(what) > 0 {
		c.add("L38", Info, c.rules[first].at, fmt.Sprintf("the cluster's own routine is recorded: %s. It fills the log and says little", strings.Join(what, ", ")),
			"rules of level None for it, before this one")
	}
}
