package actor

import (
	"slices"
	"strconv"
	"strings"
)

// granted is what authorization.k8s.io/reason says of why a request was allowed.
type granted struct{ binding, role, to, other string }

// parseReason reads a reason. RBAC names the binding, the role and the subject, each in Go's quotes; what a RoleBinding and a
// ServiceAccount are named is name/namespace there, and is turned around to what people write. Any other reason stays as it is.
func parseReason(reason string) granted {
	rest, ok := strings.CutPrefix(reason, "RBAC: allowed by ")
	if !ok {
		return granted{other: reason}
	}
	var parts [3][2]string
	for i, between := range []string{"", " of ", " to "} {
		if rest, ok = strings.CutPrefix(rest, between); !ok {
			return granted{other: reason}
		}
		kind, quoted, ok := strings.Cut(rest, " ")
		if !ok {
			return granted{other: reason}
		}
		prefix, err := strconv.QuotedPrefix(quoted)
		if err != nil {
			return granted{other: reason}
		}
		name, err := strconv.Unquote(prefix)
		if err != nil {
			return granted{other: reason}
		}
		parts[i], rest = [2]string{kind, name}, quoted[len(prefix):]
	}
	if rest != "" {
		return granted{other: reason}
	}
	return granted{
		binding: named(parts[0], "RoleBinding", " "), role: named(parts[1], "", "/"), to: named(parts[2], "ServiceAccount", " "),
	}
}

// named writes kind and name; of the kind whose names have the namespace at their end, it comes first.
func named(part [2]string, turned, sep string) string {
	kind, name := part[0], part[1]
	if kind == turned {
		if i := strings.LastIndexByte(name, '/'); i >= 0 {
			name = name[i+1:] + "/" + name[:i]
		}
	}
	return kind + sep + name
}

// unnamed is who allowed a request without giving a reason. The node authorizer and the one for system:masters give none.
func unnamed(user string, groups []string) string {
	switch {
	case slices.Contains(groups, "system:masters"):
		return "system:masters, who may do everything"
	case slices.Contains(groups, "system:nodes") && strings.HasPrefix(user, "system:node:"):
		return "the node authorizer"
	}
	return "an authorizer that gave no reason"
}
