package query

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestSentence(t *testing.T) {
	for _, tt := range []struct {
		row  Row
		want string
	}{
		{Row{User: "jane", Verb: "get", Resource: "secrets", Name: "db", Namespace: "prod", Code: 200}, "jane read secrets/db in prod"},
		{Row{User: "jane", Verb: "delete", Resource: "nodes", Name: "worker-1", Code: 403, Decision: "forbid"}, "jane was not allowed to delete nodes/worker-1 (403)"},
		{Row{Verb: "get", RequestURI: "/api?timeout=32s", Code: 401, Stage: "ResponseStarted"}, "somebody without a valid credential was turned away from /api (401)"},
		{Row{Verb: "list", Resource: "pods", Namespace: "prod", Code: 401, Stage: "ResponseStarted"}, "somebody without a valid credential was turned away on trying to list all pods in prod (401)"},
		{Row{User: "system:serviceaccount:a:b", Verb: "list", Resource: "pods", Code: 200}, "service account b of a listed all pods of all namespaces"},
		{Row{User: "alice", As: "bob", Verb: "create", Resource: "pods", Subresource: "exec", Name: "web-1", Namespace: "prod", Code: 101,
			RequestURI: "/api/v1/namespaces/prod/pods/web-1/exec?command=%2Fbin%2Fbash&stdin=true&tty=true"}, "alice, as bob, opened a shell in pods/web-1 in prod"},
		{Row{User: "alice", Verb: "get", Resource: "pods", Subresource: "exec", Name: "web-1", Namespace: "prod", Code: 101, Stage: "ResponseComplete", Latency: 1_500_000,
			RequestURI: "/api/v1/namespaces/prod/pods/web-1/exec?command=cat&command=%2Fetc%2Fpasswd&container=app"}, "alice ran “cat /etc/passwd” in container app of pods/web-1 in prod for 1.5s"},
		{Row{User: "alice", Verb: "get", Resource: "pods", Subresource: "exec", Name: "web-1", Namespace: "prod"}, "alice ran a command in pods/web-1 in prod"},
		{Row{User: "alice", Verb: "create", Resource: "pods", Subresource: "portforward", Name: "web-1", Namespace: "prod", Code: 403, Decision: "forbid"}, "alice was not allowed to forward ports of pods/web-1 in prod (403)"},
		{Row{User: "system:node:n1", Verb: "watch", Resource: "configmaps", Namespace: "prod", Name: "ca", Stage: "ResponseStarted", Code: 200}, "node n1 began to watch configmaps/ca in prod"},
		{Row{User: "system:node:n1", Verb: "watch", Resource: "pods", Stage: "ResponseComplete", Latency: 312e6, Code: 200}, "node n1 watched all pods of all namespaces for 5m12s"},
		{Row{User: "jane", Verb: "list", Resource: "pods", RequestURI: "/api/v1/pods?labelSelector=app%3Dweb"}, "jane listed the pods of all namespaces with app=web"},
		{Row{User: "jane", Verb: "list", Resource: "nodes"}, "jane listed all nodes"},
		{Row{User: "jane", Verb: "list", Resource: "widgets", APIGroup: "example.com"}, "jane listed all widgets.example.com"},
		{Row{User: "jane", Verb: "deletecollection", Resource: "events", Namespace: "prod"}, "jane deleted all events in prod"},
		{Row{User: "jane", Verb: "patch", Resource: "deployments", APIGroup: "apps", Name: "web", Namespace: "prod"}, "jane patched deployments/web in prod"},
		{Row{User: "jane", Verb: "patch", Resource: "deployments", Subresource: "scale", APIGroup: "apps", Name: "web", Namespace: "prod"}, "jane scaled deployments/web in prod"},
		{Row{User: "jane", Verb: "get", Resource: "deployments", Subresource: "scale", APIGroup: "apps", Name: "web", Namespace: "prod"}, "jane read the scale of deployments/web in prod"},
		{Row{User: "jane", Verb: "create", Resource: "pods", Subresource: "eviction", Name: "web-1", Namespace: "prod", Code: 429}, "jane tried to evict pods/web-1 in prod, but a disruption budget forbade it (429)"},
		{Row{User: "kcm", Verb: "create", Resource: "serviceaccounts", Subresource: "token", Name: "b", Namespace: "a", Code: 201}, "kcm got a token for service account b of a"},
		{Row{User: "jane", Verb: "update", Resource: "certificatesigningrequests", Subresource: "approval", Name: "x", APIGroup: "certificates.k8s.io"}, "jane decided on certificatesigningrequests/x"},
		{Row{User: "jane", Verb: "create", Resource: "selfsubjectaccessreviews", APIGroup: "authorization.k8s.io"}, "jane asked about their own rights"},
		{Row{User: "node", Verb: "create", Resource: "tokenreviews", APIGroup: "authentication.k8s.io"}, "node asked whether a token is valid"},
		{Row{User: "rs", Verb: "create", Resource: "pods", Namespace: "prod"}, "rs created a pod in prod"},
		{Row{User: "rs", Verb: "create", Resource: "ingresses", Namespace: "prod", Stage: "RequestReceived"}, "rs asked to create an ingress in prod"},
		{Row{User: "jane", Verb: "create", Resource: "pods", Name: "p", Namespace: "prod", Code: 403, Decision: "allow"}, "jane tried to create pods/p in prod, but admission refused it (403)"},
		{Row{User: "jane", Verb: "create", Resource: "pods", Name: "p", Namespace: "prod", Code: 409}, "jane tried to create pods/p in prod, but it was there already (409)"},
		{Row{User: "jane", Verb: "update", Resource: "pods", Name: "p", Namespace: "prod", Code: 409}, "jane tried to update pods/p in prod, but it had changed in the meantime (409)"},
		{Row{User: "jane", Verb: "get", Resource: "pods", Name: "p", Namespace: "prod", Code: 404}, "jane tried to read pods/p in prod, but it was not there (404)"},
		{Row{User: "jane", Verb: "get", Resource: "pods", Name: "p", Code: 500, Stage: "Panic"}, "jane tried to read pods/p, and the API server panicked (500)"},
		{Row{User: "system:anonymous", Verb: "get", RequestURI: "/version", Code: 200}, "somebody anonymous asked for /version"},
		{Row{User: "jane", Verb: "post", RequestURI: "/x", Code: 405}, "jane tried to send a POST to /x, but that cannot be done to it (405)"},
		{Row{User: "jane", Verb: "get", Resource: "nodes", Subresource: "proxy", Name: "n1", Code: 200}, "jane reached through the API server to the kubelet of nodes/n1"},
		{Row{User: "jane", Verb: "get", Resource: "namespaces", Name: "prod", Namespace: "prod"}, "jane read namespaces/prod"},
		{Row{User: "eve", Verb: "create", Resource: "pods", Subresource: "portforward", Name: "p", Namespace: "prod", Code: 101, Stage: "ResponseStarted"}, "eve began to forward ports of pods/p in prod"},
		{Row{User: "root", APIGroup: "annals.dev", Verb: "list", Resource: "events", Code: 200}, "root searched the events"},
		{Row{User: "root", APIGroup: "annals.dev", Verb: "delete", Resource: "tokens", Code: 403}, "root was not allowed to end a token (403)"},
		{Row{User: "root", APIGroup: "annals.dev", Verb: "get", Resource: "news"}, "root read news.annals.dev"},
		{Row{Marks: format.Quarantined, Note: "no JSON object"}, "an event that cannot be read was kept: no JSON object"},
		{Row{Code: 200}, "a request was answered with 200; what it was stands in another event of the same audit ID"},
		{Row{}, "something happened that the event does not tell"},
		{Row{Verb: "get", Resource: "pods", Name: "p"}, "somebody unknown read pods/p"},
	} {
		if tt.row.Latency == 0 {
			tt.row.Latency = ledger.NullInt
		}
		if got := tt.row.Sentence(); got != tt.want {
			t.Errorf("%+v:\n got %s\nwant %s", tt.row, got, tt.want)
		}
	}
	long := Row{User: strings.Repeat("é", 1e6), Verb: strings.Repeat("v", 1e6), RequestURI: "/" + strings.Repeat("x", 1e6)}
	if s := long.Sentence(); len(s) > 1000 || !utf8.ValidString(s) {
		t.Errorf("the sentence of an event with megabytes of names has %d bytes", len(s))
	}
}

