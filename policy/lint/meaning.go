package lint

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"annals.dev/audit"
	"annals.dev/policy"
)

// meaning checks what the policy does, by asking it.
func (c *checker) meaning() {
	if len(c.rules) == 0 {
		return
	}
	c.shadows()
	c.catchAll()
	c.omissions()
	c.failedLogins()
	c.managedFields()
	c.noise()
	for _, r := range c.rules {
		c.sensitive(r)
		c.execution(r)
		c.collections(r)
		c.namespaces(r)
		c.nameless(r)
		c.events(r)
		c.impersonation(r)
	}
	c.shells()
}

// connects are subresources through which bytes flow, of which no event holds a body.
var connects = []string{"pods/exec", "pods/attach", "pods/portforward", "pods/proxy", "services/proxy", "nodes/proxy"}

func (r *rule) recorded() bool { return r.Level.AtLeast(audit.LevelMetadata) }

// names reports whether the rule names that resource outright.
func (r *rule) names(group, resource string) *yaml.Node {
	for _, e := range r.elems {
		if e.Group != group && e.Group != "*" {
			continue
		}
		for _, n := range items(e.f["resources"]) {
			if v := follow(n); v.Value == resource {
				return v
			}
		}
	}
	return nil
}

// comment is what people wrote about the rule.
func (r *rule) comment() string {
	var b strings.Builder
	for _, n := range append([]*yaml.Node{r.at}, r.at.Content...) {
		b.WriteString(strings.ToLower(n.HeadComment + " " + n.LineComment + " "))
	}
	return b.String()
}

// omissions checks omitted stages.
func (c *checker) omissions() {
	check := func(f *field, owner string, s policy.Stages, failedLogins bool) {
		if f == nil {
			return
		}
		switch {
		case s.Has(audit.StageRequestReceived) && s.Has(audit.StageResponseComplete) && s.Has(audit.StageResponseStarted):
			c.add("L20", Error, f.key, owner+" omits every stage that a request goes through: nothing is recorded but panics, whatever the level", "omitStages: [RequestReceived]; or level None")
		case s.Has(audit.StageResponseStarted) && failedLogins:
			c.add("L20", Warning, f.key, owner+" omits ResponseStarted, the only stage at which a failed login (401) is recorded: they vanish", "omitStages: [RequestReceived]")
		case s.Has(audit.StageResponseComplete):
			c.add("L20", Warning, f.key, owner+" omits ResponseComplete: how a request ended, and its bodies, are not recorded", "omitStages: [RequestReceived]")
		}
	}
	whole := policy.StagesOf(c.policy.OmitStages...)
	check(c.top["omitStages"], "the policy", whole, true)
	for _, r := range c.rules {
		if r.recorded() {
			check(r.f["omitStages"], r.name(), omitted(&r.Rule)|whole, len(r.Users)+len(r.UserGroups) == 0)
		}
	}
}

// sensitive are resources whose objects hold credentials, and the verbs whose request or answer shows them.
var sensitive = []struct {
	group, resource, sub string
	request, response    []string
	severity             Severity
}{
	{"", "secrets", "", []string{"create", "update", "patch"}, []string{"get", "list", "create", "update", "patch", "deletecollection"}, Error},
	{"", "serviceaccounts", "token", nil, []string{"create"}, Error},
	{"authentication.k8s.io", "tokenreviews", "", []string{"create"}, []string{"create"}, Error},
	{"oauth.openshift.io", "oauthaccesstokens", "", []string{"create"}, []string{"get", "list"}, Error},
	{"oauth.openshift.io", "oauthauthorizetokens", "", []string{"create"}, []string{"get", "list"}, Error},
	{"", "configmaps", "", []string{"create", "update", "patch"}, []string{"get", "list", "create", "update", "patch", "deletecollection"}, Warning},
}

