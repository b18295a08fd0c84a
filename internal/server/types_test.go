package server

import (
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"annals.dev/internal/query"
	"annals.dev/internal/query/named"
)

var update = flag.Bool("update", false, "write the generated files anew")

// isCurrent compares a generated file with what it should be, or writes it.
func isCurrent(t *testing.T, path string, want []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s is not what the Go types say: go test ./internal/server -run %s -update writes it anew", path, t.Name())
	}
}

// types are the Go types of the API as JSON shows them, with what their source says about them.
type types struct {
	t      *testing.T
	named  map[string]reflect.Type // by the name under which clients know them
	source map[string]*packageDoc  // by import path
}

// packageDoc is what the source of a package says of its types.
type packageDoc struct {
	types  map[string]string   // what is said of a type
	fields map[string]string   // by Type.Field
	consts map[string][]string // the values of a string type
}

// member is a member of a JSON object.
type member struct {
	name     string
	typ      reflect.Type
	doc      string
	optional bool
}

func newTypes(t *testing.T) *types {
	return &types{t, map[string]reflect.Type{}, map[string]*packageDoc{}}
}

// name is what clients call a type: those of this package and of query by their own names, others with their package's before.
func (ts *types) name(t reflect.Type) string {
	name, pkg := t.Name(), t.PkgPath()[strings.LastIndex(t.PkgPath(), "/")+1:]
	name = strings.ToUpper(name[:1]) + name[1:]
	if title := strings.ToUpper(pkg[:1]) + pkg[1:]; pkg != "server" && pkg != "query" && !strings.HasPrefix(name, title) {
		name = title + name
	}
	if old, ok := ts.named[name]; ok && old != t {
		ts.t.Fatalf("%v and %v would both be called %s", old, t, name)
	}
	return name
}

var (
	rawType = reflect.TypeFor[json.RawMessage]()
)

// add takes up a type and those that it holds.
func (ts *types) add(t reflect.Type) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		if t != rawType {
			ts.add(t.Elem())
		}
	case reflect.Struct, reflect.String:
		if t == timeType || t.PkgPath() == "" {
			return
		}
		name := ts.name(t)
		if _, ok := ts.named[name]; ok {
			return
		}
		ts.named[name] = t
		if t.Kind() == reflect.Struct {
			for _, m := range ts.members(t) {
				ts.add(m.typ)
			}
		}
	}
}

// names are the names of all types, sorted.
func (ts *types) names() (names []string) {
	for name := range ts.named {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// members are the members of a struct as encoding/json writes them.
func (ts *types) members(t reflect.Type) (all []member) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == "-" || !f.IsExported() && !f.Anonymous {
			continue
		}
		if f.Anonymous && tag == "" {
			all = append(all, ts.members(f.Type)...)
			continue
		}
		if tag == "" {
			tag = f.Name
		}
		all = append(all, member{tag, f.Type, ts.doc(t).fields[t.Name()+"."+f.Name], strings.Contains(options, "omit")})
	}
	return all
}

// doc reads the source of a type's package.
func (ts *types) doc(t reflect.Type) *packageDoc {
	path := t.PkgPath()
	if d, ok := ts.source[path]; ok {
		return d
	}
	d := &packageDoc{map[string]string{}, map[string]string{}, map[string][]string{}}
	ts.source[path] = d
	rest, ours := strings.CutPrefix(path, "annals.dev/")
	if !ours {
		return d
	}
	files, err := filepath.Glob(filepath.Join("..", "..", rest, "*.go"))
	if err != nil {
		ts.t.Fatal(err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			ts.t.Fatal(err)
		}
		for _, decl := range file.Decls {
			if g, ok := decl.(*ast.GenDecl); ok && !strings.HasSuffix(name, "_test.go") {
				d.read(g)
			}
		}
	}
	return d
}

func (d *packageDoc) read(g *ast.GenDecl) {
	for _, spec := range g.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			d.types[s.Name.Name] = text(s.Doc, g.Doc)
			if st, ok := s.Type.(*ast.StructType); ok {
				for _, f := range st.Fields.List {
					for _, n := range f.Names {
						d.fields[s.Name.Name+"."+n.Name] = text(f.Comment, f.Doc)
					}
				}
			}
		case *ast.ValueSpec:
			of, ok := s.Type.(*ast.Ident)
			if g.Tok != token.CONST || !ok {
				continue
			}
			for _, v := range s.Values {
				if lit, ok := v.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					if value, err := strconv.Unquote(lit.Value); err == nil {
						d.consts[of.Name] = append(d.consts[of.Name], value)
					}
				}
			}
		}
	}
}

