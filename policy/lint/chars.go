package lint

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// typed are the characters that word processors and web pages put in the place of others.
var typed = map[rune]string{
	'“': `"`, '”': `"`, '„': `"`, '‟': `"`, '″': `"`, '«': `"`, '»': `"`,
	'‘': "'", '’': "'", '‚': "'", '‛': "'", '′': "'",
	'–': "-", '—': "-", '−': "-", '‐': "-", '‑': "-", '•': "-",
	'\u00a0': " ", '\u2007': " ", '\u202f': " ", '\u2009': " ", '\u3000': " ", '\u200b': "", '\u200c': "", '\u2060': "",
	'：': ":", '，': ",",
}

var typedNames = map[string]string{`"`: "a curly quote", "'": "a curly quote", "-": "a dash that is no hyphen", " ": "a space that is no blank", "": "an invisible character", ":": "a wide colon", ",": "a wide comma"}

// characters finds what copying from a web page leaves behind, outside of comments and of strings in straight quotes.
// Repair works by the same scan.
func (c *checker) characters() {
	line, lines := 0, 0
	var edits []edit
	var first *yaml.Node
	what := map[string]bool{}
	for text := range strings.Lines(string(c.src)) {
		line++
		if tab := strings.IndexByte(text, '\t'); tab >= 0 && strings.TrimLeft(text[:tab], " ") == "" && strings.TrimSpace(text) != "" && !strings.HasPrefix(strings.TrimSpace(text), "#") {
			c.add("L5", Error, &yaml.Node{Line: line, Column: tab + 1}, "a tab where the line is indented: YAML does not allow it", "spaces; annals policy repair finds out how many")
		}
		at := c.offset(line, 1)
		if line == 1 && strings.HasPrefix(text, "\ufeff") {
			at -= len("\ufeff")
		}
		list := odd(text)
		for _, o := range list {
			if first == nil {
				first = &yaml.Node{Line: line, Column: utf8.RuneCountInString(text[:o.start]) + 1}
			}
			what[typedNames[o.text]] = true
			edits = append(edits, edit{o.start + at, o.end + at, o.text})
		}
		if len(list) > 0 {
			lines++
		}
	}
	if first == nil {
		return
	}
	where := ""
	if lines > 1 {
		where = fmt.Sprintf(", here and on %d more lines", lines-1)
	}
	c.add("L5", Error, first, fmt.Sprintf("%s, as word processors and web pages make them%s: YAML takes them for letters like any other", and(slices.Sorted(maps.Keys(what))), where),
		"the plain characters that a keyboard has").fixed("write them plainly", edits...)
}

// odd gives the characters of a line that are to be replaced, as edits of that line.
func odd(line string) (list []edit) {
	var quote rune
	previous := ' '
	for i, r := range line {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case r == '#' && (previous == ' ' || previous == '\t'):
			return list
		case (r == '"' || r == '\'') && strings.ContainsRune(" [{,:-", previous):
			if strings.ContainsRune(line[i+1:], r) {
				quote = r
			}
		default:
			if plain, ok := typed[r]; ok {
				list = append(list, edit{i, i + utf8.RuneLen(r), plain})
				previous = ' '
				continue
			}
		}
		previous = r
	}
	return list
}
