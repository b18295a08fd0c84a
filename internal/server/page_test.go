package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
)

func TestPageIsForLoopback(t *testing.T) {
	c := newCore(t)
	fill(t, c)
	h := c.pages()
	for host, want := range map[string]int{
		"127.0.0.1:7090": 200, "localhost:7090": 200, "LOCALHOST": 200, "[::1]:7090": 200, "[::1]": 200, "127.9.9.9": 200,
		"evil.example:7090": 421, "evil.example": 421, "127.0.0.1.evil.example": 421, "192.0.2.5:7090": 421, "": 421,
		"localhost.evil.example:7090": 421, "0.0.0.0": 421,
	} {
		for _, path := range []string{"/", "/metrics", "/healthz"} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Host = host
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s with Host %q: %d, want %d", path, host, w.Code, want)
			}
			if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "script") {
				t.Errorf("%s with Host %q: policy %q", path, host, csp)
			}
		}
	}
}

func get(t *testing.T, h http.Handler, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	r.Host = "localhost"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestPage(t *testing.T) {
	c := newCore(t)
	h := c.pages()
	if text := get(t, h, "GET", "/").Body.String(); !strings.Contains(text, "No events yet") {
		t.Errorf("the page of an empty ledger:\n%s", text)
	}
	fill(t, c)
	if _, err := c.ledger.Append(t.Context(), ledger.Batch{Cluster: "stage", Origin: "import/y", Events: []format.Event{
		{Bytes: []byte("unreadable too"), Dialect: format.Unreadable, Marks: format.Quarantined},
	}}); err != nil {
		t.Fatal(err)
	}
	text := get(t, h, "GET", "/").Body.String()
	if n := strings.Count(text, `<span class="bad">1</span>`); n != 2 {
		t.Errorf("%d clusters with something unreadable, sealed or not; want 2", n)
	}
	for _, want := range []string{`<th scope="row">prod</th>`, `<td class="n">12<small>0 not sealed</small></td>`, "Events are accepted", `<span class="bad">1</span>`, "2026-11-21 00:54:00 UTC"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q:\n%s", want, text)
		}
	}
	for _, never := range []string{"<script", "jane", "kubectl", "not an event", "<no value>", "ZgotmplZ"} {
		if strings.Contains(text, never) {
			t.Errorf("the page holds %q", never)
		}
	}
	for _, c := range []struct {
		method, path string
		want         int
	}{{"POST", "/", 405}, {"GET", "/v1/search", 404}, {"POST", "/v1/search", 404}, {"GET", "/healthz", 200}} {
		if w := get(t, h, c.method, c.path); w.Code != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, w.Code, c.want)
		}
	}
}

func TestMetrics(t *testing.T) {
	c := newCore(t)
	fill(t, c)
	text := get(t, c.pages(), "GET", "/metrics").Body.String()
	for _, want := range []string{
		"annals_ledger_accepted_events_total 12", `annals_ledger_events{cluster="prod"} 12`, "annals_ledger_salvaged_events_total 1",
		"annals_ledger_quarantined_events_total 1", `annals_ledger_fsync_duration_seconds_bucket{le="+Inf"} 11`, "annals_ledger_failed 0",
		`annals_ledger_unsealed_events{cluster="prod"} 0`, `annals_checkpoint_timestamp_seconds{cluster="prod"}`, "annals_build_info{",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}
