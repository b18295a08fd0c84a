package policy

import (
	"fmt"
	"strings"
	"testing"

	"annals.dev/audit"
)

func TestExplain(t *testing.T) {
	ada := &audit.UserInfo{Username: "ada", Groups: []string{"people", "engineers"}}
	pod := Attributes{User: ada, Verb: "get", ResourceRequest: true, Namespace: "shop", Resource: "pods", Name: "till-0"}
	log, list, apps, url, nobody := pod, pod, pod, Attributes{User: ada, Verb: "get", Path: "/healthz"}, pod
	log.Subresource = "log"
	list.Verb, list.Name, list.Namespace = "list", "", ""
	apps.APIGroup, apps.Resource = "apps", "deployments"
	nobody.User = nil
	of := func(g ...GroupResources) Rule { return Rule{Resources: g} }
	pods := GroupResources{Resources: []string{"pods"}}
	for _, tt := range []struct {
		rule Rule
		a    Attributes
		want string // field: yes or no: text; for every check
	}{
		{Rule{}, pod, ``},
		{Rule{Users: []string{"ada"}}, pod, `users yes: the user is "ada"`},
		{Rule{Users: []string{"bob", "*"}}, pod, `users no: the user is "ada", and the rule asks for one of "bob", "*"; users has no wildcards, and "*" means just that`},
		{Rule{Users: []string{"bob"}, UserGroups: []string{"x"}}, nobody, `users no: nobody was authenticated, and the rule asks for "bob" | userGroups no: nobody was authenticated, and the rule asks for "x"`},
		{Rule{UserGroups: []string{"x", "engineers"}}, pod, `userGroups yes: the user is in the group "engineers"`},
		{Rule{UserGroups: []string{"system:*"}}, pod, `userGroups no: the user is in "people", "engineers", and the rule asks for "system:*"; userGroups has no wildcards, and "system:*" means just that`},
		{Rule{UserGroups: []string{"x"}}, Attributes{User: &audit.UserInfo{}}, `userGroups no: the user is in no group, and the rule asks for "x"`},
		{Rule{Verbs: []string{"a", "b", "c", "d", "e", "f", "g"}}, pod, `verbs no: the verb is "get", and the rule asks for one of "a", "b", "c", "d", "e" and 2 more`},
		{Rule{Verbs: []string{"get"}, Namespaces: []string{"shop"}}, pod, `verbs yes: the verb is "get" | namespaces yes: the namespace is "shop"`},
		{Rule{Namespaces: []string{"kube-system"}}, pod, `namespaces no: the namespace is "shop", and the rule asks for "kube-system"`},
		{Rule{Namespaces: []string{"shop"}}, list, `namespaces no: the request is for no namespace or for all, and the rule asks for "shop"`},
		{Rule{Namespaces: []string{""}}, list, `namespaces yes: the namespace is ""`},
		{Rule{Namespaces: []string{""}, Resources: []GroupResources{{}}}, url, `namespaces no: /healthz is not for a resource, and a rule with namespaces is for those alone | resources no: /healthz is not for a resource, and a rule with resources is for those alone`},
		{of(GroupResources{}), pod, `resources yes: resources[0]: all of the core group`},
		{of(GroupResources{Group: "*"}), apps, `resources yes: resources[0]: all of any group`},
		{of(pods), apps, `resources no: resources[0]: deployments is in the group apps, and the rule asks for the core group`},
		{of(GroupResources{Group: "batch"}, pods), pod, `resources yes: resources[1]: pods in the core group`},
		{of(GroupResources{Group: "batch"}, GroupResources{Resources: []string{"nodes"}}), pod, `resources no: resources[0]: pods is in the core group, and the rule asks for the group batch; resources[1]: the resource is "pods", and the rule asks for "nodes"`},
		{of(pods), log, `resources no: resources[0]: the resource is "pods/log", and the rule asks for "pods"; pods does not stand for its subresources, pods/* would`},
		{of(GroupResources{Resources: []string{"pods/*"}}), pod, `resources yes: resources[0]: pods in the core group, for which "pods/*" stands`},
		{of(GroupResources{Resources: []string{"pods"}, ResourceNames: []string{"till-0"}}), pod, `resources yes: resources[0]: pods in the core group named "till-0"`},
		{of(GroupResources{Resources: []string{"pods"}, ResourceNames: []string{"till-*"}}), pod, `resources no: resources[0]: the object is "till-0", and the rule asks for "till-*"; resourceNames has no wildcards, and "till-*" means just that`},
		{of(GroupResources{Resources: []string{"pods"}, ResourceNames: []string{"till-0"}}), list, `resources no: resources[0]: a list of pods names no object, and the rule asks for "till-0"`},
		{Rule{NonResourceURLs: []string{"/x", "/health*"}}, url, `nonResourceURLs yes: the path /healthz matches "/health*"`},
		{Rule{NonResourceURLs: []string{"/x"}}, url, `nonResourceURLs no: the path is /healthz, and the rule asks for "/x"`},
		{Rule{NonResourceURLs: []string{"*"}}, pod, `nonResourceURLs no: the request is for pods, and nonResourceURLs never match a request for a resource`},
	} {
		s := Explain(&Policy{Rules: []Rule{tt.rule}}, &tt.a)[0]
		var got []string
		for _, c := range s.Checks {
			got = append(got, fmt.Sprintf("%s %s: %s", c.Field, map[bool]string{true: "yes", false: "no"}[c.OK], c.Text))
		}
		if text := strings.Join(got, " | "); text != tt.want {
			t.Errorf("%+v\n got %s\nwant %s", tt.rule, text, tt.want)
		}
	}
}

// TestExplainAgrees holds what is explained to what is decided, over real requests and policies.
func TestExplainAgrees(t *testing.T) {
	for _, name := range sizes {
		p, e := compiled(t, name)
		for _, a := range recorded(t) {
			decided := -1
			for _, s := range Explain(p, &a) {
				all := true
				for _, c := range s.Checks {
					all = all && c.OK
				}
				if all != s.Matched {
					t.Fatalf("%s, rule %d of %+v: matched %v, but the checks are %+v", name, s.Rule, a, s.Matched, s.Checks)
				}
				if s.Decided {
					decided = s.Rule
				}
			}
			if want := e.Decide(&a).Rule; decided != want {
				t.Fatalf("%s: %+v: rule %d is said to decide, it is %d", name, a, decided, want)
			}
		}
	}
}
