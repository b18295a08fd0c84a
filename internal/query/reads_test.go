package query_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"testing"

	"annals.dev/internal/match"
	"annals.dev/internal/query"
	"annals.dev/internal/query/querytest"
)

var readBytes = regexp.MustCompile(`rchar: (\d+)\n(?s:.*)syscr: (\d+)`)

// readsOf is how many bytes, and how often, the process reads while f runs: DuckDB's reads too.
func readsOf(t *testing.T, f func()) (r [2]int) {
	t.Helper()
	of := func() (r [2]int, own int) {
		b, err := os.ReadFile("/proc/self/io")
		if err != nil {
			t.Skip("the system does not tell what a process reads: ", err)
		}
		m := readBytes.FindSubmatch(b)
		for i := range r {
			if r[i], err = strconv.Atoi(string(m[1+i])); err != nil {
				t.Fatal(err)
			}
		}
		return r, len(b)
	}
	before, own := of()
	f()
	after, _ := of()
	return [2]int{after[0] - before[0] - own, after[1] - before[1]}
}

// TestReads: of a value that only events outside the scope have, a search reads as much as of one that is nowhere. The value is
// asked for as whatever has a filter, a dictionary or statistics on disk.
func TestReads(t *testing.T) {
	p := querytest.Scoped(t, rand.New(rand.NewPCG(21, 0)), "user:system:* -agent:kubectl*", true, events(t))
	s := p.Sides[1]
	if err := s.Ledger.Seal(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, reader := range []query.Sight{p.Sight, {Scope: p.Sight.Scope}} {
		r := s.Engine.As(reader)
		asked := 0
		for _, form := range []string{"name:*%s*", "resource:%q", "ns:*%s", "user:*%s", "agent:%q", "as:%q", "uri:/%s*", "%q", `"%s" code>0`, "response.data:%q", "annotations.%s:*", "apiGroup:%s.io"} {
			exists := outside(t, s.Engine, form)
			for kind, ask := range asksOf(r) {
				// The least of two: what else the process reads in the meantime is not in both. Each text is a new one.
				least := func(word string) (least [2]int) {
					for i := range 2 {
						asked++
						text := fmt.Sprintf(form+" -name:new%d", word, 100+asked)
						n := readsOf(t, func() { ask(t, text) })
						if i == 0 || n[0] < least[0] {
							least = n
						}
					}
					return least
				}
				if there, nowhere := least(exists), least("nowhere0word"[:len(exists)]); there != nowhere {
					t.Errorf("%s of %s (bodies %v): %v bytes and reads for what is outside the scope, %v for what is nowhere", kind, form, reader.Bodies, there, nowhere)
				}
			}
		}
	}
}

// outside is a word that events have only outside the scope.
func outside(t *testing.T, e *query.Engine, form string) string {
	t.Helper()
	for i := range 100 {
		w := fmt.Sprint("side1word", i)
		predicate, err := match.Parse(fmt.Sprintf(form, w))
		if err != nil {
			t.Fatal(err)
		}
		n, _, err := e.As(query.All).Count(t.Context(), query.Range{Query: predicate})
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			return w
		}
	}
	t.Fatalf("nothing outside the scope matches %s", form)
	return ""
}

func asksOf(r *query.Reader) map[string]func(*testing.T, string) {
	parsed := func(t *testing.T, text string) query.Range {
		p, err := match.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return query.Range{Query: p}
	}
	nothing := func(t *testing.T, n int, err error) {
		t.Helper()
		if err != nil || n != 0 {
			t.Errorf("%d events, %v", n, err)
		}
	}
	return map[string]func(*testing.T, string){
		"search": func(t *testing.T, text string) {
			n := 0
			_, err := r.Search(t.Context(), query.Search{Range: parsed(t, text), Limit: 10}, func(*query.Row) error { n++; return nil })
			nothing(t, n, err)
		},
		"count": func(t *testing.T, text string) {
			n, _, err := r.Count(t.Context(), parsed(t, text))
			nothing(t, n, err)
		},
		"hits": func(t *testing.T, text string) {
			h, err := r.Hits(t.Context(), parsed(t, text), query.HitsOptions{By: "verb"})
			nothing(t, h.Total, err)
		},
		"facets": func(t *testing.T, text string) {
			f, _, err := r.Facets(t.Context(), parsed(t, text), nil, 10, false)
			nothing(t, len(f[0].Values), err)
		},
	}
}
