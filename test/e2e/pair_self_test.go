package e2e

import (
	"fmt"
	"slices"
	"testing"
)

// TestDeltas: what compares must itself see every kind of difference.
func TestDeltas(t *testing.T) {
	const a = `{"auditID":"1","stage":"ResponseComplete","requestReceivedTimestamp":"1","verb":"get","user":{"groups":["a","b"]},"n":1.0}`
	for _, c := range []struct {
		name         string
		ours, theirs []string
		paths        []string
	}{
		{"the same", []string{a}, []string{a}, nil},
		{"another order of members", []string{`{"a":1,"b":2}`}, []string{`{"b":2,"a":1}`}, nil},
		{"a number written otherwise", []string{`{"a":1}`}, []string{`{"a":1.0}`}, []string{"a"}},
		{"null and absent", []string{`{"a":null}`}, []string{`{}`}, []string{"a"}},
		{"absent and null", []string{`{}`}, []string{`{"a":null}`}, []string{"a"}},
		{"deep", []string{`{"a":{"b":[{"c":1},{"c":2}]}}`}, []string{`{"a":{"b":[{"c":1},{"c":3,"d":4}]}}`}, []string{"a.b[1].c", "a.b[1].d"}},
		{"longer", []string{`{"a":[1]}`}, []string{`{"a":[1,2]}`}, []string{"a"}},
		{"another type", []string{`{"a":[]}`}, []string{`{"a":{}}`}, []string{"a"}},
		{"ours alone", []string{a}, nil, []string{""}},
		{"theirs alone", nil, []string{a}, []string{""}},
		{"another stage", []string{`{"auditID":"1","stage":"Panic"}`}, []string{`{"auditID":"1","stage":"ResponseComplete"}`}, []string{"", ""}},
		{
			"one audit ID twice, in another order",
			[]string{`{"auditID":"1","requestReceivedTimestamp":"1","verb":"a"}`, `{"auditID":"1","requestReceivedTimestamp":"2","verb":"b"}`},
			[]string{`{"auditID":"1","requestReceivedTimestamp":"2","verb":"b"}`, `{"auditID":"1","requestReceivedTimestamp":"1","verb":"a"}`},
			nil,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			bytes := func(ss []string) (bs [][]byte) {
				for _, s := range ss {
					bs = append(bs, []byte(s))
				}
				return bs
			}
			var paths []string
			for _, p := range pairs(impersonate, parseEvents(t, bytes(c.ours)), parseEvents(t, bytes(c.theirs))) {
				for _, d := range p.deltas() {
					paths = append(paths, d.path)
				}
			}
			if slices.Sort(paths); !slices.Equal(paths, c.paths) {
				t.Error(fmt.Sprintf("got %q, wanted %q", paths, c.paths))
			}
		})
	}
}
