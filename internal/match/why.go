package match

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Evidence is a test that had its part in a predicate's being true of an event.
type Evidence struct {
	Field  string   `json:"field,omitempty"` // a path as ParsePath names it; "" for words, and where it is more than one
	Test   string   `json:"test"`
	Absent bool     `json:"absent,omitempty"` // it is asked for that the event does not pass the test
	Values []string `json:"values,omitempty"` // which the event has there, those first that pass the test: 5 at most
}

// Bounds on evidence.
const (
	maxEvidence = 50  // tests
	maxValues   = 5   // of each
	maxShown    = 300 // bytes of one
)

// Why tells the tests that made the predicate true of an event: of alternatives those that are true. It is nil if none is, or
// there is no test.
func (p *Predicate) Why(r *Row) []Evidence {
	if !p.Match(r) {
		return nil
	}
	w := why{row: r, seen: map[string]bool{}}
	w.add(p.root, false)
	return w.all
}

type why struct {
	row  *Row
	all  []Evidence
	seen map[string]bool
}

// add tells why a condition is true, or false if it is negated. It is.
func (w *why) add(n node, negated bool) {
	each := func(nodes []node, any bool) {
		for _, c := range nodes {
			if !any || c.match(w.row) != negated {
				w.add(c, negated)
			}
		}
	}
	switch n := n.(type) {
	case and:
		each(n, negated)
	case or:
		each(n, !negated)
	case not:
		w.add(n.node, !negated)
	default:
		l := Leaf{n}
		e := Evidence{Field: l.Field(), Test: l.String(), Absent: negated}
		if key := e.Test + "\x00" + e.Field; len(w.all) < maxEvidence && !w.seen[key] {
			w.seen[key] = true
			e.Values = l.values(w.row)
			w.all = append(w.all, e)
		}
	}
}

// values are those of the test's field, the ones first of which it can be told that they pass it.
func (l Leaf) values(r *Row) []string {
	path, err := ParsePath(l.Field())
	if l.Field() == "" || err != nil {
		return nil
	}
	passes := func(Value) bool { return false }
	switch n := l.node.(type) {
	case *textTest:
		passes = n.value.meets
	case *jsonTest:
		passes = n.value.meets
	case *derivedTest:
		passes = n.value.meets
	case tester:
		exact := n.Exact()
		passes = func(v Value) bool {
			for _, e := range exact {
				if bytes.EqualFold(v.Text, []byte(e)) {
					return true
				}
			}
			return false
		}
	}
	var passing, others []string
	path.Each(r, func(v Value) bool {
		if into := &others; v.Kind != NullValue {
			if passes(v) {
				into = &passing
			}
			if len(*into) < maxValues {
				*into = append(*into, shown(v.Text))
			}
		}
		return len(passing) < maxValues
	})
	all := append(passing, others...)
	return all[:min(len(all), maxValues)]
}

// shown is a text as people may see it: UTF-8, and not too long.
func shown(b []byte) string {
	more := ""
	if cut := maxShown; len(b) > cut {
		for cut > 0 && !utf8.RuneStart(b[cut]) {
			cut--
		}
		b, more = b[:cut], "…"
	}
	return strings.ToValidUTF8(string(b), "\ufffd") + more
}
