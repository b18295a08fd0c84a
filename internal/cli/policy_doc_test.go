package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"annals.dev/policy"
)

var shellOrFile = regexp.MustCompile("(?ms)^```(sh|yaml \\S+)\n(.*?)^```$")

// Every command of docs/policy.md works as it is printed, one after the other in one folder; files that the document shows
// are there by then, and its first policy is one.
func TestPolicyDocument(t *testing.T) {
	b, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(b)
	_, first, _ := strings.Cut(doc, "    apiVersion")
	first, _, _ = strings.Cut("    apiVersion"+first, "\n\n")
	p, err := policy.Parse([]byte(strings.ReplaceAll(first, "\n    ", "\n")[4:]), policy.Options{})
	if err != nil || len(p.Rules) != 2 {
		t.Errorf("the first policy: %v, %+v", err, p)
	}
	dir, env := sandbox(t)
	ran := map[string]int{}
	for _, m := range shellOrFile.FindAllStringSubmatch(doc, -1) {
		if name, ok := strings.CutPrefix(m[1], "yaml "); ok {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(m[2]), 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		for line := range strings.Lines(m[2]) {
			if out, code := shell(t, dir, env, line); code != exitDone {
				t.Errorf("exit %d\n%s%s", code, line, out)
			}
			ran[strings.Fields(line)[2]]++
		}
	}
	for _, command := range []string{"show", "explain", "test", "simulate", "schema", "lint", "repair"} {
		if ran[command] == 0 {
			t.Errorf("the document shows no annals policy %s", command)
		}
	}
}
