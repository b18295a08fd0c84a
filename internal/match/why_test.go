package match

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWhy(t *testing.T) {
	event := `{"verb":"create","auditID":"x","user":{"username":"eve","groups":["a","b","c","d","e","f","system:masters"]},"objectRef":{"resource":"pods"},` +
		`"requestObject":{"spec":{"containers":[{"name":"one","image":"evil","securityContext":{"privileged":true}},{"name":"` + strings.Repeat("ü", 400) + `"}]}}}`
	tests := func(path string, texts ...string) *Predicate {
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
		{mustParse(t, "verb:get"), ""},
		{mustParse(t, ""), ""},
		{mustParse(t, "verb:create resource:pods"), "verb:create=create; objectRef.resource:pods=pods"},
		{mustParse(t, "verb:create verb:create"), "verb:create=create"},
		{mustParse(t, "verb:get OR user:eve OR user:e*"), "user.username:eve=eve; user.username:e*=eve"},
		{mustParse(t, "-user:system:* -(ns:a ns:b)"), "!user.username:system:*=eve; !objectRef.namespace:a=; !objectRef.namespace:b="},
		{mustParse(t, "-(verb:get OR ns:x)"), "!verb:get=create; !objectRef.namespace:x="},
		{mustParse(t, "-(verb:create ns:x)"), "!objectRef.namespace:x="},
		{mustParse(t, "group:system:masters"), "user.groups:system:masters=system:masters,a,b,c,d"},
		{mustParse(t, "group:system:* pod.privileged:true"), "user.groups:system:*=system:masters,a,b,c,d; pod.privileged:true=true"},
		{mustParse(t, "evil"), "evil="},
		{And(tests("group", "SYSTEM:masters"), tests("ns")), "folded user.groups[SYSTEM:masters] false=system:masters,a,b,c,d; folded objectRef.namespace[] true="},
		{mustParse(t, "request.spec.containers.name:*"), "requestObject.spec.containers.name:*=one," + strings.Repeat("ü", 150) + "…"},
	} {
		var got []string
		for _, e := range tt.p.Why(testRow(t, []byte(event), 0)) {
			sign := ""
			if e.Absent {
				sign = "!"
			}
			got = append(got, fmt.Sprintf("%s%s=%s", sign, e.Test, strings.Join(e.Values, ",")))
		}
		if strings.Join(got, "; ") != tt.want {
			t.Errorf("%s because\n%s, want\n%s", tt.p, strings.Join(got, "; "), tt.want)
		}
	}
}

// TestWhySuffices: what is told makes the predicate true by itself: every test is as it is said to be, and where those that are
// not told are not known, it still follows.
func TestWhySuffices(t *testing.T) {
	events := testEvents(t)
	var rows []*Row
	for i, e := range events {
		rows = append(rows, testRow(t, e, i))
	}
	rng := rand.New(rand.NewPCG(31, 32))
	told := 0
	for range 1500 {
		p := randomPredicate(rng, events, rows, 3)
		r := rows[rng.IntN(len(rows))]
		all := p.Why(r)
		if len(all) == maxEvidence {
			continue
		}
		known := map[string]Truth{}
		for _, e := range all {
			told++
			known[e.Test+e.Field] = Yes
			if e.Absent {
				known[e.Test+e.Field] = No
			}
			for _, v := range e.Values {
				if len(v) > maxShown+len("…")+utf8.UTFMax || !utf8.ValidString(v) {
					t.Fatalf("the value %q is shown", v)
				}
			}
		}
		p.Fold(func(l Leaf) Truth {
			if k, ok := known[l.String()+l.Field()]; ok && (k == Yes) != l.Match(r) {
				t.Fatalf("%s: %s is told to be %d", p, l, k)
			}
			return Maybe
		})
		follows := p.Fold(func(l Leaf) Truth { return known[l.String()+l.Field()] })
		if (follows == Yes) != p.Match(r) {
			t.Fatalf("%s is %v, which by %v is %d", p, p.Match(r), all, follows)
		}
	}
	if told < 1000 {
		t.Errorf("told only %d tests", told)
	}
}
