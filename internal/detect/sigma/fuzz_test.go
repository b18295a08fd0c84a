package sigma

import (
	"strings"
	"testing"

	"annals.dev/internal/detect"
)

// FuzzParse: whatever a file holds, reading it ends, each rule that is used can be asked, and each problem says where it is.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		base, filtered, ruleText("verb|contains|all: [a, b]"), ruleText("user.username|expand: '%admins%'"), ruleText("- a\n- b: c"),
		ruleText("requestURI|re|i: 'a.*b'\nsourceIPs|cidr: 10.0.0.0/8\ntime|hour|gte: 19\ncode|lt: 400"),
		ruleText("userAgent|windash|base64offset|contains: ' -e'\nuserAgent|wide: a\nns|exists: false\nname: null"),
		ruleText("user.username|fieldref|neq: objectRef.name"),
		base + "title: C\ncorrelation: {type: temporal, rules: [denied, secret_read], group-by: [w], aliases: {w: {denied: as, secret_read: user}}, timespan: 5m, condition: denied and not secret_read}\n",
		filtered + "title: F\nlogsource: {product: kubernetes}\nfilter: {rules: any, a: {verb: x}, condition: not a}\n",
		"action: global\nlevel: low\n---\ntitle: t\nsearch: verb:get\n---\naction: repeat\ntitle: u\n",
		"a: &a [*a, *a]\n<<: {b: c}\n", "title: t\ndetection: {a: {b: c}, condition: 2 of them and (not 1 of a*)}\n",
		strings.Repeat("[", 1000), strings.Repeat("- ", 1000), "? a\n: b\n", "title: !!binary aGk=\ndetection: {a: {b: !!float x}, condition: [a, {}]}\n",
	} {
		f.Add(s)
	}
	event := row(f, `{"level":"Request","verb":"get","requestURI":"/api/v1/x?a=b","user":{"username":"eve","groups":["a","b"]},"sourceIPs":["10.1.2.3"],"userAgent":"curl -e \u0000",`+
		`"objectRef":{"resource":"pods","name":"eve"},"responseStatus":{"code":403},"stageTimestamp":"2026-11-21T10:05:59.000000Z","requestObject":{"a":null,"b":[{"c":"\\u00e9"}]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<16 {
			t.Skip()
		}
		rules, problems := parseText(text, testPlaceholders)
		for _, r := range rules {
			if r.ID == "" || r.Version == "" || (r.Where == nil) == (r.Correlation == nil) {
				t.Fatalf("%+v", r)
			}
			if r.Where != nil {
				r.Where.Match(event)
			}
		}
		lines := strings.Count(text, "\n") + 1
		for _, p := range problems {
			if p.Message == "" || p.Line < 1 || p.Line > lines || p.File == "" || p.Kind != failure && p.Kind != warning && p.Kind != note {
				t.Fatalf("%+v in %d lines", p, lines)
			}
		}
		again, _ := Parse([]detect.File{{Name: "rules.yml", Data: []byte(text)}}, Options{Placeholders: testPlaceholders})
		for i := range again {
			if again[i].Version != rules[i].Version {
				t.Fatalf("%s has two versions", again[i].ID)
			}
		}
	})
}

// FuzzPattern holds patterns to a plain way of matching them.
func FuzzPattern(f *testing.F) {
	f.Add("a*b?c", "aXbYc")
	f.Add("*ab*ab", "abab")
	f.Add("?é*", "xéy")
	f.Fuzz(func(t *testing.T, s, text string) {
		if len(s) > 20 || len(text) > 40 {
			t.Skip()
		}
		s, text = strings.ToValidUTF8(s, ""), strings.ToValidUTF8(text, "")
		tokens := scan(s, false)
		p := compile(tokens)
		if got, want := p.matches([]byte(text)), plainly(tokens, text); got != want {
			t.Errorf("%q matches %q: %v, want %v", s, text, got, want)
		}
		again := compile(scan(written(tokens), false))
		if again.matches([]byte(text)) != p.matches([]byte(text)) {
			t.Errorf("%q is written as %q, which is another pattern", s, written(tokens))
		}
	})
}

// plainly matches by trying everything.
func plainly(tokens []token, text string) bool {
	if len(tokens) == 0 {
		return text == ""
	}
	switch t := tokens[0]; t.kind {
	case anyToken:
		for i := range len(text) + 1 {
			if plainly(tokens[1:], text[i:]) {
				return true
			}
		}
		return false
	case oneToken:
		for i := range text {
			if i > 0 {
				return plainly(tokens[1:], text[i:])
			}
		}
		return text != "" && plainly(tokens[1:], "")
	default:
		return strings.HasPrefix(text, t.text) && plainly(tokens[1:], text[len(t.text):])
	}
}
