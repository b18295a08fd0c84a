package match

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"annals.dev/audit"
)

// Path is something of an event that a rule names: a field of the search language by any of its names, a member below one
// (requestObject.spec.replicas, annotations["a.b/c"]), or what is derived from the bodies (pod.privileged). Through an array a
// path leads to each element.
type Path struct {
	field *field
	path  []string
}

// pathOnly are what a rule may name that the search language does not: objects whole, and what every event says alike. (user is who made the request.)
var pathOnly = index([]*field{
	{name: "impersonatedUser", span: impersonated, object: true},
	{name: "objectRef", span: func(v *audit.View) audit.Span { return v.ObjectRef.Raw }, object: true},
	{name: "kind", text: func(v *audit.View) audit.Text { return v.Kind }},
	{name: "apiVersion", text: func(v *audit.View) audit.Text { return v.APIVersion }},
})

// ParsePath reads a path. Its error says what is wrong with it, and what is most like it.
func ParsePath(name string) (*Path, error) {
	if f := pathOnly[name]; f != nil {
		return &Path{field: f}, nil
	}
	p := &parser{query: name}
	n, err := p.fieldName()
	if err != nil || !p.done() || n.base == "" {
		return nil, fmt.Errorf(`an audit event has no field %q; write names with dots between them, and ["a.b"] where one holds dots`, name)
	}
	f, path, msg := n.resolve()
	if msg != "" {
		return nil, fmt.Errorf("of an audit event: %s", msg)
	}
	return &Path{f, path}, nil
}

// Name is the path in its one form.
func (p *Path) Name() string {
	if len(p.path) == 0 {
		return p.field.name
	}
	var w strings.Builder
	printPath(&w, p.field, p.path)
	return w.String()
}

// ValueKind is what sort of JSON a value is.
type ValueKind uint8

const (
	StringValue ValueKind = iota
	NumberValue
	BoolValue
	NullValue
	ObjectValue // and its text is the JSON as it stands
)

// Value is one value of an event.
type Value struct {
	Kind ValueKind
	Text []byte // decoded; valid until f of Each returns
}

// Each hands the values that the path leads to in an event to f, until it returns false. An absent field has none; an empty
// string is one. Times are as the API server writes them, durations are numbers of seconds.
func (p *Path) Each(r *Row, f func(Value) bool) {
	switch d := p.field; {
	case d.text != nil:
		if t := d.text(r.View); t != nil {
			f(Value{StringValue, r.decode(t)})
		}
	case d.row != nil:
		if s := d.row(r); s != "" {
			r.scratch = append(r.scratch[:0], s...)
			f(Value{StringValue, r.scratch})
		}
	case d.number != nil:
		p.number(r, f)
	case d.names != nil:
		for _, name := range slices.Sorted(maps.Keys(d.names)) {
			if name != "*" && d.is(r, d.names[name]) && !f(Value{StringValue, []byte(name)}) {
				return
			}
		}
	case d.derivation != nil:
		r.eachDerived(d.derivation.id, func(b []byte) bool { return f(Value{StringValue, b}) })
	case d.span != nil:
		if tape := r.tape(d); tape != nil {
			tape.each(p.path, &r.scratch, f)
			return
		}
		if b := valid(d.span(r.View)); len(b) > 0 {
			w := walker{b: b, each: f, strings: !d.object, scratch: &r.scratch}
			w.walk(d, p.path)
		}
	}
}

func (p *Path) number(r *Row, f func(Value) bool) {
	n, ok := p.field.number(r)
	if !ok {
		return
	}
	switch p.field.unit {
	case instant:
		r.scratch = audit.AppendMicros(r.scratch[:0], n)
		f(Value{StringValue, r.scratch})
	case duration:
		r.scratch = strconv.AppendFloat(r.scratch[:0], float64(n)/1e6, 'f', -1, 64)
		f(Value{NumberValue, r.scratch})
	default:
		r.scratch = strconv.AppendInt(r.scratch[:0], n, 10)
		f(Value{NumberValue, r.scratch})
	}
}

// Spans hands the JSON that the path leads to in an event to f, as it stands and arrays whole, until it returns false: for what
// must tell one element from another. What is no JSON in the event is handed as JSON.
func (p *Path) Spans(r *Row, f func(audit.Span) bool) {
	if p.field.span == nil || p.field.last {
		p.Each(r, func(v Value) bool {
			if v.Kind == StringValue {
				quoted, _ := json.Marshal(string(v.Text))
				return f(quoted)
			}
			return f(v.Text)
		})
		return
	}
	if b := valid(p.field.span(r.View)); len(b) > 0 {
		w := walker{b: b, spans: f}
		w.walk(p.field, p.path)
	}
}
