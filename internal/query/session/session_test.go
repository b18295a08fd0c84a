package session_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"annals.dev/internal/query"
	"annals.dev/internal/query/querytest"
	"annals.dev/internal/query/session"
)

var update = flag.Bool("update", false, "write what is found to testdata")

// recorded are events from a real API server: every one about a session of several attacks, and some of the same users about
// other things.
func recorded(tb testing.TB) [][]byte { return querytest.Events(tb, "testdata/events.jsonl.gz") }

func find(tb testing.TB, r *query.Reader, q session.Question) *session.Sessions {
	tb.Helper()
	s, err := session.Find(context.Background(), r, q)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// TestRecorded: the sessions in a recording. How many there are was counted by hand:
//
//	zcat testdata/events.jsonl.gz | jq -r 'select((.objectRef.subresource // "" | IN("exec","attach","portforward","proxy",
//	  "ephemeralcontainers")) or (.objectRef.name // "" | startswith("node-debugger-")) and .verb == "create") | .auditID' |
//	  sort -u | wc -l
func TestRecorded(t *testing.T) {
	s := find(t, querytest.Ledger(t, "prod", recorded(t)).Reader, session.Question{})
	if len(s.Sessions) != 21 || s.Cover.Returned != 21 || !s.Cover.Complete || s.Cover.LimitReached {
		t.Errorf("%d sessions, %+v", len(s.Sessions), s.Cover)
	}
	var b bytes.Buffer
	for _, x := range s.Sessions {
		line, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s\n", line)
	}
	const golden = "testdata/sessions.jsonl"
	if *update {
		if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("-want +got; -update writes it:\n%s", diff)
	}
}

// TestNarrow: a query, a range or a limit chooses sessions, not parts of them.
func TestNarrow(t *testing.T) {
	r := querytest.Ledger(t, "prod", recorded(t)).Reader
	whole := make(map[string]session.Session)
	for _, s := range find(t, r, session.Question{}).Sessions {
		whole[s.AuditID] = s
	}
	at := func(s string) time.Time {
		when, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for _, tt := range []struct {
		name    string
		q       session.Question
		n       int
		limited bool
	}{
		{"all", session.Question{}, 21, false},
		{"one user", session.Question{Query: "user:jane@example.com"}, 3, false},
		{"by a stage", session.Question{Query: "user:jane@example.com stage:RequestReceived"}, 2, false},
		{"by a verb", session.Question{Query: "subresource:exec verb:get"}, 3, false},
		{"denied", session.Question{Denied: true}, 13, false},
		{"denied, one user", session.Question{Denied: true, Query: "user:bob@contractor.example"}, 3, false},
		{"a range that only ends lie in", session.Question{Since: at("2026-11-21T00:52:47.3201Z"), Until: at("2026-11-21T00:52:47.3202Z")}, 1, false},
		{"the newest", session.Question{Limit: 3}, 3, true},
		{"as many as there are", session.Question{Limit: 21}, 21, false},
		{"another cluster", session.Question{Clusters: []string{"stage"}}, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := find(t, r, tt.q)
			if len(s.Sessions) != tt.n || s.Cover.LimitReached != tt.limited {
				t.Errorf("%d sessions, limit reached %v; want %d, %v", len(s.Sessions), s.Cover.LimitReached, tt.n, tt.limited)
			}
			for _, x := range s.Sessions {
				if diff := cmp.Diff(whole[x.AuditID], x); diff != "" {
					t.Errorf("not whole:\n%s", diff)
				}
			}
		})
	}
	newest := find(t, r, session.Question{Limit: 3}).Sessions
	if diff := cmp.Diff(find(t, r, session.Question{}).Sessions[:3], newest); diff != "" {
		t.Errorf("a limit does not give the newest:\n%s", diff)
	}
}

// stage writes one event of an exec; received and at are seconds.
func stage(id, name, uri string, code int, received, at float64) []byte {
	stamp := func(s float64) string {
		return time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC).Add(time.Duration(s * float64(time.Second))).Format("2006-01-02T15:04:05.000000Z")
	}
	status := ""
	if code > 0 {
		status = fmt.Sprintf(`"responseStatus":{"metadata":{},"code":%d},`, code)
	}
	return fmt.Appendf(nil, `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":%q,"stage":%q,"requestURI":%q,"verb":"create","user":{"username":"eve"},"sourceIPs":["1.2.3.4","10.0.0.9"],"userAgent":"kubectl","objectRef":{"resource":"pods","namespace":"prod","name":"web-1","apiVersion":"v1","subresource":"exec"},%s"requestReceivedTimestamp":%q,"stageTimestamp":%q}`,
		id, name, uri, status, stamp(received), stamp(at))
}

