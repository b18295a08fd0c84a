package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"annals.dev/audit"
	"annals.dev/internal/access"
	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
	"annals.dev/internal/source"
	"annals.dev/internal/wal"
)

var quiet = slog.New(slog.DiscardHandler)

// newDir makes a data directory.
func newDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if _, err := ledger.Init(dir, ""); err != nil {
		t.Fatal(err)
	}
	if err := access.Init(dir, access.Names{}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func newCore(t *testing.T) *core {
	t.Helper()
	c, err := openCore(newDir(t), quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// eventText is an event with a number for an audit ID.
func eventText(n int, verb string) string {
	return fmt.Sprintf(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"0a6bd2a4-0000-4000-8000-%012d","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/prod/secrets","verb":%q,"user":{"username":"jane"},"sourceIPs":["192.0.2.7"],"userAgent":"kubectl <b>","objectRef":{"resource":"secrets","namespace":"prod","name":"s%d","apiVersion":"v1"},"responseStatus":{"metadata":{},"code":201},"requestReceivedTimestamp":"2026-11-21T00:54:00.000000Z","stageTimestamp":"2026-11-21T00:54:00.%06dZ"}`, n, verb, n, n)
}

func add(t *testing.T, c *core, cluster string, texts ...string) {
	t.Helper()
	b := ledger.Batch{Cluster: cluster, Origin: "webhook/cp-1"}
	for _, s := range texts {
		e := format.Event{Bytes: []byte(s)}
		if err := e.View.Parse(e.Bytes); err != nil {
			t.Fatal(err)
		}
		b.Events = append(b.Events, e)
	}
	if _, err := c.ledger.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

// fill adds some events, one of them cut and one unreadable, and seals.
func fill(t *testing.T, c *core) {
	t.Helper()
	for n := range 10 {
		add(t, c, "prod", eventText(n, "create"))
	}
	spoilt(t, c, "prod")
	if err := c.ledger.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// spoilt adds an event that was cut and one that cannot be read.
func spoilt(t *testing.T, c *core, cluster string) {
	t.Helper()
	cut := format.Event{Bytes: []byte(eventText(100, "create")[:300]), Marks: format.Salvaged, Note: "cut at byte 300"}
	if err := cut.View.ParseCut(cut.Bytes); err != nil {
		t.Fatal(err)
	}
	bad := format.Event{Bytes: []byte("\x1bnot an event"), Dialect: format.Unreadable, Marks: format.Quarantined, Note: "no JSON", View: audit.View{}}
	if _, err := c.ledger.Append(t.Context(), ledger.Batch{Cluster: cluster, Origin: "import/x", Events: []format.Event{cut, bad}}); err != nil {
		t.Fatal(err)
	}
}

func local(t *testing.T, c *core) *Client {
	t.Helper()
	client := connectCore(&core{dir: c.dir, ledger: c.ledger, engine: c.engine, metrics: c.metrics, log: c.log, started: c.started})
	t.Cleanup(func() { client.http.CloseIdleConnections() })
	return client
}

func TestSearch(t *testing.T) {
	c := newCore(t)
	fill(t, c)
	client := local(t, c)
	var rows []Row
	keep := func(r Row) error { rows = append(rows, r); return nil }
	cov, err := client.Search(t.Context(), SearchQuestion{Query: "verb:create name:s3", Detail: Whole}, keep)
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 1 || cov.Returned != 1 || !cov.Complete || cov.Salvaged != 1 || cov.Quarantined != 1 || cov.Considered != 12 {
		t.Fatalf("%d rows, coverage %+v", len(rows), cov)
	}
	got := rows[0]
	want := Row{
		Cluster: "prod", Position: 3, Origin: "webhook/cp-1", Received: got.Received, Time: time.Date(2026, 11, 21, 0, 54, 0, 3000, time.UTC),
		AuditID: "0a6bd2a4-0000-4000-8000-000000000003", Level: "Metadata", Stage: "ResponseComplete", Verb: "create", User: "jane",
		Resource: "secrets", Namespace: "prod", Name: "s3", Code: 201, SourceIPs: []string{"192.0.2.7"}, UserAgent: "kubectl <b>",
		RequestURI: "/api/v1/namespaces/prod/secrets", Event: got.Event, Latency: got.Latency, Sentence: got.Sentence,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("row (-want +got):\n%s", d)
	}
	if d := cmp.Diff(strings.ReplaceAll(eventText(3, "create"), "<b>", `\u003cb\u003e`), string(got.Event)); d != "" {
		t.Errorf("event (-want +got):\n%s", d)
	}

	rows = nil
	if _, err := client.Search(t.Context(), SearchQuestion{Query: "mark:(salvaged OR quarantined)", Detail: Whole}, keep); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if (r.Marks[0] == "salvaged") != (r.Event != nil) {
			t.Errorf("marks %v, event %s", r.Marks, r.Event)
		}
	}
	rows = nil
	if _, err := client.Search(t.Context(), SearchQuestion{Query: "mark:quarantined", Detail: Evidence}, keep); err != nil {
		t.Fatal(err)
	}
	if len(rows) != 1 || string(rows[0].Raw) != "\x1bnot an event" {
		t.Errorf("the quarantined bytes: %+v", rows)
	}
	cov, err = client.Search(t.Context(), SearchQuestion{Limit: 2}, keep)
	if err != nil || !cov.LimitReached || !cov.Complete || cov.Returned != 2 {
		t.Errorf("with a limit: %+v, %v", cov, err)
	}
}

func TestDamageIsNoMistakeOfWhoAsks(t *testing.T) {
	for _, err := range []error{&wal.CorruptError{}, &ledger.DamageError{}, &ledger.TreeError{}} {
		if got := KindOf(fmt.Errorf("opening: %w", err)); got != Tampered {
			t.Errorf("%T: %s", err, got)
		}
	}
	dir := newDir(t)
	c, err := openCore(dir, quiet)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, c)
	if err := c.close(); err != nil { // which seals
		t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(dir, "clusters", "*", "segments", "*.parquet"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("no segments: %v", err)
	}
	for _, s := range segments {
		if err := os.Remove(s); err != nil {
			t.Fatal(err)
		}
	}
	if c, err = openCore(dir, quiet); err != nil {
		if KindOf(err) != Missing && KindOf(err) != Tampered {
			t.Errorf("opened without its segments: %v (%s)", err, KindOf(err))
		}
		return
	}
	defer c.close()
	client := local(t, c)
	if _, err := client.Search(t.Context(), SearchQuestion{}, func(Row) error { return nil }); KindOf(err) == Usage || err == nil {
		t.Errorf("a search without segments: %v (%s)", err, KindOf(err))
	}
	if _, err := client.SQL(t.Context(), SQLQuestion{Statement: "SELECT * FROM events"}, func([]SQLColumn) error { return nil },
		func([]json.RawMessage) error { return nil }); KindOf(err) == Usage || err == nil {
		t.Errorf("a statement without segments: %v (%s)", err, KindOf(err))
	}
}

func TestErrorsKeepTheirKind(t *testing.T) {
	c := newCore(t)
	fill(t, c)
	client := local(t, c)
	none := func(Row) error { return nil }
	for _, q := range []SearchQuestion{{Query: "objectRef.nothing:x"}, {Query: `"open`}, {Clusters: []string{"nowhere"}}} {
		_, err := client.Search(t.Context(), q, none)
		if KindOf(err) != Usage {
			t.Errorf("%+v: %v (%s)", q, err, KindOf(err))
		}
	}
	for _, s := range []string{"SELEC 1", "DROP TABLE events", "SELECT * FROM read_text('/etc/passwd')"} {
		_, err := client.SQL(t.Context(), SQLQuestion{Statement: s}, nil, nil)
		if KindOf(err) != Usage {
			t.Errorf("%s: %v (%s)", s, err, KindOf(err))
		}
	}
	if _, err := client.Checkpoint(t.Context(), CheckpointQuestion{Cluster: "nowhere"}); KindOf(err) != Usage {
		t.Errorf("checkpoint of no cluster: %v", err)
	}
	stop := errors.New("enough")
	if _, err := client.Search(t.Context(), SearchQuestion{}, func(Row) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the reader's own error: %v", err)
	}
}

// A question ends when whoever asked has gone.
func TestFollowUntilCancelled(t *testing.T) {
	c := newCore(t)
	add(t, c, "prod", eventText(1, "create"), eventText(2, "get"))
	client := local(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var names []string
	_, err := client.Search(ctx, SearchQuestion{Query: "verb:create", Follow: true, Limit: 10, Detail: Summary}, func(r Row) error {
		names = append(names, r.Name)
		switch len(names) {
		case 1:
			add(t, c, "prod", eventText(3, "get"), eventText(4, "create"))
			add(t, c, "new", eventText(5, "create"))
		case 3:
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("following ended with %v", err)
	}
	if len(names) != 3 || names[0] != "s1" || !strings.Contains(strings.Join(names, " "), "s4") || !strings.Contains(strings.Join(names, " "), "s5") {
		t.Errorf("followed %v, want s1, then s4 and s5", names)
	}
}

// An answer that stops before its last line is an error, never a short answer.
func TestCutAnswer(t *testing.T) {
	for _, body := range []string{"", `{"item":{}}` + "\n", `{"item":{}}` + "\n" + `{"en`, "{}\n"} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) }))
		client := newClient(nil)
		client.http = &http.Client{Transport: rewrite{srv.URL}}
		_, err := client.Search(t.Context(), SearchQuestion{}, func(Row) error { return nil })
		if !errors.Is(err, errCut) {
			t.Errorf("%q: %v, want that the answer was cut", body, err)
		}
		srv.Close()
	}
}

