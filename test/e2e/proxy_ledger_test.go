package e2e

import (
	"fmt"
	"os"
	"path/filepath"
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

// TestProxyOutage: the server to which the proxy delivers by webhook is away, and the proxy itself is killed with a spool that is
// full of what it could not deliver. In the end every event is in the ledger once, of every request that was answered.
func TestProxyOutage(t *testing.T) {
	a := newAnnals(t)
	a.serve()
	pasted := a.paste("prod")
	config, err := filepath.Glob(filepath.Join(pasted.dir, "*kubeconfig*"))
	must(t, err)
	if len(config) != 1 {
		t.Fatalf("annals setup makes no webhook's kubeconfig, or several: %q", config)
	}
	s, p := before(t, "testdata/policy.yaml", "--audit-webhook-config-file", config[0], "--audit-webhook-spool-dir", filepath.Join(t.TempDir(), "spool"), quickRetry)
	p.start()
	l := startLoad(t, p.by(s.As(alice, "staff")), shop, 4)
	l.more(100)
	a.kill()
	away := time.Now()
	for time.Since(away) < outage(t) {
		l.more(50)
	}
	p.kill()
	p.start()
	l.more(50)
	for time.Since(away) < 2*outage(t) {
		l.more(50)
	}
	a.serve()
	l.more(100)
	l.end()
	p.stop()
	lines, err := kube.ReadLog(p.log)
	must(t, err)
	hasAll(t, parseEvents(t, lines), l.answers(), "RequestReceived", "ResponseComplete")
	a.holds(lines)
	a.must("verify")
}

// holds fails the test unless each of these lines is in the ledger once.
func (a *annals) holds(lines [][]byte) {
	a.t.Helper()
	var missing []string
	eventually(a.t, "the ledger has every line of the log", func() error {
		missing = nil
		got := a.records()
		for _, l := range lines {
			switch n := got[record(l)]; n {
			case 1:
			case 0:
				missing = append(missing, string(l[:min(len(l), 300)]))
			default:
				a.t.Fatalf("%d times in the ledger: %.1000s", n, l)
			}
		}
		if len(missing) > 0 {
			return fmt.Errorf("%d of %d are missing: %s", len(missing), len(lines), strings.Join(missing[:min(3, len(missing))], "\n"))
		}
		return nil
	})
	a.t.Logf("%d events", len(lines))
}
