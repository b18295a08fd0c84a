package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"annals.dev/test/e2e/kube"
)

// record is one event, in the form that the webhook's and the log's copies of it have in common.
func record(b []byte) string {
	const head = `{"kind":"Event","apiVersion":"audit.k8s.io/v1",`
	if rest, ok := bytes.CutPrefix(b, []byte(head)); ok {
		return "{" + string(rest)
	}
	return string(b)
}

// TestComplete holds the ledger against the API server's own audit log, while both ways of delivery are at work, the log is
// rotated and compressed every few megabytes, and annals is killed again and again.
func TestComplete(t *testing.T) {
	a := newAnnals(t)
	p := a.paste("prod")
	log := filepath.Join(p.logs, "audit.log")
	a.follow = []string{"prod=" + log}
	a.serve()
	s := kube.Start(t, kube.Options{LogDir: p.logs, Flags: append(p.flags,
		"--audit-policy-file="+abs(t, "testdata/policy.yaml"), // everything, and most of it whole
		"--audit-log-maxsize=4", "--audit-log-maxbackup=1000", // nothing may be gone before the end
		"--audit-webhook-initial-backoff=1s", // that is the wait after a failed delivery, ten seconds by default
	)})
	drive(t, s)
	t.Run("two origins", func(t *testing.T) { a.holdsTwice(t, s) })
	t.Run("found", func(t *testing.T) { a.finds(t, s) })
	t.Run("chosen ID", func(t *testing.T) { a.seesConflict(t) })
	t.Run("killed", func(t *testing.T) { a.isKilled(t, s) })
	t.Run("nothing dropped", func(t *testing.T) { nothingDropped(t, s) })
	s.Stop()
	t.Run("complete", func(t *testing.T) { a.isComplete(t, s) })
	t.Run("proven", func(t *testing.T) { a.proves(t) })
}

// quickRetry is the API server's wait after a failed delivery, ten seconds by default.
const quickRetry = "--audit-webhook-initial-backoff=1s"

func abs(t *testing.T, path string) string {
	t.Helper()
	p, err := filepath.Abs(path)
	must(t, err)
	return p
}

// holdsTwice: once the webhook and the file have each brought every event, nothing was accepted twice. Nothing was delivered
// again so far, so the counts tell it.
func (a *annals) holdsTwice(t *testing.T, s *kube.Server) {
	count := func(source, outcome string) int {
		return a.counted("annals_source_events_total", `cluster="prod"`, fmt.Sprintf("source=%q", source), fmt.Sprintf("outcome=%q", outcome))
	}
	eventually(t, "webhook and file have brought every line of the log", func() error {
		lines, err := s.Log()
		if err != nil {
			return err
		}
		first, again := count("webhook", "accepted"), count("webhook", "duplicate")
		fileFirst, fileAgain := count("file", "accepted"), count("file", "duplicate")
		n := len(lines)
		if first+again != n || fileFirst+fileAgain != n || first+fileFirst != n {
			return fmt.Errorf("%d lines in the log; webhook: %d first, %d again; file: %d first, %d again", n, first, again, fileFirst, fileAgain)
		}
		return nil
	})
}

// finds asks what a person would, of events that were made a moment ago.
func (a *annals) finds(t *testing.T, s *kube.Server) {
	out, complaint, err := s.Kubectl(s.Admin(), "", "create", "secret", "generic", "fresh", "-n", shop, "--from-literal=k=v")
	if err != nil {
		t.Fatal(err, out, complaint)
	}
	a.soonFinds(t, "verb:create resource:secrets name:fresh")
	for query, least := range map[string]int{
		"verb:create resource:secrets ns:shop": 3,
		"code:401":                             3,
		"user:bob code:403":                    2,
		"user:system:anonymous resource:secrets code:403":           1,
		"impersonatedUser.username:bob":                             2,
		"verb:deletecollection resource:configmaps":                 1,
		"subresource:exec":                                          1,
		"user:system:serviceaccount:shop:till resource:secrets":     2,
		"resource:clusterrolebindings name:mallory cluster-admin":   1,
		`resource:pods verb:create hostPath privileged`:             1,
		"auditID:chosen-by-the-client verb:get resource:secrets":    1,
		"auditID:chosen-by-the-client verb:delete resource:secrets": 1,
		"resource:namespaces verb:create 漢字":                        1,
		"ip:203.0.113.9":                                            1,
	} {
		if err := a.answers(query, least); err != nil {
			t.Error(err)
		}
	}
}

