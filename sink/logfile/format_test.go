package logfile

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"annals.dev/audit"
	"annals.dev/sink"
)

// in runs a test in a time zone: the text formats have the process's own.
func in(t *testing.T, zone *time.Location) {
	old := time.Local
	time.Local = zone
	t.Cleanup(func() { time.Local = old })
}

var (
	received = audit.MicroTime{Time: time.Date(2016, 9, 7, 13, 3, 57, 400333000, time.UTC)}
	answered = audit.MicroTime{Time: time.Date(2016, 9, 7, 13, 3, 57, 400710000, time.UTC)}
)

// upstream's three events, and what makes each placeholder something.
var upstream = []struct {
	name  string
	event audit.Event
	line  string // after the time
}{
	{"nothing", audit.Event{AuditID: "5c3b8227"},
		`id="5c3b8227" stage="" ip="<unknown>" method="" user="<none>" groups="<none>" as="<self>" asgroups="<lookup>" user-agent="" namespace="<none>" uri="" response="<deferred>"`},
	{"everything", audit.Event{
		ResponseStatus: &audit.Status{Code: 200}, RequestURI: "/apis/rbac.authorization.k8s.io/v1/roles", SourceIPs: []string{"127.0.0.1"},
		RequestReceivedTimestamp: received, AuditID: "5c3b8227", Stage: audit.StageRequestReceived, Verb: "get",
		User: audit.UserInfo{Username: "admin", Groups: []string{"system:masters", "system:authenticated"}}, UserAgent: "kube-admin",
		ObjectRef: &audit.ObjectReference{Namespace: "default"}},
		`id="5c3b8227" stage="RequestReceived" ip="127.0.0.1" method="get" user="admin" groups="\"system:masters\",\"system:authenticated\"" as="<self>" asgroups="<lookup>" user-agent="kube-admin" namespace="default" uri="/apis/rbac.authorization.k8s.io/v1/roles" response="200"`},
	{"an object without a namespace", audit.Event{AuditID: "5c3b8227", Level: audit.LevelMetadata,
		ObjectRef: &audit.ObjectReference{Resource: "foo", APIVersion: "v1", Subresource: "bar"}},
		`id="5c3b8227" stage="" ip="<unknown>" method="" user="<none>" groups="<none>" as="<self>" asgroups="<lookup>" user-agent="" namespace="<none>" uri="" response="<deferred>"`},
	{"impersonated, with bodies", audit.Event{AuditID: "5c3b8227", Level: audit.LevelRequestResponse, RequestReceivedTimestamp: received,
		User: audit.UserInfo{Groups: []string{"not printed without a name"}}, ImpersonatedUser: &audit.UserInfo{Username: "jane", Groups: []string{"a"}},
		RequestObject: audit.Span(`{"a":1}`), ResponseObject: audit.Span(`{"b":2}`), ResponseStatus: &audit.Status{}},
		`id="5c3b8227" stage="" ip="<unknown>" method="" user="<none>" groups="<none>" as="jane" asgroups="\"a\"" user-agent="" namespace="<none>" uri="" response="0"`},
}

func TestLegacy(t *testing.T) {
	in(t, time.FixedZone("CET", 3600))
	for _, c := range upstream {
		t.Run(c.name, func(t *testing.T) {
			l := start(t, Config{Format: Legacy})
			send(t, l, string(c.event.AppendJSON(nil)))
			stamp := "2016-09-07T14:03:57.400333+01:00"
			if c.event.RequestReceivedTimestamp.IsZero() {
				stamp = "0001-01-01T00:00:00Z"
			}
			if got, want := read(t, l.cfg.Path), stamp+" AUDIT: "+c.line+"\n"; got != want {
				t.Errorf("%s\nwant %s", got, want)
			}
		})
	}
}

func TestJSON(t *testing.T) {
	for _, c := range upstream {
		t.Run(c.name, func(t *testing.T) {
			l := start(t, Config{Format: JSON})
			event := string(c.event.AppendJSON(nil))
			send(t, l, event)
			if got := read(t, l.cfg.Path); got != event+"\n" {
				t.Errorf("%s\nwant %s", got, event)
			}
		})
	}
}

