package sigma

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"

	"annals.dev/internal/spell"
)

// modifiers are what may follow a field's name.
type modifiers struct {
	all, neq, cased, exists, fieldref, cidr, expand, re bool

	flags   string   // of re: i, m, s
	where   string   // startswith, endswith, contains
	compare string   // lt, lte, gt, gte
	part    string   // minute, hour, day, week, month, year
	chain   []string // what changes the text, in its order: windash, wide, base64, …
	names   []string // as they were written
}

const known = "all, contains, startswith, endswith, exists, cased, neq, windash, re (i, m, s), base64, base64offset, utf16le, utf16be, utf16, wide, " +
	"lt, lte, gt, gte, minute, hour, day, week, month, year, cidr, expand, fieldref"

// readModifiers reads the names of modifiers. Its error says which do not go together.
func readModifiers(names []string) (m modifiers, err error) {
	m.names = names
	once := func(field *string, name string) {
		if *field != "" && *field != name {
			err = fmt.Errorf("%s and %s exclude each other; leave one of them out", *field, name)
		}
		*field = name
	}
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return m, fmt.Errorf("modifier %s stands twice; leave one of them out", name)
		}
		switch name {
		case "all":
			m.all = true
		case "neq":
			m.neq = true
		case "cased":
			m.cased = true
		case "exists":
			m.exists = true
		case "fieldref":
			m.fieldref = true
		case "cidr":
			m.cidr = true
		case "expand":
			m.expand = true
		case "re":
			m.re = true
		case "i", "ignorecase", "m", "multiline", "s", "dotall":
			if !m.re {
				return m, fmt.Errorf("modifier %s is for regular expressions; write re|%s", name, name)
			}
			flag := map[string]string{"ignorecase": "i", "multiline": "m", "dotall": "s"}[name]
			if flag == "" {
				flag = name
			}
			m.flags += flag
		case "startswith", "endswith", "contains":
			once(&m.where, name)
		case "lt", "lte", "gt", "gte":
			once(&m.compare, name)
		case "minute", "hour", "day", "week", "month", "year":
			once(&m.part, name)
		case "wide":
			m.chain = append(m.chain, "utf16le")
		case "windash", "utf16le", "utf16be", "utf16":
			m.chain = append(m.chain, name)
		case "base64", "base64offset":
			if m.where != "" {
				return m, fmt.Errorf("%s stands after %s, and would encode its wildcards; write %s|%s", name, m.where, name, m.where)
			}
			m.chain = append(m.chain, name)
		default:
			return m, fmt.Errorf("unknown modifier %q; %s", name, instead(name))
		}
	}
	if err == nil {
		err = m.fit()
	}
	return m, err
}

// instead says what to write in the place of a modifier that is none.
func instead(name string) string {
	if name == "not" {
		return "write neq, or a selection of its own and not in the condition"
	}
	for _, m := range strings.FieldsFunc(known, func(r rune) bool { return r == ',' || r == ' ' || r == '(' || r == ')' }) {
		if len(m) > 2 && spell.Distance(m, name) <= 2 {
			return "did you mean " + m + "?"
		}
	}
	return "there are " + known
}

// fit says which modifiers do not go together.
func (m *modifiers) fit() error {
	has := func(names ...string) string {
		for _, n := range m.names {
			if slices.Contains(names, n) {
				return n
			}
		}
		return ""
	}
	encodings := []string{"windash", "wide", "utf16le", "utf16be", "utf16", "base64", "base64offset"}
	places := []string{"startswith", "endswith", "contains"}
	numbers := []string{"lt", "lte", "gt", "gte"}
	times := []string{"minute", "hour", "day", "week", "month", "year"}
	for _, rule := range []struct {
		is     bool
		name   string
		others []string
		remedy string
	}{
		{m.exists, "exists", slices.DeleteFunc(slices.Clone(m.names), func(n string) bool { return n == "exists" }), "write only exists, with true or false"},
		{m.re, "re", slices.Concat(encodings, numbers, times, []string{"cased", "cidr", "fieldref"}), "a regular expression says all that itself, and minds the case unless re|i"},
		{m.cidr, "cidr", slices.Concat(encodings, places, numbers, times, []string{"cased", "fieldref"}), "a network is compared as addresses"},
		{m.fieldref, "fieldref", slices.Concat(encodings, numbers, times, []string{"expand"}), "it compares two fields as they are"},
		{m.compare != "", m.compare, slices.Concat(encodings, places, []string{"cased"}), "it compares numbers"},
		{m.part != "", m.part, slices.Concat(encodings, places, []string{"cased"}), "it compares a part of a time, a number"},
	} {
		if other := has(rule.others...); rule.is && other != "" {
			return fmt.Errorf("%s and %s do not go together: %s; leave one of them out", rule.name, other, rule.remedy)
		}
	}
	return nil
}

