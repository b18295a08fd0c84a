package actor

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"annals.dev/audit"
)

// asked is what an authorizer is asked about a request, by Kubernetes' own account: the name of an object that is created is not
// known, nor are those that are deleted together; what makes an object by update or patch is asked for create once more, and so is
// who opens a session by WebSocket.
func asked(a access) (all []check) {
	c := check{verb: a.verb, group: a.group, resource: a.resource, namespace: a.namespace, name: a.name, path: a.path}
	if a.resource != "" && a.subresource != "" {
		c.resource += "/" + a.subresource
	}
	made := c
	if a.verb == "create" && a.subresource == "" || a.verb == "deletecollection" {
		c.name = ""
	}
	all = append(all, c)
	made.verb = "create"
	upgraded := a.group == "" && a.verb == "get" && (c.resource == "pods/exec" || c.resource == "pods/attach" || c.resource == "pods/portforward")
	if (a.verb == "update" || a.verb == "patch") && a.code == 201 || upgraded {
		all = append(all, made)
	}
	return all
}

// TestLeast: whatever was asked for, the roles allow it, and nothing in them is for nothing.
func TestLeast(t *testing.T) {
	pick := func(rng *rand.Rand, of ...string) string { return of[rng.IntN(len(of))] }
	for seed := range uint64(120) {
		rng := rand.New(rand.NewPCG(31, seed))
		l := newLeast()
		var checks []check
		user := pick(rng, "jane@example.com", "system:serviceaccount:ci:deployer")
		for range 1 + rng.IntN(60) {
			a := access{
				verb: pick(rng, "get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"), group: pick(rng, "", "apps"),
				resource: pick(rng, "pods", "secrets", "deployments"), namespace: pick(rng, "", "prod", "dev"),
				subresource: pick(rng, "", "", "", "exec", "status"), name: pick(rng, "", "a", "b", fmt.Sprint("n", rng.IntN(30))), code: []int{0, 200, 201, 403}[rng.IntN(4)],
			}
			if rng.IntN(8) == 0 {
				a = access{verb: pick(rng, "get", "post"), path: pick(rng, "/metrics", "/logs/x", "/api")}
			}
			if l.add(a, 1) {
				checks = append(checks, asked(a)...)
			}
		}
		if rng.IntN(3) == 0 {
			l.impersonate(&audit.UserInfo{Username: "bob", Groups: []string{"dev", "system:authenticated"}, Extra: map[string][]string{"scope": {"x"}}})
			checks = append(checks, check{verb: "impersonate", resource: "users", name: "bob"}, check{verb: "impersonate", resource: "groups", name: "dev"},
				check{verb: "impersonate", group: authentication, resource: "userextras/scope", name: "x"})
		}
		text := sameTwice(t, l, user)
		if hold(t, read(t, user, text), checks); t.Failed() {
			t.Fatalf("seed %d\n%s", seed, text)
		}
	}
}

// TestNoStars: nothing that was asked for makes a rule that allows more than it says.
func TestNoStars(t *testing.T) {
	for _, a := range []access{
		{verb: "*", resource: "pods"}, {verb: "get", resource: "*"}, {verb: "get", group: "*", resource: "pods"}, {verb: "get", resource: "pods", subresource: "*"},
		{verb: "get", path: "*"}, {verb: "get", path: "/x/*"}, {verb: "get", path: "x"}, {verb: "", resource: "pods"}, {verb: "get", resource: "pods", namespace: "a/b"},
		{verb: "get", resource: "pods", namespace: "-"}, {verb: "get", resource: "pods", namespace: strings.Repeat("a", 64)},
	} {
		l := newLeast()
		if l.add(a, 1) {
			t.Errorf("%+v makes a rule", a)
		}
		if text, err := l.yaml("jane"); text != "" || err != nil {
			t.Errorf("%+v: %v\n%s", a, err, text)
		}
	}
}

