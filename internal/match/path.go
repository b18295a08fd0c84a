package match

import (
	"fmt"
	"strings"

	"annals.dev/audit"
)

// Path is something of an event that a rule names: a field of the search language by any of its names, a member below one
// (requestObject.spec.replicas), or what is derived from the bodies (pod.privileged). Through an array a path leads to each
// element.
type Path struct {
	field *field
	path  []string
}

// ParsePath reads a path. Its error says what there is.
func ParsePath(name string) (*Path, error) {
	if canonical, ok := aliases[name]; ok {
		name = canonical
	}
	if f, ok := fields[name]; ok {
		return &Path{field: f}, nil
	}
	for at := len(name); at > 0; at = strings.LastIndexByte(name[:at], '.') {
		f, ok := fields[name[:at]]
		if !ok || !f.object {
			continue
		}
		if f.flat {
			return &Path{f, []string{name[at+1:]}}, nil
		}
		return &Path{f, strings.Split(name[at+1:], ".")}, nil
	}
	return nil, fmt.Errorf("an audit event has no field %q", name)
}

// Name is the path in its one form.
func (p *Path) Name() string { return strings.Join(append([]string{p.field.name}, p.path...), ".") }

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
// string is one.
func (p *Path) Each(r *Row, f func(Value) bool) {
	_ = audit.View{} // filled in below
}
