package lint

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"annals.dev/audit"
)

// values checks the strings of the rules, each by itself: those that no request can hold.
func (c *checker) values() {
	c.stages(c.top["omitStages"])
	for _, r := range c.rules {
		c.stages(r.f["omitStages"])
		for _, name := range []string{"users", "userGroups", "verbs", "namespaces"} {
			c.stars(r, name, r.f[name])
		}
		c.impossible(r)
		c.identities(r)
		c.verbs(r)
		c.urls(r)
		for _, e := range r.elems {
			c.stars(r, "resourceNames", e.f["resourceNames"])
			c.group(e)
			if e.Group == "" || e.Group == "*" || builtinGroups[e.Group] || !strings.Contains(e.Group, ".") {
				c.resources(r, e)
			}
			c.patterns(r, e)
			if len(e.ResourceNames) > 0 && len(e.Resources) == 0 {
				c.add("L0", Error, e.f["resourceNames"].key, "resourceNames without resources: kube-apiserver does not start with it", "the resources that are so called").refuse()
			}
		}
		if r.f["nonResourceURLs"] != nil && len(r.NonResourceURLs) > 0 && len(r.Resources)+len(r.Namespaces) > 0 {
			c.add("L29", Error, r.f["nonResourceURLs"].key, r.name()+" is for resources and for URLs at once: no request is both, and kube-apiserver does not start with it",
				"two rules of the same level, one with the resources or namespaces, one with nonResourceURLs").refuse()
		}
	}
}

var stageNames = []string{string(audit.StageRequestReceived), string(audit.StageResponseStarted), string(audit.StageResponseComplete), string(audit.StagePanic)}

func (c *checker) stages(f *field) {
	for _, n := range items(f) {
		v := follow(n)
		if v.Kind != yaml.ScalarNode || slices.Contains(stageNames, v.Value) {
			continue
		}
		fd := c.add("L0", Error, v, fmt.Sprintf("%q is no stage: kube-apiserver does not start with it", v.Value), "one of "+strings.Join(stageNames, ", ")).refuse()
		if near := nearest(v.Value, stageNames); near != "" {
			fd.Meant = near
			fd.fixed("write "+near, c.replace(v, near))
		}
	}
}

// stars checks a list for wildcards, which only resources and nonResourceURLs know.
func (c *checker) stars(r *rule, name string, f *field) {
	list := items(f)
	for _, n := range list {
		v := follow(n)
		if v.Kind != yaml.ScalarNode || !strings.Contains(v.Value, "*") {
			continue
		}
		if v.Value != "*" {
			fd := c.add("L7", Warning, v, fmt.Sprintf("%q in %s of %s matches only what is literally called so: %s are compared letter by letter", v.Value, name, r.name(), name), "each one by its full name")
			if g := groupOf(v.Value); name == "users" && g != "" {
				fd.Meant = "userGroups: " + g
				if len(list) == 1 && r.f["userGroups"] == nil {
					fd.fixed("write userGroups: "+g, c.replace(f.key, "userGroups"), c.replace(v, g))
				}
			}
			continue
		}
		fd := c.add("L6", Warning, v, fmt.Sprintf("* in %s of %s matches only what is literally called *: it does not mean any", name, r.name()), "leave "+name+" out: without it the rule matches any")
		if name == "verbs" && len(list) == 1 && r.Level.AtLeast(audit.LevelMetadata) {
			if i := slices.Index(r.at.Content, f.key); i >= 0 {
				if cut, text := c.lines(r.at, i); !strings.Contains(text, "#") {
					fd.fixed("leave it out", cut)
				}
			}
		}
	}
}

var namespaceName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// impossible finds namespaces that cannot be. The empty one stands for none.
func (c *checker) impossible(r *rule) {
	for _, n := range items(r.f["namespaces"]) {
		v := follow(n)
		if v.Kind != yaml.ScalarNode || v.Value == "" || strings.Contains(v.Value, "*") || namespaceName.MatchString(v.Value) {
			continue
		}
		meant := "the name as kubectl get namespaces lists it"
		if parts := strings.FieldsFunc(v.Value, func(c rune) bool { return c == ',' || c == ' ' }); len(parts) > 1 {
			meant = "an entry for each: [" + strings.Join(parts, ", ") + "]"
		}
		c.add("L41", Warning, v, fmt.Sprintf("no namespace can be called %q: this entry of %s matches nothing", v.Value, r.name()), meant)
	}
}

