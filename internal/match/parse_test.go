package match

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct{ query, want string }{
		{"", ""},
		{"  ", ""},
		{"*", ""},
		{"-*", "-*"},
		{"a * b", "a b"},
		{"a OR *", "a OR *"},
		{"Foo BAR", "foo bar"},
		{"foo-bar", `"foo bar"`},
		{"/api/v1", `"api v1"`},
		{"10:30", `"10 30"`},
		{":foo", `foo`},
		{`"or"`, `"or"`},
		{`"a \"b\" \\c"`, `"a b c"`},
		{"foo-ba*", "foo/ba*"},
		{"order OR android nothing", "order OR android nothing"},
		{"a AND b and c", "a b c"},
		{"a OR b c or d", "a OR b c OR d"},
		{"a (b OR c)", "a (b OR c)"},
		{"a (b (c d))", "a b c d"},
		{"(a OR (b OR c))", "a OR b OR c"},
		{"NOT a", "-a"},
		{"not -a", "a"},
		{"!a -b", "-a -b"},
		{"NOT (a b)", "-(a b)"},
		{"-(a OR b) c", "-(a OR b) c"},
		{"not(a)", "-a"},
		{"99D809EB-6562-49d3-a758-e75e6f018e00", "99d809eb-6562-49d3-a758-e75e6f018e00"},
		{"99d809eb-65*", "99d809eb-65*"},
		{"99d809eb*", "99d809eb*"},
		{"99d809eb-6x*", "99d809eb/6x*"},
		{"verb=get", "verb:get"},
		{"verb!=get", "-verb:get"},
		{"-verb!=get", "verb:get"},
		{"verb:(get OR list)", "verb:get OR verb:list"},
		{"verb!=(get OR list)", "-(verb:get OR verb:list)"},
		{"verb:(-(get OR list))", "-(verb:get OR verb:list)"},
		{"group:(a b -c)", "user.groups:a user.groups:b -user.groups:c"},
		{"ns:(-kube-* NOT prod)", "-objectRef.namespace:kube-* -objectRef.namespace:prod"},
		{"user:system:*", "user.username:system:*"},
		{"user:a**b", "user.username:a*b"},
		{`user:"a*"`, `user.username:"a*"`},
		{`user:"*"`, `user.username:"*"`},
		{`user:"a b"`, `user.username:"a b"`},
		{`user:a\b`, `user.username:"a\\b"`},
		{`user:""`, `-user.username:*`},
		{`user!=""`, `user.username:*`},
		{"ns:*", "objectRef.namespace:*"},
		{"resource:pods", "objectRef.resource:pods"},
		{"resource:pods/exec", "objectRef.resource:pods objectRef.subresource:exec"},
		{"resource:pods/", "objectRef.resource:pods -objectRef.subresource:*"},
		{"-resource:*/exec", "-(objectRef.resource:* objectRef.subresource:exec)"},
		{"code:404", "responseStatus.code:404"},
		{"code>404", "responseStatus.code>=405"},
		{"code<400", "responseStatus.code<=399"},
		{"code>=400 code<=499", "responseStatus.code>=400 responseStatus.code<=499"},
		{"code:*", "responseStatus.code:*"},
		{`code:""`, "-responseStatus.code:*"},
		{`code:(401 OR "403")`, "responseStatus.code:401 OR responseStatus.code:403"},
		{"latency>1s", "latency>=1.000001s"},
		{"latency<=1h", "latency<=1h0m0s"},
		{"time>=2026-11-21T01:00:00+01:00", "time>=2026-11-21T00:00:00Z"},
		{"time>2026-11-21", "time>=2026-11-22T00:00:00Z"},
		{"time<2026-11-21", "time<=2026-11-20T23:59:59.999999Z"},
		{"time:2026-11-21", "time>=2026-11-21T00:00:00Z time<=2026-11-21T23:59:59.999999Z"},
		{"stageTimestamp:2026-11-21T00:00:00.5Z", "time:2026-11-21T00:00:00.5Z"},
		{"ip:10.1.2.3/8", "ip:10.0.0.0/8"},
		{"ip:10.1.2.3", "ip:10.1.2.3"},
		{"ip:::ffff:10.1.2.3", "ip:10.1.2.3"},
		{"ip:*", "ip:*"},
		{"mark:salvaged", "mark:salvaged"},
		{"-mark:*", "-mark:*"},
		{"dialect:gke", "dialect:gke"},
		{"decision:forbid", "annotations.authorization.k8s.io/decision:forbid"},
		{`annotations["authorization.k8s.io/decision"]:forbid`, "annotations.authorization.k8s.io/decision:forbid"},
		{"annotations.a.b/c:x", "annotations.a.b/c:x"},
		{`annotations["a b"]:x`, `annotations["a b"]:x`},
		{`annotations.authorization.k8s.io/decision.x:y`, `annotations.authorization.k8s.io/decision.x:y`},
		{"user.extra.a.b/c:x", "user.extra.a.b/c:x"},
		{"request.spec.a:x", "requestObject.spec.a:x"},
		{`request.spec["a.b"].c:x`, `requestObject.spec["a.b"].c:x`},
		{`request["a"]["b"]:x`, `requestObject.a.b:x`},
		{"request.spec.n>1.5", "requestObject.spec.n>1.5"},
		{`responseStatus["code"]>1`, "responseStatus.code>=2"},
		{"responseStatus.details.name:x", "responseStatus.details.name:x"},
		{"requestURI:/api/v1/pods?limit=5&x=*", "requestURI:/api/v1/pods?limit=5&x=*"},
	} {
		p, err := Parse(tt.query)
		if err != nil {
			t.Errorf("Parse(%q): %v", tt.query, err)
			continue
		}
		if got := p.String(); got != tt.want {
			t.Errorf("Parse(%q) is %q, want %q", tt.query, got, tt.want)
		}
		if again, err := Parse(p.String()); err != nil || again.String() != p.String() {
			t.Errorf("Parse(%q) is %q, which is %v, %v", tt.query, p, again, err)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, tt := range []struct {
		query string // the caret stands under the character after ^, which is not part of it
		msg   string // of the error
	}{
		{"verb:delete ^resurce:secrets", `unknown field "resurce", did you mean resource?`},
		{"^username:x", "did you mean user.username?"},
		{"^NS:prod", "did you mean ns?"},
		{"^system:masters", "put all of it in quotes"},
		{"^http://x", "unknown field"},
		{"^verb.x:y", "unknown field"},
		{"^objectRef.nam:y", "did you mean objectRef.name?"},
		{"^user:", ""},
		{"code:^abc", "code is a number"},
		{"code:^4*", "code is a number"},
		{"code:(401 OR ^x)", "code is a number"},
		{"code:^99999999999999999999", "code is a number"},
		{"latency>^5", "with its unit"},
		{"latency>^1ns", "finer than a microsecond"},
		{"time>^yesterday", "is not a time"},
		{"time>^2026-11-21T00:00:00", "is not a time"},
		{"time>^0001-01-01", "is not a time"},
		{"time>^2026-11-21T00:00:00.0000001Z", "finer than a microsecond"},
		{"ip:^10.1.*", "neither an address nor a network"},
		{"ip:^::ffff:10.0.0.0/104", "as IPv4"},
		{"mark:^lost", "mark is one of conflict, duplicate-member, quarantined, redacted, salvaged, truncated"},
		{"dialect:^x", "dialect is one of"},
		{"level:^metadata", "write Metadata"},
		{"verb^>get", "verb cannot be compared with >"},
		{"ip^>10.0.0.1", "ip cannot be compared"},
		{"request.n>^abc", "is not a number"},
		{"request.n>^Inf", "is not a number"},
		{"code>^(1 OR 2)", "cannot be followed by a list"},
		{"request:^x", "name one, like request.name:value"},
		{"annotations:^x", "name one"},
		{"^request.a..b:x", "has an empty part"},
		{`^annotations["a"].b:x`, "no members below a key"},
		{`annotations["a"^:x`, `"]" should close the bracket`},
		{`annotations["a"]^ x`, "a value should follow"},
		{`annotations[^"a`, "the quote is not closed"},
		{"ns:^ prod", "needs a value right after it"},
		{"verb:(get OR ^)", `a term should stand before ")"`},
		{"verb:^(get", `"(" is not closed`},
		{"^(a", `"(" is not closed`},
		{"a^)", `")" closes nothing`},
		{"(^)", `a term should stand before ")"`},
		{"a OR^", "the query ends"},
		{"a AND^", "the query ends"},
		{"NOT^", "the query ends"},
		{"^OR a", "a term should stand before OR"},
		{"^and a", "nothing stands before AND"},
		{"a OR ^OR b", "a term should stand before OR"},
		{"-^ a", "negates the term"},
		{"-^-force", "put text with dashes in quotes"},
		{`^"abc`, "the quote is not closed"},
		{`"a^\nb"`, "a backslash stands before"},
		{`user:al^"ice"`, "put a space before"},
		{"foo^(bar)", "put a space before"},
		{"verb:-^(get)", "put a space before"},
		{"^...", "no word in this"},
		{`^""`, "no word in this"},
		{"f^*o*", "only the end of a word"},
		{"^*foo", "only the end of a word"},
		{"foo-^*", "must follow a letter or digit"},
		{"a^\x00b", "NUL"},
		{"grüße ^\xff", "not UTF-8"},
		{strings.Repeat("(", 50) + "^" + strings.Repeat("(", 50), "nested deeper than 50"},
		{strings.Repeat("a ", 1000) + "^a", "more than 1000 terms"},
		{`^"` + strings.Repeat("a ", 65) + `"`, "more than 64 words"},
		{strings.Repeat(" ", 65536) + "^ ", "longer than 65536 bytes"},
	} {
		pos := strings.LastIndexByte(tt.query, '^')
		query := tt.query[:pos] + tt.query[pos+1:]
		if tt.msg == "" {
			pos, tt.msg = len(query), "needs a value right after it"
		}
		_, err := Parse(query)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("Parse(%.80q): %v, want an Error", query, err)
			continue
		}
		if e.Pos != pos || !strings.Contains(e.Msg, tt.msg) || e.Query != query {
			t.Errorf("Parse(%.80q): at %d %q, want at %d %q", query, e.Pos, e.Msg, pos, tt.msg)
		}
	}
}

