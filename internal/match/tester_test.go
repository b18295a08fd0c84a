package match

import (
	"math/rand/v2"
	"testing"
)

func TestTesterColumns(t *testing.T) {
	test := func(path string, texts ...string) *Predicate {
		p, err := ParsePath(path)
		if err != nil {
			t.Fatal(err)
		}
		return Test(foldedTest{path: p, texts: texts, absent: texts == nil})
	}
	for _, tt := range []struct {
		p    *Predicate
		want string
	}{
		{test("verb", "Get"), `lower("verb") = 'get'`},
		{And(test("verb", "get", "list"), test("user", "it's")), `(lower("verb") IN ('get', 'list') AND lower("username") = 'it''s')`},
		{And(test("code", "401", "ALLOW", "403")), `"code" IN (401, 403)`},
		{test("code", "ALLOW"), `false`},
		{test("user", "jür"), `true`},
		{test("subresource", "", "exec"), `true`},
		{test("subresource"), `true`},
		{test("group", "system:masters"), `true`},
		{Any(test("verb", "get"), test("request.a", "b")), `true`},
		{Any(test("verb", "get"), test("resource", "pods")), `(lower("verb") = 'get' OR lower("resource") = 'pods')`},
		{Not(Any(test("verb", "get"), mustParse(t, "ns:prod"))), `(NOT coalesce("namespace" = 'prod', false))`},
		{Not(And(mustParse(t, "ns:prod"), mustParse(t, "user:a"))), `((NOT coalesce("namespace" = 'prod', false)) OR (NOT coalesce("username" = 'a', false)))`},
		{Not(test("verb", "get")), `true`},
		{mustParse(t, "object.name:x"), `((NOT coalesce("name" <> '', false)) OR "name" = 'x')`},
	} {
		cols, _ := tt.p.Columns()
		if got := cols.SQL(); got != tt.want {
			t.Errorf("%s narrows to\n%s, want\n%s", tt.p, got, tt.want)
		}
	}
}

func TestTesterNeeds(t *testing.T) {
	known := map[uint32]string{}
	for _, w := range []string{"get", "list", "spec", "hostpid", "true", "a", "b", "privileged", "etc", "hostpath", "local", "verbs", "resources", "system", "masters"} {
		known[HashWord([]byte(w))] = w
	}
	for _, tt := range []struct {
		path   string
		texts  []string
		absent bool
		want   string
	}{
		{"verb", []string{"GET", "list"}, false, "(get|list)"},
		{"verb", []string{"get", ""}, false, ""},
		{"verb", nil, true, ""},
		{"user", []string{"jür"}, false, ""},
		{"group", []string{"system:masters"}, false, "(masters&system)"},
		{"cluster", []string{"a"}, false, ""},
		{"id", []string{"a"}, false, ""},
		{"code", []string{"403"}, false, ""},
		{"ip", []string{"a"}, false, ""},
		{"request.spec.hostPID", []string{"true"}, false, "(hostpid&spec&true)"},
		{"request.spec.hostPID", nil, true, ""},
		{"pod.privileged", []string{"true"}, false, "privileged"},
		{"pod.hostPath", []string{"/etc"}, false, "((hostpath|local)&etc)"},
		{"role.grant", []string{"get a", "list b"}, false, "(((a&get)|(b&list))&(resources|verbs))"},
	} {
		p, err := ParsePath(tt.path)
		if err != nil {
			t.Fatal(err)
		}
		if got := needed(Test(foldedTest{path: p, texts: tt.texts, absent: tt.absent}).Need(), known); got != tt.want {
			t.Errorf("%s of %q needs %s, want %s", tt.path, tt.texts, got, tt.want)
		}
	}
}

// TestTesterHolds: what narrows a predicate with testers lets all pass that matches, and what it needs is there.
func TestTesterHolds(t *testing.T) {
	events := testEvents(t)
	var rows []*Row
	for i, e := range events {
		rows = append(rows, testRow(t, e, i))
	}
	rng := rand.New(rand.NewPCG(21, 22))
	met, narrowed := 0, 0
	for range 1500 {
		p := randomPredicate(rng, events, rows, 3)
		cols, rest := p.Columns()
		need := p.Need()
		for range 20 {
			r := rows[rng.IntN(len(rows))]
			m, narrow := p.Match(r), cols.Match(r)
			if split := narrow && (rest == nil || rest.Match(r)); split != m {
				t.Fatalf("%s is %v; its columns %s and rest %s are %v, of\n%s", p, m, cols, rest, split, r.View.Raw)
			}
			if !narrow {
				narrowed++
			}
			if !m {
				continue
			}
			met++
			words := map[uint32]bool{}
			EventText(r.View, func(span []byte) { Words(span, func(h uint32) { words[h] = true }) })
			if !need.Met(func(h uint32) bool { return words[h] }) {
				t.Fatalf("%s matches, but what it needs is not among the words of\n%s", p, r.View.Raw)
			}
		}
	}
	if met < 1000 || narrowed < 1000 {
		t.Errorf("met %d, held back %d", met, narrowed)
	}
}
