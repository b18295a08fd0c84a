package match

import "regexp/syntax"

// RegexpSample is a text in which a regular expression is found; not ok where it is none, or where the text that its parts make
// is not one.
func RegexpSample(expr string) (text string, ok bool) {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return "", false
	}
	var b []rune
	if !sampleOf(re, &b) || len(b) > maxSample {
		return "", false
	}
	return string(b), true
}

const maxSample = 4096

func sampleOf(re *syntax.Regexp, b *[]rune) bool {
	all := func(list []*syntax.Regexp) bool {
		for _, sub := range list {
			if !sampleOf(sub, b) {
				return false
			}
		}
		return true
	}
	if len(*b) > maxSample {
		return false
	}
	switch re.Op {
	case syntax.OpNoMatch:
		return false
	case syntax.OpLiteral:
		*b = append(*b, re.Rune...)
	case syntax.OpCharClass:
		if len(re.Rune) == 0 {
			return false
		}
		r := re.Rune[0]
		for i := 0; i+1 < len(re.Rune); i += 2 { // one that is readable, if there is one
			if re.Rune[i] <= 'x' && re.Rune[i+1] >= 'x' {
				r = 'x'
			}
		}
		*b = append(*b, max(r, min('!', re.Rune[1])))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		*b = append(*b, 'x')
	case syntax.OpCapture, syntax.OpPlus:
		return sampleOf(re.Sub[0], b)
	case syntax.OpRepeat:
		for range re.Min {
			if !sampleOf(re.Sub[0], b) {
				return false
			}
		}
	case syntax.OpConcat:
		return all(re.Sub)
	case syntax.OpAlternate:
		return sampleOf(re.Sub[0], b)
	}
	return true
}