type rewrite struct{ to string }

func (r rewrite) RoundTrip(req *http.Request) (*http.Response, error) {
	req.URL.Host = strings.TrimPrefix(r.to, "http://")
	return http.DefaultTransport.RoundTrip(req)
}

func TestImport(t *testing.T) {
	c := newCore(t)
	client := local(t, c)
	log := eventText(1, "create") + "\n" + eventText(2, "create") + "\nnonsense\n"
	path := filepath.Join(t.TempDir(), "audit.log")
	if err := os.WriteFile(path, []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	progress := 0
	count := func(source.Progress) { progress++ }
	end, err := client.Import(t.Context(), ImportQuestion{Cluster: "prod"}, strings.NewReader(log), count)
	if err != nil || end.Summary.New < 2 || progress == 0 {
		t.Errorf("from a stream: %+v, %v, %d times progress", end, err, progress)
	}
	end, err = client.Import(t.Context(), ImportQuestion{Cluster: "prod", Paths: []string{path, path + ".gone"}}, nil, count)
	if err != nil || end.Summary.Duplicates < 2 || len(end.Failed) != 1 || end.Failed[0].Path != path+".gone" {
		t.Errorf("from files: %+v, %v", end, err)
	}
	for _, q := range []ImportQuestion{{Cluster: ledger.Own}, {Cluster: "UPPER"}, {Cluster: "prod", Paths: []string{"relative"}}} {
		if _, err := client.Import(t.Context(), q, nil, count); KindOf(err) != Usage {
			t.Errorf("%+v: %v", q, err)
		}
	}
}

func TestEvidence(t *testing.T) {
	c := newCore(t)
	fill(t, c)
	client := local(t, c)
	note, err := client.Checkpoint(t.Context(), CheckpointQuestion{})
	if err != nil || note.Cluster != "prod" || !strings.Contains(string(note.Text), "\n12\n") {
		t.Errorf("checkpoint %+v, %v", note, err)
	}
	for _, q := range []ProveQuestion{{ID: "3"}, {ID: "0a6bd2a4-0000-4000-8000-000000000003", Cluster: "prod"}} {
		p, err := client.Prove(t.Context(), q)
		if err != nil || p.Position != 3 || p.Stages != 1 {
			t.Fatalf("%+v: %+v, %v", q, p, err)
		}
		proof, _, err := ledger.CheckProof(p.File, c.ledger.Description().PublicKey)
		if err != nil || string(proof.Event) != eventText(3, "create") {
			t.Errorf("%+v: %v, event %s", q, err, proof.Event)
		}
	}
	add(t, c, "other", eventText(3, "create"))
	if _, err := client.Prove(t.Context(), ProveQuestion{ID: "0a6bd2a4-0000-4000-8000-000000000003"}); KindOf(err) != Usage {
		t.Errorf("an ID of two clusters: %v", err)
	}
	if _, err := client.Prove(t.Context(), ProveQuestion{ID: "3"}); KindOf(err) != Usage {
		t.Errorf("a position of no cluster: %v", err)
	}
	st, err := client.Status(t.Context())
	if err != nil || len(st.Clusters) != 3 || st.Clusters[0].Name != ledger.Own || st.Clusters[2].Events != 12 {
		t.Errorf("status %+v, %v", st, err)
	}
}
