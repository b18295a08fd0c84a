package capture_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"annals.dev/audit"
	"annals.dev/capture"
	"annals.dev/policy"
	"annals.dev/sink/logfile"
)

// discard is a sink that takes everything and keeps nothing.
type discard struct{ bytes int }

func (d *discard) Send(_ context.Context, events ...[]byte) error {
	for _, e := range events {
		d.bytes += len(e)
	}
	return nil
}
func (d *discard) Close(context.Context) error { return nil }
func (d *discard) String() string              { return "discard" }

// quiet is a ResponseWriter that costs nothing.
type quiet struct{ header http.Header }

func (q *quiet) Header() http.Header         { return q.header }
func (q *quiet) Write(b []byte) (int, error) { return len(b), nil }
func (q *quiet) WriteHeader(int)             {}
func (q *quiet) Flush()                      {}

var getPod = []byte(`{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web","namespace":"prod","uid":"5d4b7a2e-7a52-4f0e-9f0a-1f7a2c3f1f11",` +
	`"resourceVersion":"4711","labels":{"app":"web"}},"spec":{"containers":[{"name":"web","image":"registry.example/web:1","env":[` +
	strings.Repeat(`{"name":"A","value":"some value"},`, 40) + `{"name":"Z","value":"z"}]}]},"status":{"phase":"Running"}}`)

func answer(w http.ResponseWriter, r *http.Request) {
	if r.Body != nil {
		io.Copy(io.Discard, r.Body)
	}
	w.Header()["Content-Type"] = jsonType
	w.WriteHeader(http.StatusOK)
	w.Write(getPod)
}

var jsonType = []string{"application/json"}

// request is a function that has h answer one request like kubectl's, as net/http would call it.
func request(h http.Handler, method string) func() {
	r := httptest.NewRequest(method, "/api/v1/namespaces/prod/pods/web", nil)
	r.Header.Set("User-Agent", "kubectl/v1.36.0 (linux/amd64) kubernetes/0123456")
	r.Header.Set("Content-Type", "application/json")
	w := &quiet{http.Header{}}
	body := strings.NewReader("")
	return func() {
		clear(w.header)
		delete(r.Header, "Audit-Id")
		if method != "GET" {
			body.Reset(string(getPod))
			r.Body = io.NopCloser(body)
		}
		h.ServeHTTP(w, r)
	}
}

func at(t testing.TB, level audit.Level) http.Handler {
	h, _ := audited(t, answer, func(c *capture.Config) {
		c.Sink = &discard{}
		c.Policy = &policy.Policy{Rules: []policy.Rule{{Level: level, OmitStages: []audit.Stage{audit.StageRequestReceived}}}}
	})
	return h
}

var countsAllocations = true

// TestAllocations is how many an audited request may have: the audit ID, the request's context and copy, and at Metadata
// the event with all that belongs to it.
func TestAllocations(t *testing.T) {
	if !countsAllocations {
		t.Skip("not with the race detector, which makes pools forget")
	}
	bare := testing.AllocsPerRun(200, request(http.HandlerFunc(answer), "GET"))
	for level, most := range map[audit.Level]float64{audit.LevelNone: 3, audit.LevelMetadata: 4} {
		if got := testing.AllocsPerRun(200, request(at(t, level), "GET")) - bare; got > most {
			t.Errorf("%s: %v allocations more than without, want %v at most", level, got, most)
		}
	}
}

func BenchmarkHandler(b *testing.B) {
	for _, c := range []struct {
		name string
		h    http.Handler
	}{
		{"bare", http.HandlerFunc(answer)},
		{"None", at(b, audit.LevelNone)},
		{"Metadata", at(b, audit.LevelMetadata)},
		{"RequestResponse", at(b, audit.LevelRequestResponse)},
	} {
		for _, method := range []string{"GET", "PUT"} {
			b.Run(c.name+"/"+method, func(b *testing.B) {
				do := request(c.h, method)
				b.ReportAllocs()
				for b.Loop() {
					do()
				}
			})
		}
	}
}

// BenchmarkFile is all the way into sink/logfile's file.
func BenchmarkFile(b *testing.B) {
	for _, level := range []audit.Level{audit.LevelMetadata, audit.LevelRequestResponse} {
		b.Run(string(level), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "audit.log")
			file, err := logfile.New(logfile.Config{Path: path})
			if err != nil {
				b.Fatal(err)
			}
			defer file.Close(b.Context())
			h, _ := audited(b, answer, func(c *capture.Config) {
				c.Sink = file
				c.Policy = &policy.Policy{Rules: []policy.Rule{{Level: level, OmitStages: []audit.Stage{audit.StageRequestReceived}}}}
			})
			do := request(h, "PUT")
			b.ReportAllocs()
			for b.Loop() {
				do()
			}
			info, err := os.Stat(path)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(info.Size() / int64(b.N))
		})
	}
}
