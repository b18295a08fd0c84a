package audit

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

var updateSchema = flag.Bool("update", false, "write docs/event.md and docs/event.schema.json anew")

// goDoc is what the source says of the types.
type goDoc struct {
	types, fields map[string]string
	consts        map[string][]string
}

func readDoc(t *testing.T) *goDoc {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "event.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	line := func(g *ast.CommentGroup) string { return strings.Join(strings.Fields(g.Text()), " ") }
	d := &goDoc{map[string]string{}, map[string]string{}, map[string][]string{}}
	for _, decl := range file.Decls {
		g, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range g.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				first, _, _ := strings.Cut(line(g.Doc)+" ", ". ")
				d.types[s.Name.Name] = strings.TrimSpace(first)
				if st, ok := s.Type.(*ast.StructType); ok {
					for _, f := range st.Fields.List {
						for _, n := range f.Names {
							d.fields[s.Name.Name+"."+n.Name] = line(f.Comment)
						}
					}
				}
			case *ast.ValueSpec:
				if of, ok := s.Type.(*ast.Ident); ok {
					value, err := strconv.Unquote(s.Values[0].(*ast.BasicLit).Value)
					if err != nil {
						t.Fatal(err)
					}
					d.consts[of.Name] = append(d.consts[of.Name], value)
				}
			}
		}
	}
	return d
}

// ordered is JSON whose members keep their order.
type ordered []struct {
	key   string
	value any
}

func (o *ordered) add(key string, value any) {
	*o = append(*o, struct {
		key   string
		value any
	}{key, value})
}

func (o ordered) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		v, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		b = append(append(strconv.AppendQuote(b, m.key), ':'), v...)
	}
	return append(b, '}'), nil
}

func sentence(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + strings.TrimSuffix(s[1:], ".") + "."
}

// schemaOf is a struct's schema; those of the structs in it go into defs.
func (d *goDoc) schemaOf(t *testing.T, typ reflect.Type, defs *ordered) ordered {
	properties, required := ordered{}, []string{}
	if typ == reflect.TypeFor[Event]() {
		properties.add("kind", map[string]any{"const": "Event", "description": "Absent of the items of an EventList."})
		properties.add("apiVersion", map[string]any{"const": "audit.k8s.io/v1", "description": "Absent of the items of an EventList."})
	}
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if options == "" {
			required = append(required, name)
		}
		about := d.fields[typ.Name()+"."+f.Name]
		if about == "" {
			t.Errorf("%s.%s has no comment in event.go", typ.Name(), f.Name)
		}
		property := ordered{}
		property.add("description", sentence(about))
		d.form(t, f.Type, &property, defs)
		properties.add(name, property)
	}
	o := ordered{}
	o.add("description", sentence(d.types[typ.Name()]))
	o.add("type", "object")
	o.add("properties", properties)
	if len(required) > 0 {
		o.add("required", required)
	}
	return o
}

// form adds what values of a type look like.
func (d *goDoc) form(t *testing.T, typ reflect.Type, to, defs *ordered) {
	items := func(key string, of reflect.Type) {
		inner := ordered{}
		d.form(t, of, &inner, defs)
		to.add(key, inner)
	}
	switch {
	case typ == reflect.TypeFor[MicroTime]():
		to.add("type", []string{"string", "null"})
		to.add("format", "date-time")
	case typ == reflect.TypeFor[Span](): // any JSON
	case typ.Kind() == reflect.Pointer:
		d.form(t, typ.Elem(), to, defs)
	case typ.Kind() == reflect.String:
		to.add("type", "string")
		if values := d.consts[typ.Name()]; values != nil && typ != reflect.TypeFor[Level]() {
			to.add("enum", values)
		} else if values != nil {
			to.add("enum", values[1:]) // of an event it is never None
		}
	case typ.Kind() == reflect.Int32:
		to.add("type", "integer")
	case typ.Kind() == reflect.Slice:
		to.add("type", "array")
		items("items", typ.Elem())
	case typ.Kind() == reflect.Map:
		to.add("type", "object")
		items("additionalProperties", typ.Elem())
	case typ.Kind() == reflect.Struct && typ.Name() == "":
		to.add("type", "object")
	case typ.Kind() == reflect.Struct:
		to.add("$ref", "#/$defs/"+typ.Name())
		for _, def := range *defs {
			if def.key == typ.Name() {
				return
			}
		}
		at := len(*defs)
		defs.add(typ.Name(), nil)
		(*defs)[at].value = d.schemaOf(t, typ, defs)
	default:
		t.Errorf("%v has no schema", typ)
	}
}

