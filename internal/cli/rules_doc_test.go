package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var rulesFence = regexp.MustCompile("(?ms)^```(sh|sh exit 1|yaml \\S+)\n(.*?)^```$")

// Every command of docs/rule-tools.md works as it is printed, one after the other in one folder; files that the document shows
// are there by then.
func TestRuleToolsDocument(t *testing.T) {
	b, err := os.ReadFile("../../docs/rule-tools.md")
	if err != nil {
		t.Fatal(err)
	}
	dir, env := sandbox(t)
	ran := map[string]int{}
	for _, m := range rulesFence.FindAllStringSubmatch(string(b), -1) {
		if name, ok := strings.CutPrefix(m[1], "yaml "); ok {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(m[2]), 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want := exitDone
		if m[1] == "sh exit 1" {
			want = exitFailed
		}
		for line := range strings.Lines(m[2]) {
			out, code := shell(t, dir, env, line)
			if code != want {
				t.Errorf("exit %d, want %d\n%s%s", code, want, line, out)
			}
			ran[strings.Fields(line)[2]]++
		}
	}
	for _, command := range []string{"test", "lint", "hunt", "explain", "coverage"} {
		if ran[command] == 0 {
			t.Errorf("the document shows no annals rules %s", command)
		}
	}
	for command, lines := range map[string][]string{
		`annals rules explain 'A shell in production' --rules own --event '{"verb": "get", "objectRef": {"resource": "pods", "subresource": "log"}}'`: {
			"  true   objectRef.resource: pods   (objectRef.resource: pods)", "  false  objectRef.subresource: (attach, exec)   (objectRef.subresource: log)"},
		"annals rules coverage --policy policy.yaml own": {
			"cannot  A shell in production  (1d6a1a43-2b1c-4c50-9d5c-5b8f0a3c9f10)",
			"        not for get, create pods/attach, pods/exec: rules[0] (line 5) of the policy records nothing of it: None · users system:kube-proxy",
			"        not for get, create pods/attach, pods/exec: rules[1] (line 7) of the policy records nothing of it: None · pods/exec,pods/attach"},
	} {
		out, _ := shell(t, dir, env, command)
		for _, line := range lines {
			if !strings.Contains(out, line+"\n") || !strings.Contains(string(b), "    "+line+"\n") {
				t.Errorf("%s\nthe document's answer has %q, and this is not in\n%s", command, line, out)
			}
		}
	}
}
