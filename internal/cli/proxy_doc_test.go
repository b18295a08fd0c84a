package cli

import (
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

// rules are those of the ClusterRole among YAML documents, each of which has to be read strictly as what it says it is.
func rules(t *testing.T, documents string) (rules []rbacv1.PolicyRule, args []string) {
	t.Helper()
	for doc := range strings.SplitSeq(documents, "\n---\n") {
		var head struct{ Kind string }
		if err := yaml.Unmarshal([]byte(doc), &head); err != nil {
			t.Fatal(err)
		}
		var role rbacv1.ClusterRole
		var set appsv1.StatefulSet
		into := map[string]any{
			"ClusterRole": &role, "StatefulSet": &set, "ClusterRoleBinding": new(rbacv1.ClusterRoleBinding), "Service": new(corev1.Service),
			"ServiceAccount": new(corev1.ServiceAccount),
		}[head.Kind]
		if into == nil {
			t.Fatalf("kind %q", head.Kind)
		}
		if err := yaml.UnmarshalStrict([]byte(doc), into); err != nil {
			t.Errorf("%s: %v", head.Kind, err)
		}
		rules = append(rules, role.Rules...)
		for _, c := range set.Spec.Template.Spec.Containers {
			args = append(args, c.Args...)
		}
	}
	return rules, args
}

// The document and the manifest give the proxy the same rights, and the manifest and the document use flags that there are.
func TestProxyDocument(t *testing.T) {
	doc, err := os.ReadFile("../../docs/proxy.md")
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := os.ReadFile("../../deploy/proxy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(doc)
	if block == nil {
		t.Fatal("the document has no ClusterRole")
	}
	documented, _ := rules(t, string(block[1]))
	deployed, args := rules(t, string(manifest))
	if diff := cmp.Diff(documented, deployed); diff != "" || len(deployed) == 0 {
		t.Errorf("the rights differ: %s", diff)
	}
	cmd := newProxy(&env{streams: &streams{out: io.Discard, err: io.Discard}})
	if err := cmd.ParseFlags(args); err != nil || len(args) == 0 {
		t.Errorf("%q: %v", args, err)
	}
	others := map[string]bool{"--dns": true, "--since": true, "--minify": true, "--raw": true, "--kubeconfig": true, "--server": true, "--certificate-authority": true, "--embed-certs": true, "--audience": true, "--anonymous-auth": true, "--data": true}
	for _, flag := range regexp.MustCompile(`--[a-z][a-z-]+`).FindAllString(string(doc), -1) {
		if !others[flag] && flag != "--audit-" && cmd.Flags().Lookup(strings.TrimPrefix(flag, "--")) == nil {
			t.Errorf("docs/proxy.md speaks of %s", flag)
		}
	}
}