// sensitive finds rules that write credentials into the log.
func (c *checker) sensitive(r *rule) {
	var leaks []string
	var worst Severity
	at := r.key("level")
	for _, s := range sensitive {
		verbs := s.request
		if r.Level == audit.LevelRequestResponse {
			verbs = s.response
		}
		if !r.Level.AtLeast(audit.LevelRequest) || len(verbs) == 0 {
			continue
		}
		a, ok := c.hit(r, &target{s.group, s.resource, s.sub, verbs})
		if !ok || s.resource == "configmaps" && a.Name != unnamed && a.Name != "" {
			continue // whoever names single configmaps knows what is in them
		}
		full := s.resource
		if s.sub != "" {
			full += "/" + s.sub
		}
		if v := r.names(s.group, full); v != nil && s.severity > worst {
			at = v
		}
		worst = max(worst, s.severity)
		leaks = append(leaks, full)
	}
	if worst == 0 {
		return
	}
	what := "whoever reads the log has the credentials"
	if worst == Warning {
		what = "any credentials that people keep there are in the log"
	}
	c.add("L22", worst, at, fmt.Sprintf("%s records %s at %s: %s", r.name(), and(leaks), r.Level, what), "level Metadata for them, in a rule before this one: who touched them, and when, is enough")
}

// execution checks rules for shells and tunnels.
func (c *checker) execution(r *rule) {
	if !r.recorded() {
		return
	}
	only, named := len(r.elems) > 0, ""
	for _, e := range r.elems {
		only = only && e.Group == "" && len(e.Resources) > 0
		for _, s := range e.Resources {
			only = only && slices.Contains(connects, s)
			if e.Group == "" && named == "" && slices.Contains(connects, s) {
				named = s
			}
		}
	}
	if only && r.Level.AtLeast(audit.LevelRequest) && named != "" {
		c.add("L23", Info, r.key("level"), fmt.Sprintf("%s on %s gives no more than Metadata: what flows through them is no body of a request. The command line of exec stands in requestURI", r.Level, named), "Metadata")
	}
	if named != "" && slices.Contains(r.Verbs, "create") && !slices.Contains(r.Verbs, "get") {
		res, sub, _ := strings.Cut(named, "/")
		if a, ok := c.hit(r, &target{"", res, sub, []string{"create"}}); ok {
			a.Verb = "get"
			if d, _ := c.decide(a); d.Level == audit.LevelNone {
				f := c.add("L24", Warning, r.f["verbs"].key, fmt.Sprintf("%s records %s by create alone: kubectl since 1.30 opens it by WebSocket, which is a get, and that is not recorded", r.name(), named), "verbs: [create, get]")
				if list := items(r.f["verbs"]); only && len(list) > 0 {
					f.fixed("add get", c.also(r.f["verbs"], "get")...)
				}
			}
		}
	}
	pods := r.names("", "pods")
	if pods == nil {
		return
	}
	intended := ""
	words := r.comment()
	for word, sub := range map[string]string{"exec": "exec", "shell": "exec", "attach": "attach", "port-forward": "portforward", "portforward": "portforward", "pod logs": "log"} {
		if strings.Contains(words, word) && r.names("", "pods/"+sub) == nil && r.names("", "pods/*") == nil && r.names("", "*") == nil && (intended == "" || sub < intended) {
			intended = sub
		}
	}
	lost := false
	if a, ok := c.hit(r, &target{"", "pods", "", r.among("create", "get")}); ok {
		a.Subresource = "exec"
		d, _ := c.decide(a)
		lost = d.Level == audit.LevelNone && (d.Rule < 0 || c.rules[d.Rule].names("", "pods/exec") == nil)
	}
	switch {
	case intended != "":
		c.add("L11", Warning, pods, fmt.Sprintf("%s speaks of %s, but pods does not match pods/%s: subresources are matched by their own names", r.name(), intended, intended), "pods/"+intended+" beside pods")
	case lost:
		c.add("L11", Warning, pods, r.name()+" records pods, but pods does not match pods/exec: shells in them are not recorded at all", "pods/exec, pods/attach and pods/portforward beside pods, or a rule of their own")
	}
}

