package probe

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"annals.dev/internal/ledger"
)

func newProbe(t *testing.T, cfg Config, came func() int) (*Probe, *ledger.Ledger) {
	t.Helper()
	dir := t.TempDir()
	if _, err := ledger.Init(filepath.Join(dir, "data"), ""); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(dir, "data")
	l, err := ledger.Open(dir, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p, err := New(cfg, Deps{Ledger: l, Dir: dir, Log: slog.New(slog.DiscardHandler), Count: func(_ context.Context, cluster, _ string, from, until time.Time) (int, error) {
		if cluster != "prod" || !from.Before(until) {
			return 0, fmt.Errorf("asked of %s from %s until %s", cluster, from, until)
		}
		return came(), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return p, l
}

// recorded are the acts in cluster annals: verb and resource, and the body.
func recorded(t *testing.T, l *ledger.Ledger) (acts []string, bodies []string) {
	t.Helper()
	s := l.Snapshot(ledger.Own)
	defer s.Release()
	for _, c := range s.Clusters {
		for at := range c.Size {
			err := s.Event(t.Context(), c.Name, at, func(e *ledger.Stored) error {
				acts = append(acts, e.View.Verb.String()+" "+e.View.ObjectRef.Resource.String()+" "+e.View.ObjectRef.Name.String())
				bodies = append(bodies, string(e.View.RequestObject))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return acts, bodies
}

func TestPolicies(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy.yaml")
	p, l := newProbe(t, Config{Policies: []string{file}}, nil)
	look := func() {
		t.Helper()
		if err := p.look(t.Context(), file); err != nil {
			t.Fatal(err)
		}
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		look()
	}
	const head = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n"
	look() // not there yet
	write(head + "- level: Metadata\n")
	look() // the same
	write(head + "- level: None\n")
	// A restart remembers what was there.
	p.seen = map[string]string{}
	if err := p.load(); err != nil {
		t.Fatal(err)
	}
	look()
	write(head + "- level: Everything\n")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	look()
	look()
	acts, bodies := recorded(t, l)
	want := []string{"create policyfiles policy.yaml", "update policyfiles policy.yaml", "update policyfiles policy.yaml", "delete policyfiles policy.yaml"}
	if diff := cmp.Diff(want, acts); diff != "" {
		t.Fatal("-want +got:\n" + diff)
	}
	var changes []PolicyChange
	for _, b := range bodies {
		var c PolicyChange
		if err := json.Unmarshal([]byte(b), &c); err != nil {
			t.Fatal(err)
		}
		changes = append(changes, c)
	}
	if changes[0].Nothing || changes[0].Rules != 1 || !changes[1].Nothing || changes[1].Before != changes[0].After || changes[2].Invalid == "" || changes[3].After != "" {
		t.Errorf("the changes: %+v", changes)
	}
}

// The API server here is a server that answers as its metrics do; test/e2e asks a real one.
func TestCounters(t *testing.T) {
	var made, errors atomic.Int64
	var sent atomic.Value
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent.Store(r.Header.Get("Authorization"))
		fmt.Fprintf(w, "# TYPE apiserver_audit_event_total counter\napiserver_audit_event_total %d\n# TYPE apiserver_audit_error_total counter\napiserver_audit_error_total{plugin=\"webhook\"} %d\n", made.Load(), errors.Load())
	}))
	defer srv.Close()
	c := Counter{Cluster: "prod", URL: srv.URL + "/metrics"}
	came := 0
	p, l := newProbe(t, Config{Counters: []Counter{c}}, func() int { return came })
	var readings []counted
	begin := time.Now()
	step := func(m, e int64, arrived int) {
		t.Helper()
		made.Store(m)
		errors.Store(e)
		now, err := p.read(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		begin = begin.Add(time.Minute)
		now.at, came = begin, arrived
		readings = append(readings, now)
		if readings, err = p.compare(t.Context(), c, readings, begin); err != nil {
			t.Fatal(err)
		}
	}
	step(1000, 0, 0)
	step(2000, 0, 1000) // all came
	step(3000, 0, 985)  // what two clocks explain
	step(4000, 0, 1015) // and it came
	step(5000, 0, 700)
	step(6000, 7, 1000)
	step(7000, 0, 990)
	step(8000, 0, 990)
	step(9000, 0, 990) // a few each time
	acts, bodies := recorded(t, l)
	if diff := cmp.Diff([]string{"create gaps prod", "create gaps prod", "create gaps prod"}, acts); diff != "" {
		t.Fatal("-want +got:\n" + diff)
	}
	for i, want := range []string{`"missing":300`, `"errors":7`, `"missing":30`} {
		if !strings.Contains(bodies[i], want) {
			t.Errorf("gap %d has no %s: %s", i, want, bodies[i])
		}
	}
}

func TestRefused(t *testing.T) {
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer trap.Close()
	answers := map[string]http.HandlerFunc{
		"404": http.NotFound, "no counter": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "other 1") },
		"no metrics": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "<html>") },
		"redirect":   func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, trap.URL, http.StatusFound) },
	}
	for name, answer := range answers {
		srv := httptest.NewServer(answer)
		p, _ := newProbe(t, Config{}, nil)
		if _, err := p.read(t.Context(), Counter{Cluster: "prod", URL: srv.URL}); err == nil {
			t.Errorf("%s is taken for an answer", name)
		}
		srv.Close()
	}
	for _, c := range []Counter{
		{Cluster: "annals", URL: "https://x/metrics"}, {Cluster: "prod", URL: "x/metrics"}, {Cluster: "prod", URL: "http://x/metrics", TokenFile: "token"},
		{Cluster: "prod", URL: "https://u:p@x/metrics"}, {Cluster: "prod", URL: "https://x/metrics", Within: "soon"}, {Cluster: "prod", URL: "https://x/metrics", Within: "1ms"},
	} {
		if _, err := New(Config{Counters: []Counter{c}}, Deps{}); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

func TestRun(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(file, []byte("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, l := newProbe(t, Config{Policies: []string{file}, Counters: []Counter{{Cluster: "prod", URL: "http://127.0.0.1:1/metrics"}}}, func() int { return 0 })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	changed := l.Changed()
	go func() { done <- p.Run(ctx) }()
	<-changed
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if acts, _ := recorded(t, l); len(acts) != 1 {
		t.Errorf("recorded: %q", acts)
	}
}
