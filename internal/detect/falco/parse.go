package falco

import (
	"fmt"
	"regexp"
	"strings"
)

// maxDepth bounds how deep conditions nest, macros included, and maxCondition how long their text may become when lists are put
// into it.
const (
	maxDepth     = 100
	maxCondition = 4 << 20
)

// The tokens are POSIX: the longest match counts.
var (
	identifier    = token(`[a-zA-Z]+[a-zA-Z0-9_]*`)
	fieldName     = token(`[a-zA-Z]+[a-zA-Z0-9_]*(\.[a-zA-Z]+[a-zA-Z0-9_]*)+`)
	fieldArgument = token(`[^][\b\t\n\r "']+`)
	hexNumber     = token(`0[xX][0-9a-zA-Z]+`)
	number        = token(`[+\-]?[0-9]+[.]?[0-9]*([eE][+\-][0-9]+)?`)
	bareString    = token(`[^()"'\s=,]+`)
)

func token(pattern string) *regexp.Regexp {
	r := regexp.MustCompile(`^(?:` + strings.ReplaceAll(pattern, `\b`, `\x08`) + `)`)
	r.Longest()
	return r
}

var (
	numberOps   = []string{"<=", "<", ">=", ">"}
	stringOps   = []string{"==", "=", "!=", "glob ", "iglob ", "contains ", "icontains ", "bcontains ", "startswith ", "bstartswith ", "endswith ", "regex "}
	modifiers   = []string{"oneof ", "anyof ", "allof "}
	listOps     = []string{"intersects", "in", "pmatch"}
	transformer = []string{"tolower(", "toupper(", "b64(", "basename(", "len(", "join(", "concat(", "getopt("}
)

// parser reads one condition. Its methods panic with a syntaxError, which parse returns.
type parser struct {
	in    string
	pos   int
	depth int
}

type syntaxError struct {
	pos int
	msg string
}

func (e *syntaxError) Error() string { return e.msg }

// parse reads a condition in which lists have been replaced.
func parse(condition string) (e expr, err error) {
	p := &parser{in: condition}
	defer func() {
		if r := recover(); r != nil {
			s, ok := r.(*syntaxError)
			if !ok {
				panic(r)
			}
			e, err = nil, fmt.Errorf("%s at character %d, before %q", s.msg, s.pos+1, start(condition[min(s.pos, len(condition)):]))
		}
	}()
	if strings.TrimSpace(condition) == "" {
		return nil, &syntaxError{0, "the condition is empty"}
	}
	e = p.or()
	if p.pos != len(p.in) {
		p.fail("expected and, or, or the end")
	}
	return e, nil
}

func start(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}

func (p *parser) fail(format string, args ...any) {
	panic(&syntaxError{p.pos, fmt.Sprintf(format, args...)})
}

func (p *parser) enter() func() {
	if p.depth++; p.depth > maxDepth {
		p.fail("nested deeper than %d", maxDepth)
	}
	return func() { p.depth-- }
}

func (p *parser) rest() string { return p.in[p.pos:] }

func (p *parser) blank() bool {
	from := p.pos
	for p.pos < len(p.in) && strings.IndexByte(" \t\b\r\n", p.in[p.pos]) >= 0 {
		p.pos++
	}
	return p.pos > from
}

func (p *parser) text(s string) bool {
	if !strings.HasPrefix(p.rest(), s) {
		return false
	}
	p.pos += len(s)
	return true
}

func (p *parser) take(r *regexp.Regexp) (string, bool) {
	s := r.FindString(p.rest())
	p.pos += len(s)
	return s, s != ""
}

// operator takes one of all; where it ends with a blank, any blank will do.
func (p *parser) operator(all []string) (string, bool) {
	for _, op := range all {
		word, blank := strings.CutSuffix(op, " ")
		from := p.pos
		if p.text(word) && (!blank || p.blank()) {
			return word, true
		}
		p.pos = from
	}
	return "", false
}

func (p *parser) or() expr {
	return p.joined("or", p.and, func(kids []expr) expr { return &or{kids} })
}

func (p *parser) and() expr {
	return p.joined("and", p.not, func(kids []expr) expr { return &and{kids} })
}

func (p *parser) joined(word string, kid func() expr, join func([]expr) expr) expr {
	p.blank()
	kids := []expr{kid()}
	p.blank()
	for p.text(word) {
		switch {
		case p.blank():
			kids = append(kids, kid())
		case p.text("("):
			kids = append(kids, p.embedded())
		default:
			p.fail("expected a blank or ( after %s", word)
		}
		p.blank()
	}
	if len(kids) == 1 {
		return kids[0]
	}
	return join(kids)
}

func (p *parser) not() expr {
	negated := false
	p.blank()
	for {
		from := p.pos
		if p.text("not") && p.blank() {
			negated = !negated
			continue
		}
		p.pos = from
		break
	}
	var e expr
	if p.text("not(") {
		negated = !negated
		e = p.embedded()
	} else {
		e = p.check()
	}
	if negated {
		return &not{e}
	}
	return e
}

// embedded is what follows an opening parenthesis.
func (p *parser) embedded() expr {
	defer p.enter()()
	e := p.or()
	if !p.text(")") {
		p.fail("expected )")
	}
	return e
}

