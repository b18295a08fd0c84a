package builtin

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"annals.dev/audit"
	"annals.dev/policy"
)

func TestPolicies(t *testing.T) {
	files, err := filepath.Glob("*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	all := All()
	if len(all) != len(files) || len(all) == 0 {
		t.Fatalf("%d policies, %d files", len(all), len(files))
	}
	for _, p := range all {
		if p.Summary == "" || !slices.Contains(files, p.Name+".yaml") {
			t.Errorf("%s does not begin with what it is: %q", p.Name, p.Summary)
		}
		if _, err := policy.Parse([]byte(p.YAML), policy.Options{Kubernetes: 30}); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		if got, ok := Named(p.Name); !ok || got.Name != p.Name {
			t.Errorf("Named(%q): %+v", p.Name, got)
		}
	}
	if _, ok := Named("none"); ok {
		t.Error("there is a policy none")
	}
}

// TestPromises holds every policy to what all of them say: no credential's body, every shell and every failed login.
func TestPromises(t *testing.T) {
	node := &audit.UserInfo{Username: "system:node:a", Groups: []string{"system:nodes"}}
	for _, b := range All() {
		p, err := policy.Parse([]byte(b.YAML), policy.Options{})
		if err != nil {
			t.Fatal(err)
		}
		e := policy.Compile(p)
		for _, verb := range []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"} {
			for _, user := range []*audit.UserInfo{nil, node, {Username: "system:kube-controller-manager"}, {Username: "ada"}} {
				for _, full := range []string{"/secrets", "/configmaps", "/serviceaccounts/token", "authentication.k8s.io/tokenreviews", "/pods/exec", "/pods/attach", "/nodes/proxy"} {
					group, resource, _ := strings.Cut(full, "/")
					resource, sub, _ := strings.Cut(resource, "/")
					d := e.Decide(&policy.Attributes{User: user, Verb: verb, ResourceRequest: true, APIGroup: group, Resource: resource, Subresource: sub, Namespace: "x"})
					if d.Level != audit.LevelMetadata || d.Omit.Has(audit.StageResponseStarted) || d.Omit.Has(audit.StageResponseComplete) {
						t.Errorf("%s: %s %s by %v: %+v", b.Name, verb, full, user, d)
					}
				}
				for _, a := range []policy.Attributes{
					{Verb: verb, ResourceRequest: true, Resource: "pods", Namespace: "x"},
					{Verb: verb, ResourceRequest: true, APIGroup: "example.com", Resource: "things"},
				} {
					a.User = user
					if reads := slices.Contains([]string{"get", "list", "watch"}, verb); !reads || user == nil || user.Username == "ada" {
						if d := e.Decide(&a); !d.Level.AtLeast(audit.LevelMetadata) {
							t.Errorf("%s: %s %s by %v: %+v", b.Name, verb, a.Resource, user, d)
						}
					}
				}
				for _, what := range []policy.Attributes{
					{ResourceRequest: true, APIGroup: "rbac.authorization.k8s.io", Resource: "clusterrolebindings"},
					{ResourceRequest: true, Resource: "events", Namespace: "x"},
				} {
					if what.Verb, what.User = verb, user; !strings.HasPrefix(verb, "delete") {
						continue
					}
					if d := e.Decide(&what); !d.Level.AtLeast(audit.LevelMetadata) {
						t.Errorf("%s: %s %s by %v: %+v", b.Name, verb, what.Resource, user, d)
					}
				}
			}
		}
		if d := e.Decide(&policy.Attributes{Verb: "get", Path: "/api"}); !d.Level.AtLeast(audit.LevelMetadata) {
			t.Errorf("%s: a stranger looks around: %+v", b.Name, d)
		}
	}
}

// TestSchemaFields holds the schema to the Go types: the same fields, no more.
func TestSchemaFields(t *testing.T) {
	root := parsed(t)
	definitions := root["definitions"].(map[string]any)
	for _, tt := range []struct {
		of    any
		typ   reflect.Type
		extra []string // that the Go type leaves out
	}{
		{root, reflect.TypeFor[policy.Policy](), []string{"apiVersion", "kind", "metadata"}},
		{definitions["rule"], reflect.TypeFor[policy.Rule](), nil},
		{definitions["resources"], reflect.TypeFor[policy.GroupResources](), nil},
	} {
		want := tt.extra
		for i := range tt.typ.NumField() {
			name, _, _ := strings.Cut(tt.typ.Field(i).Tag.Get("json"), ",")
			want = append(want, name)
		}
		var got []string
		for name := range tt.of.(map[string]any)["properties"].(map[string]any) {
			got = append(got, name)
		}
		slices.Sort(want)
		slices.Sort(got)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%v: %s", tt.typ, d)
		}
	}
}

