package e2e

import (
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"annals.dev/test/e2e/kube"
)

// TestWatchProbes: what no audit event tells is found all the same. Nothing is told while all is well; then the policy's file is
// changed, the API server is cut off until it has dropped events, and at last it ends.
func TestWatchProbes(t *testing.T) {
	t.Parallel() // with TestWatch: both wait most of the time
	a := newAnnals(t)
	g := newGate(t, a.listen)
	behind := *a
	behind.listen = g.addr()
	p := behind.paste("prod")
	dir := t.TempDir()
	policy, token := dir+"/policy.yaml", dir+"/token"
	rewrite := func(level string) {
		must(t, os.WriteFile(policy, []byte("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: "+level+"}]\n"), 0o600))
	}
	rewrite("Metadata")
	// Who cannot deliver drops after a second what is otherwise dropped after a minute and a half.
	s := kube.Start(t, kube.Options{LogDir: t.TempDir(), Flags: append(p.flags, "--audit-policy-file="+policy, "--audit-webhook-initial-backoff=100ms")})
	admin := kube.Client(t, s.Admin())
	a.watches(fmt.Sprintf(`
silence: {after: 5s}
probes:
  policies: [%q]
  counters:
  - {cluster: prod, url: "%s/metrics", tokenFile: %q, caFile: %q, within: 5s}
`, policy, s.URL, token, s.CA()))
	a.serve()
	letRead(t, admin, token)

	asked := `user:system:serviceaccount:kube-system:annals uri:/metrics code:200`
	eventually(t, "the counters were compared several times", func() error { return a.answers(asked, 8) })
	eventually(t, "the policy's file was looked at", func() error {
		if _, said, code := a.run("search", "--cluster", "annals", "--fail-if-any", "verb:create resource:policyfiles"); code != 5 {
			return fmt.Errorf("exit %d: %s", code, said)
		}
		return nil
	})
	a.foundByProbes()
	rewrite("Request")

	g.shut()
	for i := range 100 {
		_, err := admin.CoreV1().ConfigMaps("default").Create(ctx, &corev1.ConfigMap{ObjectMeta: meta(fmt.Sprint("c-", i))}, metav1.CreateOptions{})
		must(t, err)
	}
	eventually(t, "the API server has dropped events, and its silence is told", func() error {
		if n := dropped(t, s); n < 100 {
			return fmt.Errorf("%d dropped", n)
		}
		return a.hasRules("gaps-silent")
	})
	g.open()
	eventually(t, "what is missing is told", func() error {
		return a.hasRules("gaps-silent", "events-missing", "api-server-lost-events", "audit-policy-file-changed")
	})
	rewrite("None")
	s.Stop()
	eventually(t, "the end of the API server is told", func() error {
		all, err := a.findings("--rule", "gaps-silent")
		if err == nil && len(all) < 2 {
			err = fmt.Errorf("%d times silent", len(all))
		}
		return err
	})
	eventually(t, "a policy that records nothing is told", func() error { return a.hasRules("audit-policy-file-emptied") })
	a.stop()
}

// foundByProbes: what is found by what is not an event.
func (a *annals) foundByProbes(want ...string) {
	a.t.Helper()
	got, err := a.probed()
	must(a.t, err)
	if !slices.Equal(got, want) {
		a.t.Errorf("found by probes: %q, wanted %q", got, want)
	}
}

func (a *annals) probed() (rules []string, err error) {
	all, err := a.findings()
	for i := range all {
		switch n := all[i].RuleName; n {
		case "gaps-silent", "gaps-unanswered", "events-missing", "api-server-lost-events", "audit-policy-file-changed", "audit-policy-file-emptied":
			rules = append(rules, n)
		}
	}
	slices.Sort(rules)
	return slices.Compact(rules), err
}

func (a *annals) hasRules(want ...string) error {
	a.t.Helper()
	got, err := a.probed()
	for _, r := range want {
		if err == nil && !slices.Contains(got, r) {
			err = fmt.Errorf("nothing of %s; there are %q", r, got)
		}
	}
	return err
}

// letRead makes a service account that may read the API server's metrics, and writes its token to a file.
func letRead(t *testing.T, admin *kubernetes.Clientset, file string) {
	t.Helper()
	_, err := admin.CoreV1().ServiceAccounts("kube-system").Create(ctx, &corev1.ServiceAccount{ObjectMeta: meta("annals")}, metav1.CreateOptions{})
	must(t, err)
	_, err = admin.RbacV1().ClusterRoles().Create(ctx, &rbacv1.ClusterRole{ObjectMeta: meta("annals"), Rules: []rbacv1.PolicyRule{{NonResourceURLs: []string{"/metrics"}, Verbs: []string{"get"}}}}, metav1.CreateOptions{})
	must(t, err)
	_, err = admin.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: meta("annals"), RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "annals"},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "kube-system", Name: "annals"}},
	}, metav1.CreateOptions{})
	must(t, err)
	tr, err := admin.CoreV1().ServiceAccounts("kube-system").CreateToken(ctx, "annals", &authv1.TokenRequest{}, metav1.CreateOptions{})
	must(t, err)
	must(t, os.WriteFile(file, []byte(tr.Status.Token+"\n"), 0o600))
}

// dropped is how many events the API server says it could not deliver.
func dropped(t *testing.T, s *kube.Server) int {
	t.Helper()
	hc, err := rest.HTTPClientFor(s.Admin())
	must(t, err)
	text, err := fetch(hc, s.URL+"/metrics")
	must(t, err)
	if !strings.Contains(text, "apiserver_audit_error_total") {
		return 0
	}
	return sum(t, text, "apiserver_audit_error_total")
}

// gate leads from a port to annals, or ends every connection while it is shut.
type gate struct {
	l  net.Listener
	to string

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]bool
}

func newGate(t *testing.T, to string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	g := &gate{l: l, to: to, conns: map[net.Conn]bool{}}
	t.Cleanup(func() { l.Close(); g.shut() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go g.pass(c)
		}
	}()
	return g
}

func (g *gate) addr() string { return g.l.Addr().String() }

func (g *gate) pass(c net.Conn) {
	defer c.Close()
	g.mu.Lock()
	shut := g.closed
	g.conns[c] = true
	g.mu.Unlock()
	if shut {
		return
	}
	there, err := net.Dial("tcp", g.to)
	if err != nil {
		return
	}
	defer there.Close()
	go func() {
		io.Copy(there, c)
		there.Close()
	}()
	io.Copy(c, there)
	g.mu.Lock()
	delete(g.conns, c)
	g.mu.Unlock()
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for c := range g.conns {
		c.Close()
	}
	clear(g.conns)
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = false
}
