package capture_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"annals.dev/audit"
	"annals.dev/capture"
	"annals.dev/policy"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

const policyFile = `apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: `

// get has h answer one request.
func get(h http.Handler) { h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)) }

func TestSetPolicy(t *testing.T) {
	h, m := audited(t, nil2, func(c *capture.Config) { c.Policy = level(audit.LevelNone) })
	get(h)
	if err := h.SetPolicy(level(audit.LevelMetadata), "root"); err != nil {
		t.Fatal(err)
	}
	get(h)
	if diff := cmp.Diff([]string{"ResponseComplete 200", "RequestReceived", "ResponseComplete 200"}, stages(m.events())); diff != "" {
		t.Fatal(diff)
	}
	e := m.events()[0]
	if e.Level != audit.LevelMetadata || e.RequestObject != nil || len(e.Annotations["audit.annals.dev/policy-old"]) != 64 ||
		len(e.Annotations["audit.annals.dev/policy-new"]) != 64 || e.RequestReceivedTimestamp.IsZero() || e.StageTimestamp.IsZero() || e.AuditID == "" {
		t.Errorf("%+v", e)
	}
	want := &audit.Event{Level: "Metadata", Stage: "ResponseComplete", Verb: "update", User: audit.UserInfo{Username: "root"},
		RequestURI:     "/apis/audit.k8s.io/v1/policies",
		ObjectRef:      &audit.ObjectReference{Resource: "policies", APIGroup: "audit.k8s.io", APIVersion: "v1"},
		ResponseStatus: &audit.Status{Status: "Success", Code: 200}}
	e.AuditID, e.Annotations, e.RequestReceivedTimestamp, e.StageTimestamp = "", nil, audit.MicroTime{}, audit.MicroTime{}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Error(diff)
	}

	// A policy that records nothing does not hide that it was set, and one that records bodies its own.
	if err := h.SetPolicy(level(audit.LevelRequest), ""); err != nil {
		t.Fatal(err)
	}
	if e := last(t, m); e.Level != audit.LevelRequest || string(e.RequestObject) != `{"kind":"Policy","apiVersion":"audit.k8s.io/v1","rules":[{"level":"Request"}]}` {
		t.Errorf("%+v", e)
	}
	n := len(m.events())
	if err := h.SetPolicy(level(audit.LevelNone), ""); err != nil {
		t.Fatal(err)
	}
	if e := last(t, m); len(m.events()) != n+1 || e.Level != audit.LevelRequest || !strings.Contains(string(e.RequestObject), `"None"`) {
		t.Errorf("%+v", e)
	}
	if err := h.SetPolicy(level(audit.LevelNone), ""); err != nil || len(m.events()) != n+1 {
		t.Errorf("the same policy again: %v, events %v", err, stages(m.events()[n+1:]))
	}
}

func TestRefusedPolicy(t *testing.T) {
	h, m := audited(t, nil2, nil)
	for _, c := range []struct {
		p    *policy.Policy
		want string
	}{
		{nil, "there is no policy"},
		{level("Loud"), `rules[0].level: Unsupported value: "Loud"`},
	} {
		err := h.SetPolicy(c.p, "root")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
			continue
		}
		e := last(t, m)
		if s := e.ResponseStatus; s.Status != "Failure" || s.Code != 422 || s.Message != err.Error() || e.User.Username != "root" {
			t.Errorf("%+v", e)
		}
	}
	if get(h); last(t, m).RequestURI != "/" {
		t.Error("the old policy is not in force")
	}

	m.refuse = func(e *audit.Event) bool { return e.Verb == "update" }
	if err := h.SetPolicy(level(audit.LevelNone), ""); !errors.Is(err, errRefused) {
		t.Errorf("a change that was not recorded: %v", err)
	}
	n := len(m.events())
	if get(h); len(m.events()) != n+2 {
		t.Error("a policy is in force whose event was not taken")
	}
}

func TestReload(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy.yaml")
	metrics := capture.NewMetrics()
	var log bytes.Buffer
	h, m := audited(t, nil2, func(c *capture.Config) {
		c.Metrics, c.Log = metrics, slog.New(slog.NewTextHandler(&log, nil))
	})
	if err := h.Reload(file, policy.Options{}, "root"); err == nil || !strings.Contains(err.Error(), "failed to read file path") {
		t.Errorf("no file: %v", err)
	}
	os.WriteFile(file, []byte(policyFile+"Request\n"), 0o600)
	if err := h.Reload(file, policy.Options{}, "root"); err != nil {
		t.Fatal(err)
	}
	e := last(t, m)
	if e.Annotations["audit.annals.dev/policy-file"] != file || e.Level != audit.LevelRequest {
		t.Errorf("%+v", e)
	}
	if !strings.Contains(log.String(), "refused") || !strings.Contains(log.String(), "in force") {
		t.Errorf("log: %s", &log)
	}
	got := gather(t, metrics)
	for name, want := range map[string]float64{
		"apiserver_audit_policy_config_controller_automatic_reloads_total{status=failure}":                                     1,
		"apiserver_audit_policy_config_controller_automatic_reloads_total{status=success}":                                     1,
		"apiserver_audit_policy_config_controller_last_config_info{hash=" + e.Annotations["audit.annals.dev/policy-new"] + "}": 1,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v in %v", name, got[name], want, got)
		}
	}
}

