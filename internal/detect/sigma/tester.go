package sigma

import (
	"bytes"
	"cmp"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"annals.dev/internal/match"
)

// anyOf is the test whether any value of a field is what any of some alternatives asks for.
type anyOf struct {
	path  *match.Path
	cased bool
	key   string

	exact    []string // whole texts in order, folded if case does not matter
	plain    bool     // they are ASCII
	numeric  bool     // one of them is a number, that an event may write in another way
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
	if len(t.patterns) > 0 || len(t.others) > 0 || t.numeric {
		return nil
	}
	return t.exact
}

func (t *anyOf) Test(r *match.Row) bool { return anyValue(t.path, r, t) }

func (t *anyOf) takes(v match.Value, buf *[]byte) bool {
	if v.Kind == match.NullValue {
		return false
	}
	if t.isExact(v.Text, buf) {
		return true
	}
	if v.Kind == match.NumberValue && bytes.ContainsAny(v.Text, ".eE") && slices.Contains(t.exact, canonical(string(v.Text))) {
		return true
	}
	if len(t.patterns) > 0 {
		b := v.Text
		if !t.cased {
			*buf = appendFolded((*buf)[:0], b)
			b = *buf
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

// isExact says whether a text is one of the whole ones. Only ASCII is as long when it is folded.
func (t *anyOf) isExact(b []byte, buf *[]byte) bool {
	if len(t.exact) == 0 {
		return false
	}
	if t.cased {
		_, is := slices.BinarySearchFunc(t.exact, b, func(e string, b []byte) int { return cmp.Compare(e, string(b)) })
		return is
	}
	if len(t.exact) > 8 || !t.plain {
		*buf = appendFolded((*buf)[:0], b)
		_, is := slices.BinarySearchFunc(t.exact, *buf, func(e string, b []byte) int { return cmp.Compare(e, string(b)) })
		return is
	}
next:
	for _, e := range t.exact {
		if len(e) != len(b) {
			continue
		}
		for i := range b {
			c := b[i]
			if c >= 'A' && c <= 'Z' {
				c += 'a' - 'A'
			}
			if c != e[i] {
				continue next
			}
		}
		return true
	}
	return false
}

// asked is a test of one value.
type asked interface {
	takes(v match.Value, buf *[]byte) bool
}

// probe asks the values of a path, with memory that is used again.
type probe struct {
	test asked
	met  bool
	buf  []byte
	each func(match.Value) bool
}

var probes = sync.Pool{New: func() any {
	p := new(probe)
	p.each = func(v match.Value) bool {
		p.met = p.test.takes(v, &p.buf)
		return !p.met
	}
	return p
}}

// anyValue says whether any value passes a test.
func anyValue(path *match.Path, r *match.Row, test asked) bool {
	p := probes.Get().(*probe)
	p.test, p.met = test, false
	path.Each(r, p.each)
	met := p.met
	p.test = nil
	probes.Put(p)
	return met
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

func (t *exists) Key() string                   { return t.path.Name() + "|exists: true" }
func (t *exists) Field() string                 { return t.path.Name() }
func (t *exists) Exact() []string               { return nil }
func (t *exists) Test(r *match.Row) bool        { return anyValue(t.path, r, t) }
func (*exists) takes(match.Value, *[]byte) bool { return true }

// filled is the test whether a field has a value other than null and the empty text. What is not is null to a rule.
type filled struct{ path *match.Path }

func (t *filled) Key() string            { return "not " + t.path.Name() + ": null" }
func (t *filled) Field() string          { return t.path.Name() }
func (t *filled) Exact() []string        { return nil }
func (t *filled) Test(r *match.Row) bool { return anyValue(t.path, r, t) }
func (*filled) takes(v match.Value, _ *[]byte) bool {
	return v.Kind != match.NullValue && len(v.Text) > 0
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
