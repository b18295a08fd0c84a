package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"k8s.io/client-go/rest"

	"annals.dev/test/e2e/kube"
)

// before is an API server, and a proxy in mode impersonate before it that writes a log and does not yet run.
func before(t *testing.T, policy string, args ...string) (*kube.Server, *proxy) {
	t.Helper()
	s := kube.Start(t, kube.Options{LogDir: t.TempDir(), Flags: []string{"--audit-policy-file=" + abs(t, policy), keepLogs}})
	people(t, s)
	allowProxy(t, s)
	makeShop(t, s)
	p := newProxy(t, s, impersonate, args...)
	p.args = append(p.args, "--audit-policy-file", abs(t, policy), "--audit-log-path", p.log)
	return s, p
}

// stages are those of each audit ID, and how often each is there.
func stages(events []audited) map[string]map[string]int {
	all := make(map[string]map[string]int)
	for _, e := range events {
		id := e.str("auditID")
		if all[id] == nil {
			all[id] = make(map[string]int)
		}
		all[id][e.str("stage")]++
	}
	return all
}

// hasAll fails the test unless each request that was answered has each of these stages once, with the code that was answered.
func hasAll(t *testing.T, events []audited, answered map[string]int, want ...string) {
	t.Helper()
	got := stages(events)
	wrong := 0
	for id, code := range answered {
		for _, stage := range want {
			if n := got[id][stage]; n != 1 {
				if wrong++; wrong <= 10 {
					t.Errorf("request %s was answered with %d, and has %d events of stage %s", id, code, n, stage)
				}
			}
		}
	}
	for _, e := range events {
		code, ok := answered[e.str("auditID")]
		if ok && e.str("stage") == "ResponseComplete" && e.code() != fmt.Sprint(code) {
			t.Errorf("request %s was answered with %d: %v", e.str("auditID"), code, e)
		}
	}
	if wrong > 10 {
		t.Errorf("and %d more", wrong-10)
	}
	if len(answered) == 0 {
		t.Error("no request was answered")
	}
	t.Logf("%d requests answered, %d events", len(answered), len(events))
}

// TestProxyKilled: a log that is written while the request waits has the event of every request that was answered, however the
// proxy ends.
func TestProxyKilled(t *testing.T) {
	s, p := before(t, "testdata/policy.yaml")
	p.start()
	l := startLoad(t, p.by(s.As(alice, "staff")), shop, 4)
	for range 3 {
		l.more(100)
		p.kill()
		p.start()
	}
	l.more(100)
	l.end()
	p.stop()
	lines, err := kube.ReadLog(p.log)
	must(t, err)
	// Where the kill came in the middle of a line, half a line is left.
	whole := lines[:0]
	for _, line := range lines {
		if json.Valid(line) {
			whole = append(whole, line)
		}
	}
	if torn := len(lines) - len(whole); torn > 3 {
		t.Errorf("%d lines are no events, after three kills", torn)
	}
	hasAll(t, parseEvents(t, whole), l.answers(), "RequestReceived", "ResponseComplete")
}

// TestProxyUpstreamGone: while the API server is away every request is answered, with an error, and recorded; when it is back so
// is the proxy.
func TestProxyUpstreamGone(t *testing.T) {
	s, p := before(t, "testdata/policy.yaml")
	p.start()
	l := startLoad(t, p.by(s.As(alice, "staff")), shop, 2)
	l.more(50)
	s.Kill()
	from := len(l.answers())
	eventually(t, "requests are answered without an API server", func() error {
		if n := len(l.answers()) - from; n < 20 {
			return fmt.Errorf("%d", n)
		}
		return nil
	})
	s.Restart()
	l.more(50)
	l.end()
	p.stop()
	codes := make(map[int]int)
	for _, code := range l.answers() {
		codes[code]++
	}
	if codes[http.StatusBadGateway]+codes[http.StatusServiceUnavailable] == 0 {
		t.Errorf("no request tells that the API server was away: %v", codes)
	}
	t.Logf("answers by code: %v", codes)
	hasAll(t, p.events(), l.answers(), "RequestReceived", "ResponseComplete")
}