// TestWatch changes the policy as a ConfigMap's volume does: a link to a directory is replaced.
func TestWatch(t *testing.T) {
	dir := t.TempDir()
	version := 0
	put := func(content string) {
		version++
		to := filepath.Join(dir, "v"+string(rune('0'+version)))
		must(t, os.Mkdir(to, 0o700))
		must(t, os.WriteFile(filepath.Join(to, "policy.yaml"), []byte(content), 0o600))
		must(t, os.Symlink(filepath.Base(to), filepath.Join(dir, "new")))
		must(t, os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "..data")))
	}
	put(policyFile + "Metadata\n")
	file := filepath.Join(dir, "policy.yaml")
	must(t, os.Symlink("..data/policy.yaml", file))

	synctest.Test(t, func(t *testing.T) {
		h, m := audited(t, nil2, nil)
		ctx, cancel := context.WithCancel(t.Context())
		var watch sync.WaitGroup
		watch.Go(func() {
			if err := h.Watch(ctx, file, policy.Options{}, "kubelet"); !errors.Is(err, context.Canceled) {
				t.Errorf("Watch returned %v", err)
			}
		})
		changes := func() (list []string) {
			time.Sleep(time.Minute)
			synctest.Wait()
			for _, e := range m.events() {
				list = append(list, string(e.Level)+" "+e.ResponseStatus.Status)
			}
			m.mu.Lock()
			m.lines = nil
			m.mu.Unlock()
			return list
		}
		expect := func(what string, want ...string) {
			t.Helper()
			if diff := cmp.Diff(want, changes()); diff != "" {
				t.Errorf("%s: %s", what, diff)
			}
		}
		expect("unchanged")
		put(policyFile + "Request\n")
		expect("changed", "Request Success")
		put("rules: nonsense")
		expect("wrong", "Request Failure")
		expect("still wrong")
		must(t, os.Remove(file))
		expect("gone", "Request Failure")
		must(t, os.WriteFile(file, []byte(policyFile+"None\n"), 0o600))
		expect("another file", "Request Success")
		cancel()
		watch.Wait()
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestPolicyWhileServing swaps policies under load: every request is recorded whole, or not at all.
func TestPolicyWhileServing(t *testing.T) {
	h, m := audited(t, nil2, nil)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 200 {
				get(h)
			}
		})
	}
	for i := range 100 {
		must(t, h.SetPolicy(level([]audit.Level{audit.LevelNone, audit.LevelRequest}[i%2]), "root"))
	}
	all.Wait()
	seen := map[string]int{}
	for _, e := range m.events() {
		if e.Verb == "get" {
			seen[e.AuditID]++
		}
	}
	for id, n := range seen {
		if n != 2 {
			t.Errorf("%s has %d events, want 2", id, n)
		}
	}
}

// gather is what a collector shows, by name and labels.
func gather(t *testing.T, c prometheus.Collector) map[string]float64 {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	must(t, r.Register(c))
	families, err := r.Gather()
	must(t, err)
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			name := f.GetName()
			for _, l := range m.Label {
				name += "{" + l.GetName() + "=" + l.GetValue() + "}"
			}
			got[name] = m.Counter.GetValue() + m.Gauge.GetValue()
		}
		if strings.HasPrefix(f.GetName(), "apiserver_audit_") && f.GetHelp() == "" {
			t.Errorf("%s has no help", f.GetName())
		}
	}
	return got
}

func TestMetrics(t *testing.T) {
	metrics := capture.NewMetrics()
	config := func(l audit.Level) func(*capture.Config) {
		return func(c *capture.Config) { c.Metrics, c.Policy = metrics, level(l) }
	}
	for _, l := range []audit.Level{audit.LevelNone, audit.LevelMetadata, audit.LevelMetadata, policy.LevelMinimal} {
		h, _ := audited(t, func(_ http.ResponseWriter, r *http.Request) {
			capture.Annotate(r.Context(), "a", "b")
			capture.Annotate(r.Context(), "a", "c")
		}, config(l))
		get(h)
	}
	h, m := audited(t, nil2, config(audit.LevelRequest))
	m.refuse = func(*audit.Event) bool { return true }
	get(h)
	got := gather(t, metrics)
	for name := range got {
		if strings.Contains(name, "policy_config") {
			delete(got, name)
		}
	}
	want := map[string]float64{
		"apiserver_audit_event_total": 7, "apiserver_audit_requests_rejected_total": 1,
		"apiserver_audit_level_total{level=None}": 1, "apiserver_audit_level_total{level=Metadata}": 2,
		"apiserver_audit_level_total{level=Minimal}": 1, "apiserver_audit_level_total{level=Request}": 1,
		"annals_audit_annotations_lost_total{cause=conflict}":       3,
		"annals_audit_unstored_events_total{stage=RequestReceived}": 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestMinimal(t *testing.T) {
	h, m := audited(t, func(w http.ResponseWriter, r *http.Request) {
		capture.Annotate(r.Context(), "a", "b")
		capture.SetImpersonatedUser(r.Context(), jane, "")
		w.WriteHeader(404)
		w.Write([]byte(notFound))
	}, func(c *capture.Config) { c.Policy = level(policy.LevelMinimal) })
	r := httptest.NewRequest("GET", "/api/v1/namespaces/d/secrets/s?secret", nil)
	r.Header.Set("User-Agent", "curl")
	h.ServeHTTP(httptest.NewRecorder(), r)
	e := last(t, m)
	if e.AuditID == "" || e.RequestReceivedTimestamp.IsZero() || e.StageTimestamp.IsZero() {
		t.Errorf("%+v", e)
	}
	e.AuditID, e.RequestReceivedTimestamp, e.StageTimestamp = "", audit.MicroTime{}, audit.MicroTime{}
	want := &audit.Event{Level: "Minimal", Stage: "ResponseComplete", Verb: "get", ResponseStatus: &audit.Status{Code: 404},
		ObjectRef: &audit.ObjectReference{Resource: "secrets", Namespace: "d", Name: "s", APIVersion: "v1"}}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Error(diff)
	}
}