// TestEverySentence holds what is said of each kind of event that was recorded against a file, and asks the seven questions of
// all of them.
func TestEverySentence(t *testing.T) {
	kinds := sentences(t, "../../audit/testdata")
	golden(t, "testdata/sentences.txt", kinds)
	if dir := os.Getenv("ANNALS_CORPUS"); dir == "" {
		t.Log("ANNALS_CORPUS is not set: only the samples in the repository were asked")
	} else {
		sentences(t, filepath.Join(dir, "corpus"))
		sentences(t, filepath.Join(dir, "corpus", "attacks"))
	}
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("%s is not what comes out now; look at the difference, then go test -run %s -update", path, t.Name())
	}
}

// sentences reads the logs of a folder, asks every event, and gives the first sentence of each kind.
func sentences(t *testing.T, dir string) []byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.log*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no logs in %s: %v", dir, err)
	}
	first := map[string]string{}
	for _, path := range files {
		for r := range rowsOf(t, path) {
			s, seven := r.Sentence(), r.Seven()
			kind := fmt.Sprintf("%s %s/%s %s %d", r.Verb, r.Resource, r.Subresource, r.Stage, r.Code)
			if s == "" || strings.Contains(s, "  ") || strings.TrimSpace(s) != s || len(s) > 1000 {
				t.Errorf("%s: %s: the sentence is %q", path, kind, s)
			}
			for i, v := 0, reflect.ValueOf(seven); i < v.NumField(); i++ {
				if a := v.Field(i).String(); a == "" || strings.HasPrefix(a, "unknown") && !strings.HasPrefix(a, "unknown, because ") {
					t.Errorf("%s: %s: %s is %q", path, kind, v.Type().Field(i).Name, a)
				}
			}
			if _, seen := first[kind]; !seen {
				first[kind] = s
			}
		}
	}
	var lines []string
	for kind, s := range first {
		lines = append(lines, kind+"\t"+s+"\n")
	}
	slices.Sort(lines)
	return []byte(strings.Join(lines, ""))
}

