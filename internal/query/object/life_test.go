package object

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"annals.dev/internal/query"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
	sigsyaml "sigs.k8s.io/yaml"
)

// occurrence is an event about the object of a test.
type occurrence struct {
	verb, sub, level      string
	uri                   string // its query
	code                  int
	request, response     string
	stage, rv, annotation string
	status                string // responseStatus.status
	received              time.Duration
	marks                 []string
	agent                 string
}

var web = Ref{Cluster: "prod", Resource: "deployments", APIGroup: "apps", Namespace: "shop", Name: "web"}

// acts are the occurrences, a second apart.
func acts(ref Ref, all ...occurrence) (list []*act) {
	for i, o := range all {
		at := time.Date(2026, 11, 20, 8, 0, i, 0, time.UTC)
		if o.code == 0 {
			o.code = 200
		}
		if o.stage == "" {
			o.stage = "ResponseComplete"
		}
		if o.level == "" {
			switch {
			case o.response != "":
				o.level = "RequestResponse"
			case o.request != "":
				o.level = "Request"
			default:
				o.level = "Metadata"
			}
		}
		received := at.Add(-10 * time.Millisecond)
		if o.received != 0 {
			received = at.Add(-o.received)
		}
		raw := map[string]any{
			"objectRef": map[string]any{"apiVersion": "v1", "resourceVersion": o.rv}, "requestReceivedTimestamp": received,
			"responseStatus": map[string]any{"status": o.status, "code": o.code}, "annotations": map[string]any{"x": "y"},
		}
		if o.annotation != "" {
			raw["annotations"] = map[string]string{o.annotation: `{"mutated":true}`}
		}
		if o.request != "" {
			raw["requestObject"] = json.RawMessage(o.request)
		}
		if o.response != "" {
			raw["responseObject"] = json.RawMessage(o.response)
		}
		b, err := json.Marshal(raw)
		if err != nil {
			panic(err)
		}
		list = append(list, actOf(query.Event{
			Cluster: ref.Cluster, Position: uint64(i), Time: at, AuditID: fmt.Sprint("id-", i), Level: o.level, Stage: o.stage, Verb: o.verb,
			User: "alice", APIGroup: ref.APIGroup, Resource: ref.Resource, Subresource: o.sub, Namespace: ref.Namespace, Name: ref.Name, Code: int64(o.code),
			RequestURI: "/x?" + o.uri, Marks: o.marks, UserAgent: o.agent, Event: b,
		}, false))
	}
	return list
}

// follows plays acts.
func follows(ref Ref, q Question, list []*act) *life {
	l := &life{ref: ref, q: q}
	order := orderly{to: l.step}
	for _, a := range list {
		order.add(a)
	}
	order.flush()
	return l
}

