package capture

import (
	"strconv"
	"strings"
)

// validLabelSelector reports whether kube-apiserver can read a label selector.
func validLabelSelector(s string) bool {
	if s == "" {
		return true
	}
	p := labelParser{s: s}
	for p.scan(); p.token != ""; {
		if !p.requirement() {
			return false
		}
		if p.token == "" {
			return true
		}
		if p.token != "," {
			return false
		}
		if p.scan(); !p.word && p.token != "!" {
			return false
		}
	}
	return true
}

// labelParser reads a selector token by token.
type labelParser struct {
	s     string
	token string // "" at the end
	word  bool   // the token is a word, in and notin among them, and not punctuation
}

// scan reads a token. A NUL ends the selector for kube-apiserver, but just after a token it is nothing.
func (p *labelParser) scan() {
	p.s = strings.TrimLeft(p.s, " \t\r\n")
	if strings.HasPrefix(p.s, "\x00") {
		p.s = ""
	}
	n := strings.IndexAny(p.s, "=!(),<> \t\r\n\x00")
	if p.word = n != 0 && p.s != ""; p.word {
		if n < 0 {
			n = len(p.s)
		}
	} else if n = min(1, len(p.s)); strings.HasPrefix(p.s, "==") || strings.HasPrefix(p.s, "!=") {
		n = 2
	}
	p.token, p.s = p.s[:n], strings.TrimPrefix(p.s[n:], "\x00")
}

func (p *labelParser) requirement() bool {
	not := p.token == "!"
	if not {
		p.scan()
	}
	if !p.word || !validLabelKey(p.token) {
		return false
	}
	if p.scan(); p.token == "" || p.token == "," {
		return true // exists
	}
	if not {
		return false
	}
	operator := p.token
	p.scan()
	switch operator {
	case "in", "notin":
		return p.set()
	case "=", "==", "!=":
		return p.value(validLabelValue)
	case ">", "<":
		return p.value(isNumber)
	}
	return false
}

func (p *labelParser) value(valid func(string) bool) bool {
	if p.token == "" || p.token == "," {
		return valid("")
	}
	ok := p.word && valid(p.token)
	p.scan()
	return ok
}

// set reads (a,b); values may be empty.
func (p *labelParser) set() bool {
	if p.token != "(" {
		return false
	}
	for p.scan(); ; p.scan() {
		if p.word {
			if !validLabelValue(p.token) {
				return false
			}
			p.scan()
		}
		if p.token == ")" {
			p.scan()
			return true
		}
		if p.word || p.token != "," {
			return false
		}
	}
}

func isNumber(s string) bool {
	_, err := strconv.ParseInt(s, 10, 64)
	return err == nil && validLabelValue(s) // which has no sign
}

func validLabelKey(s string) bool {
	prefix, name, slash := strings.Cut(s, "/")
	if !slash {
		prefix, name = "a", s
	}
	return name != "" && validLabelValue(name) && validSubdomain(prefix)
}

// validLabelValue holds for up to 63 letters, digits, '-', '_' and '.', a letter or digit at both ends, and for "".
func validLabelValue(s string) bool {
	if s == "" {
		return true
	}
	for i := range len(s) {
		if c := s[i]; !isAlphanumeric(c|0x20) && (!strings.ContainsRune("-_.", rune(c)) || i == 0 || i == len(s)-1) {
			return false
		}
	}
	return len(s) <= 63
}

// validSubdomain holds for lower-case labels of letters, digits and '-', joined by '.', up to 253 bytes.
func validSubdomain(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		for i := range len(label) {
			if c := label[i]; !isAlphanumeric(c) && (c != '-' || i == 0 || i == len(label)-1) {
				return false
			}
		}
		if label == "" {
			return false
		}
	}
	return len(s) <= 253
}

func isAlphanumeric(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' }
