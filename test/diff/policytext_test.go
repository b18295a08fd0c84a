package diff

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	upstreampolicy "k8s.io/apiserver/pkg/audit/policy"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"annals.dev/policy"
)

// upstreamLoad is what upstream makes of a policy's text: the policy as JSON, or the error.
func upstreamLoad(text []byte) (loaded, refused string) {
	p, err := upstreampolicy.LoadPolicyFromBytes(text)
	if err != nil {
		return "", err.Error()
	}
	return asJSON(ourPolicy(p)), ""
}

func ourLoad(text []byte) (loaded, refused string) {
	p, err := policy.Parse(text, policy.Options{Upstream: true, Kubernetes: 36})
	if err != nil {
		return "", err.Error()
	}
	return asJSON(p), ""
}

func asJSON(v any) string {
	b, err := json.Marshal(v)
	must(err)
	return string(b)
}

// policyText is a case of loading.
type policyText []byte

func (p policyText) String() string { return fmt.Sprintf("%q\n%s", []byte(p), []byte(p)) }

func samePolicy(t fails, text []byte) {
	t.Helper()
	ours, ourError := ourLoad(text)
	theirs, theirError := upstreamLoad(text)
	same(t, "policy.error", ourError, theirError, policyText(text))
	if ourError == "" && theirError == "" {
		same(t, "policy.loaded", ours, theirs, policyText(text))
	}
}

// head begins a policy.
const head = "apiVersion: audit.k8s.io/v1\nkind: Policy\n"

