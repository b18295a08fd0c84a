package sigma

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxTerms is how many words a condition may have, and maxSize how large what it stands for: selections count as often as they are
// named.
const (
	maxTerms = 10_000
	maxSize  = 1 << 17
)

// parse reads a condition over the selections.
func (s *selections) parse(condition string) (*expr, error) {
	total := 0
	count := func(e *expr, err error) (*expr, error) {
		if err != nil {
			return nil, err
		}
		if total += e.size; total > maxSize {
			return nil, errors.New("it names large selections too often; split the rule")
		}
		return e, nil
	}
	return parseCondition(condition, func(name string) (*expr, error) {
		e := s.named[name]
		if e == nil {
			return nil, fmt.Errorf("there is no selection %q; there are %s", name, strings.Join(s.names, ", "))
		}
		return count(e, nil)
	}, func(quantity, pattern string) (*expr, error) {
		if pattern == "them" {
			pattern = "*"
		}
		var some []*expr
		for _, name := range s.names {
			// A name that begins with an underscore is left out by convention, unless it is asked for so.
			if (!strings.HasPrefix(name, "_") || strings.HasPrefix(pattern, "_")) && glob(pattern, name) {
				some = append(some, s.named[name])
			}
		}
		if len(some) == 0 {
			return nil, fmt.Errorf("no selection is named like %q; there are %s", pattern, strings.Join(s.names, ", "))
		}
		switch quantity {
		case "all":
			return count(join(and, some), nil)
		case "1", "any":
			return count(join(or, some), nil)
		}
		n, err := strconv.Atoi(quantity)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is no quantity; write 1, all, or another number", quantity)
		}
		return count(atLeast(n, some))
	})
}

// atLeast is the expression that n of some hold.
func atLeast(n int, some []*expr) (*expr, error) {
	if n > len(some) {
		return nil, fmt.Errorf("%d of %d selections can never hold; write a smaller number, or all", n, len(some))
	}
	// What holds where at least k of the first i do, each made of those before.
	row := make([]*expr, n+1)
	for i, e := range some {
		for k := min(n, i+1); k >= 1; k-- {
			with := e
			if k > 1 {
				with = join(and, []*expr{row[k-1], e})
			}
			if row[k] == nil || k == i+1 {
				row[k] = with
			} else {
				row[k] = join(or, []*expr{row[k], with})
			}
			if row[k].size > maxSize {
				return nil, fmt.Errorf("%d of %d selections is more than can be written out; split the rule", n, len(some))
			}
		}
	}
	return row[n], nil
}

func glob(pattern, name string) bool {
	var tokens []token
	for i, part := range strings.Split(pattern, "*") {
		if i > 0 {
			tokens = append(tokens, token{kind: anyToken})
		}
		tokens = append(tokens, token{textToken, part})
	}
	p := compile(tokens)
	return p.matches([]byte(name))
}

var words = regexp.MustCompile(`\(|\)|[^\s()]+`)

// parseCondition reads a condition: and, or and not over names, and quantities of names. What the names mean, it is told; of is
// nil where there are no quantities.
func parseCondition(text string, name func(string) (*expr, error), of func(quantity, pattern string) (*expr, error)) (*expr, error) {
	if strings.Contains(text, "|") {
		return nil, errors.New("a condition with | is of an older Sigma; write a correlation")
	}
	p := &conditionParser{words: words.FindAllString(text, maxTerms+1), name: name, of: of}
	if len(p.words) == 0 {
		return nil, errors.New("it is empty; write the name of a selection")
	}
	if len(p.words) > maxTerms {
		return nil, fmt.Errorf("it has more than %d words; split the rule", maxTerms)
	}
	e, err := p.or(0)
	if err == nil && len(p.words) > 0 {
		err = fmt.Errorf("%q is too much; write and, or, or not between names", p.words[0])
	}
	return e, err
}

type conditionParser struct {
	words []string
	name  func(string) (*expr, error)
	of    func(quantity, pattern string) (*expr, error)
}

func (p *conditionParser) is(word string) bool {
	return len(p.words) > 0 && strings.EqualFold(p.words[0], word)
}

func (p *conditionParser) or(depth int) (*expr, error) {
	return p.list(depth, "or", or, func() (*expr, error) { return p.list(depth, "and", and, func() (*expr, error) { return p.not(depth) }) })
}

func (p *conditionParser) list(depth int, word string, o op, next func() (*expr, error)) (*expr, error) {
	var all []*expr
	for {
		e, err := next()
		if err != nil {
			return nil, err
		}
		all = append(all, e)
		if !p.is(word) {
			return join(o, all), nil
		}
		p.words = p.words[1:]
	}
}

func (p *conditionParser) not(depth int) (*expr, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("it is nested deeper than %d", maxDepth)
	}
	if !p.is("not") {
		return p.primary(depth)
	}
	p.words = p.words[1:]
	e, err := p.not(depth + 1)
	if err != nil {
		return nil, err
	}
	return negate(e), nil
}

func (p *conditionParser) primary(depth int) (*expr, error) {
	if len(p.words) == 0 {
		return nil, errors.New("it ends where a name should stand")
	}
	word := p.words[0]
	p.words = p.words[1:]
	switch {
	case word == "(":
		e, err := p.or(depth + 1)
		if err != nil {
			return nil, err
		}
		if !p.is(")") {
			return nil, errors.New("a parenthesis is not closed")
		}
		p.words = p.words[1:]
		return e, nil
	case word == ")" || slices.Contains([]string{"and", "or", "of"}, strings.ToLower(word)):
		return nil, fmt.Errorf("%q stands where a name should", word)
	case p.of != nil && len(p.words) > 1 && p.is("of"):
		pattern := p.words[1]
		p.words = p.words[2:]
		return p.of(strings.ToLower(word), pattern)
	}
	return p.name(word)
}
