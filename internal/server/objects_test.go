package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
)

// changeText is an event that leaves a config map as it is given, recorded with its bodies.
func changeText(n int, verb, user, ns, name, value string) string {
	body := fmt.Sprintf(`{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":%q,"namespace":%q,"uid":"u-%s","resourceVersion":"%d"},"data":{"level":%q}}`, name, ns, ns, n+1, value)
	before := strings.Replace(body, fmt.Sprintf(`"%d"`, n+1), fmt.Sprintf(`"%d"`, n), 1) // the version that was read
	level, bodies := "RequestResponse", `,"requestObject":`+before+`,"responseObject":`+body
	if verb == "delete" {
		level, bodies = "Metadata", ""
	}
	return fmt.Sprintf(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":%q,"auditID":"0a6bd2a4-0000-4000-8000-%012d","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/%[3]s/configmaps/%[4]s","verb":%[5]q,"user":{"username":%[6]q},"sourceIPs":["192.0.2.7"],"objectRef":{"resource":"configmaps","namespace":%[3]q,"name":%[4]q,"apiVersion":"v1"},"responseStatus":{"metadata":{},"code":200}%[7]s,"requestReceivedTimestamp":"2026-11-21T01:00:%02[8]d.000000Z","stageTimestamp":"2026-11-21T01:00:%02[8]d.000001Z"}`,
		level, n, ns, name, verb, user, bodies, n%60)
}

// newObjects serves two config maps of one name in two namespaces, and one of another name in two clusters.
func newObjects(t *testing.T) func(who, name string, question any) (int, string) {
	t.Helper()
	c := newCore(t)
	add(t, c, "prod", changeText(2001, "create", "jane", "team-a", "app", "info"), changeText(2002, "update", "bob", "team-a", "app", "debug"),
		changeText(2003, "create", "eve", "team-b", "app", "hidden"), changeText(2004, "create", "jane", "team-a", "twin", "one"), changeText(2005, "delete", "jane", "team-a", "gone", ""))
	add(t, c, "stage", changeText(2006, "create", "jane", "team-a", "twin", "two"))
	srv := serve(t, c)
	return func(who, name string, question any) (int, string) {
		t.Helper()
		b, err := json.Marshal(question)
		if err != nil {
			t.Fatal(err)
		}
		resp, text := call(t, srv, who, "POST", api+name, string(b))
		return resp.StatusCode, text
	}
}

