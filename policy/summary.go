package policy

import "strings"

// Summary is the rule in one short line, for people: "None · users system:kube-proxy · verbs watch · endpoints, services".
func (r *Rule) Summary() string {
	parts := []string{string(r.Level)}
	list := func(label string, list []string) {
		if len(list) > 0 {
			parts = append(parts, label+listed(list, " "))
		}
	}
	list("users ", r.Users)
	list("groups ", r.UserGroups)
	list("", r.Verbs)
	var resources []string
	for _, g := range r.Resources {
		of := g.Group
		switch {
		case of == "" && len(g.Resources) == 0:
			of = "core group"
		case of == "*" && len(g.Resources) == 0:
			of = "any group"
		case len(g.Resources) > 0:
			of = listed(g.Resources, ",")
			if g.Group != "" {
				of += "." + g.Group
			}
		}
		if len(g.ResourceNames) > 0 {
			of += " named " + listed(g.ResourceNames, ",")
		}
		resources = append(resources, of)
	}
	if len(resources) > 0 {
		parts = append(parts, short(resources, " · "))
	}
	list("in ", r.Namespaces)
	list("", r.NonResourceURLs)
	if len(parts) == 1 {
		parts = append(parts, "everything")
	}
	return strings.Join(parts, " · ")
}

func listed(list []string, separator string) string {
	shown := make([]string, len(list))
	for i, s := range list {
		if shown[i] = s; s == "" || strings.ContainsAny(s, " ,·\"") {
			shown[i] = quoted([]string{s})
		}
	}
	return short(shown, separator)
}
