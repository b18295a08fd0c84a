package lint

import (
	"slices"
	"strings"
)

// Resource is a resource that Kubernetes has built in.
type Resource struct {
	Group        string // "" is the core group
	Name         string // in the plural: pods
	Kind         string // Pod
	Short        []string
	Namespaced   bool
	Verbs        []string // as audit events have them
	Subresources []string
}

var verbLetters = []struct {
	letter byte
	verb   string
}{{'g', "get"}, {'l', "list"}, {'w', "watch"}, {'c', "create"}, {'u', "update"}, {'p', "patch"}, {'d', "delete"}, {'D', "deletecollection"}}

// Resources are all that Kubernetes has built in, those of groups that are gone too.
func Resources() []Resource {
	all := make([]Resource, len(resourceList))
	for i, r := range resourceList {
		all[i] = Resource{Group: r.group, Name: r.name, Kind: r.kind, Short: slices.Clone(r.short), Namespaced: r.namespaced}
		for _, v := range verbLetters {
			if strings.IndexByte(r.verbs, v.letter) >= 0 {
				all[i].Verbs = append(all[i].Verbs, v.verb)
			}
		}
		all[i].Subresources = slices.Clone(r.sub)
	}
	return all
}
