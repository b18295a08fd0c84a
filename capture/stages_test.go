package capture_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"annals.dev/audit"
	"annals.dev/capture"
	"annals.dev/policy"

	"github.com/google/go-cmp/cmp"
)

const (
	shortPath = "/api/v1/namespaces/default/pods/foo"
	longPath  = "/api/v1/namespaces/default/pods?watch=true"
)

func TestStages(t *testing.T) {
	nothing := func(http.ResponseWriter, *http.Request) {}
	write := func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "foo") }
	forbid := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }
	forbidAndWrite := func(w http.ResponseWriter, r *http.Request) { forbid(w, r); write(w, r) }
	kaboom := func(http.ResponseWriter, *http.Request) { panic("kaboom") }
	writeAndKaboom := func(w http.ResponseWriter, r *http.Request) { write(w, r); kaboom(w, r) }
	abort := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	writeAndAbort := func(w http.ResponseWriter, r *http.Request) { forbidAndWrite(w, r); abort(w, r) }
	flush := func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() }
	flushAndForbid := func(w http.ResponseWriter, r *http.Request) { flush(w, r); forbid(w, r) }
	twice := func(w http.ResponseWriter, r *http.Request) { forbid(w, r); w.WriteHeader(200) }
	hints := func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(103); forbid(w, r) }

	for _, c := range []struct {
		name, method, path string
		omit               []audit.Stage
		handler            http.HandlerFunc
		want               string
	}{
		{"get, nothing", "GET", shortPath, nil, nothing, "RequestReceived, ResponseComplete 200"},
		{"get, write", "GET", shortPath, nil, write, "RequestReceived, ResponseComplete 200"},
		{"get, panic", "GET", shortPath, nil, kaboom, "RequestReceived, Panic 500"},
		{"put, nothing", "PUT", shortPath, nil, nothing, "RequestReceived, ResponseComplete 200"},
		{"put, write", "PUT", shortPath, nil, write, "RequestReceived, ResponseComplete 200"},
		{"put, 403 and write", "PUT", shortPath, nil, forbidAndWrite, "RequestReceived, ResponseComplete 403"},
		{"put, panic", "PUT", shortPath, nil, kaboom, "RequestReceived, Panic 500"},
		{"put, write and panic", "PUT", shortPath, nil, writeAndKaboom, "RequestReceived, Panic 500"},
		{"watch, nothing", "GET", longPath, nil, nothing, "RequestReceived, ResponseStarted 200, ResponseComplete 200"},
		{"watch, 403", "GET", longPath, nil, forbid, "RequestReceived, ResponseStarted 403, ResponseComplete 403"},
		{"watch, write", "GET", longPath, nil, write, "RequestReceived, ResponseStarted 200, ResponseComplete 200"},
		{"watch, 403 and write", "GET", longPath, nil, forbidAndWrite, "RequestReceived, ResponseStarted 403, ResponseComplete 403"},
		{"watch, panic", "GET", longPath, nil, kaboom, "RequestReceived, Panic 500"},
		{"watch, write and panic", "GET", longPath, nil, writeAndKaboom, "RequestReceived, ResponseStarted 200, Panic 500"},
		{"omit RequestReceived", "GET", shortPath, []audit.Stage{"RequestReceived"}, write, "ResponseComplete 200"},
		{"omit all but Panic", "GET", longPath, []audit.Stage{"RequestReceived", "ResponseStarted", "ResponseComplete"}, writeAndKaboom, "Panic 500"},
		{"omit all but Panic, none", "GET", longPath, []audit.Stage{"RequestReceived", "ResponseStarted", "ResponseComplete"}, write, ""},

		{"abort", "GET", shortPath, nil, abort, "RequestReceived, ResponseComplete 0"},
		{"write and abort", "GET", shortPath, nil, writeAndAbort, "RequestReceived, ResponseComplete 403"},
		{"watch, abort", "GET", longPath, nil, abort, "RequestReceived, ResponseComplete 0"},
		{"watch, write and abort", "GET", longPath, nil, writeAndAbort, "RequestReceived, ResponseStarted 403, ResponseComplete 403"},
		{"flush", "GET", shortPath, nil, flush, "RequestReceived, ResponseComplete 200"},
		{"flush and 403", "GET", shortPath, nil, flushAndForbid, "RequestReceived, ResponseComplete 403"},
		{"watch, flush and 403", "GET", longPath, nil, flushAndForbid, "RequestReceived, ResponseStarted 403, ResponseComplete 403"},
		{"first code counts", "GET", shortPath, nil, twice, "RequestReceived, ResponseComplete 403"},
		{"1xx is no answer", "GET", longPath, nil, hints, "RequestReceived, ResponseStarted 403, ResponseComplete 403"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, m := audited(t, c.handler, func(cfg *capture.Config) {
				cfg.Policy = &policy.Policy{Rules: []policy.Rule{{Level: audit.LevelRequestResponse, OmitStages: c.omit}}}
			})
			var thrown any
			func() {
				defer func() { thrown = recover() }()
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(c.method, c.path, nil))
			}()
			got := strings.Join(stages(m.events()), ", ")
			got = strings.ReplaceAll(got, "RequestReceived 0", "RequestReceived")
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			switch {
			case strings.Contains(c.name, "panic") || strings.Contains(c.name, "Panic") && !strings.Contains(c.name, "none"):
				if thrown != "kaboom" {
					t.Errorf("the panic went on as %v", thrown)
				}
			case strings.Contains(c.name, "abort"):
				if thrown != http.ErrAbortHandler {
					t.Errorf("the panic went on as %v", thrown)
				}
			case thrown != nil:
				t.Errorf("panic: %v", thrown)
			}
			for _, e := range m.events() {
				if e.AuditID != m.events()[0].AuditID {
					t.Errorf("audit IDs %s and %s", m.events()[0].AuditID, e.AuditID)
				}
			}
		})
	}
}

