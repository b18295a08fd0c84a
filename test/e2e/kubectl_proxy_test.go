package e2e

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"annals.dev/test/e2e/kube"
)

// TestProxy holds what the proxy records against what the API server does, of the same requests under the same policy: one that records
// all there is, and one as in production.
func TestProxy(t *testing.T) {
	c := comparison{differences: differences}
	t.Run("everything", func(t *testing.T) { c.run(t, abs(t, "testdata/all.yaml"), "WebSocket", "SPDY") })
	t.Run("production", func(t *testing.T) { c.run(t, abs(t, "testdata/production.yaml"), "WebSocket") })
	if !t.Failed() {
		c.allNeeded(t)
	}
}

// run does kubectl's work by a proxy of each mode, over each of these protocols, and then compares.
func (c *comparison) run(t *testing.T, policy string, protocols ...string) {
	s := kube.Start(t, kube.Options{LogDir: t.TempDir(), Flags: []string{"--audit-policy-file=" + policy, keepLogs}})
	k := kube.StartKubelet(t, s, kube.Client(t, s.Admin()))
	people(t, s)
	allowProxy(t, s)
	ours := make(map[mode][]audited)
	for _, m := range []mode{impersonate, passthrough} {
		p := newProxy(t, s, m, "--audit-policy-file", policy)
		p.args = append(p.args, "--audit-log-path", p.log)
		if m == impersonate {
			p.args = append(p.args, "--allow-impersonation")
		}
		p.start()
		callers := map[string]*rest.Config{"robot": token(t, s)}
		if m == impersonate {
			callers = map[string]*rest.Config{"robot": token(t, s, audience), "alice": s.As(alice, "staff")}
		}
		for name, as := range callers {
			w := newWork(t, s, k, p.by(as), string(m)+"-"+name)
			w.objects()
			for _, over := range protocols {
				w.pods(over)
			}
			c.odd(t, p.by(as), w.ns+"-odd")
		}
		p.stop()
		ours[m] = p.events()
		upgraded(t, ours[m], protocols)
		p.hides("in-the-clear")
		for _, as := range callers {
			if as.BearerToken != "" {
				p.hides(as.BearerToken)
			}
		}
	}
	s.Stop()
	lines, err := s.Log()
	must(t, err)
	theirs := parseEvents(t, lines)
	for m, events := range ours {
		var by []audited
		by, theirs = through(m, events, theirs)
		c.hold(t, pairs(m, events, by))
	}
	for _, e := range theirs {
		if !straight(e) {
			t.Errorf("an event of the API server's belongs to no proxy, and did not come straight: %v", e)
		}
	}
}

// upgraded: kubectl took the protocols that it was told to take.
func upgraded(t *testing.T, events []audited, protocols []string) {
	t.Helper()
	seen := make(map[string]int)
	for _, e := range events {
		if e.code() == "101" && e.str("stage") == "ResponseComplete" {
			seen[e.str("verb")+" "+e.str("objectRef", "subresource")]++
		}
	}
	verbs := map[string]string{"WebSocket": "get", "SPDY": "create"}
	for _, over := range protocols {
		for _, what := range []string{"exec", "attach", "portforward"} {
			if seen[verbs[over]+" "+what] == 0 {
				t.Errorf("no %s over %s: %v", what, over, seen)
			}
		}
	}
}

// hides fails the test if the proxy has written a credential down.
func (p *proxy) hides(credential string) {
	p.t.Helper()
	for _, name := range []string{p.log, p.said} {
		b, err := os.ReadFile(name)
		must(p.t, err)
		if bytes.Contains(b, []byte(credential)) {
			p.t.Errorf("a credential is in %s", name)
		}
	}
}

