package sigma

import (
	"fmt"
	"net/netip"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"annals.dev/internal/match"
)

// alternatives adds what a value asks for to a test.
func (it *item) alternatives(t *anyOf, n *yaml.Node) error {
	m := it.mods
	t.cased = m.cased
	isString := n.Tag == "!!str" || n.Tag == "!!timestamp" || n.Tag == "!!binary"
	switch {
	case n.Tag == "!!int" || n.Tag == "!!float":
		if m.where != "" || len(m.chain) > 0 || m.re || m.cidr || m.cased || m.expand {
			return fmt.Errorf("%s is for text, and %s is a number; put it in quotes", m.names[0], n.Value)
		}
	case n.Tag == "!!bool":
		if len(m.names) > 0 && !(len(m.names) == 1 && (m.neq || m.all)) {
			return fmt.Errorf("%s is for text and numbers, and %s is neither", m.names[0], n.Value)
		}
	case !isString:
		return fmt.Errorf("%q is no text, number, boolean or null", n.Value)
	}
	values, err := it.expand(n)
	if err != nil {
		return err
	}
	for _, v := range values {
		if err := it.alternative(t, n, v); err != nil {
			return err
		}
	}
	return nil
}

// alternative adds one text, whose placeholders have been replaced.
func (it *item) alternative(t *anyOf, n *yaml.Node, tokens []token) error {
	m := it.mods
	raw := n.Value
	if m.expand {
		raw = written(tokens)
	}
	switch {
	case m.compare != "" || m.part != "":
		if n.Tag == "!!str" && !m.expand {
			return fmt.Errorf("%s wants a number, and %q is text; leave the quotes out", m.names[0], raw)
		}
		f, err := number(raw)
		if err != nil {
			return fmt.Errorf("%s wants a number, and %q is none", m.names[0], raw)
		}
		c := comparison{m.compare, f}
		if m.part == "" {
			t.others = append(t.others, c)
			return nil
		}
		if least, most := bounds(m.part); f < least || f > most || f != float64(int(f)) {
			return fmt.Errorf("%s is a number from %v to %v, not %s", m.part, least, most, raw)
		}
		t.others = append(t.others, part{m.part, c})
		return nil
	case m.cidr:
		p, err := netip.ParsePrefix(raw)
		if err != nil {
			addr, err := netip.ParseAddr(raw)
			if err != nil || addr.Zone() != "" {
				return fmt.Errorf("%q is no network; write one like 10.0.0.0/8 or fd00::/8", raw)
			}
			p = netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen())
		}
		if p.Addr().Is4In6() {
			return fmt.Errorf("write the network %q as IPv4", raw)
		}
		t.others = append(t.others, network{p.Masked()})
		return nil
	case m.re:
		x, err := it.compile(tokens)
		if err != nil {
			return err
		}
		t.others = append(t.others, x)
		return nil
	case n.Tag == "!!int" || n.Tag == "!!float":
		f, err := number(raw)
		if err != nil {
			return fmt.Errorf("%q is no number that an event could have", raw)
		}
		t.exact = append(t.exact, strconv.FormatFloat(f, 'f', -1, 64))
		if i, err := strconv.ParseInt(strings.ReplaceAll(raw, "_", ""), 0, 64); err == nil {
			t.exact[len(t.exact)-1] = strconv.FormatInt(i, 10)
		}
		return nil
	case n.Tag == "!!bool":
		t.exact = append(t.exact, strings.ToLower(raw))
		return nil
	}
	all, err := m.transform(tokens)
	if err != nil {
		return err
	}
	for _, tokens := range all {
		if !m.cased {
			tokens = fold(tokens)
		}
		if s, ok := literal(tokens); ok {
			t.exact = append(t.exact, s)
		} else {
			t.globs = append(t.globs, written(merge(tokens)))
		}
	}
	return it.spend(len(all))
}

