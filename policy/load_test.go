package policy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"annals.dev/audit"
)

const head = "apiVersion: audit.k8s.io/v1\nkind: Policy\n"

const badSubdomain = `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`

var none = &Policy{Rules: []Rule{{Level: audit.LevelNone}}}

// TestParseUpstream has what kube-apiserver's own loader was seen to answer.
func TestParseUpstream(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		err      string
		warn     string // what is warned of, after the fixed beginning
		want     *Policy
	}{
		{name: "empty", err: "unknown group version field audit.k8s.io/__internal, Kind=Policy in policy"},
		{name: "a comment", in: "# nothing\n", err: "unknown group version field audit.k8s.io/__internal, Kind=Policy in policy"},
		{name: "no rules", in: head, err: "loaded illegal policy with 0 rules"},
		{name: "neither kind nor version", in: "rules:\n- level: None\n", err: "unknown group version field audit.k8s.io/__internal, Kind=Policy in policy"},
		{name: "kind missing", in: "apiVersion: audit.k8s.io/v1\nrules:\n- level: None\n", want: none},
		{name: "version missing", in: "kind: Policy\nrules:\n- level: None\n", err: "unknown group version field audit.k8s.io/__internal, Kind=Policy in policy"},
		{name: "version of an older Kubernetes", in: "apiVersion: audit.k8s.io/v1beta1\nkind: Policy\n", err: `failed decoding: no kind "Policy" is registered for version "audit.k8s.io/v1beta1" in scheme "pkg/runtime/scheme.go:111"`},
		{name: "group only", in: "apiVersion: audit.k8s.io\nkind: Policy\n", err: `failed decoding: no kind "Policy" is registered for version "audit.k8s.io" in scheme "pkg/runtime/scheme.go:111"`},
		{name: "a slash too many", in: "apiVersion: audit.k8s.io/v1/x\nkind: Policy\n", err: `failed decoding: unexpected GroupVersion string: audit.k8s.io/v1/x`},
		{name: "a slash alone", in: "apiVersion: /\nkind: Policy\n", err: "unknown group version field audit.k8s.io/__internal, Kind=Policy in policy"},
		{name: "version forgotten", in: "apiVersion: apps/\nkind: Policy", err: "failed decoding: Object 'apiVersion' is missing in 'apiVersion: apps/\nkind: Policy'"},
		{name: "an event", in: "apiVersion: audit.k8s.io/v1\nkind: Event\n", err: "failed decoding: converting (v1.Event) to (audit.Policy): unknown conversion"},
		{name: "an event without version", in: "kind: Event\n", err: "failed decoding: converting (audit.Event) to (audit.Policy): unknown conversion"},
		{name: "a list", in: "apiVersion: audit.k8s.io/v1\nkind: PolicyList\n", err: "failed decoding: converting (v1.PolicyList) to (audit.Policy): unknown conversion"},
		{name: "core group", in: "apiVersion: v1\nkind: Policy\n", err: `failed decoding: no kind "Policy" is registered for version "v1" in scheme "pkg/runtime/scheme.go:111"`},
		{name: "unknown internal kind", in: "kind: Pod\n", err: `failed decoding: no kind "Pod" is registered for the internal version of group "audit.k8s.io" in scheme "pkg/runtime/scheme.go:111"`},
		{name: "level in lower case", in: head + "rules:\n- level: metadata\n", err: `rules[0].level: Unsupported value: "metadata": supported values: "None", "Metadata", "Request", "RequestResponse"`},
		{name: "level Minimal", in: head + "rules:\n- level: Minimal\n", err: `rules[0].level: Unsupported value: "Minimal": supported values: "None", "Metadata", "Request", "RequestResponse"`},
		{name: "level missing", in: head + "rules:\n- users: [a]\n", err: "rules[0].level: Required value"},
		{name: "unknown stages", in: head + "omitStages: [Foo]\nrules:\n- level: None\n  omitStages: [bar]\n", err: `[omitStages[0]: Invalid value: "Foo": allowed stages are RequestReceived,ResponseStarted,ResponseComplete,Panic, rules[0].omitStages[0]: Invalid value: "bar": allowed stages are RequestReceived,ResponseStarted,ResponseComplete,Panic]`},
		{name: "URLs", in: head + "rules:\n- level: None\n  nonResourceURLs: [healthz, '', '/a*b', '/a/*/b*', '**', '/x**', '*', '/ok*']\n", err: `[rules[0].nonResourceURLs[0]: Invalid value: "healthz": non-resource URL rules must begin with a '/' character, rules[0].nonResourceURLs[1]: Invalid value: "": non-resource URL rules must begin with a '/' character, rules[0].nonResourceURLs[2]: Invalid value: "/a*b": non-resource URL wildcards '*' must be the final character of the rule, rules[0].nonResourceURLs[3]: Invalid value: "/a/*/b*": non-resource URL wildcards '*' must be the final character of the rule, rules[0].nonResourceURLs[4]: Invalid value: "**": non-resource URL rules must begin with a '/' character, rules[0].nonResourceURLs[4]: Invalid value: "**": non-resource URL wildcards '*' must be the final character of the rule, rules[0].nonResourceURLs[5]: Invalid value: "/x**": non-resource URL wildcards '*' must be the final character of the rule]`},
		{name: "URLs and resources", in: head + "rules:\n- level: None\n  nonResourceURLs: [/healthz]\n  resources: [{group: ''}]\n", err: `rules[0].nonResourceURLs: Invalid value: ["/healthz"]: rules cannot apply to both regular resources and non-resource URLs`},
		{name: "URLs and namespaces", in: head + "rules:\n- level: None\n  nonResourceURLs: [/healthz]\n  namespaces: [a]\n", err: `rules[0].nonResourceURLs: Invalid value: ["/healthz"]: rules cannot apply to both regular resources and non-resource URLs`},
		{name: "groups", in: head + "rules:\n- level: None\n  resources: [{group: apps/v1}, {group: Apps}, {group: apps/v1}]\n", err: `[rules[0].resources.group: Invalid value: "apps/v1": ` + badSubdomain + `, rules[0].resources.group: Invalid value: "Apps": ` + badSubdomain + "]"},
		{name: "a long group", in: head + "rules:\n- level: None\n  resources: [{group: " + strings.Repeat("A", 254) + "}]\n", err: `rules[0].resources.group: Invalid value: "` + strings.Repeat("A", 254) + `": must be no more than 253 characters,` + badSubdomain},
		{name: "names without resources", in: head + "rules:\n- level: None\n  resources: [{group: '*', resourceNames: [x]}]\n", err: `rules[0].resources.resourceNames: Invalid value: ["x"]: using resourceNames requires at least one resource`},
		{name: "groups: for group:", in: head + "rules:\n- level: Metadata\n  resources:\n  - groups: ''\n    resources: [secrets]\n", warn: `unknown field "rules[0].resources[0].groups"`,
			want: &Policy{Rules: []Rule{{Level: audit.LevelMetadata, Resources: []GroupResources{{Resources: []string{"secrets"}}}}}}},
		{name: "curly quotes", in: head + "rules:\n- level: None\n  resources: [{group: “”}]\n", err: `rules[0].resources.group: Invalid value: "“”": ` + badSubdomain},
		{name: "a field twice", in: head + "rules:\n- level: Metadata\n  level: None\n", want: none, warn: "yaml: unmarshal errors:\n  line 5: key \"level\" already set in map"},
		{name: "a field twice in JSON", in: `{"apiVersion":"audit.k8s.io/v1","kind":"Policy","rules":[{"level":"Metadata","level":"None"}]}`, want: none, warn: `duplicate field "rules[0].level"`},
		{name: "unknown fields", in: head + "rules:\n- level: None\n  verb: [get]\n", want: none, warn: `unknown field "rules[0].verb"`},
		{name: "a string for a list", in: head + "rules:\n- level: None\n  verbs: get\n", err: "failed decoding: json: cannot unmarshal string into Go struct field PolicyRule.rules.verbs of type []string"},
		{name: "a number for the rules", in: head + "rules: 1\n", err: "failed decoding: json: cannot unmarshal number into Go struct field Policy.rules of type []v1.PolicyRule"},
		{name: "a number for a level", in: head + "rules: [{level: 1}]\n", err: "failed decoding: json: cannot unmarshal number into Go struct field PolicyRule.rules.level of type v1.Level"},
		{name: "another case", in: head + "rules:\n- Level: None\n", err: "rules[0].level: Required value", warn: `unknown field "rules[0].Level"`},
		{name: "kind in another case", in: "apiversion: audit.k8s.io/v1\nKIND: Policy\nrules:\n- level: None\n", want: none, warn: `unknown field "KIND", unknown field "apiversion"`},
		{name: "two documents", in: head + "rules:\n- level: None\n---\n" + head + "rules:\n- level: Metadata\n", want: none},
		{name: "JSON", in: `{"apiVersion":"audit.k8s.io/v1","kind":"Policy","rules":[{"level":"None"}]}`, want: none},
		{name: "JSON and more", in: `{"apiVersion":"audit.k8s.io/v1","kind":"Policy","rules":[{"level":"None"}]} x`, err: "failed decoding: couldn't get version/kind; json parse error: invalid character 'x' after top-level value"},
		{name: "a tab", in: head + "rules:\n\t- level: None\n", err: "failed decoding: yaml: line 4: found character that cannot start any token"},
		{name: "an empty rule", in: head + "rules: [null]\n", err: "rules[0].level: Required value"},
		{name: "an empty level", in: head + "rules: [{level: null}]\n", err: "rules[0].level: Required value"},
		{name: "booleans of YAML 1.1", in: head + "rules:\n- level: None\n  users: [on, 1]\n", err: "failed decoding: json: cannot unmarshal bool into Go struct field PolicyRule.rules.users of type string"},
		{name: "a list", in: "[]", err: `failed decoding: couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value of type struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }`},
		{name: "odd wildcards", in: head + "rules:\n- level: None\n  resources: [{group: '', resources: ['*', pods, pods/*, '*/*', a/b/c, '*s']}]\n",
			want: &Policy{Rules: []Rule{{Level: audit.LevelNone, Resources: []GroupResources{{Resources: []string{"*", "pods", "pods/*", "*/*", "a/b/c", "*s"}}}}}}},
		{name: "metadata", in: head + "metadata: {name: x, labels: {a: b}, creationTimestamp: null}\nrules:\n- level: None\n", want: none},
		{name: "wrong metadata", in: head + "metadata: {name: 1}\nrules:\n- level: None\n", err: "failed decoding: json: cannot unmarshal number into Go struct field ObjectMeta.metadata.name of type string"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var warned []string
			p, err := Parse([]byte(tt.in), Options{Upstream: true, Warn: func(s string) { warned = append(warned, s) }})
			if text(err) != tt.err {
				t.Errorf("error\n%s\nwant\n%s", text(err), tt.err)
			}
			if d := cmp.Diff(tt.want, p); d != "" {
				t.Errorf("policy (-want +got):\n%s", d)
			}
			var want []string
			if tt.warn != "" {
				want = []string{"Audit policy contains errors, falling back to lenient decoding: strict decoding error: " + tt.warn}
			}
			if d := cmp.Diff(want, warned); d != "" {
				t.Errorf("warnings (-want +got):\n%s", d)
			}
		})
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestParseStrict has what only strict reading refuses, with the place and what was meant.
func TestParseStrict(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		o        Options
		err      string // empty: it is accepted
	}{
		{name: "good", in: head + "rules:\n- level: None\n"},
		{name: "an empty second document", in: "---\n" + head + "rules:\n- level: None\n---\n# nothing\n"},
		{name: "kind missing", in: "apiVersion: audit.k8s.io/v1\nrules:\n- level: None\n", err: `strict decoding error: missing field "kind" (it must be Policy)`},
		{name: "version missing", in: "kind: Policy\nrules:\n- level: None\n", err: "unknown group version field audit.k8s.io/__internal, Kind=Policy in policy: it must have apiVersion: audit.k8s.io/v1"},
		{name: "groups", in: head + "rules:\n- level: None\n  resources:\n  - groups: ''\n", err: `strict decoding error: unknown field "rules[0].resources[0].groups" at line 6, column 5 (did you mean "group"?)`},
		{name: "verb", in: head + "rules:\n- level: None\n  verb: [get]\n", err: `strict decoding error: unknown field "rules[0].verb" at line 5, column 3 (did you mean "verbs"?)`},
		{name: "verbs among the resources", in: head + "rules:\n- level: None\n  resources:\n  - group: ''\n    verbs: [get]\n", err: `strict decoding error: unknown field "rules[0].resources[0].verbs" at line 7, column 5 (verbs belongs to a rule, beside its level: look at its indentation)`},
		{name: "resourceNames in a rule", in: head + "rules:\n- level: None\n  resourceNames: [a]\n", err: `strict decoding error: unknown field "rules[0].resourceNames" at line 5, column 3 (resourceNames belongs to an element of resources: look at its indentation)`},
		{name: "rules in a rule", in: head + "rules:\n- level: None\n  rules: []\n", err: `strict decoding error: unknown field "rules[0].rules" at line 5, column 3 (rules belongs to the policy itself, beside rules: look at its indentation)`},
		{name: "a field of nothing", in: head + "spec: {}\nrules:\n- level: None\n", err: `strict decoding error: unknown field "spec" at line 3, column 1`},
		{name: "another case, twice wrong", in: head + "Rules: []\nrules:\n- Level: None\n", err: `strict decoding error: unknown field "Rules" at line 3, column 1 (did you mean "rules"?), unknown field "rules[0].Level" at line 5, column 3 (did you mean "level"?)`},
		{name: "a key with dots", in: head + "rules:\n- level: None\n  a.b[0]: {c: 1}\n", err: `strict decoding error: unknown field "rules[0].a.b[0]" at line 5, column 3`},
		{name: "metadata", in: head + "metadata: {nome: x}\nrules:\n- level: None\n", err: `strict decoding error: unknown field "metadata.nome" at line 3, column 12 (did you mean "name"?)`},
		{name: "twice", in: head + "rules:\n- level: None\n  level: Metadata\n", err: `strict decoding error: duplicate field "rules[0].level" at line 5, column 3 (it stands at line 4 before)`},
		{name: "twice in JSON", in: "{\"apiVersion\":\"audit.k8s.io/v1\",\"kind\":\"Policy\",\"rules\":[{\"level\":\"None\",\n \"level\":\"None\"}]}", err: `strict decoding error: duplicate field "rules[0].level" at line 2, column 2`},
		{name: "two documents", in: head + "rules:\n- level: None\n---\n" + head, err: "strict decoding error: a second document begins at line 6: only the first is read (keep one policy in a file)"},
		{name: "a broken second document", in: head + "rules:\n- level: None\n---\n{", err: "strict decoding error: a second document begins at line 5: only the first is read (keep one policy in a file)"},
		{name: "a string for a list", in: head + "rules:\n- level: None\n- level: None\n  verbs: get\n", err: "failed decoding: json: cannot unmarshal string into Go struct field PolicyRule.rules.verbs of type []string at line 6, column 3 (write a list: [x])"},
		{name: "a boolean for a string", in: head + "rules:\n- level: None\n  users: [a,\n    on]\n", err: "failed decoding: json: cannot unmarshal bool into Go struct field PolicyRule.rules.users of type string at line 6, column 5 (on, off, yes, no, true and false are not text: put it in quotes)"},
		{name: "a number for a string", in: "{\"apiVersion\":\"audit.k8s.io/v1\",\"kind\":\"Policy\",\"rules\":[{\"level\":\"None\",\n \"users\":[\"a\",1]}]}", err: "failed decoding: json: cannot unmarshal number into Go struct field PolicyRule.rules.users of type string at line 2, column 15 (put it in quotes)"},
		{name: "a map for a list", in: head + "rules:\n  level: None\n", err: "failed decoding: json: cannot unmarshal object into Go struct field Policy.rules of type []v1.PolicyRule at line 3, column 1"},
		{name: "a list for a map", in: head + "rules:\n- [None]\n", err: "failed decoding: json: cannot unmarshal array into Go struct field Policy.rules of type v1.PolicyRule at line 4, column 3"},
		{name: "validation keeps upstream's words", in: head + "rules:\n- {}\n", err: "rules[0].level: Required value"},
		{name: "Minimal", in: head + "rules:\n- level: Minimal\n", o: Options{Minimal: true}},
		{name: "neither Minimal nor known", in: head + "rules:\n- level: Most\n", o: Options{Minimal: true}, err: `rules[0].level: Unsupported value: "Most": supported values: "None", "Minimal", "Metadata", "Request", "RequestResponse"`},
		{name: "any group in 1.36", in: head + "rules:\n- level: None\n  resources: [{group: '*'}]\n", o: Options{Kubernetes: 36}},
		{name: "any group before", in: head + "rules:\n- level: None\n  resources: [{group: '*'}]\n", o: Options{Kubernetes: 35}, err: `rules[0].resources.group: Invalid value: "*": ` + badSubdomain},
		{name: "managed fields in 1.23", in: head + "omitManagedFields: true\nrules:\n- level: None\n", o: Options{Kubernetes: 23}},
		{name: "managed fields before", in: head + "omitManagedFields: true\nrules:\n- level: None\n  omitManagedFields: false\n", o: Options{Kubernetes: 22}, err: `strict decoding error: unknown field "omitManagedFields" at line 3, column 1 (it came with a later Kubernetes), unknown field "rules[0].omitManagedFields" at line 6, column 3 (it came with a later Kubernetes)`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Parse([]byte(tt.in), tt.o)
			if text(err) != tt.err {
				t.Errorf("error\n%s\nwant\n%s", text(err), tt.err)
			}
			if (p == nil) != (err != nil) {
				t.Errorf("policy %v with error %v", p, err)
			}
		})
	}
}

