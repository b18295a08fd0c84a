package lint

import (
	"fmt"
	"strings"
	"testing"
)

// docs/policy-lint.md is written from the catalogue.
func TestDocument(t *testing.T) {
	var b strings.Builder
	b.WriteString(docHead)
	b.WriteString("| | | severity | `--fix` |\n|---|---|---|---|\n")
	for _, e := range Catalogue() {
		fixed := ""
		if e.Fixed {
			fixed = "yes"
		}
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s | %s |\n", e.ID, strings.ToLower(e.ID), e.Title, e.Severity, fixed)
	}
	for _, e := range Catalogue() {
		fmt.Fprintf(&b, "\n## %s\n\n**%s** (%s)\n\n%s\n\n*What to do:* %s\n", e.ID, strings.ToUpper(e.Title[:1])+e.Title[1:], e.Severity, e.Means, e.Do)
	}
	golden(t, "../../docs/policy-lint.md", b.String())
}

const docHead = `# What the policy linter finds

<!-- Written from policy/lint/catalogue.go: ANNALS_UPDATE=1 go test ./policy/lint writes it anew. -->

An audit policy that is wrong is rarely refused: kube-apiserver drops what it does not know, compares wildcards letter by
letter, and records nothing of what no rule matches, all without a word. ` + "`annals policy lint`" + ` says so:

` + "```" + `
annals policy lint audit-policy.yaml
annals policy lint --fix --dry-run audit-policy.yaml
annals policy lint audit-policy.yaml --kubernetes 1.35 --flags-from /etc/kubernetes/manifests/kube-apiserver.yaml
annals policy repair copied.txt > audit-policy.yaml
` + "```" + `

It ends with 1 if it finds a warning or an error, with 0 otherwise. Rules are counted as Kubernetes' own errors count them: ` + "`rules[0]`" + ` is the first. ` + "`-o json`" + ` gives a list of findings: ` + "`id`, `severity`, `file`, `line`, `column`, `today`, `meant`, `fix`" + `.

An **error** is a policy that kube-apiserver refuses, a part of it that it drops, or a credential in the log. A **warning** is
something that does not do what it says: a rule that never matches, evidence that is lost. An **info** is worth knowing,
mostly for what it costs.

` + "`--fix`" + ` writes what is safe: nothing that is not broken changes, comments and layout stay, and a fix that would bring
another warning about, or make a rule of level None silence what is recorded today, is not made. Many findings have no safe fix, as only you know what you meant.

` + "`repair`" + ` is for policies that were mangled in copying: curly quotes, dashes, lost indentation, lost keys. Each change is
listed, and a guess is called one. Indentation is used only where the fields do not tell: which field stands where is known.

` + "`--flags-from`" + ` takes a static pod's manifest, a kubeadm ClusterConfiguration, a systemd unit or a plain list of flags; the
webhook's kubeconfig is read from the path in it, or from ` + "`--webhook-config`" + `.

`
