package lint

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"annals.dev/policy"
)

// Change is one thing that Repair did.
type Change struct {
	Line  int    `json:"line"` // of the file as it was
	What  string `json:"what"`
	Guess bool   `json:"guess,omitempty"` // it could have been meant otherwise
}

// Repair gives back the policy that a mangled one once was: characters that web pages make are written plainly, fields are
// named rightly, and where the nesting is lost every line is put where a policy can have it. The result passes policy.Parse,
// or there is an error. A policy in which nothing is wrong comes back as it is, without a change.
func Repair(b []byte) ([]byte, []Change, error) {
	out, changes := normalise(b, parses(b) != nil)
	if parses(out) == nil {
		return out, changes, nil
	}
	// What the linter can mend keeps its layout.
	if fixed, done := fix("policy", out, Options{}, func(f *Finding) bool { return f.Severity == Error }); parses(fixed) == nil {
		for _, f := range done {
			changes = append(changes, Change{Line: f.Line, What: f.Today[:strings.IndexByte(f.Today+":", ':')] + ": " + f.Fix})
		}
		return fixed, changes, nil
	}
	n := nester{changes: append(changes, Change{Line: 1, What: "every line indented anew, by where its field belongs"})}
	if err := n.read(string(out)); err != nil {
		return nil, n.changes, fmt.Errorf("repairing the policy: %w", err)
	}
	out = []byte(n.text())
	if err := parses(out); err != nil {
		return nil, n.changes, fmt.Errorf("repairing the policy: put into order, it still is none: %w", err)
	}
	slices.SortStableFunc(n.changes, func(a, b Change) int { return a.Line - b.Line })
	return out, n.changes, nil
}

func parses(b []byte) error {
	_, err := policy.Parse(b, policy.Options{})
	return err
}

// normalise writes plainly what a web page or a word processor changed; tabs too, if those are in the way.
func normalise(b []byte, tabs bool) ([]byte, []Change) {
	var out strings.Builder
	first, count, line := map[string]int{}, map[string]int{}, 0
	seen := func(what string) {
		if count[what]++; count[what] == 1 {
			first[what] = line
		}
	}
	for text := range strings.Lines(string(b)) {
		line++
		if edits := odd(text); len(edits) > 0 {
			out.Write(apply([]byte(text), edits))
			for what := range kinds(edits) {
				seen(what + " written plainly")
			}
			continue
		}
		body := strings.TrimLeft(text, " \t")
		if indent := text[:len(text)-len(body)]; tabs && strings.Contains(indent, "\t") && strings.TrimSpace(body) != "" {
			seen("a tab in the indentation made two spaces")
			text = strings.ReplaceAll(indent, "\t", "  ") + body
		}
		out.WriteString(text)
	}
	var changes []Change
	for _, what := range slices.Sorted(maps.Keys(first)) {
		c := Change{Line: first[what], What: what}
		if n := count[what]; n > 1 {
			c.What += fmt.Sprintf(", on %d lines from here on", n)
		}
		changes = append(changes, c)
	}
	return []byte(out.String()), changes
}

// kinds says what sort of characters are replaced.
func kinds(edits []edit) map[string]bool {
	set := map[string]bool{}
	for _, e := range edits {
		set[typedNames[e.text]] = true
	}
	return set
}

// source is one line of a mangled policy, taken apart.
type source struct {
	number, column int // column of its first character, from 0
	dash           bool
	key, value     string // value is the entry itself if key is ""
	comment        string
	blank          bool // nothing but perhaps a comment
}

// splitComment parts a line's content from the comment behind it.
func splitComment(s string) (content, comment string) {
	var quote rune
	previous := ' '
	for i, r := range s {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case r == '"' || r == '\'':
			quote = r
		case r == '#' && (previous == ' ' || previous == '\t'):
			return strings.TrimSpace(s[:i]), s[i:]
		}
		previous = r
	}
	return strings.TrimSpace(s), ""
}

func takeApart(number int, text string) source {
	text = strings.TrimRight(text, " \t\r\n")
	body := strings.TrimLeft(text, " \t")
	s := source{number: number, column: len(text) - len(body)}
	body, s.comment = splitComment(body)
	for strings.HasPrefix(body, "- ") || body == "-" {
		s.dash = true
		body = strings.TrimLeft(body[1:], " ")
	}
	s.blank = body == "" && !s.dash
	bare := body
	if len(body) > 1 && (body[0] == '"' || body[0] == '\'') {
		if end := strings.IndexByte(body[1:], body[0]); end >= 0 && strings.HasPrefix(body[end+2:], ":") {
			bare = body[1:end+1] + body[end+2:]
		}
	}
	if i := strings.IndexByte(bare, ':'); i > 0 && isWord(bare[:i]) && (i+1 == len(bare) || bare[i+1] == ' ') {
		s.key, s.value = bare[:i], strings.TrimSpace(bare[i+1:])
	} else {
		s.value = body
	}
	return s
}

func isWord(s string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return false
		}
	}
	return s != ""
}

// unquoted is a value without quotes and the comma of a list.
func unquoted(s string) string { return strings.Trim(strings.TrimRight(s, ","), `"'`) }