// texts are policies that somebody could write; where it says so, upstream drops what it does not know.
var texts = []string{
	"", " \n", "---\n", "null", "[]", "1", "rules", "{}", `{"kind":"Policy"}`, "\x00", "\xff", "\ufeff" + head + "rules: [{level: None}]",
	head, head + "rules: []", head + "rules:", head + "rules: null", "rules: [{level: None}]",
	"apiVersion: audit.k8s.io/v1\nrules: [{level: None}]", "kind: Policy\nrules: [{level: None}]",
	"apiVersion: audit.k8s.io/v1beta1\nkind: Policy\nrules: [{level: None}]", "apiVersion: audit.k8s.io/v2\nkind: Policy\nrules: [{level: None}]",
	"apiVersion: v1\nkind: Policy\nrules: [{level: None}]", "apiVersion: audit.k8s.io/__internal\nkind: Policy\nrules: [{level: None}]", "apiVersion: a/b/c\nkind: Policy\nrules: [{level: None}]",
	"apiVersion: audit.k8s.io/v1\nkind: Event\nlevel: None", "apiVersion: audit.k8s.io/v1\nkind: EventList\nitems: []", "apiVersion: audit.k8s.io/v1\nkind: PolicyList\nitems: []",
	"apiVersion: audit.k8s.io/v1\nkind: policy\nrules: [{level: None}]", "apiVersion: 1\nkind: Policy", "apiVersion: audit.k8s.io/v1\nkind: [Policy]",
	head + "rules: [{level: metadata}]", head + "rules: [{level: Minimal}]", head + "rules: [{}]", head + "rules: [null]", head + "rules: [{level: null}]", head + "rules: [{level: 1}]",
	head + "omitStages: [Foo]\nrules: [{level: None, omitStages: [bar, Panic, \"\"]}]", head + "omitStages: Panic\nrules: [{level: None}]",
	head + "rules: [{level: None, nonResourceURLs: [healthz, \"\", /a*b, /a/*/b*, \"**\", /x**, \"*\", /x*]}]",
	head + "rules: [{level: None, nonResourceURLs: [/healthz], resources: [{group: \"\"}]}]", head + "rules: [{level: None, nonResourceURLs: [/healthz, /x], namespaces: [a]}]",
	head + "rules: [{level: None, resources: [{group: apps/v1}, {group: Apps}, {group: -a}, {group: a..b}, {group: \"*\"}, {group: \"*.x\"}]}]",
	head + "rules: [{level: None, resources: [{group: " + strings.Repeat("a", 254) + "}, {group: " + strings.Repeat("A", 254) + "}]}]",
	head + "rules: [{level: None, resources: [{group: \"\", resourceNames: [x, y]}]}]", head + "rules: [{level: None, resources: [{group: \"*\", resources: [], resourceNames: [x]}]}]",
	head + "rules: [{level: None, resources: [{resources: [\"*\", pods, pods/*, \"*/*\", a/b/c, \"*s\"]}]}]",
	head + "rules:\n- level: None\n  level: Metadata", head + "rules:\n- level: None\n  verb: [get]", head + "rules:\n- level: None\n  resources:\n  - groups: \"\"\n    verbs: [get]",
	head + "rules: [{Level: None}]", head + "rules: [{level: None, LEVEL: Metadata}]", head + "Rules: [{level: None}]",
	head + "rules: [{level: None}]\n---\nrules: [{level: Metadata}]", "---\n" + head + "rules: [{level: None}]", "# comment\n" + head + "rules: [{level: None}]\n...\n",
	head + "rules: [{level: None, verbs: get}]", head + "rules: [{level: None, users: [on, 1]}]", head + "rules: [{level: None, users: [1]}]", head + "rules: [{level: None, users: [null]}]", head + "rules: [{level: None, users: [~, \"\"]}]",
	head + "rules: [{level: None, omitManagedFields: true}, {level: None, omitManagedFields: false}, {level: None, omitManagedFields: null}]", head + "rules: [{level: None, omitManagedFields: \"true\"}]",
	head + "omitManagedFields: yes\nrules: [{level: None}]", head + "omitManagedFields: 1\nrules: [{level: None}]",
	head + "rules:\n\t- level: None", head + "rules:\n- level: “None”", head + "rules:\n- level: None\n  resources:\n  - group: “”", head + "rules:\n- level: None\n resources: []",
	head + "metadata: {name: x, labels: {a: b}}\nrules: [{level: None}]", head + "metadata: {name: 1}\nrules: [{level: None}]", head + "metadata: {creationTimestamp: x}\nrules: [{level: None}]", head + "metadata: {nam: x}\nrules: [{level: None}]",
	head + "rules: {level: None}", head + "rules: [level]", head + "rules: [[{level: None}]]", head + "rules: [{level: None, resources: {group: \"\"}}]", head + "rules: [{level: None, resources: [pods]}]",
	head + "rules: &a [{level: None}]\nomitStages: *a", head + "x: &x {level: None}\nrules: [*x]", head + "rules:\n- &r {level: None}\n- <<: *r\n  users: [a]", head + "? {a: b}\n: c\nrules: [{level: None}]",
	`{"apiVersion":"audit.k8s.io/v1","kind":"Policy","rules":[{"level":"Metadata"}]}`, `{"apiVersion":"audit.k8s.io/v1","kind":"Policy","rules":[{"level":"Metadata"}]} x`,
	`{"apiVersion":"audit.k8s.io/v1","kind":"Policy","rules":[{"level":"Metadata","level":"None"}]}`, `{"apiVersion":"audit.k8s.io/v1","kind":"Policy","rules":[{"level":"Metadata"}],}`, `{"apiVersion":"audit.k8s.io/v1"`,
	`{"apiVersion":"audit.k8s.io/v1","kind":"Policy","rules":[{"level":"Metadata"}]}{"a":1}`, "\n\n {\"apiVersion\":\"audit.k8s.io/v1\",\"kind\":\"Policy\",\"rules\":[{\"level\":\"Met\\u0061data\"}]}",
}

func TestTheTextsAreLoadedTheSame(t *testing.T) {
	for _, text := range texts {
		t.Run("", func(t *testing.T) { samePolicy(t, []byte(text)) })
	}
}

func TestFilesAreLoadedTheSame(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.yaml")
	must(os.WriteFile(bad, []byte(head+"rules: [{level: x}]"), 0o600))
	for _, file := range []string{"", filepath.Join(dir, "none"), bad, dir} {
		_, theirs := upstreampolicy.LoadPolicyFromFile(file)
		_, ours := policy.Load(file, policy.Options{Upstream: true})
		same(t, "policy.file", fmt.Sprint(ours), fmt.Sprint(theirs), file)
	}
}

// anything is what a wrong policy could have in some place.
var anything = []any{nil, true, 1, 1.5, "", "x", "*", []any{}, []any{"x"}, []any{nil}, map[string]any{}, map[string]any{"group": "x"}, "1", "on", "apps/v1", "/x*y", "A"}

