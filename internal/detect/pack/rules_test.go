package pack_test

import (
	"io/fs"
	"slices"
	"strings"
	"testing"

	"annals.dev/internal/detect"
	"annals.dev/internal/detect/pack"
	"annals.dev/internal/detect/ruletest"
	"annals.dev/rules"
)

func load(t *testing.T) *pack.Pack {
	t.Helper()
	p, err := pack.Load(pack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestRules holds every rule to its own events: it must find some and leave some alone.
func TestRules(t *testing.T) {
	p := load(t)
	for _, problem := range p.Problems {
		t.Errorf("%s:%d: %s: %s", problem.File, problem.Line, problem.Kind, problem.Message)
	}
	reporting := 0
	for _, r := range p.Rules {
		if !r.Silent {
			reporting++
		}
	}
	if reporting < 80 {
		t.Errorf("only %d rules report something", reporting)
	}
	files, err := fs.Glob(rules.FS, "*/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if ruletest.IsTest(name) {
			if beside := strings.TrimSuffix(name, ".test.yml") + ".yml"; !slices.Contains(files, beside) {
				t.Errorf("%s stands beside no rule", name)
			}
			continue
		}
		t.Run(strings.TrimSuffix(name, ".yml"), func(t *testing.T) { holdToEvents(t, p.Rules, name) })
	}
}

func holdToEvents(t *testing.T, all []*detect.Rule, name string) {
	test := ruletest.NameFor(name)
	text, err := fs.ReadFile(rules.FS, test)
	if err != nil {
		t.Fatalf("there are no events that prove it: write %s", test)
	}
	suite, err := ruletest.Parse(test, text)
	if err != nil {
		t.Fatal(err)
	}
	results, err := suite.Run(all, "builtin/"+name)
	if err != nil {
		t.Fatal(err)
	}
	var found, quiet int
	for _, r := range results {
		if r.Case.Findings > 0 {
			found++
		} else {
			quiet++
		}
		if !r.OK() {
			t.Errorf("%s:%d: %s: %d findings, want %d\n%s", test, r.Case.Line, r.Case.Name, r.Found, r.Case.Findings, strings.Join(r.Why, "\n"))
		}
	}
	if found == 0 || quiet == 0 {
		t.Errorf("%d cases that must match and %d that must not: write both kinds", found, quiet)
	}
}

// TestHeads holds what stands about a rule to what findings, lists and the ATT&CK map need.
func TestHeads(t *testing.T) {
	titles := map[string]string{}
	for _, r := range load(t).Rules {
		if r.Silent {
			continue
		}
		if other := titles[r.Title]; other != "" {
			t.Errorf("%s and %s have one title: %s", r.File, other, r.Title)
		}
		titles[r.Title] = r.File
		name := strings.TrimSuffix(r.File[strings.LastIndexByte(r.File, '/')+1:], ".yml")
		switch {
		case r.Name != name:
			t.Errorf("%s has the name %q, want %q", r.File, r.Name, name)
		case r.About == "" || r.Author != "Annals" || len(r.FalsePositives) == 0:
			t.Errorf("%s lacks a description, its author or false positives", r.File)
		case len(r.Tactics) == 0 || len(r.Techniques) == 0:
			t.Errorf("%s names no tactic or no technique of ATT&CK", r.File)
		}
	}
}
