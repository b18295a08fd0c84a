package coverage

import (
	"slices"
	"strings"

	"annals.dev/audit"
	"annals.dev/policy"
	"annals.dev/policy/lint"
)

// world is what requests there can be, and what a policy makes of them.
type world struct {
	*Policy
	evaluator *policy.Evaluator
	builtin   map[string][]*target // by resource
	targets   []*target            // that are built in, and that the policy names
	paths     []string             // of requests that are for no resource
	apis      []string             // groups that the policy names and that are not built in
	spaces    []string             // namespaces that the policy names
	names     []string
	users     []string
	groups    []string
}

// target is what a request can be about.
type target struct {
	group, resource, sub string
	path                 string // of a request that is for no resource
	scope                scope
	verbs                []string
	unnamed              bool // create needs no name: the object is made
}

type scope uint8

const (
	namespaced scope = 1 << iota
	clusterWide
)

var allVerbs = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}

var methods = []string{"get", "post", "put", "patch", "delete", "head", "options"}

// verbsOfSub are the verbs of subresources, where they are not those of a status.
var verbsOfSub = map[string][]string{
	"exec": {"get", "create"}, "attach": {"get", "create"}, "portforward": {"get", "create"},
	"proxy": {"get", "create", "update", "patch", "delete"}, "log": {"get"}, "binding": {"create"}, "eviction": {"create"},
	"token": {"create"}, "finalize": {"update"},
}

// connects are the subresources that are streams: what flows through them is no body.
var connects = []string{"exec", "attach", "portforward", "proxy", "log"}

// wellKnownPaths are those that a server answers.
var wellKnownPaths = []string{"/", "/api", "/apis", "/apis/apps", "/healthz", "/livez", "/readyz", "/metrics", "/version", "/openapi/v3", "/openapi/v2",
	"/logs/", "/debug/pprof/profile", "/.well-known/openid-configuration", "/openid/v1/jwks"}

const (
	otherResource  = "widgets"
	otherGroup     = "example.com"
	otherNamespace = "somewhere"
	otherName      = "something"
	otherUser      = "somebody"
)

func newWorld(p *Policy) *world {
	w := &world{Policy: p, evaluator: policy.Compile(p.Policy), builtin: map[string][]*target{}}
	for _, r := range lint.Resources() {
		if r.Group == "extensions" || r.Name == "podsecuritypolicies" {
			continue // no server has them any more
		}
		s := clusterWide
		if r.Namespaced {
			s = namespaced
		}
		w.builtin[r.Name] = append(w.builtin[r.Name], &target{group: r.Group, resource: r.Name, scope: s, verbs: r.Verbs, unnamed: true})
		for _, sub := range r.Subresources {
			verbs := verbsOfSub[sub]
			if verbs == nil {
				verbs = []string{"get", "update", "patch"}
			}
			w.builtin[r.Name] = append(w.builtin[r.Name], &target{group: r.Group, resource: r.Name, sub: sub, scope: s, verbs: verbs})
		}
		w.targets = append(w.targets, w.builtin[r.Name][len(w.builtin[r.Name])-1-len(r.Subresources):]...)
	}
	w.targets = append(w.targets, w.custom(otherGroup, otherResource, "status")...)
	for i := range p.Rules {
		r := &p.Rules[i]
		w.users, w.groups = union(w.users, r.Users), union(w.groups, r.UserGroups)
		w.spaces = union(w.spaces, r.Namespaces)
		for _, g := range r.Resources {
			w.names = union(w.names, g.ResourceNames)
			if !slices.ContainsFunc(w.targets, func(t *target) bool { return t.group == g.Group }) && g.Group != "*" {
				w.apis = union(w.apis, []string{g.Group})
			}
			w.targets = append(w.targets, w.named(g)...)
		}
		for _, u := range r.NonResourceURLs {
			stem := strings.TrimRight(u, "*")
			w.paths = union(w.paths, []string{stem})
			if stem != u {
				w.paths = union(w.paths, []string{stem + "x"})
			}
		}
	}
	w.paths = union(w.paths, wellKnownPaths)
	w.paths = union(w.paths, []string{"/other"})
	return w
}

