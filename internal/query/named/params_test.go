package named

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"annals.dev/audit"
	"annals.dev/internal/match"
)

// hostile are pieces that values are made of, to break out of their place with.
var hostile = []string{
	`"`, `\`, `\"`, `*`, ` OR `, ` OR user:*`, `)`, `(`, ` `, `-`, `:`, `{user}`, `{where}`, `{x}`, ` AND `, "\n", "\t", "'", `") OR (`, `" OR user:"`,
	`a`, `b/c`, `prod`, `é`, "\u2028", `user:alice`, `[`, `]`, `["k"]`, `>=`, `=`, `!=`, `,`, `10.0.0.0/8`, `::1`, `7-19`, `monday`, `0`, `1ms`, "\x00", "\xff",
}

// TestValuesStay puts hostile values into questions: what comes out is either refused, or the question's own search with that one
// value in it. The measure is an event that the question is not about, whatever the value: it is never found.
func TestValuesStay(t *testing.T) {
	set, err := (&Set{}).With("test", []byte(`
- {name: text, group: G, title: T?, about: A, search: "verb:get user:{x}", params: [{name: x, type: text, about: A}]}
- {name: negated, group: G, title: T?, about: A, search: "verb:get -user:{x} ns:prod", params: [{name: x, type: user, about: A}]}
- {name: listed, group: G, title: T?, about: A, search: "(user:{x} OR as:{x}) verb:get", params: [{name: x, type: user, about: A}]}
- {name: term, group: G, title: T?, about: A, search: "verb:get OR verb:list", params: [{name: x, type: namespace, about: A, term: "ns:{x}"}]}
- {name: object, group: G, title: T?, about: A, search: "verb:get {x}", params: [{name: x, type: object, about: A}]}
- {name: networks, group: G, title: T?, about: A, search: "verb:get -peer:{x}", params: [{name: x, type: networks, about: A}]}
- {name: hours, group: G, title: T?, about: A, search: "verb:get hour:{x}", params: [{name: x, type: hours, about: A}]}
- {name: days, group: G, title: T?, about: A, search: "verb:get -weekday:{x}", params: [{name: x, type: days, about: A}]}
- {name: number, group: G, title: T?, about: A, search: "verb:get code>={x}", params: [{name: x, type: number, about: A}]}
- {name: duration, group: G, title: T?, about: A, search: "verb:get latency>={x}", params: [{name: x, type: duration, about: A}]}
- {name: query, group: G, title: T?, about: A, search: "verb:get {x} ns:prod", params: [{name: x, type: query, about: A}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	var view audit.View
	if err := view.Parse([]byte(`{"verb":"delete","user":{"username":"alice"},"objectRef":{"namespace":"prod","resource":"pods","name":"a"},"sourceIPs":["192.0.2.1"],"stageTimestamp":"2026-11-21T08:00:00.000000Z","responseStatus":{"code":500}}`)); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		value := strings.Join(rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom(hostile), rapid.String()), 1, 6).Draw(t, "value"), "")
		question := set.All()[rapid.IntRange(0, len(set.All())-1).Draw(t, "question")]
		params := map[string]string{"x": value}
		if rapid.Bool().Draw(t, "where") {
			params[Where] = strings.Join(rapid.SliceOfN(rapid.SampledFrom(hostile), 1, 4).Draw(t, "narrows"), "")
		}
		asked, err := set.Ask(question.Name, params)
		if err != nil {
			return
		}
		p, err := match.Parse(asked.Search)
		if err != nil {
			t.Fatalf("%s with %q: %s: %v", question.Name, value, asked.Search, err)
		}
		if p.Match(&match.Row{View: &view, Cluster: "prod"}) {
			t.Fatalf("%s with %q finds what it is not about: %s", question.Name, params, asked.Search)
		}
	})
}

// TestTextIsItself holds that a text is looked for as it is.
func TestTextIsItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := strings.Join(rapid.SliceOfN(rapid.SampledFrom(hostile), 1, 6).Draw(t, "value"), "")
		p := Parameter{Name: "x", Type: Text}
		written, err := p.write(value)
		if err != nil || strings.Contains(value, "*") {
			return
		}
		predicate, err := match.Parse("user:" + written)
		if err != nil {
			t.Fatalf("%q is written as %s: %v", value, written, err)
		}
		e := audit.Event{User: audit.UserInfo{Username: value}}
		var view audit.View
		if err := view.Parse(e.AppendJSON(nil)); err != nil {
			t.Fatal(err)
		}
		if !predicate.Match(&match.Row{View: &view}) {
			t.Fatalf("%s does not find %q", predicate, value)
		}
	})
}

func TestParameters(t *testing.T) {
	for _, tt := range []struct {
		kind        Type
		value, want string // or a part of the error, behind an exclamation mark
	}{
		{Text, "a b", `"a b"`},
		{Text, `a"b\`, `"a\"b\\"`},
		{Text, "system:*", "system:*"},
		{Text, "a b*", "!beside a *"},
		{Text, "", "!it is empty"},
		{Text, strings.Repeat("a", 1001), "!longer than 1000"},
		{Text, "a\xff", "!no text"},
		{Namespace, "team-a", `"team-a"`},
		{Namespace, "team-*", "team-*"},
		{Namespace, "Team A", "!a namespace is named"},
		{Object, "deploy/web", `(resource:"deployments" name:"web")`},
		{Object, "Deployment/web", `(resource:"deployments" name:"web")`},
		{Object, "ingress/web", `(resource:"ingresses" name:"web")`},
		{Object, "networkpolicy/x", `(resource:"networkpolicies" name:"x")`},
		{Object, "CronJob.batch/x", `(resource:"cronjobs" name:"x" apiGroup:"batch")`},
		{Object, "clusterrole/system:node", `(resource:"clusterroles" name:"system:node")`},
		{Object, "endpoints/x", `(resource:"endpoints" name:"x")`},
		{Object, "web", `(name:"web")`},
		{Object, "pods/", "!KIND/NAME"},
		{Object, "/web", "!KIND/NAME"},
		{Networks, "10.1.2.3/8, ::1,::ffff:192.0.2.1", "(10.0.0.0/8 OR ::1 OR 192.0.2.1)"},
		{Networks, "10.0.0.0/8,x", `!"x" is neither`},
		{Hours, "7-9", "(7 OR 8)"},
		{Hours, "22-2", "(22 OR 23 OR 0 OR 1)"},
		{Hours, "0-24", "!different hours"},
		{Hours, "7-25", "!different hours"},
		{Hours, "7", "!different hours"},
		{Days, "mon-wed,Friday", "(monday OR tuesday OR wednesday OR friday)"},
		{Days, "sat-mon", "(saturday OR sunday OR monday)"},
		{Days, "caturday", "!no day"},
		{Number, "007", "7"},
		{Number, "-1", "!not a number"},
		{Duration, "90s", "1m30s"},
		{Duration, "5", "!not a duration"},
		{Query, "a OR ns:b", "(a OR objectRef.namespace:b)"},
		{Query, "*", "*"},
		{Query, "a) OR (b", `!")" closes nothing`},
	} {
		p := Parameter{Name: "x", Type: tt.kind}
		got, err := p.write(tt.value)
		if want, fails := strings.CutPrefix(tt.want, "!"); fails {
			if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "x=") {
				t.Errorf("%s %q: the error is %v, want %s", tt.kind, tt.value, err, want)
			}
		} else if err != nil || got != tt.want {
			t.Errorf("%s %q is written %s (%v), want %s", tt.kind, tt.value, got, err, tt.want)
		}
	}
}

func TestAtom(t *testing.T) {
	for search, want := range map[string]string{
		"": "*", "a": "a", "a OR b": "(a OR b)", "(a OR b) c": "(a OR b) c", "(a)or(b)": "((a)or(b))", `"a or b" c`: `"a or b" c`, `user:"x\" or " c`: `user:"x\" or " c`,
		"a OR (b)": "(a OR (b))", "verb:(get OR list)": "verb:(get OR list)", "order": "order",
	} {
		if got := atom(search); got != want {
			t.Errorf("%s stands as %s, want %s", search, got, want)
		}
	}
}

func TestAsk(t *testing.T) {
	s := BuiltIn()
	for _, tt := range []struct {
		name   string
		params map[string]string
		want   string
	}{
		{"failed-logins", nil, `code:401 -user:*`},
		{"failed-logins", map[string]string{"where": "ip:10.0.0.0/8 OR curl"}, `code:401 -user:* (ip:10.0.0.0/8 OR curl)`},
		{"events-deleted", map[string]string{"ns": "prod"}, `resource:events verb:delete* -stage:RequestReceived ns:"prod"`},
		{"events-deleted", map[string]string{"ns": ""}, `resource:events verb:delete* -stage:RequestReceived`},
		{"after-hours", map[string]string{"hours": "23-0"}, `user:* -user:system:* (-hour:(23) OR -weekday:(monday OR tuesday OR wednesday OR thursday OR friday)) -stage:RequestReceived`},
	} {
		asked, err := s.Ask(tt.name, tt.params)
		if err != nil || asked.Search != tt.want {
			t.Errorf("%s %v: %v\n got %+v\nwant %s", tt.name, tt.params, err, asked, tt.want)
		}
	}
	for _, tt := range []struct {
		name   string
		params map[string]string
		want   string
	}{
		{"secret-reads", nil, `there is no question "secret-reads", did you mean secrets-read?`},
		{"nonsense", nil, `there is no question "nonsense"; ask without a name for the list`},
		{"nope", nil, `there is no question "nope"; ask without a name for the list`},
		{"exec", map[string]string{"colour": "red"}, `exec has no parameter "colour": it has user, ns, name, where`},
		{"actor", nil, "actor wants user=…"},
		{"slowest", map[string]string{"than": "x"}, `than="x": it is not a duration`},
		{"exec", map[string]string{"where": "resurce:x"}, "did you mean resource?"},
	} {
		if _, err := s.Ask(tt.name, tt.params); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %v: the error is %v, want %s", tt.name, tt.params, err, tt.want)
		}
	}
}
