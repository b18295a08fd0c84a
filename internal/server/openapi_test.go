package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"annals.dev/internal/access"
)

type jsonObject = map[string]any

func ref(name string) jsonObject { return jsonObject{"$ref": "#/components/schemas/" + name} }

// schema is a type as JSON Schema.
func (ts *types) schema(t reflect.Type) jsonObject {
	switch {
	case t == timeType:
		return jsonObject{"type": "string", "format": "date-time"}
	case t == rawType, t.Kind() == reflect.Interface:
		return jsonObject{}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return ts.schema(t.Elem())
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return jsonObject{"type": "string", "contentEncoding": "base64"}
		}
		return jsonObject{"type": "array", "items": ts.schema(t.Elem())}
	case reflect.Map:
		return jsonObject{"type": "object", "additionalProperties": ts.schema(t.Elem())}
	case reflect.Bool:
		return jsonObject{"type": "boolean"}
	case reflect.Float64:
		return jsonObject{"type": "number"}
	case reflect.Int, reflect.Int32, reflect.Int64:
		return jsonObject{"type": "integer"}
	case reflect.Uint, reflect.Uint32, reflect.Uint64:
		return jsonObject{"type": "integer", "minimum": 0}
	case reflect.String:
		if t.PkgPath() == "" {
			return jsonObject{"type": "string"}
		}
		return ref(ts.name(t))
	case reflect.Struct:
		return ref(ts.name(t))
	}
	ts.t.Fatalf("%v has no form in JSON Schema", t)
	return nil
}

