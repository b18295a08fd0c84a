package options

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"annals.dev/sink"
)

// upstreamFlags are kube-apiserver's, with their defaults.
var upstreamFlags = map[string]string{
	"audit-policy-file": "",

	"audit-log-path": "", "audit-log-maxage": "366", "audit-log-maxbackup": "100", "audit-log-maxsize": "100", "audit-log-format": "json",
	"audit-log-version": "audit.k8s.io/v1", "audit-log-compress": "false", "audit-log-mode": "blocking",
	"audit-log-batch-buffer-size": "10000", "audit-log-batch-max-size": "1", "audit-log-batch-max-wait": "0s",
	"audit-log-batch-throttle-enable": "false", "audit-log-batch-throttle-qps": "0", "audit-log-batch-throttle-burst": "0",
	"audit-log-truncate-enabled": "false", "audit-log-truncate-max-batch-size": "10485760", "audit-log-truncate-max-event-size": "102400",

	"audit-webhook-config-file": "", "audit-webhook-initial-backoff": "10s", "audit-webhook-batch-initial-backoff": "10s",
	"audit-webhook-version": "audit.k8s.io/v1", "audit-webhook-mode": "batch",
	"audit-webhook-batch-buffer-size": "10000", "audit-webhook-batch-max-size": "400", "audit-webhook-batch-max-wait": "30s",
	"audit-webhook-batch-throttle-enable": "true", "audit-webhook-batch-throttle-qps": "10", "audit-webhook-batch-throttle-burst": "15",
	"audit-webhook-truncate-enabled": "false", "audit-webhook-truncate-max-batch-size": "10485760", "audit-webhook-truncate-max-event-size": "102400",
}

// ourFlags are those that kube-apiserver does not have.
var ourFlags = map[string]string{
	"audit-policy-mode": "strict", "audit-policy-allow-minimal": "false", "audit-policy-reload": "true",
	"audit-log-two-lines": "false", "audit-log-maxtotal": "0", "audit-log-fsync": "never",
	"audit-webhook-spool-directory": "", "audit-webhook-spool-maxsize": "1024", "audit-webhook-gzip": "false",
}

func TestFlags(t *testing.T) {
	if len(upstreamFlags) != 32 {
		t.Fatalf("%d flags of kube-apiserver's, there are 32", len(upstreamFlags))
	}
	o := New()
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	o.AddFlags(fs)
	if err := fs.Parse(nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(New(), o); diff != "" {
		t.Errorf("flags that are not given change something: %s", diff)
	}
	want := map[string]string{}
	for _, flags := range []map[string]string{upstreamFlags, ourFlags} {
		for name, value := range flags {
			want[name] = value
		}
	}
	got := map[string]string{}
	fs.VisitAll(func(f *pflag.Flag) {
		got[f.Name] = f.DefValue
		if f.Usage == "" {
			t.Errorf("--%s has no help", f.Name)
		}
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// Each flag sets something of its own, but for the two names of one.
	for name, value := range want {
		o := New()
		fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
		fs.SetOutput(io.Discard)
		o.AddFlags(fs)
		other := map[string]string{"": "x", "false": "true", "true": "false", "json": "legacy", "never": "2s"}[value]
		switch {
		case strings.HasSuffix(name, "-mode"):
			other = "blocking-strict"
		case strings.HasSuffix(name, "-version"):
			other = "v"
		case strings.HasSuffix(value, "s"):
			other = "7s"
		case other == "":
			other = value + "1"
		}
		if err := fs.Parse([]string{"--" + name + "=" + other}); err != nil {
			t.Errorf("--%s=%s: %v", name, other, err)
		}
		if cmp.Equal(New(), o) {
			t.Errorf("--%s=%s sets nothing", name, other)
		}
	}
}

// files are a policy, and a kubeconfig of a receiver that takes everything.
type files struct {
	dir, policy, kubeconfig string

	mu     sync.Mutex
	bodies []string
}

func newFiles(t *testing.T) *files {
	t.Helper()
	f := &files{dir: t.TempDir()}
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.bodies = append(f.bodies, string(b))
	}))
	t.Cleanup(srv.Close)
	f.policy = f.write(t, "policy.yaml", "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: RequestResponse\n")
	config, err := json.Marshal(map[string]any{"clusters": []any{map[string]any{"name": "", "cluster": map[string]any{"server": srv.URL}}}})
	if err != nil {
		t.Fatal(err)
	}
	f.kubeconfig = f.write(t, "webhook.json", string(config))
	return f
}