// brief versions, one a line: number, known, summary, and why.
func briefly(l *life) string {
	var b strings.Builder
	for _, v := range l.versions {
		missed := ""
		if v.Missed {
			missed = " MISSED"
		}
		fmt.Fprintf(&b, "%d %s%s: %s", v.Number, v.Known, missed, v.Summary)
		if v.Why != "" {
			fmt.Fprintf(&b, " (%s)", v.Why)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func deployment(rv string, generation, replicas int, image string, more string) string {
	return fmt.Sprintf(`{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"web","namespace":"shop","uid":"u1","resourceVersion":"%s","generation":%d%s},"spec":{"replicas":%d,"template":{"spec":{"containers":[{"name":"web","image":"%s"},{"name":"log","image":"l:1"}]}}},"status":{"replicas":1}}`,
		rv, generation, more, replicas, image)
}

func TestVerbsAndForms(t *testing.T) {
	seen := occurrence{verb: "create", code: 201, request: `{}`, response: deployment("10", 1, 1, "w:1", "")}
	const notSent = "recorded at level Request, without the answer; the version before with the patch applied, without the server's defaults for what is new"
	const noBodies = "recorded at level Metadata, without what was sent and answered"
	for _, tt := range []struct {
		name string
		all  []occurrence
		want string
	}{
		{"create", []occurrence{seen}, "1 observed: created\n"},
		{"create at Request", []occurrence{{verb: "create", code: 201, request: deployment("", 0, 1, "w:1", "")}},
			"1 derived: created (recorded at level Request, without the answer; what was sent, without the server's defaults)\n"},
		{"create at Metadata", []occurrence{{verb: "create", code: 201}}, "1 unknown: create: what changed is not known (" + noBodies + ")\n"},
		{"update", []occurrence{seen, {verb: "update", request: `{}`, response: deployment("11", 2, 3, "w:1", "")}},
			"1 observed: created\n2 observed: spec.replicas 1 → 3\n"},
		{"update at Request", []occurrence{seen, {verb: "update", rv: "10", request: deployment("10", 1, 3, "w:2", "")}},
			"1 observed: created\n2 derived: spec.replicas 1 → 3, and 1 more (recorded at level Request, without the answer; what was sent, without the server's defaults)\n"},
		{"JSON patch", []occurrence{seen, {verb: "patch", request: `[{"op":"replace","path":"/spec/template/spec/containers/1/image","value":"l:2"}]`}},
			"1 observed: created\n2 derived: spec.template.spec.containers[name=log].image l:1 → l:2 (" + notSent + ")\n"},
		{"JSON patch that does not fit", []occurrence{seen, {verb: "patch", request: `[{"op":"replace","path":"/spec/x/y","value":1}]`}},
			"1 observed: created\n2 unknown: patch: what changed is not known (the patch does not fit the version before: one in between was not seen)\n"},
		{"merge patch, or strategic: the same", []occurrence{seen, {verb: "patch", request: `{"spec":{"replicas":2,"paused":null}}`}},
			"1 observed: created\n2 derived: spec.replicas 1 → 2 (" + notSent + ")\n"},
		{"merge patch, or strategic: not the same", []occurrence{seen, {verb: "patch", request: `{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"w:2"}]}}}}`}},
			"1 observed: created\n2 partial: spec.template.spec.containers[name=web].image w:1 → w:2 (a merge patch or a strategic merge patch: the event does not say which; recorded at level Request, without the answer)\n"},
		{"strategic merge patch", []occurrence{seen, {verb: "patch", request: `{"spec":{"template":{"spec":{"$setElementOrder/containers":[{"name":"web"},{"name":"log"}],"containers":[{"name":"web","image":"w:2"}]}}}}`}},
			"1 observed: created\n2 derived: spec.template.spec.containers[name=web].image w:1 → w:2 (" + notSent + ")\n"},
		{"strategic merge patch that deletes", []occurrence{seen, {verb: "patch", request: `{"spec":{"template":{"spec":{"containers":[{"name":"log","$patch":"delete"}]}}}}`}},
			"1 observed: created\n2 derived: spec.template.spec.containers[name=log] removed (" + notSent + ")\n"},
		{"server-side apply", []occurrence{seen, {verb: "patch", uri: "fieldManager=x&force=true", request: `{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"web"},"spec":{"replicas":7}}`}},
			"1 observed: created\n2 partial: spec.replicas 1 → 7 (sent as server-side apply: what was sent is known, not what it removed; recorded at level Request, without the answer)\n"},
		{"apply or merge patch", []occurrence{seen, {verb: "patch", uri: "fieldManager=x", request: `{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"web"},"spec":{"replicas":7}}`}},
			"1 observed: created\n2 partial: spec.replicas 1 → 7 (sent as server-side apply or merge patch: what was sent is known, not what it removed; recorded at level Request, without the answer)\n"},
		{"patch on what nobody saw", []occurrence{{verb: "patch", request: `{"spec":{"replicas":2}}`}},
			"1 partial: spec ? → {\"replicas\":2} (the version before was not seen: this is what was sent; recorded at level Request, without the answer)\n"},
		{"patch to another version of the API", []occurrence{{verb: "update", request: "{}", response: strings.Replace(deployment("10", 1, 1, "w:1", ""), "apps/v1", "apps/v1beta1", 1)}, {verb: "patch", request: `{"spec":{"replicas":2}}`}},
			"1 observed: seen first as it was after an update\n2 unknown: patch: what changed is not known (recorded at level Request, without the answer)\n"},
		{"patch at Metadata", []occurrence{seen, {verb: "patch"}}, "1 observed: created\n2 unknown: patch: what changed is not known (" + noBodies + ")\n"},
		{"scale", []occurrence{seen, {verb: "patch", sub: "scale", request: `{"spec":{"replicas":4}}`}},
			"1 observed: created\n2 derived: spec.replicas 1 → 4 (" + notSent + ")\n"},
		{"scale, answered", []occurrence{seen, {verb: "update", sub: "scale", request: `{}`, response: `{"kind":"Scale","metadata":{"name":"web","uid":"u1","resourceVersion":"11"},"spec":{"replicas":4}}`}},
			"1 observed: created\n2 derived: spec.replicas 1 → 4 (the answer is a Scale, not the object; the version before with the patch applied, without the server's defaults for what is new)\n"},
		{"status", []occurrence{seen, {verb: "update", sub: "status", request: `{}`, response: strings.Replace(deployment("11", 1, 1, "w:1", ""), `"replicas":1}}`, `"replicas":9}}`, 1)}}, "1 observed: created\n"},
		{"delete", []occurrence{seen, {verb: "delete", request: `{}`, response: `{"kind":"Status","status":"Success","details":{"uid":"u1"}}`}}, "1 observed: created\n2 gone: deleted\n"},
		{"delete at Metadata", []occurrence{seen, {verb: "delete", status: "Success"}}, "1 observed: created\n2 gone: deleted\n"},
		{"delete of what a finalizer holds", []occurrence{seen,
			{verb: "delete", request: `{}`, response: deployment("11", 2, 1, "w:1", `,"finalizers":["f"],"deletionTimestamp":"2026-11-20T08:00:00Z","deletionGracePeriodSeconds":0`)},
			{verb: "patch", request: `[{"op":"remove","path":"/metadata/finalizers"}]`}},
			"1 observed: created\n2 observed: metadata.deletionGracePeriodSeconds added: 0, and 2 more\n3 gone: deleted: the last finalizer was taken off (" + notSent + ")\n"},
		{"deletecollection, not answered", []occurrence{seen, {verb: "deletecollection"}},
			"1 observed: created\n2 unknown: may have been deleted, with others (a deletecollection may have deleted it: " + noBodies + ")\n"},
		{"deletecollection of others", []occurrence{seen, {verb: "deletecollection", uri: "labelSelector=app%3Dother"}, {verb: "deletecollection", uri: "fieldSelector=metadata.name%3Dother"}, {verb: "deletecollection", request: "{}", response: `{"items":[{"metadata":{"name":"other","namespace":"shop"}}]}`}},
			"1 observed: created\n"},
		{"deletecollection, answered", []occurrence{seen, {verb: "deletecollection", request: "{}", response: `{"items":[{"metadata":{"name":"web","namespace":"shop"}}]}`}},
			"1 observed: created\n2 gone: deleted\n"},
		{"made again", []occurrence{seen, {verb: "delete", status: "Success"}, {verb: "create", code: 201, request: "{}", response: strings.Replace(deployment("20", 1, 1, "w:9", ""), "u1", "u2", 1)}},
			"1 observed: created\n2 gone: deleted\n3 observed: created\n"},
		{"another of the same name, unseen", []occurrence{seen, {verb: "update", request: "{}", response: strings.Replace(deployment("20", 1, 1, "w:9", ""), "u1", "u2", 1)}},
			"1 observed: created\n2 observed MISSED: seen first as it was after an update\n"},
		{"dry run, refusal", []occurrence{seen, {verb: "update", uri: "dryRun=All", request: "{}", response: deployment("10", 2, 9, "w:1", "")}, {verb: "patch", code: 409, request: `{"spec":{"replicas":9}}`}},
			"1 observed: created\n"},
		{"timed out, panicked", []occurrence{seen, {verb: "patch", code: 504, request: `{"spec":{"replicas":9}}`}, {verb: "patch", stage: "Panic", request: `{"spec":{"replicas":9}}`}},
			"1 observed: created\n2 unknown: patch: what changed is not known (the API server gave up waiting: whether the change was made is not known)\n3 unknown: patch: what changed is not known (the request was seen at stage Panic only: whether it changed anything is not known)\n"},
		{"one in between by its resource version", []occurrence{seen, {verb: "update", rv: "12", request: "{}", response: deployment("13", 2, 2, "w:1", "")}},
			"1 observed: created\n2 observed MISSED: spec.replicas 1 → 2\n"},
		{"one in between by its generation", []occurrence{seen, {verb: "patch", request: "{}", response: deployment("13", 4, 2, "w:1", "")}},
			"1 observed: created\n2 observed MISSED: spec.replicas 1 → 2\n"},
		{"answered in another order", []occurrence{seen, {verb: "patch", request: "{}", response: deployment("12", 3, 3, "w:1", "")}, {verb: "patch", received: 2500 * time.Millisecond, request: "{}", response: deployment("11", 2, 2, "w:1", "")}},
			"1 observed: created\n2 observed: spec.replicas 1 → 2\n3 observed: spec.replicas 2 → 3\n"},
		{"under way together", []occurrence{seen, {verb: "patch", request: `{"spec":{"replicas":2}}`}, {verb: "patch", received: 1500 * time.Millisecond, request: `{"spec":{"replicas":3}}`}},
			"1 observed: created\n2 derived: spec.replicas 1 → 2 (" + notSent + ")\n3 partial: spec.replicas ? → 3 (another request was under way at the same time: which came first was not recorded; recorded at level Request, without the answer)\n"},
		{"changed by a webhook", []occurrence{seen, {verb: "patch", annotation: "mutation.webhook.admission.k8s.io/round_0_index_0", request: `{"spec":{"replicas":2}}`}},
			"1 observed: created\n2 partial: spec.replicas 1 → 2 (an admission webhook changed what was sent, and the answer was not recorded; recorded at level Request, without the answer)\n"},
		{"shortened", []occurrence{seen, {verb: "patch", level: "RequestResponse", marks: []string{"truncated"}}},
			"1 observed: created\n2 unknown: patch: what changed is not known (the API server shortened the event and left out what was sent and answered)\n"},
		{"cut", []occurrence{seen, {verb: "patch", marks: []string{"salvaged"}, request: `{"spec":{"replicas":2}}`}},
			"1 observed: created\n2 unknown: patch: what changed is not known (the event arrived cut short)\n"},
		{"redacted", []occurrence{{verb: "create", code: 201, marks: []string{"redacted"}, request: "{}", response: deployment("10", 1, 1, "w:1", "")}},
			"1 partial: created (parts of the event were redacted)\n"},
		{"metadata alone is answered", []occurrence{seen, {verb: "patch", request: `{"metadata":{"labels":{"a":"b"}}}`, response: `{"kind":"PartialObjectMetadata","metadata":{"name":"web","uid":"u1","resourceVersion":"11"}}`}},
			"1 observed: created\n2 derived: metadata.labels added (the answer is a PartialObjectMetadata, not the object; the version before with the patch applied, without the server's defaults for what is new)\n"},
		{"tokens and shells change nothing", []occurrence{seen, {verb: "create", sub: "token"}, {verb: "create", sub: "exec"}}, "1 observed: created\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, briefly(follows(web, Question{}, acts(web, tt.all...)))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPods(t *testing.T) {
	pod := Ref{Cluster: "prod", Resource: "pods", Namespace: "shop", Name: "till"}
	const body = `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"till","namespace":"shop","uid":"u1","resourceVersion":"10"},"spec":{"containers":[{"name":"c","image":"i"}]}}`
	l := follows(pod, Question{}, acts(pod,
		occurrence{verb: "create", code: 201, request: "{}", response: body},
		occurrence{verb: "create", sub: "binding", code: 201, request: `{"target":{"name":"node-1"},"metadata":{"annotations":{"a":"b"}}}`, response: `{"kind":"Status","status":"Success"}`},
		occurrence{verb: "patch", sub: "ephemeralcontainers", request: `{"spec":{"ephemeralContainers":[{"name":"debug","image":"d"}]}}`},
		occurrence{verb: "create", sub: "eviction", code: 201, request: `{"kind":"Eviction"}`},
		occurrence{verb: "delete", code: 200},
		occurrence{verb: "delete", code: 200},
	))
	want := `1 observed: created
2 derived: metadata.annotations added, and 1 more (bound to its node; the answer is a Status, not the object; the version before with the patch applied, without the server's defaults for what is new)
3 derived: spec.ephemeralContainers added (recorded at level Request, without the answer; the version before with the patch applied, without the server's defaults for what is new)
4 partial: eviction asked for (evicted: the server asked for its deletion; recorded at level Request, without the answer)
5 gone: deleted (its deletion was asked for again, and is taken for done)
6 gone: deleted (its deletion was asked for once more, and is taken for done)
`
	if diff := cmp.Diff(want, briefly(l)); diff != "" {
		t.Error(diff)
	}
}

func TestSecretsAreToldAsTheServerKeepsThem(t *testing.T) {
	ref := Ref{Cluster: "prod", Resource: "secrets", Namespace: "shop", Name: "s"}
	l := follows(ref, Question{}, acts(ref, occurrence{verb: "create", code: 201,
		request: `{"kind":"Secret","apiVersion":"v1","metadata":{"name":"s","annotations":{}},"stringData":{"k":"v"},"data":{"a":"Yg=="}}`}))
	want := "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n  namespace: shop\ndata:\n  a: Yg==\n  k: dg==\n"
	if diff := cmp.Diff(want, l.versions[0].object()); diff != "" {
		t.Error(diff)
	}
}

func TestStatusIsLeftOutUnlessAsked(t *testing.T) {
	all := acts(web,
		occurrence{verb: "create", code: 201, request: `{}`, response: deployment("10", 1, 1, "w:1", "")},
		occurrence{verb: "update", sub: "status", rv: "10", request: `{}`, response: strings.Replace(deployment("11", 1, 1, "w:1", ""), `"replicas":1}}`, `"replicas":9}}`, 1)},
		occurrence{verb: "patch", sub: "status", request: `{"status":{"replicas":3}}`},
		occurrence{verb: "update", rv: "12", request: `{}`, response: deployment("13", 1, 1, "w:1", "")},
	)
	if l := follows(web, Question{}, all); l.number != 1 || l.statusOnly != 3 {
		t.Errorf("%d versions, %d writes of the status alone:\n%s", l.number, l.statusOnly, briefly(l))
	}
	want := `1 observed: created
2 observed: status.replicas 1 → 9
3 derived: status.replicas 9 → 3 (recorded at level Request, without the answer; the version before with the patch applied, without the server's defaults for what is new)
4 observed: status.replicas 3 → 1
`
	if diff := cmp.Diff(want, briefly(follows(web, Question{Status: true}, all))); diff != "" {
		t.Error(diff)
	}
}

func TestReads(t *testing.T) {
	all := acts(web,
		occurrence{verb: "get", response: deployment("9", 1, 1, "w:1", "")},
		occurrence{verb: "get", response: deployment("9", 1, 1, "w:1", "")},
		occurrence{verb: "patch"},
		occurrence{verb: "list", response: `{"kind":"DeploymentList","apiVersion":"apps/v1","items":[` + deployment("11", 2, 5, "w:1", "") + `]}`},
	)
	want := `1 observed MISSED: seen by a get: seen first as it was after a get
2 unknown: patch: what changed is not known (recorded at level Metadata, without what was sent and answered)
3 observed: seen by a list: spec.replicas 1 → 5
`
	if diff := cmp.Diff(want, briefly(follows(web, Question{Reads: true}, all))); diff != "" {
		t.Error(diff)
	}
}

// yamlOf reads a version's YAML.
func yamlOf(t rapid.TB, s string) map[string]any {
	t.Helper()
	if s == "" {
		return nil
	}
	b, err := sigsyaml.YAMLToJSON([]byte(s))
	if err != nil {
		t.Fatalf("%v\n%s", err, s)
	}
	m, _ := decode(b).(map[string]any)
	return m
}
