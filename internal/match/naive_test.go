package match

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// naive evaluates a predicate the plain way: the event unmarshalled, its words found by regular expressions.
type naive struct {
	row   *Row
	event map[string]any
}

func newNaive(r *Row) *naive {
	n := &naive{row: r}
	d := json.NewDecoder(bytes.NewReader(r.View.Raw))
	d.UseNumber()
	if err := d.Decode(&n.event); err != nil {
		panic(err)
	}
	return n
}

func (n *naive) eval(p node) bool {
	switch p := p.(type) {
	case and:
		for _, c := range p {
			if !n.eval(c) {
				return false
			}
		}
		return true
	case or:
		return slices.ContainsFunc(p, n.eval)
	case not:
		return !n.eval(p.node)
	case *textTest:
		path := strings.SplitN(p.field.name, ".", 2)
		switch p.field.name {
		case "cluster":
			return n.value(&p.value, n.row.Cluster)
		case "origin":
			return n.value(&p.value, n.row.Origin)
		}
		return slices.ContainsFunc(at(n.event, path, true), func(v any) bool {
			s, ok := v.(string)
			return ok && n.value(&p.value, s)
		})
	case *jsonTest:
		path := append(strings.Split(p.field.name, "."), p.path...)
		if p.field.name == "ip" || p.field.name == "peer" {
			path = []string{"sourceIPs"}
		}
		event := n.event
		if ips, ok := n.event["sourceIPs"].([]any); ok && p.field.name == "peer" {
			event = map[string]any{"sourceIPs": ips[max(0, len(ips)-1):]}
		}
		return slices.ContainsFunc(at(event, path, true), func(v any) bool {
			if _, isString := v.(string); !isString && !p.field.object {
				return false
			}
			return n.value(&p.value, v)
		})
	case *numberTest:
		v, ok := p.field.number(n.row)
		return ok && v >= p.from && v <= p.to
	case *enumTest:
		return p.field.is(n.row, p.field.names[p.name])
	case *derivedTest:
		return p.match(n.row)
	case *phrase:
		return slices.ContainsFunc(n.text(), func(s string) bool { return naivePhrase(p, s) })
	}
	panic(fmt.Sprintf("%T", p))
}

// at is all that the path leads to; an array stands for its elements.
func at(v any, path []string, top bool) (out []any) {
	if list, ok := v.([]any); ok {
		for _, e := range list {
			out = append(out, at(e, path, false)...)
		}
		return out
	}
	if len(path) == 0 {
		return []any{v}
	}
	if m, ok := v.(map[string]any); ok && (m[path[0]] != nil) {
		return at(m[path[0]], path[1:], false)
	}
	return nil
}

func (n *naive) value(v *value, x any) bool {
	switch x := x.(type) {
	case nil:
		return false
	case map[string]any:
		return v.any()
	case string:
		if x == "" || v.op != "" {
			return false
		}
		if v.net.IsValid() {
			a, err := netip.ParseAddr(x)
			return err == nil && v.net.Contains(a.Unmap())
		}
		return naivePattern(v, x)
	case json.Number:
		if v.op != "" {
			f, _ := x.Float64()
			return map[string]bool{"<": f < v.num, "<=": f <= v.num, ">": f > v.num, ">=": f >= v.num}[v.op]
		}
		return naivePattern(v, x.String())
	}
	return v.op == "" && !v.net.IsValid() && naivePattern(v, fmt.Sprint(x))
}

func naivePattern(v *value, s string) bool {
	var parts []string
	for _, p := range v.parts {
		parts = append(parts, regexp.QuoteMeta(string(p)))
	}
	return regexp.MustCompile(`(?s)\A` + strings.Join(parts, ".*") + `\z`).MatchString(s)
}

// text is the searchable text as strings that no phrase runs across.
func (n *naive) text() (out []string) {
	for name, v := range n.event {
		switch name {
		case "auditID", "requestReceivedTimestamp", "stageTimestamp", "kind", "apiVersion":
		case "user", "objectRef":
			for _, member := range v.(map[string]any) {
				out = flat(member, out)
			}
		default:
			out = flat(v, out)
		}
	}
	return out
}

func flat(v any, out []string) []string {
	switch v := v.(type) {
	case map[string]any:
		for key, member := range v {
			out = flat(member, append(out, key))
		}
	case []any:
		for _, e := range v {
			out = flat(e, out)
		}
	case string:
		out = append(out, v)
	case nil:
		out = append(out, "null")
	default:
		out = append(out, fmt.Sprint(v))
	}
	return out
}

var (
	escapes  = regexp.MustCompile(`\\+(["/ntrbf]|u[0-9a-fA-F]{4})`)
	wordOnly = regexp.MustCompile("[0-9A-Za-z_\u0080-\U0010ffff]+")
	uuidOnly = regexp.MustCompile("(^|[^0-9A-Za-z_\u0080-\U0010ffff])([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})($|[^0-9A-Za-z_\u0080-\U0010ffff])")
)

func naiveWords(s string) []string {
	s = escapes.ReplaceAllStringFunc(s, func(e string) string {
		e = strings.TrimLeft(e, `\`)
		if e[0] != 'u' {
			return " "
		}
		var r rune
		fmt.Sscanf(e[1:], "%x", &r)
		if r < utf8.RuneSelf && fold[r] <= backslash && r != '-' {
			return " "
		}
		return string(r)
	})
	s = strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
	// A word for a UUID in this test: its dashes become something that no text has.
	for uuidOnly.MatchString(s) {
		s = uuidOnly.ReplaceAllString(s, "${1}${2}\U0010fffe${3}\U0010fffe${4}\U0010fffe${5}\U0010fffe${6}${7}")
	}
	words := wordOnly.FindAllString(s, -1)
	for i := range words {
		words[i] = strings.ReplaceAll(words[i], "\U0010fffe", "-")
	}
	return words
}

func naivePhrase(p *phrase, s string) bool {
	words := naiveWords(s)
	for i := 0; i+len(p.words) <= len(words); i++ {
		hit := true
		for j, want := range p.words {
			if p.prefix && j == len(p.words)-1 {
				hit = hit && strings.HasPrefix(words[i+j], string(want))
			} else {
				hit = hit && words[i+j] == string(want)
			}
		}
		if hit {
			return true
		}
	}
	return false
}
