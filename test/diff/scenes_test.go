package diff

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	auditinternal "k8s.io/apiserver/pkg/apis/audit"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	upstreamaudit "k8s.io/apiserver/pkg/audit"
	upstreampolicy "k8s.io/apiserver/pkg/audit/policy"
	"k8s.io/apiserver/pkg/endpoints/filters"
	"k8s.io/apiserver/pkg/endpoints/request"
	upstreamwebhook "k8s.io/apiserver/plugin/pkg/audit/webhook"

	"annals.dev/audit"
	"annals.dev/capture"
	"annals.dev/sink/webhook"
	"annals.dev/test/diff/upstream"
)

// staged is a handler on both sides, each behind its own auditing and nothing else.
type staged struct {
	ours, upstream http.Handler
	ourSink        *ourEvents
	theirSink      *upstreamEvents
}

// stage puts both sides around a handler. The config of ours may be changed.
func stage(h http.HandlerFunc, level auditinternal.Level, change func(*capture.Config)) *staged {
	s := &staged{ourSink: &ourEvents{}, theirSink: &upstreamEvents{}}
	p := &auditinternal.Policy{Rules: []auditinternal.PolicyRule{{Level: level}}}
	c := capture.Config{Policy: ourPolicy(p), Sink: s.ourSink, Authenticate: ourAuthenticator{}, SourceIPs: capture.ForwardedSourceIPs}
	if change != nil {
		change(&c)
	}
	ours, err := capture.New(h, c)
	must(err)
	s.ours, s.upstream = ours, upstream.Audit(h, upstream.Config{Policy: p, Sink: s.theirSink, Authenticator: upstreamAuthenticator{}})
	return s
}

// send makes the same request to both.
func (s *staged) send(w func() http.ResponseWriter, method, url, body string, header http.Header) {
	for _, h := range []http.Handler{s.ours, s.upstream} {
		r := httptest.NewRequest(method, url, strings.NewReader(body))
		r.Header, r.RemoteAddr = header.Clone(), "127.0.0.1:4711"
		h.ServeHTTP(w(), r)
	}
}

// member is a member of the last event, on both sides.
func (s *staged) member(t fails, key string) (ours, upstream string) {
	t.Helper()
	last := func(lines []string) string {
		if len(lines) == 0 {
			t.Fatalf("there is no event")
		}
		e := read(t, lines[len(lines)-1:], "", "id")
		return string(e.list[0][key])
	}
	return last(s.ourSink.lines), last(s.theirSink.lines)
}

func record() http.ResponseWriter { return httptest.NewRecorder() }

var jane = header("Authorization", "Bearer jane", "Audit-Id", "id", "Content-Type", "application/json")

func reads(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	w.WriteHeader(http.StatusOK)
}

func TestScenes(t *testing.T) {
	s := stage(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		must(err)
		if upstreamaudit.AuditContextFrom(r.Context()) != nil {
			upstreamaudit.LogRequestPatch(r.Context(), body)
		}
		w.WriteHeader(http.StatusOK)
	}, auditinternal.LevelRequest, func(c *capture.Config) { c.MaxBody = 10 })
	s.send(record, "PATCH", "/api/v1/namespaces/d/pods/x", `{"metadata":{"name":"x"}}`, withType("application/merge-patch+json"))
	ours, theirs := s.member(t, "requestObject")
	same(t, "body-limit", fmt.Sprint("whole ", ours == `{"metadata":{"name":"x"}}`), fmt.Sprint("whole ", theirs == `{"metadata":{"name":"x"}}`), nil)

	s = stage(reads, auditinternal.LevelRequest, nil)
	s.send(record, "POST", "/a", `{"a":1}`, jane)
	ours, theirs = s.member(t, "requestObject")
	same(t, "body-of-no-resource", ours, theirs, nil)

	s = stage(reads, auditinternal.LevelMetadata, func(c *capture.Config) { c.SourceIPs = nil })
	s.send(record, "GET", "/a", "", header("Authorization", "Bearer jane", "Audit-Id", "id", "X-Forwarded-For", "8.8.8.8"))
	ours, theirs = s.member(t, "sourceIPs")
	same(t, "peer-only", ours, theirs, nil)

	s = stage(reads, auditinternal.LevelMetadata, nil)
	s.send(record, "GET", "/a", "", header("Audit-Id", "id", "Accept", "text/xyz"))
	ours, theirs = s.member(t, "responseStatus")
	message := func(status string) string { return fmt.Sprint(value(status).(map[string]any)["message"]) }
	same(t, "login-is-json", message(ours), message(theirs), nil)
}

