package match

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// fieldName is the name of a field as it was written: a base with dots, and what follows from the first bracket on.
type fieldName struct {
	base   string
	path   []string
	quoted bool // there was a bracket
	text   string
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_./$-", c) >= 0
}

// fieldName reads what may be a field's name; its base is empty where there is none.
func (p *parser) fieldName() (n fieldName, err error) {
	at := p.pos
	if c := p.peek() | 0x20; c < 'a' || c > 'z' {
		return n, nil
	}
	n.base = p.nameBytes()
	for strings.HasPrefix(p.query[p.pos:], `["`) {
		n.quoted = true
		p.pos++
		key, err := p.quotedText()
		if err != nil {
			return n, err
		}
		if p.peek() != ']' {
			return n, p.errorf(p.pos, `"]" should close the bracket here`)
		}
		p.pos++
		n.path = append(n.path, key)
		if p.peek() == '.' {
			p.pos++
			n.path = append(n.path, strings.Split(p.nameBytes(), ".")...)
		}
	}
	n.text = p.query[at:p.pos]
	return n, nil
}

func (p *parser) nameBytes() string {
	from := p.pos
	for !p.done() && isNameByte(p.peek()) {
		p.pos++
	}
	return p.query[from:p.pos]
}

func (p *parser) operator() string {
	for _, op := range []string{":", "=", "!=", ">=", "<=", ">", "<"} {
		if strings.HasPrefix(p.query[p.pos:], op) {
			p.pos += len(op)
			return op
		}
	}
	return ""
}

func lookUp(name string) *field {
	if canonical, ok := aliases[name]; ok {
		name = canonical
	}
	return fields[name]
}

// resolve finds the field that a name means, and the path below it, or says what is wrong with the name.
func (n fieldName) resolve() (f *field, path []string, msg string) {
	f, path = lookUp(n.base), n.path
	for i := len(n.base); f == nil && i > 0; {
		if i = strings.LastIndexByte(n.base[:i], '.'); i < 0 {
			break
		}
		rest := n.base[i+1:]
		switch f = lookUp(n.base[:i]); {
		case f == nil:
		case !f.object:
			f = nil
		case f.flat:
			path = append([]string{rest}, path...)
		default:
			path = append(strings.Split(rest, "."), path...)
		}
	}
	if f == nil || len(path) > 0 && !f.object {
		hint := ""
		if best := closest(n.base); best != "" {
			hint = fmt.Sprintf(", did you mean %s?", best)
		}
		return nil, nil, fmt.Sprintf("unknown field %q%s", n.text, hint)
	}
	if slices.Contains(path, "") {
		return nil, nil, fmt.Sprintf("the field %s has an empty part; write a name between its dots", n.text)
	}
	if f.flat && len(path) > 1 {
		return nil, nil, fmt.Sprintf(`%s has no members below a key; write %s["key"] where the key holds dots`, f.name, f.name)
	}
	if len(path) == 1 && fields[f.name+"."+path[0]] != nil {
		f, path = fields[f.name+"."+path[0]], nil
	}
	return f, path, ""
}

// fieldTest reads the value or the list of values after a field and its operator.
func (p *parser) fieldTest(at int, name fieldName, op string) (node, error) {
	f, path, msg := name.resolve()
	if msg != "" && f == nil && strings.HasPrefix(msg, "unknown") {
		msg += " (to search for the text, put all of it in quotes)"
	}
	if msg != "" {
		return nil, p.errorf(at, "%s", msg)
	}
	var err error
	compares := op[0] == '<' || op[0] == '>'
	if compares && (f.number == nil && f.span == nil || f.network) {
		return nil, p.errorf(p.pos-len(op), "%s cannot be compared with %s, only numbers, times and durations can; use %s:value", name.text, op, name.text)
	}
	value := func() (node, error) {
		at, quoted, text := p.pos, p.peek() == '"', ""
		if quoted {
			if text, err = p.quotedText(); err != nil {
				return nil, err
			}
		} else if text = p.bare(); text == "" {
			return nil, p.errorf(at, `%s needs a value right after it; %s:* finds events that have it, %s:"" those that do not`, name.text, name.text, name.text)
		}
		n, msg := test(f, path, op, text, quoted)
		if msg != "" {
			return nil, p.errorf(at, "%s", strings.ReplaceAll(msg, "FIELD", name.text))
		}
		return n, nil
	}
	var n node
	switch {
	case p.peek() != '(':
		n, err = value()
	case compares:
		return nil, p.errorf(p.pos, "%s cannot be followed by a list; write a comparison for each value", op)
	default:
		n, err = p.not(value)
	}
	if err == nil && op == "!=" {
		n = negate(n)
	}
	return n, err
}

