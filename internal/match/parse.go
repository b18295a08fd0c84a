package match

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	maxQuery = 64 << 10 // bytes
	maxTerms = 1000
	maxDepth = 50 // of parentheses and negations
)

// Parse reads a query. Its error is an *Error.
func Parse(query string) (*Predicate, error) {
	p := &parser{query: query}
	n, err := p.parse()
	if err != nil {
		return nil, err
	}
	return &Predicate{n}, nil
}

// parser reads a query from left to right; docs/search.md has the grammar, whose rules are its methods.
type parser struct {
	query string
	pos   int
	terms int
	depth int
}

func (p *parser) parse() (node, error) {
	if len(p.query) > maxQuery {
		return nil, p.errorf(maxQuery, "the query is longer than %d bytes; split it in two", maxQuery)
	}
	for i, r := range p.query {
		if r == 0 {
			return nil, p.errorf(i, "the query holds a NUL byte; leave it out")
		}
		if _, n := utf8.DecodeRuneInString(p.query[i:]); r == utf8.RuneError && n == 1 {
			return nil, p.errorf(i, "the query is not UTF-8 here; leave the byte out")
		}
	}
	p.space()
	if p.done() {
		return and{}, nil
	}
	n, err := p.or(p.term)
	if err == nil && !p.done() {
		return nil, p.errorf(p.pos, `")" closes nothing; leave it out, or put it in quotes to search for it`)
	}
	return n, err
}

func (p *parser) errorf(pos int, format string, args ...any) error {
	pos = min(pos, len(p.query))
	for pos > 0 && pos < len(p.query) && !utf8.RuneStart(p.query[pos]) {
		pos--
	}
	return &Error{Pos: pos, Msg: fmt.Sprintf(format, args...), Query: p.query}
}

