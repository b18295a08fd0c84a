package falco

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"annals.dev/internal/match"
)

// maxShown bounds how much of a value an output shows: a finding is no place for a whole body.
const maxShown = 1000

const notAvailable = "<NA>"

// output is a format whose fields are bound.
type output struct {
	parts   []part
	unknown []string // fields that it names and that are none
	paths   []*match.Path
}

// part is a text, or a field of which what is written stands in text.
type part struct {
	text   string
	source *source
}

// output reads text with %field[arg] and %transformer(field) in it. A * before it all means nothing here: what is absent is
// always shown as such.
func (r *resolver) output(format string) *output {
	format = strings.TrimPrefix(strings.TrimSpace(format), "*")
	o := &output{}
	seen := map[string]bool{}
	for format != "" {
		before, rest, found := strings.Cut(format, "%")
		o.parts = append(o.parts, part{text: before})
		if !found {
			break
		}
		written, length := formatField(rest)
		format = rest[length:]
		if written == nil {
			o.parts = append(o.parts, part{text: "%"})
			continue
		}
		s, err := r.bind(written)
		if err != nil {
			o.unknown = append(o.unknown, err.Error())
			o.parts = append(o.parts, part{text: notAvailable})
			continue
		}
		o.parts = append(o.parts, part{text(written), s})
		for _, d := range s.reads {
			if name := fieldOf(d, s.arg); name != "" && !seen[name] {
				if p, err := match.ParsePath(name); err == nil {
					seen[name], o.paths = true, append(o.paths, p)
				}
			}
		}
	}
	return o
}

// formatField reads the field after a percent sign; nil if there is none.
func formatField(s string) (o operand, length int) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(*syntaxError); !ok {
				panic(r)
			}
			o, length = nil, 0
		}
	}()
	p := &parser{in: s}
	o = p.left()
	return o, p.pos
}

// text is the output for an event. Several values are shown in parentheses.
func (o *output) text(r *match.Row) string {
	var b bytes.Buffer
	for _, p := range o.parts {
		if p.source == nil {
			b.WriteString(p.text)
			continue
		}
		values := p.source.values(r.View)
		switch {
		case len(values) == 0:
			b.WriteString(notAvailable)
		case p.source.list:
			show(&b, []byte("("+string(bytes.Join(values, []byte(",")))+")"))
		default:
			show(&b, values[0])
		}
	}
	return b.String()
}

func show(b *bytes.Buffer, s []byte) {
	if len(s) > maxShown {
		cut := maxShown
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		b.Write(s[:cut])
		b.WriteString("…")
		return
	}
	b.Write(s)
}