// odd is what kubectl does not do.
func (c *comparison) odd(t *testing.T, as *rest.Config, ns string) {
	t.Helper()
	binary := rest.CopyConfig(as)
	binary.ContentType = "application/vnd.kubernetes.protobuf"
	driveObjects(t, kube.Client(t, binary), ns)
	ctx := context.Background()
	cs := kube.Client(t, as)
	_, err := cs.CoreV1().Secrets(ns).Create(ctx, &corev1.Secret{ObjectMeta: meta("api-key")}, metav1.CreateOptions{})
	must(t, err)
	_, err = cs.CoreV1().ConfigMaps(ns).Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "generated-"}}, metav1.CreateOptions{})
	must(t, err)
	// Of a few megabytes, and compressed on the way.
	_, err = cs.CoreV1().ConfigMaps(ns).List(ctx, metav1.ListOptions{})
	must(t, err)
	asBob := rest.CopyConfig(as)
	asBob.Impersonate = rest.ImpersonationConfig{UserName: "bob", Groups: []string{"staff"}}
	_, err = kube.Client(t, asBob).CoreV1().Secrets(ns).List(ctx, metav1.ListOptions{})
	refused(t, apierrors.IsForbidden, err)
	if runtime.GOOS == "linux" { // where all of 127.0.0.0/8 is this machine
		away := rest.CopyConfig(as)
		away.Dial = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).DialContext
		_, err = kube.Client(t, away).CoreV1().Secrets(ns).Get(ctx, "api-key", metav1.GetOptions{})
		must(t, err)
	}

	driveOddRequests(t, as, ns)
	nobody, wrong := rest.AnonymousClientConfig(as), rest.AnonymousClientConfig(as)
	_, err = kube.Client(t, nobody).CoreV1().Secrets(ns).List(ctx, metav1.ListOptions{})
	refused(t, apierrors.IsForbidden, err)
	wrong.BearerToken = "not-a-token"
	_, err = kube.Client(t, wrong).CoreV1().Secrets(ns).List(ctx, metav1.ListOptions{})
	refused(t, apierrors.IsUnauthorized, err)

	maps := as.Host + "/api/v1/namespaces/" + ns + "/configmaps"
	for _, r := range []struct {
		method, url, kind, body string
		code                    int
	}{
		{"POST", maps, "application/yaml", "metadata:\n  name: yaml\ndata:\n  a: 'yes' # a comment\n", 201},
		{"PATCH", maps + "/yaml?fieldManager=e2e&force=true", "application/apply-patch+yaml", "apiVersion: v1\nkind: ConfigMap\ndata:\n  b: c\n", 200},
		{"PATCH", maps + "/yaml", "application/merge-patch+json", "not JSON", 400},
		{"GET", maps + "/yaml?access_token=in-the-clear", "", "", 200},
	} {
		hc, err := rest.HTTPClientFor(as)
		must(t, err)
		req, err := http.NewRequest(r.method, r.url, strings.NewReader(r.body))
		must(t, err)
		req.Header.Set("Content-Type", r.kind)
		resp, err := hc.Do(req)
		must(t, err)
		body, err := io.ReadAll(resp.Body)
		must(t, err)
		resp.Body.Close()
		if resp.StatusCode != r.code {
			t.Errorf("%s %s: %s, wanted %d: %.300s", r.method, r.url, resp.Status, r.code, body)
		}
	}
}

// through parts the API server's events into those of requests that came by a proxy, which have an audit ID of the proxy's or its user,
// and the others.
func through(m mode, ours, theirs []audited) (by, others []audited) {
	ids := make(map[string]bool)
	for _, e := range ours {
		ids[e.str("auditID")] = true
	}
	user := proxyUser
	if m == passthrough {
		user = "system:serviceaccount:" + team + ":" + robot
	}
	for _, e := range theirs {
		if ids[e.str("auditID")] || e.str("user", "username") == user {
			by = append(by, e)
		} else {
			others = append(others, e)
		}
	}
	return by, others
}

// straight says of an event that its request did not come by a proxy: what the test, the node and the API server do themselves, and what
// the proxy asks about a token that is nobody's.
func straight(e audited) bool {
	switch e.str("user", "username") {
	case "kubernetes-admin", "system:apiserver", alice:
		return true
	case "system:anonymous":
		return e.str("requestURI") == "/readyz"
	case "":
		return e.code() == "401" && e.str("userAgent") == "annals-proxy" && e.str("objectRef", "resource") == "selfsubjectreviews"
	}
	return false
}
