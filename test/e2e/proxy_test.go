package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"annals.dev/test/e2e/kube"
)

// mode is as whom the proxy passes requests on.
type mode string

const (
	passthrough mode = "passthrough"
	impersonate mode = "impersonate"
)

// audience is whom tokens must be for, that the proxy in mode impersonate takes.
const audience = "annals-proxy"

// proxy is annals proxy before a kube-apiserver.
type proxy struct {
	*process
	s    *kube.Server
	addr string
	log  string // the audit log
}

// newProxy is a proxy that is not running yet, args being more of its flags.
func newProxy(t *testing.T, s *kube.Server, m mode, args ...string) *proxy {
	t.Helper()
	p := &proxy{process: newProcess(t, "proxy"), s: s, addr: fmt.Sprintf("127.0.0.1:%d", kube.FreePort(t))}
	p.log = filepath.Join(p.dir, "audit.log")
	cert, key := s.ServingCertificate("proxy-" + string(m))
	config := filepath.Join(p.dir, "upstream.kubeconfig")
	p.args = append(p.args, "--mode", string(m), "--listen", p.addr, "--metrics-listen", "", "--upstream-kubeconfig", config,
		"--tls-cert-file", cert, "--tls-private-key-file", key)
	as := s.Anonymous()
	if m == impersonate {
		as = s.As(proxyUser)
		p.args = append(p.args, "--client-ca-file", s.CA(), "--token-audience", audience)
	}
	kube.WriteKubeconfig(t, as, config)
	p.args = append(p.args, args...)
	return p
}

// proxyUser is who the proxy is to the API server, in mode impersonate.
const proxyUser = "annals-proxy"

// start runs the proxy and returns when it listens.
func (p *proxy) start() {
	p.t.Helper()
	pem, err := os.ReadFile(p.s.CA())
	must(p.t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	p.process.start(func() error {
		c, err := tls.Dial("tcp", p.addr, &tls.Config{RootCAs: roots}) // no request, which would be an event
		if err == nil {
			c.Close()
		}
		return err
	})
}

// by is the same caller, by way of the proxy. The proxy's certificate is of the API server's authority.
func (p *proxy) by(c *rest.Config) *rest.Config {
	c = rest.CopyConfig(c)
	c.Host = "https://" + p.addr
	return c
}

// events are what the proxy has recorded in its log file.
func (p *proxy) events() []audited {
	p.t.Helper()
	lines, err := kube.ReadLog(p.log)
	must(p.t, err)
	return parseEvents(p.t, lines)
}

// robot is a service account that may do everything, and alice somebody with a certificate who may. Bob may nothing.
const (
	team  = "team"
	robot = "robot"
	alice = "alice"
)

// people makes those who use the proxies.
func people(t *testing.T, s *kube.Server) {
	t.Helper()
	ctx := context.Background()
	cs := kube.Client(t, s.Admin())
	_, err := cs.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: meta(team)}, metav1.CreateOptions{})
	must(t, err)
	_, err = cs.CoreV1().ServiceAccounts(team).Create(ctx, &corev1.ServiceAccount{ObjectMeta: meta(robot)}, metav1.CreateOptions{})
	must(t, err)
	_, err = cs.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: meta(team), RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects: []rbacv1.Subject{
			{Kind: rbacv1.ServiceAccountKind, Name: robot, Namespace: team}, {APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: alice},
		},
	}, metav1.CreateOptions{})
	must(t, err)
	canRead(t, s.As(alice, "staff"))
}

// token is how the robot reaches the server. Without audiences the token is for the API server.
func token(t *testing.T, s *kube.Server, audiences ...string) *rest.Config {
	t.Helper()
	tr, err := kube.Client(t, s.Admin()).CoreV1().ServiceAccounts(team).CreateToken(context.Background(), robot,
		&authv1.TokenRequest{Spec: authv1.TokenRequestSpec{Audiences: audiences}}, metav1.CreateOptions{})
	must(t, err)
	c := s.Anonymous()
	c.BearerToken = tr.Status.Token
	return c
}