func TestManagedFieldsBefore23(t *testing.T) {
	var warned string
	p, err := Parse([]byte(head+"omitManagedFields: true\nrules:\n- level: None\n  omitManagedFields: true\n"),
		Options{Upstream: true, Kubernetes: 22, Warn: func(s string) { warned = s }})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(none, p); d != "" {
		t.Error(d)
	}
	if !strings.HasSuffix(warned, `unknown field "omitManagedFields", unknown field "rules[0].omitManagedFields"`) {
		t.Error(warned)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	bad, good := filepath.Join(dir, "bad.yaml"), filepath.Join(dir, "good.yaml")
	for file, content := range map[string]string{bad: head + "rules:\n- level: x\n", good: head + "rules:\n- level: None\n"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ file, err string }{
		{good, ""},
		{"", "file path not specified"},
		{"/nonexist", `failed to read file path "/nonexist": open /nonexist: no such file or directory`},
		{bad, `rules[0].level: Unsupported value: "x": supported values: "None", "Metadata", "Request", "RequestResponse": from file ` + bad},
	} {
		p, err := Load(tt.file, Options{})
		if text(err) != tt.err {
			t.Errorf("Load(%q): %v, want %s", tt.file, err, tt.err)
		}
		if err == nil {
			if d := cmp.Diff(none, p); d != "" {
				t.Error(d)
			}
		}
	}
}

// TestFields keeps the file's types and Policy's the same.
func TestFields(t *testing.T) {
	for _, tt := range []struct{ file, ours []string }{
		{policyFields[3:], []string{"rules", "omitStages", "omitManagedFields"}},
		{ruleFields, []string{"level", "users", "userGroups", "verbs", "resources", "namespaces", "nonResourceURLs", "omitStages", "omitManagedFields"}},
		{resourceFields, []string{"group", "resources", "resourceNames"}},
	} {
		if d := cmp.Diff(tt.ours, tt.file); d != "" {
			t.Error(d)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", head, head + "rules:\n- level: None\n", "{}", "[]", "---\n---\n", head + "rules: [{level: None, users: [on, 1e400]}]\n---\nx",
		head + "a: &a {level: None}\nrules: [*a, {<<: *a, verbs: [get]}]\n", `{"apiVersion":"audit.k8s.io/v1","rules":[{"level":"None","level":"Metadata"}]}`,
		head + "metadata: {labels: {a: b}, managedFields: [{fieldsV1: {x: 1}}], ownerReferences: [{}]}\nrules: [{level: Minimal}]\n",
	} {
		f.Add([]byte(s), 0)
	}
	f.Fuzz(func(t *testing.T, b []byte, minor int) {
		o := Options{Kubernetes: minor, Minimal: minor%2 == 1}
		strict, err := Parse(b, o)
		o.Upstream = true
		lenient, lenientErr := Parse(b, o)
		if err == nil && lenientErr != nil {
			t.Fatalf("only strict reading accepts it: %v", lenientErr)
		}
		if err == nil {
			if d := cmp.Diff(strict, lenient); d != "" {
				t.Fatal(d)
			}
		}
		if lenientErr == nil && len(lenient.Rules) == 0 {
			t.Fatal("accepted without rules")
		}
	})
}
