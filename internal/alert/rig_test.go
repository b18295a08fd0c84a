package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"annals.dev/internal/detect"
	"annals.dev/internal/disk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// quick is patience for tests.
var quick = timing{backoff: time.Millisecond, most: 10 * time.Millisecond, askedMost: 20 * time.Millisecond, patience: 50 * time.Millisecond, grace: 100 * time.Millisecond, again: time.Millisecond, compact: 8 << 10}

// finding is number n of some.
func finding(n int) *detect.Finding {
	at := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Second)
	return &detect.Finding{
		ID: keyOf("finding", fmt.Sprint(n)), Rule: "rule-1", Version: "0123456789ab", Title: "Exec into a pod", Severity: detect.High, Techniques: []string{"T1609"},
		Cluster: "prod", Time: at, Positions: []uint64{uint64(n)}, Count: 1, Summary: fmt.Sprintf("alice ran a shell, number %d", n),
		User: "alice", Verb: "get", Resource: "pods/exec", Namespace: "shop", Name: "web-0", Code: 101, Peer: "192.0.2.1",
	}
}

// with changes a finding.
func with(f *detect.Finding, change func(f *detect.Finding)) *detect.Finding {
	change(f)
	return f
}

// memory is a source in memory.
type memory struct {
	mu      sync.Mutex
	entries []Entry
	more    chan struct{}
}

func newMemory() *memory { return &memory{more: make(chan struct{})} }

func (m *memory) add(e ...Entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range e {
		e.Position = uint64(len(m.entries))
		if e.Received.IsZero() {
			e.Received = now()
		}
		m.entries = append(m.entries, e)
	}
	close(m.more)
	m.more = make(chan struct{})
}

func (m *memory) find(list ...*detect.Finding) {
	for _, f := range list {
		m.add(Entry{Finding: f})
	}
}

func (m *memory) End() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return uint64(len(m.entries))
}

func (m *memory) Next(ctx context.Context, from uint64) ([]Entry, uint64, error) {
	for {
		m.mu.Lock()
		rest, more := m.entries[min(from, uint64(len(m.entries))):], m.more
		m.mu.Unlock()
		if len(rest) > 0 {
			n := min(len(rest), maxEntries)
			return rest[:n], from + uint64(n), nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil, from, ctx.Err()
		}
	}
}

// outcomes are what was recorded.
type outcomes struct {
	mu   sync.Mutex
	list []Outcome
}

func (o *outcomes) record(_ context.Context, out Outcome) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list = append(o.list, out)
	return nil
}

func (o *outcomes) of(r Result) (list []Outcome) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, out := range o.list {
		if out.Result == r {
			list = append(list, out)
		}
	}
	return list
}

// rig is an alerter over memory.
type rig struct {
	t      *testing.T
	source *memory
	out    *outcomes
	dir    string
	a      *Alerter
	stop   func()
}

// start runs an alerter with a configuration.
func start(t *testing.T, config string) *rig {
	t.Helper()
	r := &rig{t: t, source: newMemory(), out: new(outcomes), dir: t.TempDir()}
	r.run(config)
	t.Cleanup(func() { r.stop() })
	return r
}

func (r *rig) run(config string) {
	r.t.Helper()
	cfg, err := Parse([]byte(config))
	must(r.t, err)
	r.a, err = open(cfg, Deps{Source: r.source, Record: r.out.record, URL: "https://annals.example.com"}, disk.OS(r.dir), quick)
	must(r.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.a.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Error(err)
		}
	})
}

// until waits for what must come.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not come: %s", what)
		}
	}
}

// got is a request that a receiver took.
type got struct {
	Header http.Header
	Path   string
	Body   []byte
	told
}

// told is what a webhook is told.
type told struct {
	Key      string
	Findings []detect.Finding
	Title    string
	Body     string `json:"body"`
	Digest   *Digest
}

// receiver is a webhook's.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	list []got
}

// listen answers with answer, if there is one, after noting what came.
func listen(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) *receiver {
	v := new(receiver)
	v.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		g := got{Header: r.Header, Path: r.URL.Path, Body: b}
		_ = json.Unmarshal(b, &g.told) // of other kinds it is nothing
		v.mu.Lock()
		n := len(v.list)
		v.list = append(v.list, g)
		v.mu.Unlock()
		if answer != nil {
			answer(n, w, r)
		}
	}))
	t.Cleanup(v.Close)
	return v
}

func (v *receiver) all() []got {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.list)
}

// ids are the findings that came, by how often they came under different keys.
func (v *receiver) ids() map[string]int {
	seen, ids := map[string]bool{}, map[string]int{}
	for _, g := range v.all() {
		if !seen[g.Key] {
			seen[g.Key] = true
			for _, f := range g.told.Findings {
				ids[f.ID]++
			}
		}
	}
	return ids
}

// file writes one and gives its name.
func file(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(name, []byte(content), 0o600))
	return name
}

const soon = `
grouping: {wait: 1ms, interval: 1ms}
`

func one(kind, rest string) string {
	return "destinations:\n- name: it\n  kind: " + kind + "\n  " + strings.ReplaceAll(strings.TrimSpace(rest), "\n", "\n  ") + "\nroutes:\n- to: [it]\n" + soon
}

func TestThin(t *testing.T) {
	v := listen(t, nil)
	r := start(t, one("webhook", "url: "+v.URL+"/hook\nsecretFile: "+file(t, "s3cret\n")))
	r.source.find(finding(1), finding(2))
	until(t, "both findings", func() bool { return len(v.ids()) == 2 })
	until(t, "the outcome", func() bool { return len(r.out.of(Delivered)) > 0 })
	g := v.all()[0]
	if g.Path != "/hook" || g.Header.Get("Idempotency-Key") != g.Key || !strings.HasPrefix(g.Header.Get(signatureHeader), "t=") {
		t.Errorf("the request: %s %v", g.Path, g.Header)
	}
	if o := r.out.of(Delivered)[0]; o.Key != g.Key || o.Findings[0] != finding(1).ID || o.Attempts != 1 {
		t.Errorf("the outcome: %+v", o)
	}
}

func writeFile(name, content string) error { return os.WriteFile(name, []byte(content), 0o600) }

func osDir(dir string) disk.FS { return disk.OS(filepath.Join(dir, "alert")) }