func last(t *testing.T, m *memory) *audit.Event {
	t.Helper()
	events := m.events()
	if len(events) == 0 {
		t.Fatal("no event")
	}
	return events[len(events)-1]
}

func TestEndings(t *testing.T) {
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		want    audit.Status
		notes   map[string]string
	}{
		{"silent", func(http.ResponseWriter, *http.Request) {}, audit.Status{Status: "Success", Message: "Connection closed early", Code: 200}, nil},
		{"panic", func(http.ResponseWriter, *http.Request) { panic("kaboom <b>") },
			audit.Status{Status: "Failure", Message: "APIServer panic'd: kaboom <b>", Reason: "InternalError", Code: 500}, nil},
		{"abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			audit.Status{Status: "Failure", Message: "Connection closed early"}, map[string]string{"audit.annals.dev/aborted": "true"}},
		{"answer and abort", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200); panic(http.ErrAbortHandler) },
			audit.Status{Code: 200}, map[string]string{"audit.annals.dev/aborted": "true"}},
	} {
		h, m := audited(t, c.handler, nil)
		func() {
			defer func() { recover() }()
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		}()
		e := last(t, m)
		if diff := cmp.Diff(&c.want, e.ResponseStatus); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		if diff := cmp.Diff(c.notes, e.Annotations); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestAuditID(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for _, level := range []audit.Level{audit.LevelNone, audit.LevelRequestResponse} {
		for _, given := range []string{"", "my-id", long, "not ascii: ü"} {
			var within, header string
			h, m := audited(t, func(_ http.ResponseWriter, r *http.Request) {
				within, header = capture.AuditID(r.Context()), r.Header.Get("Audit-ID")
			}, func(c *capture.Config) { c.Policy = &policy.Policy{Rules: []policy.Rule{{Level: level}}} })
			r := httptest.NewRequest("GET", "/", nil)
			if given != "" {
				r.Header.Add("Audit-ID", given)
				r.Header.Add("Audit-ID", "another")
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			answered := w.Header().Get("Audit-ID")
			if given != "" && answered != given || given == "" && !uuid4.MatchString(answered) {
				t.Errorf("given %.20q, answered %.20q", given, answered)
			}
			if within != answered || header != answered {
				t.Errorf("%q within, %q in the request's header, %q answered", within, header, answered)
			}
			for _, e := range m.events() {
				if e.AuditID != answered {
					t.Errorf("event has %q, answered %q", e.AuditID, answered)
				}
			}
		}
	}
	if id := capture.AuditID(t.Context()); id != "" {
		t.Errorf("outside a handler: %q", id)
	}
	h, _ := audited(t, func(http.ResponseWriter, *http.Request) {}, nil)
	w := httptest.NewRecorder()
	w.Header().Set("Audit-Id", "set before")
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if got := w.Header().Values("Audit-Id"); len(got) != 1 || got[0] != "set before" {
		t.Errorf("a header that is there becomes %q", got)
	}
}

var uuid4 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestFailedLogin(t *testing.T) {
	basic := func(r *http.Request) { r.SetBasicAuth("u", "p") }
	refuse := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusUnauthorized) })
	status := audit.Status{Status: "Failure", Message: "Unauthorized", Reason: "Unauthorized", Code: 401}
	failed := func(message string) audit.Status {
		return audit.Status{Message: "Authentication failed, " + message, Code: 401}
	}
	for _, c := range []struct {
		name    string
		request func(*http.Request)
		answer  http.Handler
		want    audit.Status
	}{
		{"our answer", basic, nil, status},
		{"basic", basic, refuse, failed("attempted: basic")},
		{"nothing", nil, refuse, failed("no credentials provided")},
		{"bearer", func(r *http.Request) { r.Header.Set("Authorization", " BEARER x") }, refuse, failed("attempted: bearer")},
		{"bearer without a token", func(r *http.Request) { r.Header.Set("Authorization", "bearer") }, refuse, failed("no credentials provided")},
		{"all", func(r *http.Request) {
			basic(r)
			r.URL.RawQuery = "access_token=x"
			r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}}
		}, refuse, failed("attempted: basic, access_token, x509")},
		{"silent", nil, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), audit.Status{Message: "Authentication failed, no credentials provided", Code: 200}},
	} {
		h, m := audited(t, func(http.ResponseWriter, *http.Request) { t.Error("the handler within was called") }, func(cfg *capture.Config) {
			cfg.Authenticate = always{user: jane, err: errors.New("no")}
			cfg.Unauthorized = c.answer
		})
		r := httptest.NewRequest("GET", "/api/v1/namespaces/default/pods", nil)
		if c.request != nil {
			c.request(r)
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
		if len(m.events()) != 1 {
			t.Fatalf("%s: %d events, want one", c.name, len(m.events()))
		}
		e := m.events()[0]
		if e.Stage != audit.StageResponseStarted || e.Verb != "list" || e.ObjectRef.Resource != "pods" {
			t.Errorf("%s: %+v", c.name, e)
		}
		if diff := cmp.Diff(audit.UserInfo{}, e.User); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		if diff := cmp.Diff(&c.want, e.ResponseStatus); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}

	for _, p := range []*policy.Policy{
		{Rules: []policy.Rule{{Level: audit.LevelMetadata, OmitStages: []audit.Stage{audit.StageResponseStarted}}}},
		{Rules: []policy.Rule{{Level: audit.LevelMetadata, Users: []string{"jane"}}}},
	} {
		h, m := audited(t, nil2, func(cfg *capture.Config) { cfg.Policy, cfg.Authenticate = p, always{user: jane, err: errors.New("no")} })
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if len(m.events()) != 0 || w.Code != 401 {
			t.Errorf("%d events and code %d, want none and 401", len(m.events()), w.Code)
		}
	}
}

