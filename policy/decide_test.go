package policy

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"annals.dev/audit"
)

// naive walks the rules one after the other: the second opinion.
func naive(p *Policy, a *Attributes) Decision {
	for i := range p.Rules {
		if p.Rules[i].matches(a) {
			return p.verdict(i)
		}
	}
	return Decision{Level: audit.LevelNone, Omit: StagesOf(p.OmitStages...), OmitManagedFields: p.OmitManagedFields, Rule: -1}
}

// TestDecideAsNaively gives random policies and requests from so few strings that they meet.
func TestDecideAsNaively(t *testing.T) {
	word := rapid.SampledFrom([]string{"", "*", "a", "b", "a/b", "b/a", "a/*", "*/a", "*/b", "*/*", "/", "a/", "/a", "a/b/a", "*/a/b", "**", "cc/ddd", "*/ddd", "cc/*", "ddd",
		"system:serviceaccount:a:default", "system:serviceaccount:b:default"})
	plain := rapid.SampledFrom([]string{"", "a", "b", "cc"})
	words := rapid.SliceOfN(word, 0, 3)
	seldom := func(of *rapid.Generator[[]string]) *rapid.Generator[[]string] {
		return rapid.OneOf(rapid.Just([]string(nil)), rapid.Just([]string(nil)), rapid.Just([]string(nil)), of)
	}
	often := rapid.OneOf(words, rapid.SliceOfN(plain, 1, 2))
	asked := seldom(often)
	url := rapid.SampledFrom([]string{"", "*", "**", "/", "/a", "/a*", "/ab", "/ab*", "/abc", "/a/b", "/a/b*", "/b**", "/*", "/a/", "/a/*", "/az*", "/b/*/c"})
	stage := rapid.SampledFrom([]audit.Stage{audit.StageRequestReceived, audit.StageResponseStarted, audit.StageResponseComplete, audit.StagePanic, "x"})
	rule := rapid.Custom(func(t *rapid.T) Rule {
		r := Rule{
			Level: rapid.SampledFrom(levels).Draw(t, "level"), Users: asked.Draw(t, "users"), UserGroups: asked.Draw(t, "groups"),
			Verbs: asked.Draw(t, "verbs"), OmitStages: rapid.SliceOfN(stage, 0, 2).Draw(t, "omit"),
			OmitManagedFields: rapid.Ptr(rapid.Bool(), true).Draw(t, "managed"),
		}
		kind := rapid.IntRange(0, 7).Draw(t, "kind")
		if kind < 3 { // no valid rule has URLs and namespaces or resources too
			r.NonResourceURLs = rapid.SliceOfN(url, 1, 2).Draw(t, "urls")
		}
		if kind > 1 {
			r.Namespaces = often.Draw(t, "namespaces")
		}
		if kind > 2 {
			for range rapid.IntRange(0, 3).Draw(t, "resources") {
				r.Resources = append(r.Resources, GroupResources{plain.Draw(t, "group"), often.Draw(t, "resources"), often.Draw(t, "names")})
			}
		}
		return r
	})
	either := rapid.OneOf(plain, word)
	attributes := rapid.Custom(func(t *rapid.T) *Attributes {
		a := &Attributes{
			Verb: either.Draw(t, "verb"), ResourceRequest: rapid.IntRange(0, 2).Draw(t, "resource request") > 0, APIGroup: either.Draw(t, "group"),
			Resource: either.Draw(t, "resource"), Subresource: either.Draw(t, "subresource"), Namespace: either.Draw(t, "namespace"),
			Name: either.Draw(t, "name"), Path: url.Draw(t, "path"),
		}
		if rapid.IntRange(0, 4).Draw(t, "user") > 0 {
			a.User = &audit.UserInfo{Username: either.Draw(t, "name"), Groups: rapid.SliceOfN(either, 0, 3).Draw(t, "groups")}
		}
		return a
	})
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{0, 1, 2, 5, 20, 70, 300, 300}).Draw(t, "rules")
		p := &Policy{
			Rules: rapid.SliceOfN(rule, n, n).Draw(t, "policy"), OmitStages: rapid.SliceOfN(stage, 0, 1).Draw(t, "omit"),
			OmitManagedFields: rapid.Bool().Draw(t, "managed"),
		}
		every := rapid.SampledFrom([]int{1, 10, 40}).Draw(t, "in reach")
		for i := range p.Rules { // or the first few would decide everything
			if i%every != every-1 {
				p.Rules[i].Users = []string{"nobody"}
			}
		}
		e := Compile(p)
		for _, a := range rapid.SliceOfN(attributes, 300, 300).Draw(t, "requests") {
			if got, want := e.Decide(a), naive(p, a); got != want {
				t.Fatalf("%+v: %+v, the rules say %+v", a, got, want)
			}
		}
	})
}

