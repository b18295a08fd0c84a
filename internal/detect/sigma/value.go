package sigma

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Sigma string is a row of tokens: text, and wildcards.
type token struct {
	kind tokenKind
	text string // of a text; a placeholder's name
}

type tokenKind uint8

const (
	textToken   tokenKind = iota
	anyToken              // *
	oneToken              // ?
	placeholder           // %name%, where expand asks for it
)

// scan reads a string of a rule. A backslash before *, ? or itself takes their meaning away; before anything else it is one.
func scan(s string, placeholders bool) (tokens []token) {
	var lit strings.Builder
	flush := func() {
		if lit.Len() > 0 {
			tokens = append(tokens, token{textToken, lit.String()})
			lit.Reset()
		}
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && (strings.IndexByte(`*?\`, s[i+1]) >= 0 || placeholders && s[i+1] == '%'):
			i++
			lit.WriteByte(s[i])
		case c == '*':
			flush()
			tokens = append(tokens, token{kind: anyToken})
		case c == '?':
			flush()
			tokens = append(tokens, token{kind: oneToken})
		case c == '%' && placeholders && placeholderName(s[i+1:]) != "":
			flush()
			name := placeholderName(s[i+1:])
			tokens = append(tokens, token{placeholder, name})
			i += len(name) + 1
		default:
			lit.WriteByte(c)
		}
	}
	flush()
	return tokens
}

// placeholderName is the name before the next %, if it is one.
func placeholderName(s string) string {
	name, _, ok := strings.Cut(s, "%")
	if !ok || strings.IndexFunc(name, func(r rune) bool {
		return r != '_' && r != '-' && r != '.' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) >= 0 {
		return ""
	}
	return name
}

// literal is the text of tokens without wildcards.
func literal(tokens []token) (string, bool) {
	var all string
	for _, t := range tokens {
		if t.kind != textToken {
			return "", false
		}
		all += t.text
	}
	return all, true
}

// written is the string that scan reads so.
func written(tokens []token) string {
	var w strings.Builder
	for _, t := range tokens {
		switch t.kind {
		case anyToken:
			w.WriteByte('*')
		case oneToken:
			w.WriteByte('?')
		default:
			w.WriteString(strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`).Replace(t.text))
		}
	}
	return w.String()
}

// pattern is a Sigma string with wildcards, made for matching: runs with anything between them. The first run begins the text and
// the last one ends it.
type pattern struct {
	runs []run
}

// run is a text in which each ? stands for one character.
type run struct {
	text  []byte   // if there is no ?
	parts [][]byte // what stands between the ?s
}

func compile(tokens []token) pattern {
	var p pattern
	parts := [][]byte{nil}
	flush := func() {
		r := run{parts: parts}
		if len(parts) == 1 {
			r = run{text: parts[0]}
		}
		p.runs, parts = append(p.runs, r), [][]byte{nil}
	}
	for i, t := range tokens {
		switch t.kind {
		case anyToken:
			if i == 0 || tokens[i-1].kind != anyToken {
				flush()
			}
		case oneToken:
			parts = append(parts, nil)
		default:
			parts[len(parts)-1] = append(parts[len(parts)-1], t.text...)
		}
	}
	flush()
	return p
}

// all says whether any text at all matches.
func (p *pattern) all() bool {
	return len(p.runs) == 2 && p.runs[0].empty() && p.runs[1].empty()
}

func (r *run) empty() bool { return r.parts == nil && len(r.text) == 0 }

// matches tests a text. Fold both, or neither.
func (p *pattern) matches(b []byte) bool {
	n := p.runs[0].prefix(b)
	if n < 0 {
		return false
	}
	if len(p.runs) == 1 {
		return n == len(b)
	}
	b = b[n:]
	for i := 1; i < len(p.runs)-1; i++ {
		end := p.runs[i].find(b)
		if end < 0 {
			return false
		}
		b = b[end:]
	}
	return p.runs[len(p.runs)-1].suffix(b)
}

// prefix is the length of what of b begins as the run does, -1 if nothing.
func (r *run) prefix(b []byte) int {
	if r.parts == nil {
		if bytes.HasPrefix(b, r.text) {
			return len(r.text)
		}
		return -1
	}
	at := 0
	for i, part := range r.parts {
		if i > 0 {
			if at >= len(b) {
				return -1
			}
			_, n := utf8.DecodeRune(b[at:])
			at += n
		}
		if !bytes.HasPrefix(b[at:], part) {
			return -1
		}
		at += len(part)
	}
	return at
}

// find is where the run ends that is the first in b, -1 if there is none.
func (r *run) find(b []byte) int {
	if r.parts == nil {
		if i := bytes.Index(b, r.text); i >= 0 {
			return i + len(r.text)
		}
		return -1
	}
	for at := 0; ; {
		if n := r.prefix(b[at:]); n >= 0 {
			return at + n
		}
		if at >= len(b) {
			return -1
		}
		_, n := utf8.DecodeRune(b[at:])
		at += n
	}
}

func (r *run) suffix(b []byte) bool {
	if r.parts == nil {
		return bytes.HasSuffix(b, r.text)
	}
	for at := len(b); ; {
		if n := r.prefix(b[at:]); n == len(b)-at {
			return true
		}
		if at == 0 {
			return false
		}
		_, n := utf8.DecodeLastRune(b[:at])
		at -= n
	}
}

// appendFolded appends text with its letters made small. What is not ASCII never becomes ASCII, so that an index over ASCII letters
// finds the same.
func appendFolded(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			if c >= 'A' && c <= 'Z' {
				c += 'a' - 'A'
			}
			dst = append(dst, c)
			i++
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		if small := unicode.ToLower(r); r != utf8.RuneError && small >= utf8.RuneSelf {
			dst = utf8.AppendRune(dst, small)
		} else {
			dst = append(dst, text[i:i+n]...)
		}
		i += n
	}
	return dst
}

func folded(s string) string { return string(appendFolded(nil, []byte(s))) }

// unique is a list sorted, each text once.
func unique(all []string) []string {
	slices.Sort(all)
	return slices.Compact(all)
}

// fold is tokens with their letters made small.
func fold(tokens []token) []token {
	all := slices.Clone(tokens)
	for i := range all {
		all[i].text = folded(all[i].text)
	}
	return all
}
