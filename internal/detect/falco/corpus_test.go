package falco

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"annals.dev/audit"
	"annals.dev/internal/detect"
	"annals.dev/internal/match"
)

func corpus(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("ANNALS_CORPUS")
	if dir == "" {
		t.Skip("ANNALS_CORPUS is not set: make corpus DIR=… sets it")
	}
	return dir
}

func packFiles(t testing.TB, names ...string) (files []detect.File) {
	t.Helper()
	dir := corpus(t)
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(dir, "packs", "falco", name))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, detect.File{Name: name, Data: b})
	}
	return files
}

// The corpus records which rules real Falco, with all matching, fires for each of its cases.
func TestEvasionsAsFalco(t *testing.T) {
	rules, problems := Parse(packFiles(t, "k8s_audit_rules.yaml"), Options{All: true, Upstream: true})
	for _, p := range problems {
		if p.Kind == "error" {
			t.Errorf("%+v", p)
		}
	}
	b, err := os.ReadFile(filepath.Join(corpus(t), "corpus", "evasions.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		ID, Title string
		Events    []json.RawMessage
		Falco     []string
		Specific  []string `json:"falco_specific"`
	}
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) != 36 {
		t.Errorf("%d cases", len(cases))
	}
	for _, c := range cases {
		got := []string{}
		for _, event := range c.Events {
			got = append(got, fire(t, rules, event)...)
		}
		slices.Sort(got)
		if diff := cmp.Diff(c.Falco, slices.Compact(got)); diff != "" {
			t.Errorf("%s %s:\n%s", c.ID, c.Title, diff)
		}
	}
}

func fire(t testing.TB, rules []*detect.Rule, event []byte) (names []string) {
	t.Helper()
	v := new(audit.View)
	if err := v.Parse(event); err != nil {
		t.Fatalf("%s: %v", event, err)
	}
	for _, r := range rules {
		if r.Where.Match(&match.Row{View: v}) {
			names = append(names, r.Name)
		}
	}
	return names
}

