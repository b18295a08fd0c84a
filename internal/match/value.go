package match

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
)

// value is what a field is compared with. By default it is a pattern: its parts in their order, with anything between them. One
// part is the text itself, two empty ones stand for any value.
type value struct {
	parts [][]byte
	op    string       // a comparison with number: <, <=, >, >=
	num   float64      //
	net   netip.Prefix // or the addresses of a network, if it is valid
}

func literal(s string) value { return value{parts: [][]byte{[]byte(s)}} }

var anything = pattern("*")

// pattern reads a text in which * stands for anything.
func pattern(s string) value {
	for strings.Contains(s, "**") {
		s = strings.ReplaceAll(s, "**", "*")
	}
	var v value
	for part := range strings.SplitSeq(s, "*") {
		v.parts = append(v.parts, []byte(part))
	}
	return v
}

func (v *value) exact() bool { return len(v.parts) == 1 }
func (v *value) any() bool {
	return len(v.parts) == 2 && len(v.parts[0]) == 0 && len(v.parts[1]) == 0
}

// meets tests a value. An object has no text, but it is a value.
func (v *value) meets(x Value) bool {
	switch x.Kind {
	case ObjectValue:
		return v.any()
	case NullValue:
		return false
	}
	return v.matches(x.Text, x.Kind == StringValue)
}

// matches tests a decoded string, or a number or boolean as it is written. An empty string is as good as none.
func (v *value) matches(b []byte, isString bool) bool {
	switch {
	case len(b) == 0:
		return false
	case v.op != "":
		return !isString && v.compares(b)
	case v.net.IsValid():
		return isString && v.contains(b)
	}
	first, rest := v.parts[0], v.parts[1:]
	if len(rest) == 0 {
		return bytes.Equal(b, first)
	}
	last, middle := rest[len(rest)-1], rest[:len(rest)-1]
	if len(b) < len(first)+len(last) || !bytes.HasPrefix(b, first) || !bytes.HasSuffix(b, last) {
		return false
	}
	b = b[len(first) : len(b)-len(last)]
	for _, part := range middle {
		i := bytes.Index(b, part)
		if i < 0 {
			return false
		}
		b = b[i+len(part):]
	}
	return true
}

func (v *value) compares(b []byte) bool {
	if c := b[0]; c != '-' && (c < '0' || c > '9') {
		return false
	}
	n, _ := strconv.ParseFloat(string(b), 64) // infinite where it is out of range
	switch v.op {
	case "<":
		return n < v.num
	case "<=":
		return n <= v.num
	case ">":
		return n > v.num
	}
	return n >= v.num
}

func (v *value) contains(b []byte) bool {
	addr, err := netip.ParseAddr(string(b))
	return err == nil && v.net.Contains(addr.Unmap().WithZone(""))
}

// print writes an operator and the value so that they are read back as the same.
func (v *value) print(w *strings.Builder) {
	switch {
	case v.op != "":
		w.WriteString(v.op + strconv.FormatFloat(v.num, 'g', -1, 64))
	case v.net.IsValid() && v.net.IsSingleIP():
		w.WriteString(":" + v.net.Addr().String())
	case v.net.IsValid():
		w.WriteString(":" + v.net.String())
	case v.exact():
		w.WriteByte(':')
		printText(w, string(v.parts[0]))
	default:
		w.WriteByte(':')
		w.Write(bytes.Join(v.parts, []byte("*")))
	}
}

func printText(w *strings.Builder, s string) {
	if strings.IndexFunc(s, func(r rune) bool {
		return r < 0x80 && fold[r] <= backslash && !strings.ContainsRune("./:@%+,-&?=#$", r)
	}) < 0 {
		w.WriteString(s)
		return
	}
	printQuoted(w, s)
}

func printQuoted(w *strings.Builder, s string) {
	w.WriteByte('"')
	w.WriteString(quoted.Replace(s))
	w.WriteByte('"')
}

var quoted = strings.NewReplacer(`\`, `\\`, `"`, `\"`)