func (p *parser) check() expr {
	p.blank()
	pos := p.pos
	if p.text("(") {
		return p.embedded()
	}
	if left := p.left(); left != nil {
		return p.condition(left, pos)
	}
	if name, ok := p.take(identifier); ok {
		return &ident{name, pos}
	}
	p.fail("expected (, a field, or the name of a macro")
	return nil
}

// left is a field or a transformer, nil if there is none.
func (p *parser) left() operand {
	pos := p.pos
	if name, ok := p.take(fieldName); ok {
		return &field{name, p.argument(), pos}
	}
	return p.transformer()
}

func (p *parser) argument() *string {
	if !p.text("[") {
		return nil
	}
	arg, ok := p.quoted()
	if !ok {
		arg, ok = p.take(fieldArgument)
	}
	if !ok {
		p.fail("expected an argument")
	}
	if !p.text("]") {
		p.fail("expected ]")
	}
	return &arg
}

func (p *parser) transformer() operand {
	pos := p.pos
	for _, t := range transformer {
		if !p.text(t) {
			continue
		}
		c := &call{name: strings.TrimSuffix(t, "("), pos: pos}
		c.args = p.operands()
		c.arg = p.argument()
		return c
	}
	return nil
}

// operands are what stands after an opening parenthesis, and the closing one.
func (p *parser) operands() (all []operand) {
	defer p.enter()()
	for p.blank(); !p.text(")"); p.blank() {
		if len(all) > 0 {
			if !p.text(",") {
				p.fail("expected , or )")
			}
			p.blank()
		}
		all = append(all, p.operand())
	}
	return all
}

func (p *parser) operand() operand {
	if o := p.left(); o != nil {
		return o
	}
	if p.text("(") {
		return list(p.operands())
	}
	if s, ok := p.quoted(); ok {
		return literal(s)
	}
	if s, ok := p.number(); ok {
		return literal(s)
	}
	p.fail("expected a field, a transformer, a text in quotes, a number or a list")
	return nil
}

func (p *parser) condition(left operand, pos int) expr {
	p.blank()
	c := &check{left: left, pos: pos}
	if p.text("exists") {
		c.op = "exists"
		return c
	}
	var ok bool
	if c.op, ok = p.operator(numberOps); ok {
		p.value(c, p.number, "a number")
	} else if c.op, ok = p.operator(stringOps); ok {
		if c.op == "==" {
			c.op = "="
		}
		p.blank()
		if c.mod, ok = p.operator(modifiers); ok {
			p.list(c)
		} else {
			p.value(c, p.string, "a text")
		}
	} else if c.op, ok = p.operator(listOps); ok {
		p.blank()
		if strings.HasPrefix(p.rest(), "(") {
			p.list(c)
		} else {
			p.value(c, func() (string, bool) { return p.take(identifier) }, "a list")
		}
	} else {
		p.fail("expected an operator")
	}
	return c
}

func (p *parser) value(c *check, read func() (string, bool), what string) {
	p.blank()
	if p.text("val(") {
		p.blank()
		pos := p.pos
		name, ok := p.take(fieldName)
		if !ok {
			p.fail("expected a field within val()")
		}
		c.right = &field{name, p.argument(), pos}
		if p.blank(); !p.text(")") {
			p.fail("expected )")
		}
		return
	}
	if c.right = p.transformer(); c.right != nil {
		return
	}
	v, ok := read()
	if !ok {
		p.fail("expected %s", what)
	}
	c.values, c.plain = []string{v}, true
}

func (p *parser) list(c *check) {
	p.blank()
	if !p.text("(") {
		v, ok := p.take(identifier)
		if !ok {
			p.fail("expected a list")
		}
		c.values, c.plain = []string{v}, true
		return
	}
	if p.blank(); p.text(")") {
		return
	}
	for {
		p.blank()
		v, ok := p.string()
		if !ok {
			p.fail("expected a text")
		}
		c.values = append(c.values, v)
		p.blank()
		if p.text(")") {
			return
		}
		if !p.text(",") {
			p.fail("expected , or )")
		}
	}
}

func (p *parser) number() (string, bool) {
	if s, ok := p.take(hexNumber); ok {
		return s, true
	}
	return p.take(number)
}

func (p *parser) string() (string, bool) {
	if s, ok := p.quoted(); ok {
		return s, true
	}
	return p.take(bareString)
}

// quoted reads a text in quotes. As upstream, a quote after a backslash never ends it, and the escapes that are known are few.
func (p *parser) quoted() (string, bool) {
	if p.pos == len(p.in) || p.in[p.pos] != '"' && p.in[p.pos] != '\'' {
		return "", false
	}
	delimiter := p.in[p.pos]
	for end := p.pos + 1; end < len(p.in); end++ {
		if p.in[end] == delimiter && p.in[end-1] != '\\' {
			s := p.unescape(p.in[p.pos+1:end], delimiter)
			p.pos = end + 1
			return s, true
		}
	}
	return "", false
}

func (p *parser) unescape(s string, delimiter byte) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		if i++; i == len(s) {
			break
		}
		at := strings.IndexByte(`bfnrt \/"'`, s[i])
		if at < 0 {
			p.fail("\\%c is no escape that Falco knows", s[i])
		}
		if (s[i] == '"' || s[i] == '\'') && s[i] != delimiter {
			p.fail("\\%c within other quotes", s[i])
		}
		b.WriteByte("\b\f\n\r\t\\\\/\"'"[at])
	}
	return b.String()
}