func withType(contentType string) http.Header {
	h := jane.Clone()
	h.Set("Content-Type", contentType)
	return h
}

func TestErrorsOfStreamsWaitForTheirBody(t *testing.T) {
	var s *staged
	var counts []int
	h := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		if counts == nil {
			counts = append(counts, len(s.ourSink.lines)-1)
		} else {
			counts = append(counts, len(s.theirSink.lines)-1)
		}
		io.WriteString(w, `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","code":403}`)
	}
	s = stage(h, auditinternal.LevelMetadata, nil)
	s.send(record, "GET", "/api/v1/pods?watch=1", "", jane)
	same(t, "started-with-status", fmt.Sprintf("%d events with the header", counts[0]), fmt.Sprintf("%d events with the header", counts[1]), nil)
}

// unhijackable refuses to hand its connection over.
type unhijackable struct{ http.ResponseWriter }

func (unhijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, errors.New("no") }
func (unhijackable) CloseNotify() <-chan bool                     { return nil }
func (unhijackable) Flush()                                       {}

// TestRareRequests has requests that random ones seldom are.
func TestRareRequests(t *testing.T) {
	p := newPair(t)
	metadata := &auditinternal.Policy{Rules: []auditinternal.PolicyRule{{Level: auditinternal.LevelMetadata}}}
	all := &auditinternal.Policy{Rules: []auditinternal.PolicyRule{{Level: auditinternal.LevelRequestResponse}}}
	for _, c := range []*call{
		{policy: metadata, method: "DELETE", url: "/api/v1/namespaces/d/pods/x", header: header("Authorization", "Bearer jane", "Accept", "application/yaml")},
		{policy: all, method: "GET", url: "/api/v1/namespaces/d/pods", header: header("Authorization", "Bearer jane", doHeader, "wait"), leaves: true},
		{policy: all, method: "GET", url: "/api/v1/namespaces/d/pods?watch=1", header: header("Authorization", "Bearer jane", doHeader, "wait"), leaves: true, http2: true},
		{policy: all, method: "PATCH", url: "/api/v1/namespaces/d/pods/x", header: header("Authorization", "Bearer jane", "Content-Type", "application/apply-patch+yaml"), body: []byte("a: b")},
	} {
		p.compare(t, c)
	}
}

func TestFailedHijacking(t *testing.T) {
	s := stage(func(w http.ResponseWriter, _ *http.Request) {
		if _, _, err := w.(http.Hijacker).Hijack(); err != nil {
			w.WriteHeader(http.StatusNotImplemented)
		}
	}, auditinternal.LevelMetadata, nil)
	s.send(func() http.ResponseWriter { return unhijackable{httptest.NewRecorder()} }, "GET", "/a", "", jane)
	ours, theirs := s.member(t, "responseStatus")
	code := func(status string) string { return fmt.Sprint(value(status).(map[string]any)["code"]) }
	same(t, "hijack-failed", code(ours), code(theirs), nil)
}

