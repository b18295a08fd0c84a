package actor

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	rbac "k8s.io/api/rbac/v1"

	"annals.dev/audit"
	"annals.dev/internal/query"
)

// bindings are those that events show, each as it was last seen.
type bindings struct {
	of    map[bindingKey]binding
	swept map[[2]string]int64 // cluster and namespace of which all were deleted, and when
	blind int                 // changes that show nothing: no bodies were recorded
}

// bindingKey is one binding of one cluster.
type bindingKey struct{ cluster, kind, namespace, name string }

type binding struct {
	rbac.RoleBinding // or a ClusterRoleBinding, which has the same members
	deleted          bool
	where            string
	time             int64
}

// event takes in what an event shows. Events come in any order.
func (b *bindings) event(row *query.Row) {
	key := bindingKey{row.Cluster, "RoleBinding", row.Namespace, row.Name}
	if row.Resource == "clusterrolebindings" {
		key.kind = "ClusterRoleBinding"
	}
	seen := binding{time: row.Time, where: fmt.Sprintf("%s/%d", row.Cluster, row.Position)}
	switch row.Verb {
	case "delete":
		seen.deleted = true
		b.put(key, seen)
		return
	case "deletecollection":
		if _, parameters, _ := strings.Cut(row.RequestURI, "?"); key.kind == "RoleBinding" && !strings.Contains(strings.ToLower(parameters), "selector") {
			all := [2]string{row.Cluster, row.Namespace}
			b.swept[all] = max(b.swept[all], row.Time)
		}
		return
	}
	var view audit.View
	_ = view.Parse(row.Event(query.Whole).Event) // of what is no event nothing is read
	if row.Verb == "list" {
		var list rbac.RoleBindingList
		if json.Unmarshal(view.ResponseObject, &list) != nil {
			return
		}
		for _, item := range list.Items {
			x := seen
			x.RoleBinding = item
			b.put(bindingKey{row.Cluster, key.kind, item.Namespace, item.Name}, x)
		}
		return
	}
	if json.Unmarshal(view.ResponseObject, &seen.RoleBinding) != nil || seen.Kind != key.kind {
		// Without the answer, what was asked for tells it, but for a patch, which may leave out anything.
		if row.Verb == "patch" || row.Verb == "get" || json.Unmarshal(view.RequestObject, &seen.RoleBinding) != nil {
			if row.Verb != "get" {
				b.blind++
			}
			return
		}
	}
	key.name = cmp.Or(seen.Name, key.name)
	b.put(key, seen)
}

func (b *bindings) put(key bindingKey, seen binding) {
	if known, ok := b.of[key]; !ok || known.time < seen.time {
		b.of[key] = seen
	}
}
