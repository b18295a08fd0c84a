package falco

import (
	"bytes"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"

	"annals.dev/audit"
	"annals.dev/internal/match"
)

// tester is a check that is bound.
type tester struct {
	key, field string
	exact      []string
	literals   []string
	test       func(v *audit.View) bool
	source     *source
	check      *check
}

func (t *tester) Test(r *match.Row) bool { return t.test(r.View) }
func (t *tester) Key() string            { return t.key }
func (t *tester) Field() string          { return t.field }
func (t *tester) Exact() []string        { return t.exact }
func (t *tester) Literals() []string     { return t.literals }

// compile makes a test of a check. An absent field passes no test, != neither.
func (b binder) compile(c *check) (*tester, error) {
	left, err := b.bind(c.left)
	if err != nil {
		return nil, err
	}
	t := &tester{source: left, check: c}
	if d := left.def; d != nil {
		t.field = fieldOf(d, left.arg)
	}
	if c.op == "exists" {
		t.key = "falco:" + left.key + " exists"
		t.test = func(v *audit.View) bool { return len(left.values(v)) > 0 }
		if left.text != nil {
			t.test = func(v *audit.View) bool { return left.text(v) != nil && v.AuditID != nil }
		}
		if constant(t) == match.Yes {
			t.test = func(*audit.View) bool { return true }
		}
		return t, nil
	}
	if err := fits(c, left); err != nil {
		return nil, err
	}
	if c.right != nil {
		return t, b.compileBoth(t, c, left)
	}
	op, mod, values := c.op, c.mod, slices.Clone(c.values)
	if op == "=" && mod == "" {
		op = "in" // of one
	}
	if op == "intersects" && !left.list {
		op = "in"
	}
	if op == "=" && mod == "anyof" {
		op, mod = "in", ""
	}
	if op == "in" || op == "intersects" || op == "pmatch" {
		slices.Sort(values)
		values = slices.Compact(values)
	}
	var keys []string
	for _, v := range values {
		keys = append(keys, quote(v))
	}
	t.key = strings.TrimSpace("falco:" + left.key + " " + op + " " + mod)
	t.key += " (" + strings.Join(keys, ",") + ")"
	switch {
	case left.number:
		t.test, err = numbers(left, op, values)
	case op == "in" || op == "intersects":
		t.test = membership(left, op, values)
		if left.def != nil && left.def.exact && t.field != "" && !slices.ContainsFunc(values, unlike) {
			t.exact = values
		}
	default:
		t.test, err = comparison(left, op, mod, values)
		if left.def != nil && left.def.exact && left.text != nil && slices.Contains([]string{"contains", "icontains", "startswith", "endswith"}, op) {
			t.literals = values
		}
	}
	if constant(t) == match.No { // jevt.rawtime = 0, with which rules are switched off
		t.test = func(v *audit.View) bool { return v.Time == 0 }
	}
	return t, err
}

// fits says whether the operator is one for what is compared.
func fits(c *check, left *source) error {
	switch {
	case c.op == "bcontains" || c.op == "bstartswith":
		return fmt.Errorf("%s compares bytes, and %s is text", c.op, text(c.left))
	case left.list && c.op != "in" && c.op != "intersects":
		return fmt.Errorf("%s has several values: only exists, in and intersects compare it, not %s", text(c.left), c.op)
	case left.number && !slices.Contains([]string{"=", "!=", "<", "<=", ">", ">=", "in", "intersects"}, c.op):
		return fmt.Errorf("%s is a number, which %s does not compare", text(c.left), c.op)
	}
	return nil
}

// fieldOf is the event's path that a field reads.
func fieldOf(d *definition, arg selection) string {
	path := d.path
	if strings.HasSuffix(d.name, ".value") {
		path = strings.Join(keysOf(arg.key), ".")
		if strings.Contains(path, "annotations.") || strings.ContainsAny(path, "0123456789") && strings.Contains(path, "Object.") {
			return "" // an index, or a key that holds dots
		}
	}
	if path == "" {
		return ""
	}
	p, err := match.ParsePath(path)
	if err != nil || p.Name() == "time" || p.Name() == "requestReceivedTimestamp" {
		return ""
	}
	return p.Name()
}

// unlike says whether a value could be of a field that has no such text: one that is empty, or JSON.
func unlike(value string) bool {
	return value == "" || value == "null" || value[0] == '{' || value[0] == '['
}

// membership is in and intersects: of a list all values, or any.
func membership(s *source, op string, values []string) func(*audit.View) bool {
	if s.text != nil && len(values) == 1 {
		value, get := values[0], s.text
		return func(v *audit.View) bool {
			t := get(v)
			return t != nil && v.AuditID != nil && t.Is(value)
		}
	}
	set := make(map[string]bool, len(values))
	for _, v := range values {
		set[v] = true
	}
	if get := s.text; get != nil {
		return func(v *audit.View) bool {
			t := get(v)
			if t == nil || v.AuditID == nil {
				return false
			}
			if t.Plain() {
				return set[string(t)]
			}
			return set[t.String()]
		}
	}
	return func(v *audit.View) bool {
		found := s.values(v)
		for _, value := range found {
			if in := set[string(value)]; in != (op == "in") {
				return in
			}
		}
		return len(found) > 0 && op == "in"
	}
}

