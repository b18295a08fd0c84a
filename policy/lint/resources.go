package lint

import (
	_ "embed"
	"slices"
	"strings"
)

// resources.txt is what Kubernetes has built in, a line each: group, resource, kind, short names, namespaced or cluster,
// verbs (get list watch create update patch delete Deletecollection), subresources. The groups extensions and policy hold what they once held.
//
//go:embed resources.txt
var resourceTable string

// resource is one that Kubernetes has built in.
type resource struct {
	group, name, kind string
	short             []string
	namespaced        bool
	verbs             string
	sub               []string
}

var resourceList, builtinGroups = func() (list []resource, groups map[string]bool) {
	groups = map[string]bool{}
	split := func(s string) []string {
		if s == "-" {
			return nil
		}
		return strings.Split(s, ",")
	}
	for line := range strings.Lines(resourceTable) {
		f := strings.Fields(line)
		r := resource{f[0], f[1], f[2], split(f[3]), f[4] == "namespaced", f[5], split(f[6])}
		if r.group == "core" {
			r.group = ""
		}
		list = append(list, r)
		groups[r.group] = true
	}
	return list, groups
}()

// lookup gives the built-in resource of that group and name, nil if there is none.
func lookup(group, name string) *resource {
	i := slices.IndexFunc(resourceList, func(r resource) bool { return r.group == group && r.name == name })
	if i < 0 {
		return nil
	}
	return &resourceList[i]
}

// called reports whether people call the resource so: its kind, the singular, a short name.
func (r *resource) called(name string) bool {
	return strings.EqualFold(name, r.kind) || strings.EqualFold(name, r.name) || slices.Contains(r.short, strings.ToLower(name))
}

// likely gives the built-in resource that was meant by a name in a group: that group's first, the old extensions last.
func likely(group, name string) *resource {
	var best *resource
	rank := func(r *resource) int {
		switch {
		case r.group == group:
			return 3
		case r.group == "extensions" || r.name == "podsecuritypolicies":
			return 1
		}
		return 2
	}
	for i := range resourceList {
		if r := &resourceList[i]; r.called(name) && (best == nil || rank(r) > rank(best)) {
			best = r
		}
	}
	return best
}

// groupName names a group for people.
func groupName(group string) string {
	if group == "" {
		return `the core group ("")`
	}
	return "group " + group
}

// Meant gives the built-in resource that is surely meant where a group has nothing of that name, as deployments.apps for
// deployments in the core group; or "".
func Meant(group, name string) string {
	r := likely(group, name)
	switch {
	case lookup(group, name) != nil || r == nil || group != "" && group != r.group:
		return ""
	case r.group == "":
		return r.name
	}
	return r.name + "." + r.group
}
