package lint

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"annals.dev/policy/builtin"
)

// The policies of the guides that people copy from, as they stand there and as Repair gives them back, and those that
// Kubernetes' own scripts install: each gets the verdict that stands beside it.
func TestVerdicts(t *testing.T) {
	files, err := filepath.Glob("testdata/verdict/*.yaml")
	repaired, err2 := filepath.Glob("testdata/repair/*.yaml")
	files = append(files, repaired...)
	if err != nil || err2 != nil || len(files) < 11 {
		t.Fatal(files, err, err2)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		o := Options{}
		base := strings.TrimSuffix(file, ".yaml")
		if f, err := os.ReadFile(base + ".flags"); err == nil {
			if o.Server, err = ParseServer("flags", f); err != nil {
				t.Fatal(err)
			}
		}
		got := text(Check(filepath.Base(file), b, o))
		if s := CheckServer(o); len(s) > 0 {
			got += "flags:\n" + text(s)
		}
		golden(t, base+".verdict", got)
	}
}

// What Annals itself gives people to start from is clean.
func TestOurOwnPolicies(t *testing.T) {
	check := func(name, text string) {
		for _, f := range Check(name, []byte(text), Options{}) {
			if f.Severity >= Warning {
				t.Errorf("%s:%d:%d %s %s: %s", name, f.Line, f.Column, f.Severity, f.ID, f.Today)
			}
		}
	}
	for _, p := range builtin.All() {
		check(p.Name, p.YAML)
	}
	b, err := os.ReadFile("../../internal/cli/setup/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if found := Check("setup", b, Options{}); len(found) > 0 {
		t.Errorf("the policy of annals setup:\n%s", text(found))
	}
}
