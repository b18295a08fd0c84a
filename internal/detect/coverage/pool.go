package coverage

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"annals.dev/audit"
	"annals.dev/capture"
	"annals.dev/internal/match"
	"annals.dev/policy"
)

// pools are the values that stand for all values, of one rule and the policy.
type pools struct {
	targets    []*target
	spaces     []string
	names      []string
	identities []*identity
	uris       []string // what the rule would like to see in a URI
}

// samplesOf are the texts that the tests of fields name, as they stand and in small letters, and what two patterns make together.
func (f *formula) samplesOf(fields ...string) (all []string) {
	var patterns []string
	for _, t := range f.leaves {
		if !slices.Contains(fields, t.field) {
			continue
		}
		for _, s := range t.samples {
			all = union(all, []string{s, strings.ToLower(s)})
		}
		if !t.exact && len(t.samples) > 0 && len(patterns) < maxPatterns {
			patterns = union(patterns, t.samples[:1])
		}
	}
	for _, a := range patterns {
		for _, b := range patterns {
			if a != b {
				all = union(all, []string{a + b})
			}
		}
	}
	return all
}

const maxPatterns = 8

// unknown stands for the values of which it cannot be told which patterns of the rule they pass.
const unknown = "\x00"

// doubtful says whether there may be values of a field that none of its samples stands for: those that pass several patterns.
func (f *formula) doubtful(fields ...string) bool {
	n := 0
	for _, t := range f.leaves {
		if slices.Contains(fields, t.field) && !t.exact {
			if n++; len(t.samples) == 0 {
				return true
			}
		}
	}
	return n > 1
}

// targetOf reads a path as a server does.
func targetOf(uri string) (policy.Attributes, bool) {
	if !strings.HasPrefix(uri, "/") {
		return policy.Attributes{}, false
	}
	r, err := http.NewRequest(http.MethodGet, strings.ReplaceAll(uri, " ", "%20"), nil)
	if err != nil {
		return policy.Attributes{}, false
	}
	info, err := capture.KubernetesRequestInfo(r)
	if err != nil {
		return policy.Attributes{}, false
	}
	return info.Attributes, true
}

func (p *proof) fill() {
	w, f := p.world, p.formula
	resources := p.resources()
	subs := f.samplesOf("objectRef.subresource")
	groups := f.samplesOf("objectRef.apiGroup")
	p.spaces = union(slices.Clone(w.spaces), f.samplesOf("objectRef.namespace", "object.namespace"))
	p.names = union(slices.Clone(w.names), f.samplesOf("objectRef.name", "object.name"))
	p.uris = f.samplesOf("requestURI")
	paths := slices.Clone(w.paths)
	for _, u := range p.uris {
		a, ok := targetOf(u)
		switch {
		case !ok:
		case a.ResourceRequest:
			resources, groups = union(resources, []string{a.Resource}), union(groups, []string{a.APIGroup})
			subs, p.spaces, p.names = union(subs, []string{a.Subresource}), union(p.spaces, []string{a.Namespace}), union(p.names, []string{a.Name})
		default:
			paths = union(paths, []string{a.Path})
		}
	}
	p.targets = slices.Clone(w.targets)
	for _, r := range resources {
		if r == "" || strings.ContainsAny(r, "/ ") || w.builtin[strings.ToLower(r)] != nil {
			continue
		}
		for _, g := range union(union(slices.Clone(groups), w.apis), []string{otherGroup}) {
			p.targets = append(p.targets, w.custom(g, r, subs...)...)
		}
	}
	for _, g := range groups {
		if !slices.ContainsFunc(p.targets, func(t *target) bool { return t.group == g }) && g != "" && g != "*" {
			p.targets = append(p.targets, w.custom(g, otherResource, subs...)...)
		}
	}
	for _, s := range subs {
		if s != "" {
			p.targets = append(p.targets, w.custom(otherGroup, otherResource, s)...)
		}
	}
	for _, path := range paths {
		if a, ok := targetOf(path); ok && !a.ResourceRequest {
			p.targets = append(p.targets, &target{path: path, verbs: methods})
		}
	}
	p.spaces = union(p.spaces, []string{"", other(otherNamespace, p.spaces)})
	p.names = union(p.names, []string{"", other(otherName, p.names)})
	if f.doubtful("objectRef.namespace", "object.namespace") {
		p.spaces = append(p.spaces, unknown)
	}
	if f.doubtful("objectRef.name", "object.name") {
		p.names = append(p.names, unknown)
	}
	p.identify()
}