// TestSchema holds the schema to the loader, by policies that both must accept or refuse.
func TestSchema(t *testing.T) {
	root := parsed(t)
	const head = "apiVersion: audit.k8s.io/v1\nkind: Policy\n"
	inputs := []string{
		"{}", "rules: [{level: None}]", head, head + "rules: []", head + "rules: [{level: None}]", head + "rules: [{}]", head + "rules: [{level: none}]",
		head + "rules: [{level: Minimal}]", head + "rules: [{level: None, verb: [get]}]", head + "rules: [{level: None, verbs: get}]",
		head + "rules: [{level: None, nonResourceURLs: ['*', /, /a*]}]", head + "rules: [{level: None, nonResourceURLs: [a]}]",
		head + "rules: [{level: None, nonResourceURLs: [/a*b]}]", head + "rules: [{level: None, nonResourceURLs: [/a**]}]", head + "rules: [{level: None, nonResourceURLs: ['']}]",
		head + "rules: [{level: None, nonResourceURLs: [/a], namespaces: [a]}]", head + "rules: [{level: None, nonResourceURLs: [/a], resources: [{}]}]",
		head + "rules: [{level: None, resources: [{group: apps/v1}]}]", head + "rules: [{level: None, resources: [{group: Apps}]}]",
		head + "rules: [{level: None, resources: [{group: '*'}, {group: ''}, {group: a.b-c.d}]}]", head + "rules: [{level: None, resources: [{group: a.}]}]",
		head + "rules: [{level: None, resources: [{groups: ''}]}]", head + "rules: [{level: None, resources: [{resourceNames: [a]}]}]",
		head + "rules: [{level: None, resources: [{resources: [a], resourceNames: [a]}]}]", head + "omitStages: [RequestReceived]\nrules: [{level: None}]",
		head + "omitStages: [Received]\nrules: [{level: None}]", head + "omitManagedFields: yes\nrules: [{level: None, omitManagedFields: false}]",
		head + "omitManagedFields: 'yes'\nrules: [{level: None}]", head + "metadata: {name: a}\nrules: [{level: None}]", head + "spec: {}\nrules: [{level: None}]",
		"apiVersion: v1\nkind: Policy\nrules: [{level: None}]", "apiVersion: audit.k8s.io/v1\nkind: Event\nrules: [{level: None}]",
	}
	for _, p := range All() {
		inputs = append(inputs, p.YAML)
	}
	accepted := 0
	for _, in := range inputs {
		_, err := policy.Parse([]byte(in), policy.Options{})
		var v any
		if err := yaml.Unmarshal([]byte(in), &v); err != nil {
			t.Fatal(err)
		}
		s := validator{root: root}
		s.check("", root, v)
		if (err == nil) != (len(s.faults) == 0) {
			t.Errorf("%s\nloader: %v\nschema: %q", in, err, s.faults)
		}
		if err == nil {
			accepted++
		}
	}
	if accepted < 8 {
		t.Errorf("only %d are accepted", accepted)
	}
}

func parsed(t *testing.T) (root map[string]any) {
	if err := json.Unmarshal([]byte(Schema()), &root); err != nil {
		t.Fatal(err)
	}
	return root
}

// validator knows as much of JSON schema as ours uses, and fails on a keyword that it does not know.
type validator struct {
	root   map[string]any
	faults []string
}

func (s *validator) fault(path, format string, args ...any) {
	s.faults = append(s.faults, path+": "+fmt.Sprintf(format, args...))
}

func (s *validator) valid(schema, v any) bool {
	inner := validator{root: s.root}
	inner.check("", schema.(map[string]any), v)
	return len(inner.faults) == 0
}

func (s *validator) check(path string, schema map[string]any, v any) {
	object, _ := v.(map[string]any)
	for keyword, want := range schema {
		switch keyword {
		case "$schema", "title", "description", "definitions", "additionalProperties":
		case "$ref":
			s.check(path, s.root["definitions"].(map[string]any)[strings.TrimPrefix(want.(string), "#/definitions/")].(map[string]any), v)
		case "type":
			if got := map[reflect.Kind]string{reflect.Map: "object", reflect.Slice: "array", reflect.String: "string", reflect.Bool: "boolean"}[reflect.ValueOf(v).Kind()]; got != want {
				s.fault(path, "it is %s, not %s", got, want)
			}
		case "const":
			if v != want {
				s.fault(path, "it is not %v", want)
			}
		case "enum":
			if !slices.Contains(want.([]any), v) {
				s.fault(path, "%v is none of %v", v, want)
			}
		case "required":
			for _, name := range want.([]any) {
				if _, ok := object[name.(string)]; !ok {
					s.fault(path, "%s is missing", name)
				}
			}
		case "properties":
			for name, value := range object {
				if inner, ok := want.(map[string]any)[name]; ok {
					s.check(path+"."+name, inner.(map[string]any), value)
				} else if schema["additionalProperties"] == false {
					s.fault(path, "%s is unknown", name)
				}
			}
		case "items":
			list, _ := v.([]any)
			for i, e := range list {
				s.check(fmt.Sprintf("%s[%d]", path, i), want.(map[string]any), e)
			}
		case "minItems":
			if list, _ := v.([]any); len(list) < int(want.(float64)) {
				s.fault(path, "it is too short")
			}
		case "maxLength":
			if text, _ := v.(string); len(text) > int(want.(float64)) {
				s.fault(path, "it is too long")
			}
		case "pattern":
			if text, ok := v.(string); ok && !regexp.MustCompile(want.(string)).MatchString(text) {
				s.fault(path, "%q does not match", text)
			}
		case "not":
			if s.valid(want, v) {
				s.fault(path, "it must not be so")
			}
		case "anyOf":
			if !slices.ContainsFunc(want.([]any), func(of any) bool { return s.valid(of, v) }) {
				s.fault(path, "it is none of them")
			}
		case "dependencies":
			for name, needs := range want.(map[string]any) {
				if _, ok := object[name]; ok {
					s.check(path, map[string]any{"required": needs}, v)
				}
			}
		default:
			s.fault(path, "the test does not know %s", keyword)
		}
	}
}
