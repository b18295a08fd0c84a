package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"annals.dev/test/e2e/kube"
)

// TestProxyIntoLedger: the proxy keeps what it records in a ledger of its own, beside its log: every line is there once, found,
// and proven.
func TestProxyIntoLedger(t *testing.T) {
	a := newAnnals(t)
	s, p := before(t, "testdata/policy.yaml")
	p.args = append([]string{"--data", a.data}, append(p.args, "--cluster", "prod")...)
	p.start()
	k := kube.StartKubelet(t, s, kube.Client(t, s.Admin()))
	w := newWork(t, s, k, p.by(s.As(alice, "staff")), "ledger")
	w.objects()
	w.pods("WebSocket")
	for query, least := range map[string]int{
		"verb:create resource:secrets ns:ledger user:alice": 1,
		"subresource:exec code:101":                         4,
		"subresource:portforward":                           1,
	} {
		eventually(t, "found: "+query, func() error { return a.answers(query, least) })
	}
	p.stop()
	lines, err := kube.ReadLog(p.log)
	must(t, err)
	a.holds(lines)
	a.must("verify")
}

// outage is how long annals serve is away in TestProxyOutage; ANNALS_OUTAGE sets another time.
func outage(t *testing.T) time.Duration {
	t.Helper()
	v := os.Getenv("ANNALS_OUTAGE")
	if v == "" {
		return 3 * time.Second
	}
	d, err := time.ParseDuration(v)
	if err != nil {
		t.Fatalf("ANNALS_OUTAGE is no duration such as 2m: %v", err)
	}
	return d
}

// TestProxyOutage: the server to which the proxy delivers by webhook is away, and the proxy itself is killed with a spool full of
// what it could not deliver. In the end every event of every request that was answered is in the ledger once, as in the log file.
func TestProxyOutage(t *testing.T) {
	a := newAnnals(t)
	a.serve()
	s, p := before(t, "testdata/policy.yaml", "--audit-webhook-config-file", filepath.Join(a.paste("prod").dir, "webhook.yaml"),
		"--audit-webhook-mode=blocking", // in batch, a kill may lose what is on its way to the spool
		"--audit-webhook-spool-directory", filepath.Join(t.TempDir(), "spool"), quickRetry)
	p.start()
	l := startLoad(t, p.by(s.As(alice, "staff")), shop, 4)
	l.more(100)
	a.kill()
	for away := time.Now(); time.Since(away) < outage(t); {
		l.more(50)
	}
	p.kill()
	p.start()
	for away := time.Now(); time.Since(away) < outage(t); {
		l.more(50)
	}
	a.serve()
	l.more(100)
	l.end()
	if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid)); err == nil { // where there is such a file
		t.Logf("the proxy's memory at its highest: %s", regexp.MustCompile(`VmHWM:\s*(.*)`).FindSubmatch(status)[1])
	}
	p.stop()
	p.start() // delivers what is left
	events, lines := p.answered(l.answers())
	hasAll(t, events, l.answers(), "RequestReceived", "ResponseComplete")
	a.holds(lines)
	a.must("verify")
}

// answered are the events in the proxy's log of requests that were answered, also as lines.
func (p *proxy) answered(answers map[string]int) (events []audited, lines [][]byte) {
	p.t.Helper()
	all, err := kube.ReadLog(p.log)
	must(p.t, err)
	for _, line := range all {
		if !json.Valid(line) {
			continue // cut by a kill
		}
		e := parseEvents(p.t, [][]byte{line})[0]
		if _, ok := answers[e.str("auditID")]; ok {
			events, lines = append(events, e), append(lines, line)
		}
	}
	return events, lines
}

// holds fails the test unless each of these lines is in the ledger once.
func (a *annals) holds(lines [][]byte) {
	a.t.Helper()
	var missing []string
	eventually(a.t, "the ledger has every line of the log", func() error {
		missing = nil
		got := a.records()
		for r, n := range got {
			if n != 1 {
				a.t.Fatalf("%d times in the ledger: %.1000s", n, r)
			}
		}
		for _, l := range lines {
			if got[record(l)] == 0 {
				missing = append(missing, string(l[:min(len(l), 300)]))
			}
		}
		if len(missing) > 0 {
			return fmt.Errorf("%d of %d are missing: %s", len(missing), len(lines), strings.Join(missing[:min(3, len(missing))], "\n"))
		}
		return nil
	})
	a.t.Logf("%d events", len(lines))
}
