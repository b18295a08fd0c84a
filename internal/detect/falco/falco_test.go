package falco

import (
	"os"
	"testing"

	"annals.dev/internal/detect"
)

func TestPacks(t *testing.T) {
	dir := os.Getenv("ANNALS_CORPUS")
	if dir == "" {
		t.Skip("ANNALS_CORPUS is not set: make corpus DIR=… sets it")
	}
	var files []detect.File
	for _, name := range []string{"k8s_audit_rules.yaml", "k8s_audit_rules_gke.yaml"} {
		b, err := os.ReadFile(dir + "/packs/falco/" + name)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, detect.File{Name: name, Data: b})
	}
	rules, problems := Parse(files, Options{})
	t.Log(len(rules))
	for _, p := range problems {
		t.Log(p)
	}
}
