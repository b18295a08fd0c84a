package falco

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"annals.dev/audit"
)

// source is an operand that is bound: it gives values of an event. No value means that it is absent.
type source struct {
	key    string // in one fixed form
	list   bool
	number bool // decimal, and compared as numbers
	def    *definition
	arg    selection
	get    func(*audit.View) [][]byte
	text   func(*audit.View) audit.Text // in get's stead, where it is a text of the event
	reads  []*definition                // all that it is made of
}

// values are those of an event.
func (s *source) values(v *audit.View) [][]byte {
	if s.text == nil {
		return s.get(v)
	}
	t := s.text(v)
	if t == nil || v.AuditID == nil {
		return nil
	}
	return [][]byte{t.Decode(nil)}
}

// binder makes sources of operands.
type binder struct{ upstream bool }

func (b binder) bind(o operand) (*source, error) {
	switch o := o.(type) {
	case *field:
		return b.field(o)
	case *call:
		return b.call(o)
	case literal:
		value := [][]byte{[]byte(o)}
		return &source{key: text(o), get: func(*audit.View) [][]byte { return value }}, nil
	case list:
		return b.list(o)
	}
	return nil, fmt.Errorf("%T is no operand", o)
}

func (b binder) field(f *field) (*source, error) {
	d := definitions[f.name]
	if d == nil {
		return nil, unknownField(f.name)
	}
	s := &source{key: strings.Replace(d.name, "jevt.", "json.", 1), list: d.list, def: d, arg: selection{index: -1}, reads: []*definition{d}}
	switch {
	case f.arg == nil && d.arg == aKey:
		return nil, fmt.Errorf("%s needs an argument: %s[…]", f.name, f.name)
	case f.arg != nil && d.arg == noArgument:
		return nil, fmt.Errorf("%s takes no argument", f.name)
	case f.arg != nil && d.arg == anIndex:
		i, err := strconv.ParseUint(*f.arg, 10, 31)
		if err != nil {
			return nil, fmt.Errorf("%s[%s]: the argument must be the number of an element, from 0", f.name, *f.arg)
		}
		s.arg.index = int(i)
		s.key += "[" + strconv.Itoa(s.arg.index) + "]"
	case f.arg != nil:
		if *f.arg == "" {
			return nil, fmt.Errorf("%s needs an argument that is not empty", f.name)
		}
		s.arg.key = *f.arg
		s.key += "[" + *f.arg + "]"
	}
	read := d.read
	if b.upstream && d.as != nil {
		read = d.as
		s.key += "@upstream"
	}
	if d.name == "json.value" || d.name == "jevt.value" {
		keys := keysOf(s.arg.key)
		s.get = func(v *audit.View) [][]byte { return some(pointer(v, keys)) }
		return s, nil
	}
	if s.text = d.text; s.text == nil {
		arg, json := s.arg, strings.HasPrefix(s.key, "json.")
		s.get = func(v *audit.View) [][]byte {
			if v.AuditID == nil && !json {
				return nil
			}
			return read(v, arg)
		}
	}
	return s, nil
}

type unknownField string

func (f unknownField) Error() string { return "there is no field " + string(f) }

// list joins the values of its members, of which each must have one.
func (b binder) list(members list) (*source, error) {
	s := &source{list: true}
	var all []*source
	var keys []string
	for _, m := range members {
		member, err := b.bind(m)
		if err != nil {
			return nil, err
		}
		if member.list {
			return nil, fmt.Errorf("%s is a list within a list", text(m))
		}
		all, keys = append(all, member), append(keys, member.key)
		s.reads = append(s.reads, member.reads...)
	}
	s.key = "(" + strings.Join(keys, ",") + ")"
	s.get = func(v *audit.View) [][]byte {
		values := [][]byte{}
		for _, m := range all {
			one := m.values(v)
			if len(one) == 0 {
				return nil
			}
			values = append(values, one[0])
		}
		return values
	}
	return s, nil
}

func (b binder) call(c *call) (*source, error) {
	var args []*source
	var keys []string
	s := &source{}
	for _, a := range c.args {
		arg, err := b.bind(a)
		if err != nil {
			return nil, err
		}
		args, keys = append(args, arg), append(keys, arg.key)
		s.reads = append(s.reads, arg.reads...)
	}
	s.key = c.name + "(" + strings.Join(keys, ",") + ")" + argument(c.arg)
	if c.arg != nil && c.name != "getopt" {
		return nil, fmt.Errorf("%s() takes no argument in brackets", c.name)
	}
	var err error
	switch c.name {
	case "join":
		err = s.join(args)
	case "concat":
		err = s.concat(args)
	case "getopt":
		err = s.getopt(args, c.arg)
	default:
		err = s.transform(c.name, c.args, args)
	}
	return s, err
}