// soonFinds asks until the one event that there must be is found, and tells how long that took.
func (a *annals) soonFinds(t *testing.T, query string) {
	t.Helper()
	begun := time.Now()
	eventually(t, "found: "+query, func() error { return a.answers(query, 1) })
	now := time.Now()
	var row struct {
		Origin   string
		Received time.Time
	}
	must(t, json.Unmarshal(a.lines("search", "--cluster", "prod", "-o", "jsonl", query)[0], &row))
	t.Logf("annals search %s: found %d ms after it was delivered by %s, %d ms after kubectl had ended",
		query, now.Sub(row.Received).Milliseconds(), row.Origin, now.Sub(begun).Milliseconds())
}

// seesConflict: an audit ID is the client's to choose, so who gives two requests the same one hides neither.
func (a *annals) seesConflict(t *testing.T) {
	var marks []string
	rows := a.lines("search", "--cluster", "prod", "-o", "jsonl", "auditID:chosen-by-the-client stage:ResponseComplete")
	for _, l := range rows {
		var row struct{ Marks []string }
		must(t, json.Unmarshal(l, &row))
		marks = append(marks, row.Marks...)
	}
	if len(rows) != 2 || !slices.Equal(marks, []string{"conflict"}) {
		t.Errorf("%d events under the chosen audit ID, marked %q; wanted 2, one of them marked as a conflict", len(rows), marks)
	}
}

// answers asks a question and counts what comes back.
func (a *annals) answers(query string, least int) error {
	out, said, code := a.run("search", "--cluster", "prod", "-o", "jsonl", "--limit", "0", query)
	if n := bytes.Count(out, []byte("\n")); code != 0 || n < least {
		return fmt.Errorf("annals search %s: exit %d, %d events, at least %d expected: %s", query, code, n, least, said)
	}
	return nil
}

// isKilled kills annals three times while the API server is kept busy, and each time lets it be away until a delivery has
// failed and the log was rotated.
func (a *annals) isKilled(t *testing.T, s *kube.Server) {
	var done atomic.Int64
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- churn(ctx, kube.Client(t, s.Admin()), &done) }()
	more := func(n int64) {
		t.Helper()
		from := done.Load()
		eventually(t, "requests are answered", func() error {
			if did := done.Load() - from; did < n {
				return fmt.Errorf("%d of %d", did, n)
			}
			return nil
		})
	}
	for range 3 {
		more(100)
		a.kill()
		a.failDelivery()
		more(100)
		a.serve()
	}
	more(100)
	stop()
	must(t, <-ended)
}

// failDelivery stands in for annals until the API server has tried to deliver to it.
func (a *annals) failDelivery() {
	a.t.Helper()
	l, err := net.Listen("tcp", a.listen)
	must(a.t, err)
	defer l.Close()
	must(a.t, l.(*net.TCPListener).SetDeadline(time.Now().Add(time.Minute)))
	c, err := l.Accept()
	if err != nil {
		a.t.Fatalf("the API server did not try to deliver: %v", err)
	}
	c.Close()
}

// churn writes and deletes until it is told to stop. A hundred requests make about four megabytes of audit log.
func churn(ctx context.Context, cs *kubernetes.Clientset, done *atomic.Int64) error {
	for i := 0; ctx.Err() == nil; i++ {
		name, data := fmt.Sprintf("churn-%d", i), "small"
		if i%5 == 0 {
			data = strings.Repeat("x", 200_000)
		}
		for _, do := range []func() error{
			func() error {
				_, err := cs.CoreV1().ConfigMaps(shop).Create(context.Background(), &corev1.ConfigMap{
					ObjectMeta: meta(name), Data: map[string]string{"data": data},
				}, metav1.CreateOptions{})
				return err
			},
			func() error {
				return cs.CoreV1().ConfigMaps(shop).Delete(context.Background(), name, metav1.DeleteOptions{})
			},
		} {
			if err := do(); err != nil {
				return err
			}
			done.Add(1)
		}
	}
	return nil
}

// nothingDropped: the API server has given up on no batch, so what it delivered by webhook is whole as well.
func nothingDropped(t *testing.T, s *kube.Server) {
	hc, err := rest.HTTPClientFor(s.Admin())
	must(t, err)
	text, err := fetch(hc, s.URL+"/metrics")
	must(t, err)
	if n := sum(t, text, "apiserver_audit_error_total"); n != 0 {
		t.Errorf("the API server dropped %d events", n)
	}
	if n := sum(t, text, "apiserver_audit_event_total"); n == 0 {
		t.Error("the API server counts no audit events")
	}
}

// records are all events of the ledger, and how often each is there.
func (a *annals) records() map[string]int {
	a.t.Helper()
	got := make(map[string]int)
	for _, e := range a.lines("search", "--cluster", "prod", "-o", "raw", "--limit", "0") {
		got[record(e)]++
	}
	return got
}

