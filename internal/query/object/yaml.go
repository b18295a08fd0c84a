package object

import (
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// printed is a line of an object's YAML.
type printed struct {
	text  string
	by    int
	doubt bool // something that was not observed may stand here
	stale bool // and the value may be another
}

// first are the members that stand first, last those that stand last; between them the others stand by name.
var (
	firstMembers = []string{"apiVersion", "kind", "metadata", "spec", "data", "stringData", "binaryData"}
	lastMembers  = []string{"status"}
	metaMembers  = []string{"name", "generateName", "namespace", "uid", "creationTimestamp"}
)

// print writes an object as YAML, keys always in the same order.
func (n *node) print() []printed {
	var w writer
	w.members(n, "", "", firstMembers)
	return w.lines
}

// text is an object's YAML.
func text(lines []printed) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l.text)
		b.WriteByte('\n')
	}
	return b.String()
}

type writer struct{ lines []printed }

func (w *writer) line(n *node, s string) {
	w.lines = append(w.lines, printed{s, n.by, n.stale || n.guess, n.stale})
}

// members writes an object's members, the first one behind lead, the others behind indent.
func (w *writer) members(n *node, lead, indent string, first []string) {
	if n.shape != object || len(n.members) == 0 {
		w.value(n, lead, indent)
		return
	}
	rank := func(k string) int {
		if i := slices.Index(first, k); i >= 0 {
			return i
		}
		if first != nil && slices.Contains(lastMembers, k) {
			return len(first) + 1
		}
		return len(first)
	}
	keys := make([]string, 0, len(n.members))
	for k := range n.members {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(rank(a)-rank(b), strings.Compare(a, b)) })
	for _, k := range keys {
		x := n.members[k]
		head := lead + yamlText(k) + ":"
		lead = indent
		switch {
		case x.shape == object && len(x.members) > 0:
			w.line(x, head)
			var order []string
			if k == "metadata" {
				order = metaMembers
			}
			w.members(x, indent+"  ", indent+"  ", order)
		case x.shape == list && len(x.items) > 0:
			w.line(x, head)
			w.items(x, indent, indent)
		default:
			w.value(x, head+" ", indent)
		}
	}
}

// items writes a list's elements.
func (w *writer) items(n *node, lead, indent string) {
	for _, x := range n.items {
		switch {
		case x.shape == object && len(x.members) > 0:
			w.members(x, lead+"- ", indent+"  ", nil)
		case x.shape == list && len(x.items) > 0:
			w.items(x, lead+"- ", indent+"  ")
		default:
			w.value(x, lead+"- ", indent)
		}
		lead = indent
	}
}

// value writes what has no lines of its own inside, or a text of several lines.
func (w *writer) value(n *node, lead, indent string) {
	s, isText := n.value.(string)
	switch {
	case n.shape == object:
		w.line(n, lead+"{}")
	case n.shape == list:
		w.line(n, lead+"[]")
	case isText && blockText(s):
		w.block(n, s, lead, indent+"  ")
	case isText:
		w.line(n, lead+yamlText(s))
	case n.value == nil:
		w.line(n, lead+"null")
	default:
		w.line(n, lead+jsonOf(n.value))
	}
}

// block writes a text of several lines as such.
func (w *writer) block(n *node, s, lead, indent string) {
	head := "|-"
	switch {
	case strings.HasSuffix(s, "\n\n") || s == "\n":
		head = "|+"
	case strings.HasSuffix(s, "\n"):
		head = "|"
	}
	w.line(n, lead+head)
	for i, l := range textLines(s) {
		l = strings.TrimSuffix(l, "\n")
		if l != "" {
			l = indent + l
		}
		by := n.by
		if i < len(n.lines) {
			by = n.lines[i]
		}
		w.lines = append(w.lines, printed{l, by, n.stale || n.guess, n.stale})
	}
}

// blockText says whether a text can be written line by line.
func blockText(s string) bool {
	if !strings.Contains(s, "\n") || strings.HasPrefix(s, " ") || strings.HasPrefix(s, "\n") || strings.HasPrefix(s, "\t") {
		return false
	}
	for _, r := range s {
		if r == utf8.RuneError || r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			return false
		}
	}
	for l := range strings.SplitSeq(s, "\n") {
		if l != "" && strings.TrimLeft(l, " \t") == "" {
			return false
		}
	}
	return true
}

// yamlText writes a text on one line: as it is where no reader could take it for anything else, in quotes otherwise.
func yamlText(s string) string {
	if plainText(s) {
		return s
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(s) != nil {
		return `""`
	}
	var out strings.Builder
	for _, r := range strings.TrimSuffix(b.String(), "\n") {
		if r > unicode.MaxASCII && !unicode.IsPrint(r) {
			out.WriteString(escaped(r))
			continue
		}
		if r == 0x7f {
			out.WriteString(`\x7f`)
			continue
		}
		out.WriteRune(r)
	}
	return out.String()
}

func escaped(r rune) string {
	const digits = "0123456789abcdef"
	n, head := 4, `\u`
	if r > 0xffff {
		n, head = 8, `\U`
	}
	b := []byte(head)
	for i := n - 1; i >= 0; i-- {
		b = append(b, digits[r>>(4*i)&15])
	}
	return string(b)
}

// uuid is a text that begins like a number, and is none.
var uuid = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

var notTexts = []string{"null", "true", "false", "yes", "no", "on", "off", "y", "n", "~", "nan", "inf"}

// plainText says whether a text needs no quotes in YAML, by the strictest reader.
func plainText(s string) bool {
	if uuid.MatchString(s) {
		return true
	}
	if s == "" || slices.Contains(notTexts, strings.ToLower(s)) {
		return false
	}
	letter := func(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '/' }
	if !letter(s[0]) {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case letter(c), c >= '0' && c <= '9', c == '-', c == '.', c == '+', c == '=', c == '@', c == '(' || c == ')', c == '%', c == '$', c == ';':
		case c == ':':
			if i+1 == len(s) || s[i+1] == ' ' {
				return false
			}
		case c == ' ':
			if i+1 == len(s) || s[i+1] == '#' || s[i+1] == ' ' {
				return false
			}
		default:
			return false
		}
	}
	return true
}