var serviceAccounts = regexp.MustCompile(`^system:serviceaccount:([^:*]+):\*$`)

// groupOf gives the group that holds just the users that a pattern means, or "".
func groupOf(pattern string) string {
	switch pattern {
	case "system:node:*", "system:nodes:*":
		return "system:nodes"
	case "system:serviceaccount:*", "system:serviceaccount:*:*", "system:serviceaccounts:*":
		return "system:serviceaccounts"
	}
	if m := serviceAccounts.FindStringSubmatch(pattern); m != nil {
		return "system:serviceaccounts:" + m[1]
	}
	return ""
}

var (
	systemGroups = regexp.MustCompile(`^system:(masters|nodes|authenticated|unauthenticated|monitoring|bootstrappers(:.+)?|serviceaccounts(:[^:]+)?)$`)
	systemUsers  = regexp.MustCompile(`^system:(anonymous|apiserver|kube-proxy|kube-scheduler|kube-controller-manager|cloud-controller-manager|node:.+|serviceaccount:[^:]+:[^:]+|admin|kube-apiserver)$`)
)

// identities finds groups among the users and users among the groups.
func (c *checker) identities(r *rule) {
	check := func(name, other string, wrong *regexp.Regexp, what, remedy string) {
		list := items(r.f[name])
		for _, n := range list {
			v := follow(n)
			if !wrong.MatchString(v.Value) || strings.Contains(v.Value, "*") {
				continue
			}
			fd := c.add("L40", Warning, v, fmt.Sprintf("%s in %s of %s is %s: the rule does not match for it", v.Value, name, r.name(), what), remedy)
			if len(list) == 1 && r.f[other] == nil {
				fd.fixed("write "+other, c.replace(r.f[name].key, other))
			}
		}
	}
	check("users", "userGroups", systemGroups, "a group", "userGroups, in a rule of its own if users stay: a rule wants both")
	check("userGroups", "users", systemUsers, "a user", "users, in a rule of its own if groups stay: a rule wants both")
}

var (
	resourceVerbs = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "proxy"}
	httpVerbs     = []string{"get", "head", "post", "put", "patch", "delete", "options", "connect", "trace"}
	spoken        = map[string]string{
		"post": "create", "put": "update", "apply": "patch", "edit": "patch", "replace": "update", "exec": "create and get, on pods/exec", "attach": "create and get, on pods/attach",
		"logs": "get, on pods/log", "log": "get, on pods/log", "port-forward": "create and get, on pods/portforward", "portforward": "create and get, on pods/portforward",
		"scale": "update and patch, on the scale subresource", "describe": "get and list", "head": "get", "read": "get, list and watch", "write": "create, update, patch, delete and deletecollection",
		"bind": "create or update, on the binding", "escalate": "create, update and patch, on the role", "approve": "update, on certificatesigningrequests/approval", "sign": "update, on certificatesigningrequests/status", "use": "none: a rule about the pods, perhaps",
		"deletecollections": "deletecollection", "delete-collection": "deletecollection",
	}
)

// verbs finds those that no request has.
func (c *checker) verbs(r *rule) {
	known := slices.Concat(resourceVerbs, httpVerbs)
	switch {
	case len(r.NonResourceURLs) > 0:
		known = httpVerbs
	case len(r.Resources)+len(r.Namespaces) > 0:
		known = resourceVerbs
	}
	any := len(r.NonResourceURLs)+len(r.Resources)+len(r.Namespaces) == 0
	for _, n := range items(r.f["verbs"]) {
		v := follow(n)
		lower := strings.ToLower(v.Value)
		switch {
		case any && (lower == "post" || lower == "put") && !slices.Contains(r.Verbs, spoken[lower]):
			c.add("L39", Warning, v, fmt.Sprintf("verb %s of %s is of no request for a resource: there it is %s", v.Value, r.name(), spoken[lower]),
				spoken[lower]+"; and "+lower+" beside it only for other URLs")
		case strings.Contains(v.Value, "*") || v.Value == "" || slices.Contains(known, v.Value):
			continue
		case lower == "impersonate":
			c.add("L26", Warning, v, "impersonate is a right, not a verb: no request has it. "+r.name()+" cannot match by it; who is impersonated stands in an event's impersonatedUser, whatever the rule",
				"the requests that are made so, by the user who makes them: rules see the caller, not whom he impersonates")
		case slices.Contains(known, lower):
			f := c.add("L39", Warning, v, fmt.Sprintf("verb %s of %s matches nothing: verbs are written small", v.Value, r.name()), lower)
			switch {
			case lower == "get" && len(r.NonResourceURLs) == 0:
				f.Meant = "get, list and watch, whichever are meant: each GET is one of them"
			case lower == "delete" && len(r.NonResourceURLs) == 0 && v.Value == "DELETE":
				f.Meant = "delete and deletecollection, whichever are meant"
			default:
				f.fixed("write "+lower, c.replace(v, lower))
			}
		default:
			meant := spoken[lower]
			if near := nearest(v.Value, known); meant == "" && near != "" {
				meant = near
			}
			if meant == "" {
				meant = "one of " + strings.Join(known, ", ")
			}
			c.add("L39", Warning, v, fmt.Sprintf("verb %s of %s matches nothing: no such request has it", v.Value, r.name()), meant)
		}
	}
}

