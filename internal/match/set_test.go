package match

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"annals.dev/internal/match/matchtest"
)

// folded is a tester as rule languages have them: any value of a path is one of some texts, whatever its case; or none is there.
type foldedTest struct {
	path   *Path
	texts  []string
	absent bool // the test whether there is no value
}

func (t foldedTest) Key() string   { return fmt.Sprint("folded ", t.path.Name(), t.texts, t.absent) }
func (t foldedTest) Field() string { return t.path.Name() }
func (t foldedTest) Exact() []string {
	if t.absent {
		return nil
	}
	return t.texts
}

func (t foldedTest) Test(r *Row) bool {
	met := t.absent
	t.path.Each(r, func(v Value) bool {
		met = !t.absent && slices.ContainsFunc(t.texts, func(s string) bool { return strings.EqualFold(ascii(s), ascii(string(v.Text))) })
		return !met && !t.absent
	})
	return met
}

// ascii puts something else in the place of the letters that fold to ASCII ones.
func ascii(s string) string { return strings.ReplaceAll(s, "\u212a", "\u20ac") }

// randomTester makes one about what an event holds.
func randomTester(rng *rand.Rand, rows []*Row) *Predicate {
	names := []string{"agent", "uri", "verb", "resource", "subresource", "user", "ns", "name", "code", "group", "stage", "cluster", "request.spec.containers.name",
		"pod.privileged", "request.metadata.name", "response.kind", "as", "decision", "level", "role.grant"}
	p, err := ParsePath(names[rng.IntN(len(names))])
	if err != nil {
		panic(err)
	}
	if p.field.text != nil && rng.IntN(2) == 0 {
		return randomPart(rng, p, rows)
	}
	t := foldedTest{path: p, absent: rng.IntN(5) == 0}
	for range 1 + rng.IntN(3) {
		p.Each(rows[rng.IntN(len(rows))], func(v Value) bool {
			text := string(v.Text)
			switch rng.IntN(4) {
			case 0:
				text = strings.ToUpper(text)
			case 1:
				text = strings.Replace(text, "k", "\u212a", 1) // which folds to k
			}
			t.texts = append(t.texts, text)
			return rng.IntN(2) == 0
		})
	}
	if rng.IntN(10) == 0 {
		t.texts = append(t.texts, "")
	}
	if t.texts == nil {
		t.texts = []string{"none"}
	}
	return Test(t)
}

func randomPredicate(rng *rand.Rand, events [][]byte, rows []*Row, depth int) *Predicate {
	part := func() *Predicate { return randomPredicate(rng, events, rows, depth-1) }
	if kind := rng.IntN(8); depth > 0 {
		switch kind {
		case 0, 1:
			return And(part(), part())
		case 2:
			return And(part(), part(), part())
		case 3, 4:
			return Any(part(), part())
		case 5:
			return Not(part())
		}
	}
	switch rng.IntN(12) {
	case 0:
		return All
	case 1:
		return Any()
	case 2, 3, 4, 5, 6:
		return randomTester(rng, rows)
	}
	p, err := Parse(matchtest.Random(rng, events))
	if err != nil {
		panic(err)
	}
	return p
}

func randomPredicates(rng *rand.Rand, events [][]byte, rows []*Row, n int) []*Predicate {
	var ps []*Predicate
	for range n {
		if len(ps) > 0 && rng.IntN(4) == 0 { // of what there is already
			x, y := ps[rng.IntN(len(ps))], ps[rng.IntN(len(ps))]
			ps = append(ps, [...]*Predicate{x, Not(x), And(x, y), Any(x, y), And(y, Not(x))}[rng.IntN(5)])
			continue
		}
		ps = append(ps, randomPredicate(rng, events, rows, 3))
	}
	return ps
}