// resources are those that the rule names. A pattern names those that are built in, if there are any.
func (p *proof) resources() (all []string) {
	for _, t := range p.formula.leaves {
		if t.field != "objectRef.resource" {
			continue
		}
		known := func(resource string) bool {
			return t.Match(rowOf(map[string]any{"objectRef": map[string]any{"resource": resource}}))
		}
		if !t.exact && slices.ContainsFunc(slices.Collect(maps.Keys(p.world.builtin)), known) {
			continue
		}
		for _, s := range t.samples {
			all = union(all, []string{s, strings.ToLower(s)})
		}
	}
	return all
}

// identify makes those who may ask.
func (p *proof) identify() {
	users := union(slices.Clone(p.world.users), p.formula.samplesOf("user.username"))
	mine := p.formula.samplesOf("user.groups")
	groups := union(slices.Clone(p.world.groups), mine)
	users = union(users, []string{other(otherUser, users), "system:serviceaccount:" + otherNamespace + ":" + otherName, "system:node:" + otherName,
		"system:kube-controller-manager", "system:anonymous"})
	if p.formula.doubtful("user.username") {
		users = append(users, unknown)
	}
	sets := [][]string{nil}
	for _, g := range groups {
		if ns, ok := strings.CutPrefix(g, "system:serviceaccounts:"); ok {
			users = union(users, []string{"system:serviceaccount:" + ns + ":" + otherName})
		}
	}
	groups, mine = slices.DeleteFunc(groups, implied), slices.DeleteFunc(mine, implied)
	for _, g := range groups {
		sets = append(sets, []string{g})
		for _, m := range mine {
			if m != g {
				sets = append(sets, []string{m, g})
			}
		}
	}
	if len(mine) > 2 {
		sets = append(sets, mine)
	}
	seen := map[string]bool{}
	add := func(user string, set []string) {
		p.addIdentity(&identity{UserInfo: &audit.UserInfo{Username: user, Groups: union(slices.Clone(set), policy.ImpliedGroups(user))}}, seen)
	}
	// Who the policy names decides by the name or by a group, whichever comes first: both together are like one of them, but for
	// rules of the policy that ask for both. So groups are tried with those whom the policy does not name, and with the others
	// only where nobody else is like them to the rule.
	plain := map[string]string{} // by what the rule makes of the name: one whom the policy does not name
	for _, u := range users {
		if like := p.likeName(u); plain[like] == "" && !slices.Contains(p.world.users, u) {
			plain[like] = u
		}
	}
	for _, u := range users {
		add(u, nil)
		if like := p.likeName(u); plain[like] != "" && plain[like] != u {
			for _, g := range mine {
				add(u, []string{g})
			}
			continue
		}
		for _, set := range sets {
			add(u, set)
		}
	}
	for i := range p.world.Rules {
		for _, u := range p.world.Rules[i].Users {
			for _, g := range p.world.Rules[i].UserGroups {
				add(u, []string{g})
				for _, m := range mine {
					add(u, []string{m, g})
				}
			}
		}
	}
	p.addIdentity(&identity{}, seen)
}