// isComplete: every line of the API server's log is in the ledger once, byte for byte, and nothing else is.
func (a *annals) isComplete(t *testing.T, s *kube.Server) {
	lines, err := s.Log()
	must(t, err)
	want := make(map[string]int, len(lines))
	size := 0
	for _, l := range lines {
		want[record(l)]++
		size += len(l)
	}
	if len(want) != len(lines) {
		t.Fatalf("the API server's log has %d lines, only %d of them different", len(lines), len(want))
	}
	var got map[string]int
	eventually(t, "the ledger has as many events as the log", func() error {
		got = a.records()
		if len(got) < len(want) {
			return fmt.Errorf("%d events, the log has %d", len(got), len(want))
		}
		return nil
	})
	for r := range got {
		if want[r] == 0 {
			want[r] = -1
		}
	}
	wrong := 0
	for r, n := range want {
		if got[r] == n {
			continue
		}
		if wrong++; wrong <= 10 {
			t.Errorf("%d times in the ledger, %d times in the API server's log: %.1000s", got[r], max(n, 0), r)
		}
	}
	if wrong > 10 {
		t.Errorf("and %d more", wrong-10)
	}
	t.Logf("%d events, %.1f MB", len(lines), float64(size)/1e6)
}

// proves: the ledger is as it was recorded, with the server running and without; a proof and a checkpoint hold.
func (a *annals) proves(t *testing.T) {
	dir := t.TempDir()
	proof, checkpoint := filepath.Join(dir, "proof.json"), filepath.Join(dir, "checkpoint")
	a.must("verify")
	a.must("checkpoint", "--cluster", "prod", "--out", checkpoint)
	var first struct {
		Event struct{ AuditID string }
	}
	must(t, json.Unmarshal(a.lines("search", "-o", "jsonl", "--limit", "1", "verb:create resource:secrets")[0], &first))
	a.must("prove", "--cluster", "prod", first.Event.AuditID, "--out", proof)
	a.must("verify", proof)
	a.stop()
	a.must("verify", "--against", checkpoint)
}

// TestWebhookAlone: an API server delivers again what was not acknowledged. So what it delivers by webhook is whole although
// annals was killed, as long as it is back in time.
func TestWebhookAlone(t *testing.T) {
	a := newAnnals(t)
	a.serve()
	p := a.paste("prod")
	s := kube.Start(t, kube.Options{LogDir: p.logs, Flags: append(p.flags, "--audit-policy-file="+abs(t, "testdata/policy.yaml"), quickRetry)})
	_, err := kube.Client(t, s.Admin()).CoreV1().Namespaces().Create(context.Background(), &corev1.Namespace{ObjectMeta: meta(shop)}, metav1.CreateOptions{})
	must(t, err)
	a.isKilled(t, s)
	lines, err := s.Log()
	must(t, err)
	eventually(t, "the webhook has brought every line of the log", func() error {
		got, missing := a.records(), 0
		for r, n := range got {
			if n != 1 {
				t.Fatalf("%d times in the ledger: %.1000s", n, r)
			}
		}
		for _, l := range lines {
			missing += 1 - got[record(l)]
		}
		if missing > 0 {
			return fmt.Errorf("%d of %d are missing", missing, len(lines))
		}
		return nil
	})
	nothingDropped(t, s)
	t.Logf("%d events", len(lines))
	a.must("verify")
}

// TestFirstMinutes does what a new user does, and only that: setup's own policy and flags, the webhook alone, then the log file
// for what the webhook could not bring.
func TestFirstMinutes(t *testing.T) {
	a := newAnnals(t)
	a.serve()
	p := a.paste("prod")
	s := kube.Start(t, kube.Options{LogDir: p.logs, Flags: p.flags})
	if _, complaint, err := s.Kubectl(s.Admin(), "", "create", "secret", "generic", "first", "--from-literal=k=v"); err != nil {
		t.Fatal(err, complaint)
	}
	a.soonFinds(t, "verb:create resource:secrets name:first")
	if page, err := fetch(http.DefaultClient, "http://"+a.http+"/"); err != nil || !bytes.Contains([]byte(page), []byte("prod")) {
		t.Errorf("the page of the server's state does not show the cluster: %v\n%s", err, page)
	}
	a.must("verify")
	// What happens while the API server stops comes after its webhook has: it is in the log alone.
	s.Stop()
	a.must("import", "--cluster", "prod", p.logs)
	a.isComplete(t, s)
	a.stop()
	a.must("verify")
}