// urls finds paths that are refused, that only requests for resources have, or that cover less than they seem to.
func (c *checker) urls(r *rule) {
	for _, n := range items(r.f["nonResourceURLs"]) {
		v := follow(n)
		if v.Kind != yaml.ScalarNode || v.Value == "*" {
			continue
		}
		u, wild := strings.CutSuffix(v.Value, "*")
		parts := strings.Split(strings.Trim(u, "/"), "/")
		deep := len(parts)
		if wild && strings.HasSuffix(u, "/") {
			deep++ // something must follow
		}
		switch {
		case !strings.HasPrefix(v.Value, "/"):
			f := c.add("L0", Error, v, fmt.Sprintf("%q does not begin with /: kube-apiserver does not start with it", v.Value), "/"+v.Value).refuse()
			if v.Value != "" && regexp.MustCompile(`^[\w/.-]+\*?$`).MatchString(v.Value) {
				f.fixed("begin it with /", c.replace(v, "/"+v.Value))
			}
		case strings.Contains(u, "*"):
			c.add("L0", Error, v, fmt.Sprintf("%q has a * before its end: kube-apiserver does not start with it", v.Value), "a path, or the beginning of one and *").refuse()
		case parts[0] == "api" && deep > 2 || parts[0] == "apis" && deep > 3:
			c.add("L14", Warning, v, fmt.Sprintf("%s of %s matches nothing: what stands there are resources, and nonResourceURLs never match a request for one", v.Value, r.name()),
				"resources, in a rule of its own")
		case wild && (parts[0] == "api" || parts[0] == "apis"):
			c.add("L15", Info, v, fmt.Sprintf("%s covers discovery alone, as /api and /apis/apps/v1: requests for resources are never matched by a URL", v.Value),
				"as it stands, if discovery is meant; otherwise resources")
		}
	}
}

var version = regexp.MustCompile(`^v[1-9][0-9]*((alpha|beta)[1-9][0-9]*)?$`)

// group checks a resources entry's group.
func (c *checker) group(e *elem) {
	f := e.f["group"]
	if f == nil {
		return
	}
	group, rest, slash := strings.Cut(e.Group, "/")
	switch {
	case f.val.Kind != yaml.ScalarNode:
		c.add("L0", Error, f.val, "group is no string: kube-apiserver does not start with it", "an entry for each group").refuse()
	case slash && version.MatchString(rest):
		c.add("L9", Error, f.val, fmt.Sprintf("group %q holds a version: kube-apiserver does not start with it; rules are for all versions", e.Group), group).refuse().
			fixed("leave the version out", c.replace(f.val, group))
	case version.MatchString(e.Group):
		c.add("L9", Warning, f.val, fmt.Sprintf("%q is a version, not a group: the entry matches nothing", e.Group), `"", the core group`).fixed(`write ""`, c.replace(f.val, ""))
	case e.Group == "core" || e.Group == "api":
		c.add("L10", Warning, f.val, fmt.Sprintf("there is no group %q: the entry matches nothing", e.Group), `"", the core group`).fixed(`write ""`, c.replace(f.val, ""))
	case e.Group == "*":
		if c.o.Kubernetes > 0 && c.o.Kubernetes < 36 {
			c.add("L8", Error, f.val, fmt.Sprintf("group * is known from Kubernetes 1.36 on: 1.%d does not start with it", c.o.Kubernetes),
				"an entry for each group; or none: a rule without resources is for all, URLs too").refuse()
		}
	case strings.Contains(e.Group, "*"):
		c.add("L7", Error, f.val, fmt.Sprintf("group %q: a * within a group is no wildcard, and kube-apiserver does not start with it", e.Group), "each group by its full name, or * alone").refuse()
	}
}

