package session

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"annals.dev/internal/query"
)

// TestDecode: what paths and parameters say.
func TestDecode(t *testing.T) {
	pod := func(subresource, uri string) *query.Row {
		return &query.Row{Resource: "pods", Subresource: subresource, Namespace: "prod", Name: "web-1", RequestURI: "/api/v1/namespaces/prod/pods/web-1/" + uri, User: "jane", Stage: "ResponseComplete", Code: 101}
	}
	for _, tt := range []struct {
		name     string
		row      *query.Row
		want     Session // Kind, Target, Container, Command, Ports, Stdin, TTY and Path
		sentence string
	}{
		{"a command", pod("exec", "exec?command=sh&command=-c&command=id%3B+ls&container=app&stdin=true&stdout=true&tty=true"),
			Session{Kind: "exec", Target: "pods/web-1", Container: "app", Command: []string{"sh", "-c", "id; ls"}, Stdin: true, TTY: true},
			"jane ran `sh -c 'id; ls'` in pods/web-1 (container app) in prod, 0 ms"},
		{"no command, as a cut URI has it", pod("exec", "exec"), Session{Kind: "exec", Target: "pods/web-1"}, "jane ran a command that is not recorded in pods/web-1 in prod, 0 ms"},
		{"cut within an escape", pod("exec", "exec?container=app&command=ca%2"), Session{Kind: "exec", Target: "pods/web-1", Container: "app", Command: []string{"ca%2"}},
			"jane ran `ca%2` in pods/web-1 (container app) in prod, 0 ms"},
		{"semicolons and empty words", pod("exec", "exec?command=a;b&command=&&=&command"), Session{Kind: "exec", Target: "pods/web-1", Command: []string{"a;b", "", ""}},
			"jane ran `'a;b' '' ''` in pods/web-1 in prod, 0 ms"},
		{"no boolean", pod("attach", "attach?tty=maybe&stdin=1"), Session{Kind: "attach", Target: "pods/web-1", Stdin: true}, "jane attached to pods/web-1 in prod, 0 ms"},
		{"kubectl cp POD:FILE .", pod("exec", "exec?command=tar&command=cf&command=-&command=%2Fetc%2Fpasswd&container=app"),
			Session{Kind: "cp", Target: "pods/web-1", Container: "app", Command: []string{"tar", "cf", "-", "/etc/passwd"}},
			"jane copied files from pods/web-1 with `tar cf - /etc/passwd` (container app) in prod, 0 ms"},
		{"kubectl cp --retries", pod("exec", "exec?command=sh&command=-c&command=tar+cf+-+%27%2Fx%27+%7C+tail+-c%2B1"),
			Session{Kind: "cp", Target: "pods/web-1", Command: []string{"sh", "-c", "tar cf - '/x' | tail -c+1"}},
			`jane copied files from pods/web-1 with ` + "`sh -c 'tar cf - '\\''/x'\\'' | tail -c+1'`" + ` in prod, 0 ms`},
		{"kubectl cp FILE POD:", pod("exec", "exec?command=tar&command=-xmf&command=-&command=-C&command=%2Ftmp"),
			Session{Kind: "cp", Target: "pods/web-1", Command: []string{"tar", "-xmf", "-", "-C", "/tmp"}}, "jane copied files to pods/web-1 with `tar -xmf - -C /tmp` in prod, 0 ms"},
		{"kubectl cp --no-preserve", pod("exec", "exec?command=tar&command=--no-same-permissions&command=--no-same-owner&command=-xmf&command=-"),
			Session{Kind: "cp", Target: "pods/web-1", Command: []string{"tar", "--no-same-permissions", "--no-same-owner", "-xmf", "-"}},
			"jane copied files to pods/web-1 with `tar --no-same-permissions --no-same-owner -xmf -` in prod, 0 ms"},
		{"tar of a file is no copy", pod("exec", "exec?command=tar&command=xf&command=a.tar"), Session{Kind: "exec", Target: "pods/web-1", Command: []string{"tar", "xf", "a.tar"}},
			"jane ran `tar xf a.tar` in pods/web-1 in prod, 0 ms"},
		{"ports in the URI", pod("portforward", "portforward?ports=8080,9090&ports=70000&ports=x"), Session{Kind: "portforward", Target: "pods/web-1", Ports: []int{8080, 9090}},
			"jane forwarded ports 8080, 9090 of pods/web-1 in prod, 0 ms"},
		{"ports in the connection", pod("portforward", "portforward"), Session{Kind: "portforward", Target: "pods/web-1"}, "jane forwarded ports of pods/web-1 in prod, 0 ms"},
		{"a pod's port", &query.Row{Resource: "pods", Subresource: "proxy", Namespace: "prod", Name: "web-1:80", RequestURI: "/api/v1/namespaces/prod/pods/web-1:80/proxy/a/b?x=y", User: "jane", Stage: "ResponseComplete", Code: 200},
			Session{Kind: "proxy", Target: "pods/web-1", Ports: []int{80}, Path: "/a/b"}, "jane reached pods/web-1/a/b through the API server in prod, 0 ms"},
		{"a service's port by its name", &query.Row{Resource: "services", Subresource: "proxy", Namespace: "prod", Name: "https:db:tls", RequestURI: "/api/v1/namespaces/prod/services/https:db:tls/proxy", User: "jane", Stage: "ResponseComplete", Code: 200},
			Session{Kind: "proxy", Target: "services/db"}, "jane reached services/db through the API server in prod, 0 ms"},
		{"a node's kubelet", &query.Row{Resource: "nodes", Subresource: "proxy", Name: "n1", RequestURI: "/api/v1/nodes/n1/proxy/run/prod/web/app?cmd=id", User: "jane", Stage: "ResponseComplete", Code: 200},
			Session{Kind: "proxy", Target: "nodes/n1", Path: "/run/prod/web/app"}, "jane reached nodes/n1/run/prod/web/app through the API server, 0 ms"},
		{"a pod to debug a node", &query.Row{Verb: "create", Resource: "pods", Namespace: "default", Name: "node-debugger-worker-1-x2lqp", User: "jane", As: "root", Stage: "ResponseComplete", Code: 403},
			Session{Kind: "debug", Target: "nodes/worker-1"}, "jane as root tried to make a pod to debug nodes/worker-1: refused (403)"},
		{"nobody", &query.Row{Resource: "pods", Subresource: "attach", Name: "x", Stage: "RequestReceived"}, Session{Kind: "attach", Target: "pods/x"},
			"somebody unknown tried to attach to pods/x, what came of it is not recorded"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := (&joined{rows: []*query.Row{tt.row}}).session()
			got := Session{Kind: s.Kind, Target: s.Target, Container: s.Container, Command: s.Command, Ports: s.Ports, Stdin: s.Stdin, TTY: s.TTY, Path: s.Path}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if s.Sentence != tt.sentence {
				t.Errorf("%s\nwant %s", s.Sentence, tt.sentence)
			}
		})
	}
}