func TestFailedLoginsThatNobodyAnswers(t *testing.T) {
	silent := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	p := &auditinternal.Policy{Rules: []auditinternal.PolicyRule{{Level: auditinternal.LevelMetadata}}}
	ourSink, theirSink := &ourEvents{}, &upstreamEvents{}
	ours, err := capture.New(silent, capture.Config{Policy: ourPolicy(p), Sink: ourSink, Authenticate: ourAuthenticator{}, Unauthorized: silent})
	must(err)
	failed := filters.WithFailedAuthenticationAudit(silent, theirSink, upstreampolicy.NewPolicyRuleEvaluator(p))
	theirs := filters.WithAuditInit(filters.WithRequestInfo(filters.WithAuthentication(silent, upstreamAuthenticator{}, failed, nil, nil), upstream.Resolver))
	for _, h := range []http.Handler{ours, theirs} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/a", nil))
	}
	same(t, "login-without-answer", fmt.Sprintf("%d events", len(ourSink.lines)), fmt.Sprintf("%d events", len(theirSink.lines)), nil)
}

// TestSlowRequests is about requests of more than half a second: upstream's is told that it began earlier.
func TestSlowRequests(t *testing.T) {
	p := &auditinternal.Policy{Rules: []auditinternal.PolicyRule{{Level: auditinternal.LevelMetadata}}}
	ourSink, theirSink := &ourEvents{}, &upstreamEvents{}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request.TrackAuthorizationLatency(r.Context(), time.Second)
		w.WriteHeader(http.StatusOK)
	})
	var theirs http.Handler = filters.WithAudit(h, theirSink, upstreampolicy.NewPolicyRuleEvaluator(p.DeepCopy()), upstream.LongRunning)
	theirs = filters.WithRequestInfo(filters.WithLatencyTrackers(theirs), upstream.Resolver)
	before := theirs
	theirs = filters.WithAuditInit(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		before.ServeHTTP(w, r.WithContext(request.WithReceivedTimestamp(r.Context(), time.Now().Add(-time.Second))))
	}))
	ours, err := capture.New(h, capture.Config{Policy: ourPolicy(p), Sink: ourSink})
	must(err)
	ours.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/a", nil))
	theirs.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/a", nil))
	has := func(lines []string) string {
		return fmt.Sprint(strings.Contains(lines[len(lines)-1], "apiserver.latency.k8s.io/total"))
	}
	same(t, "no-latency", has(ourSink.lines), has(theirSink.lines), nil)
}

func TestChangedPolicies(t *testing.T) {
	p := &auditinternal.Policy{Rules: []auditinternal.PolicyRule{{Level: auditinternal.LevelMetadata}}}
	sink := &ourEvents{}
	ours, err := capture.New(http.NotFoundHandler(), capture.Config{Policy: ourPolicy(p), Sink: sink})
	must(err)
	changed := ourPolicy(p)
	changed.Rules[0].Level = audit.LevelRequest
	must(ours.SetPolicy(changed, "admin"))
	same(t, "policy-is-recorded", fmt.Sprintf("%d events", len(sink.lines)), "0 events", nil)
}

// TestCredentialsInClear has a token for a server that is not reached by TLS.
func TestCredentialsInClear(t *testing.T) {
	r := newReceiver(t)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	must(os.WriteFile(file, []byte(strings.Replace(fmt.Sprintf(kubeconfigText, r.URL), "user: {}", "user: {token: secret}", 1)), 0o600))
	theirs, err := upstreamwebhook.NewBackend(file, auditv1.SchemeGroupVersion, wait.Backoff{Steps: 1}, nil)
	must(err)
	theirs.ProcessEvents(&auditinternal.Event{})
	requests, _ := r.took()
	upstream := "sent without"
	if strings.Contains(requests, "secret") || requests == "" {
		upstream = requests
	}
	ours := "refused"
	if w, err := webhook.New(webhook.Config{Kubeconfig: file}); err == nil {
		ours = "accepted"
		must(w.Close(context.Background()))
	}
	same(t, "credentials-in-clear", ours, upstream, nil)
}
