package format

import (
	"net/url"
	"strings"

	"annals.dev/audit"
)

// requestOf says what kube-apiserver takes a request for: its verb and object. Method is an HTTP method in capitals, or
// already the verb.
func requestOf(method, uri string) (verb string, ref *audit.ObjectReference) {
	path, query, _ := strings.Cut(uri, "?")
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i, p := range parts {
		if plain, err := url.PathUnescape(p); err == nil {
			parts[i] = plain
		}
	}
	isHTTP := method != "" && method == strings.ToUpper(method)
	verb = strings.ToLower(method)
	switch {
	case len(parts) >= 3 && parts[0] == "api":
		ref = &audit.ObjectReference{APIVersion: parts[1]}
		parts = parts[2:]
	case len(parts) >= 4 && parts[0] == "apis":
		ref = &audit.ObjectReference{APIGroup: parts[1], APIVersion: parts[2]}
		parts = parts[3:]
	default:
		return verb, nil
	}
	special := ""
	if (parts[0] == "watch" || parts[0] == "proxy") && len(parts) > 1 {
		special, parts = parts[0], parts[1:]
	}
	place(ref, parts)
	if isHTTP {
		verb = verbOf(method, special, query, ref)
	}
	return verb, ref
}

// place reads a path behind the version: [namespaces/NS/]resource[/name[/subresource]]. A namespace is in itself.
func place(ref *audit.ObjectReference, parts []string) {
	if parts[0] == "namespaces" && len(parts) > 1 {
		ref.Namespace = parts[1]
		if len(parts) > 2 && parts[2] != "status" && parts[2] != "finalize" {
			parts = parts[2:]
		}
	}
	ref.Resource = parts[0]
	if len(parts) > 1 {
		ref.Name = parts[1]
	}
	if len(parts) > 2 {
		ref.Subresource = parts[2]
	}
}

func verbOf(method, special, query string, ref *audit.ObjectReference) string {
	if special != "" {
		return special
	}
	values, _ := url.ParseQuery(query) // what can be read of it
	switch method {
	case "POST":
		return "create"
	case "PUT":
		return "update"
	case "PATCH":
		return "patch"
	case "DELETE":
		if ref.Name == "" {
			return "deletecollection"
		}
		return "delete"
	case "GET", "HEAD":
		if watch := values.Get("watch"); ref.Name == "" && (watch == "true" || watch == "1") {
			return "watch"
		}
		if ref.Name == "" {
			return "list"
		}
		return "get"
	}
	return strings.ToLower(method)
}