// transform is about the transformers of one operand, which work on each of its values.
func (s *source) transform(name string, written []operand, args []*source) error {
	if len(args) != 1 {
		return fmt.Errorf("%s() takes one field or transformer, not %d", name, len(args))
	}
	switch written[0].(type) {
	case literal, list:
		return fmt.Errorf("%s() takes a field or a transformer, not %s", name, text(written[0]))
	}
	of := args[0]
	if name == "len" {
		s.number = true
		s.get = func(v *audit.View) [][]byte {
			values := of.values(v)
			if len(values) == 0 {
				return nil
			}
			n := len(values)
			if !of.list {
				n = len(values[0])
			}
			return [][]byte{strconv.AppendInt(nil, int64(n), 10)}
		}
		return nil
	}
	if of.number {
		return fmt.Errorf("%s() takes a text, not a number", name)
	}
	s.list = of.list
	each := map[string]func([]byte) []byte{"tolower": lower, "toupper": upper, "b64": base64Decoded, "basename": basename}[name]
	s.get = func(v *audit.View) [][]byte {
		values := of.values(v)
		for i, value := range values {
			if values[i] = each(value); values[i] == nil {
				return nil
			}
		}
		return values
	}
	return nil
}

func (s *source) join(args []*source) error {
	if len(args) != 2 || args[0].list || !args[1].list {
		return fmt.Errorf("join() takes a separator and a list")
	}
	s.get = func(v *audit.View) [][]byte {
		separator, members := args[0].values(v), args[1].values(v)
		if len(separator) == 0 || members == nil {
			return nil
		}
		return [][]byte{bytes.Join(members, separator[0])}
	}
	return nil
}

func (s *source) concat(args []*source) error {
	if len(args) < 2 || slices.ContainsFunc(args, func(a *source) bool { return a.list || a.number }) {
		return fmt.Errorf("concat() takes two texts or more")
	}
	s.get = func(v *audit.View) [][]byte {
		whole := []byte{}
		for _, a := range args {
			one := a.values(v)
			if len(one) == 0 {
				return nil
			}
			whole = append(whole, one[0]...)
		}
		return [][]byte{whole}
	}
	return nil
}

// getopt reads options as the C function does: it ends at -- and at the first that is no option, and passes over long ones.
// Without a selector it gives each option and its value; ? stands for an unknown one. With one it gives the value of the last
// such option, or the option itself if it takes none.
func (s *source) getopt(args []*source, selector *string) error {
	if len(args) != 2 || !args[0].list || args[1].list || args[0].number || args[1].number {
		return fmt.Errorf("getopt() takes a list and a text of options")
	}
	if selector != nil && len(*selector) != 1 {
		return fmt.Errorf("getopt()[%s]: the selector must be one character", *selector)
	}
	s.list = selector == nil
	s.get = func(v *audit.View) [][]byte {
		options := args[1].values(v)
		words := args[0].values(v)
		if len(options) == 0 || len(words) == 0 {
			return nil
		}
		found := [][]byte{}
		parseOptions(words, string(options[0]), func(option byte, value []byte, takes bool) {
			switch {
			case selector == nil && option == '?' && value == nil:
				found = append(found, []byte{'?'})
			case selector == nil && takes && value == nil:
				found = append(found, []byte{})
			case selector == nil:
				if found = append(found, []byte{option}); takes {
					found = append(found, value)
				}
			case option == (*selector)[0] && takes:
				found = [][]byte{append([]byte{}, value...)}
			case option == (*selector)[0]:
				found = [][]byte{{option}}
			}
		})
		return found
	}
	return nil
}

// parseOptions tells each option; an unknown one as ? without a value, and one whose value is missing with none.
func parseOptions(words [][]byte, options string, tell func(option byte, value []byte, takes bool)) {
	options = strings.TrimPrefix(options, ":")
	for i := 0; i < len(words); i++ {
		w := words[i]
		switch {
		case string(w) == "--" || len(w) < 2 || w[0] != '-':
			return
		case w[1] == '-':
			continue
		}
		for j := 1; j < len(w); j++ {
			at := strings.IndexByte(options, w[j])
			switch {
			case at < 0 || w[j] == ':':
				tell('?', nil, false)
				continue
			case at+1 == len(options) || options[at+1] != ':':
				tell(w[j], []byte{}, false)
				continue
			case j+1 < len(w):
				tell(w[j], w[j+1:], true)
			case i+1 < len(words):
				i++
				tell(w[j], words[i], true)
			default:
				tell(w[j], nil, true)
			}
			break
		}
	}
}

// lower and upper are C's, of ASCII alone.
func lower(s []byte) []byte { return ascii(s, 'A', 'Z', 'a'-'A') }
func upper(s []byte) []byte { return ascii(s, 'a', 'z', 'A'-'a'+0) }

func ascii(s []byte, from, to byte, by int) []byte {
	s = append([]byte{}, s...)
	for i, c := range s {
		if from <= c && c <= to {
			s[i] = byte(int(c) + by)
		}
	}
	return s
}

func base64Decoded(s []byte) []byte {
	out := make([]byte, 0, len(s))
	out, err := base64.RawStdEncoding.AppendDecode(out, bytes.TrimRight(s, "="))
	if err != nil {
		return nil
	}
	return out
}

func basename(s []byte) []byte { return append([]byte{}, s[bytes.LastIndexByte(s, '/')+1:]...) }