// TestEverybodys: what Kubernetes grants to every user.
func TestEverybodys(t *testing.T) {
	for _, tt := range []struct {
		user string
		a    access
		want bool
	}{
		{"jane", access{verb: "get", path: "/api"}, true},
		{"jane", access{verb: "get", path: "/apis/apps/v1"}, true},
		{"jane", access{verb: "get", path: "/openapi/v3/x"}, true},
		{"jane", access{verb: "get", path: "/healthz"}, true},
		{"jane", access{verb: "get", path: "/healthz/etcd"}, false},
		{"jane", access{verb: "get", path: "/apisx"}, false},
		{"jane", access{verb: "get", path: "/metrics"}, false},
		{"jane", access{verb: "post", path: "/api"}, false},
		{"system:anonymous", access{verb: "get", path: "/version"}, true},
		{"system:anonymous", access{verb: "get", path: "/api"}, false},
		{"jane", access{verb: "create", group: "authorization.k8s.io", resource: "selfsubjectaccessreviews"}, true},
		{"jane", access{verb: "create", group: "authorization.k8s.io", resource: "subjectaccessreviews"}, false},
		{"jane", access{verb: "create", group: "authentication.k8s.io", resource: "selfsubjectreviews"}, true},
		{"jane", access{verb: "get", resource: "pods"}, false},
	} {
		if got := everybodys(tt.user, tt.a); got != tt.want {
			t.Errorf("%s %+v: %v", tt.user, tt.a, got)
		}
	}
}

// TestImpersonate: whom somebody acted as, by their names alone, and what the API server adds is not asked for.
func TestImpersonate(t *testing.T) {
	for _, tt := range []struct {
		name string
		as   audit.UserInfo
		want []check
	}{
		{"a user", audit.UserInfo{Username: "bob", UID: "7", Groups: []string{"dev", "system:authenticated"}, Extra: map[string][]string{"a.b/c": {"1", "2"}}}, []check{
			{verb: "impersonate", resource: "users", name: "bob"}, {verb: "impersonate", resource: "groups", name: "dev"}, {verb: "impersonate", group: authentication, resource: "uids", name: "7"},
			{verb: "impersonate", group: authentication, resource: "userextras/a.b/c", name: "1"}, {verb: "impersonate", group: authentication, resource: "userextras/a.b/c", name: "2"}}},
		{"a service account", audit.UserInfo{Username: "system:serviceaccount:prod:web", Groups: []string{"system:serviceaccounts", "system:serviceaccounts:prod", "system:authenticated"}},
			[]check{{verb: "impersonate", resource: "serviceaccounts", namespace: "prod", name: "web"}}},
		{"a service account in other groups", audit.UserInfo{Username: "system:serviceaccount:prod:web", Groups: []string{"system:serviceaccounts", "admins"}},
			[]check{{verb: "impersonate", resource: "serviceaccounts", namespace: "prod", name: "web"}, {verb: "impersonate", resource: "groups", name: "system:serviceaccounts"}, {verb: "impersonate", resource: "groups", name: "admins"}}},
	} {
		l := newLeast()
		l.impersonate(&tt.as)
		hold(t, read(t, "jane", sameTwice(t, l, "jane")), tt.want)
	}
	l := newLeast()
	var want []check
	for i := range 3 * manyNames { // however many: nobody is to act as everybody
		l.impersonate(&audit.UserInfo{Username: fmt.Sprint("u", i)})
		want = append(want, check{verb: "impersonate", resource: "users", name: fmt.Sprint("u", i)})
	}
	hold(t, read(t, "jane", sameTwice(t, l, "jane")), want)
}

// TestNamesInYAML: a name is read as what it is, whatever it looks like, and none acts on a terminal.
func TestNamesInYAML(t *testing.T) {
	for _, name := range []string{
		"jane@example.com", "no", "~", "1e3", "0x1", "null", "true", "a: b", "- a", "a #b", `"`, "'", "{}", "*x", "&a", "!t", "|", ">", "%", "@", "`", " a ", "",
		"a\nkind: ClusterRole\n", "---", "a\n---\nb", "\u202eevil", "\x1b[31mred", "日本", "a\tb", strings.Repeat("x", 500), "\x00", "a\u2028b", "\ufeffa",
	} {
		if name == "" {
			continue
		}
		l := newLeast()
		l.add(access{verb: "get", resource: "secrets", namespace: "prod", name: name}, 1)
		l.add(access{verb: "get", path: "/" + strings.ReplaceAll(name, "*", "+")}, 1)
		text := sameTwice(t, l, name)
		hold(t, read(t, name, text), []check{{verb: "get", resource: "secrets", namespace: "prod", name: name}, {verb: "get", path: "/" + strings.ReplaceAll(name, "*", "+")}})
	}
}

