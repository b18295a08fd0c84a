package lint

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"annals.dev/internal/detect"
	"annals.dev/internal/detect/pack"
)

func lines(found []Finding) (all []string) {
	for _, f := range found {
		if f.Check != "about" {
			all = append(all, fmt.Sprintf("%d %s %s: %s", f.Line, f.Kind, f.Check, f.Message))
		}
	}
	return all
}

func check(files ...detect.File) []Finding {
	p := pack.Parse(pack.Config{Builtin: new(bool)}, files)
	return Check(p.Rules, p.Problems, nil)
}

func TestSearches(t *testing.T) {
	cases := []struct {
		query string
		want  []string
	}{
		{"verb:create resource:pods -subresource:* pod.privileged:true", nil},
		{"verb:replace resource:secrets", []string{
			`1 warning value: no audit event has the verb "replace"; it is update`,
			`1 error never: it can never find anything: no audit event meets verb:replace`}},
		{"verb:create verb:delete", []string{`1 error never: it can never find anything: no audit event meets both verb:create and verb:delete`}},
		{"code>=400 code<300", []string{`1 error never: it can never find anything: no audit event meets both responseStatus.code>=400 and responseStatus.code<=299`}},
		{"resource:nodes ns:prod", []string{`1 error never: it can never find anything: no audit event meets both objectRef.resource:nodes and objectRef.namespace:prod`}},
		{"resource:selfsubjectreviews verb:list", []string{`1 error never: it can never find anything: no audit event meets both objectRef.resource:selfsubjectreviews and verb:list`}},
		{"verb:get pod.privileged:true", []string{`1 error never: it can never find anything: no audit event meets both verb:get and pod.privileged:true`}},
		{"resource:pod", []string{`1 warning value: objectRef.resource is in the plural and in small letters: pods, not pod`}},
		{"resource:Secrets", []string{`1 warning value: resources are written in small letters: secrets`,
			`1 error never: it can never find anything: no audit event meets objectRef.resource:Secrets`}},
		{"resource:po", []string{`1 warning value: objectRef.resource is in the plural and in small letters: pods, not po`}},
		{"apiGroup:apps/v1", []string{`1 warning value: objectRef.apiGroup is "apps"; the version v1 is objectRef.apiVersion`}},
		{"verb:create resource:pods -subresource:* request.spec.hostNetwrok:true", []string{
			`1 warning path: a Pod has no spec.hostNetwrok; did you mean spec.hostNetwork?`,
			`1 error never: it can never find anything: no audit event meets all of its conditions together`}},
		{"verb:(create OR update OR patch) request.spec.hostNetwrok:true", nil}, // there are types of which nothing is known
		{"verb:create resource:pods/exec", []string{`1 warning get: kubectl from 1.30 on opens a session by a WebSocket, whose verb is get: ask for create and get, or for no verb`}},
		{"resource:pods/exec code>=200 code<300", []string{`1 warning 101: a session that was opened has the code 101: a code from 200 to 299 never says so`}},
		{"verb:create resource:clusterroles role.verb:escalate", []string{
			`1 warning create: what is created can be brought about by update and patch, too, and kubectl apply patches: ask for all three`}},
		{"verb:(create OR update OR patch) resource:ingresses -request.spec.tls:*", []string{
			`1 warning blind: where the audit policy records no body it finds every create, update, patch ingresses.networking.k8s.io: it asks that something is not in the body; ask that there is a body, too (requestObject)`}},
		{"verb:(create OR update OR patch) resource:ingresses request:* -request.spec.tls:*", nil},
		{"verb:delete resource:configmaps", []string{`1 note deletecollection: all of a namespace's are deleted at once by the verb deletecollection`}},
		{"verb:delete resource:namespaces", nil},
		{"resource:nodes (ns:prod OR verb:delete)", []string{
			`1 warning dead: this alternative can never be true here: objectRef.namespace:prod`,
		}},
	}
	for _, c := range cases {
		t.Run(c.query, func(t *testing.T) {
			text := "id: x\ntitle: X\nseverity: low\nsearch: '" + c.query + "'\ntechniques: [T1611]\n"
			got := lines(check(detect.File{Name: "x.yml", Data: []byte(text)}))
			slices.Sort(got)
			slices.Sort(c.want)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestShadowed(t *testing.T) {
	const rules = `
- rule: Any secret
  desc: x
  condition: ka.target.resource=secrets
  output: x
  priority: INFO
  source: k8s_audit
- rule: A secret deleted
  desc: x
  condition: ka.target.resource=secrets and ka.verb=delete
  output: x
  priority: INFO
  source: k8s_audit
- rule: A pod deleted
  desc: x
  condition: ka.target.resource=pods and ka.verb=delete
  output: x
  priority: INFO
  source: k8s_audit
`
	var got []string
	for _, f := range check(detect.File{Name: "f.yaml", Data: []byte(rules)}) {
		if f.Check == "shadowed" {
			got = append(got, fmt.Sprintf("%d %s", f.Line, f.Message))
		}
	}
	want := []string{`8 it never reports: whatever it finds, "Any secret" finds before it, and the first reports; load it before that one, or let all report`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Of the rules that come with Annals none has an error or a warning.
func TestOurs(t *testing.T) {
	p, err := pack.Load(pack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Rules) < 80 {
		t.Fatalf("%d rules", len(p.Rules))
	}
	for _, f := range Check(p.Rules, p.Problems, nil) {
		if f.Kind != "note" {
			t.Errorf("%s:%d: %s: %s", f.File, f.Line, f.Kind, f.Message)
		}
	}
}

// The five of Sigma's sixteen public rules that can never find anything are found, and no other.
func TestPublicPacks(t *testing.T) {
	corpus := os.Getenv("ANNALS_CORPUS")
	if corpus == "" {
		t.Skip("ANNALS_CORPUS is not set to the folder that holds packs/")
	}
	no := false
	p, err := pack.Load(pack.Config{Builtin: &no, Paths: []string{filepath.Join(corpus, "packs", "sigma")}})
	if err != nil {
		t.Fatal(err)
	}
	var dead []string
	for _, f := range Check(p.Rules, p.Problems, nil) {
		if f.Kind == "error" {
			dead = append(dead, fmt.Sprintf("%s:%d", strings.TrimSuffix(strings.TrimPrefix(filepath.Base(f.File), "kubernetes_audit_"), ".yml"), f.Line))
		}
	}
	want := []string{"hostpath_mount:24", "potential_enumeration_activity:24", "privileged_pod_creation:26", "rbac_permisions_listing:24", "sidecar_injection:24"}
	if diff := cmp.Diff(want, dead); diff != "" {
		t.Error(diff)
	}
}
