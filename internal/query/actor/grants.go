package actor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	rbac "k8s.io/api/rbac/v1"

	"annals.dev/internal/match"
	"annals.dev/internal/query"
)

// grants are the accesses that the user's requests, and those of others as this user, were seen to be allowed by.
func grants(ctx context.Context, r *query.Reader, a *about, groups []string) ([]Grant, error) {
	allowed, err := match.Parse("decision:allow")
	if err != nil {
		return nil, err
	}
	of := make(map[granted]*Grant)
	_, err = r.Requests(ctx, a.over(match.And(a.authorized, allowed)), []string{"reason", "verb", "apiGroup", "resource", "subresource"}, func(q query.Requests) error {
		by := parseReason(q.Values[0])
		if by == (granted{}) {
			by.other = unnamed(a.User, groups)
		}
		g := of[by]
		if g == nil {
			g = &Grant{Binding: by.binding, Role: by.role, To: by.to, Reason: by.other}
			of[by] = g
		}
		g.Count += q.Count
		g.First, g.Last = earlier(g.First, q.First), later(g.Last, q.Last)
		g.Verbs = with(g.Verbs, q.Values[1])
		g.Resources = with(g.Resources, resourceOf(q.Values[2], q.Values[3], q.Values[4]))
		return nil
	})
	all := []Grant{}
	for _, g := range of {
		all = append(all, *g)
	}
	slices.SortFunc(all, func(a, b Grant) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Binding, b.Binding), strings.Compare(a.To, b.To), strings.Compare(a.Reason, b.Reason))
	})
	return all, err
}

// with adds a value to a sorted list, once.
func with(list []string, value string) []string {
	if i, found := slices.BinarySearch(list, value); !found && value != "" {
		return slices.Insert(list, i, value)
	}
	return list
}

// What shows bindings: events about single ones, and lists of all. A list is long and its like comes again and again, so
// the newest few do.
const (
	singles = `resource:(rolebindings OR clusterrolebindings) apiGroup:rbac.authorization.k8s.io stage:ResponseComplete code>=200 code<300 (verb:(create OR update OR patch OR delete OR deletecollection) OR verb:get level:RequestResponse)`
	lists   = `resource:(rolebindings OR clusterrolebindings) apiGroup:rbac.authorization.k8s.io stage:ResponseComplete code:200 verb:list level:RequestResponse`

	mostSingles = 20_000
	mostLists   = 20
)

// unusedGrants are bindings that are known to be for the user, or a group of it, and that no request was seen to be allowed by.
func unusedGrants(ctx context.Context, r *query.Reader, a *about, groups []string, used []Grant) (unused []Grant, notes []string, err error) {
	b := bindings{of: make(map[bindingKey]binding), swept: make(map[[2]string]int64)}
	for _, x := range []struct {
		query string
		limit int
	}{{singles, mostSingles}, {lists, mostLists}} {
		p, err := match.Parse(x.query)
		if err != nil {
			return nil, nil, err
		}
		of := query.Range{Query: a.within(p), Until: a.Until, Clusters: a.Clusters} // one made before the range may still be there
		cov, err := r.Search(ctx, query.Search{Range: of, Limit: x.limit, Wide: true, Bytes: true}, func(row *query.Row) error { b.event(row); return nil })
		if err != nil {
			return nil, nil, err
		}
		if cov.WithoutBodies {
			return nil, []string{"Unused grants are not looked for: they stand in bodies, which you may not see."}, nil
		}
		if cov.LimitReached && x.limit == mostSingles {
			notes = append(notes, fmt.Sprintf("The newest %d events about bindings were looked at; there are more.", mostSingles))
		}
	}
	isUsed := make(map[string]bool)
	for _, g := range used {
		isUsed[g.Binding] = true
	}
	for key, of := range b.of {
		g := Grant{Binding: key.kind + " " + key.name, Unused: true}
		if key.namespace != "" {
			g.Binding = key.kind + " " + key.namespace + "/" + key.name
		}
		if of.deleted || isUsed[g.Binding] || of.time < b.swept[[2]string{key.cluster, key.namespace}] {
			continue
		}
		if g.To = subjectOf(of.Subjects, key.namespace, a.User, groups); g.To == "" {
			continue
		}
		g.Role, g.Where = of.RoleRef.Kind+"/"+of.RoleRef.Name, of.where
		unused = append(unused, g)
	}
	slices.SortFunc(unused, func(a, b Grant) int {
		return cmp.Or(strings.Compare(a.Binding, b.Binding), strings.Compare(a.Where, b.Where))
	})
	notes = append(notes, "Unused grants are known from recorded bodies of bindings alone: one that was made before the record began, or under a policy that keeps no bodies (level Metadata), is not known.",
		"RBAC names the first binding that allows a request: one that allows nothing more than another may look unused, though it is not without effect.")
	if b.blind > 0 {
		notes = append(notes, fmt.Sprintf("%d changes of bindings were recorded without bodies: what they granted is not known.", b.blind))
	}
	return unused, notes, nil
}

// subjectOf is the subject by which a binding is the user's, "" if it is not.
func subjectOf(subjects []rbac.Subject, namespace, user string, groups []string) string {
	saNamespace, saName, isSA := serviceAccount(user)
	for _, s := range subjects {
		switch {
		case s.Kind == rbac.UserKind && s.Name == user, s.Kind == rbac.GroupKind && slices.Contains(groups, s.Name):
			return s.Kind + " " + s.Name
		case s.Kind == rbac.ServiceAccountKind && isSA && s.Name == saName && cmp.Or(s.Namespace, namespace) == saNamespace:
			return s.Kind + " " + saNamespace + "/" + saName
		}
	}
	return ""
}