func TestRoleName(t *testing.T) {
	for user, want := range map[string]string{
		"jane@example.com":                  "annals:jane@example.com",
		"system:serviceaccount:ci:deployer": "annals:system:serviceaccount:ci:deployer",
		"a/b":                               "annals:a-b-c14cddc0",
		"a-b":                               "annals:a-b",
		"a%b":                               "annals:a-b-",
	} {
		if got := roleName(user); got != want && !(user == "a%b" && strings.HasPrefix(got, want)) {
			t.Errorf("%s: %s", user, got)
		}
	}
	if a, b := roleName("a/b"), roleName("a%b"); a == b {
		t.Errorf("%s is the name of two users' roles", a)
	}
	if n := len(roleName(strings.Repeat("é", 500))); n > 220 {
		t.Errorf("a name of %d bytes", n)
	}
}

func TestParseReason(t *testing.T) {
	for reason, want := range map[string]granted{
		`RBAC: allowed by ClusterRoleBinding "sre-admin" of ClusterRole "cluster-admin" to Group "sre"`:                  {"ClusterRoleBinding sre-admin", "ClusterRole/cluster-admin", "Group sre", ""},
		`RBAC: allowed by RoleBinding "developers-edit/prod" of ClusterRole "edit" to Group "developers"`:                {"RoleBinding prod/developers-edit", "ClusterRole/edit", "Group developers", ""},
		`RBAC: allowed by ClusterRoleBinding "web-config" of ClusterRole "web-config" to ServiceAccount "web/prod"`:      {"ClusterRoleBinding web-config", "ClusterRole/web-config", "ServiceAccount prod/web", ""},
		`RBAC: allowed by ClusterRoleBinding "system:kube-scheduler" of ClusterRole "x" to User "system:kube-scheduler"`: {"ClusterRoleBinding system:kube-scheduler", "ClusterRole/x", "User system:kube-scheduler", ""},
		`RBAC: allowed by ClusterRoleBinding "a \" of ClusterRole \"b" of Role "c" to Group "d to e"`:                    {`ClusterRoleBinding a " of ClusterRole "b`, "Role/c", "Group d to e", ""},
		`no relationship found between node 'node-1' and this object`:                                                    {other: `no relationship found between node 'node-1' and this object`},
		`RBAC: allowed by ClusterRoleBinding "a" of ClusterRole "b"`:                                                     {other: `RBAC: allowed by ClusterRoleBinding "a" of ClusterRole "b"`},
		`RBAC: allowed by ClusterRoleBinding "a" of ClusterRole "b" to Group "c" and more`:                               {other: `RBAC: allowed by ClusterRoleBinding "a" of ClusterRole "b" to Group "c" and more`},
		`RBAC: allowed by ClusterRoleBinding "a`:                                                                         {other: `RBAC: allowed by ClusterRoleBinding "a`},
		``:                                                                                                               {},
	} {
		if diff := cmp.Diff(want, parseReason(reason), cmp.AllowUnexported(granted{})); diff != "" {
			t.Errorf("%s: %s", reason, diff)
		}
	}
}

// FuzzParseReason: of any text, either all of a binding is read or the text stays what it is.
func FuzzParseReason(f *testing.F) {
	f.Add(`RBAC: allowed by RoleBinding "a/b" of ClusterRole "c" to ServiceAccount "d/e"`)
	f.Add(`RBAC: allowed by X "\xff" of "y" to `)
	f.Fuzz(func(t *testing.T, reason string) {
		g := parseReason(reason)
		if whole := g.binding != "" && g.role != "" && g.to != ""; whole == (g.other != "") && reason != "" || !whole && g.other != reason {
			t.Errorf("%+v", g)
		}
	})
}