// TestProxyPolicyReload: a new policy is in force while requests run, none of which goes unrecorded; a bad one is refused.
func TestProxyPolicyReload(t *testing.T) {
	s, p := before(t, "testdata/policy.yaml")
	file := filepath.Join(t.TempDir(), "policy.yaml")
	put := func(rules string) {
		t.Helper()
		must(t, os.WriteFile(file+".new", []byte("apiVersion: audit.k8s.io/v1\nkind: Policy\n"+rules), 0o600))
		must(t, os.Rename(file+".new", file))
	}
	put("rules: [{level: RequestResponse}]\n")
	p.args = append(p.args, "--audit-policy-file", file) // the last of a flag counts
	p.start()
	l := startLoad(t, p.by(s.As(alice, "staff")), shop, 2)
	l.more(50)
	inForce := func(level string) {
		t.Helper()
		eventually(t, "the policy is of level "+level, func() error {
			log, err := os.ReadFile(p.log)
			if err != nil {
				return err
			}
			last := bytes.LastIndex(log, []byte(`"resource":"configmaps"`))
			from := bytes.LastIndexByte(log[:last], '\n') + 1
			if !bytes.Contains(log[from:last], []byte(`"level":"`+level+`"`)) {
				return fmt.Errorf("the last event is %.100s", log[from:last])
			}
			return nil
		})
	}
	put("rules: [{level: Metadata}]\n")
	inForce("Metadata") // the file is looked at every few seconds
	put("rules: [{level: Request}]\n")
	must(t, p.cmd.Process.Signal(syscall.SIGHUP)) // or at once
	inForce("Request")
	put("rules: [{level: Everything}]\n")
	must(t, p.cmd.Process.Signal(syscall.SIGHUP))
	eventually(t, "a bad policy is refused", func() error {
		said, err := os.ReadFile(p.said)
		if err != nil || !bytes.Contains(said, []byte("Everything")) {
			return fmt.Errorf("the proxy does not say so: %v", err)
		}
		return nil
	})
	l.more(50)
	inForce("Request")
	l.end()
	p.stop()
	events := p.events()
	hasAll(t, events, l.answers(), "RequestReceived", "ResponseComplete")
	changes := make(map[string]int)
	for _, e := range events {
		if e.str("objectRef", "resource") == "policies" && e.str("verb") == "update" {
			changes[e.code()]++
		}
	}
	if changes["200"] != 2 || changes["422"] == 0 || len(changes) != 2 {
		t.Errorf("events of changes of the policy, by code: %v; wanted two that were made and one that was refused", changes)
	}
}

// TestProxyRefuses: who may not come in leaves one event, and reaches nobody.
func TestProxyRefuses(t *testing.T) {
	s, p := before(t, "testdata/policy.yaml")
	p.start()
	wrong := s.Anonymous()
	wrong.BearerToken = "not-a-token"
	as := func(user string, groups ...string) *rest.Config {
		c := s.As(alice, "staff")
		c.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: groups}
		return c
	}
	login := []string{"ResponseStarted"} // as kube-apiserver records a failed one
	whole := []string{"RequestReceived", "ResponseComplete"}
	cases := []struct {
		id      string
		as      *rest.Config
		code    int
		stages  []string
		reaches bool // the API server
	}{
		{"wrong-token", wrong, http.StatusUnauthorized, login, false},
		{"other-audience", token(t, s), http.StatusUnauthorized, login, false}, // for the API server, not for the proxy
		{"impersonator", as("bob"), http.StatusForbidden, whole, false},
		{"impersonator-of-masters", as("bob", "system:masters"), http.StatusForbidden, whole, false},
		{"master", s.Admin(), http.StatusForbidden, whole, false}, // above all authorization: not by way of a proxy
		{"nobody", s.Anonymous(), http.StatusForbidden, whole, true},
		{"anybody", s.As("bob", "staff"), http.StatusForbidden, whole, true},
		{"alice", s.As(alice, "staff"), http.StatusOK, whole, true},
	}
	for _, c := range cases {
		by := p.by(c.as)
		hc, err := rest.HTTPClientFor(by)
		must(t, err)
		req, err := http.NewRequest(http.MethodGet, by.Host+"/api/v1/namespaces/shop/secrets", nil)
		must(t, err)
		req.Header.Set("Audit-ID", c.id)
		req.Header.Set("X-Remote-User", alice) // believed by nobody
		req.Header.Set("X-Remote-Group", "system:masters")
		resp, err := hc.Do(req)
		must(t, err)
		resp.Body.Close()
		if resp.StatusCode != c.code {
			t.Errorf("%s: %s, wanted %d", c.id, resp.Status, c.code)
		}
	}
	p.stop()
	s.Stop()
	lines, err := s.Log()
	must(t, err)
	ours, theirs := p.events(), stages(parseEvents(t, lines))
	for _, c := range cases {
		var got []string
		for _, e := range ours {
			if e.str("auditID") != c.id {
				continue
			}
			got = append(got, e.str("stage"))
			if e.str("stage") != "RequestReceived" && e.code() != fmt.Sprint(c.code) {
				t.Errorf("%s: %v", c.id, e)
			}
		}
		if !slices.Equal(got, c.stages) {
			t.Errorf("%s: the proxy recorded the stages %q, wanted %q", c.id, got, c.stages)
		}
		if reached := theirs[c.id] != nil; reached != c.reaches {
			t.Errorf("%s: reached the API server: %t", c.id, reached)
		}
	}
}
