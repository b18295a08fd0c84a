package capture_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"annals.dev/audit"
	"annals.dev/capture"
	"annals.dev/policy"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a sink that keeps events.
type memory struct {
	mu     sync.Mutex
	lines  [][]byte
	refuse func(*audit.Event) bool
}

var errRefused = errors.New("refused for the test")

func (m *memory) Send(ctx context.Context, events ...[]byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, e := range events {
		if m.refuse != nil && m.refuse(parse(e)) {
			return errRefused
		}
		m.lines = append(m.lines, bytes.Clone(e))
	}
	return nil
}

func (m *memory) Close(context.Context) error { return nil }
func (m *memory) String() string              { return "memory" }

func parse(line []byte) *audit.Event {
	var e audit.Event
	if err := json.Unmarshal(line, &e); err != nil {
		panic(string(line) + ": " + err.Error())
	}
	return &e
}

func (m *memory) events() (list []*audit.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, line := range m.lines {
		list = append(list, parse(line))
	}
	return list
}

// stages are the events' stages and codes, as "ResponseComplete 200".
func stages(events []*audit.Event) (list []string) {
	for _, e := range events {
		s := string(e.Stage)
		if e.ResponseStatus != nil {
			code, _ := json.Marshal(e.ResponseStatus.Code)
			s += " " + string(code)
		}
		list = append(list, s)
	}
	return list
}

// level is the policy that records everything so.
func level(l audit.Level) *policy.Policy { return &policy.Policy{Rules: []policy.Rule{{Level: l}}} }

var jane = &audit.UserInfo{Username: "jane", UID: "u1", Groups: []string{"devs"}, Extra: map[string][]string{"k": {"1", "2"}}}

// always is an Authenticator with one answer.
type always struct {
	user *audit.UserInfo
	err  error
}

func (a always) Authenticate(*http.Request) (*audit.UserInfo, error) { return a.user, a.err }

// audited is a handler that records into what it returns; change adapts its Config.
func audited(t testing.TB, next http.HandlerFunc, change func(*capture.Config)) (*capture.Handler, *memory) {
	t.Helper()
	m := &memory{}
	cfg := capture.Config{Policy: level(audit.LevelMetadata), Sink: m, Authenticate: always{user: jane}, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&cfg)
	}
	h, err := capture.New(next, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h, m
}

func TestMetadata(t *testing.T) {
	h, m := audited(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusAccepted) }, nil)
	r := httptest.NewRequest("GET", "/api/v1/namespaces/prod/pods/web/log?follow=true&x=<y>", nil)
	r.RemoteAddr = "192.0.2.7:1234"
	r.Header.Set("Audit-ID", "my-id")
	r.Header.Set("User-Agent", "kubectl/v1.36")
	h.ServeHTTP(httptest.NewRecorder(), r)

	want := []string{"RequestReceived", "ResponseStarted 202", "ResponseComplete 202"}
	if diff := cmp.Diff(want, stages(m.events())); diff != "" {
		t.Fatal(diff)
	}
	e := m.events()[2]
	if e.RequestReceivedTimestamp.IsZero() || e.StageTimestamp.Before(e.RequestReceivedTimestamp.Time) {
		t.Errorf("received %v, completed %v", e.RequestReceivedTimestamp, e.StageTimestamp)
	}
	if first := m.events()[0]; !first.StageTimestamp.Equal(first.RequestReceivedTimestamp.Time) {
		t.Errorf("RequestReceived happened at %v, not at %v", first.StageTimestamp, first.RequestReceivedTimestamp)
	}
	e.RequestReceivedTimestamp, e.StageTimestamp = audit.MicroTime{}, audit.MicroTime{}
	full := &audit.Event{Level: "Metadata", AuditID: "my-id", Stage: "ResponseComplete", Verb: "get", User: *jane,
		RequestURI: "/api/v1/namespaces/prod/pods/web/log?follow=true&x=<y>", UserAgent: "kubectl/v1.36",
		SourceIPs: []string{"192.0.2.7"}, ResponseStatus: &audit.Status{Code: 202},
		ObjectRef: &audit.ObjectReference{Resource: "pods", Namespace: "prod", Name: "web", APIVersion: "v1", Subresource: "log"}}
	if diff := cmp.Diff(full, e); diff != "" {
		t.Error(diff)
	}
}
