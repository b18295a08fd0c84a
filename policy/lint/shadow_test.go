package lint

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"annals.dev/audit"
	"annals.dev/policy"
)

// words are few, so that random rules meet.
var words = struct{ users, groups, verbs, namespaces, apis, resources, names, urls []string }{
	[]string{"alice", "bob", "system:anonymous"}, []string{"dev", "ops", "system:authenticated", "system:unauthenticated"},
	[]string{"get", "list", "create", "delete"}, []string{"", "prod", "dev"}, []string{"", "apps", "*"},
	[]string{"pods", "pods/log", "pods/*", "*", "*/log", "secrets"}, []string{"a", "b", ""}, []string{"/a", "/a*", "/ab", "/b/*", "*"},
}

func some(r *rand.Rand, from []string) (list []string) {
	if r.IntN(2) == 0 {
		return nil
	}
	for range 1 + r.IntN(3) {
		list = append(list, from[r.IntN(len(from))])
	}
	return list
}

func randomPolicy(r *rand.Rand) *policy.Policy {
	levels := []audit.Level{audit.LevelNone, audit.LevelMetadata, audit.LevelRequest}
	p := &policy.Policy{}
	for range 2 + r.IntN(4) {
		rule := policy.Rule{Level: levels[r.IntN(3)], Users: some(r, words.users), UserGroups: some(r, words.groups), Verbs: some(r, words.verbs)}
		switch r.IntN(3) {
		case 0:
			rule.NonResourceURLs = some(r, words.urls)
		case 1:
			rule.Namespaces = some(r, words.namespaces)
			for range r.IntN(3) {
				e := policy.GroupResources{Group: words.apis[r.IntN(3)], Resources: some(r, words.resources)}
				if len(e.Resources) > 0 {
					e.ResourceNames = some(r, words.names)
				}
				rule.Resources = append(rule.Resources, e)
			}
		}
		p.Rules = append(p.Rules, rule)
	}
	return p
}

func randomRequest(r *rand.Rand) *policy.Attributes {
	one := func(list []string, more ...string) string {
		list = append(slices.Clone(list), more...)
		return list[r.IntN(len(list))]
	}
	a := &policy.Attributes{Verb: one(words.verbs, "watch", "patch")}
	switch name := one(words.users, "carol"); {
	case r.IntN(8) == 0:
	case name == "system:anonymous":
		a.User = &audit.UserInfo{Username: name, Groups: []string{"system:unauthenticated"}}
	default:
		a.User = authenticated(name, some(r, []string{"dev", "ops", "others"})...)
	}
	if r.IntN(3) == 0 {
		a.Path = one(nil, "/a", "/abc", "/b/c", "/b", "/z")
		return a
	}
	a.ResourceRequest, a.APIGroup, a.Namespace, a.Name = true, one(nil, "", "apps", "batch"), one(words.namespaces, "stage"), one(words.names, "c")
	a.Resource, a.Subresource = one(nil, "pods", "secrets", "nodes"), one(nil, "", "", "log", "status")
	return a
}

// A rule that decides any request is never called one that cannot; and one that decides none of very many is found.
func TestShadowsAgainstRequests(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	proved, missed := 0, 0
	for range 1500 {
		p := randomPolicy(r)
		text, err := json.Marshal(map[string]any{"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": p.Rules})
		if err != nil {
			t.Fatal(err)
		}
		hidden := map[int]bool{}
		for _, f := range Check("p", text, Options{}) {
			var i int
			if _, err := fmt.Sscanf(f.Today, "rules[%d] can never decide", &i); f.ID == "L18" && err == nil {
				hidden[i] = true
			}
		}
		e := policy.Compile(p)
		decided := map[int]bool{}
		for range 800 {
			a := randomRequest(r)
			d := e.Decide(a)
			decided[d.Rule] = true
			if hidden[d.Rule] {
				t.Fatalf("rules[%d] is said never to decide, and decides %+v of\n%s", d.Rule, a, text)
			}
		}
		proved += len(hidden)
		for i := range p.Rules {
			if !decided[i] && !hidden[i] {
				missed++ // perhaps a rare one
			}
		}
	}
	if proved < 200 || missed > 8*proved {
		t.Errorf("%d rules proved hidden, %d more decided nothing", proved, missed)
	}
}

// The checker reads a policy just as package policy does.
func TestReadsAsPolicyDoes(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	ours, err := filepath.Glob("../testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, file := range append(files, ours...) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, err := policy.Parse(b, policy.Options{Upstream: true})
		if err != nil {
			continue
		}
		c := &checker{name: file, src: b}
		c.check()
		if d := cmp.Diff(want, &c.policy, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(policy.Policy{})); d != "" {
			t.Errorf("%s (-policy +lint):\n%s", file, d)
		}
		compared++
	}
	if compared < 8 {
		t.Errorf("only %d policies compared", compared)
	}
}

func TestShadowOfSeveral(t *testing.T) {
	const text = `apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- {level: None, verbs: [get, list, watch]}
- {level: Metadata, users: [alice], verbs: [create, update, patch, delete, deletecollection, proxy]}
- {level: None, resources: [{group: "", resources: ["pods", "pods/*"]}]}
- {level: Request, users: [alice], verbs: [get, patch], resources: [{group: "", resources: [pods, secrets]}]}
- {level: Metadata}
`
	got := ""
	for _, f := range Check("p", []byte(text), Options{}) {
		if f.ID == "L18" {
			got += fmt.Sprintf("%d %s\n", f.Line, f.Today[strings.Index(f.Today, "by "):])
		}
	}
	if want := "7 by rules[0] (line 4) and rules[1] (line 5)\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Kubernetes puts service accounts into their groups itself.
func TestShadowOfServiceAccounts(t *testing.T) {
	for group, hidden := range map[string]bool{"system:serviceaccounts": true, "system:serviceaccounts:ci": true, "system:serviceaccounts:dev": false} {
		text := "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- {level: None, userGroups: [" + group + "]}\n- {level: Metadata, users: [system:serviceaccount:ci:deployer]}\n- {level: Metadata}\n"
		found := slices.ContainsFunc(Check("p", []byte(text), Options{}), func(f Finding) bool { return f.ID == "L18" })
		if found != hidden {
			t.Errorf("behind %s: hidden %v, want %v", group, found, hidden)
		}
	}
}
