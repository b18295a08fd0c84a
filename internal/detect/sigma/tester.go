package sigma

import (
	"bytes"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"annals.dev/internal/match"
)

// anyOf is the test whether any value of a field is what any of some alternatives asks for.
type anyOf struct {
	path  *match.Path
	cased bool
	key   string

	exact    []string // whole texts, folded if case does not matter
	numbers  bool     // some of them were numbers
	globs    []string // what has wildcards, as rules write it
	patterns []pattern
	others   []alternative
}

func (t *anyOf) empty() bool { return len(t.exact)+len(t.globs)+len(t.others) == 0 }

// alternative is something else that a value may be.
type alternative interface {
	meets(v match.Value) bool
	print() string
}

func (t *anyOf) Key() string   { return t.key }
func (t *anyOf) Field() string { return t.path.Name() }
func (t *anyOf) Exact() []string {
	if len(t.patterns) > 0 || len(t.others) > 0 {
		return nil
	}
	return t.exact
}

func (t *anyOf) Test(r *match.Row) bool {
	var buf [512]byte
	met := false
	t.path.Each(r, func(v match.Value) bool {
		met = v.Kind != match.NullValue && t.meets(v, buf[:0])
		return !met
	})
	return met
}

func (t *anyOf) meets(v match.Value, buf []byte) bool {
	b := v.Text
	if len(t.exact) > 0 || len(t.patterns) > 0 {
		if !t.cased {
			b = appendFolded(buf, b)
		}
		for _, e := range t.exact {
			if string(b) == e {
				return true
			}
		}
		if t.numbers && v.Kind == match.NumberValue && bytes.ContainsAny(b, ".eE") {
			if n := canonical(string(b)); slices.Contains(t.exact, n) {
				return true
			}
		}
		for i := range t.patterns {
			if t.patterns[i].matches(b) {
				return true
			}
		}
	}
	for _, o := range t.others {
		if o.meets(v) {
			return true
		}
	}
	return false
}

// canonical is a number in one form.
func canonical(number string) string {
	if _, err := strconv.ParseInt(number, 10, 64); err == nil {
		return number
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return number
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// expression is a regular expression, found anywhere in the text.
type expression struct{ *regexp.Regexp }

func (x expression) meets(v match.Value) bool { return x.Match(v.Text) }
func (x expression) print() string            { return "re " + strconv.Quote(x.String()) }

// network is a CIDR.
type network struct{ netip.Prefix }

func (n network) meets(v match.Value) bool {
	addr, err := netip.ParseAddr(string(v.Text))
	return err == nil && n.Contains(addr.Unmap().WithZone(""))
}
func (n network) print() string { return "cidr " + n.Prefix.String() }

// comparison is lt, lte, gt or gte, and a number.
type comparison struct {
	op string
	n  float64
}

func (c comparison) meets(v match.Value) bool {
	if v.Kind != match.NumberValue && v.Kind != match.StringValue {
		return false
	}
	f, err := strconv.ParseFloat(string(v.Text), 64)
	return err == nil && c.holds(f)
}

func (c comparison) holds(f float64) bool {
	switch c.op {
	case "lt":
		return f < c.n
	case "lte":
		return f <= c.n
	case "gt":
		return f > c.n
	case "gte":
		return f >= c.n
	}
	return f == c.n
}

func (c comparison) print() string {
	return strings.TrimPrefix(c.op+" ", " ") + strconv.FormatFloat(c.n, 'f', -1, 64)
}

// part is a comparison with a part of a time.
type part struct {
	name string
	comparison
}

func (p part) meets(v match.Value) bool {
	t, ok := readTime(v)
	if !ok {
		return false
	}
	n := 0
	switch p.name {
	case "minute":
		n = t.Minute()
	case "hour":
		n = t.Hour()
	case "day":
		n = t.Day()
	case "week":
		_, n = t.ISOWeek()
	case "month":
		n = int(t.Month())
	case "year":
		n = t.Year()
	}
	return p.holds(float64(n))
}

func (p part) print() string { return p.name + " " + p.comparison.print() }

// exists is the test whether a field is there, whatever its value.
type exists struct{ path *match.Path }

func (t exists) Key() string     { return t.path.Name() + "|exists: true" }
func (t exists) Field() string   { return t.path.Name() }
func (t exists) Exact() []string { return nil }
func (t exists) Test(r *match.Row) bool {
	there := false
	t.path.Each(r, func(match.Value) bool {
		there = true
		return false
	})
	return there
}

// filled is the test whether a field has a value other than null and the empty text. What is not is null to a rule.
type filled struct{ path *match.Path }

func (t filled) Key() string     { return "not " + t.path.Name() + ": null" }
func (t filled) Field() string   { return t.path.Name() }
func (t filled) Exact() []string { return nil }
func (t filled) Test(r *match.Row) bool {
	some := false
	t.path.Each(r, func(v match.Value) bool {
		some = v.Kind != match.NullValue && len(v.Text) > 0
		return !some
	})
	return some
}

// reference is the test whether a value of one field is, begins with, ends with or contains a value of another.
type reference struct {
	path, other *match.Path
	how         string // "", startswith, endswith, contains
	cased       bool
}

func (t reference) Key() string {
	mods := "|fieldref"
	if t.how != "" {
		mods += "|" + t.how
	}
	if t.cased {
		mods += "|cased"
	}
	return t.path.Name() + mods + ": " + t.other.Name()
}
func (reference) Field() string   { return "" }
func (reference) Exact() []string { return nil }

func (t reference) Test(r *match.Row) bool {
	fold := func(b []byte) []byte {
		if t.cased {
			return bytes.Clone(b)
		}
		return appendFolded(nil, b)
	}
	var others [][]byte
	t.other.Each(r, func(v match.Value) bool {
		if v.Kind != match.NullValue && len(v.Text) > 0 {
			others = append(others, fold(v.Text))
		}
		return len(others) < 1000
	})
	met := false
	t.path.Each(r, func(v match.Value) bool {
		if v.Kind == match.NullValue {
			return true
		}
		b := fold(v.Text)
		met = slices.ContainsFunc(others, func(o []byte) bool {
			switch t.how {
			case "startswith":
				return bytes.HasPrefix(b, o)
			case "endswith":
				return bytes.HasSuffix(b, o)
			case "contains":
				return bytes.Contains(b, o)
			}
			return bytes.Equal(b, o)
		})
		return !met
	})
	return met
}

// never is the test of what no event has.
type never struct{ key, field string }

func (t never) Key() string          { return t.key }
func (t never) Field() string        { return t.field }
func (never) Exact() []string        { return nil }
func (never) Test(r *match.Row) bool { return false }
