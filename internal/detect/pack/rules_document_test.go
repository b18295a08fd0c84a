package pack_test

import (
	"flag"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"annals.dev/internal/detect"
	"annals.dev/internal/match"
)

var update = flag.Bool("update", false, "write docs/rules.md anew")

const document = "../../../docs/rules.md"

// folders are the tactics, in the order in which an attack goes.
var folders = []struct{ name, title, about string }{
	{"initial-access", "Initial access", ""},
	{"execution", "Execution", ""},
	{"persistence", "Persistence", ""},
	{"privilege-escalation", "Privilege escalation", ""},
	{"defense-evasion", "Defense evasion", ""},
	{"credential-access", "Credential access", ""},
	{"discovery", "Discovery", ""},
	{"lateral-movement", "Lateral movement", ""},
	{"collection", "Collection", ""},
	{"impact", "Impact", ""},
	{"integrity", "Integrity", "Evidence that is lost, cut, contradicted or switched off."},
	{"annals", "Annals itself", "Over Annals' own acts, which are events of the cluster `annals`."},
}

// TestDocument holds docs/rules.md to the rules.
func TestDocument(t *testing.T) {
	all := load(t).Rules
	by := map[string]*detect.Rule{}
	for _, r := range all {
		by[r.ID] = r
	}
	var w strings.Builder
	reporting := slices.DeleteFunc(slices.Clone(all), func(r *detect.Rule) bool { return r.Silent })
	bodies := 0
	for _, r := range reporting {
		if needsBody(r, by) {
			bodies++
		}
	}
	fmt.Fprintf(&w, head, len(reporting), bodies)
	listed := 0
	for _, f := range folders {
		fmt.Fprintf(&w, "\n## %s\n\n", f.title)
		if f.about != "" {
			fmt.Fprintf(&w, "%s\n\n", f.about)
		}
		w.WriteString("| rule | level | technique | |\n|---|---|---|---|\n")
		for _, r := range reporting {
			if path.Base(path.Dir(r.File)) != f.name {
				continue
			}
			listed++
			marks := ""
			if needsBody(r, by) {
				marks = " ●"
			}
			fmt.Fprintf(&w, "| [%s](../rules/%s/%s.yml)%s | %s | %s | %s |\n", cell(r.Title), f.name, r.Name, marks, r.Severity,
				strings.Join(r.Techniques, ", "), cell(oneLine(r.About)))
		}
	}
	if listed != len(reporting) {
		t.Errorf("%d rules are listed of %d: a folder of rules is in no chapter", listed, len(reporting))
	}
	w.WriteString(tail)
	if *update {
		if err := os.WriteFile(document, []byte(w.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(document)
	if err != nil || string(text) != w.String() {
		t.Errorf("docs/rules.md is not what the rules say (%v): run go test ./internal/detect/pack -run TestDocument -update", err)
	}
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

// oneLine is the first sentence of a rule's reason.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if first, _, more := strings.Cut(s, ". "); more {
		return first + "."
	}
	return s
}

// needsBody says whether a rule finds nothing where only metadata is recorded.
func needsBody(r *detect.Rule, by map[string]*detect.Rule) bool {
	if r.Correlation != nil {
		return slices.ContainsFunc(r.Correlation.Rules, func(id string) bool { return needsBody(by[id], by) })
	}
	return r.Where.Fold(func(l match.Leaf) match.Truth {
		for _, of := range []string{"pod.", "role.", "binding.", "csr.", "requestObject", "responseObject"} {
			if strings.HasPrefix(l.Field(), of) || l.Field() == "" && strings.Contains(l.String(), of) {
				return match.No
			}
		}
		return match.Maybe
	}) == match.No
}

const head = `# Rules

<!-- Made from rules/ by go test ./internal/detect/pack -run TestDocument -update. Do not edit. -->

Annals comes with %d detection rules of its own, which ` + "`annals serve`, `import` and `annals rules hunt`" + ` use unless ` + "`watch.yaml`" + `
says otherwise ([watch.md](watch.md)). They are Sigma ([sigma.md](sigma.md)): each is a file in [rules](../rules), with its reason, its
ATT&CK technique and what it takes for an attack by mistake, and beside it stand events that it must find and events that it must
leave alone ([rule-tools.md](rule-tools.md)). ` + "`annals rules list`" + ` shows them, ` + "`annals rules coverage --policy FILE`" + ` which of them an audit
policy lets fire.

What they have in common:

* They look at what is asked for, not at one way to ask it: a pod, the template of any workload, init and ephemeral containers; create,
  update, patch and apply; one object or a whole collection; exec by POST and, as kubectl does since 1.30, by GET.
* A request counts once, however many of its stages are recorded. Success is a code below 400: 101 of a shell, 200 of a watch that has
  begun. What was refused is told by rules of its own, at a lower level.
* What controllers do for somebody is told once, of whoever asked for it. Exceptions name components of Kubernetes only, by their whole
  names, and what such a component never does is told of it, too.
* Where the body is missing because the policy keeps none or the event was cut, a rule says that something was not seen.

**Level** says how much of somebody's time a finding is worth: *critical* and *high* now, *medium* today, *low* when looking for
something, *informational* only beside others. **●** marks the %d rules that need bodies: where the policy records their objects at
level Metadata they find nothing.

Two lists are yours to set, under ` + "`rules.placeholders`" + `: ` + "`approved_networks`" + ` (all private addresses, until you do) and
` + "`production_namespaces`" + ` (those called prod, production and the like).

Over the recorded ordinary activity, 175,391 events, they may make five findings of medium or above per 100,000; at present they make
none. Of the recorded attacks they find every one that left a trace, with its technique, under a policy that records everything and under
one as on GCE. The tests hold them to it.
`

const tail = `
## What no audit event can show

The audit log is what the API server was asked. Nothing here, and no rule over audit events, sees what does not pass through it:

| what | known as | see it with |
|---|---|---|
| a poisoned image in a registry, or built on a node | MS-TA9002, T1612, T1204.003 | scanning and signing of images |
| a flaw in an application or the kernel that is exploited | MS-TA9004, MS-TA9009, T1068 | the nodes' own sensors; Falco's alerts can be brought in |
| an SSH server in a container, and what is typed in any shell after it was opened | MS-TA9010, MS-TA9007 | the same. The command with which an exec begins is seen |
| the cloud's own interfaces: access entries of EKS, roles taken on from a pod, metadata of the instance | MS-TA9020, MS-TA9028, MS-TA9033 | the cloud's log |
| logs of containers that were emptied | MS-TA9021, T1070 | shipping them away at once |
| who talks to whom: scans, spoofed addresses, traffic inside the cluster | MS-TA9031, MS-TA9034, MS-TA9036, T1046 | flow logs of the network |
| files read in a container or on a node, mounted tokens and keys among them | T1552.001, KubeHound's TOKEN_STEAL and VOLUME_ACCESS | the nodes' sensors. The token's use from elsewhere is seen |
| an exposed port of a pod that is attacked | KubeHound's ENDPOINT_EXPLOIT | the network. That it was exposed is seen |
| requests to a kubelet or to etcd, past the API server | MS-TA9030 in part | their own logs, and a firewall before them |

And some things it shows that cannot be told from ordinary work:

* A pod that a controller's own credential makes looks as if the controller had made it. There is a low finding for those that reach
  the node, and a high one where the client gives itself away.
* At level Metadata a privileged pod is a pod. There is a low finding that it was not seen; coverage says so before it matters.
* A setting that becomes weaker but is still allowed, such as Pod Security from restricted to baseline, needs to be held against what it
  was before. The detectors of state and of baselines do that ([detect.md](detect.md), [baselines.md](baselines.md)).
* What the policy drops, by level None or by leaving out stages, never was. On GCE's policy that is every request about events, so that
  deleting them leaves no trace.
`
