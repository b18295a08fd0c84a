package coverage_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"annals.dev/internal/detect/coverage"
	"annals.dev/internal/detect/pack"
	"annals.dev/policy"
)

func corpus(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("ANNALS_CORPUS")
	if dir == "" {
		t.Skip("ANNALS_CORPUS is not set to the folder that holds packs/ and corpus/")
	}
	return dir
}

func report(t *testing.T, policyFile string, cfg pack.Config) *coverage.Report {
	t.Helper()
	b, err := os.ReadFile(policyFile)
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Parse(b, policy.Options{Upstream: true})
	if err != nil {
		t.Fatal(err)
	}
	rules, err := pack.Load(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return coverage.Check(rules.Rules, &coverage.Policy{Policy: p, Name: policyFile, Lines: policy.Lines(b)}, nil)
}

// Falco's rules under the audit policy that is shipped beside them: five are switched off, one fires on every ingress, and those
// about roles do not see roles.
func TestFalcoUnderItsPolicy(t *testing.T) {
	dir := filepath.Join(corpus(t), "packs", "falco")
	got := map[string]string{}
	for _, r := range report(t, filepath.Join(dir, "audit-policy.yaml"), pack.Config{Builtin: new(bool), Paths: []string{filepath.Join(dir, "k8s_audit_rules.yaml")}}).Results {
		switch r.Verdict {
		case coverage.Fires:
			continue
		case coverage.Never:
			got[r.Title] = "never"
			continue
		}
		for _, b := range r.Blocked {
			got[r.Title] += fmt.Sprintf("%s %d %s; ", r.Verdict, b.Line, b.Cause)
		}
	}
	want := map[string]string{
		"Create Disallowed Pod": "never", "All K8s Audit Events": "never", "Full K8s Administrative Access": "never",
		"Untrusted Node Successfully Joined the Cluster": "never", "Untrusted Node Unsuccessfully Tried to Join the Cluster": "never",
		"Ingress Object without TLS Certificate Created":   "blind 78 blind; ",
		"ClusterRole With Wildcard Created":                "partly 78 level; ",
		"ClusterRole With Write Privileges Created":        "partly 78 level; ",
		"ClusterRole With Pod Exec Created":                "partly 78 level; ",
		"Disallowed K8s User":                              "partly 29 none; partly 44 none; ",
		"Anonymous Request Allowed":                        "partly 29 none; ",
		"K8s ConfigMap Deleted":                            "partly 29 none; ",
		"Create/Modify Configmap With Private Credentials": "partly 29 none; ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Our rules all fire where everything is recorded; under the policies of the corpus it is known of each.
func TestOursUnderPolicies(t *testing.T) {
	policies, err := filepath.Glob(filepath.Join(corpus(t), "corpus", "policies", "*.yaml"))
	if err != nil || len(policies) < 5 {
		t.Fatalf("%v, %v", policies, err)
	}
	for _, file := range policies {
		counts := map[coverage.Verdict]int{}
		for _, r := range report(t, file, pack.Config{}).Results {
			counts[r.Verdict]++
			if r.Verdict == coverage.Never || r.Verdict == coverage.Blind {
				t.Errorf("%s: %s: %s %+v", filepath.Base(file), r.Title, r.Verdict, r.Blocked)
			}
			if (r.Verdict == coverage.Cannot || r.Verdict == coverage.Partly) && len(r.Blocked) == 0 && len(r.Of) == 0 {
				t.Errorf("%s: %s: %s, and nothing says why", filepath.Base(file), r.Title, r.Verdict)
			}
		}
		t.Logf("%s: %v", filepath.Base(file), counts)
		if filepath.Base(file) == "a-all-requestresponse.yaml" && counts[coverage.Cannot]+counts[coverage.Partly] > 0 {
			t.Errorf("where everything is recorded: %v", counts)
		}
	}
}