// resources finds names that nothing in their group has.
func (c *checker) resources(r *rule, e *elem) {
	if e.Group == "core" || e.Group == "api" || version.MatchString(e.Group) || strings.Contains(e.Group, "/") {
		return // the group is wrong, and said to be
	}
	for _, n := range items(e.f["resources"]) {
		v := follow(n)
		base, sub, hasSub := strings.Cut(v.Value, "/")
		if v.Kind != yaml.ScalarNode || strings.Contains(base, "*") || v.Value == "" || len(v.Value) > 200 {
			continue
		}
		dead := fmt.Sprintf("nothing is called %s in %s: this entry of %s matches nothing", v.Value, groupName(e.Group), r.name())
		if e.Group == "*" {
			dead = fmt.Sprintf("no built-in resource is called %s: this entry of %s matches nothing of theirs", v.Value, r.name())
		}
		known := lookup(e.Group, base)
		if e.Group == "*" {
			known = likely("", base)
			if known != nil && known.name != base {
				known = nil
			} else if known == nil {
				continue // somebody's own resource
			}
		}
		switch meant := likely(e.Group, base); {
		case known != nil && hasSub && !strings.Contains(sub, "*") && !slices.Contains(known.sub, sub):
			f := c.add("L10", Warning, v, dead, "one of "+base+"/{"+strings.Join(known.sub, ",")+"}")
			if len(known.sub) == 0 {
				f.Meant = base + " has no subresources"
			}
			if near := nearest(sub, known.sub); near != "" {
				f.Meant = base + "/" + near
				f.fixed("write "+f.Meant, c.replace(v, f.Meant))
			}
		case known != nil:
		case meant != nil && (meant.group == e.Group || e.Group == "*"):
			full := meant.name
			if hasSub {
				full += "/" + sub
			}
			c.add("L10", Warning, v, dead, full+": resources are named in the plural, in small letters").fixed("write "+full, c.replace(v, full))
		case meant != nil:
			f := c.add("L10", Warning, v, dead, fmt.Sprintf("%s, in %s", meant.name, groupName(meant.group)))
			if g := e.f["group"]; g != nil && len(e.Resources) == 1 && meant.name == base && meant.group != "" {
				f.fixed("write "+groupName(meant.group), c.replace(g.val, meant.group))
			}
		case e.Group == "" || builtinGroups[e.Group]:
			f := c.add("L10", Warning, v, dead, "a resource of another group, or another spelling")
			var names []string
			for _, b := range resourceList {
				if b.group == e.Group {
					names = append(names, b.name)
				}
			}
			if near := nearest(base, names); near != "" {
				f.Meant = strings.Replace(v.Value, base, near, 1)
				f.fixed("write "+f.Meant, c.replace(v, f.Meant))
			}
		}
	}
}

// patterns finds wildcards in resources that match more or less than they seem to.
func (c *checker) patterns(r *rule, e *elem) {
	for _, n := range items(e.f["resources"]) {
		v := follow(n)
		base, sub, has := strings.Cut(v.Value, "/")
		switch {
		case v.Value == "*/*":
			c.add("L12", Warning, v, "*/* matches nothing: neither resources nor subresources", "*, which matches both").fixed("write *", c.starred(r, v)...)
		case strings.Contains(sub, "/") || strings.Contains(base, "*") && base != "*" || strings.Contains(sub, "*") && sub != "*":
			c.add("L7", Warning, v, fmt.Sprintf("%s of %s matches nothing: only *, */SUBRESOURCE and RESOURCE/* are wildcards", v.Value, r.name()), "each resource by its full name")
		case has && sub == "*" && base != "*" && !slices.Contains(e.Resources, base) && !slices.Contains(e.Resources, "*"):
			c.add("L12", Info, v, fmt.Sprintf("%s matches %s itself too, not only what is under it", v.Value, base), "as it stands, with "+base+" beside it to say so; or each subresource by its name")
		}
	}
}

// starred makes a dead */* match, unless that would silence everything.
func (c *checker) starred(r *rule, v *yaml.Node) []edit {
	if !r.Level.AtLeast(audit.LevelMetadata) {
		return nil
	}
	return []edit{c.replace(v, "*")}
}
