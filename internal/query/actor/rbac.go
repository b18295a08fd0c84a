package actor

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	rbac "k8s.io/api/rbac/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"annals.dev/audit"
	"annals.dev/internal/match"
	"annals.dev/internal/query"
)

// RBAC writes the least roles that allow what the user's rights were asked for: its own requests, and those that others made as
// this user.
func RBAC(ctx context.Context, r *query.Reader, q RoleQuestion) (*Role, error) {
	a, err := ready(q.Question)
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	role := &Role{User: a.User}
	text := `decision:allow OR -decision:* code:* -code:(401 OR 403)`
	if q.Denied {
		text = `decision:(allow OR forbid) OR -decision:* code:* -code:401`
	}
	decided, err := match.Parse(text)
	if err != nil {
		return nil, err
	}
	l := newLeast()
	usual, other := 0, map[string]int{}
	clusters := make(map[string]bool)
	fields := []string{"verb", "apiGroup", "resource", "subresource", "ns", "name", "path", "code", "reason", "cluster"}
	role.Cover, err = r.Requests(ctx, a.over(match.And(a.authorized, decided)), fields, func(q2 query.Requests) error {
		v := q2.Values
		x := access{verb: v[0], group: v[1], resource: v[2], subresource: v[3], namespace: v[4], name: v[5], path: v[6]}
		x.code, _ = strconv.Atoi(v[7])
		if path, err := url.PathUnescape(x.path); err == nil { // the URI is recorded as it came, and decided as it is meant
			x.path = path
		}
		if !q.All && everybodys(a.User, x) {
			usual += q2.Count
			return nil
		}
		if l.add(x, q2.Count) {
			role.Requests += q2.Count
			clusters[v[9]] = true
			if by := parseReason(v[8]); by.binding == "" {
				other[by.other] += q2.Count
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	acted, err := l.impersonations(ctx, r, &a)
	if err != nil {
		return nil, err
	}
	if role.YAML, err = l.yaml(a.User); err != nil {
		return nil, err
	}
	if role.YAML == "" && usual == 0 {
		role.Near, err = a.near(ctx, r)
	}
	role.Notes = l.notes(usual, acted, other, len(clusters))
	role.Cover.Returned = role.Requests
	role.Cover.Seconds = time.Since(begun).Seconds()
	return role, err
}

// everybodys says whether Kubernetes grants an access to every user, as long as nobody takes the usual bindings away: by
// system:discovery, system:basic-user and system:public-info-viewer.
func everybodys(user string, a access) bool {
	if a.resource != "" {
		return user != "system:anonymous" && a.verb == "create" && a.subresource == "" &&
			(a.group == "authorization.k8s.io" && (a.resource == "selfsubjectaccessreviews" || a.resource == "selfsubjectrulesreviews") ||
				a.group == "authentication.k8s.io" && a.resource == "selfsubjectreviews")
	}
	if a.verb != "get" {
		return false
	}
	switch a.path {
	case "/livez", "/readyz", "/healthz", "/version", "/version/":
		return true
	case "/openapi", "/api", "/apis":
		return user != "system:anonymous"
	}
	first, _, ok := strings.Cut(strings.TrimPrefix(a.path, "/"), "/")
	return ok && user != "system:anonymous" && slices.Contains([]string{"openapi", "api", "apis"}, first)
}

// impersonations adds what the user needed to act as others: these users, groups and extras, each by its name, and no others.
func (l *least) impersonations(ctx context.Context, r *query.Reader, a *about) (n int, err error) {
	_, err = r.Search(ctx, query.Search{Range: a.over(a.acted), Wide: true, Bytes: true}, func(row *query.Row) error {
		var view audit.View
		var event audit.Event
		if view.Parse(row.Event(query.Whole).Event) != nil {
			return nil
		}
		_ = event.UnmarshalFrom(&view) // a time that cannot be read is left out
		if as := event.ImpersonatedUser; as != nil {
			n++
			l.impersonate(as)
		}
		if event.AuthenticationMetadata != nil && event.AuthenticationMetadata.ImpersonationConstraint != "" {
			l.constrained++
		}
		return nil
	})
	return n, err
}

const authentication = "authentication.k8s.io"

func (l *least) impersonate(as *audit.UserInfo) {
	allow := func(namespace, group, resource, name string) {
		if name == "" || strings.Contains(resource, "*") {
			return
		}
		l.allow(namespace, target{group, resource}, "impersonate", name, 1<<30)
	}
	own := []string{"system:authenticated", "system:unauthenticated"} // added by the API server
	if ns, name, ok := serviceAccount(as.Username); ok {
		if !isLabel(ns) {
			l.places++
			return
		}
		allow(ns, "", "serviceaccounts", name)
		if all := append([]string{"system:serviceaccounts", "system:serviceaccounts:" + ns}, own...); !slices.ContainsFunc(as.Groups, func(g string) bool { return !slices.Contains(all, g) }) {
			own = all // a service account has these of itself, unless others are asked for
		}
	} else {
		allow("", "", "users", as.Username)
	}
	for _, g := range as.Groups {
		if !slices.Contains(own, g) {
			allow("", "", "groups", g)
		}
	}
	allow("", authentication, "uids", as.UID)
	for key, values := range as.Extra {
		for _, v := range values {
			allow("", authentication, "userextras/"+key, v)
		}
	}
}

// yaml writes the roles with their bindings, one document after the other: the ClusterRole first, then Roles by namespace.
func (l *least) yaml(user string) (string, error) {
	subject := rbac.Subject{Kind: rbac.UserKind, APIGroup: rbac.GroupName, Name: user}
	if ns, name, ok := serviceAccount(user); ok {
		subject = rbac.Subject{Kind: rbac.ServiceAccountKind, Namespace: ns, Name: name}
	}
	name := roleName(user)
	version := rbac.SchemeGroupVersion.String()
	var documents []any
	if rules := l.rulesOf(""); len(rules) > 0 {
		documents = append(documents,
			rbac.ClusterRole{TypeMeta: meta.TypeMeta{APIVersion: version, Kind: "ClusterRole"}, ObjectMeta: meta.ObjectMeta{Name: name}, Rules: rules},
			rbac.ClusterRoleBinding{TypeMeta: meta.TypeMeta{APIVersion: version, Kind: "ClusterRoleBinding"}, ObjectMeta: meta.ObjectMeta{Name: name},
				RoleRef: rbac.RoleRef{APIGroup: rbac.GroupName, Kind: "ClusterRole", Name: name}, Subjects: []rbac.Subject{subject}})
	}
	for _, ns := range l.namespaces() {
		at := meta.ObjectMeta{Name: name, Namespace: ns}
		documents = append(documents,
			rbac.Role{TypeMeta: meta.TypeMeta{APIVersion: version, Kind: "Role"}, ObjectMeta: at, Rules: l.rulesOf(ns)},
			rbac.RoleBinding{TypeMeta: meta.TypeMeta{APIVersion: version, Kind: "RoleBinding"}, ObjectMeta: at,
				RoleRef: rbac.RoleRef{APIGroup: rbac.GroupName, Kind: "Role", Name: name}, Subjects: []rbac.Subject{subject}})
	}
	var b strings.Builder
	for i, d := range documents {
		text, err := document(d)
		if err != nil {
			return "", fmt.Errorf("writing the roles of %q: %w", user, err)
		}
		if i > 0 {
			b.WriteString("---\n")
		}
		b.Write(text)
	}
	return b.String(), nil
}

// document writes an object as YAML that acts on no terminal. YAML lets characters stand that turn text around or hide it, and
// lines within texts; an object with such is written as JSON, which is YAML too, and there they are escaped.
func document(object any) ([]byte, error) {
	unseen := func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }
	text, err := yaml.Marshal(object)
	if err != nil {
		return nil, err
	}
	plain, err := json.MarshalIndent(object, "", "  ")
	if !bytes.ContainsFunc(text, unseen) && !bytes.Contains(plain, []byte(`\n`)) {
		return text, err
	}
	var b []byte
	for _, r := range string(plain) {
		if unseen(r) {
			for _, unit := range utf16.Encode([]rune{r}) {
				b = fmt.Appendf(b, `\u%04x`, unit)
			}
		} else {
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '\n'), err
}

// longestName is how long a role's name is at most, in bytes.
const longestName = 200

// roleName makes a name for a user's roles of the user's name. Where that cannot stand in one, a hash tells it from others alike.
func roleName(user string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("@:._-", r) {
			return r
		}
		return '-'
	}, user)
	if name = name[:min(len(name), longestName)]; name != user {
		name += fmt.Sprintf("-%x", sha256.Sum256([]byte(user)))[:9]
	}
	return "annals:" + name
}
