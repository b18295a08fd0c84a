package server

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
)

// get asks a handler as a browser on this machine does.
func get(t *testing.T, h http.Handler, method, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	r.Host = "localhost"
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestUI(t *testing.T) {
	script := strings.Repeat("console.log('annals');\n", 100)
	u, err := newUI(fstest.MapFS{
		"index.html":           {Data: []byte(`<meta name="csp-nonce" content="__CSP_NONCE__"><script src="/assets/index-1a2b.js"></script>`)},
		"assets/index-1a2b.js": {Data: []byte(script)},
		"assets/icon-1.svg":    {Data: []byte("<svg/>")},
		"robots.txt":           {Data: []byte("User-agent: *\nDisallow: /\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{
		"/": 200, "/search?query=x": 200, "/objects/prod/deployments.apps/web": 200, "/index.html": 200, "/robots.txt": 200,
		"/assets/index-1a2b.js": 200, "/assets/index-0000.js": 404, "/assets/": 404,
	} {
		if w := get(t, u, "GET", path); w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}

	nonce := regexp.MustCompile(`content="([A-Z2-7]{20,})"`)
	seen := map[string]bool{}
	for _, path := range []string{"/", "/ledger"} {
		w := get(t, u, "GET", path)
		m := nonce.FindStringSubmatch(w.Body.String())
		if m == nil || seen[m[1]] || strings.Contains(w.Body.String(), noncePlace) {
			t.Fatalf("%s: %s", path, w.Body)
		}
		seen[m[1]] = true
		if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "'nonce-"+m[1]+"'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %q for nonce %s", path, policy, m[1])
		}
		if c := w.Header().Get("Cache-Control"); c != "no-store" {
			t.Errorf("%s: %s", path, c)
		}
	}

	w := get(t, u, "GET", "/assets/index-1a2b.js", "Accept-Encoding", "br, gzip")
	etag := w.Header().Get("ETag")
	z, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(z); err != nil || string(body) != script {
		t.Errorf("compressed: %v, %d bytes", err, len(body))
	}
	if c := w.Header().Get("Cache-Control"); !strings.Contains(c, "immutable") || etag == "" || w.Header().Get("Content-Type") != "text/javascript; charset=utf-8" {
		t.Errorf("headers %v", w.Header())
	}
	if w := get(t, u, "GET", "/assets/index-1a2b.js", "If-None-Match", etag); w.Code != http.StatusNotModified || w.Body.Len() != 0 {
		t.Errorf("the same file again: %d, %d bytes", w.Code, w.Body.Len())
	}
	if w := get(t, u, "GET", "/assets/index-1a2b.js", "Accept-Encoding", "gzip;q=0"); w.Header().Get("Content-Encoding") != "" || w.Body.String() != script {
		t.Errorf("without compression: %v", w.Header())
	}
	if w := get(t, u, "GET", "/assets/icon-1.svg", "Accept-Encoding", "gzip"); w.Header().Get("Content-Encoding") != "" {
		t.Error("what grows by compression is compressed")
	}
	if _, err := newUI(fstest.MapFS{}); err == nil {
		t.Error("a UI without a page")
	}
}

// The UI that the binary holds is served, by the strict policy.
func TestPages(t *testing.T) {
	c := newCore(t)
	h := c.pages()
	w := get(t, h, "GET", "/")
	if w.Code != 200 || !strings.Contains(w.Body.String(), `<div id="root">`) {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(w.Body.String(), -1) {
		if w := get(t, h, "GET", m[1]); w.Code != 200 || !strings.HasPrefix(m[1], "/assets/") {
			t.Errorf("%s, which the page names: %d", m[1], w.Code)
		}
	}
	for _, c := range []struct {
		method, path string
		want         int
	}{{"POST", "/", 405}, {"GET", "/healthz", 200}, {"GET", "/metrics", 200}} {
		if w := get(t, h, c.method, c.path); w.Code != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, w.Code, c.want)
		}
	}
}

func TestMetrics(t *testing.T) {
	c := newCore(t)
	fill(t, c)
	if _, err := c.ledger.Append(t.Context(), ledger.Batch{Cluster: "stage", Origin: "import/y", Events: []format.Event{
		{Bytes: []byte("unreadable too"), Dialect: format.Unreadable, Marks: format.Quarantined},
	}}); err != nil {
		t.Fatal(err)
	}
	get(t, c.handler(), "GET", "/api/v1/hits")
	get(t, c.handler(), "GET", "/api/v1/hits?steps=3")
	text := get(t, c.pages(), "GET", "/metrics").Body.String()
	for _, want := range []string{
		"annals_ledger_accepted_events_total 1", `annals_ledger_events{cluster="prod"} 12`, "annals_ledger_salvaged_events_total 1",
		"annals_ledger_quarantined_events_total 2", `annals_ledger_fsync_duration_seconds_bucket{le="+Inf"} 1`, "annals_ledger_failed 0",
		`annals_ledger_unsealed_events{cluster="prod"} 0`, `annals_checkpoint_timestamp_seconds{cluster="prod"}`, "annals_build_info{",
		`annals_api_requests_total{route="hits",status="200"} 1`, `annals_api_requests_total{route="hits",status="400"} 1`,
		`annals_api_request_duration_seconds_count{route="hits"} 2`, "annals_api_questions 0",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}
