package e2e

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"annals.dev/test/e2e/kube"
)

// TestWebhookAlone: an API server delivers again what was not acknowledged. So what it delivers by webhook is whole although
// annals was killed, as long as it is back in time.
func TestWebhookAlone(t *testing.T) {
	a := newAnnals(t)
	a.serve()
	p := a.paste("prod")
	s := kube.Start(t, kube.Options{LogDir: p.logs, Flags: append(p.flags, "--audit-policy-file="+abs(t, "testdata/policy.yaml"), quickRetry)})
	makeShop(t, s)
	a.isKilled(s, a.failDelivery)
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

// TestLogAlone: a log file is followed through rotation and compression, also those that happened while annals was away.
func TestLogAlone(t *testing.T) {
	a := newAnnals(t)
	logs := t.TempDir()
	a.follow = []string{"prod=" + filepath.Join(logs, "audit.log")}
	a.serve()
	s := kube.Start(t, kube.Options{LogDir: logs, Flags: []string{
		"--audit-policy-file=" + abs(t, "testdata/policy.yaml"), "--audit-log-maxsize=2", "--audit-log-compress", keepLogs,
	}})
	makeShop(t, s)
	a.isKilled(s, func() {})
	s.Stop()
	a.isComplete(s)
	if gz, err := filepath.Glob(filepath.Join(logs, "*.gz")); err != nil || len(gz) == 0 {
		t.Errorf("no log was compressed: %v", err)
	}
	a.must("verify")
}

func makeShop(t *testing.T, s *kube.Server) {
	t.Helper()
	_, err := kube.Client(t, s.Admin()).CoreV1().Namespaces().Create(context.Background(), &corev1.Namespace{ObjectMeta: meta(shop)}, metav1.CreateOptions{})
	must(t, err)
}

// isKilled kills annals three times while the API server is kept busy, and each time lets it be away until something has
// happened and the log was rotated.
func (a *annals) isKilled(s *kube.Server, something func()) {
	var done atomic.Int64
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- churn(ctx, kube.Client(a.t, s.Admin()), &done) }()
	more := func(n int64) {
		a.t.Helper()
		from := done.Load()
		eventually(a.t, "requests are answered", func() error {
			if did := done.Load() - from; did < n {
				return fmt.Errorf("%d of %d", did, n)
			}
			return nil
		})
	}
	for range 3 {
		more(100)
		a.kill()
		something()
		more(100)
		a.serve()
	}
	more(100)
	stop()
	must(a.t, <-ended)
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
