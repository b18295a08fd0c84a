package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func parse(t testing.TB, s string) *View {
	t.Helper()
	var v View
	if err := v.Parse([]byte(s)); err != nil {
		t.Fatalf("%v\n%s", err, s)
	}
	return &v
}

func TestParseReadsEveryField(t *testing.T) {
	got := parse(t, " "+everything+"\n")
	want := &View{
		Raw:        []byte(everything),
		Kind:       Text("Event"),
		APIVersion: Text("audit.k8s.io/v1"),
		Level:      Text("RequestResponse"),
		AuditID:    Text("4f324695"),
		Stage:      Text("ResponseComplete"),
		RequestURI: Text(`/a?b=1\u0026c=\u00e9\ud83d\ude00\ud800\n`),
		Verb:       Text("list"),
		User: UserView{
			Raw:      Span(`{"username":"a\"b\\","uid":"7","groups":["g1","g\t2"],"extra":{"k":["v"]}}`),
			Username: Text(`a\"b\\`),
			UID:      Text("7"),
			Groups:   Span(`["g1","g\t2"]`),
			Extra:    Span(`{"k":["v"]}`),
		},
		ImpersonatedUser: UserView{Raw: Span(`{"username":"jane","groups":[]}`), Username: Text("jane"), Groups: Span("[]")},
		SourceIPs:        Span(`["127.0.0.1","::1"]`),
		UserAgent:        Text("kubectl é"),
		ObjectRef: ObjectRefView{
			Raw: Span(`{"resource":"pods","namespace":"n","name":"x","uid":"u","apiGroup":"g",` +
				`"apiVersion":"v1","resourceVersion":"12","subresource":"log"}`),
			Resource: Text("pods"), Namespace: Text("n"), Name: Text("x"), UID: Text("u"), APIGroup: Text("g"),
			APIVersion: Text("v1"), ResourceVersion: Text("12"), Subresource: Text("log"),
		},
		ResponseStatus: StatusView{
			Raw: Span(`{"metadata":{},"status":"Failure","message":"m","reason":"r","details":{"name":"x","group":"g",` +
				`"kind":"k","uid":"u","causes":[{"reason":"r","message":"m","field":"f"}],"retryAfterSeconds":3},"code":404}`),
			Status: Text("Failure"), Message: Text("m"), Reason: Text("r"), Code: 404,
		},
		RequestObject:            Span(`{"a":[1,-2.5e+3,true,false,null,"s\\",{},[],[[{"b":0}]]]}`),
		ResponseObject:           Span(`"text"`),
		RequestReceivedTimestamp: Text("2026-11-21T00:52:58.832647Z"),
		StageTimestamp:           Text("2026-11-21T00:52:58.834785Z"),
		Annotations: Span(`{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":"RBAC: \"x\"",` +
			`"other/key":"v"}`),
		AuthenticationMetadata: Span(`{"impersonationConstraint":"impersonate:user-info"}`),
		Decision:               Text("allow"),
		Reason:                 Text(`RBAC: \"x\"`),
		RequestTime:            1795222378832647,
		Time:                   1795222378834785,
		Unknown:                2, // metadata and timestamp
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseOddMembers(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     View
	}{
		{"nothing", `{}`, View{}},
		{"null is absent", `{"kind":null,"user":null,"requestObject":null,"sourceIPs":null,"annotations":null}`, View{}},
		{"empty is not absent", `{"verb":"","requestObject":{}}`, View{Verb: Text(""), RequestObject: Span("{}")}},
		{"wrong types are absent", `{"kind":0,"level":["x"],"user":"x","objectRef":[],"sourceIPs":{},"annotations":true,` +
			`"responseStatus":{"code":"200","message":1},"stageTimestamp":5}`,
			View{ResponseStatus: StatusView{Raw: Span(`{"code":"200","message":1}`)}}},
		{"codes that are none", `{"responseStatus":{"code":2147483648}}`,
			View{ResponseStatus: StatusView{Raw: Span(`{"code":2147483648}`)}}},
		{"a fraction", `{"responseStatus":{"code":200.0}}`, View{ResponseStatus: StatusView{Raw: Span(`{"code":200.0}`)}}},
		{"the lowest code", `{"responseStatus":{"code":-2147483648}}`,
			View{ResponseStatus: StatusView{Raw: Span(`{"code":-2147483648}`), Code: -2147483648}}},
		{"case matters", `{"Kind":"Event","LEVEL":"x"}`, View{Unknown: 2}},
		{"unknown", `{"a":1,"a":2,"k8s_audit_level":"x"}`, View{Unknown: 3}},
		{"keys with escapes", `{"\u0076erb":"get","us\u0065r":{"\u0075id":"1"}}`,
			View{Verb: Text("get"), User: UserView{Raw: Span(`{"\u0075id":"1"}`), UID: Text("1")}}},
		{"a backslash is part of a key", `{"\\u0076erb":"get"}`, View{Unknown: 1}},
		{"the last of two counts", `{"verb":"get","verb":"list"}`, View{Verb: Text("list"), Duplicate: true}},
		{"even if it is null", `{"verb":"get","verb":null}`, View{Duplicate: true}},
		{"objects are not merged", `{"user":{"username":"a","uid":"1"},"user":{"uid":"2"}}`,
			View{User: UserView{Raw: Span(`{"uid":"2"}`), UID: Text("2")}, Duplicate: true}},
		{"twice inside", `{"objectRef":{"name":"a","name":"b"}}`,
			View{ObjectRef: ObjectRefView{Raw: Span(`{"name":"a","name":"b"}`), Name: Text("b")}, Duplicate: true}},
		{"twice with an escape", `{"verb":"a","ver\u0062":"b"}`, View{Verb: Text("b"), Duplicate: true}},
		{"v1alpha1", `{"objectRef":{"apiVersion":"rbac.authorization.k8s.io/v1beta1"}}`,
			View{ObjectRef: ObjectRefView{Raw: Span(`{"apiVersion":"rbac.authorization.k8s.io/v1beta1"}`),
				APIGroup: Text("rbac.authorization.k8s.io"), APIVersion: Text("v1beta1")}}},
		{"v1alpha1, core", `{"objectRef":{"apiVersion":"/v1"}}`,
			View{ObjectRef: ObjectRefView{Raw: Span(`{"apiVersion":"/v1"}`), APIGroup: Text(""), APIVersion: Text("v1")}}},
		{"a group stands for itself", `{"objectRef":{"apiVersion":"a/b","apiGroup":"c"}}`,
			View{ObjectRef: ObjectRefView{Raw: Span(`{"apiVersion":"a/b","apiGroup":"c"}`), APIGroup: Text("c"), APIVersion: Text("a/b")}}},
		{"v1beta1's times", `{"metadata":{"creationTimestamp":"2017-07-12T11:02:44Z"},"timestamp":"2017-07-12T11:02:43Z"}`,
			View{RequestTime: 1499857363e6, Time: 1499857364e6, Unknown: 2}},
		{"v1alpha1's times", `{"metadata":{"creationTimestamp":null},"timestamp":"2017-07-12T11:02:43Z"}`,
			View{RequestTime: 1499857363e6, Time: 1499857363e6, Unknown: 2}},
		{"a time with escapes", `{"stageTimestamp":"2017\u002d07-12T11:02:43Z"}`,
			View{StageTimestamp: Text(`2017\u002d07-12T11:02:43Z`), Time: 1499857363e6}},
		{"a time that is none", `{"stageTimestamp":"yesterday"}`, View{StageTimestamp: Text("yesterday")}},
	} {
		tt.want.Raw = []byte(tt.in)
		if diff := cmp.Diff(&tt.want, parse(t, tt.in)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

func TestSyntaxErrors(t *testing.T) {
	deep := strings.Repeat("[", 9999)
	for in, want := range map[string]SyntaxError{
		"":                                {0, "unexpected end of JSON"},
		" \n":                             {2, "unexpected end of JSON"},
		"[]":                              {0, "unexpected '['"},
		"{":                               {1, "unexpected end of JSON"},
		`{"a":1}}`:                        {7, "unexpected '}'"},
		`{"a":1} {}`:                      {8, "unexpected '{'"},
		`{"a":1,}`:                        {7, "unexpected '}'"},
		`{,}`:                             {1, "unexpected ','"},
		`{"a" 1}`:                         {5, "unexpected '1'"},
		`{"a":}`:                          {5, "unexpected '}'"},
		`{"a":01}`:                        {6, "unexpected '1'"},
		`{"a":-}`:                         {6, "unexpected '}'"},
		`{"a":1.}`:                        {7, "unexpected '}'"},
		`{"a":1e}`:                        {7, "unexpected '}'"},
		`{"a":+1}`:                        {5, "unexpected '+'"},
		`{"a":nil}`:                       {6, "unexpected 'i'"},
		`{"a":tru`:                        {8, "unexpected end of JSON"},
		`{"a":"b}`:                        {8, "unexpected end of JSON"},
		"{\"a\":\"\n\"}":                  {6, "unexpected control character 0x0a"},
		"{\"a\":\"12345678\x00\"}":        {14, "unexpected control character 0x00"},
		`{"a":"\x"}`:                      {7, "unexpected 'x'"},
		`{"a":"\u12g4"}`:                  {10, "unexpected 'g'"},
		`{"a":"\u12`:                      {10, "unexpected end of JSON"},
		`{"a":[1 2]}`:                     {8, "unexpected '2'"},
		`{"a":[1}}`:                       {7, "unexpected '}'"},
		`{"a":{"b":1]}`:                   {11, "unexpected ']'"},
		`{"requestObject":{"a":"b" "c"}}`: {26, "unexpected '\"'"},
		`{"a":` + deep + "[":              {10004, "brackets nested deeper than 10000"},
		`{"user":{"extra":` + deep:        {10015, "brackets nested deeper than 10000"},
	} {
		var v View
		var got *SyntaxError
		if err := v.Parse([]byte(in)); !errors.As(err, &got) {
			t.Errorf("%.40q: %v", in, err)
		} else if diff := cmp.Diff(want, *got); diff != "" {
			t.Errorf("%.40q: %s", in, diff)
		}
		if json.Valid([]byte(in)) && in[0] == '{' {
			t.Errorf("%.40q: encoding/json takes it", in)
		}
	}
}

func TestDepthIsEncodingJSONs(t *testing.T) {
	for _, frame := range []string{`{"requestObject":%s1%s}`, `{"user":{"extra":%s1%s}}`, `{"x":[%s1%s]}`} {
		for n := 9996; n < 10003; n++ {
			checkDeep(t, fmt.Sprintf(frame, strings.Repeat("[", n), strings.Repeat("]", n)))
			checkDeep(t, fmt.Sprintf(frame, strings.Repeat(`{"a":`, n), strings.Repeat("}", n)))
		}
	}
}

func checkDeep(t *testing.T, s string) {
	t.Helper()
	var v View
	if err, want := v.Parse([]byte(s)), json.Valid([]byte(s)); err == nil != want {
		t.Errorf("%.30s…: Parse says %v, encoding/json says %v", s, err, want)
	}
}

func TestParsePrefixWalksAList(t *testing.T) {
	list := []byte(` {"verb":"a"} , {"verb":"b"}{"verb":"c"}`)
	var got []string
	var v View
	for len(list) > 0 {
		n, err := v.ParsePrefix(list)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(v.Raw))
		list = []byte(strings.TrimLeft(string(list[n:]), " ,"))
	}
	if diff := cmp.Diff([]string{`{"verb":"a"}`, `{"verb":"b"}`, `{"verb":"c"}`}, got); diff != "" {
		t.Error(diff)
	}
	if n, err := v.ParsePrefix([]byte(`{"verb":"a"`)); n != 0 || err == nil {
		t.Errorf("a cut event: %d, %v", n, err)
	}
}

func TestParseCut(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     View
	}{
		{"inside a body", `{"verb":"get","requestObject":{"a":`, View{Verb: Text("get"), Cut: true}},
		{"inside user", `{"verb":"get","user":{"username":"a","uid":"b`,
			View{Verb: Text("get"), User: UserView{Username: Text("a")}, Cut: true}},
		{"inside annotations", `{"annotations":{"authorization.k8s.io/decision":"allow","authorization`,
			View{Decision: Text("allow"), Cut: true}},
		{"v1alpha1's objectRef", `{"objectRef":{"apiVersion":"a/b"`,
			View{ObjectRef: ObjectRefView{APIGroup: Text("a"), APIVersion: Text("b")}, Cut: true}},
		{"half a number", `{"responseStatus":{"code":20`, View{Cut: true}},
		{"half a number before a hole", "{\"responseStatus\":{\"code\":20\x00\x00", View{Cut: true}},
		{"half a number before a mark", `{"responseStatus":{"code":20[Truncated...]`, View{Cut: true}},
		{"a whole number", `{"responseStatus":{"code":200,`, View{ResponseStatus: StatusView{Code: 200}, Cut: true}},
		{"a mark after the cut", `{"verb":"get","userAgent":"kub[Truncated...]`, View{Verb: Text("get"), Cut: true}},
		{"only the brace is missing", `{"requestObject":"x"`, View{RequestObject: Span(`"x"`), Cut: true}},
		{"the start alone", " {", View{Cut: true}},
		{"nothing is missing", `{"verb":"get"}`, View{Verb: Text("get")}},
	} {
		var v View
		if err := v.ParseCut([]byte(tt.in)); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		tt.want.Raw = []byte(strings.TrimSpace(tt.in))
		if diff := cmp.Diff(tt.want, v); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
	for _, in := range []string{"", "  ", "x", `"{"`, "[{"} {
		var v View
		if err := v.ParseCut([]byte(in)); err == nil {
			t.Errorf("%q is taken for an event", in)
		}
	}
}

func TestReadingAllocatesNothing(t *testing.T) {
	line, cut := []byte(everything), []byte(everything[:900])
	escaped := []byte(`{"\u006bind":"Event","stageTimestamp":"2017\u002d07-12T11:02:43Z"}`)
	text, list, object := Text(`a\u0026b`), Span(`["a","b"]`), Span(`{"a":1}`)
	var v View
	scratch := make([]byte, 0, 256)
	for name, f := range map[string]func(){
		"Parse":         func() { _ = v.Parse(line) },
		"ParsePrefix":   func() { _, _ = v.ParsePrefix(line) },
		"ParseCut":      func() { _ = v.ParseCut(cut) },
		"keys, escaped": func() { _ = v.Parse(escaped) },
		"Is":            func() { v.Verb.Is("list") },
		"Is, escaped":   func() { text.Is("a&b") },
		"Decode":        func() { scratch = text.Decode(scratch) },
		"Strings": func() {
			for range list.Strings {
				v.Unknown++
			}
		},
		"Members": func() {
			for range object.Members {
				v.Unknown++
			}
		},
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

func TestSpanStrings(t *testing.T) {
	for in, want := range map[string][]string{
		``:                       nil,
		`{}`:                     nil,
		`"a"`:                    nil,
		`[]`:                     nil,
		` [ "a" , "b\u0026" ] `:  {"a", "b&"},
		`["a",1,null,["x"],"b"]`: {"a", "b"},
		`["a","b`:                {"a"},
		`["a" "b"]`:              {"a"},
		`["a",`:                  {"a"},
	} {
		var got []string
		for text := range Span(in).Strings {
			got = append(got, text.String())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", in, diff)
		}
	}
	for range Span(`["a","b"]`).Strings {
		break
	}
}

func TestSpanMembers(t *testing.T) {
	for in, want := range map[string][]string{
		``:                             nil,
		`[]`:                           nil,
		`{}`:                           nil,
		` { "a" : 1 , "\u0062":null }`: {"a=1", "b=null"},
		`{"a":{"b":[2]},"a":""}`:       {`a={"b":[2]}`, `a=""`},
		`{"a":1,"b`:                    {"a=1"},
		`{"a":1,"b":`:                  {"a=1"},
		`{"a":1;`:                      {"a=1"},
	} {
		var got []string
		for key, value := range Span(in).Members {
			got = append(got, key.String()+"="+string(value))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", in, diff)
		}
	}
	for range Span(`{"a":1,"b":2}`).Members {
		break
	}
}