func nil2(http.ResponseWriter, *http.Request) {}

func TestRefusedByTheSink(t *testing.T) {
	metrics := capture.NewMetrics()
	called := false
	h, m := audited(t, func(http.ResponseWriter, *http.Request) { called = true }, func(c *capture.Config) { c.Metrics = metrics })
	m.refuse = func(e *audit.Event) bool { return e.Stage == audit.StageRequestReceived }
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/a?b=<c>&d", nil))
	if want := "Internal Server Error: \"/a?b=&lt;c&gt;&amp;d\": failed to store audit event\n"; w.Code != 500 || w.Body.String() != want || called {
		t.Errorf("called %v, code %d, body %q, want %q", called, w.Code, w.Body, want)
	}
	if got := w.Header().Get("Content-Type"); got != "text/plain; charset=utf-8" {
		t.Errorf("content type %q", got)
	}
	if len(m.events()) != 0 {
		t.Errorf("events: %v", stages(m.events()))
	}

	h, m = audited(t, func(w http.ResponseWriter, _ *http.Request) { called = true; w.WriteHeader(202) }, func(c *capture.Config) { c.Metrics = metrics })
	m.refuse = func(e *audit.Event) bool { return e.Stage == audit.StageResponseComplete }
	w = httptest.NewRecorder()
	if h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil)); w.Code != 202 || !called {
		t.Errorf("a later refusal: code %d", w.Code)
	}
	if got := gather(t, metrics); got["apiserver_audit_requests_rejected_total"] != 1 || got["annals_audit_unstored_events_total{stage=RequestReceived}"] != 1 ||
		got["annals_audit_unstored_events_total{stage=ResponseComplete}"] != 1 {
		t.Errorf("%v", got)
	}
}

func TestWrongRequestInfo(t *testing.T) {
	h, m := audited(t, nil2, func(c *capture.Config) { c.Authenticate = nil })
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/apis/apps/v1/watch", nil))
	want := "Internal Server Error: \"/apis/apps/v1/watch\": failed to create RequestInfo: unable to determine kind and namespace from url, /apis/apps/v1/watch\n"
	if w.Code != 500 || w.Body.String() != want {
		t.Errorf("%d %q, want %q", w.Code, w.Body, want)
	}
	if len(m.events()) != 0 || w.Header().Get("Audit-Id") == "" {
		t.Errorf("%d events, audit ID %q", len(m.events()), w.Header().Get("Audit-Id"))
	}
}

func TestNone(t *testing.T) {
	metrics := capture.NewMetrics()
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "/api/v1/pods", strings.NewReader("{}"))
	h, m := audited(t, func(inner http.ResponseWriter, got *http.Request) {
		if inner != http.ResponseWriter(w) {
			t.Errorf("the handler got a %T", inner)
		}
		if got.Body != r.Body {
			t.Errorf("the handler got the body %T", got.Body)
		}
		capture.Annotate(got.Context(), "a", "b")
		capture.SetImpersonatedUser(got.Context(), jane, "")
	}, func(c *capture.Config) { c.Policy, c.Metrics = level(audit.LevelNone), metrics })
	h.ServeHTTP(w, r)
	if len(m.events()) != 0 {
		t.Errorf("events: %v", stages(m.events()))
	}
}
