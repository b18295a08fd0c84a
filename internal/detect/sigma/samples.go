package sigma

import (
	"strconv"
	"strings"

	"annals.dev/internal/match"
)

// Samples are values that pass the test, for those who reason about rules; of what cannot be told there is none.
func (t *anyOf) Samples() (all []string) {
	all = append(all, t.exact...)
	for _, g := range t.globs {
		var b strings.Builder
		for _, k := range scan(g, false) {
			switch k.kind {
			case textToken:
				b.WriteString(k.text)
			default:
				b.WriteByte('x')
			}
		}
		all = append(all, b.String())
	}
	for _, o := range t.others {
		switch o := o.(type) {
		case expression:
			if s, ok := match.RegexpSample(o.String()); ok {
				all = append(all, s)
			}
		case network:
			all = append(all, o.Addr().String())
		case comparison:
			n := o.n
			switch o.op {
			case "lt":
				n--
			case "gt":
				n++
			}
			all = append(all, strconv.FormatFloat(n, 'f', -1, 64))
		}
	}
	return all
}

// Samples are any value.
func (*exists) Samples() []string { return []string{"x"} }

// Samples are any value but the empty one.
func (*filled) Samples() []string { return []string{"x"} }

// Samples are none: no value passes.
func (never) Samples() []string { return []string{} }