// TestEphemeral: the container that is added, in all the ways to add one.
func TestEphemeral(t *testing.T) {
	want := container{Name: "dbg", Image: "busybox", Command: []string{"sh"}, TTY: true}
	one := `{"name":"dbg","image":"busybox","command":["sh"],"tty":true,"targetContainerName":"app"}`
	for name, body := range map[string]string{
		"a strategic merge patch": `{"spec":{"ephemeralContainers":[` + one + `],"$setElementOrder/ephemeralContainers":[{"name":"dbg"}]}}`,
		"a whole pod":             `{"kind":"Pod","spec":{"ephemeralContainers":[{"name":"old","image":"x"},` + one + `]}}`,
		"a JSON patch":            `[{"op":"test","path":"/spec","value":1},{"op":"add","path":"/spec/ephemeralContainers/-","value":` + one + `}]`,
		"a JSON patch of a list":  `[{"op":"add","path":"/spec/ephemeralContainers","value":[` + one + `]}]`,
	} {
		if diff := cmp.Diff(want, ephemeral([]byte(body))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for _, body := range []string{"", "null", "[]", `{"spec":[]}`, `[{"op":"remove","path":"/spec/ephemeralContainers/0"}]`, `[1]`, `{"spec":{"ephemeralContainers":"x"}}`, `[{"op":"add","path":"/spec/ephemeralContainers/-","value":7}]`} {
		if diff := cmp.Diff(container{}, ephemeral([]byte(body))); diff != "" {
			t.Errorf("%s: %s", body, diff)
		}
	}
}

// FuzzSession: whatever stands in an event, a session is made of it, and a sentence of bounded length.
func FuzzSession(f *testing.F) {
	f.Add("exec", "web-1", "/api/v1/namespaces/p/pods/web-1/exec?command=sh&command=-c&container=a&tty=1", `{}`)
	f.Add("proxy", "https:a:1", "/x/https:a:1/proxy/%zz", `[]`)
	f.Add("ephemeralcontainers", "w", "", `{"spec":{"ephemeralContainers":[{"name":"a","image":"b"}]}}`)
	f.Add("", "node-debugger-n-x", "?&&=%", `{"spec":{"nodeName":"n","containers":[{"name":"debugger"}]}}`)
	f.Fuzz(func(t *testing.T, subresource, name, uri, body string) {
		event, err := json.Marshal(map[string]any{"auditID": "x", "stage": "ResponseComplete", "requestObject": json.RawMessage(body)})
		if err != nil {
			event = []byte(body)
		}
		s := (&joined{rows: []*query.Row{{Resource: "pods", Subresource: subresource, Name: name, RequestURI: uri, Bytes: event, Stage: "ResponseComplete", Code: 200}}}).session()
		if !json.Valid(must(json.Marshal(s))) || s.Target == "" || s.Kind == "" {
			t.Errorf("%+v", s)
		}
		if n := utf8.RuneCountInString(s.Sentence); n > 4*longestCommand+4*len(name)+2*len(s.Container)+len(subresource)+200 {
			t.Errorf("a sentence of %d characters", n)
		}
	})
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}