// custom are targets of a resource that Kubernetes does not know.
func (w *world) custom(group, resource string, subs ...string) []*target {
	if group == "" || group == "*" {
		group = otherGroup
	}
	all := []*target{{group: group, resource: resource, scope: namespaced | clusterWide, verbs: allVerbs, unnamed: true}}
	for _, sub := range subs {
		all = append(all, &target{group: group, resource: resource, sub: sub, scope: namespaced | clusterWide, verbs: []string{"get", "update", "patch", "create"}})
	}
	return all
}

// named are the targets that a policy's element names and that are not built in.
func (w *world) named(g policy.GroupResources) (all []*target) {
	if len(g.Resources) == 0 && g.Group != "*" && !slices.ContainsFunc(w.targets, func(t *target) bool { return t.group == g.Group }) {
		return w.custom(g.Group, otherResource)
	}
	for _, r := range g.Resources {
		resource, sub, _ := strings.Cut(r, "/")
		if resource == "*" || resource == "" {
			resource = otherResource
		}
		if w.builtin[resource] != nil && (sub == "" || sub == "*" || slices.ContainsFunc(w.builtin[resource], func(t *target) bool { return t.sub == sub })) {
			continue
		}
		if w.builtin[resource] != nil { // a subresource that is newer than we
			b := w.builtin[resource][0]
			all = append(all, &target{group: b.group, resource: resource, sub: sub, scope: b.scope, verbs: []string{"get", "update", "patch", "create"}})
			continue
		}
		var subs []string
		if sub != "" && sub != "*" {
			subs = []string{sub}
		}
		all = append(all, w.custom(g.Group, resource, subs...)...)
	}
	return all
}

func union(a, b []string) []string {
	for _, s := range b {
		if !slices.Contains(a, s) {
			a = append(a, s)
		}
	}
	return a
}

// other is a word that is none of those.
func other(word string, of []string) string {
	for slices.ContainsFunc(of, func(s string) bool { return strings.Contains(strings.ToLower(s), word) }) {
		word += "x"
	}
	return word
}

// request is one that stands for many.
type request struct {
	*target
	verb      string
	namespace string
	name      string // as the policy sees it
	user      *identity
}

// identity is who asks.
type identity struct {
	*audit.UserInfo        // nil: nobody was authenticated
	own             string // how the rule's tests stand to it
	asks            []byte // by the policy's rules: whether they are content with it
}

func (r *request) attributes() policy.Attributes {
	a := policy.Attributes{User: r.user.UserInfo, Verb: r.verb}
	if r.path != "" {
		a.Path = r.path
		return a
	}
	a.ResourceRequest = true
	a.APIGroup, a.Resource, a.Subresource, a.Namespace, a.Name = r.group, r.resource, r.sub, r.namespace, r.name
	return a
}

// long says whether the request lasts: it has a stage ResponseStarted.
func (r *request) long() bool {
	if r.path != "" {
		return strings.HasPrefix(r.path, "/debug/pprof/")
	}
	return r.verb == "watch" || slices.Contains(connects, r.sub)
}

// stages are those that the request goes through, or may.
func (r *request) stages() []audit.Stage {
	switch {
	case r.user.UserInfo == nil: // a failed login has one event alone
		return []audit.Stage{audit.StageResponseStarted}
	case r.long():
		return []audit.Stage{audit.StageResponseComplete, audit.StageResponseStarted, audit.StageRequestReceived, audit.StagePanic}
	}
	return []audit.Stage{audit.StageResponseComplete, audit.StageRequestReceived, audit.StagePanic}
}

// hasBody says whether an event of the request can hold a body of the request, if its level lets it.
func (r *request) hasBody(stage audit.Stage) bool {
	if r.path != "" || r.user.UserInfo == nil || stage == audit.StageRequestReceived || slices.Contains(connects, r.sub) {
		return false
	}
	return r.verb != "get" && r.verb != "list" && r.verb != "watch"
}

// hasAnswer says the same of the response's body.
func (r *request) hasAnswer(stage audit.Stage) bool {
	return stage != audit.StageRequestReceived
}