// test makes the test of one value, or says what is wrong with it.
func test(f *field, path []string, op, text string, quoted bool) (node, string) {
	present := text == "*" && !quoted
	if text == "" && op[0] != '<' && op[0] != '>' {
		n, msg := test(f, path, ":", "*", false)
		return negate(n), msg
	}
	v := literal(text)
	if !quoted {
		v = pattern(text)
	}
	switch {
	case f.number != nil:
		return numeric(f, op, text, present)
	case f.names != nil:
		if _, known := f.names[text]; known {
			return &enumTest{f, text}, ""
		} else if present {
			return and{}, ""
		}
		names := slices.Sorted(maps.Keys(f.names))
		return nil, fmt.Sprintf("FIELD is one of %s", strings.Join(slices.DeleteFunc(names, func(n string) bool { return n == "*" }), ", "))
	case f.derivation != nil:
		return &derivedTest{f, v}, ""
	case f.network && !present:
		return network(f, text)
	case f.span != nil:
		if op[0] == '<' || op[0] == '>' {
			num, err := strconv.ParseFloat(text, 64)
			if err != nil || !json.Valid([]byte(text)) {
				return nil, fmt.Sprintf("%q is not a number; only numbers can be compared with %s", text, op)
			}
			v = value{op: op, num: num}
		}
		if f.object && len(path) == 0 && !v.any() {
			return nil, `FIELD has members: name one, like FIELD.name:value; FIELD:* finds events that have it`
		}
		return &jsonTest{f, path, v}, ""
	case f.name == "objectRef.resource" && strings.Contains(text, "/"):
		resource, subresource, _ := strings.Cut(text, "/")
		r, _ := test(f, nil, op, resource, quoted)
		s, _ := test(fields["objectRef.subresource"], nil, op, subresource, quoted)
		return and{r, s}, ""
	}
	for _, known := range f.values {
		if text != known && strings.EqualFold(text, known) {
			return nil, fmt.Sprintf("values are compared with their case; write %s", known)
		}
	}
	return &textTest{f, v}, ""
}

func numeric(f *field, op, text string, present bool) (node, string) {
	t := &numberTest{f, minNumber, maxNumber}
	if present {
		return t, ""
	}
	from, to, msg := number(f.unit, text)
	if msg != "" {
		return nil, msg
	}
	if f.to != 0 && (from < f.from || to > f.to) {
		return nil, fmt.Sprintf("FIELD is a number from %d to %d; write it like FIELD>=19 or (FIELD<7 OR FIELD>=19)", f.from, f.to)
	}
	switch op {
	case "<":
		t.to = from - 1
	case "<=":
		t.to = to
	case ">":
		t.from = to + 1
	case ">=":
		t.from = from
	default:
		if from < to { // a day
			return and{&numberTest{f, from, maxNumber}, &numberTest{f, minNumber, to}}, ""
		}
		t.from, t.to = from, to
	}
	return t, ""
}

// Numbers stay well within int64, so that one more and one less are numbers too.
const minNumber, maxNumber = -1 << 63, 1<<63 - 1

const limit = 1_000_000_000_000_000_000

// number reads a number of the unit, in microseconds if it has one. A day is all of its microseconds.
func number(u unit, text string) (from, to int64, msg string) {
	switch u {
	case instant:
		if day, err := time.Parse(time.DateOnly, text); err == nil && inRange(day) {
			return day.UnixMicro(), day.AddDate(0, 0, 1).UnixMicro() - 1, ""
		}
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil || !inRange(t) {
			return 0, 0, fmt.Sprintf("%q is not a time; write a day like 2026-11-21 or RFC 3339 like 2026-11-21T10:15:00Z", text)
		}
		if t.Nanosecond()%1000 != 0 {
			return 0, 0, fmt.Sprintf("%q is finer than a microsecond; leave out the last digits", text)
		}
		return t.UnixMicro(), t.UnixMicro(), ""
	case duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return 0, 0, fmt.Sprintf("%q is not a duration; write it with its unit, like 250ms, 1.5s or 2m", text)
		}
		if d%time.Microsecond != 0 {
			return 0, 0, fmt.Sprintf("%q is finer than a microsecond; leave out the last digits", text)
		}
		return d.Microseconds(), d.Microseconds(), ""
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < -limit || n > limit {
		return 0, 0, fmt.Sprintf("FIELD is a number, and %q is none; write it like FIELD:403, FIELD>=400 or FIELD:(401 OR 403)", text)
	}
	return n, n, ""
}

// inRange keeps to years that RFC 3339 writes, and their neighbours too.
func inRange(t time.Time) bool { return t.UTC().Year() >= 1000 && t.UTC().Year() <= 9000 }

func network(f *field, text string) (node, string) {
	net, err := netip.ParsePrefix(text)
	if err != nil {
		addr, addrErr := netip.ParseAddr(text)
		if addrErr != nil || addr.Zone() != "" {
			return nil, fmt.Sprintf("%q is neither an address nor a network like 10.0.0.0/8; sourceIPs:10.1.* compares the text", text)
		}
		addr = addr.Unmap()
		net = netip.PrefixFrom(addr, addr.BitLen())
	}
	if net.Addr().Is4In6() {
		return nil, fmt.Sprintf("write the network %q as IPv4", text)
	}
	return &jsonTest{f, nil, value{net: net.Masked()}}, ""
}