func TestTwoLines(t *testing.T) {
	in(t, time.UTC)
	event := func(stage audit.Stage, id, verb string, code int32) string {
		e := audit.Event{Level: audit.LevelMetadata, AuditID: id, Stage: stage, RequestURI: "/api/v1/namespaces/default/pods", Verb: verb,
			User: audit.UserInfo{Username: "admin"}, ObjectRef: &audit.ObjectReference{Namespace: "default", Resource: "pods"},
			RequestReceivedTimestamp: received, StageTimestamp: answered}
		if code != 0 {
			e.ResponseStatus = &audit.Status{Code: code}
		}
		return string(e.AppendJSON(nil))
	}
	request := func(id, method string) string {
		return `2016-09-07T13:03:57.400333Z AUDIT: id="` + id + `" ip="" method="` + method + `" user="admin" as="<self>" namespace="default" uri="/api/v1/namespaces/default/pods"` + "\n"
	}
	response := func(id string, code int) string {
		return fmt.Sprintf("2016-09-07T13:03:57.40071Z AUDIT: id=%q response=\"%d\"\n", id, code)
	}
	for _, c := range []struct {
		name   string
		events []string
		want   string
	}{
		{"both stages", []string{event(audit.StageRequestReceived, "1", "list", 0), event(audit.StageResponseComplete, "1", "list", 200)},
			request("1", "GET") + response("1", 200)},
		{"the first is omitted", []string{event(audit.StageResponseComplete, "1", "create", 201)}, request("1", "POST") + response("1", 201)},
		{"a watch", []string{event(audit.StageRequestReceived, "1", "watch", 0), event(audit.StageResponseStarted, "1", "watch", 200), event(audit.StageResponseComplete, "1", "watch", 200)},
			request("1", "GET") + response("1", 200)},
		{"a watch of which the first is omitted", []string{event(audit.StageResponseStarted, "1", "watch", 200), event(audit.StageResponseComplete, "1", "watch", 200)},
			request("1", "GET") + response("1", 200)},
		{"two at once, of one ID later again", []string{event(audit.StageRequestReceived, "1", "patch", 0), event(audit.StageRequestReceived, "2", "deletecollection", 0),
			event(audit.StageResponseComplete, "2", "deletecollection", 200), event(audit.StageResponseComplete, "1", "patch", 409), event(audit.StageResponseComplete, "1", "update", 200)},
			request("1", "PATCH") + request("2", "DELETE") + response("2", 200) + response("1", 409) + request("1", "PUT") + response("1", 200)},
		{"not authenticated", []string{event(audit.StageResponseStarted, "1", "post", 401)}, request("1", "POST") + response("1", 401)},
		{"panic", []string{event(audit.StageRequestReceived, "1", "approve", 0), event(audit.StagePanic, "1", "approve", 500)},
			request("1", "APPROVE") + response("1", 500)},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := start(t, Config{Format: TwoLines})
			send(t, l, c.events...)
			if got := read(t, l.cfg.Path); got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
}

// What is remembered of requests that are never answered is bounded, and the oldest goes first.
func TestSeenIsBounded(t *testing.T) {
	s := newSeen()
	for i := range seenMax + 10 {
		s.add(fmt.Sprint(i))
	}
	if len(s.ids) > seenMax || len(s.order) > seenMax || s.has("9") || !s.has("10") || !s.has(fmt.Sprint(seenMax+9)) {
		t.Errorf("%d ids, %d in order", len(s.ids), len(s.order))
	}
}

func TestNotJSON(t *testing.T) {
	for _, f := range []Format{Legacy, TwoLines} {
		l := start(t, Config{Format: f})
		good := string((&audit.Event{AuditID: "1", Stage: audit.StageResponseComplete}).AppendJSON(nil))
		err := l.Send(ctx, []byte("garbage"), []byte(good))
		if partial, ok := errors.AsType[*sink.PartialError](err); !ok || partial.Lost != 1 {
			t.Errorf("%v", err)
		}
		if got := read(t, l.cfg.Path); !strings.Contains(got, `id="1"`) {
			t.Errorf("the event beside it is lost: %q", got)
		}
	}
}

func BenchmarkLog(b *testing.B) {
	e := []byte(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"5c3b8227-4af9-4322-8a71-542231c3887b","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/default/pods?limit=500","verb":"list","user":{"username":"admin","groups":["system:masters","system:authenticated"]},"sourceIPs":["127.0.0.1"],"userAgent":"kubectl/v1.36.0 (linux/amd64) kubernetes/abcdef0","objectRef":{"resource":"pods","namespace":"default","apiVersion":"v1"},"responseStatus":{"metadata":{},"code":200},"requestReceivedTimestamp":"2026-11-21T00:16:30.152000Z","stageTimestamp":"2026-11-21T00:16:30.153000Z","annotations":{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":""}}`)
	large := append([]byte(nil), e[:len(e)-1]...)
	large = append(append(large, `,"responseObject":{"a":"`...), strings.Repeat("x", 20_000)...)
	large = append(large, `"}}`...)
	for _, c := range []struct {
		name  string
		event []byte
		cfg   Config
		batch int
	}{
		{"json", e, Config{MaxSize: 64 << 20, MaxBackups: 1}, 1}, {"json, 100 at once", e, Config{MaxSize: 64 << 20, MaxBackups: 1}, 100},
		{"json, 20 kB", large, Config{MaxSize: 64 << 20, MaxBackups: 1}, 1},
		{"json, a small file", e, Config{MaxSize: 1 << 20, MaxBackups: 2}, 1},
		{"legacy", e, Config{Format: Legacy, MaxSize: 64 << 20, MaxBackups: 1}, 1},
		{"two-line", e, Config{Format: TwoLines, MaxSize: 64 << 20, MaxBackups: 1}, 1},
	} {
		b.Run(c.name, func(b *testing.B) {
			l := start(b, c.cfg)
			batch := make([][]byte, c.batch)
			for i := range batch {
				batch[i] = c.event
			}
			b.SetBytes(int64(len(c.event) * c.batch))
			b.ReportAllocs()
			for b.Loop() {
				must(b, l.Send(ctx, batch...))
			}
			b.ReportMetric(float64(b.N*c.batch)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
