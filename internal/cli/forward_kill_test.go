package cli

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// daemon is a command that goes on until it is ended.
type daemon struct {
	t    *testing.T
	cmd  *exec.Cmd
	said chan struct{} // closed once its output has ended
}

// start runs a command, and returns once it has said what it says when it is ready.
func start(t *testing.T, env []string, ready string, args ...string) *daemon {
	t.Helper()
	cmd := exec.Command("annals", args...)
	cmd.Env = env
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d := &daemon{t, cmd, make(chan struct{})}
	t.Cleanup(func() {
		if d.cmd.ProcessState == nil {
			d.end(syscall.SIGKILL)
		}
	})
	lines := bufio.NewReader(out)
	var log strings.Builder
	for {
		line, err := lines.ReadString('\n')
		log.WriteString(line)
		if strings.Contains(line, ready) {
			break
		}
		if err != nil {
			close(d.said)
			t.Fatalf("annals %s did not start: %v\n%s", strings.Join(args, " "), cmd.Wait(), log.String())
		}
	}
	go func() {
		defer close(d.said)
		io.Copy(io.Discard, lines)
	}()
	return d
}

func (d *daemon) end(s os.Signal) {
	d.t.Helper()
	d.cmd.Process.Signal(s)
	<-d.said
	if err := d.cmd.Wait(); err != nil && s != syscall.SIGKILL {
		d.t.Errorf("%s: %v", strings.Join(d.cmd.Args, " "), err)
	}
}

// node is a control-plane node: a log file, and a forward that follows it.
type node struct {
	*daemon
	t      *testing.T
	name   string
	dir    string
	env    []string
	config string
	lines  []string // that are to arrive
}

func (n *node) log() string { return filepath.Join(n.dir, "log", "audit.log") }

func (n *node) start() {
	n.t.Helper()
	n.daemon = start(n.t, n.env, "forwarding", "forward", n.log(), "--kubeconfig", n.config,
		"--data", filepath.Join(n.dir, "data"), "--node", n.name, "--metrics-listen", "127.0.0.1:0")
}

// write appends to the log, as an API server does.
func (n *node) write(text string) {
	n.t.Helper()
	f, err := os.OpenFile(n.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		n.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		n.t.Fatal(err)
	}
}

// events writes events, a line each.
func (n *node) events(count int) {
	n.t.Helper()
	var text strings.Builder
	for range count {
		i := len(n.lines)
		line := fmt.Sprintf(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Request","auditID":"%s-%d","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/prod/configmaps/c","verb":"update","user":{"username":"jane"},"sourceIPs":["192.0.2.7"],"objectRef":{"resource":"configmaps","namespace":"prod","name":"c","apiVersion":"v1"},"responseStatus":{"metadata":{},"code":200},"requestObject":{"k":%q},"requestReceivedTimestamp":%q,"stageTimestamp":%[4]q}`,
			n.name, i, strings.Repeat("x", i%300), time.UnixMilli(1795222440000+int64(i)).UTC().Format("2006-01-02T15:04:05.000000Z"))
		n.lines = append(n.lines, line)
		text.WriteString(line + "\n")
	}
	n.write(text.String())
}

// odd writes a line that is not an event.
func (n *node) odd(text string) {
	n.lines = append(n.lines, text)
	n.write(text + "\n")
}

// rotate puts the log aside and begins another, as an API server does.
func (n *node) rotate(stamp string) {
	n.t.Helper()
	if err := os.Rename(n.log(), strings.TrimSuffix(n.log(), ".log")+"-"+stamp+".log"); err != nil {
		n.t.Fatal(err)
	}
	n.write("")
}

var forwardKubeconfig = regexp.MustCompile(`(?ms)^cat > /etc/annals/forward.yaml <<'EOF'\n(.*?)^EOF$`)

