package coverage

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"

	policylint "annals.dev/policy/lint"
)

// Body is what the body of a request can be: the types of a resource, one for each version of its API.
type Body struct {
	Kind  string
	types []reflect.Type
}

// subresourceKinds are the bodies of subresources that are not their parent's.
var subresourceKinds = map[string]schema.GroupKind{
	"scale": {Group: "autoscaling", Kind: "Scale"}, "token": {Group: "authentication.k8s.io", Kind: "TokenRequest"},
	"eviction": {Group: "policy", Kind: "Eviction"}, "binding": {Kind: "Binding"},
}

var bodies sync.Map // by group, resource and subresource: *Body

// BodyOf is the body of requests for a built-in resource; nil if there is none that is known.
func BodyOf(group, resource, sub string) *Body {
	key := group + "/" + resource + "/" + sub
	if b, known := bodies.Load(key); known {
		return b.(*Body)
	}
	b := newBody(group, resource, sub)
	if b != nil { // there are only so many
		bodies.Store(key, b)
	}
	return b
}

var resources = sync.OnceValue(policylint.Resources)

func newBody(group, resource, sub string) *Body {
	kind := schema.GroupKind{Group: group}
	for _, r := range resources() {
		if r.Group == group && r.Name == resource {
			kind.Kind = r.Kind
		}
	}
	if kind.Kind == "" {
		return nil
	}
	if special, ok := subresourceKinds[sub]; ok {
		kind = special
	}
	b := &Body{Kind: kind.Kind}
	for gvk, t := range scheme.Scheme.AllKnownTypes() {
		if gvk.GroupKind() == kind && gvk.Version != "__internal" {
			b.types = append(b.types, t)
		}
	}
	if b.types == nil {
		return nil
	}
	slices.SortFunc(b.types, func(x, y reflect.Type) int { return strings.Compare(x.PkgPath(), y.PkgPath()) })
	return b
}

// Shape is what stands at a path of a body.
type Shape uint8

const (
	Nowhere  Shape = iota // there is no such path
	Anything              // it may hold whatever JSON there is
	Object
	Text
	Number
	Bool
)

// At tells what stands at a path, through lists, and how many of its members there are. Several is set where a list is passed.
func (b *Body) At(path []string) (shape Shape, depth int) {
	for _, t := range b.types {
		if s, d := shapeAt(t, path); s != Nowhere {
			return s, len(path)
		} else if d > depth {
			depth = d
		}
	}
	return Nowhere, depth
}

// Members are the names below a path, as far as they are fixed.
func (b *Body) Members(path []string) (names []string) {
	for _, t := range b.types {
		if t = typeAt(t, path); t != nil && t.Kind() == reflect.Struct {
			eachMember(t, func(name string, _ reflect.Type) { names = append(names, name) })
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

var marshaler = reflect.TypeFor[json.Marshaler]()

// elementOf takes pointers and lists off a type.
func elementOf(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8 {
		t = t.Elem()
	}
	return t
}

func shapeAt(t reflect.Type, path []string) (Shape, int) {
	for i, name := range path {
		t = elementOf(t)
		switch {
		case anyJSON(t):
			return Anything, i
		case t.Kind() == reflect.Map:
			t = t.Elem()
			continue
		case t.Kind() != reflect.Struct || reflect.PointerTo(t).Implements(marshaler):
			return Nowhere, i
		}
		below := memberOf(t, name)
		if below == nil {
			return Nowhere, i
		}
		t = below
	}
	t = elementOf(t)
	switch {
	case anyJSON(t):
		return Anything, len(path)
	case t.Name() == "IntOrString":
		return Text, len(path)
	case t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(marshaler), t.Kind() == reflect.Map:
		return Object, len(path)
	case t.Kind() == reflect.Bool:
		return Bool, len(path)
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Float64:
		return Number, len(path)
	}
	return Text, len(path)
}

// anyJSON says whether a type holds whatever JSON there is.
func anyJSON(t reflect.Type) bool {
	return t.Kind() == reflect.Interface || slices.Contains([]string{"RawExtension", "JSON", "FieldsV1", "Unknown"}, t.Name())
}

func typeAt(t reflect.Type, path []string) reflect.Type {
	for _, name := range path {
		if t = elementOf(t); t.Kind() == reflect.Map {
			t = t.Elem()
		} else if t.Kind() != reflect.Struct {
			return nil
		} else if t = memberOf(t, name); t == nil {
			return nil
		}
	}
	return elementOf(t)
}

func memberOf(t reflect.Type, name string) (found reflect.Type) {
	eachMember(t, func(n string, of reflect.Type) {
		if n == name {
			found = of
		}
	})
	return found
}

// eachMember hands the members of a struct as JSON has them to f.
func eachMember(t reflect.Type, f func(name string, of reflect.Type)) {
	for i := range t.NumField() {
		field := t.Field(i)
		name, rest, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name == "-" || !field.IsExported():
		case name == "" && (strings.Contains(rest, "inline") || field.Anonymous):
			if in := elementOf(field.Type); in.Kind() == reflect.Struct {
				eachMember(in, f)
			}
		case name != "":
			f(name, field.Type)
		}
	}
}

// Lists says which of a path's members, from the first on, are lists.
func (b *Body) Lists(path []string) []bool {
	lists := make([]bool, len(path))
	for _, t := range b.types {
		for i := range path {
			below := elementOf(t)
			switch below.Kind() {
			case reflect.Map:
				t = below.Elem()
			case reflect.Struct:
				if t = memberOf(below, path[i]); t == nil {
					below = nil
				}
			default:
				below = nil
			}
			if below == nil {
				break
			}
			for s := t; s.Kind() == reflect.Pointer || s.Kind() == reflect.Slice; s = s.Elem() {
				lists[i] = lists[i] || s.Kind() == reflect.Slice && s.Elem().Kind() != reflect.Uint8
			}
		}
	}
	return lists
}