// or reads alternatives; item reads what stands between the operators: a term, or a value of a field's list.
func (p *parser) or(item func() (node, error)) (node, error) {
	var all or
	for {
		n, err := p.and(item)
		if err != nil {
			return nil, err
		}
		if inner, ok := n.(or); ok {
			all = append(all, inner...)
		} else {
			all = append(all, n)
		}
		if !p.keyword("OR") {
			break
		}
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return all, nil
}

func (p *parser) and(item func() (node, error)) (node, error) {
	var all and
	for first := true; ; first = false {
		at := p.pos
		explicit := p.keyword("AND")
		if first && explicit {
			return nil, p.errorf(at, "nothing stands before AND; put a term there, or AND in quotes to search for it")
		}
		if !explicit && !first && (p.done() || p.peek() == ')' || p.isKeyword("OR")) {
			break
		}
		n, err := p.not(item)
		if err != nil {
			return nil, err
		}
		if inner, ok := n.(and); ok {
			all = append(all, inner...)
		} else {
			all = append(all, n)
		}
	}
	return of(all).root, nil
}

func (p *parser) not(item func() (node, error)) (node, error) {
	at, negated := p.pos, false
	if p.keyword("NOT") {
		negated = true
	} else if c := p.peek(); c == '-' || c == '!' {
		p.pos++
		negated = true
		if d := p.peek(); d == 0 || isSpace(d) || d == '-' || d == '!' || d == ')' {
			return nil, p.errorf(p.pos, `%q negates the term that follows it directly; put text with dashes in quotes to search for it`, c)
		}
	}
	if p.depth++; p.depth > maxDepth {
		return nil, p.errorf(at, "nested deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	if !negated {
		return p.primary(item)
	}
	n, err := p.not(item)
	if err != nil {
		return nil, err
	}
	return negate(n), nil
}

func negate(n node) node {
	if inner, ok := n.(not); ok {
		return inner.node
	}
	return not{n}
}

func (p *parser) primary(item func() (node, error)) (node, error) {
	if p.done() {
		return nil, p.errorf(p.pos, "the query ends where a term should follow")
	}
	for _, word := range []string{"OR", "AND"} {
		if p.isKeyword(word) {
			return nil, p.errorf(p.pos, "a term should stand before %s; put the word in quotes to search for it", word)
		}
	}
	switch p.peek() {
	case ')':
		return nil, p.errorf(p.pos, `a term should stand before ")"`)
	case '(':
		at := p.pos
		p.pos++
		p.space()
		n, err := p.or(item)
		if err != nil {
			return nil, err
		}
		if p.peek() != ')' {
			return nil, p.errorf(at, `"(" is not closed; put ")" where it ends`)
		}
		p.pos++
		p.space()
		return n, nil
	}
	if p.terms++; p.terms > maxTerms {
		return nil, p.errorf(p.pos, "more than %d terms; split the query", maxTerms)
	}
	n, err := item()
	if c := p.peek(); err == nil && (c == '(' || c == '"') && !isSpace(p.query[p.pos-1]) && p.query[p.pos-1] != ')' {
		return nil, p.errorf(p.pos, "put a space before %q, or all of the term in quotes", c)
	}
	p.space()
	return n, err
}

// term reads a field's test, a word, or a phrase.
func (p *parser) term() (node, error) {
	at := p.pos
	if p.peek() == '"' {
		text, err := p.quotedText()
		if err != nil {
			return nil, err
		}
		return p.phrase(at, text, false)
	}
	name, err := p.fieldName()
	if err != nil {
		return nil, err
	}
	if op := p.operator(); op != "" && name.base != "" {
		return p.fieldTest(at, name, op)
	}
	if name.quoted {
		return nil, p.errorf(p.pos, "a value should follow the field, like :value, or :* where it is present")
	}
	p.pos = at
	text := p.bare()
	if text == "*" {
		return and{}, nil
	}
	stem, prefix := strings.CutSuffix(text, "*")
	if i := strings.IndexByte(stem, '*'); i >= 0 {
		return nil, p.errorf(at+i, `only the end of a word can be left open with "*", like foo*`)
	}
	if prefix && (stem == "" || fold[stem[len(stem)-1]] <= backslash) {
		return nil, p.errorf(at+len(stem), `"*" must follow a letter or digit; put it in quotes to search for the text`)
	}
	return p.phrase(at, stem, prefix)
}

func (p *parser) phrase(at int, text string, prefix bool) (node, error) {
	words := split(text)
	if prefix && beginsUUID(text) {
		words = [][]byte{folded([]byte(text))}
	}
	if len(words) == 0 {
		return nil, p.errorf(at, "there is no word in this to search for; a word is made of letters, digits and _")
	}
	if len(words) > maxPhrase {
		return nil, p.errorf(at, "the phrase has more than %d words; shorten it", maxPhrase)
	}
	return &phrase{words, prefix}, nil
}

// beginsUUID says whether text is more than a UUID's first group but not all of it.
func beginsUUID(text string) bool {
	const model = "00000000-0000-0000-0000-000000000000"
	return len(text) > 9 && len(text) < uuidLen && isUUID([]byte(text+model[len(text):]))
}

func (p *parser) done() bool { return p.pos >= len(p.query) }

// peek is the next byte, 0 at the end.
func (p *parser) peek() byte {
	if p.done() {
		return 0
	}
	return p.query[p.pos]
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func (p *parser) space() {
	for !p.done() && isSpace(p.query[p.pos]) {
		p.pos++
	}
}

// isKeyword says whether the next word is word in capitals or in small letters.
func (p *parser) isKeyword(word string) bool {
	rest := p.query[p.pos:]
	if !strings.HasPrefix(rest, word) && !strings.HasPrefix(rest, strings.ToLower(word)) {
		return false
	}
	rest = rest[len(word):]
	return rest == "" || isSpace(rest[0]) || rest[0] == '(' || rest[0] == ')' || rest[0] == '"'
}

func (p *parser) keyword(word string) bool {
	if !p.isKeyword(word) {
		return false
	}
	p.pos += len(word)
	p.space()
	return true
}

// bare reads up to a space, a parenthesis or a quote.
func (p *parser) bare() string {
	from := p.pos
	for c := p.peek(); c != 0 && !isSpace(c) && c != '(' && c != ')' && c != '"'; c = p.peek() {
		p.pos++
	}
	return p.query[from:p.pos]
}

// quotedText reads a string in quotes, in which \" is a quote and \\ a backslash.
func (p *parser) quotedText() (string, error) {
	at := p.pos
	var text strings.Builder
	for p.pos++; !p.done(); p.pos++ {
		switch c := p.peek(); c {
		case '"':
			p.pos++
			return text.String(), nil
		case '\\':
			p.pos++
			if c = p.peek(); c != '"' && c != '\\' {
				return "", p.errorf(p.pos-1, `in quotes a backslash stands before " or \; write \\ for a backslash itself`)
			}
			text.WriteByte(c)
		default:
			text.WriteByte(c)
		}
	}
	return "", p.errorf(at, `the quote is not closed; put " where it ends`)
}
