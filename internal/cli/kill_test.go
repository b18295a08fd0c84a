package cli

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// killed is a server that is killed again and again, and what it acknowledged.
type killed struct {
	t     *testing.T
	data  string
	token string
	hc    *http.Client

	mu           sync.Mutex
	acknowledged map[string]bool // audit IDs
	next         int
}

// TestKills kills a real server under load with SIGKILL, ANNALS_KILLS times or a few: what it acknowledged is there, once, and
// everything verifies.
func TestKills(t *testing.T) {
	kills := 3
	if s := os.Getenv("ANNALS_KILLS"); s != "" {
		var err error
		if kills, err = strconv.Atoi(s); err != nil {
			t.Fatalf("ANNALS_KILLS=%q is no number", s)
		}
	}
	dir := t.TempDir()
	k := &killed{t: t, data: filepath.Join(dir, "data"), acknowledged: map[string]bool{}}
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "ANNALS_DATA=" + k.data}
	out, code := shell(t, dir, env, "annals init >/dev/null 2>&1 && annals token create --cluster prod 2>/dev/null")
	if code != 0 {
		t.Fatalf("init: exit %d: %s", code, out)
	}
	k.token = strings.TrimSpace(out)
	ca, err := os.ReadFile(filepath.Join(k.data, "pki", "server-ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	k.hc = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}, Timeout: 20 * time.Second}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for n := range kills {
		k.life(env, time.Duration(50+rng.IntN(600))*time.Millisecond)
		if n%20 == 19 || n == kills-1 {
			k.check(dir, env)
		}
	}
	t.Logf("%d events acknowledged over %d kills", len(k.acknowledged), kills)
}

var webhookAddress = regexp.MustCompile(`webhook=(\S+)`)

// life starts the server, delivers to it from several sides, and kills it after a while.
func (k *killed) life(env []string, long time.Duration) {
	k.t.Helper()
	cmd := exec.Command("annals", "serve", "--listen", "127.0.0.1:0", "--http", "")
	cmd.Env = env
	said, err := cmd.StderrPipe()
	if err != nil {
		k.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	var at string
	lines := bufio.NewScanner(said)
	var log []string
	for at == "" && lines.Scan() {
		log = append(log, lines.Text())
		if m := webhookAddress.FindStringSubmatch(lines.Text()); m != nil {
			at = m[1]
		}
	}
	if at == "" {
		k.t.Fatalf("the server did not start: %v\n%s", cmd.Wait(), strings.Join(log, "\n"))
	}
	go io.Copy(io.Discard, said)
	ctx, cancel := context.WithCancel(k.t.Context())
	var wg sync.WaitGroup
	for side := range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				k.deliver(ctx, at, side)
			}
		})
	}
	time.Sleep(long) // the moment of the kill is what is random
	for deadline := time.Now().Add(time.Minute); k.nothing() && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	cmd.Process.Kill()
	cancel()
	wg.Wait()
	cmd.Wait()
	k.hc.CloseIdleConnections()
}

// nothing says that no event was acknowledged yet: a kill now would prove nothing.
func (k *killed) nothing() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.acknowledged) == 0
}

// deliver posts a batch, and remembers its events if it was acknowledged.
func (k *killed) deliver(ctx context.Context, at string, side int) {
	k.mu.Lock()
	first := k.next
	k.next += 20
	k.mu.Unlock()
	var body bytes.Buffer
	var ids []string
	body.WriteString(`{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[`)
	for i := first; i < first+20; i++ {
		if i > first {
			body.WriteByte(',')
		}
		id := fmt.Sprintf("00000000-0000-4000-8000-%012d", i)
		ids = append(ids, id)
		fmt.Fprintf(&body, `{"level":"Request","auditID":%q,"stage":"ResponseComplete","requestURI":"/api/v1/namespaces/prod/configmaps/c%d","verb":"update","user":{"username":"jane"},"sourceIPs":["192.0.2.7"],"objectRef":{"resource":"configmaps","namespace":"prod","name":"c%d","apiVersion":"v1"},"responseStatus":{"metadata":{},"code":200},"requestObject":{"data":{"k":%q}},"requestReceivedTimestamp":%q,"stageTimestamp":%[5]q}`,
			id, i%50, i%50, strings.Repeat("x", i%500), time.UnixMilli(1795222440000+int64(i)).UTC().Format("2006-01-02T15:04:05.000000Z"))
	}
	body.WriteString("]}\n")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("https://%s/v1/audit/prod/cp-%d", at, side), &body)
	if err != nil {
		k.t.Error(err)
		return
	}
	req.Header.Set("Authorization", "Bearer "+k.token)
	resp, err := k.hc.Do(req)
	if err != nil {
		return // killed; nothing was acknowledged
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, id := range ids {
		k.acknowledged[id] = true
	}
}

// check asks the directory, which has no server at the moment.
func (k *killed) check(dir string, env []string) {
	k.t.Helper()
	if out, code := shell(k.t, dir, env, "annals verify"); code != 0 {
		k.t.Fatalf("verify: exit %d\n%s", code, out)
	}
	cmd := exec.Command("annals", "search", "--cluster", "prod", "--limit", "0", "-o", "jsonl")
	cmd.Env = env
	out, err := cmd.Output()
	if err != nil {
		k.t.Fatal(err)
	}
	seen := map[string]int{}
	for line := range bytes.Lines(out) {
		var e struct{ Event struct{ AuditID string } }
		if err := json.Unmarshal(line, &e); err != nil {
			k.t.Fatal(err)
		}
		seen[e.Event.AuditID]++
	}
	for id, n := range seen {
		if n > 1 {
			k.t.Errorf("event %s is there %d times", id, n)
		}
	}
	for id := range k.acknowledged {
		if seen[id] == 0 {
			k.t.Errorf("event %s was acknowledged and is missing", id)
		}
	}
	if len(k.acknowledged) == 0 {
		k.t.Error("nothing was acknowledged: the test proves nothing")
	}
}