// rowsOf reads a log's events, in whatever form it has them.
func rowsOf(t *testing.T, path string) func(func(*Row) bool) {
	return func(yield func(*Row) bool) {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		in := format.NewReader(f, path)
		for n := uint64(0); ; n++ {
			item, err := in.Next()
			if err == io.EOF {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if item.Skipped != "" {
				continue
			}
			r := rowOf(&ledger.Stored{Event: item.Event, Cluster: "prod", Position: n, Origin: "file", Received: 1})
			if !yield(&r) {
				return
			}
		}
	}
}

func TestSeven(t *testing.T) {
	at := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC).UnixMicro()
	r := Row{Cluster: "prod", Position: 7, Origin: "webhook/cp-1", Time: at, Received: at + 1, Latency: 3000, User: "system:serviceaccount:a:b", As: "bob", Verb: "get",
		Resource: "secrets", Name: "db", Namespace: "prod", Code: 200, Stage: "ResponseComplete", Level: "Metadata", RequestURI: "/api/v1/namespaces/prod/secrets/db",
		UserAgent: "kubectl", SourceIPs: `["1.2.3.4","10.0.0.1"]`, Decision: "allow", Reason: "RBAC: allowed"}
	want := Seven{
		What: "service account b of a, as bob, read secrets/db in prod", When: "2026-11-21T08:00:00.000000Z, 3ms after the request came",
		Who: "system:serviceaccount:a:b (service account b of a), acting as bob; allowed: RBAC: allowed", OnWhat: "secrets/db in prod",
		Observed: "cluster prod, position 7, by way of webhook/cp-1, at stage ResponseComplete, level Metadata",
		From:     "10.0.0.1, which says it asks for 1.2.3.4; the client calls itself kubectl",
		To:       "the API server of prod, at /api/v1/namespaces/prod/secrets/db",
	}
	if got := r.Seven(); got != want {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	none := Row{Cluster: "prod", Time: at, Received: at, Latency: ledger.NullInt, Marks: format.Salvaged}
	if got := none.Seven(); !strings.HasPrefix(got.Who, "unknown, because the event arrived cut short") || !strings.HasPrefix(got.When, "unknown") {
		t.Errorf("%+v", got)
	}
}