// recorded are requests to a real cluster, in their order.
func recorded(t testing.TB) (requests []Attributes) {
	f, err := os.Open("testdata/attributes.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var a Attributes
		if err := json.Unmarshal(s.Bytes(), &a); err != nil {
			t.Fatal(err)
		}
		requests = append(requests, a)
	}
	if len(requests) < 200 {
		t.Fatalf("only %d requests", len(requests))
	}
	return requests
}

var sizes = []string{"rules-7", "rules-25", "rules-200"}

func compiled(t testing.TB, name string) (*Policy, *Evaluator) {
	p, err := Load(filepath.Join("testdata", name+".yaml"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p, Compile(p)
}

func TestDecideRecorded(t *testing.T) {
	for _, name := range sizes {
		p, e := compiled(t, name)
		rules := map[int]int{}
		for _, a := range recorded(t) {
			got := e.Decide(&a)
			if want := naive(p, &a); got != want {
				t.Errorf("%s: %+v: %+v, the rules say %+v", name, a, got, want)
			}
			rules[got.Rule]++
		}
		if len(rules) < 4 {
			t.Errorf("%s: only the rules %v decide: the requests show little", name, rules)
		}
	}
}

func TestDecideAllocatesNothing(t *testing.T) {
	requests := recorded(t)
	requests = append(requests, Attributes{}, Attributes{ResourceRequest: true, Resource: strings.Repeat("x", 10000), Subresource: "y"},
		Attributes{User: &audit.UserInfo{Groups: make([]string, 100)}, Path: strings.Repeat("/healthz", 1000)})
	for _, name := range sizes {
		_, e := compiled(t, name)
		if n := testing.AllocsPerRun(10, func() {
			for i := range requests {
				e.Decide(&requests[i])
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestCompileKeepsNothing changes a policy after it was compiled.
func TestCompileKeepsNothing(t *testing.T) {
	p, e := compiled(t, "rules-25")
	requests := recorded(t)
	var before []Decision
	for i := range requests {
		before = append(before, e.Decide(&requests[i]))
	}
	p.OmitManagedFields = !p.OmitManagedFields
	for i := range p.Rules {
		r := &p.Rules[i]
		r.Level = "x"
		for _, list := range [][]string{r.Users, r.Verbs, r.Namespaces, r.NonResourceURLs} {
			for j := range list {
				list[j] = "x"
			}
		}
		for j := range r.Resources {
			r.Resources[j] = GroupResources{}
		}
	}
	for i := range requests {
		if got := e.Decide(&requests[i]); got != before[i] {
			t.Fatalf("%+v: %+v, before %+v", requests[i], got, before[i])
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	for _, name := range sizes {
		b.Run(name, func(b *testing.B) {
			_, e := compiled(b, name)
			requests := recorded(b)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				sum += e.Decide(&requests[i%len(requests)]).Rule
			}
		})
	}
}

var sum int

func BenchmarkCompile(b *testing.B) {
	for _, name := range sizes {
		b.Run(name, func(b *testing.B) {
			p, _ := compiled(b, name)
			for b.Loop() {
				Compile(p)
			}
		})
	}
}

// BenchmarkManyRules is about whether the cost grows with the rules: all but the last match nothing that is asked.
func BenchmarkManyRules(b *testing.B) {
	requests := recorded(b)
	for _, n := range []int{10, 100, 1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := &Policy{}
			for i := range n {
				p.Rules = append(p.Rules, Rule{Level: audit.LevelNone, Users: []string{fmt.Sprint("u", i)}, Verbs: []string{"get", "update"}, Namespaces: []string{fmt.Sprint("n", i)}})
			}
			p.Rules = append(p.Rules, Rule{Level: audit.LevelMetadata})
			e := Compile(p)
			for i := 0; b.Loop(); i++ {
				sum += e.Decide(&requests[i%len(requests)]).Rule
			}
		})
	}
}