func schema(t *testing.T) []byte {
	t.Helper()
	d, defs := readDoc(t), ordered{}
	event := d.schemaOf(t, reflect.TypeFor[Event](), &defs)
	whole := ordered{}
	whole.add("$schema", "https://json-schema.org/draft/2020-12/schema")
	whole.add("title", "audit.k8s.io/v1 Event")
	whole = append(append(whole, event...), struct {
		key   string
		value any
	}{"$defs", defs})
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(whole); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// isCurrent holds a generated file against what it should be.
func isCurrent(t *testing.T, name string, want []byte) {
	t.Helper()
	path := filepath.Join("..", "docs", name)
	if *updateSchema {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the types in event.go say: go test ./audit -run %s -update writes it anew", path, t.Name())
	}
}

// TestSchema holds the schema in docs to the types, and recorded events to the schema.
func TestSchema(t *testing.T) {
	text := schema(t)
	isCurrent(t, "event.schema.json", text)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("event.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("event.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	valid := func(line []byte) error {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
		if err == nil {
			err = s.Validate(v)
		}
		return err
	}
	paths, err := filepath.Glob("testdata/*.log.gz")
	if err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("ANNALS_CORPUS"); dir == "" {
		t.Log("ANNALS_CORPUS is not set: only the samples in the repository are held against the schema")
	} else {
		for _, pattern := range []string{"*.log.gz", "attacks/*.log.gz"} {
			more, err := filepath.Glob(filepath.Join(dir, "corpus", pattern))
			if err != nil || more == nil {
				t.Fatalf("no logs in %s: %v", dir, err)
			}
			paths = append(paths, more...)
		}
	}
	n := 0
	for _, path := range paths {
		if strings.Contains(path, "legacy") {
			continue // text
		}
		for i, line := range lines(read(t, path)) {
			if len(line) == 0 {
				continue
			}
			if err := valid(line); err != nil {
				t.Errorf("%s:%d: %v", path, i+1, err)
			}
			n++
		}
	}
	if n < 1000 {
		t.Errorf("only %d events were there to be held against the schema", n)
	}
	for _, bad := range []string{
		`{}`, `[]`, `{"level":"None"}`, `{"level":"Metadata","auditID":7}`,
		`{"level":"Metadata","auditID":"x","stage":"Began","requestURI":"/","verb":"get","user":{},"requestReceivedTimestamp":null,"stageTimestamp":null}`,
		`{"level":"Metadata","auditID":"x","stage":"Panic","requestURI":"/","verb":"get","user":{"groups":"a"},"requestReceivedTimestamp":null,"stageTimestamp":null}`,
		`{"level":"Metadata","auditID":"x","stage":"Panic","requestURI":"/","verb":"get","user":{},"requestReceivedTimestamp":"today","stageTimestamp":null}`,
		`{"level":"Metadata","auditID":"x","stage":"Panic","requestURI":"/","verb":"get","user":{},"annotations":{"a":1},"requestReceivedTimestamp":null,"stageTimestamp":null}`,
	} {
		if valid([]byte(bad)) == nil {
			t.Errorf("the schema takes %s", bad)
		}
	}
	if err := valid(new(Event).AppendJSON(nil)); err == nil {
		t.Error("the schema takes an event without level and stage")
	}
}
