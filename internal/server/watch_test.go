package server

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"annals.dev/internal/source"
)

// told is a destination of alerts.
type told struct {
	*httptest.Server
	mu   sync.Mutex
	said []string
}

func newTold(t *testing.T) *told {
	d := &told{}
	d.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.said = append(d.said, string(text))
	}))
	t.Cleanup(d.Close)
	return d
}

// times is how often a destination was told something.
func (d *told) times(what string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Count(strings.Join(d.said, "\n"), what)
}

func writeWatch(t *testing.T, dir, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, WatchFile), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The whole way: events come in, rules find something, it is on record, and people are told; with another configuration, others
// are. After a restart nothing is found or told twice.
func TestWatchedFromEventToAlert(t *testing.T) {
	dir, first, second := newDir(t), newTold(t), newTold(t)
	if err := os.MkdirAll(filepath.Join(dir, rulesDir), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, rulesDir, "r.yml"), []byte(rule1), 0o600); err != nil {
		t.Fatal(err)
	}
	config := func(to *told) string {
		return "rules: {builtin: false}\nalerts:\n  destinations: [{name: ops, kind: webhook, url: '" + to.URL + "'}]\n  routes: [{severity: high, to: [ops]}]\n  grouping: {wait: 10ms, interval: 10ms}\n"
	}
	writeWatch(t, dir, config(first))
	give := func(n int) {
		t.Helper()
		client, err := Connect(t.Context(), dir, quiet)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		log := eventText(n, "delete") + "\n" + eventText(n+1, "get") + "\n"
		if _, err := client.Import(t.Context(), ImportQuestion{Cluster: "prod"}, strings.NewReader(log), func(source.Progress) {}); err != nil {
			t.Fatal(err)
		}
	}
	reload := make(chan struct{})
	_, stop := start(t, Config{Dir: dir, Reload: reload})
	give(1)
	eventually(t, "the destination is not told", func() bool { return first.times(`"s1"`) > 0 })

	writeWatch(t, dir, config(second))
	reload <- struct{}{}
	give(11)
	eventually(t, "the destination of the changed configuration is not told", func() bool { return second.times(`"s11"`) > 0 })
	if n := first.times(`"s11"`); n != 0 {
		t.Errorf("the former destination is told %d times", n)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}

	_, stop = start(t, Config{Dir: dir})
	give(21)
	eventually(t, "nothing is told after a restart", func() bool { return second.times(`"s21"`) > 0 })
	client, err := Connect(t.Context(), dir, quiet)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]int{}
	if _, err := client.Findings(t.Context(), FindingsQuestion{}, func(f Finding) error { ids[f.ID]++; return nil }); err != nil {
		t.Fatal(err)
	}
	results := map[string]int{}
	if _, err := client.Alerts(t.Context(), AlertsQuestion{}, func(o Delivery) error { results[string(o.Result)] += o.Count; return nil }); err != nil {
		t.Fatal(err)
	}
	if end, err := client.TestAlert(t.Context(), TestAlertQuestion{To: "ops"}); err != nil || end.To != "ops" {
		t.Errorf("a test: %+v %v", end, err)
	}
	if _, err := client.TestAlert(t.Context(), TestAlertQuestion{To: "nobody"}); err == nil || !strings.Contains(err.Error(), "ops") {
		t.Errorf("a test to nobody: %v", err)
	}
	client.Close()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if len(ids) != 3 || results["delivered"] != 3 {
		t.Errorf("findings %v, told %v", ids, results)
	}
	for _, name := range []string{`"name":"s1"`, `"name":"s11"`, `"name":"s21"`} {
		if n := first.times(name) + second.times(name); n > 1 {
			t.Errorf("%s is told %d times", name, n)
		}
	}
}

// With a file that is wrong nothing is watched for less than was asked for.
func TestServeWantsGoodRules(t *testing.T) {
	dir := newDir(t)
	writeWatch(t, dir, "rules:\n  paths: [nowhere]\n")
	if err := Run(t.Context(), Config{Dir: dir, Log: quiet}); err == nil || !strings.Contains(err.Error(), "rules.paths") {
		t.Errorf("a folder that is not there: %v", err)
	}
	writeWatch(t, dir, "alerts:\n  destinations: [{name: a, kind: webhook, url: 'https://x.example.com/', tokenFile: nowhere}]\n  routes: [{to: [a]}]\n")
	err := Run(t.Context(), Config{Dir: dir, Log: quiet})
	if err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("a secret that is not there: %v", err)
	}
}

// What somebody does with findings and silences is on record.
func TestWatchingIsOnRecord(t *testing.T) {
	s := newSite(t)
	s.post("auditor", "findings", `{"severity":"high"}`)
	s.post("auditor", "silences/create", `{"match":{"user":"jane"},"reason":"why","end":"2001-01-01T00:00:00Z"}`)
	s.post("admin", "rules/save", `{"title":"t","search":"verb:get","severity":"low"}`)
	w := s.post("auditor", "events", `{"clusters":["annals"],"detail":"whole","query":"user:(olga OR ada)"}`)
	var acts []string
	for line := range strings.Lines(w.Body.String()) {
		var l struct {
			Item struct{ Verb, Resource, Subresource, User string }
		}
		if json.Unmarshal([]byte(line), &l) == nil && l.Item.Verb != "" {
			acts = append(acts, l.Item.User+" "+l.Item.Verb+" "+l.Item.Resource)
		}
	}
	for _, want := range []string{"olga list findings", "olga create silences", "ada create rules"} {
		if !strings.Contains(strings.Join(acts, ","), want) {
			t.Errorf("%q is not on record: %q", want, acts)
		}
	}
}
