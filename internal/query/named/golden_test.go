package named

import (
	"bytes"
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"annals.dev/internal/ledger"
	"annals.dev/internal/query"
	"annals.dev/internal/source"
)

var update = flag.Bool("update", false, "write the golden files anew")

// asks are how questions are asked in the tests: each at least once, those with parameters with values that find something.
var asks = func() map[string][]map[string]string {
	m := map[string][]map[string]string{
		"outside":        {nil, {"networks": "10.0.0.0/8, fd00::/8"}},
		"outside-peers":  {nil, {"networks": "192.0.2.1"}},
		"after-hours":    {nil, {"hours": "22-6", "days": "monday-sunday"}, {"hours": "1-23", "days": "sat"}},
		"credential":     {{"id": "X509SHA256=*"}},
		"object-changes": {{"object": "deploy/api", "ns": "prod"}, {"object": "CronJob.batch/x"}, {"object": "web"}},
		"actor":          {{"user": "alice@example.com"}, {"user": "system:serviceaccount:ci:*", "ns": "prod"}},
		"actor-habits":   {{"user": "jane@example.com"}},
		"hostpath":       {nil, {"path": "/*"}},
		"images":         {nil, {"image": "*debug*"}},
		"slowest":        {nil, {"than": "300ms"}},
		"secrets-read":   {nil, {"user": "alice@example.com", "ns": "prod", "where": "verb:list OR verb:watch"}},
		"deletions":      {nil, {"where": "-user:system:*"}},
		"tokens-issued":  {nil, {"where": "-user:system:*"}},
		"anonymous":      {nil, {"where": "-code>=400"}},
	}
	for _, q := range BuiltIn().All() {
		if m[q.Name] == nil {
			m[q.Name] = []map[string]string{nil}
		}
	}
	return m
}()

// recording is a body of events that questions are asked about: files by the cluster that they are imported under.
type recording struct {
	name  string
	files map[string][]string
}

// small is in the repository.
var small = recording{"samples", map[string][]string{
	"full": {sample("normal-full")}, "metadata": {sample("normal-metadata")}, "gce": {sample("normal-gce")},
	"special": {sample("special")}, "truncated": {sample("truncated")}, "attacks": {sample("attacks")}, "legacy": {sample("legacy")},
}}

func sample(name string) string {
	return filepath.Join("..", "..", "..", "audit", "testdata", name+".log.gz")
}

// recordings are the samples, and the corpus if it is there.
func recordings(t *testing.T) []recording {
	t.Helper()
	dir := os.Getenv("ANNALS_CORPUS")
	if dir == "" {
		t.Log("ANNALS_CORPUS is not set: the questions are asked about the samples in the repository alone")
		return []recording{small}
	}
	corpus := recording{"corpus", map[string][]string{}}
	for cluster, name := range map[string]string{
		"full": "normal-full", "metadata": "normal-metadata", "gce": "normal-gce", "special": "special", "truncated": "truncated", "legacy": "legacy",
	} {
		corpus.files[cluster] = []string{filepath.Join(dir, "corpus", name+".log.gz")}
	}
	for _, policy := range []string{"a2", "d"} {
		files, err := filepath.Glob(filepath.Join(dir, "corpus", "attacks", "attack-*."+policy+".log.gz"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no attacks in %s: %v", dir, err)
		}
		corpus.files["attacks-"+policy] = files
	}
	return []recording{small, corpus}
}

func (r *recording) clusters() []string {
	var names []string
	for name := range r.files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// engine imports a recording into a ledger of the test's own.
func (r *recording) engine(t *testing.T) *query.Reader {
	t.Helper()
	dir := t.TempDir()
	if _, err := ledger.Init(dir, ""); err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(dir, ledger.Options{SealAfter: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, cluster := range r.clusters() {
		// One worker: positions are then the same each time.
		sum, err := source.NewImporter(source.ImporterConfig{Ledger: l, Cluster: cluster, Workers: 1}).Run(context.Background(), r.files[cluster])
		if err != nil || len(sum.Failed) > 0 {
			t.Fatalf("%s: %v %+v", cluster, err, sum.Failed)
		}
	}
	if err := l.Seal(context.Background()); err != nil {
		t.Fatal(err)
	}
	e, err := query.New(l.Snapshot, query.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e.As(query.All)
}

// answered is an answer as tests compare it.
type answered struct {
	asked  *Asked
	rows   []*query.Row
	groups []query.Group
}

func answer(t *testing.T, r *query.Reader, name string, params map[string]string, clusters []string) answered {
	t.Helper()
	asked, err := BuiltIn().Ask(name, params)
	if err != nil {
		t.Fatal(err)
	}
	a := answered{asked: asked}
	cov, err := asked.Run(context.Background(), r, query.Range{Clusters: clusters}, 0, false, Answer{
		Event: func(row *query.Row) error { a.rows = append(a.rows, row); return nil },
		Group: func(g query.Group) error { a.groups = append(a.groups, g); return nil },
	})
	if err != nil || !cov.Complete || cov.Returned != len(a.rows)+len(a.groups) {
		t.Fatalf("%s: %v, %+v", name, err, cov)
	}
	return a
}

const goldenRows = 12 // of an answer are in its golden file; of the others a digest

func (a *answered) golden(b *bytes.Buffer) {
	fmt.Fprintf(b, "search: %s\n", a.asked.Search)
	digest := sha256.New()
	if a.asked.Question.By != nil {
		fmt.Fprintf(b, "%d rows by %s\n", len(a.groups), strings.Join(a.asked.Question.By, ", "))
		for i, g := range a.groups {
			line := fmt.Sprintf("%7d  %s\n", g.Count, strings.Join(g.Values, " | "))
			digest.Write([]byte(line))
			if i < goldenRows {
				b.WriteString(line)
			}
		}
	} else {
		fmt.Fprintf(b, "%d events\n", len(a.rows))
		for i, r := range a.rows {
			fmt.Fprintf(digest, "%s:%d\n", r.Cluster, r.Position)
			if i < goldenRows {
				fmt.Fprintf(b, "  %s %d %s %s\n", r.Cluster, r.Position, time.UnixMicro(r.Time).UTC().Format("15:04:05.000000"), r.Sentence())
			}
		}
	}
	if len(a.rows)+len(a.groups) > goldenRows {
		fmt.Fprintf(b, "  … all of them: sha256 %x\n", digest.Sum(nil)[:16])
	}
	b.WriteByte('\n')
}

// TestGolden holds each question's answer against a file.
func TestGolden(t *testing.T) {
	for _, rec := range recordings(t) {
		reader := rec.engine(t)
		for _, q := range BuiltIn().All() {
			if q.Clusters != nil {
				continue // about Annals' own acts, of which these recordings hold none: the server's tests ask those
			}
			var b bytes.Buffer
			for _, params := range asks[q.Name] {
				a := answer(t, reader, q.Name, params, rec.clusters())
				a.golden(&b)
			}
			path := filepath.Join("testdata", "golden", q.Name+"."+rec.name+".txt")
			if *update {
				if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(want, b.Bytes()) {
				t.Errorf("%s: the answer is no longer that of %s:\n%s", q.Name, path, firstDifference(string(want), b.String()))
			}
		}
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return "want " + w[i] + "\n got " + g[i]
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}
