package builtin

import (
	"testing"

	"annals.dev/policy/lint"
)

// TestLintClean allows one remark: that a policy which records the cluster's routine records the cluster's routine.
func TestLintClean(t *testing.T) {
	for _, p := range All() {
		for _, f := range lint.Check(p.Name+".yaml", []byte(p.YAML), lint.Options{}) {
			if f.ID != "L38" || f.Severity != lint.Info || p.Name == "starter" {
				t.Errorf("%+v", f)
			}
		}
	}
}
