package lint

import (
	"fmt"
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
	line := 0
	for text := range strings.Lines(string(c.src)) {
		line++
		if tab := strings.IndexByte(text, '\t'); tab >= 0 && strings.TrimLeft(text[:tab], " ") == "" && strings.TrimSpace(text) != "" && !strings.HasPrefix(strings.TrimSpace(text), "#") {
			c.add("L5", Error, &yaml.Node{Line: line, Column: tab + 1}, "a tab where the line is indented: YAML does not allow it, and kube-apiserver does not start with it",
				"spaces; annals policy repair finds out how many").refuse()
		}
		var edits []edit
		column, what := 0, ""
		for _, o := range odd(text) {
			if what == "" {
				column, what = utf8.RuneCountInString(text[:o.start])+1, typedNames[o.text]
			}
			edits = append(edits, o)
		}
		if what == "" {
			continue
		}
		at := c.offset(line, 1)
		if line == 1 && strings.HasPrefix(text, "\ufeff") {
			at -= len("\ufeff")
		}
		for i := range edits {
			edits[i].start += at
			edits[i].end += at
		}
		c.add("L5", Error, &yaml.Node{Line: line, Column: column}, fmt.Sprintf("%s, as word processors and web pages make it: YAML takes it for a letter like any other", what),
			"the plain character that a keyboard has").fixed("write it plainly", edits...)
	}
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