// plain says that a text is compared as it stands.
func (m *modifiers) plain() bool {
	return m.where == "" && m.chain == nil && !m.re && !m.cidr && m.compare == "" && m.part == ""
}

// maxForms is how many texts one value may stand for.
const maxForms = 5_000

// transform makes a string's tokens what the modifiers make of it: one or several.
func (m *modifiers) transform(tokens []token) ([][]token, error) {
	all := [][]token{tokens}
	for _, name := range m.chain {
		var next [][]token
		for _, t := range all {
			made, err := change(name, t)
			if err != nil {
				return nil, err
			}
			if next = append(next, made...); len(next) > maxForms {
				return nil, fmt.Errorf("%s makes more than %d texts of one value; write fewer dashes", name, maxForms)
			}
		}
		all = next
	}
	for i := range all {
		all[i] = m.place(all[i])
	}
	return all, nil
}

// place puts wildcards around a text.
func (m *modifiers) place(tokens []token) []token {
	star := token{kind: anyToken}
	tokens = slices.Clone(tokens)
	if n := len(tokens); m.where == "startswith" || m.where == "contains" {
		if n == 0 || tokens[n-1].kind != anyToken {
			tokens = append(tokens, star)
		}
	}
	if m.where == "endswith" || m.where == "contains" {
		if len(tokens) == 0 || tokens[0].kind != anyToken {
			tokens = append([]token{star}, tokens...)
		}
	}
	return tokens
}

func change(name string, tokens []token) ([][]token, error) {
	switch name {
	case "windash":
		return dashes(tokens)
	case "base64", "base64offset":
		s, ok := literal(tokens)
		if !ok {
			return nil, fmt.Errorf("%s cannot encode wildcards; escape them with a backslash, or leave them out", name)
		}
		if name == "base64" {
			return [][]token{{{textToken, base64.StdEncoding.EncodeToString([]byte(s))}}}, nil
		}
		var all [][]token
		for offset := range 3 {
			// The first and the last characters depend on what stands around the text; those between do not.
			text := base64.StdEncoding.EncodeToString(append(make([]byte, offset), s...))
			from, to := []int{0, 2, 3}[offset], len(text)-[]int{0, 3, 2}[(len(s)+offset)%3]
			all = append(all, []token{{textToken, text[from:max(from, to)]}})
		}
		return all, nil
	}
	made := slices.Clone(tokens)
	for i, t := range made {
		if t.kind == textToken {
			made[i].text = encode16(t.text, name == "utf16be")
		}
	}
	if name == "utf16" {
		made = append([]token{{textToken, "\xff\xfe"}}, made...)
	}
	return [][]token{made}, nil
}

func encode16(s string, big bool) string {
	var w strings.Builder
	for _, u := range utf16.Encode([]rune(s)) {
		if big {
			w.Write([]byte{byte(u >> 8), byte(u)})
		} else {
			w.Write([]byte{byte(u), byte(u >> 8)})
		}
	}
	return w.String()
}

// dashes writes each - or / that begins an option in all its forms.
func dashes(tokens []token) ([][]token, error) {
	all := [][]token{nil}
	isWord := func(c byte) bool {
		return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
	}
	add := func(t token) {
		for i, a := range all {
			all[i] = append(a[:len(a):len(a)], t)
		}
	}
	for _, t := range tokens {
		if t.kind != textToken {
			add(t)
			continue
		}
		from := 0
		for i := 0; i < len(t.text); i++ {
			if c := t.text[i]; c != '-' && c != '/' || i > 0 && isWord(t.text[i-1]) || i+1 == len(t.text) || !isWord(t.text[i+1]) {
				continue
			}
			add(token{textToken, t.text[from:i]})
			var more [][]token
			for _, a := range all {
				for _, dash := range []string{"-", "/", "–", "—", "―"} {
					more = append(more, append(a[:len(a):len(a)], token{textToken, dash}))
				}
			}
			if all, from = more, i+1; len(all) > maxForms {
				return nil, fmt.Errorf("windash makes more than %d texts of one value; write fewer dashes", maxForms)
			}
		}
		add(token{textToken, t.text[from:]})
	}
	return all, nil
}