// TestPackFires: of Falco's own rules, with all matching and its users' one left out, those that fire for what somebody does.
func TestPackFires(t *testing.T) {
	rules, _ := Parse(packFiles(t, "k8s_audit_rules.yaml"), Options{All: true, Upstream: true})
	const pod = `"verb":"create","objectRef":{"resource":"pods","namespace":"default"},"responseStatus":{"code":201},"requestObject":{"spec":`
	for _, tt := range []struct {
		name, event string
		want        []string
	}{
		{"a pod", pod + `{"containers":[{"image":"nginx"}]}}`, nil},
		{"the second container is privileged, the first has no security context", pod + `{"containers":[{"image":"nginx"},{"image":"x","securityContext":{"privileged":true}}]}}`, []string{"Create Privileged Pod"}},
		{"an init container is", pod + `{"containers":[{"image":"nginx"}],"initContainers":[{"image":"x","securityContext":{"privileged":true}}]}}`, []string{"Create Privileged Pod"}},
		{"all images are allowed to", pod + `{"containers":[{"image":"calico/node:v3","securityContext":{"privileged":true}}]}}`, nil},
		{"one image is not", pod + `{"containers":[{"image":"calico/node:v3","securityContext":{"privileged":true}},{"image":"x"}]}}`, []string{"Create Privileged Pod"}},
		{"the host's network and processes", pod + `{"hostNetwork":true,"hostPID":true,"hostIPC":true,"containers":[{"image":"nginx"}]}}`, []string{"Create HostIPC Pod", "Create HostNetwork Pod", "Create HostPid Pod"}},
		{"without them", pod + `{"hostNetwork":false,"containers":[{"image":"nginx"}]}}`, nil},
		{"a sensitive mount", pod + `{"containers":[{"image":"nginx"}],"volumes":[{"name":"a","emptyDir":{}},{"name":"b","hostPath":{"path":"/proc"}}]}}`, []string{"Create Sensitive Mount Pod"}},
		{"another mount", pod + `{"containers":[{"image":"nginx"}],"volumes":[{"name":"b","hostPath":{"path":"/data"}}]}}`, nil},
		{"a pod in kube-system", strings.Replace(pod, "default", "kube-system", 1) + `{"containers":[{"image":"nginx"}]}}`, []string{"Pod Created in Kube Namespace"}},
		{"a NodePort", `"verb":"create","objectRef":{"resource":"services"},"responseStatus":{"code":201},"requestObject":{"spec":{"type":"NodePort"}}`, []string{"Create NodePort Service", "K8s Service Created"}},
		{"a ClusterIP", `"verb":"create","objectRef":{"resource":"services"},"responseStatus":{"code":201},"requestObject":{"spec":{"type":"ClusterIP"}}`, []string{"K8s Service Created"}},
		{"a password in a ConfigMap", `"verb":"update","objectRef":{"resource":"configmaps"},"requestObject":{"data":{"access":"aws_access_key_id = X"}}`, []string{"Create/Modify Configmap With Private Credentials"}},
		{"none in a ConfigMap", `"verb":"create","objectRef":{"resource":"configmaps"},"requestObject":{"data":{"k":"v"}}`, nil},
		{"a wildcard role", `"verb":"create","objectRef":{"resource":"clusterroles","name":"x"},"responseStatus":{"code":201},"requestObject":{"rules":[{"verbs":["get"],"resources":["pods"]},{"verbs":["*"],"resources":["x"]}]}`, []string{"ClusterRole With Wildcard Created", "K8s ClusterRole Created"}},
		{"a role that writes and execs", `"verb":"create","objectRef":{"resource":"roles","name":"x"},"requestObject":{"rules":[{"verbs":["create"],"resources":["pods/exec"]}]}`, []string{"ClusterRole With Pod Exec Created", "ClusterRole With Write Privileges Created"}},
		{"a binding to cluster-admin", `"verb":"create","objectRef":{"resource":"clusterrolebindings"},"requestObject":{"roleRef":{"name":"cluster-admin"}}`, []string{"Attach to cluster-admin Role"}},
		{"a system role", `"verb":"delete","objectRef":{"resource":"clusterroles","name":"system:kube-aggregator"}`, []string{"System ClusterRole Modified/Deleted"}},
		{"one whose changes are usual", `"verb":"delete","objectRef":{"resource":"clusterroles","name":"system:coredns"}`, nil},
		{"a namespace", `"verb":"create","objectRef":{"resource":"namespaces","name":"foo"},"responseStatus":{"code":201}`, []string{"Create Disallowed Namespace", "K8s Namespace Created"}},
		{"a secret got", `"verb":"get","objectRef":{"resource":"secrets","namespace":"x"},"responseStatus":{"code":200}`, []string{"K8s Secret Get Successfully"}},
		{"a secret refused", `"verb":"get","objectRef":{"resource":"secrets","namespace":"x"},"responseStatus":{"code":403}`, []string{"K8s Secret Get Unsuccessfully Tried"}},
		{"a secret made in kube-system", `"verb":"create","objectRef":{"resource":"secrets","namespace":"kube-system"},"responseStatus":{"code":201}`, nil},
		{"an exec that has ended", `"verb":"create","objectRef":{"resource":"pods","subresource":"exec"},"responseStatus":{"code":101}`, nil},
		{"a port forwarded", `"verb":"get","objectRef":{"resource":"pods","subresource":"portforward"}`, []string{"port-forward"}},
		{"an ingress with TLS", `"verb":"create","objectRef":{"resource":"ingresses"},"responseStatus":{"code":201},"requestObject":{"spec":{"tls":[]}}`, nil},
		{"an ingress of which no body is recorded", `"verb":"create","objectRef":{"resource":"ingresses"},"responseStatus":{"code":201}`, []string{"Ingress Object without TLS Certificate Created"}},
	} {
		got := fire(t, rules, []byte(`{"auditID":"1","stage":"ResponseComplete","stageTimestamp":"2026-01-01T00:00:00Z","user":{"username":"jane"},`+tt.event+`}`))
		got = slices.DeleteFunc(got, func(name string) bool { return name == "Disallowed K8s User" })
		slices.Sort(got)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	for user, want := range map[string]bool{"jane": true, "admin": false, "eks:node-manager": false, "vpa-updater": false, "system:node:a": false} {
		got := fire(t, rules, []byte(`{"auditID":"1","stage":"ResponseComplete","verb":"list","user":{"username":"`+user+`"}}`))
		if slices.Contains(got, "Disallowed K8s User") != want {
			t.Errorf("%s: %q", user, got)
		}
	}
}
