package match

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"annals.dev/audit"
	"annals.dev/internal/format"
	"annals.dev/internal/match/matchtest"
)

// odd are events as no API server writes them, but as bytes may say them.
var odd = []string{
	`{}`,
	`{"level":"","user":{"username":"","groups":[]},"annotations":{},"objectRef":{},"responseStatus":{}}`,
	`{"level":"Metadata","verb":"get","requestURI":"/a\\nb?x=\"quoted words\" here\u0026c=C:\\users","userAgent":"a \"b\" \\\\ c\td","user":{"username":"sys\u0074em:x\\y","groups":["\"x","a,b","ü","\u0073re",",",1,null,["nested"],{"k":"sre"}],"extra":{"a.b/c":["v1","v2"],"k\u0065y":["v"]}}}`,
	`{"level":"Request","sourceIPs":["10.1.2.3","::ffff:10.1.2.4","fd00::1","unknown","10.1.2.3"],"annotations":{"a.b/c\"d":"x","dots.and/slash":"\u003cb\u003e","authorization.k8s.io/decision":"allow"},"requestObject":{"spec":{"replicas":3,"ratio":-1.5e3,"on":true,"off":false,"none":null,"empty":"","list":[],"objects":[{"name":"a","env":[{"name":"X","value":"1"}]},{"name":"b-99d809eb-6562-49d3-a758-e75e6f018e00"}],"emptyDir":{}}},"responseObject":"text only"}`,
	`{"requestObject":{"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"annotations\":{\"note\":\"a \\\"b\\\" c\\u003cd\"}}}\n"}}},"responseObject":[{"a":[1,2,3]},"x","é\u00e9"]}`,
	`{"impersonatedUser":{"username":"jane","uid":"7","groups":["g1","g2"],"extra":{"scopes":["a","b"]}},"responseStatus":{"code":409,"status":"Failure","reason":"AlreadyExists","details":{"name":"x","causes":[{"reason":"R1"},{"reason":"R2"}]}},"authenticationMetadata":{"impersonationConstraint":"impersonate:user-info"}}`,
	"{ \"user\" : { \"groups\" : [ \"a\" ,\t\"b c\" ] } ,\n\"requestObject\" : { \"list\" : [ 1 , { \"k\" : true } , [ ] ] , \"z\" : \"y\" } }",
	"{\"verb\":\"g\xfft\",\"annotations\":{\"k\xff\":\"v\xffw x\"},\"requestObject\":{\"a\":\"b\xe9 c\"}}",
}

