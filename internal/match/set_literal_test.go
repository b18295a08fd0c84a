package match

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// partTest is a tester as rule languages have them: a value includes one of some texts, whatever the case of ASCII letters.
type partTest struct {
	path  *Path
	texts []string
	tells bool // which texts it looks for
}

func (t partTest) Key() string     { return fmt.Sprint("part ", t.path.Name(), t.texts) }
func (t partTest) Field() string   { return t.path.Name() }
func (t partTest) Exact() []string { return nil }
func (t partTest) Literals() []string {
	if !t.tells {
		return nil
	}
	return t.texts
}

func (t partTest) Test(r *Row) (met bool) {
	t.path.Each(r, func(v Value) bool {
		text := string(lower(nil, v.Text))
		met = slices.ContainsFunc(t.texts, func(s string) bool { return strings.Contains(text, string(lower(nil, []byte(s)))) })
		return !met
	})
	return met
}

// randomPart makes one about what an event holds.
func randomPart(rng *rand.Rand, p *Path, rows []*Row) *Predicate {
	t := partTest{path: p, tells: rng.IntN(5) > 0}
	for range 1 + rng.IntN(3) {
		text := "none"
		p.Each(rows[rng.IntN(len(rows))], func(v Value) bool {
			from := rng.IntN(len(v.Text) + 1)
			text = string(v.Text[from : from+rng.IntN(len(v.Text)-from+1)])
			return false
		})
		switch rng.IntN(5) {
		case 0:
			text = strings.ToUpper(text)
		case 1:
			text += fmt.Sprint(rng.IntN(10))
		}
		t.texts = append(t.texts, text)
	}
	return Test(t)
}

// TestSetOfLiterals: what is looked for in one pass is found wherever it stands, however an event spells it.
func TestSetOfLiterals(t *testing.T) {
	path, err := ParsePath("userAgent")
	if err != nil {
		t.Fatal(err)
	}
	letters := []string{"a", "a", "a", "b", "B", "A", "/", "k", "\u212a", "\\u0061", "é", "\xff", `\"`}
	rapid.Check(t, func(rt *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 2))
		text := func(n int) string {
			var w strings.Builder
			for range n {
				w.WriteString(letters[rng.IntN(len(letters))])
			}
			return w.String()
		}
		plain := strings.NewReplacer(`\u0061`, "a", `\"`, `"`)
		var ps []*Predicate
		for range rapid.IntRange(1, 300).Draw(rt, "predicates") {
			part := Test(partTest{path, []string{plain.Replace(text(rng.IntN(9)))}, true})
			switch rng.IntN(5) {
			case 0:
				part = mustParse(t, "agent:*"+strings.NewReplacer(`"`, "", "\xff", "").Replace(plain.Replace(text(6)))+"aaaa*")
			case 1:
				part = mustParse(t, "agent:aaab*b*")
			case 2:
				part = Any(part, Test(partTest{path, []string{"aaaaab", "bbbb"}, true}))
			case 3:
				part = And(part, Not(Test(partTest{path, []string{plain.Replace(text(5))}, true})))
			}
			ps = append(ps, part)
		}
		m := NewSet(ps).Matcher()
		for range 20 {
			agent := text(rng.IntN(40))
			if rng.IntN(2) == 0 {
				agent = strings.Repeat("a", rng.IntN(20)) + "b"
			}
			r := testRow(t, fmt.Appendf(nil, `{"auditID":"x","verb":"get","userAgent":"%s"}`, agent), 0)
			var want []int
			for i, p := range ps {
				if p.Match(r) {
					want = append(want, i)
				}
			}
			if got := m.Match(nil, r); !slices.Equal(got, want) {
				rt.Fatalf("of %q match %v, want %v", agent, got, want)
			}
		}
	})
}

// TestSetSparesLiterals: a test whose text is not there is not made, nor is a predicate tried that asks for one of several fields'.
func TestSetSparesLiterals(t *testing.T) {
	path, err := ParsePath("userAgent")
	if err != nil {
		t.Fatal(err)
	}
	made := 0
	var ps []*Predicate
	for i := range 1000 {
		part := countedPart{partTest{path, []string{fmt.Sprintf("tool-%d;", i)}, true}, &made}
		ps = append(ps, And(mustParse(t, fmt.Sprint("-position:", i)), Any(Test(part), mustParse(t, fmt.Sprintf("uri:*path-%d;*", i)))))
	}
	m := NewSet(ps).Matcher()
	made = 0
	agent := bytes.Repeat([]byte("tool-"), 1<<16)
	for _, test := range []struct {
		event string
		want  []int
		made  int
	}{
		{`{"userAgent":"a TOOL-77; b"}`, []int{77}, 1},
		{`{"userAgent":"tool-5;tool-9","requestURI":"/x/path-8;"}`, []int{5, 8}, 2},
		{`{"userAgent":"tool"}`, nil, 0},
		{`{"verb":"get"}`, nil, 0},
		{fmt.Sprintf(`{"userAgent":"%s3;"}`, agent), []int{3}, 1},
	} {
		made = 0
		if got := m.Match(nil, testRow(t, []byte(test.event), 2000)); !slices.Equal(got, test.want) || made > test.made {
			t.Errorf("of %.60s: %v match after %d tests; want %v after %d", test.event, got, made, test.want, test.made)
		}
	}
}

type countedPart struct {
	partTest
	made *int
}

func (t countedPart) Test(r *Row) bool {
	*t.made++
	return t.partTest.Test(r)
}
