package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
	"annals.dev/internal/source"
	"annals.dev/sink"
	"annals.dev/sink/webhook"
)

// arrived is what a ledger would keep of an event.
type arrived struct {
	Bytes   string
	Dialect format.Dialect
	Marks   format.Marks
}

func arrivedAs(events []format.Event) (list []arrived) {
	for _, e := range events {
		list = append(list, arrived{string(e.Bytes), e.Dialect, e.Marks})
	}
	return list
}

// pretended is a ledger that remembers what it was given.
type pretended struct {
	mu      sync.Mutex
	batches []ledger.Batch
	events  []arrived
}

func (p *pretended) Append(_ context.Context, b ledger.Batch) (ledger.Receipt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, arrivedAs(b.Events)...)
	b.Events = nil
	p.batches = append(p.batches, b)
	return ledger.Receipt{Accepted: 1}, nil
}

// anybody lets everybody deliver for prod.
type anybody struct{}

func (anybody) Authenticate(*http.Request) (string, error) { return "prod", nil }

// receiver is annals serve's webhook before a ledger that only remembers, and a sink that delivers there as forward does.
func receiver(t testing.TB) (*pretended, sink.Sink) {
	t.Helper()
	p := &pretended{}
	quiet := slog.New(slog.DiscardHandler)
	srv := httptest.NewServer(source.NewWebhook(source.WebhookConfig{Access: anybody{}, Ledger: p, Log: quiet}))
	t.Cleanup(srv.Close)
	config := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{"current-context":"x","contexts":[{"name":"x","context":{"cluster":"c"}}],"clusters":[{"name":"c","cluster":{"server":"%s/v1/audit/prod/cp-1"}}]}`, srv.URL)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	hook, err := webhook.New(webhook.Config{Kubeconfig: config, Attempts: 1, Verbatim: true, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := hook.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p, hook
}

// TestForwardedAsRead reads logs of every dialect as the follower does, and has them delivered: what the ledger would have kept of
// the file is what it is given, byte for byte, salvaged what is salvaged, in quarantine what is in quarantine.
func TestForwardedAsRead(t *testing.T) {
	logs := map[string][]byte{
		"odd": []byte("garbage\n" + `{"level":"error","msg":"no event","verb":"get"}` + "\n" + `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Meta` + "\n" +
			`{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"a","stage":"ResponseComplete","verb":"get","requestURI":"/x` + "\n" +
			`{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"b","stage":"ResponseComplete","verb":"get"}` + "\n" +
			"\xff\xfe\x00binary\n" + `"a string"` + "\n[1,2]\n" + `{"kind":"EventList","items":[` + "\n}\n" +
			`{"kind":"Event","apiVersion":"audit.k8s.io/v1beta1","metadata":{},"level":"Metadata","auditID":"c","stage":"Panic","verb":"get"}` + "\n" +
			`{"level":"Metadata","auditID":"d","stage":"ResponseComplete","verb":"get","user":{}}` + "\nhalf a li"),
	}
	for name, b := range sampleLogs(t) {
		logs[name] = b
	}
	for name, log := range logs {
		t.Run(name, func(t *testing.T) {
			p, hook := receiver(t)
			want := forwardAll(t, log, &forwarder{hook, "prod"})
			if diff := cmp.Diff(want, p.events); diff != "" {
				t.Error(diff)
			}
			for _, b := range p.batches {
				if b.Origin != "webhook/cp-1" || b.Cluster != "prod" {
					t.Errorf("from %s, of %s", b.Origin, b.Cluster)
				}
			}
		})
	}
}