// TestThreeNodesOneLedger has three nodes write logs, of which one ledger is to hold every line exactly once, while the server
// and the forwards are killed, files are rotated, cut and deleted.
func TestThreeNodesOneLedger(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "ledger")
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "ANNALS_DATA=" + data}
	at := closedAddress(t)
	out, code := shell(t, dir, env, "annals init >/dev/null 2>&1 && annals setup forward --cluster prod --server https://"+at+" 2>/dev/null")
	config := forwardKubeconfig.FindStringSubmatch(out)
	if code != 0 || config == nil {
		t.Fatalf("setup: exit %d: %s", code, out)
	}
	nodes := make([]*node, 3)
	for i := range nodes {
		n := &node{t: t, name: fmt.Sprintf("cp-%d", i+1), dir: filepath.Join(dir, fmt.Sprint("node", i)), env: env[:2], config: filepath.Join(dir, "forward.yaml")}
		nodes[i] = n
		if err := os.MkdirAll(filepath.Dir(n.log()), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(nodes[0].config, []byte(config[1]), 0o600); err != nil {
		t.Fatal(err)
	}
	serve := func() *daemon { return start(t, env, "webhook=", "serve", "--listen", at, "--http", "") }
	all := func(f func(n *node)) {
		for _, n := range nodes {
			f(n)
		}
	}

	server := serve()
	all(func(n *node) { n.events(100) })
	all((*node).start)
	all(func(n *node) { n.events(100) })
	// A half line in a file that is rotated will never be whole.
	half := `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"half","stage":"ResponseComplete","verb":"get","requestURI":"/`
	nodes[0].lines = append(nodes[0].lines, half)
	nodes[0].write(half)
	all(func(n *node) { n.rotate("2026-11-21T00-00-00.000") })
	all(func(n *node) { n.events(50) })

	server.end(syscall.SIGKILL)
	all(func(n *node) { n.events(200) })
	all(func(n *node) { n.odd("this is no event, said " + n.name) })
	nodes[1].end(syscall.SIGKILL)
	nodes[2].end(syscall.SIGTERM)
	all(func(n *node) { n.events(200) })
	nodes[1].start()
	nodes[2].start()
	all(func(n *node) { n.odd(`{"level":"error","by":"` + n.name + `"}`) })
	all(func(n *node) { n.events(10) })

	server = serve()
	all(func(n *node) { n.events(200) })
	server.end(syscall.SIGKILL)
	nodes[0].end(syscall.SIGKILL)
	nodes[0].start()
	server = serve()
	all(func(n *node) { n.rotate("2026-11-21T00-00-01.000") })
	all(func(n *node) { n.events(100) })

	var want []string
	for _, n := range nodes {
		want = append(want, n.lines...)
	}
	slices.Sort(want)
	lines, _ := awaitLines(t, env, func(lines, _ []string) bool { return len(lines) >= len(want) })
	slices.Sort(lines)
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("%d lines, want %d: %.4000s", len(lines), len(want), diff)
	}
	// What happens to a file is an event of the cluster.
	if err := os.Truncate(nodes[2].log(), 0); err != nil {
		t.Fatal(err)
	}
	_, ours := awaitLines(t, env, func(_, ours []string) bool { return len(ours) > 0 })
	if len(ours) != 1 || !strings.Contains(ours[0], "truncated") || !strings.Contains(ours[0], `"annals.dev/host":"cp-3"`) {
		t.Errorf("of what happened to the files, the ledger has %q", ours)
	}
	all(func(n *node) { n.end(syscall.SIGTERM) })
	out, code = shell(t, dir, env, "annals sql 'SELECT DISTINCT origin FROM events ORDER BY 1' -o csv 2>/dev/null")
	if code != 0 || strings.Join(strings.Fields(out), " ") != "origin webhook/cp-1 webhook/cp-2 webhook/cp-3" {
		t.Errorf("origins: exit %d, %s", code, out)
	}
	server.end(syscall.SIGTERM)
	if out, code := shell(t, dir, env, "annals verify"); code != 0 {
		t.Errorf("verify: exit %d\n%s", code, out)
	}
}

// awaitLines asks until enough has arrived, or it has taken too long.
func awaitLines(t *testing.T, env []string, enough func(lines, ours []string) bool) (lines, ours []string) {
	t.Helper()
	for deadline := time.Now().Add(50 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		lines, ours = arrivedLines(t, env)
		if enough(lines, ours) || time.Now().After(deadline) {
			return lines, ours
		}
	}
}

// arrivedLines are the bytes of all events of the cluster, and apart from them those of the follower itself.
func arrivedLines(t *testing.T, env []string) (lines, ours []string) {
	t.Helper()
	cmd := exec.Command("annals", "search", "--cluster", "prod", "--limit", "0", "-o", "raw")
	cmd.Env = env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && out.Len() > 0 {
		t.Fatalf("search: %v\n%s", err, errs.String())
	}
	for line := range strings.Lines(out.String()) {
		line = strings.TrimSuffix(line, "\n")
		if strings.Contains(line, `"username":"annals:follower"`) {
			ours = append(ours, line)
		} else {
			lines = append(lines, line)
		}
	}
	return lines, ours
}

// closedAddress is one at which nobody listens, and a server may.
func closedAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