// comparison is of one text with each of the values.
func comparison(s *source, op, mod string, values []string) (func(*audit.View) bool, error) {
	tests := make([]func([]byte) bool, len(values))
	for i, v := range values {
		var err error
		if tests[i], err = comparer(op, v); err != nil {
			return nil, err
		}
	}
	decide := func(value []byte) bool {
		passed := 0
		for _, test := range tests {
			if test(value) {
				passed++
			}
		}
		switch mod {
		case "oneof":
			return passed == 1
		case "allof":
			return passed == len(tests)
		}
		return passed > 0
	}
	if get := s.text; get != nil {
		return func(v *audit.View) bool {
			t := get(v)
			return t != nil && v.AuditID != nil && decide(t.Decode(nil))
		}, nil
	}
	return func(v *audit.View) bool {
		found := s.values(v)
		return len(found) > 0 && decide(found[0])
	}, nil
}

func comparer(op, value string) (func([]byte) bool, error) {
	b := []byte(value)
	switch op {
	case "=":
		return func(s []byte) bool { return bytes.Equal(s, b) }, nil
	case "!=":
		return func(s []byte) bool { return !bytes.Equal(s, b) }, nil
	case "<":
		return func(s []byte) bool { return bytes.Compare(s, b) < 0 }, nil
	case "<=":
		return func(s []byte) bool { return bytes.Compare(s, b) <= 0 }, nil
	case ">":
		return func(s []byte) bool { return bytes.Compare(s, b) > 0 }, nil
	case ">=":
		return func(s []byte) bool { return bytes.Compare(s, b) >= 0 }, nil
	case "contains":
		return func(s []byte) bool { return bytes.Contains(s, b) }, nil
	case "icontains":
		b = lower(b)
		return func(s []byte) bool { return bytes.Contains(lower(s), b) }, nil
	case "startswith":
		return func(s []byte) bool { return bytes.HasPrefix(s, b) }, nil
	case "endswith":
		return func(s []byte) bool { return bytes.HasSuffix(s, b) }, nil
	case "glob":
		return func(s []byte) bool { return glob(value, s, false) }, nil
	case "iglob":
		return func(s []byte) bool { return glob(value, s, true) }, nil
	case "regex":
		r, err := regexp.Compile(`\A(?:` + value + `)\z`)
		if err != nil {
			return nil, fmt.Errorf("the regular expression %q: %w", value, err)
		}
		return r.Match, nil
	case "pmatch":
		return prefixed(value), nil
	case "in", "intersects":
		return func(s []byte) bool { return bytes.Equal(s, b) }, nil
	}
	return nil, fmt.Errorf("%s is no operator", op)
}

// compileBoth compares with what another operand has.
func (b binder) compileBoth(t *tester, c *check, left *source) error {
	right, err := b.bind(c.right)
	if err != nil {
		return err
	}
	setwise := c.op == "in" || c.op == "intersects"
	switch {
	case right.list && !setwise:
		return fmt.Errorf("%s has several values: %s compares with one", text(c.right), c.op)
	case left.number != right.number:
		return fmt.Errorf("%s cannot be compared with %s: one is a number, the other a text", text(c.left), text(c.right))
	}
	op := c.op
	t.key = "falco:" + left.key + " " + op + " val(" + right.key + ")"
	t.test = func(v *audit.View) bool {
		have, want := left.values(v), right.values(v)
		if len(have) == 0 || len(want) == 0 {
			return false
		}
		var values []string
		for _, w := range want {
			values = append(values, string(w))
		}
		fixed := &source{list: left.list, number: left.number, get: func(*audit.View) [][]byte { return have }}
		var test func(*audit.View) bool
		switch {
		case left.number:
			test, err := numbers(fixed, op, values)
			return err == nil && test(v)
		case setwise:
			test = membership(fixed, op, values)
		default:
			var err error
			if test, err = comparison(fixed, op, "", values); err != nil {
				return false // a text of the event that is no regular expression
			}
		}
		return test(v)
	}
	return nil
}

// numbers compares as numbers, of any size.
func numbers(s *source, op string, values []string) (func(*audit.View) bool, error) {
	want := make([]*big.Int, len(values))
	for i, v := range values {
		n, ok := new(big.Int).SetString(v, 0)
		if !ok || n.Sign() < 0 {
			return nil, fmt.Errorf("%q is no whole number from 0", v)
		}
		want[i] = n
	}
	return func(v *audit.View) bool {
		found := s.values(v)
		if len(found) == 0 {
			return false
		}
		have, ok := new(big.Int).SetString(string(found[0]), 10)
		return ok && slices.ContainsFunc(want, func(w *big.Int) bool {
			c := have.Cmp(w)
			switch op {
			case "!=":
				return c != 0
			case "<":
				return c < 0
			case "<=":
				return c <= 0
			case ">":
				return c > 0
			case ">=":
				return c >= 0
			}
			return c == 0
		})
	}, nil
}