// text is the first of some comments that says something, on one line.
func text(comments ...*ast.CommentGroup) string {
	for _, c := range comments {
		if s := strings.Join(strings.Fields(c.Text()), " "); s != "" {
			return s
		}
	}
	return ""
}

// askItems are what an answer to a named question may be made of, or the list of them.
var askItems = []reflect.Type{reflect.TypeFor[query.Event](), reflect.TypeFor[query.Group](), reflect.TypeFor[named.Question]()}

// allTypes takes up everything that the API knows.
func allTypes(t *testing.T) (*types, []route) {
	ts := newTypes(t)
	routes := new(core).all()
	for _, r := range routes {
		for _, x := range []reflect.Type{r.q, r.item, r.end} {
			if x != nil {
				ts.add(x)
			}
		}
	}
	ts.add(reflect.TypeFor[Manifest]())
	for _, x := range askItems {
		ts.add(x)
	}
	ts.add(reflect.TypeFor[Error]())
	return ts, routes
}

// TestTypeScript holds the types of the web UI to ours.
func TestTypeScript(t *testing.T) {
	ts, routes := allTypes(t)
	var b strings.Builder
	b.WriteString("// Generated from the Go types by go test ./internal/server -run TestTypeScript -update. Do not edit.\n")
	for _, name := range ts.names() {
		typ := ts.named[name]
		b.WriteString("\n")
		comment(&b, "", ts.doc(typ).types[typ.Name()])
		if typ.Kind() == reflect.String {
			fmt.Fprintf(&b, "export type %s = %s;\n", name, union(ts.doc(typ).consts[typ.Name()]))
			continue
		}
		if typ == reflect.TypeFor[nothing]() {
			fmt.Fprintf(&b, "export type %s = Record<string, never>;\n", name)
			continue
		}
		fmt.Fprintf(&b, "export interface %s {\n", name)
		for _, m := range ts.members(typ) {
			comment(&b, "  ", m.doc)
			optional := ""
			if m.optional {
				optional = "?"
			}
			fmt.Fprintf(&b, "  %s%s: %s;\n", m.name, optional, ts.script(m.typ))
		}
		b.WriteString("}\n")
	}
	b.WriteString("\n/** The questions of the API, by what follows /api/v1/. */\nexport interface Routes {\n")
	for _, r := range routes {
		if r.item == nil {
			continue // its answer is a file
		}
		comment(&b, "  ", r.about)
		fmt.Fprintf(&b, "  %q: { question: %s; item: %s; end: %s };\n", r.name, ts.script(r.q), ts.scriptItem(r), ts.script(r.end))
	}
	b.WriteString("}\n")
	isCurrent(t, filepath.Join("..", "..", "web", "src", "api", "types.gen.ts"), []byte(b.String()))
}

func comment(b *strings.Builder, indent, s string) {
	if s != "" {
		fmt.Fprintf(b, "%s/** %s */\n", indent, strings.ReplaceAll(s, "*/", "* /"))
	}
}

func union(values []string) string {
	if len(values) == 0 {
		return "string"
	}
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = strconv.Quote(v)
	}
	return strings.Join(quoted, " | ")
}

func (ts *types) scriptItem(r route) string {
	if r.name != "ask" {
		return ts.script(r.item)
	}
	var names []string
	for _, x := range askItems {
		names = append(names, ts.script(x))
	}
	return strings.Join(names, " | ")
}

// script is a type in TypeScript.
func (ts *types) script(t reflect.Type) string {
	switch {
	case t == timeType:
		return "string"
	case t == rawType:
		return "unknown"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return ts.script(t.Elem())
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return "string"
		}
		return ts.script(t.Elem()) + "[]"
	case reflect.Map:
		return "Record<string, " + ts.script(t.Elem()) + ">"
	case reflect.Bool:
		return "boolean"
	case reflect.String:
		if t.PkgPath() == "" {
			return "string"
		}
		return ts.name(t)
	case reflect.Struct:
		return ts.name(t)
	case reflect.Interface:
		return "unknown"
	}
	if t.Kind() >= reflect.Int && t.Kind() <= reflect.Float64 {
		return "number"
	}
	ts.t.Fatalf("%v has no form in TypeScript", t)
	return ""
}