// shells finds a rule that drops reads, and by that the shells which a GET opens, while those by POST are recorded.
func (c *checker) shells() {
	a := policy.Attributes{User: authenticated(unnamed), Verb: "create", ResourceRequest: true, Resource: "pods", Subresource: "exec", Namespace: unnamed, Name: unnamed}
	post, _ := c.decide(&a)
	a.Verb = "get"
	get, _ := c.decide(&a)
	if post.Level == audit.LevelNone || get.Level != audit.LevelNone || get.Rule < 0 || slices.ContainsFunc(c.found, func(f Finding) bool { return f.ID == "L24" }) {
		return
	}
	r := c.rules[get.Rule]
	c.add("L24", Warning, r.key("verbs"), fmt.Sprintf("%s drops shells: kubectl since 1.30 opens exec, attach and port-forward by WebSocket, which is a get; only those by create are recorded", r.name()),
		"a rule before it, of level Metadata, for pods/exec, pods/attach and pods/portforward")
}

// among are those of the verbs that the rule is for.
func (r *rule) among(verbs ...string) (list []string) {
	for _, v := range verbs {
		if len(r.Verbs) == 0 || slices.Contains(r.Verbs, v) {
			list = append(list, v)
		}
	}
	if list == nil {
		list = []string{}
	}
	return list
}

// also adds an entry to a list.
func (c *checker) also(f *field, value string) []edit {
	list := items(f)
	last := c.scalar(follow(list[len(list)-1]))
	if last.end < last.start || list[len(list)-1].Kind == yaml.AliasNode {
		return nil
	}
	text := ", " + value
	if f.val.Style&yaml.FlowStyle == 0 {
		n := list[len(list)-1]
		dash := c.offset(n.Line, 1)
		head := string(c.src[dash:last.start])
		if strings.Trim(head, " -") != "" {
			return nil
		}
		text = "\n" + head + value
	}
	return []edit{{last.end, last.end, text}}
}

// collections finds rules that record delete, but not the deletion of many at once.
func (c *checker) collections(r *rule) {
	if !r.recorded() || !slices.Contains(r.Verbs, "delete") || slices.Contains(r.Verbs, "deletecollection") {
		return
	}
	var worst Severity
	level, what, named := audit.Level(""), "", false
	for a := range requests(&r.Rule, &target{verbs: []string{"delete"}}) {
		if b := lookup(a.APIGroup, a.Resource); !a.ResourceRequest || b != nil && !strings.Contains(b.verbs, "D") || a.Subresource != "" {
			continue
		}
		if d, ok := c.decide(a); !ok || d.Rule != r.index {
			continue
		}
		many := *a
		many.Verb, many.Name = "deletecollection", ""
		d, _ := c.decide(&many)
		s := Info
		if d.Level == audit.LevelNone {
			s = Warning
		}
		if !d.Level.AtLeast(r.Level) && s > worst {
			worst, level, what, named = s, d.Level, a.Resource, a.Name != unnamed && a.Name != ""
		}
	}
	if worst == 0 || worst == Info && named {
		return
	}
	if what == unnamed {
		what = "resources"
	}
	today := fmt.Sprintf("%s is for delete, not for deletecollection, which deletes many %s with one request: that is recorded at %s", r.name(), what, level)
	if worst == Warning {
		today = fmt.Sprintf("%s is for delete, not for deletecollection, which deletes many %s with one request (as when their namespace is deleted): that is not recorded at all", r.name(), what)
	}
	f := c.add("L25", worst, r.f["verbs"].key, today, "deletecollection beside delete")
	switch {
	case named:
		f.Meant = "a rule for deletecollection of " + what + ", without resourceNames: that request has no name"
	case worst == Warning:
		f.fixed("add deletecollection", c.also(r.f["verbs"], "deletecollection")...)
	}
}