func (ts *types) component(t reflect.Type) jsonObject {
	s := jsonObject{}
	if doc := ts.doc(t).types[t.Name()]; doc != "" {
		s["description"] = doc
	}
	if t.Kind() == reflect.String {
		s["type"] = "string"
		if values := ts.doc(t).consts[t.Name()]; len(values) > 0 {
			s["enum"] = values
		}
		return s
	}
	properties, required := jsonObject{}, []string{}
	for _, m := range ts.members(t) {
		p := ts.schema(m.typ)
		if m.doc != "" {
			p["description"] = m.doc
		}
		properties[m.name] = p
		if !m.optional {
			required = append(required, m.name)
		}
	}
	s["type"], s["properties"] = "object", properties
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// parameters are a question's members as parameters of a GET.
func (ts *types) parameters(q reflect.Type) []jsonObject {
	list := []jsonObject{}
	for _, m := range ts.members(q) {
		p := jsonObject{"name": m.name, "in": "query", "schema": ts.schema(m.typ)}
		if m.doc != "" {
			p["description"] = m.doc
		}
		switch m.typ.Kind() {
		case reflect.Slice:
			if m.typ.Elem().Kind() != reflect.Uint8 {
				p["style"], p["explode"] = "form", true
			}
		case reflect.Map:
			p["name"], p["schema"] = m.name+".NAME", jsonObject{"type": "string"}
		case reflect.Pointer, reflect.Struct:
			if t := m.typ; t != timeType && (t.Kind() == reflect.Struct || t.Elem().Kind() == reflect.Struct) {
				continue // it can be given in a POST only
			}
		}
		list = append(list, p)
	}
	return list
}

func (ts *types) item(r route) jsonObject {
	if r.name != "ask" {
		return ts.schema(r.item)
	}
	var some []jsonObject
	for _, x := range askItems {
		some = append(some, ts.schema(x))
	}
	return jsonObject{"anyOf": some}
}

// line is what a line of an answer may be.
func (ts *types) line(r route) jsonObject {
	one := func(name string, s jsonObject) jsonObject {
		return jsonObject{"type": "object", "properties": jsonObject{name: s}, "required": []string{name}}
	}
	return jsonObject{"anyOf": []jsonObject{
		one("item", ts.item(r)), one("end", ts.schema(r.end)), one("error", ref("Error")), one("beat", jsonObject{"type": "string", "format": "date-time"}),
	}}
}

func (ts *types) whole(r route) jsonObject {
	return jsonObject{"type": "object", "required": []string{"items", "end"}, "properties": jsonObject{
		"items": jsonObject{"type": "array", "maxItems": jsonItems, "items": ts.item(r)}, "end": ts.schema(r.end),
	}}
}

func (ts *types) operation(r route, method string) jsonObject {
	ok := jsonObject{"description": "The answer.", "content": jsonObject{
		"application/x-ndjson": jsonObject{"schema": ts.line(r)}, "application/json": jsonObject{"schema": ts.whole(r)},
	}}
	if r.name == "export" {
		ok = jsonObject{"description": "A file.", "content": jsonObject{"application/zip": jsonObject{}, "application/octet-stream": jsonObject{}}}
	}
	op := jsonObject{
		"summary":     r.about,
		"description": "Needs the role " + string(r.role) + ".",
		"operationId": strings.ToLower(method) + "-" + strings.ReplaceAll(r.name, "/", "-"),
		"responses":   jsonObject{"200": ok, "default": jsonObject{"$ref": "#/components/responses/Error"}},
	}
	if method == "get" {
		op["parameters"] = ts.parameters(r.q)
		return op
	}
	body := jsonObject{"application/json": jsonObject{"schema": ts.schema(r.q)}}
	if r.name == "import" {
		op["description"] = "Needs the role admin. The body is a line with the question as JSON and, where it names no paths, the content of one file behind it."
		body = jsonObject{"application/octet-stream": jsonObject{}}
	}
	op["requestBody"] = jsonObject{"required": true, "content": body}
	return op
}

func describe(t *testing.T) ([]byte, *types, []route) {
	ts, routes := allTypes(t)
	paths := jsonObject{
		"/api/v1": jsonObject{"get": jsonObject{"summary": "The routes of the API.", "operationId": "routes", "responses": jsonObject{
			"200": jsonObject{"description": "The answer.", "content": jsonObject{"application/x-ndjson": jsonObject{}}}, "default": jsonObject{"$ref": "#/components/responses/Error"}}}},
		"/api/v1/openapi.json": jsonObject{"get": jsonObject{"summary": "This document.", "operationId": "openapi", "responses": jsonObject{
			"200": jsonObject{"description": "OpenAPI 3.1.", "content": jsonObject{"application/json": jsonObject{}}}}}},
	}
	for _, r := range routes {
		if r.item == nil {
			r.item, r.end = reflect.TypeFor[nothing](), reflect.TypeFor[nothing]()
		}
		p := jsonObject{"post": ts.operation(r, "post")}
		if !r.changes {
			p["get"] = ts.operation(r, "get")
		}
		paths[api+r.name] = p
	}
	schemas := jsonObject{}
	for name, typ := range ts.named {
		schemas[name] = ts.component(typ)
	}
	doc := jsonObject{
		"openapi": "3.1.0",
		"info": jsonObject{
			"title": "Annals", "version": "v1", "license": jsonObject{"name": "Apache-2.0", "identifier": "Apache-2.0"},
			"description": "Questions about the audit events of Kubernetes clusters. docs/api.md says how they are asked and what answers are made of.",
		},
		"servers":  []jsonObject{{"url": "/"}},
		"security": []jsonObject{{"token": []string{}}, {"session": []string{}}},
		"paths":    paths,
		"components": jsonObject{
			"schemas": schemas,
			"responses": jsonObject{"Error": jsonObject{"description": "What went wrong.", "content": jsonObject{
				"application/json": jsonObject{"schema": jsonObject{"type": "object", "required": []string{"error"}, "properties": jsonObject{"error": ref("Error")}}},
			}}},
			"securitySchemes": jsonObject{
				"token":   jsonObject{"type": "http", "scheme": "bearer"},
				"session": jsonObject{"type": "apiKey", "in": "cookie", "name": "__Host-annals"},
			},
		},
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(doc); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), ts, routes
}

func TestDescriptionIsCurrent(t *testing.T) {
	text, _, _ := describe(t)
	isCurrent(t, "openapi.json", text)
	isCurrent(t, filepath.Join("..", "..", "docs", "openapi.json"), text)
}

// TestDescriptionIsWhole looks at what the document must have: every reference leads somewhere, every operation has a name of its
// own, every schema is one.
func TestDescriptionIsWhole(t *testing.T) {
	var doc any
	if err := json.Unmarshal(description, &doc); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				walk(at, x)
			}
		case map[string]any:
			if to, ok := v["$ref"].(string); ok {
				var found any = doc
				for _, step := range strings.Split(strings.TrimPrefix(to, "#/"), "/") {
					m, _ := found.(map[string]any)
					found = m[step]
				}
				if found == nil {
					t.Errorf("%s leads to %s, which is not there", at, to)
				}
			}
			if id, ok := v["operationId"].(string); ok {
				if ids[id] {
					t.Errorf("two operations are called %s", id)
				}
				ids[id] = true
				if v["summary"] == "" || v["responses"] == nil {
					t.Errorf("%s has no summary or no responses", id)
				}
			}
			for k, x := range v {
				walk(at+"/"+k, x)
			}
		}
	}
	walk("", doc)
	if len(ids) < 40 {
		t.Errorf("%d operations", len(ids))
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("file:///openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	for name := range doc.(map[string]any)["components"].(map[string]any)["schemas"].(map[string]any) {
		if _, err := c.Compile("file:///openapi.json#/components/schemas/" + name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// strict makes every object one that has no members but those described, so that what an answer holds beyond them is found.
func strict(v any) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			strict(x)
		}
	case map[string]any:
		for _, x := range v {
			strict(x)
		}
		if _, ok := v["properties"].(map[string]any); ok && v["type"] == "object" {
			v["additionalProperties"] = false
		}
	}
}