// sampleLogs are logs of every dialect.
func sampleLogs(t testing.TB) map[string][]byte {
	t.Helper()
	const samples = "../format/testdata"
	logs := map[string][]byte{}
	err := filepath.WalkDir(samples, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(path, "/fuzz/") || filepath.Ext(path) == ".md" {
			return err
		}
		logs[strings.TrimPrefix(path, samples+"/")], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return logs
}

// forwardAll reads a log to its end and forwards it. It gives what a ledger would have kept, had it read the log itself.
func forwardAll(t *testing.T, log []byte, to *forwarder) (want []arrived) {
	t.Helper()
	r := format.NewLineReader(bytes.NewReader(log), "audit.log", 0)
	next := r.Next
	for finished := false; ; {
		events, _, err := next(0)
		if errors.Is(err, io.EOF) && !finished {
			finished, next = true, r.Finish
			continue
		}
		if errors.Is(err, io.EOF) {
			return want
		}
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, arrivedAs(events)...)
		if _, err := to.Append(t.Context(), ledger.Batch{Cluster: "prod", Events: events}); err != nil {
			t.Fatal(err)
		}
	}
}

// FuzzForwarded: whatever stands in a log, each whole event that the ledger would have kept of it arrives, byte for byte and in
// order. Pieces are read anew: what was unreadable in its place may be an event, or several pieces, by itself.
func FuzzForwarded(f *testing.F) {
	for _, b := range sampleLogs(f) {
		if len(b) < 8<<10 {
			f.Add(b)
		}
	}
	p, hook := receiver(f)
	f.Fuzz(func(t *testing.T, log []byte) {
		p.events = nil
		want := forwardAll(t, log, &forwarder{hook, "prod"})
		rest := p.events
		for _, w := range want {
			if w.Marks&(format.Quarantined|format.Salvaged) != 0 {
				continue
			}
			i := slices.Index(rest, w)
			if i < 0 {
				t.Fatalf("%+v is not among %+v", w, p.events)
			}
			rest = rest[i+1:]
		}
		if len(want) > 0 && len(p.events) == 0 {
			t.Fatalf("of %+v nothing has arrived", want)
		}
	})
}

func TestForwardDestination(t *testing.T) {
	tests := []struct {
		path, node string
		want       destination
		wrong      string
	}{
		{path: "/v1/audit/prod/cp-1", want: destination{"prod", "cp-1"}},
		{path: "/v1/audit/prod/cp-1/", want: destination{"prod", "cp-1"}},
		{path: "/v1/audit/prod", node: "cp-2", want: destination{"prod", "cp-2"}},
		{path: "/v1/audit/prod/cp-1", node: "cp-2", want: destination{"prod", "cp-2"}},
		{path: "/v1/audit/prod/cp-1", node: "CP 2", wrong: "--node"},
		{path: "/v1/audit/prod/a/b", wrong: "--node"},
		{path: "/v1/audit/annals", wrong: "/v1/audit/<cluster>"},
		{path: "/v1/audit/", wrong: "/v1/audit/<cluster>"},
		{path: "/prod", wrong: "/v1/audit/<cluster>"},
		{path: "", wrong: "/v1/audit/<cluster>"},
	}
	for _, tt := range tests {
		got, err := parseDestination(tt.path, tt.node)
		if tt.wrong == "" && err != nil || tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)) {
			t.Errorf("%q, %q: error %v, want %q in it", tt.path, tt.node, err, tt.wrong)
		}
		if got != tt.want {
			t.Errorf("%q, %q: %+v, want %+v", tt.path, tt.node, got, tt.want)
		}
	}
	if got, err := parseDestination("/v1/audit/prod", ""); err == nil && (got.node == "" || got.cluster != "prod") {
		t.Errorf("without a name: %+v", got)
	}
}

// TestForwarderKeepsClusters: the follower's own events go with the cluster's, and no others do.
func TestForwarderKeepsClusters(t *testing.T) {
	p, hook := receiver(t)
	to := &forwarder{hook, "prod"}
	e := format.Event{Bytes: []byte(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"b","stage":"ResponseComplete","verb":"get"}`)}
	if _, err := to.Append(t.Context(), ledger.Batch{Cluster: "annals", Events: []format.Event{e}}); err != nil {
		t.Error(err)
	}
	if _, err := to.Append(t.Context(), ledger.Batch{Cluster: "stage", Events: []format.Event{e}}); err == nil {
		t.Error("an event of another cluster was taken")
	}
	if len(p.events) != 1 || p.batches[0].Cluster != "prod" {
		b, _ := json.Marshal(p.batches)
		t.Errorf("%d events, %s", len(p.events), b)
	}
}