// namespaces checks rules for what namespaces really compares.
func (c *checker) namespaces(r *rule) {
	list := r.f["namespaces"]
	if list == nil || len(r.Namespaces) == 0 {
		return
	}
	reads := r.among("list", "watch")
	if slices.Contains(r.Namespaces, "") && len(reads) > 0 && !r.onlyCluster() {
		secrets, ok := c.hit(r, &target{"", "secrets", "", reads})
		switch {
		case !r.recorded() && ok && secrets.Namespace == "":
			c.add("L16", Warning, list.key, fmt.Sprintf(`namespaces "" of %s is not only for what has no namespace: a list of the secrets of all namespaces is not recorded either`, r.name()), "the cluster's own resources by name")
		default:
			c.add("L16", Info, list.key, fmt.Sprintf(`namespaces "" of %s matches lists and watches over all namespaces too, not only what has no namespace`, r.name()), "as it stands; or the cluster's own resources by name")
		}
	}
	if v := r.names("", "namespaces"); v != nil && !slices.Contains(r.Namespaces, "") && len(r.among("create")) > 0 {
		s := Info
		if slices.Contains(r.Verbs, "create") {
			s = Warning
		}
		c.add("L17", s, v, fmt.Sprintf("%s does not match the creation of a namespace: when it is created, a request is in no namespace; afterwards it is in its own", r.name()), "a rule for create of namespaces, without namespaces")
	}
}

// onlyCluster reports whether all that the rule is for has no namespace.
func (r *rule) onlyCluster() bool {
	for _, e := range r.elems {
		for _, s := range e.Resources {
			base, _, _ := strings.Cut(s, "/")
			if b := lookup(e.Group, base); b == nil || b.namespaced {
				return false
			}
		}
		if len(e.Resources) == 0 {
			return false
		}
	}
	return len(r.elems) > 0
}

// nameless finds resourceNames for requests that have no name.
func (c *checker) nameless(r *rule) {
	for _, e := range r.elems {
		if len(e.ResourceNames) == 0 || slices.Contains(e.ResourceNames, "") || len(r.Verbs) == 0 ||
			slices.ContainsFunc(e.Resources, func(s string) bool { return strings.Contains(s, "/") || s == "*" }) {
			continue
		}
		var never, seldom []string
		for _, v := range r.Verbs {
			switch v {
			case "create", "deletecollection":
				never = append(never, v)
			case "list", "watch":
				seldom = append(seldom, v)
			}
		}
		at := e.f["resourceNames"].key
		switch {
		case len(never) > 0:
			c.add("L13", Warning, at, fmt.Sprintf("%s has resourceNames, and a request to %s has no name: it never matches that", r.name(), and(never)), "a rule for "+and(never)+" without resourceNames")
		case len(seldom) == len(r.Verbs):
			c.add("L13", Info, at, fmt.Sprintf("%s has resourceNames, and a %s has a name only if it asks for one by fieldSelector=metadata.name=…", r.name(), and(seldom)), "get beside it; or as it stands")
		}
	}
}

// events finds rules that silence Event objects in one of the two groups that serve them.
func (c *checker) events(r *rule) {
	for group, other := range map[string]string{"": "events.k8s.io", "events.k8s.io": ""} {
		v := r.names(group, "events")
		if r.Level != audit.LevelNone || v == nil {
			continue
		}
		a, ok := c.hit(r, &target{group, "events", "", r.among("create", "patch", "get", "list", "watch")})
		if !ok {
			continue
		}
		a.APIGroup = other
		if d, _ := c.decide(a); d.Level.AtLeast(audit.LevelMetadata) {
			c.add("L36", Info, v, fmt.Sprintf("%s silences Events in %s; the same objects are served in %s too, and recorded there at %s", r.name(), groupName(group), groupName(other), d.Level), "both groups")
		}
	}
}

// impersonation finds rules that people wrote for whom a request impersonates.
func (c *checker) impersonation(r *rule) {
	at := r.key("users")
	if r.f["users"] == nil {
		at = r.key("userGroups")
	}
	words := r.comment()
	if len(r.Users)+len(r.UserGroups) > 0 && (strings.Contains(words, "impersonated") || strings.Contains(words, "--as ")) {
		c.add("L26", Warning, at, r.name()+" speaks of impersonation, but users and userGroups are those who make the request: whom it impersonates is not known yet", "those who impersonate; the impersonated stands in each event's impersonatedUser")
	}
}