func TestSetIsItsPredicates(t *testing.T) {
	events := testEvents(t)
	events = append(events, []byte(`{"verb":"CREATE","objectRef":{"resource":"Pod\u0073","name":"\u212aube"},"user":{"username":"k\u212a"}}`))
	var rows []*Row
	for i, e := range events {
		rows = append(rows, testRow(t, e, i))
	}
	met := 0
	rapid.Check(t, func(rt *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
		ps := randomPredicates(rng, events, rows, rapid.IntRange(0, 150).Draw(rt, "predicates"))
		m := NewSet(ps).Matcher()
		r := new(Row)
		for range 20 {
			// The row is one that is used again, as callers do.
			like := rows[rng.IntN(len(rows))]
			r.View, r.Cluster, r.Origin, r.Position, r.Received, r.Marks, r.Dialect = like.View, like.Cluster, like.Origin, like.Position, like.Received, like.Marks, like.Dialect
			got := m.Match([]int{-1}, r)
			want := []int{-1}
			for i, p := range ps {
				if p.Match(r) {
					want = append(want, i)
				}
			}
			if !slices.Equal(got, want) {
				for i, p := range ps {
					if slices.Contains(got, i) != slices.Contains(want, i) {
						t.Errorf("%d: %s", i, p)
					}
				}
				rt.Fatalf("of %s\nmatch %v, want %v", like.View.Raw, got, want)
			}
			met += len(got) - 1
		}
	})
	if met < 1000 {
		t.Errorf("only %d predicates were met", met)
	}
}

// countedTest counts how often it is made.
type countedTest struct {
	foldedTest
	made *int
}

func (t countedTest) Test(r *Row) bool {
	*t.made++
	return t.foldedTest.Test(r)
}

// TestSetSpares: an equal test is made once, and one of a predicate that cannot match not at all.
func TestSetSpares(t *testing.T) {
	var agent, body int
	test := func(path string, made *int, texts ...string) *Predicate {
		p, err := ParsePath(path)
		if err != nil {
			t.Fatal(err)
		}
		return Test(countedTest{foldedTest{path: p, texts: texts}, made})
	}
	unused := new(int)
	var ps []*Predicate
	for i := range 200 {
		ps = append(ps, And(test("verb", unused, "get"), test("agent", &agent, "curl"), mustParse(t, fmt.Sprint("-position:", i))))
		ps = append(ps, And(test("agent", &agent, "curl"), mustParse(t, fmt.Sprint("verb:delete position>", i))))
		ps = append(ps, And(test("request.a", &body, "b"), mustParse(t, fmt.Sprint("-position:", i))))
	}
	m := NewSet(ps).Matcher()
	agent, body = 0, 0
	r := testRow(t, []byte(`{"verb":"GET","userAgent":"Curl"}`), 0)
	if got := m.Match(nil, r); len(got) != 199 || agent != 1 || body != 0 {
		t.Errorf("%d match after %d and %d tests", len(got), agent, body)
	}
	agent = 0
	if got := m.Match(nil, testRow(t, []byte(`{"verb":"list","userAgent":"Curl"}`), 0)); len(got) != 0 || agent != 0 {
		t.Errorf("%d match after %d tests", len(got), agent)
	}
	if got := m.Match(nil, testRow(t, []byte(`{"requestObject":{"a":["x","b"]}}`), 0)); len(got) != 199 || body != 1 {
		t.Errorf("%d match after %d tests of the body", len(got), body)
	}
	if r.memo != nil || r.matching {
		t.Error("the row was left in use")
	}
}

// TestSetAmongStrangers: where values never come again a set stops to remember them, and where too many come it forgets; its
// answers stay the same.
func TestSetAmongStrangers(t *testing.T) {
	ps := []*Predicate{mustParse(t, "user:u*7"), mustParse(t, "user:u17 verb:get"), mustParse(t, "-user:u1* verb:list"), mustParse(t, "user:eve")}
	for i := range 3000 {
		ps = append(ps, mustParse(t, fmt.Sprint("user:u", i, " -agent:x")))
	}
	m := NewSet(ps).Matcher()
	passed := false
	for i := range 3 * lookAt {
		name := fmt.Sprint("u", i)
		if i > 2*lookAt { // from here on they come again
			name = fmt.Sprint("u", i%50)
		}
		r := testRow(t, fmt.Appendf(nil, `{"auditID":"a","verb":"get","user":{"username":%q}}`, name), 0)
		got := m.Match(nil, r)
		for _, want := range []int{0, 1, 2, 3, 4 + i%3000} {
			if slices.Contains(got, want) != ps[want].Match(r) {
				t.Fatalf("%s: %s is %v", name, ps[want], !ps[want].Match(r))
			}
		}
		for _, is := range got {
			if !ps[is].Match(r) {
				t.Fatalf("%s: %s does not match", name, ps[is])
			}
		}
		for c := range m.memory {
			mem := &m.memory[c]
			passed = passed || mem.pass > 0
			if len(mem.values) > maxRemembered || mem.bytes > 2*maxRememberedBytes {
				t.Fatalf("%d values of %d bytes are remembered", len(mem.values), mem.bytes)
			}
		}
	}
	if !passed {
		t.Error("strangers are remembered for ever")
	}
}
