package query

import (
	"net/url"
	"strings"
)

// kind is the resource, with its group where the name does not tell.
func (r *Row) kind() string {
	kind := short(r.Resource)
	if g := r.APIGroup; g != "" && !known[r.Resource] && !strings.HasSuffix(g, ".k8s.io") {
		kind += "." + short(g)
	}
	return kind
}

// object is what the request was about.
func (r *Row) object() string {
	switch {
	case r.Resource == "":
		return short(r.path())
	case r.Name != "":
		return r.kind() + "/" + short(r.Name) + r.place()
	case r.Verb == "create":
		// Its name was left to the server.
		return article(singular(r.kind())) + r.place()
	}
	return r.kind() + r.place()
}

// singular is a resource's name for one of it.
func singular(resource string) string {
	name, group, hasGroup := strings.Cut(resource, ".")
	switch {
	case strings.HasSuffix(name, "ies"):
		name = strings.TrimSuffix(name, "ies") + "y"
	case strings.HasSuffix(name, "sses"), strings.HasSuffix(name, "xes"), strings.HasSuffix(name, "ches"):
		name = strings.TrimSuffix(name, "es")
	default:
		name = strings.TrimSuffix(name, "s")
	}
	if hasGroup {
		return name + "." + group
	}
	return name
}

func article(noun string) string {
	if noun != "" && strings.ContainsRune("aeio", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

// all is the objects that a list, a watch or a deletion of many is about.
func (r *Row) all() string {
	if r.Name != "" {
		return r.object()
	}
	where := r.place()
	if scope, builtIn := known[r.Resource]; builtIn && scope && r.Namespace == "" {
		where = " of all namespaces"
	}
	_, query, _ := strings.Cut(r.RequestURI, "?")
	values, _ := url.ParseQuery(query)
	var selectors []string
	for _, name := range []string{"labelSelector", "fieldSelector"} {
		if s := values.Get(name); s != "" {
			selectors = append(selectors, short(s))
		}
	}
	if selectors != nil {
		return "the " + r.kind() + where + " with " + strings.Join(selectors, " and ")
	}
	return "all " + r.kind() + where
}

// place is the namespace, if the object is in one.
func (r *Row) place() string {
	if r.Resource == "namespaces" {
		return ""
	}
	return in(r.Namespace)
}

func in(namespace string) string {
	if namespace == "" {
		return ""
	}
	return " in " + short(namespace)
}

// known are the resources whose name tells all, and whether they lie in namespaces.
var known = func() map[string]bool {
	m := map[string]bool{}
	for _, name := range strings.Fields(`pods services secrets configmaps endpoints events serviceaccounts replicationcontrollers limitranges
		resourcequotas persistentvolumeclaims podtemplates bindings deployments daemonsets statefulsets replicasets controllerrevisions jobs
		cronjobs horizontalpodautoscalers leases endpointslices ingresses networkpolicies poddisruptionbudgets roles rolebindings
		csistoragecapacities resourceclaims resourceclaimtemplates localsubjectaccessreviews`) {
		m[name] = true
	}
	for _, name := range strings.Fields(`nodes namespaces persistentvolumes componentstatuses clusterroles clusterrolebindings
		certificatesigningrequests`) {
		m[name] = false
	}
	return m
}()