// finish gives a test its key: the same for equal tests.
func (it *item) finish(t *anyOf) *expr {
	t.path = it.path
	if t.empty() {
		return leaf(never{it.path.Name() + ": ()", it.path.Name()})
	}
	t.exact, t.globs = unique(t.exact), unique(t.globs)
	var values []string
	t.plain = !slices.ContainsFunc(t.exact, func(e string) bool { return strings.IndexFunc(e, func(r rune) bool { return r >= utf8.RuneSelf }) >= 0 })
	for _, e := range t.exact {
		_, err := strconv.ParseFloat(e, 64)
		t.numeric = t.numeric || err == nil && t.path.Name() != "responseStatus.code"
		values = append(values, quote(written([]token{{textToken, e}})))
	}
	for _, g := range t.globs {
		t.patterns = append(t.patterns, compile(scan(g, false)))
		values = append(values, quote(g))
	}
	for _, o := range t.others {
		values = append(values, o.print())
	}
	values = unique(values)
	t.key = it.path.Name()
	if t.cased {
		t.key += "|cased"
	}
	if t.key += ": "; len(values) == 1 {
		t.key += values[0]
	} else {
		t.key += "(" + strings.Join(values, ", ") + ")"
	}
	return leaf(t)
}

// maxExpression is how long a regular expression may be, in bytes.
const maxExpression = 4096

// compile makes a regular expression. What stood for placeholders is text.
func (it *item) compile(tokens []token) (expression, error) {
	m := it.mods
	var w strings.Builder
	for _, t := range tokens {
		w.WriteString(t.text)
	}
	s := w.String()
	if len(s) > maxExpression {
		return expression{}, fmt.Errorf("the regular expression has %d bytes, and may have %d; split it", len(s), maxExpression)
	}
	switch m.where {
	case "startswith":
		s = "^(?:" + s + ")"
	case "endswith":
		s = "(?:" + s + ")$"
	}
	flags := ""
	for _, f := range "ims" {
		if strings.ContainsRune(m.flags, f) {
			flags += string(f)
		}
	}
	if flags != "" {
		s = "(?" + flags + ")" + s
	}
	parsed, err := syntax.Parse(s, syntax.Perl)
	if err == nil {
		if err := it.spend(size(parsed)); err != nil {
			return expression{}, err
		}
	}
	x, err := regexp.Compile(s)
	if err != nil {
		return expression{}, fmt.Errorf("%w; write it without look-around and back references, as RE2 has it", err)
	}
	return expression{x}, nil
}

// size is about how many instructions a regular expression has: repetitions are written out.
func size(x *syntax.Regexp) int {
	n := 1 + len(x.Rune)
	for _, s := range x.Sub {
		n += size(s)
	}
	if x.Op == syntax.OpRepeat {
		n *= max(1, x.Min, x.Max)
	}
	return min(n, maxTexts+1)
}

func number(s string) (float64, error) {
	s = strings.ReplaceAll(s, "_", "")
	if i, err := strconv.ParseInt(s, 0, 64); err == nil {
		return float64(i), nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err == nil && (f != f || f-f != 0) {
		err = strconv.ErrRange
	}
	return f, err
}

func bounds(part string) (least, most float64) {
	switch part {
	case "minute":
		return 0, 59
	case "hour":
		return 0, 23
	case "day":
		return 1, 31
	case "week":
		return 1, 53
	case "month":
		return 1, 12
	}
	return 1, 9999
}

// readTime reads a time as events have it.
func readTime(v match.Value) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339Nano, string(v.Text))
	return t.UTC(), err == nil && v.Kind == match.StringValue
}

// merge joins what is next to each other, so that equal patterns are written alike.
func merge(tokens []token) (all []token) {
	for _, t := range tokens {
		switch n := len(all); {
		case n > 0 && t.kind == anyToken && all[n-1].kind == anyToken:
		case n > 0 && t.kind == textToken && all[n-1].kind == textToken:
			all[n-1].text += t.text
		default:
			all = append(all, t)
		}
	}
	return all
}
