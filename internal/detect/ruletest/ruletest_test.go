package ruletest

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"annals.dev/internal/detect"
	"annals.dev/internal/match"
)

const file = "access/secrets.yml"

func rule(t *testing.T, query string) *detect.Rule {
	t.Helper()
	p, err := match.Parse(query)
	if err != nil {
		t.Fatal(err)
	}
	return &detect.Rule{ID: "one", Title: "Secrets", Language: detect.Search, Version: "0", Severity: detect.Low, File: file, Where: p}
}

func TestRun(t *testing.T) {
	const suite = `
match:
- name: listed
  objectRef: {resource: secrets, namespace: prod}
  verb: list
- name: three of them, each at two stages
  findings: 3
  event: {verb: get, objectRef: {resource: secrets, name: "db-{n}"}, repeat: 3, stages: [ResponseStarted, ResponseComplete]}
- name: this one fails
  events:
  - {verb: get, objectRef: {resource: pods}}
quiet:
- name: a service account's own
  events:
  - {verb: get, objectRef: {resource: secrets}, user: "system:serviceaccount:kube-system:x"}
- name: this one fails too
  verb: get
  objectRef: {resource: secrets}
`
	s, err := Parse("access/secrets.test.yml", []byte(suite))
	if err != nil {
		t.Fatal(err)
	}
	results, err := s.Run([]*detect.Rule{rule(t, "resource:secrets verb:(get OR list) -user:system:*")}, file)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range results {
		got = append(got, strings.TrimSpace(map[bool]string{true: "ok ", false: "FAIL "}[r.OK()]+r.Case.Name+"\n"+strings.Join(r.Why, "\n")))
	}
	want := []string{
		"ok listed", "ok three of them, each at two stages",
		"FAIL this one fails\nline 11: get /api/v1/pods: does not match\n" +
			"    false  objectRef.resource:secrets   (objectRef.resource: pods)\n" +
			"    false  verb:list   (verb: get)\n" +
			"    false  user.username:system:*   (user.username: jane)",
		"ok a service account's own",
		"FAIL this one fails too\nline 16: get /api/v1/secrets: matches\n" +
			"    true   objectRef.resource:secrets   (objectRef.resource: secrets)\n" +
			"    true   verb:get   (verb: get)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFilled(t *testing.T) {
	cases := []struct{ name, event, want string }{
		{"least", `{objectRef: {resource: clusterroles, name: admin}, verb: create, user: mallory}`, `{
			"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "stage": "ResponseComplete", "verb": "create",
			"auditID": "` + newID(1) + `", "requestURI": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
			"user": {"username": "mallory", "groups": ["system:authenticated"]}, "sourceIPs": ["10.0.0.7"], "userAgent": "kubectl/v1.36.0",
			"objectRef": {"resource": "clusterroles", "name": "admin", "apiGroup": "rbac.authorization.k8s.io", "apiVersion": "v1"},
			"responseStatus": {"code": 201}, "annotations": {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": ""},
			"requestReceivedTimestamp": "2026-01-01T00:00:00.000000Z", "stageTimestamp": "2026-01-01T00:00:00.000000Z"}`},
		{"what is null is absent", `{requestURI: /healthz, user: null, sourceIPs: 203.0.113.9, userAgent: null, responseStatus: 401, at: 90s, stage: ResponseStarted}`, `{
			"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "stage": "ResponseStarted", "verb": "get",
			"auditID": "` + newID(1) + `", "requestURI": "/healthz", "sourceIPs": ["203.0.113.9"], "responseStatus": {"code": 401},
			"requestReceivedTimestamp": "2026-01-01T00:01:30.000000Z", "stageTimestamp": "2026-01-01T00:01:30.000000Z"}`},
		{"bodies decide the level", `{objectRef: {resource: pods, subresource: exec, namespace: prod, name: web-0}, requestObject: {}, responseObject: null, user: "system:serviceaccount:prod:ci", responseStatus: 403}`, `{
			"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Request", "stage": "ResponseComplete", "verb": "get",
			"auditID": "` + newID(1) + `", "requestURI": "/api/v1/namespaces/prod/pods/web-0/exec",
			"user": {"username": "system:serviceaccount:prod:ci", "groups": ["system:serviceaccounts", "system:serviceaccounts:prod", "system:authenticated"]},
			"sourceIPs": ["10.0.0.7"], "userAgent": "kubectl/v1.36.0", "requestObject": {},
			"objectRef": {"resource": "pods", "subresource": "exec", "namespace": "prod", "name": "web-0", "apiVersion": "v1"},
			"responseStatus": {"code": 403}, "annotations": {"authorization.k8s.io/decision": "forbid", "authorization.k8s.io/reason": ""},
			"requestReceivedTimestamp": "2026-01-01T00:00:00.000000Z", "stageTimestamp": "2026-01-01T00:00:00.000000Z"}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, err := Parse("x.test.yml", []byte("match: ["+c.event+"]"))
			if err != nil {
				t.Fatal(err)
			}
			var got, want any
			if err := json.Unmarshal(s.Cases[0].Events[0].JSON, &got); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(c.want), &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWrong(t *testing.T) {
	cases := []struct{ name, suite, want string }{
		{"nothing", ``, "x.test.yml holds no cases; write match: and quiet:, lists of events"},
		{"a list", `- a`, "x.test.yml:1: write match: and quiet:, lists of events"},
		{"a slip", "mach:\n- {}", `x.test.yml:1: "mach" is none of match, quiet, rule, about, events, did you mean match?`},
		{"a member of no event", "match:\n- {verb: get, objectref: {resource: pods}}", `x.test.yml:2: an audit event has no member "objectref", did you mean objectRef?`},
		{"a member of no object", "match:\n- objectRef: {resource: pods, ns: x}", `x.test.yml:2: objectRef has no member "ns"`},
		{"about nothing", "match:\n- verb: get", `x.test.yml:2: the event says neither objectRef nor requestURI: what is it about?`},
		{"none expected of match", "match:\n- findings: 0\n  requestURI: /x", `x.test.yml:2: findings: 0: give a number from 1; what must find nothing stands under quiet`},
		{"some expected of quiet", "quiet:\n- findings: 1\n  requestURI: /x", `x.test.yml:2: a quiet case has no findings: leave the member out`},
		{"the second event", "match:\n- events:\n  - requestURI: /a\n  - verbs: get", `x.test.yml:4: an audit event has no member "verbs", did you mean verb?`},
		{"no duration", "match:\n- {requestURI: /a, at: 30}", `x.test.yml:2: at: 30 is no duration; write it like 30s or 2m`},
		{"too many", "match:\n- {requestURI: /a, repeat: 1000000}", `x.test.yml:2: repeat: 1000000: give a number from 1 to 10000`},
		{"two documents", "match: [{requestURI: /a}]\n---\nmatch: []", `x.test.yml: it holds a second YAML document; a file of cases is one`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("x.test.yml", []byte(c.suite))
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestWhichRule(t *testing.T) {
	loud, silent := rule(t, "verb:get"), rule(t, "verb:list")
	silent.ID, silent.Silent = "two", true
	s, err := Parse("access/secrets.test.yml", []byte("match: [{requestURI: /a}]"))
	if err != nil {
		t.Fatal(err)
	}
	results, err := s.Run([]*detect.Rule{silent, loud}, file)
	if err != nil || results[0].Rule != loud {
		t.Errorf("got %+v, %v; want the rule that reports", results, err)
	}
	silent.Silent = false
	if _, err = s.Run([]*detect.Rule{silent, loud}, file); err == nil || !strings.Contains(err.Error(), "has 2 rules; say which with rule:") {
		t.Errorf("two rules that report: %v", err)
	}
	s.Cases[0].Rule = "two"
	if results, err = s.Run([]*detect.Rule{silent, loud}, file); err != nil || results[0].Rule != silent {
		t.Errorf("got %+v, %v; want the rule that is named", results, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("match: [{requestURI: /a}]"))
	f.Add([]byte("match:\n- events: [{objectRef: {resource: pods}, stages: [Panic], repeat: 2}]\n  cluster: x"))
	f.Add([]byte("quiet: [{<<: &a {requestURI: /a}}, *a]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Parse("x.test.yml", b)
		if err != nil {
			return
		}
		for _, c := range s.Cases {
			for i, e := range c.Events {
				if _, err := Row(e, uint64(i)); err != nil {
					t.Errorf("what was filled in is no event: %v: %s", err, e.JSON)
				}
			}
		}
	})
}