// asked are questions for every route, each of which must be answered; what an answer to each of them is like is described.
var asked = map[string][]string{
	"events":            {"limit=3", "limit=2&detail=whole", "limit=1&detail=raw", "query=nosuchword", "query=mark:*&detail=whole"},
	"hits":              {"", "by=user&top=1", "rows=true&by=code-class", "query=nosuchword&since=2026-11-21T00:10:00Z"},
	"facets":            {"", "query=nosuchword"},
	"values":            {"field=user", "field=ns&prefix=zzz"},
	"fields":            {""},
	"event":             {"cluster=prod&position=3", "id=0a6bd2a4-0000-4000-8000-000000000005", "cluster=torn&position=0", "cluster=torn&position=1"},
	"neighbours":        {"cluster=prod&position=30&by=time", "cluster=torn&position=1&by=object", "cluster=prod&position=0&by=actor"},
	"overview":          {"", "query=nosuchword"},
	"sql":               {"statement=" + url.QueryEscape("SELECT * FROM events LIMIT 3")},
	"proof":             {"cluster=prod&id=3"},
	"ledger":            {""},
	"ledger/checkpoint": {"cluster=prod"},
	"ledger/verify":     {""},
	"findings":          {"", "severity=high", "limit=1", "users=jane&withdrawn=true", "query=user:jane&techniques=T1485"},
	"findings/groups":   {"", "by=rule&by=user&by=technique"},
	"findings/finding":  {"id=FINDING"},
	"rules":             {""},
	"rules/rule":        {"id=saved-000000000001"},
	"rules/hunt":        {"ids=saved-000000000001", "text=" + url.QueryEscape("id: x\ntitle: t\nsearch: verb:create\nseverity: low\n")},
	"rules/attack":      {""},
	"rules/coverage":    {"policy=" + url.QueryEscape("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n")},
	"rules/save":        {`{"title":"deletions","search":"verb:delete","severity":"low","techniques":["T1485"]}`},
	"silences":          {"", "ended=true"},
	"silences/create":   {`{"match":{"user":"jane"},"reason":"she moves","end":"END"}`},
	"alerts":            {"", "results=delivered"},
	"status":            {""},
	"me":                {""},
	"tokens/list":       {""},
	"tokens/create":     {`{"role":"reader","scope":"ns:team-a"}`},
	"import":            {"{\"cluster\":\"imported\"}\n" + eventText(77, "get") + "\nnonsense\n"},
	"objects/history":   {"resource=configmaps&name=app&namespace=team-a"},
	"objects/diff":      {"resource=configmaps&name=app&namespace=team-a"},
	"objects/blame":     {"resource=configmaps&name=app&namespace=team-a"},
	"actors/profile":    {"user=jane", "user=nobody"},
	"actors/rbac":       {"user=jane"},
	"actors/baseline":   {"user=jane", "user=nobody"},
	"sessions":          {""},
	"ask":               {"", "name=secrets-read", "name=top-talkers"},
}