// What objects, actors and sessions answer whom: with which status, with what in the answer, and without what.
func TestObjectsAndActors(t *testing.T) {
	ask := newObjects(t)
	type question = map[string]any
	app := question{"resource": "cm", "name": "app", "namespace": "team-a"}
	other := question{"resource": "cm", "name": "app", "namespace": "team-b"}
	with := func(q question, name string, v any) question {
		more := maps.Clone(q)
		more[name] = v
		return more
	}
	all := []string{"admin", "reader", "scoped"}
	every := []string{"history", "diff", "blame"}
	for _, c := range []struct {
		who, names []string
		question   question
		status     int
		says, not  string
	}{
		// Whoever has the right to bodies is told what an object was.
		{[]string{"admin", "scoped"}, []string{"history"}, app, 200, `"summary":"data.level info → debug"`, "hidden"},
		{[]string{"admin", "scoped"}, []string{"diff"}, app, 200, `"text":"  level: debug"`, "hidden"},
		{[]string{"admin", "scoped"}, []string{"blame"}, app, 200, `"text":"  level: debug","after":8,"version":2`, "hidden"},
		{[]string{"admin", "scoped"}, []string{"diff"}, with(with(app, "from", 2), "to", 1), 200, `"path":"data.level","before":"\"debug\"","after":"\"info\""`, ""},
		{[]string{"admin"}, every, other, 200, "hidden", "debug"},
		// Others are told who did it, and why there is no more.
		{[]string{"reader"}, []string{"history", "diff"}, app, 200, "not yours to see", "debug"},
		{[]string{"reader"}, []string{"blame"}, app, 400, "not yours to see", "debug"},
		{[]string{"reader"}, []string{"history"}, app, 200, `"user":"bob"`, "resourceVersion"},
		// Out of scope nothing is there, and nothing is said of it.
		{[]string{"scoped"}, []string{"history"}, other, 200, `"versions":[]`, "eve"},
		{[]string{"scoped"}, []string{"diff", "blame"}, other, 400, "nothing is known of configmaps/app", "eve"},
		{[]string{"scoped"}, every, question{"resource": "cm", "name": "app"}, 200, "team-a", "team-b"},
		{[]string{"admin", "reader"}, every, question{"resource": "cm", "name": "app"}, 400, "several namespaces: choose one (-n, namespace): team-a, team-b", ""},
		// What is in several clusters, or in none.
		{all, every, question{"resource": "cm", "name": "twin"}, 400, "several clusters: choose one (--cluster, cluster): prod, stage", ""},
		{[]string{"admin", "scoped"}, every, question{"resource": "cm", "name": "twin", "cluster": "stage"}, 200, "two", "level: one"},
		{all, every, with(app, "cluster", "moon"), 400, `there is no cluster \"moon\"`, ""},
		{[]string{"reader", "scoped"}, every, with(app, "cluster", "annals"), 400, `there is no cluster \"annals\"`, ""},
		// Nothing is found.
		{all, []string{"history"}, question{"resource": "cm", "name": "none"}, 200, "nothing was found by", ""},
		{all, []string{"diff", "blame"}, question{"resource": "cm", "name": "none"}, 400, "nothing is known of configmaps/none", ""},
		{all, []string{"blame"}, question{"resource": "cm", "name": "gone"}, 400, "of none of the 1 versions", ""},
		{all, []string{"history"}, with(app, "since", "2026-11-22T00:00:00Z"), 200, `"versions":[]`, ""},
		// What cannot be asked.
		{all, []string{"diff"}, with(app, "to", 9), 400, "there is no version 9 of configmaps/app: they are 1 to 2", ""},
		{all, []string{"diff"}, with(app, "from", -1), 400, "there is no version -1", ""},
		{all, every, question{"resource": "cm"}, 400, "a kind and a name", ""},
		{all, every, with(app, "limit", -1), 400, "limit -1", ""},
		{all, every, with(app, "name", "a\x00"), 400, "is no name", ""},
		{all, every, with(app, "version", 1), 400, `there is no member \"version\"`, ""},
		{[]string{"", "ingest"}, every, app, 0, "", "jane"},

		{[]string{"admin", "reader"}, []string{"profile"}, question{"user": "eve"}, 200, `"events":1`, "jane"},
		{[]string{"scoped"}, []string{"profile"}, question{"user": "eve"}, 200, `"events":0`, "team-b"},
		{[]string{"admin", "reader", "scoped"}, []string{"profile"}, question{"user": "bob"}, 200, `"events":1`, "debug"},
		{all, []string{"rbac"}, question{"user": "bob"}, 200, "- update", "- create"},
		{[]string{"scoped"}, []string{"rbac"}, question{"user": "eve"}, 200, `"requests":0`, "team-b"},
		{all, []string{"profile", "rbac"}, question{}, 400, "of which user?", ""},
		{all, []string{"profile", "rbac"}, question{"user": "bob", "clusters": []string{"moon"}}, 400, `there is no cluster \"moon\"`, ""},
		{all, []string{"sessions"}, question{}, 200, `"sessions":[]`, ""},
		{all, []string{"sessions"}, question{"limit": -1}, 400, "a limit of -1", ""},
		{all, []string{"sessions"}, question{"query": "moon:"}, 400, "moon", ""},
		{all, []string{"sessions"}, question{"clusters": []string{"moon"}}, 400, `there is no cluster \"moon\"`, ""},
	} {
		for _, who := range c.who {
			for _, name := range c.names {
				path := map[string]string{"profile": "actors/", "rbac": "actors/", "sessions": ""}
				under, ok := path[name]
				if !ok {
					under = "objects/"
				}
				status, text := ask(who, under+name, c.question)
				if c.status == 0 && status < 401 || c.status != 0 && status != c.status || !strings.Contains(text, c.says) || c.not != "" && strings.Contains(text, c.not) {
					t.Errorf("%q asks %s of %v: %d %s\nwant %d with %q, without %q", who, name, c.question, status, text, c.status, c.says, c.not)
				}
			}
		}
	}
}
