package capture

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// KubernetesRequestInfo reads a request as kube-apiserver does: paths below /api and /apis are for resources, all others
// are not.
func KubernetesRequestInfo(r *http.Request) (*RequestInfo, error) {
	info := new(RequestInfo)
	err := kubernetes(r, info)
	return info, err
}

// KubernetesLongRunning holds for the requests that kube-apiserver treats so: watches, logs, exec, attach, port-forward,
// proxies, and profiles.
func KubernetesLongRunning(_ *http.Request, info *RequestInfo) bool {
	if info.Verb == "watch" || info.Verb == "proxy" {
		return true
	}
	if !info.ResourceRequest {
		return strings.HasPrefix(info.Path, "/debug/pprof/")
	}
	switch info.Subresource {
	case "attach", "exec", "log", "portforward", "proxy":
		return true
	}
	return false
}

// kubernetes fills info, which is empty.
func kubernetes(r *http.Request, info *RequestInfo) error {
	info.Path = r.URL.Path
	info.Verb = lowerMethod(r.Method)

	path := segments(strings.Trim(r.URL.Path, "/"))
	prefix, _ := path.next()
	switch prefix {
	case "api":
		if path.left() < 2 {
			return nil
		}
	case "apis":
		if path.left() < 3 {
			return nil
		}
		info.APIGroup, _ = path.next()
	default:
		return nil
	}
	info.ResourceRequest = true
	info.APIVersion, _ = path.next()

	viaPath := path.is("proxy") || path.is("watch")
	if viaPath {
		info.Verb, _ = path.next()
		if path.done() {
			return fmt.Errorf("unable to determine kind and namespace from url, %v", r.URL)
		}
	} else {
		info.Verb = verbs[r.Method]
	}

	// In namespaces/NAME/RESOURCE the resource is what follows, unless it is the namespace's own subresource.
	if path.is("namespaces") {
		after := path
		after.next()
		if namespace, ok := after.next(); ok {
			info.Namespace = namespace
			if !after.done() && !after.is("status") && !after.is("finalize") {
				path = after
			}
		}
	}
	info.Resource, _ = path.next()
	info.Name, _ = path.next()
	if info.Verb != "proxy" {
		info.Subresource, _ = path.next()
	}

	if info.Name == "" {
		switch info.Verb {
		case "get":
			info.Verb = "list"
			if r.URL.RawQuery != "" {
				listOptions(r.URL.Query(), info)
			}
		case "delete":
			info.Verb = "deletecollection"
		}
	}
	return nil
}

var verbs = map[string]string{
	http.MethodPost: "create", http.MethodGet: "get", http.MethodHead: "get",
	http.MethodPut: "update", http.MethodPatch: "patch", http.MethodDelete: "delete",
}

func lowerMethod(method string) string {
	switch method { // those that cost no allocation
	case http.MethodGet:
		return "get"
	case http.MethodPost:
		return "post"
	case http.MethodPut:
		return "put"
	case http.MethodPatch:
		return "patch"
	case http.MethodDelete:
		return "delete"
	}
	return strings.ToLower(method)
}

// segments are what is left of a path. An empty one between two slashes counts; the path "" has none.
type segments string

const noSegments = segments("\x00") // what next leaves after the last one; no path can hold it and a slash

func (p *segments) next() (string, bool) {
	if p.done() {
		return "", false
	}
	first, rest, more := strings.Cut(string(*p), "/")
	if *p = segments(rest); !more {
		*p = noSegments
	}
	return first, true
}

func (p segments) done() bool { return p == noSegments }

func (p segments) left() int {
	if p.done() {
		return 0
	}
	return strings.Count(string(p), "/") + 1
}

func (p segments) is(s string) bool {
	first, _, _ := strings.Cut(string(p), "/")
	return !p.done() && first == s
}

// listOptions says of a list whether it is a watch, and which name it asks for. Options that kube-apiserver cannot read
// leave no name.
func listOptions(query url.Values, info *RequestInfo) {
	if values := query["watch"]; len(values) > 0 && values[0] != "0" && !strings.EqualFold(values[0], "false") {
		info.Verb = "watch"
	}
	for _, number := range []string{"timeoutSeconds", "limit"} {
		if values := query[number]; len(values) > 0 {
			if _, err := strconv.ParseInt(values[0], 10, 64); err != nil {
				return
			}
		}
	}
	if !validLabelSelector(query.Get("labelSelector")) {
		return
	}
	name, ok, err := exactField(query.Get("fieldSelector"), "metadata.name")
	if err == nil && ok && name != "." && name != ".." && !strings.ContainsAny(name, "/%") {
		info.Name = name
	}
}

var errFieldSelector = errors.New("not a field selector")

// exactField returns what a field selector requires the field to be. Where it requires two values, it is the one whose
// term sorts first.
func exactField(selector, field string) (value string, found bool, err error) {
	var first string // the term of value
	for start, i := 0, 0; i <= len(selector); i++ {
		if i < len(selector) && selector[i] != ',' {
			if selector[i] == '\\' && i+1 < len(selector) {
				i++
			}
			continue
		}
		term := selector[start:min(i, len(selector))]
		start = i + 1
		if term == "" {
			continue
		}
		at := strings.IndexByte(term, '=')
		if at < 0 {
			return "", false, errFieldSelector
		}
		left, right, equal := term[:at], term[at+1:], true
		if not := strings.Index(term, "!="); not >= 0 && not < at {
			left, equal = term[:not], false
		} else {
			right = strings.TrimPrefix(right, "=")
		}
		if right, err = unescapeField(right); err != nil {
			return "", false, err
		}
		if equal && left == field && (!found || term < first) {
			value, found, first = right, true, term
		}
	}
	return value, found, nil
}

func unescapeField(s string) (string, error) {
	if !strings.ContainsAny(s, `\,=`) {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if i++; i == len(s) || !strings.ContainsRune(`\,=`, rune(s[i])) {
				return "", errFieldSelector
			}
		case ',', '=':
			return "", errFieldSelector
		}
		b.WriteByte(s[i])
	}
	return b.String(), nil
}