// Real answers are what the description says, with no member more.
func TestAnswersAreAsDescribed(t *testing.T) {
	var doc any
	if err := json.Unmarshal(description, &doc); err != nil {
		t.Fatal(err)
	}
	strict(doc)
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("file:///openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	c := newCore(t)
	team(t, c)
	spoilt(t, c, "torn")
	object := func(n int, colour string) string {
		return strings.NewReplacer(`"Metadata"`, `"RequestResponse"`, `"resource":"secrets"`, `"resource":"configmaps"`, `"namespace":"prod"`, `"namespace":"team-a"`, fmt.Sprintf(`"name":"s%d"`, n), `"name":"app"`,
			`"requestReceivedTimestamp"`, fmt.Sprintf(`"responseObject":{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"app","namespace":"team-a","uid":"u-1","resourceVersion":"%d"},"data":{"colour":%q}},"requestReceivedTimestamp"`, n, colour)).Replace(eventText(n, "update"))
	}
	add(t, c, "prod", object(501, "blue"), object(502, "red"))
	found := watchedCore(t, c)
	fill := strings.NewReplacer("FINDING", found[0].ID, "END", time.Now().Add(time.Hour).Format(time.RFC3339))
	// Their answers have no end, are files, or need what another test makes.
	elsewhere := []string{"tail", "findings/tail", "export", "tokens/revoke", "rules/remove", "silences/expire", "alerts/test"}
	srv, none := serve(t, c), serve(t, newCore(t))
	for _, r := range c.all() {
		if slices.Contains(elsewhere, r.name) {
			continue
		}
		if len(asked[r.name]) == 0 {
			t.Errorf("nothing is asked of %s", r.name)
		}
		method := "get"
		if r.changes {
			method = "post"
		}
		at := "file:///openapi.json#/paths/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(api+r.name) + "/" + method + "/responses/200/content/"
		line, err := compiler.Compile(at + "application~1x-ndjson/schema")
		if err != nil {
			t.Fatal(err)
		}
		whole, err := compiler.Compile(at + "application~1json/schema")
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range asked[r.name] {
			q = fill.Replace(q)
			for _, accept := range []string{"application/x-ndjson", "application/json"} {
				path, body := api+r.name+"?"+q, ""
				if r.changes {
					path, body = api+r.name, q
				}
				resp, text := call(t, srv, "admin", strings.ToUpper(method), path, body, "Accept", accept)
				if empty, said := call(t, none, "admin", strings.ToUpper(method), path, body, "Accept", accept); accept == "application/json" && empty.StatusCode == 200 {
					v, err := jsonschema.UnmarshalJSON(strings.NewReader(said))
					if err == nil {
						err = whole.Validate(v)
					}
					if err != nil {
						t.Errorf("%s %s, of an empty ledger: %v: %.500s", r.name, q, err, said)
					}
				}
				if resp.StatusCode != 200 {
					t.Errorf("%s %s: %d %s", r.name, q, resp.StatusCode, text)
					continue
				}
				for _, l := range strings.Split(strings.TrimSpace(text), "\n") {
					v, err := jsonschema.UnmarshalJSON(strings.NewReader(l))
					if err == nil && accept == "application/json" {
						err = whole.Validate(v)
					} else if err == nil {
						err = line.Validate(v)
					}
					if err != nil {
						t.Errorf("%s %s: %v: %.500s", r.name, q, err, l)
						break
					}
				}
			}
		}
	}
	for name := range asked {
		if !slices.ContainsFunc(c.all(), func(r route) bool { return r.name == name }) {
			t.Errorf("there is no route %s", name)
		}
	}
}

// Whoever may not ask something is told so by every route.
func TestEveryRouteHasARole(t *testing.T) {
	for _, r := range new(core).all() {
		if !slices.Contains([]access.Role{access.Reader, access.Auditor, access.Admin}, r.role) || r.about == "" || r.q == nil {
			t.Errorf("route %s: role %q, about %q", r.name, r.role, r.about)
		}
	}
}
