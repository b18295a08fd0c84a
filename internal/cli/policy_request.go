package cli

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"

	"annals.dev/audit"
	"annals.dev/capture"
	"annals.dev/internal/format"
	"annals.dev/policy"
	"annals.dev/policy/lint"
)

// requestSpec is a request as people write one: by its parts, or by method and path.
type requestSpec struct {
	User      string   `yaml:"user"`
	Groups    []string `yaml:"groups"`
	Verb      string   `yaml:"verb"`
	Resource  string   `yaml:"resource"` // deployments.apps/scale
	APIGroup  string   `yaml:"apiGroup"`
	Namespace string   `yaml:"namespace"`
	Name      string   `yaml:"name"`
	Method    string   `yaml:"method"`
	Path      string   `yaml:"path"`
}

func (s *requestSpec) attributes() (policy.Attributes, error) {
	a, err := s.target()
	if s.User != "" || len(s.Groups) > 0 {
		a.User = &audit.UserInfo{Username: s.User, Groups: slices.Clone(s.Groups)}
		for _, g := range policy.ImpliedGroups(s.User) {
			if !slices.Contains(a.User.Groups, g) && !slices.Contains(a.User.Groups, "system:unauthenticated") {
				a.User.Groups = append(a.User.Groups, g)
			}
		}
	}
	return a, err
}

// requestVerbs are all that kube-apiserver gives to a request for a resource.
var requestVerbs = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "proxy"}

func (s *requestSpec) target() (policy.Attributes, error) {
	byParts := s.Resource != "" || s.APIGroup != "" || s.Namespace != "" || s.Name != ""
	switch {
	case s.Path != "" && byParts:
		return policy.Attributes{}, errors.New("a path is given, which says the resource, its group, namespace and name itself")
	case s.Path != "" && s.Verb != "":
		return policy.Attributes{}, errors.New("a path is given, whose verb follows from the method")
	case s.Path != "" && s.Path[0] != '/':
		return policy.Attributes{}, fmt.Errorf("the path %s does not begin with /", s.Path)
	case s.Path != "":
		method := s.Method
		if method == "" {
			method = http.MethodGet
		}
		r, err := http.NewRequest(strings.ToUpper(method), s.Path, nil)
		if err != nil {
			return policy.Attributes{}, err
		}
		info, err := capture.KubernetesRequestInfo(r)
		if err != nil {
			return policy.Attributes{}, err
		}
		return info.Attributes, nil
	case s.Method != "":
		return policy.Attributes{}, errors.New("a method is given without a path; a request for a resource has a verb")
	case s.Resource == "":
		return policy.Attributes{}, errors.New("neither a resource nor a path is given")
	case s.Verb == "":
		return policy.Attributes{}, errors.New("the verb is missing")
	case !slices.Contains(requestVerbs, s.Verb):
		return policy.Attributes{}, fmt.Errorf("no request for a resource has the verb %q: they have %s", s.Verb, strings.Join(requestVerbs, ", "))
	case strings.ToLower(s.Resource) != s.Resource:
		return policy.Attributes{}, fmt.Errorf("no resource is called %q: they are named in the plural, in small letters", s.Resource)
	}
	a := policy.Attributes{Verb: s.Verb, ResourceRequest: true, APIGroup: s.APIGroup, Namespace: s.Namespace, Name: s.Name}
	resource, sub, _ := strings.Cut(s.Resource, "/")
	resource, group, dotted := strings.Cut(resource, ".")
	if dotted && s.APIGroup != "" && s.APIGroup != group {
		return a, fmt.Errorf("the resource %s is in the group %s, and the group %s is given", s.Resource, group, s.APIGroup)
	}
	if dotted {
		a.APIGroup = group
	}
	a.Resource, a.Subresource = resource, sub
	// kube-apiserver takes a request for a namespace as one within it.
	if a.Resource == "namespaces" && a.APIGroup == "" && a.Namespace == "" {
		a.Namespace = a.Name
	}
	return a, nil
}

// doubt says where a request is for a resource that does not exist as it is named.
func (e *env) doubt(a *policy.Attributes) {
	if meant := lint.Meant(a.APIGroup, a.Resource); a.ResourceRequest && meant != "" {
		e.say("annals: Kubernetes has no %s in %s: did you mean %s?", a.Resource, map[bool]string{true: "the core group", false: "the group " + a.APIGroup}[a.APIGroup == ""], meant)
	}
}

// describeRequest says what was asked, by whom.
func describeRequest(a *policy.Attributes) string {
	var b strings.Builder
	if !a.ResourceRequest {
		fmt.Fprintf(&b, "%s %s", a.Verb, a.Path)
	} else {
		resource := a.Resource
		if a.APIGroup != "" {
			resource += "." + a.APIGroup
		}
		if a.Subresource != "" {
			resource += "/" + a.Subresource
		}
		fmt.Fprintf(&b, "%s %s", a.Verb, resource)
		if a.Name != "" {
			fmt.Fprintf(&b, " %q", a.Name)
		}
		if a.Namespace != "" {
			fmt.Fprintf(&b, " in %s", a.Namespace)
		}
	}
	if a.User == nil {
		return b.String() + ", by nobody who was authenticated"
	}
	fmt.Fprintf(&b, ", by %q", a.User.Username)
	if len(a.User.Groups) > 0 {
		fmt.Fprintf(&b, " of %s", strings.Join(a.User.Groups, ", "))
	}
	return b.String()
}

// open opens a file, or standard input.
func (e *env) open(path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(e.in), nil
	}
	return os.Open(path)
}

// eachEvent gives all events of a file in any dialect. Its view is valid until the next.
func eachEvent(from io.Reader, path string, see func(*audit.View) error) (format.Counts, error) {
	r := format.NewReader(from, path)
	for {
		item, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r.Counts(), nil
		}
		if err != nil {
			return r.Counts(), fmt.Errorf("%s: %w", path, err)
		}
		if item.Dialect == format.Unreadable || item.Skipped != "" {
			continue
		}
		if err := see(&item.View); err != nil {
			return r.Counts(), err
		}
	}
}
