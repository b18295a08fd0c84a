package object

import (
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

// more are built-in kinds that client-go's scheme does not have.
var more = map[schema.GroupResource]string{
	{Group: "apiextensions.k8s.io", Resource: "customresourcedefinitions"}: "CustomResourceDefinition",
	{Group: "apiregistration.k8s.io", Resource: "apiservices"}:             "APIService",
}

// shortNames are the names that kubectl knows beside plural, singular and kind.
var shortNames = map[string]string{
	"po": "pods", "deploy": "deployments", "svc": "services", "cm": "configmaps", "ns": "namespaces", "no": "nodes", "pv": "persistentvolumes",
	"pvc": "persistentvolumeclaims", "sa": "serviceaccounts", "sts": "statefulsets", "ds": "daemonsets", "rs": "replicasets",
	"rc": "replicationcontrollers", "cj": "cronjobs", "hpa": "horizontalpodautoscalers", "pdb": "poddisruptionbudgets", "ing": "ingresses",
	"netpol": "networkpolicies", "ep": "endpoints", "ev": "events", "crd": "customresourcedefinitions", "crds": "customresourcedefinitions",
	"csr": "certificatesigningrequests", "quota": "resourcequotas", "limits": "limitranges", "pc": "priorityclasses", "sc": "storageclasses",
	"cs": "componentstatuses",
}

// LongName is the resource that a short name of kubectl's stands for, "" if it is none.
func LongName(short string) string { return shortNames[strings.ToLower(short)] }

// kinds are the built-in resources and their kinds.
var kinds = sync.OnceValue(func() map[schema.GroupResource]string {
	m := map[schema.GroupResource]string{}
	for gvk := range scheme.Scheme.AllKnownTypes() {
		if gvk.Version == "__internal" || strings.HasSuffix(gvk.Kind, "List") || strings.HasSuffix(gvk.Kind, "Options") || gvk.Kind == "WatchEvent" {
			continue
		}
		plural, _ := meta.UnsafeGuessKindToResource(gvk)
		m[plural.GroupResource()] = gvk.Kind
	}
	for gr, kind := range more {
		m[gr] = kind
	}
	return m
})

// builtIn finds what a person calls a built-in resource; group may be "" for any. There may be several: events are in two groups.
func builtIn(name, group string) (found []schema.GroupResource) {
	name = strings.ToLower(name)
	if plural := shortNames[name]; plural != "" {
		name = plural
	}
	for gr, kind := range kinds() {
		if (gr.Resource == name || strings.ToLower(kind) == name) && (group == "" || group == gr.Group || strings.HasPrefix(gr.Group, group+".")) {
			found = append(found, gr)
		}
	}
	// The group that is still served comes first, and of two that are, the core.
	old := func(g string) int { return map[string]int{"extensions": 2, "events.k8s.io": 1}[g] }
	slices.SortFunc(found, func(a, b schema.GroupResource) int {
		if x := old(a.Group) - old(b.Group); x != 0 {
			return x
		}
		return strings.Compare(a.Group, b.Group)
	})
	return found
}

// plurals are the resources that a name that is not built in may mean.
func plurals(name string) []string {
	name = strings.ToLower(name)
	plural, singular := meta.UnsafeGuessKindToResource(schema.GroupVersionKind{Kind: name})
	names := []string{name, singular.Resource}
	if !strings.HasSuffix(name, "s") {
		names = append(names, plural.Resource, name+"s")
	}
	slices.Sort(names)
	return slices.Compact(names)
}
