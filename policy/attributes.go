package policy

import (
	"net/url"
	"strings"

	"annals.dev/audit"
)

// AttributesOf are what a policy saw of the request that became an event, as far as the event shows it:
//
//   - An event without objectRef is taken for a request that is not for a resource; its path is requestURI's.
//   - Where an object was created, kube-apiserver fills objectRef's missing name and namespace from the body, after the
//     policy decided. Both are taken from requestURI then, if it begins with /api or /apis; a server with other prefixes
//     leaves them as recorded.
//   - A user without a name and groups is nobody, as in an event of a failed login.
//   - Where the event was cut, or a carrier leaves fields out, they are empty.
func AttributesOf(v *audit.View) Attributes {
	a := Attributes{Verb: decoded(v.Verb), ResourceRequest: v.ObjectRef.Raw != nil}
	if v.User.Username != nil || v.User.Groups != nil {
		a.User = &audit.UserInfo{Username: decoded(v.User.Username), UID: decoded(v.User.UID)}
		for g := range v.User.Groups.Strings {
			a.User.Groups = append(a.User.Groups, decoded(g))
		}
	}
	if !a.ResourceRequest {
		a.Path = pathOf(decoded(v.RequestURI))
		return a
	}
	a.APIGroup = decoded(v.ObjectRef.APIGroup)
	a.Resource, a.Subresource = decoded(v.ObjectRef.Resource), decoded(v.ObjectRef.Subresource)
	a.Namespace, a.Name = decoded(v.ObjectRef.Namespace), decoded(v.ObjectRef.Name)
	if a.Verb == "create" {
		a.asRequested(pathOf(decoded(v.RequestURI)))
	}
	return a
}

func decoded(t audit.Text) string {
	if t.Plain() {
		return string(t)
	}
	return string(t.Append(nil))
}

func pathOf(uri string) string {
	if u, err := url.ParseRequestURI(uri); err == nil {
		return u.Path
	}
	path, _, _ := strings.Cut(uri, "?")
	return path
}

// asRequested sets the namespace and the name to what stands in the path.
func (a *Attributes) asRequested(path string) {
	at := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case len(at) > 2 && at[0] == "api":
		at = at[2:]
	case len(at) > 3 && at[0] == "apis":
		at = at[3:]
	default:
		return
	}
	a.Namespace, a.Name = "", ""
	if at[0] == "namespaces" && len(at) > 1 {
		a.Namespace = at[1]
		if len(at) > 2 && a.Resource != "namespaces" {
			at = at[2:]
		}
	}
	if len(at) > 1 && at[0] == a.Resource {
		a.Name = at[1]
	}
}

// ImpliedGroups are the groups that Kubernetes itself gives to a user of that name, whoever authenticated him.
func ImpliedGroups(user string) []string {
	if user == "system:anonymous" {
		return []string{"system:unauthenticated"}
	}
	if account, ok := strings.CutPrefix(user, "system:serviceaccount:"); ok {
		if namespace, name, ok := strings.Cut(account, ":"); ok && namespace != "" && name != "" {
			return []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"}
		}
	}
	return []string{"system:authenticated"}
}
