package match

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"annals.dev/audit"
	"annals.dev/internal/match/matchtest"
)

func TestSieve(t *testing.T) {
	for _, tt := range []struct {
		query, raw string
		may        bool
	}{
		{"curl", `{"userAgent":"curl/8"}`, true},
		{"curl", `{"userAgent":"CURL/8"}`, true},
		{"CuRl", `{"userAgent":"cUrL/8"}`, true},
		{"curl", `{"userAgent":"c\u0075rl/8"}`, true},
		{"curl", `{"userAgent":"c\\\u0075rl/8"}`, true},
		{"curl", `{"userAgent":"wget"}`, false},
		{"curl", `{"userAgent":"wget\u003c\u2028"}`, false},
		{"cur*", `{"userAgent":"curl"}`, true},
		{"curl wget", `{"userAgent":"curl"}`, false},
		{"(curl OR wget)", `{"userAgent":"curl"}`, true},
		{"(curl OR wget)", `{"userAgent":"kubectl"}`, false},
		{"curl verb:get", `{"userAgent":"kubectl"}`, false},
		{"naïve", `{"userAgent":"kubectl"}`, true},
		{`"naïve curl"`, `{"userAgent":"kubectl"}`, false},
		{"0f8fad5b-d9cb-469f-a165-70867728950e", `{"auditID":"0F8FAD5B-D9CB-469F-A165-70867728950E"}`, true},
		{"0f8fad5b-d9cb-469f-a165-70867728950e", `{"auditID":"0F8FAD5B\u002dD9CB-469F-A165-70867728950E"}`, true},
	} {
		p, err := Parse(tt.query)
		if err != nil {
			t.Fatal(err)
		}
		if s := p.Sieve(); s == nil && !tt.may || s != nil && s.May([]byte(tt.raw)) != tt.may {
			t.Errorf("%s in %s: want %v", tt.query, tt.raw, tt.may)
		}
	}
	for _, query := range []string{"", "-curl", "verb:get", "(curl OR verb:get)", "NOT (curl wget)"} {
		p, err := Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		if p.Sieve() != nil {
			t.Errorf("%q has a sieve", query)
		}
	}
}

// TestSieveMissesNothing holds sieves against the predicates over recorded events.
func TestSieveMissesNothing(t *testing.T) {
	events := testEvents(t)
	rng := rand.New(rand.NewPCG(5, 6))
	sieves, passed := 0, 0
	for range 3000 {
		query := matchtest.Random(rng, events)
		p, err := Parse(query)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		s := p.Sieve()
		if s == nil {
			continue
		}
		sieves++
		for range 20 {
			raw := events[rng.IntN(len(events))]
			if rng.IntN(4) == 0 {
				raw = bytes.ToUpper(raw)
			}
			var v audit.View
			if v.Parse(raw) == nil && !s.May(raw) {
				passed++
				if p.Match(&Row{View: &v}) {
					t.Fatalf("%s matches what its sieve held back: %s", query, raw)
				}
			}
		}
	}
	if sieves < 100 || passed < 100 {
		t.Errorf("%d sieves held back %d events", sieves, passed)
	}
}

func BenchmarkSieve(b *testing.B) {
	p, err := Parse("0f8fad5b-d9cb-469f-a165-70867728950e")
	if err != nil {
		b.Fatal(err)
	}
	s, raw := p.Sieve(), []byte(strings.Repeat(`{"userAgent":"Kubectl/v1.36","verb":"get"},`, 80))
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if s.May(raw) {
			b.Fatal("found")
		}
	}
}
