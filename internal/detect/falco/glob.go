package falco

import (
	"bytes"
	"strings"
)

// glob is fnmatch without flags: * and ? stand for / too, and a pattern that is not well-formed stands for itself.
func glob(pattern string, s []byte, fold bool) bool {
	if fold {
		pattern, s = string(lower([]byte(pattern))), lower(s)
	}
	p, i := 0, 0
	star, from := -1, 0
	for i < len(s) {
		if p < len(pattern) && pattern[p] == '*' {
			star, from = p, i
			p++
			continue
		}
		if n, ok := globOne(pattern[p:], s[i], fold); ok {
			p += n
			i++
			continue
		}
		if star < 0 {
			return false
		}
		from++
		p, i = star+1, from
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// globOne says whether the first element of a pattern stands for c, and how long the element is.
func globOne(pattern string, c byte, fold bool) (int, bool) {
	if pattern == "" {
		return 0, false
	}
	switch pattern[0] {
	case '?':
		return 1, true
	case '\\':
		if len(pattern) > 1 {
			return 2, pattern[1] == c
		}
	case '[':
		if n, in := bracket(pattern, c, fold); n > 0 {
			return n, in
		}
	}
	return 1, pattern[0] == c
}

// bracket reads [a-z], [!a-z] and [[:digit:]]; its length is 0 if it has no end.
func bracket(pattern string, c byte, fold bool) (int, bool) {
	i := 1
	negated := i < len(pattern) && (pattern[i] == '!' || pattern[i] == '^')
	if negated {
		i++
	}
	in := false
	for start := i; i < len(pattern); {
		if pattern[i] == ']' && i > start {
			return i + 1, in != negated
		}
		if name, rest, ok := strings.Cut(pattern[i:], ":]"); ok && strings.HasPrefix(name, "[:") {
			in = in || class(name[2:], c, fold)
			i = len(pattern) - len(rest)
			continue
		}
		from, n := bracketChar(pattern[i:])
		i += n
		to := from
		if i+1 < len(pattern) && pattern[i] == '-' && pattern[i+1] != ']' {
			to, n = bracketChar(pattern[i+1:])
			i += 1 + n
		}
		in = in || from <= c && c <= to
	}
	return 0, false
}

func bracketChar(s string) (byte, int) {
	if s[0] == '\\' && len(s) > 1 {
		return s[1], 2
	}
	return s[0], 1
}

func class(name string, c byte, fold bool) bool {
	alpha := 'a' <= c|0x20 && c|0x20 <= 'z'
	digit := '0' <= c && c <= '9'
	switch name {
	case "alpha":
		return alpha
	case "digit":
		return digit
	case "alnum":
		return alpha || digit
	case "upper":
		return alpha && (c < 'a' || fold)
	case "lower":
		return alpha && (c >= 'a' || fold)
	case "space":
		return c == ' ' || '\t' <= c && c <= '\r'
	case "blank":
		return c == ' ' || c == '\t'
	case "xdigit":
		return digit || 'a' <= c|0x20 && c|0x20 <= 'f'
	case "punct":
		return '!' <= c && c <= '~' && !alpha && !digit
	case "cntrl":
		return c < ' ' || c == 0x7f
	case "print":
		return ' ' <= c && c <= '~'
	case "graph":
		return '!' <= c && c <= '~'
	}
	return false
}

// prefixed says whether a path begins with another, component by component, in which globs may stand.
func prefixed(prefix string) func([]byte) bool {
	want := components([]byte(prefix))
	return func(s []byte) bool {
		have := components(s)
		if len(have) < len(want) {
			return false
		}
		for i, w := range want {
			if !glob(string(w), have[i], false) {
				return false
			}
		}
		return true
	}
}

func components(path []byte) (all [][]byte) {
	for c := range bytes.SplitSeq(path, []byte("/")) {
		if len(c) > 0 {
			all = append(all, c)
		}
	}
	return all
}