const uri = "/api/v1/namespaces/prod/pods/web-1/exec?command=sh&container=app&stdin=true&tty=true"

// TestJoin: which events make one session, and what state they say it is in.
func TestJoin(t *testing.T) {
	received := func(id string) []byte { return stage(id, "RequestReceived", uri, 0, 0, 0) }
	started := func(id string, code int) []byte { return stage(id, "ResponseStarted", uri, code, 0, 0.1) }
	complete := func(id string, code int) []byte { return stage(id, "ResponseComplete", uri, code, 0, 12.3) }
	type want struct {
		State   string
		Code    int64
		Seconds float64
		Events  int
	}
	for _, tt := range []struct {
		name   string
		events [][]byte
		want   []want
	}{
		{"ended", [][]byte{received("a"), started("a", 101), complete("a", 101)}, []want{{session.Ended, 101, 12.3, 3}}},
		{"ended, over HTTP/2", [][]byte{started("a", 200), complete("a", 200)}, []want{{session.Ended, 200, 12.3, 2}}},
		{"its end came first", [][]byte{complete("a", 101), received("a"), started("a", 101)}, []want{{session.Ended, 101, 12.3, 3}}},
		{"an end without a code", [][]byte{complete("a", 0)}, []want{{session.Unknown, 0, 12.3, 1}}},
		{"open", [][]byte{received("a"), started("a", 101)}, []want{{session.Open, 101, 0, 2}}},
		{"an attempt", [][]byte{received("a")}, []want{{session.Unknown, 0, 0, 1}}},
		{"forbidden", [][]byte{received("a"), started("a", 403), complete("a", 403)}, []want{{session.Denied, 403, 12.3, 3}}},
		{"no such pod", [][]byte{complete("a", 404)}, []want{{session.Denied, 404, 12.3, 1}}},
		{"the kubelet is gone", [][]byte{complete("a", 500)}, []want{{session.Failed, 500, 12.3, 1}}},
		{"a panic", [][]byte{received("a"), stage("a", "Panic", uri, 0, 0, 1)}, []want{{session.Failed, 0, 1, 2}}},
		{"two", [][]byte{complete("a", 101), complete("b", 403)}, []want{{session.Denied, 403, 12.3, 1}, {session.Ended, 101, 12.3, 1}}},
		{"one that borrows the ID of another", [][]byte{received("a"), complete("a", 101), stage("a", "ResponseComplete", uri, 101, 5, 9)},
			[]want{{session.Ended, 101, 4, 1}, {session.Ended, 101, 12.3, 2}}},
		{"IDs that no query can hold", [][]byte{bytes.Replace(complete("N", 101), []byte(`"N"`), []byte(`"\u0000"`), 1), complete(`"*\`, 101)},
			[]want{{session.Ended, 101, 12.3, 1}, {session.Ended, 101, 12.3, 1}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []want
			for _, s := range find(t, querytest.Ledger(t, "prod", tt.events).Reader, session.Question{}).Sessions {
				got = append(got, want{s.State, s.Code, s.Seconds, len(s.Positions)})
				if s.From != "10.0.0.9" || s.Container != "app" || !s.Stdin || !s.TTY {
					t.Errorf("%+v", s)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestManyTogether: more sessions than are looked for at once.
func TestManyTogether(t *testing.T) {
	var events [][]byte
	const n = 450
	for i := range n {
		id := fmt.Sprintf("00000000-0000-4000-8000-%012d", i)
		events = append(events, stage(id, "RequestReceived", uri, 0, float64(i), float64(i)), stage(id, "ResponseComplete", uri, 101, float64(i), float64(i)+1000))
	}
	s := find(t, querytest.Ledger(t, "prod", events).Reader, session.Question{})
	if len(s.Sessions) != n {
		t.Fatalf("%d sessions", len(s.Sessions))
	}
	for i, x := range s.Sessions {
		if x.Seconds != 1000 || len(x.Positions) != 2 || i > 0 && x.Start.After(s.Sessions[i-1].Start) {
			t.Errorf("%d: %+v", i, x)
		}
	}
}

// TestCorpus: every recording of the corpus has the sessions that a plain count finds:
//
//	zcat FILE | jq -r 'select((.objectRef.subresource // "" | IN("exec","attach","portforward","proxy")) or
//	  (.objectRef.subresource == "ephemeralcontainers" and (.verb | IN("patch","update"))) or (.verb == "create" and
//	  .objectRef.resource == "pods" and .objectRef.subresource == null and (.objectRef.name // "" | startswith("node-debugger-")))) | .auditID' | sort -u | wc -l
func TestCorpus(t *testing.T) {
	dir := os.Getenv("ANNALS_CORPUS")
	if dir == "" {
		t.Skip("ANNALS_CORPUS is not set: make corpus DIR=… runs this over the recorded corpus")
	}
	var files []string
	for _, pattern := range []string{"normal-*.log.gz", "special.log.gz", "attacks/*.log.gz"} {
		some, err := filepath.Glob(filepath.Join(dir, "corpus", pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, some...)
	}
	total, events := 0, 0
	for _, path := range files {
		var lines [][]byte
		ids, seen := make(map[string]bool), make(map[string]bool)
		for _, line := range querytest.Events(t, path) {
			var e struct {
				AuditID, Stage, Verb string
				ObjectRef            struct{ Resource, Subresource, Name string }
			}
			if json.Unmarshal(line, &e) != nil || seen[e.AuditID+e.Stage] {
				continue
			}
			seen[e.AuditID+e.Stage] = true
			o := e.ObjectRef
			switch {
			case slices.Contains([]string{"exec", "attach", "portforward", "proxy"}, o.Subresource),
				o.Subresource == "ephemeralcontainers" && (e.Verb == "patch" || e.Verb == "update"),
				e.Verb == "create" && o.Resource == "pods" && o.Subresource == "" && strings.HasPrefix(o.Name, "node-debugger-"):
				ids[e.AuditID] = true
				events++
			case len(lines) > 5000: // a recording has enough of what is no session
				continue
			}
			lines = append(lines, line)
		}
		s := find(t, querytest.Ledger(t, "prod", lines).Reader, session.Question{})
		if len(s.Sessions) != len(ids) {
			t.Errorf("%s: %d sessions, and %d audit IDs", path, len(s.Sessions), len(ids))
		}
		total += len(ids)
	}
	t.Logf("%d sessions of %d events in %d recordings", total, events, len(files))
}

// TestScope: what a reader may not see does not show in any session, nor in how many there are.
func TestScope(t *testing.T) {
	events := recorded(t)
	for i, scope := range []string{"ns:prod", "user:bob@contractor.example", "stage:ResponseComplete"} {
		t.Run(scope, func(t *testing.T) {
			p := querytest.Scoped(t, rand.New(rand.NewPCG(21, uint64(i))), scope, true, events)
			ask(t, p)
		})
	}
	t.Run("without bodies", func(t *testing.T) {
		ask(t, querytest.Bodiless(t, rand.New(rand.NewPCG(22, 0)), "", events))
	})
}

func ask(t *testing.T, p *querytest.Pair) {
	for _, q := range []session.Question{{Limit: 2}, {Denied: true}, {Query: "busybox"}, {Clusters: []string{"prod", "vault"}}} {
		p.Same(t, fmt.Sprintf("%+v", q), func(r *query.Reader) (any, error) { return session.Find(context.Background(), r, q) })
	}
}