// likeName is the same of users whose names the rule does not tell apart.
func (p *proof) likeName(user string) string {
	row := rowOf(map[string]any{"user": map[string]any{"username": user}})
	var s []byte
	for i, t := range p.formula.leaves {
		if t.field == "user.username" {
			s = append(s, "ny"[index(p.formula.leaves[i].Match(row))])
		}
	}
	if groups := policy.ImpliedGroups(user); user == unknown || len(groups) != 1 || groups[0] != "system:authenticated" {
		s = append(s, user...) // whom Kubernetes gives other groups
	}
	return string(s)
}

// implied says whether Kubernetes itself gives a group, to those whose names ask for it and to nobody else.
func implied(group string) bool {
	return group == "system:authenticated" || group == "system:unauthenticated" || group == "system:serviceaccounts" || strings.HasPrefix(group, "system:serviceaccounts:")
}

// addIdentity adds one that the rule or the policy tells from those that there are.
func (p *proof) addIdentity(id *identity, seen map[string]bool) {
	event := map[string]any{"user": map[string]any{}}
	if id.UserInfo != nil {
		event["user"] = id.UserInfo
	}
	row := rowOf(event)
	var s strings.Builder
	if id.UserInfo == nil {
		s.WriteByte('-')
	}
	for i, t := range p.formula.leaves {
		if t.about == aboutIdentity {
			is := truth(p.formula.leaves[i].Match(row))
			if id.UserInfo != nil && id.Username == unknown && t.field == "user.username" && !t.exact {
				is = match.Maybe
			}
			p.identityTruths[id] = append(p.identityTruths[id], is)
			s.WriteByte(byte('b' + p.identityTruths[id][len(p.identityTruths[id])-1]))
		}
	}
	id.own = s.String()
	for i := range p.world.Rules {
		id.asks = append(id.asks, asks(&p.world.Rules[i], id))
	}
	if key := id.own + "|" + string(id.asks); !seen[key] {
		seen[key] = true
		p.identities = append(p.identities, id)
	}
}

// asks says whether a policy's rule is content with who asks.
func asks(r *policy.Rule, id *identity) byte {
	if len(r.Users) == 0 && len(r.UserGroups) == 0 {
		return '.'
	}
	if id.UserInfo == nil || len(r.Users) > 0 && !slices.Contains(r.Users, id.Username) ||
		len(r.UserGroups) > 0 && !slices.ContainsFunc(id.Groups, func(g string) bool { return slices.Contains(r.UserGroups, g) }) {
		return 'n'
	}
	return 'y'
}

func truth(b bool) match.Truth {
	if b {
		return match.Yes
	}
	return match.No
}

// rowOf is an event as predicates see it.
func rowOf(event map[string]any) *match.Row {
	event["auditID"] = "00000000-0000-4000-8000-000000000001" // without one, some tests are false
	b, err := json.Marshal(event)
	if err != nil {
		return &match.Row{View: new(audit.View)}
	}
	return parsed(b)
}

func parsed(b []byte) *match.Row {
	v := new(audit.View)
	if v.Parse(b) != nil {
		v = new(audit.View)
	}
	return &match.Row{View: v, Cluster: "cluster", Origin: "webhook", Received: v.Time}
}

// uriOf is what the client asks for.
func (r *request) uri() string {
	if r.path != "" {
		return r.path
	}
	path := "/api/v1"
	if r.group != "" {
		path = "/apis/" + r.group + "/v1"
	}
	if r.namespace != "" && (r.resource != "namespaces" || r.group != "") {
		path += "/namespaces/" + url.PathEscape(r.namespace)
	}
	path += "/" + r.resource
	named := r.name != "" && r.verb != "list" && r.verb != "watch"
	if named {
		path += "/" + url.PathEscape(r.name)
	}
	if r.sub != "" {
		path += "/" + r.sub
	}
	switch {
	case r.verb == "watch":
		path += "?watch=true"
	case r.name != "" && !named:
		path += "?fieldSelector=metadata.name%3D" + url.QueryEscape(r.name)
	}
	return path
}