func testEvents(t testing.TB) [][]byte {
	f, err := os.Open("testdata/events.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	events := bytes.Split(bytes.TrimSpace(all), []byte("\n"))
	for _, e := range odd {
		events = append(events, []byte(e))
	}
	for _, e := range derivedBodies {
		if strings.Contains(e.name, "twice") { // of which naive sees one
			continue
		}
		events = append(events, fmt.Appendf(nil, `{"level":"Request","verb":"create","requestObject":%s,"responseObject":{"metadata":{"name":"made"}}}`, e.body))
	}
	return append(events, []byte(`{"requestURI":"/api/v1/namespaces/n/pods/p/exec?command=cat&c%6fmmand=%2Fetc%2Fshadow&container=web","user":{"username":"eve"}}`))
}

func testRow(t testing.TB, event []byte, i int) *Row {
	v := new(audit.View)
	if err := v.Parse(event); err != nil {
		t.Fatalf("%s: %v", event, err)
	}
	return &Row{
		View: v, Cluster: []string{"prod", "other"}[i%2], Origin: []string{"webhook/cp-1", "file/cp-1:/a"}[i/2%2],
		Position: uint64(i), Received: 1795219200_000000 + int64(i)*60_000_000, Marks: format.Marks(i % 5), Dialect: format.Dialect(i % 3),
	}
}

func TestMatchAgainstNaive(t *testing.T) {
	events := testEvents(t)
	var rows []*Row
	var plain []*naive
	for i, e := range events {
		r := testRow(t, e, i)
		rows, plain = append(rows, r), append(plain, newNaive(r))
	}
	rng := rand.New(rand.NewPCG(1, 2))
	met := 0
	for range 1500 {
		query := matchtest.Random(rng, events)
		p, err := Parse(query)
		if err != nil {
			t.Fatalf("Parse(%q): %v", query, err)
		}
		for range 20 {
			i := rng.IntN(len(rows))
			got, want := p.Match(rows[i]), plain[i].eval(p.root)
			if got != want {
				t.Fatalf("%s\nis %v, should be %v, of\n%s", query, got, want, events[i])
			}
			if got {
				met++
			}
		}
	}
	if met < 1000 {
		t.Errorf("only %d of the tests were met: the queries test too little", met)
	}
}

func TestPredicateHolds(t *testing.T) {
	events := testEvents(t)
	rng := rand.New(rand.NewPCG(3, 4))
	for range 1500 {
		query := matchtest.Random(rng, events)
		p, err := Parse(query)
		if err != nil {
			t.Fatalf("Parse(%q): %v", query, err)
		}
		again, err := Parse(p.String())
		if err != nil {
			t.Fatalf("%q became %q: %v", query, p, err)
		}
		if again.String() != p.String() {
			t.Fatalf("%q became %q became %q", query, p, again)
		}
		cols, rest := p.Columns()
		need := p.Need()
		from, to := p.TimeRange()
		id, hasID := p.AuditID()
		for range 20 {
			i := rng.IntN(len(events))
			r := testRow(t, events[i], i)
			m := p.Match(r)
			if again.Match(r) != m {
				t.Fatalf("%q and %q differ about\n%s", query, p, events[i])
			}
			if split := cols.Match(r) && (rest == nil || rest.Match(r)); split != m {
				t.Fatalf("%q is %v; its columns %q and rest are %v, of\n%s", query, m, cols, split, events[i])
			}
			if !m {
				continue
			}
			words := map[uint32]bool{}
			EventText(r.View, func(span []byte) { Words(span, func(h uint32) { words[h] = true }) })
			if !need.Met(func(h uint32) bool { return words[h] }) {
				t.Fatalf("%q matches, but what it needs is not among the words of\n%s", query, events[i])
			}
			if at, _ := fields["time"].number(r); at < from || at > to {
				t.Fatalf("%q: the time is not in [%d, %d] of\n%s", query, from, to, events[i])
			}
			if hasID && !r.View.AuditID.Is(id) {
				t.Fatalf("%q: the audit ID is not %s in\n%s", query, id, events[i])
			}
		}
	}
}

// columnsOf is the event as the ledger's columns hold it, as far as Functions look at them.
func columnsOf(v *audit.View) map[string]any {
	columns := map[string]any{}
	for name, t := range map[string]audit.Text{
		"level": v.Level, "stage": v.Stage, "verb": v.Verb, "requestURI": v.RequestURI, "username": v.User.Username,
		"userUID": v.User.UID, "impersonatedUsername": v.ImpersonatedUser.Username, "userAgent": v.UserAgent,
		"resource": v.ObjectRef.Resource, "namespace": v.ObjectRef.Namespace, "name": v.ObjectRef.Name, "objectUID": v.ObjectRef.UID,
		"apiGroup": v.ObjectRef.APIGroup, "apiVersion": v.ObjectRef.APIVersion, "resourceVersion": v.ObjectRef.ResourceVersion,
		"subresource": v.ObjectRef.Subresource, "decision": v.Decision, "reason": v.Reason,
	} {
		if t != nil {
			columns[name] = t.String()
		}
	}
	for name, s := range map[string]audit.Span{
		"groups": v.User.Groups, "userExtra": v.User.Extra, "impersonatedUser": v.ImpersonatedUser.Raw, "sourceIPs": v.SourceIPs,
		"responseStatus": v.ResponseStatus.Raw, "annotations": v.Annotations, "authenticationMetadata": v.AuthenticationMetadata,
	} {
		if s != nil {
			columns[name] = string(valid(s))
		}
	}
	if v.RequestObject != nil || v.ResponseObject != nil {
		columns[bodies] = valid(slices.Concat(v.RequestObject, audit.Span("\x1e"), v.ResponseObject))
	}
	return columns
}

func TestFunctionsAgainstMatch(t *testing.T) {
	events := testEvents(t)
	rng := rand.New(rand.NewPCG(5, 6))
	called := map[string]int{}
	for range 3000 {
		query := matchtest.Random(rng, events)
		p, err := Parse(query)
		if err != nil {
			t.Fatalf("Parse(%q): %v", query, err)
		}
		i := rng.IntN(len(events))
		r := testRow(t, events[i], i)
		columns := columnsOf(r.View)
		for _, leaf := range leavesOf(p.root) {
			var w strings.Builder
			leaf.print(&w)
			var got bool
			switch leaf := leaf.(type) {
			case *derivedTest:
				called["derived"]++
				got = derivedSQL(t, leaf, w.String(), columns)
			case *jsonTest:
				called[testFunction]++
				got, err = Functions[0].Call([]any{w.String(), columns[leaf.field.column]})
			case *phrase:
				called[wordsFunction]++
				args := []any{w.String()}
				for _, c := range textColumns {
					args = append(args, columns[c.name])
				}
				got, err = Functions[1].Call(args)
			default:
				continue
			}
			if err != nil || got != leaf.match(r) {
				t.Fatalf("the function of %s is %v, %v, but Match is %v of\n%s", w.String(), got, err, leaf.match(r), events[i])
			}
		}
	}
	if called["derived"] < 300 || called[testFunction] < 1000 || called[wordsFunction] < 1000 {
		t.Errorf("called only %v", called)
	}
}

// derivedSQL is what the SQL of a derived test asks of the columns.
func derivedSQL(t *testing.T, d *derivedTest, query string, columns map[string]any) bool {
	call := func() bool {
		got, err := Functions[0].Call([]any{query, columns[d.field.column]})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	first := func(names ...string) bool {
		for _, name := range names {
			if s, _ := columns[name].(string); s != "" {
				return d.value.matches([]byte(s), true)
			}
		}
		return d.field.column == bodies && d.field.derivation.id != actor && call()
	}
	switch d.field.derivation.id {
	case actor:
		return first("impersonatedUsername", "username")
	case bodyName:
		return first("name")
	case bodyNamespace:
		return first("namespace")
	}
	marks := append([]string{`\u`}, d.field.derivation.marks...)
	if d.field.column == "requestURI" {
		marks = []string{"command", "container", "%"}
	}
	column := argument(columns[d.field.column])
	return slices.ContainsFunc(marks, func(m string) bool { return bytes.Contains(column, []byte(m)) }) && call()
}

// Of an event that was cut, the fields are found that were read before the cut, and their words.
func TestCutEvent(t *testing.T) {
	v := new(audit.View)
	if err := v.ParseCut([]byte(`{"verb":"get","impersonatedUser":{"username":"jane doe","groups":["g1"],"ext`)); err != nil {
		t.Fatal(err)
	}
	w := new(audit.View)
	if err := w.ParseCut([]byte(`{"verb":"get","annotations":{"authorization.k8s.io/decision":"forbid","authorization.k8s.io/reason":"no \"luck\"","x`)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		view  *audit.View
		query string
		want  bool
	}{
		{v, `as:"jane doe"`, true},
		{v, `"jane doe"`, true},
		{v, "g1", false},
		{w, "decision:forbid", true},
		{w, `"no luck"`, true},
		{w, `"forbid no"`, false},
	} {
		p := mustParse(t, tt.query)
		if got := p.Match(&Row{View: tt.view}); got != tt.want {
			t.Errorf("%q: %v", tt.query, got)
		}
		if _, ok := p.root.(*phrase); ok {
			args, columns := []any{p.String()}, columnsOf(tt.view)
			for _, c := range textColumns {
				args = append(args, columns[c.name])
			}
			if got, err := callWords(args); got != tt.want || err != nil {
				t.Errorf("%q by columns: %v, %v", tt.query, got, err)
			}
		}
	}
}

func leavesOf(n node) []node {
	switch n := n.(type) {
	case and:
		var all []node
		for _, c := range n {
			all = append(all, leavesOf(c)...)
		}
		return all
	case or:
		return leavesOf(and(n))
	case not:
		return leavesOf(n.node)
	}
	return []node{n}
}

func TestMatchAllocatesNothing(t *testing.T) {
	p, err := Parse(`verb:(get OR list) resource:secrets* -user:system:* group:system:authenticated code>=200 time>=2020-01-01 "kubectl"`)
	if err != nil {
		t.Fatal(err)
	}
	var rows []*Row
	for i, e := range testEvents(t) {
		if json.Valid(e) {
			rows = append(rows, testRow(t, e, i))
		}
	}
	if n := testing.AllocsPerRun(10, func() {
		for _, r := range rows {
			p.Match(r)
		}
	}); n > 0 {
		t.Errorf("Match allocates %v times over %d events", n, len(rows))
	}
}