func TestErrorShowsThePlace(t *testing.T) {
	for _, tt := range []struct{ query, want string }{
		{"grüße\tcode:x", "  grüße code:x\n             ^"},
		{strings.Repeat("a ", 100) + "code:x " + strings.Repeat("b ", 100),
			"  …" + strings.Repeat(" a", 27) + " code:x " + strings.Repeat("b ", 29) + "…\n  " + strings.Repeat(" ", 61) + "^"},
	} {
		_, err := Parse(tt.query)
		if err == nil {
			t.Fatalf("Parse(%q) has no error", tt.query)
		}
		if _, got, _ := strings.Cut(err.Error(), "\n"); got != tt.want {
			t.Errorf("Parse(%q) shows\n%q, want\n%q", tt.query, got, tt.want)
		}
	}
}

// Every example of the document means something, and its errors are as it shows them.
func TestDocument(t *testing.T) {
	doc, err := os.ReadFile("../../docs/search.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := 0
	for _, block := range regexp.MustCompile("(?s)```(query|error)\n(.*?)```").FindAllStringSubmatch(string(doc), -1) {
		if block[1] == "error" {
			query, want, _ := strings.Cut(strings.TrimSuffix(block[2], "\n"), "\n")
			if _, err := Parse(query); err == nil || err.Error() != want {
				t.Errorf("Parse(%q):\n%v\nwant\n%s", query, err, want)
			}
			continue
		}
		for line := range strings.Lines(block[2]) {
			query, _, _ := strings.Cut(line, "  #")
			p, err := Parse(query)
			if err != nil {
				t.Error(err)
			} else if p.String() == "" {
				t.Errorf("%q means everything", query)
			}
			examples++
		}
	}
	if examples < 30 {
		t.Errorf("found only %d examples", examples)
	}
	for name := range fields {
		if !strings.Contains(string(doc), "`"+name) && !strings.Contains(string(doc), "`"+name[strings.LastIndexByte(name, '.')+1:]) && !strings.Contains(string(doc), "`."+name[strings.IndexByte(name, '.')+1:]) {
			t.Errorf("the document does not name the field %s", name)
		}
	}
	for name := range aliases {
		if !strings.Contains(string(doc), "`"+name) {
			t.Errorf("the document does not name the short field %s", name)
		}
	}
}
