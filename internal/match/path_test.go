package match

import (
	"math/rand/v2"
	"strings"
	"testing"

	"annals.dev/audit"
	"annals.dev/internal/match/matchtest"
)

func TestPath(t *testing.T) {
	const event = `{"kind":"Event","level":"Request","auditID":"x","verb":"create","stageTimestamp":"2026-11-21T05:00:00.250000Z",` +
		`"requestReceivedTimestamp":"2026-11-21T05:00:00.000000Z","user":{"username":"m\u0061x","groups":["a","b"],"extra":{"k.x/y":["v"]}},` +
		`"impersonatedUser":{"username":"eve","groups":["g"]},"sourceIPs":["1.2.3.4","10.0.0.1"],"userAgent":"","objectRef":{"resource":"pods","subresource":"exec"},` +
		`"responseStatus":{"code":101,"reason":"R"},"annotations":{"authorization.k8s.io/decision":"allow","a.b":"c"},` +
		`"requestObject":{"a":[{"b":1},{"b":"x\ty"},{"b":[true,null,"",{"c":2}]},[{"b":-1e3}]],"a":{"b":"twice"},"k.l":{"m":"n"},"none":null}}`
	row := func() *Row {
		r := testRow(t, []byte(event), 0)
		r.Marks = 5
		return r
	}
	for _, tt := range []struct{ path, name, want, spans string }{
		{"verb", "verb", "create", `"create"`},
		{"user", "user.username", "max", `"max"`},
		{"user.username", "user.username", "max", `"max"`},
		{"objectRef", "objectRef", `{{"resource":"pods","subresource":"exec"}}`, `{"resource":"pods","subresource":"exec"}`},
		{"as", "impersonatedUser.username", "eve", `"eve"`},
		{"impersonatedUser.groups", "impersonatedUser.groups", "g", `["g"]`},
		{"impersonatedUser.uid", "impersonatedUser.uid", "", ""},
		{"group", "user.groups", "a|b", `["a","b"]`},
		{`user.extra.k.x/y`, "user.extra.k.x/y", "v", `["v"]`},
		{`user.extra["k.x/y"]`, "user.extra.k.x/y", "v", `["v"]`},
		{"userAgent", "userAgent", "", `""`},
		{"ip", "ip", "1.2.3.4|10.0.0.1", `["1.2.3.4","10.0.0.1"]`},
		{"peer", "peer", "10.0.0.1", `"10.0.0.1"`},
		{"resource", "objectRef.resource", "pods", `"pods"`},
		{"objectRef.name", "objectRef.name", "", ""},
		{"code", "responseStatus.code", "#101", "101"},
		{"responseStatus.reason", "responseStatus.reason", "R", `"R"`},
		{"decision", decisionName, "allow", `"allow"`},
		{"annotations.authorization.k8s.io/decision", decisionName, "allow", `"allow"`},
		{`annotations["a.b"]`, "annotations.a.b", "c", `"c"`},
		{"stageTimestamp", "time", "2026-11-21T05:00:00.250000Z", `"2026-11-21T05:00:00.250000Z"`},
		{"hour", "hour", "#5", "5"},
		{"weekday", "weekday", "saturday", `"saturday"`},
		{"latency", "latency", "#0.25", "0.25"},
		{"cluster", "cluster", "prod", `"prod"`},
		{"position", "position", "#0", "0"},
		{"mark", "mark", "salvaged|truncated", `"salvaged"|"truncated"`},
		{"kind", "kind", "Event", `"Event"`},
		{"request.a.b", "requestObject.a.b", "#1|x\ty|?true|null||{{\"c\":2}}|#-1e3|twice", `1|"x\ty"|[true,null,"",{"c":2}]|-1e3|"twice"`},
		{`request["k.l"].m`, `requestObject["k.l"].m`, "n", `"n"`},
		{"request.k.l.m", "requestObject.k.l.m", "", ""},
		{"request.none", "requestObject.none", "null", "null"},
		{"response.a", "responseObject.a", "", ""},
	} {
		p, err := ParsePath(tt.path)
		if err != nil {
			t.Error(err)
			continue
		}
		if p.Name() != tt.name {
			t.Errorf("%s is named %s, want %s", tt.path, p.Name(), tt.name)
		}
		var got, spans []string
		p.Each(row(), func(v Value) bool {
			got = append(got, valueText(v))
			return true
		})
		p.Spans(row(), func(s audit.Span) bool {
			spans = append(spans, string(s))
			return true
		})
		if strings.Join(got, "|") != tt.want {
			t.Errorf("%s is %q, want %q", tt.path, strings.Join(got, "|"), tt.want)
		}
		if strings.Join(spans, "|") != tt.spans {
			t.Errorf("%s spans %q, want %q", tt.path, strings.Join(spans, "|"), tt.spans)
		}
		n := 0
		p.Each(row(), func(Value) bool { n++; return false })
		if n != min(len(got), 1) {
			t.Errorf("%s handed %d values to one who wanted one", tt.path, n)
		}
	}
	for path, want := range map[string]string{
		"hostPath": `unknown field "hostPath"`, "objectRef.apigroup": "did you mean", "objectRef.foo": "unknown", "request..a": "empty part",
		"": "no field", "verb.x": "unknown", "a b": "no field", `request["x`: "no field", "annotations.a[\"b\"]": "no members",
	} {
		if _, err := ParsePath(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", path, err, want)
		}
	}
}

// valueText is a value with a sign of its kind.
func valueText(v Value) string {
	switch v.Kind {
	case NumberValue:
		return "#" + string(v.Text)
	case BoolValue:
		return "?" + string(v.Text)
	case ObjectValue:
		return "{" + string(v.Text) + "}"
	}
	return string(v.Text)
}

// TestPathIsWhatTestsSee holds paths against the tests of the language: any of what a path leads to passes where the test does.
func TestPathIsWhatTestsSee(t *testing.T) {
	events := testEvents(t)
	rng := rand.New(rand.NewPCG(11, 12))
	seen := 0
	for range 3000 {
		p := mustParse(t, matchtest.Random(rng, events))
		for range 5 {
			i := rng.IntN(len(events))
			r := testRow(t, events[i], i)
			for _, leaf := range leavesOf(p.root) {
				var v *value
				switch leaf := leaf.(type) {
				case *textTest:
					v = &leaf.value
				case *jsonTest:
					v = &leaf.value
				case *derivedTest:
					v = &leaf.value
				default:
					continue
				}
				path, err := ParsePath(Leaf{leaf}.Field())
				if err != nil {
					t.Fatal(err)
				}
				passes := false
				path.Each(r, func(x Value) bool {
					if x.Kind == ObjectValue {
						passes = passes || v.any()
					} else if x.Kind != NullValue {
						passes = passes || v.matches(x.Text, x.Kind == StringValue)
					}
					return true
				})
				if passes != leaf.match(r) {
					t.Fatalf("%s is %v, but %v by its path, of %s", Leaf{leaf}, leaf.match(r), passes, events[i])
				}
				seen++
			}
		}
	}
	if seen < 5000 {
		t.Errorf("only %d tests were made", seen)
	}
}
