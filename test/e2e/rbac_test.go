package e2e

import (
	"strings"
	"testing"

	"annals.dev/test/e2e/kube"
)

// TestRoles has somebody who may do everything do this and that, gives what annals rbac writes of it to somebody who may do
// nothing, and has that one do the same: the API server must allow all of it, and nothing beside.
func TestRoles(t *testing.T) {
	s := kube.Start(t, kube.Options{LogDir: t.TempDir(), Flags: []string{"--audit-policy-file=" + abs(t, "testdata/rbac.yaml"), keepLogs}})
	admin := kube.Client(t, s.Admin())
	k := kube.StartKubelet(t, s, admin)
	const team = `
apiVersion: v1
kind: ConfigMap
metadata: {name: app}
data: {a: "1"}
---
apiVersion: v1
kind: Secret
metadata: {name: key}
---
apiVersion: v1
kind: Secret
metadata: {name: other}
---
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  automountServiceAccountToken: false
  containers: [{name: app, image: x}]
`
	kubectl(t, s, []command{
		{s.Admin(), "", "create namespace team", ""}, {s.Admin(), "", "create namespace else", ""},
		{s.Admin(), "", "create serviceaccount default -n team", ""},
		{s.Admin(), team, "create -n team -f -", ""},
		{s.Admin(), "", "create clusterrolebinding jane --clusterrole=cluster-admin --user=jane", ""},
	})
	k.Run(admin, "team", "web")

	made := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: applied}\ndata: {a: \"1\"}\n"
	acts := []command{
		{stdin: "", args: "get configmap app -n team"},
		{stdin: "", args: "get secret key -n team"},
		{stdin: "", args: "get pods -A"},
		{stdin: "", args: "get secrets -n team --field-selector metadata.name=key"},
		{stdin: "", args: "create deployment d --image=x -n team"},
		{stdin: "", args: "scale deployment d --replicas=2 -n team"},
		{stdin: made, args: "apply --server-side -n team -f -"},
		{stdin: "", args: "label configmap app -n team seen=yes --overwrite"},
		{stdin: "", args: "exec web -n team -- true"},
		{stdin: "", args: "get namespace team"},
		{stdin: "", args: "get --raw /metrics"},
		{stdin: "", args: "create token default -n team"},
		{stdin: "", args: "auth whoami --as bob --as-group devs --as-uid 7 --as-user-extra scope=x"},
		{stdin: "", args: "auth whoami --as system:serviceaccount:team:default"},
		{stdin: "", args: "delete configmap applied -n team"},
		{stdin: "", args: "delete pods -n team --selector none=here"},
		{stdin: "", args: "delete deployment d -n team"},
	}
	act := func(user string) {
		for _, c := range acts {
			c.as = s.As(user)
			kubectl(t, s, []command{c})
		}
	}
	act("jane")
	a := newAnnals(t)
	a.must("import", "--cluster", "prod", s.AuditLog)
	roles := string(a.must("rbac", "jane"))
	if n := strings.Count(roles, "  name: jane\n"); n != 2 {
		t.Fatalf("%d bindings are for jane", n)
	}
	// The same for another user, who has nothing else.
	kubectl(t, s, []command{{s.As("nobody"), "", "get configmap app -n team", "Forbidden"}})
	kubectl(t, s, []command{{s.Admin(), strings.ReplaceAll(roles, "  name: jane\n", "  name: nobody\n"), "apply -f -", ""}})
	eventually(t, "the roles are there", func() error {
		_, _, err := s.Kubectl(s.As("nobody"), "", "get", "configmap", "app", "-n", "team")
		return err
	})
	act("nobody")
	for _, refused := range []string{
		"get secret other -n team", "get secrets -n team", "get configmap app -n else", "create namespace more", "delete configmap app -n team", "delete pod web -n team",
		"get nodes", "get --raw /metrics/cadvisor", "get configmap app -n team --as carol", "get configmap app -n team --as bob --as-group admins", "create token other -n team", "get pods -A --as system:admin",
	} {
		kubectl(t, s, []command{{s.As("nobody"), "", refused, "orbidden"}})
	}
}