func (f *files) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (f *files) received() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.bodies, "")
}

// parsed gives the options of a command line, in which POLICY, WEBHOOK and DIR stand for what there is.
func (f *files) parsed(t *testing.T, args string) *Options {
	t.Helper()
	o := New()
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	fs.SetOutput(io.Discard)
	o.AddFlags(fs)
	if err := fs.Parse(strings.Fields(strings.NewReplacer("POLICY", f.policy, "WEBHOOK", f.kubeconfig, "DIR", f.dir).Replace(args))); err != nil {
		t.Fatal(err)
	}
	return o
}

func build(t *testing.T, o *Options) *Built {
	t.Helper()
	if errs := o.Validate(); len(errs) > 0 {
		t.Fatal(errs)
	}
	b, err := o.Build(sink.NewMetrics(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func closed(t *testing.T, b *Built) {
	t.Helper()
	if b.Sink == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := b.Sink.Close(ctx); err != nil {
		t.Error(err)
	}
}

const (
	allPolicy = "--audit-policy-file=POLICY "
	aLog      = "--audit-log-path=DIR/log/audit.log "
	aWebhook  = "--audit-webhook-config-file=WEBHOOK "
)

// TestCompositions: the first eleven are kube-apiserver's own, and what it makes of them.
func TestCompositions(t *testing.T) {
	tests := []struct{ name, args, want string }{
		{"default", "", ""},
		{"default log", allPolicy + aLog, "ignoreErrors<log>"},
		{"stdout log", allPolicy + "--audit-log-path=-", "ignoreErrors<log>"},
		{"a log in folders that are not there", allPolicy + "--audit-log-path=DIR/a/b/audit", "ignoreErrors<log>"},
		{"log without a policy", aLog, ""},
		{"default webhook", allPolicy + aWebhook, "buffered<webhook>"},
		{"webhook without a policy", aWebhook, ""},
		{"strict webhook", allPolicy + aWebhook + "--audit-webhook-mode=blocking-strict", "webhook"},
		{"default union", allPolicy + aLog + aWebhook, "union[ignoreErrors<log>,buffered<webhook>]"},
		{"custom", allPolicy + aLog + aWebhook + "--audit-log-mode=batch --audit-webhook-mode=blocking", "union[buffered<log>,ignoreErrors<webhook>]"},
		{"webhook with truncating", allPolicy + aWebhook + "--audit-webhook-truncate-enabled", "truncate<buffered<webhook>>"},
		{"log of any size", allPolicy + aLog + "--audit-log-maxsize=0", "ignoreErrors<log>"},

		{"policy alone", allPolicy, ""},
		{"strict log with truncating", allPolicy + aLog + "--audit-log-truncate-enabled --audit-log-mode=blocking-strict", "truncate<log>"},
		{"spool", allPolicy + aWebhook + "--audit-webhook-spool-directory=DIR/spool", "buffered<spool<webhook>>"},
		{"blocking spool", allPolicy + aWebhook + "--audit-webhook-spool-directory=DIR/spool --audit-webhook-mode=blocking", "ignoreErrors<spool<webhook>>"},
		{"strict spool", allPolicy + aWebhook + "--audit-webhook-spool-directory=DIR/spool --audit-webhook-mode=blocking-strict --audit-webhook-truncate-enabled", "truncate<spool<webhook>>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFiles(t)
			o := f.parsed(t, tt.args)
			b := build(t, o)
			defer closed(t, b)
			got := ""
			if b.Sink != nil {
				got = b.Sink.String()
			}
			if got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			if (b.Policy != nil) != strings.Contains(tt.args, "POLICY") {
				t.Errorf("policy %v", b.Policy)
			}
			// Without a policy kube-apiserver makes the log's file all the same, and writes nothing to it; here there is none.
			if _, err := os.Stat(o.Log.Path); (err == nil) != (tt.want != "" && o.Log.Path != "" && o.Log.Path != "-") {
				t.Errorf("log file: %v", err)
			}
		})
	}
}

func TestInvalid(t *testing.T) {
	tests := []struct{ args, want string }{
		{aLog + "--audit-log-format=foo", `invalid audit log format foo, allowed formats are "legacy,json"`},
		{aLog + "--audit-log-mode=foo", `invalid audit log mode foo, allowed modes are "batch,blocking,blocking-strict"`},
		{aLog + "--audit-log-mode=batch --audit-log-batch-buffer-size=-3", "invalid audit batch log buffer size -3, must be a positive number"},
		{aWebhook + "--audit-webhook-mode=foo", `invalid audit webhook mode foo, allowed modes are "batch,blocking,blocking-strict"`},
		{aWebhook + "--audit-webhook-batch-throttle-qps=-1", "invalid audit batch webhook throttle QPS -1, must be a positive number"},
		{aWebhook + "--audit-webhook-truncate-enabled --audit-webhook-truncate-max-event-size=-1", "invalid audit truncate webhook max event size -1, must be a positive number"},
		{aWebhook + "--audit-webhook-truncate-max-event-size=2 --audit-webhook-truncate-max-batch-size=1", "invalid audit truncate webhook max batch size 1, must be greater than max event size (2)"},

		{aLog + "--audit-log-mode=batch --audit-log-batch-max-size=0", "invalid audit batch log max batch size 0, must be a positive number"},
		{aWebhook + "--audit-webhook-batch-throttle-burst=0", "invalid audit batch webhook throttle burst 0, must be a positive number"},
		{aLog + "--audit-log-maxage=-1", "--audit-log-maxage -1 can't be a negative number"},
		{aLog + "--audit-log-maxbackup=-1", "--audit-log-maxbackup -1 can't be a negative number"},
		{aLog + "--audit-log-maxsize=-1", "--audit-log-maxsize -1 can't be a negative number"},
		{aLog + "--audit-log-version=audit.k8s.io/v1beta1", `invalid group version, allowed versions are ["audit.k8s.io/v1"]`},
		{aWebhook + "--audit-webhook-version=", `invalid group version, allowed versions are ["audit.k8s.io/v1"]`},
		{aWebhook + "--audit-webhook-version=a/b/c", "unexpected GroupVersion string: a/b/c"},

		{aLog + "--audit-log-maxtotal=-1", "--audit-log-maxtotal -1 can't be a negative number"},
		{aLog + "--audit-log-maxtotal=99", "--audit-log-maxtotal 99 is less than --audit-log-maxsize 100: every rotated file would be deleted at once"},
		{aLog + "--audit-log-two-lines", "--audit-log-two-lines is a form of the legacy format: give --audit-log-format=legacy too, not json"},
		{aWebhook + "--audit-webhook-initial-backoff=-1s", "--audit-webhook-initial-backoff -1s can't be negative"},
		{aWebhook + "--audit-webhook-spool-directory=DIR --audit-webhook-spool-maxsize=0", "invalid audit webhook spool max size 0, must be a positive number of megabytes"},
		{"--audit-webhook-spool-directory=/spool", "--audit-webhook-spool-directory /spool has nothing to keep: give --audit-webhook-config-file too"},
		{"--audit-policy-mode=foo", `invalid audit policy mode foo, allowed modes are "strict,upstream"`},
	}
	f := newFiles(t)
	for _, tt := range tests {
		errs := f.parsed(t, tt.args).Validate()
		if len(errs) != 1 || errs[0].Error() != tt.want {
			t.Errorf("%s: %q, want %q", tt.args, errs, tt.want)
		}
	}
	// All at once, in kube-apiserver's order; and nothing of what is not enabled.
	bad := "--audit-log-mode=x --audit-log-truncate-max-event-size=0 --audit-log-version=x --audit-log-format=x --audit-log-maxage=-1 --audit-webhook-mode=x "
	if errs := f.parsed(t, aLog+aWebhook+bad).Validate(); len(errs) != 6 || !strings.Contains(errs[2].Error(), "group version") {
		t.Errorf("everything wrong: %q", errs)
	}
	if errs := f.parsed(t, bad).Validate(); len(errs) > 0 {
		t.Errorf("what is not enabled: %q", errs)
	}
	for _, args := range []string{
		aLog + "--audit-log-batch-buffer-size=-3",                                                     // not in mode batch
		aLog + "--audit-log-mode=batch --audit-log-batch-throttle-qps=-1",                             // not throttled
		aLog + "--audit-log-truncate-max-event-size=5 --audit-log-truncate-max-batch-size=5",          // equal is allowed
		aLog + "--audit-log-mode=batch --audit-log-batch-max-wait=-1s --audit-log-batch-max-size=100", // not looked at
	} {
		if errs := f.parsed(t, args).Validate(); len(errs) > 0 {
			t.Errorf("%s: %q", args, errs)
		}
	}
}

func TestBuildFails(t *testing.T) {
	f := newFiles(t)
	f.write(t, "bad.yaml", "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: RequestResponse\n  verb: [get]\n")
	f.write(t, "empty.json", "{}")
	f.write(t, "file", "")
	tests := []struct{ args, want string }{
		{"--audit-policy-file=DIR/none", "loading audit policy file: failed to read file path"},
		{"--audit-policy-file=DIR/bad.yaml", "loading audit policy file: "},
		{allPolicy + "--audit-webhook-config-file=DIR/none " + aLog, "initializing audit webhook: "},
		{allPolicy + "--audit-webhook-config-file=DIR/empty.json", "initializing audit webhook: "},
		{allPolicy + "--audit-log-path=DIR/file/audit.log", "audit log"},
		{allPolicy + aWebhook + "--audit-webhook-spool-directory=DIR/file", "initializing audit webhook: "},
	}
	for _, tt := range tests {
		b, err := f.parsed(t, tt.args).Build(nil, nil)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %+v, error %v, want %q in it", tt.args, b, err, tt.want)
		}
	}
	var said strings.Builder
	b, err := f.parsed(t, "--audit-policy-file=DIR/bad.yaml --audit-policy-mode=upstream").Build(nil, slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil || len(b.Policy.Rules) != 1 || !strings.Contains(said.String(), "verb") {
		t.Errorf("mode upstream: %+v, %v, said %q", b, err, said.String())
	}
}

// TestDelivery sends events through what was built, to both ends.
func TestDelivery(t *testing.T) {
	const wait = "--audit-webhook-batch-max-wait=10ms "
	for _, args := range []string{
		wait,
		"--audit-webhook-mode=blocking",
		wait + "--audit-webhook-spool-directory=DIR/spool",
		"--audit-webhook-spool-directory=DIR/spool --audit-webhook-mode=blocking-strict",
	} {
		t.Run(args, func(t *testing.T) {
			f := newFiles(t)
			o := f.parsed(t, allPolicy+aLog+aWebhook+args)
			b := build(t, o)
			var want strings.Builder
			for i := range 20 {
				event := fmt.Sprintf(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"%d"}`, i)
				want.WriteString(event + "\n")
				if err := b.Sink.Send(t.Context(), []byte(event)); err != nil {
					t.Fatal(err)
				}
			}
			closed(t, b)
			for i := range 20 {
				if n := strings.Count(f.received(), fmt.Sprintf(`{"auditID":"%d"}`, i)); n != 1 {
					t.Errorf("event %d was received %d times", i, n)
				}
			}
			if log, err := os.ReadFile(o.Log.Path); err != nil || string(log) != want.String() {
				t.Errorf("log %q, %v", log, err)
			}
		})
	}
}

func TestLogFormats(t *testing.T) {
	const event = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"a","stage":"ResponseComplete","requestURI":"/x","verb":"get","user":{"username":"jane"},"responseStatus":{"metadata":{},"code":200}}`
	for args, lines := range map[string]int{"": 1, "--audit-log-format=legacy": 1, "--audit-log-format=legacy --audit-log-two-lines --audit-log-fsync=always": 2} {
		f := newFiles(t)
		o := f.parsed(t, allPolicy+aLog+args)
		b := build(t, o)
		if err := b.Sink.Send(t.Context(), []byte(event)); err != nil {
			t.Error(err)
		}
		log, err := os.ReadFile(o.Log.Path)
		if err != nil || strings.Count(string(log), "\n") != lines || strings.Contains(string(log), " AUDIT: ") != (args != "") {
			t.Errorf("%s: %q, %v", args, log, err)
		}
		if err := os.Rename(o.Log.Path, o.Log.Path+".1"); err != nil {
			t.Fatal(err)
		}
		if err := b.Reopen(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(o.Log.Path); err != nil {
			t.Error("it was not opened anew")
		}
		closed(t, b)
	}
	if err := new(Built).Reopen(); err != nil {
		t.Errorf("without a log: %v", err)
	}
	for _, s := range []string{"never", "always", "1.5s"} {
		var f Fsync
		if err := f.Set(s); err != nil || f.String() != s {
			t.Errorf("--audit-log-fsync=%s is %s, %v", s, &f, err)
		}
	}
	for _, s := range []string{"", "0", "-1s", "1ns", "often"} {
		if err := new(Fsync).Set(s); err == nil {
			t.Errorf("--audit-log-fsync=%s is accepted", s)
		}
	}
}