// keys are those of policies, some of them wrong.
var keys = []string{"level", "users", "userGroups", "verbs", "resources", "namespaces", "nonResourceURLs", "omitStages", "omitManagedFields", "group", "groups", "verb", "Level", "resourceNames", "kind", "rules", "metadata", "apiVersion"}

// drawText draws a policy's text: a right one, or one with a few mistakes in it.
func drawText(t *rapid.T) []byte {
	doc := map[string]any{}
	must(json.Unmarshal([]byte(asJSON(ourPolicy(drawPolicy(t)))), &doc))
	doc["apiVersion"], doc["kind"] = "audit.k8s.io/v1", "Policy"
	for range rapid.IntRange(0, 3).Draw(t, "mistakes of content") {
		misplace(t, doc)
	}
	text := []byte(asJSON(doc))
	if rapid.Bool().Draw(t, "yaml") {
		var err error
		text, err = yaml.Marshal(doc)
		must(err)
	}
	for range rapid.IntRange(0, 2).Draw(t, "mistakes of typing") {
		text = mistype(t, text)
	}
	return text
}

// misplace puts anything anywhere.
func misplace(t *rapid.T, doc map[string]any) {
	m := doc
	if rules, ok := m["rules"].([]any); ok && len(rules) > 0 && rapid.IntRange(0, 4).Draw(t, "in a rule") > 0 {
		if rule, ok := one(t, rules, "rule").(map[string]any); ok {
			m = rule
			if list, ok := m["resources"].([]any); ok && len(list) > 0 && rapid.Bool().Draw(t, "in resources") {
				if g, ok := one(t, list, "group").(map[string]any); ok {
					m = g
				}
			}
		}
	}
	key := one(t, keys, "key")
	if rapid.IntRange(0, 4).Draw(t, "remove") == 0 {
		delete(m, key)
		return
	}
	m[key] = one(t, anything, "value")
}

// scraps are what a hand leaves behind.
var scraps = []string{"\t", " ", "\n", "-", ":", "\"", "'", "“", "”", "{", "}", "[", "]", ",", "#", "&a", "*a", "!", "|", "\x00", "\xff", "---\n", "\n- level: None\n", "level: None\n", "~", "0", "e"}

func mistype(t *rapid.T, text []byte) []byte {
	lines := strings.SplitAfter(string(text), "\n")
	i := rapid.IntRange(0, len(lines)-1).Draw(t, "line")
	switch one(t, []string{"insert", "delete byte", "delete line", "double line", "indent"}, "mistake") {
	case "delete line":
		lines[i] = ""
	case "double line":
		lines[i] += lines[i]
	case "indent":
		lines[i] = " " + lines[i]
	case "insert":
		at := rapid.IntRange(0, len(lines[i])).Draw(t, "at")
		lines[i] = lines[i][:at] + one(t, scraps, "scrap") + lines[i][at:]
	case "delete byte":
		if len(lines[i]) > 0 {
			at := rapid.IntRange(0, len(lines[i])-1).Draw(t, "at")
			lines[i] = lines[i][:at] + lines[i][at+1:]
		}
	}
	return []byte(strings.Join(lines, ""))
}

func TestRandomTextsAreLoadedTheSame(t *testing.T) {
	check(t, 50, func(t *rapid.T) { samePolicy(t, drawText(t)) })
}

// TestCorpusPolicies takes the policies of the recorded cluster.
func TestCorpusPolicies(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(corpus(t), "corpus", "policies", "*.yaml"))
	if err != nil || len(files) < 5 {
		t.Fatalf("the corpus has %d policies: %v", len(files), err)
	}
	requests := recordedAttributes(t)
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(err)
		samePolicy(t, text)
		theirs, err := upstreampolicy.LoadPolicyFromBytes(text)
		must(err)
		p, err := policy.Parse(text, policy.Options{})
		must(err)
		ours, upstream := policy.Compile(p), evaluator(theirs)
		for _, a := range requests {
			same(t, "policy.decision", ourVerdict(ours, a), upstream(a), decision{theirs, a})
		}
	}
}

// corpus is the folder of the recorded cluster.
func corpus(t *testing.T) string {
	dir := os.Getenv("ANNALS_CORPUS")
	if dir == "" {
		t.Skip("set ANNALS_CORPUS to the directory that holds corpus/ and samples/")
	}
	return dir
}
