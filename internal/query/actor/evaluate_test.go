package actor

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	rbac "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

// check is one question that an authorizer is asked.
type check struct{ verb, group, resource, namespace, name, path string }

func (c check) String() string {
	return fmt.Sprintf("%s %s.%s %q in %q %s", c.verb, c.resource, c.group, c.name, c.namespace, c.path)
}

// written is what a text of roles grants to a user: rules by namespace, "" everywhere.
type written map[string][]rbac.PolicyRule

// read reads roles as kubectl would, and makes sure that each is bound to the user and to nobody else.
func read(tb testing.TB, user, text string) written {
	tb.Helper()
	w := make(written)
	roles, bound := make(map[string][]rbac.PolicyRule), make(map[string]bool)
	for doc := range strings.SplitSeq(text, "\n---\n") {
		if strings.TrimSpace(doc) == "" {
			continue
		}
		var kind struct{ Kind, APIVersion string }
		if err := yaml.Unmarshal([]byte(doc), &kind); err != nil || kind.APIVersion != "rbac.authorization.k8s.io/v1" {
			tb.Fatalf("%v: %+v\n%s", err, kind, doc)
		}
		strict := func(v any) {
			if err := yaml.UnmarshalStrict([]byte(doc), v); err != nil {
				tb.Fatalf("%v\n%s", err, doc)
			}
		}
		switch kind.Kind {
		case "Role", "ClusterRole": // alike, but for the namespace
			var r rbac.Role
			strict(&r)
			if (kind.Kind == "Role") != (r.Namespace != "") {
				tb.Errorf("a %s in namespace %q", kind.Kind, r.Namespace)
			}
			roles[r.Namespace+"/"+kind.Kind+"/"+r.Name] = r.Rules
			w[r.Namespace] = r.Rules
		case "RoleBinding", "ClusterRoleBinding":
			var b rbac.RoleBinding
			strict(&b)
			who := rbac.Subject{Kind: "User", APIGroup: "rbac.authorization.k8s.io", Name: user}
			if ns, name, ok := serviceAccount(user); ok {
				who = rbac.Subject{Kind: "ServiceAccount", Namespace: ns, Name: name}
			}
			if !slices.Equal(b.Subjects, []rbac.Subject{who}) || kind.Kind != b.RoleRef.Kind+"Binding" || b.RoleRef.APIGroup != "rbac.authorization.k8s.io" {
				tb.Errorf("%s of %+v to %+v", kind.Kind, b.RoleRef, b.Subjects)
			}
			bound[b.Namespace+"/"+b.RoleRef.Kind+"/"+b.RoleRef.Name] = true
		default:
			tb.Errorf("a %s", kind.Kind)
		}
	}
	for name := range roles {
		if !bound[name] || len(bound) != len(roles) {
			tb.Errorf("role %s is not bound; bindings: %v", name, bound)
		}
	}
	return w
}

// allows evaluates rules as Kubernetes documents RBAC.
func (w written) allows(c check) bool {
	if slices.ContainsFunc(w[""], func(r rbac.PolicyRule) bool { return ruleAllows(r, c) }) {
		return true
	}
	return c.namespace != "" && slices.ContainsFunc(w[c.namespace], func(r rbac.PolicyRule) bool { return ruleAllows(r, c) })
}

func ruleAllows(r rbac.PolicyRule, c check) bool {
	either := func(list []string, value string) bool {
		return slices.Contains(list, "*") || slices.Contains(list, value)
	}
	if !either(r.Verbs, c.verb) {
		return false
	}
	if c.resource == "" {
		return slices.ContainsFunc(r.NonResourceURLs, func(u string) bool {
			prefix, star := strings.CutSuffix(u, "*")
			return u == c.path || star && strings.HasPrefix(c.path, prefix)
		})
	}
	_, sub, hasSub := strings.Cut(c.resource, "/")
	return either(r.APIGroups, c.group) && (either(r.Resources, c.resource) || hasSub && slices.Contains(r.Resources, "*/"+sub)) &&
		(len(r.ResourceNames) == 0 || slices.Contains(r.ResourceNames, c.name))
}

// hold fails unless the roles allow every check, and none of the checks' absence would leave them as they are: whatever verb,
// resource, name or path is taken out of a rule, some check is not allowed any more.
func hold(tb testing.TB, w written, checks []check) {
	tb.Helper()
	for _, c := range checks {
		if !w.allows(c) {
			tb.Errorf("not allowed: %v", c)
		}
	}
	for ns, rules := range w {
		for i, r := range rules {
			for _, part := range []struct {
				name string
				list *[]string
			}{{"verb", &r.Verbs}, {"resource", &r.Resources}, {"name", &r.ResourceNames}, {"path", &r.NonResourceURLs}, {"group", &r.APIGroups}} {
				for k, value := range *part.list {
					less := r
					left := append(slices.Clone((*part.list)[:k]), (*part.list)[k+1:]...)
					switch part.list {
					case &r.Verbs:
						less.Verbs = left
					case &r.Resources:
						less.Resources = left
					case &r.ResourceNames:
						less.ResourceNames = left
						if len(left) == 0 {
							less.Verbs = nil // no names would mean all
						}
					case &r.NonResourceURLs:
						less.NonResourceURLs = left
					default:
						less.APIGroups = left
					}
					without := make(written)
					for k, v := range w {
						without[k] = v
					}
					without[ns] = append(append(slices.Clone(rules[:i]), less), rules[i+1:]...)
					if !slices.ContainsFunc(checks, func(c check) bool { return !without.allows(c) }) {
						tb.Errorf("%s %q in namespace %q is not needed: %+v", part.name, value, ns, r)
					}
				}
			}
			// A rule allows all combinations of what stands in it: each must have been asked for.
			for _, verb := range r.Verbs {
				for _, resource := range r.Resources {
					for _, name := range append(slices.Clone(r.ResourceNames), "") {
						if name == "" && len(r.ResourceNames) > 0 {
							continue
						}
						if !slices.ContainsFunc(checks, func(c check) bool {
							return c.verb == verb && c.resource == resource && r.APIGroups[0] == c.group && (ns == "" || ns == c.namespace) && (name == "" || name == c.name)
						}) {
							tb.Errorf("nobody asked to %s %s %q in %q: %+v", verb, resource, name, ns, r)
						}
					}
				}
			}
		}
	}
}

// sameTwice writes the roles, more than once, and gives the text, which must always be the same.
func sameTwice(tb testing.TB, l *least, user string) string {
	tb.Helper()
	a, err := l.yaml(user)
	if err != nil {
		tb.Fatal(err)
	}
	for range 3 {
		b, err := l.yaml(user)
		if err != nil || a != b {
			tb.Fatalf("another text the second time: %v\n%s\n%s", err, a, b)
		}
	}
	if bytes.ContainsFunc([]byte(a), func(r rune) bool { return r != '\n' && (r < ' ' || r == 0x7f || r == 0x202e) }) {
		tb.Errorf("the text holds what acts on a terminal: %q", a)
	}
	return a
}
