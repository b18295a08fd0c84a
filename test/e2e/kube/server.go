package kube

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// Options is what a test decides about a Server.
type Options struct {
	LogDir string   // where audit.log is written
	Flags  []string // more of kube-apiserver's flags, above all --audit-policy-file; the last of a name counts
}

// Server is a running kube-apiserver.
type Server struct {
	URL      string
	AuditLog string

	t        testing.TB
	dir      string
	ca       *authority
	kubelets *authority // of kubelets, and of the API server as their client
	args     []string
	cmd      *exec.Cmd
	done     chan struct{} // closed when the process has ended; err is set then
	err      error
}

// Start runs a server and returns when it is ready. It is stopped when the test ends, and its own log is shown if the test
// failed.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	dir := t.TempDir()
	s := &Server{t: t, dir: dir, AuditLog: filepath.Join(o.LogDir, "audit.log")}
	port := FreePort(t)
	s.URL = fmt.Sprintf("https://127.0.0.1:%d", port)
	s.ca = newAuthority(t, dir, "ca")
	s.ca.issue(t, "server", "kube-apiserver")
	front := newAuthority(t, dir, "front-proxy-ca")
	front.issue(t, "front-proxy", "front-proxy-client")
	s.kubelets = newAuthority(t, dir, "kubelet-ca")
	s.kubelets.issue(t, "kubelet", "kubelet")
	s.kubelets.issue(t, "kubelet-client", "kube-apiserver")
	writeKey(t, s.path("sa.key"), newKey(t))

	flags := []string{
		s.path("etcd"),
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", port),
		"--endpoint-reconciler-type=none", // the others refuse an address on loopback
		"--service-cluster-ip-range=10.0.0.0/24",
		"--cert-dir=" + dir, "--tls-cert-file=" + s.path("server.crt"), "--tls-private-key-file=" + s.path("server.key"),
		"--client-ca-file=" + s.path("ca.crt"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + s.path("sa.key"), "--service-account-signing-key-file=" + s.path("sa.key"),
		"--requestheader-client-ca-file=" + s.path("front-proxy-ca.crt"), "--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + s.path("front-proxy.crt"), "--proxy-client-key-file=" + s.path("front-proxy.key"),
		"--authorization-mode=Node,RBAC", "--anonymous-auth=true", "--allow-privileged=true",
		"--kubelet-certificate-authority=" + s.path("kubelet-ca.crt"), "--kubelet-preferred-address-types=InternalIP",
		"--kubelet-client-certificate=" + s.path("kubelet-client.crt"), "--kubelet-client-key=" + s.path("kubelet-client.key"),
		"--disable-admission-plugins=ServiceAccount", // no controller is there to make a namespace's default account
		"--audit-log-path=" + s.AuditLog,
	}
	s.args = append(flags, o.Flags...)
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("kube-apiserver said, at the end:\n%s", s.lastWords())
		}
	})
	s.Restart()
	return s
}

// Restart starts the server again after Kill or Stop, with what it stored, and returns when it is ready.
func (s *Server) Restart() {
	s.t.Helper()
	s.run()
	s.waitReady()
}

// CA is the file with the authority of the server's certificate, and of its users'.
func (s *Server) CA() string { return s.path("ca.crt") }

// ServingCertificate makes one more server's certificate, of the same authority, for a server on loopback.
func (s *Server) ServingCertificate(name string) (cert, key string) {
	s.t.Helper()
	s.ca.issue(s.t, name, name)
	return s.path(name + ".crt"), s.path(name + ".key")
}

func (s *Server) path(name string) string { return filepath.Join(s.dir, name) }

// run starts the process; what it says goes to a file, since it is long and nobody asks for it unless a test fails.
func (s *Server) run() {
	s.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	log, err := os.OpenFile(s.path("kube-apiserver.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	s.cmd = exec.Command(exe)
	s.cmd.Args = append([]string{"kube-apiserver"}, s.args...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	stdin, err := s.cmd.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	cmd, done := s.cmd, make(chan struct{})
	s.done = done
	go func() {
		s.err = cmd.Wait()
		stdin.Close()
		close(done)
	}()
}

// Kill ends the process at once.
func (s *Server) Kill() {
	if s.done == nil {
		return
	}
	s.cmd.Process.Kill()
	<-s.done
}

// Stop asks the process to end, as an operator would; it delivers the audit events that it holds first.
func (s *Server) Stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatalf("stop kube-apiserver: %v", err)
	}
	select {
	case <-s.done:
	case <-time.After(2 * time.Minute):
		s.t.Fatal("kube-apiserver did not end within two minutes of SIGTERM")
	}
	if s.err != nil {
		s.t.Fatalf("kube-apiserver ended badly: %v", s.err)
	}
}

func (s *Server) lastWords() string {
	b, err := os.ReadFile(s.path("kube-apiserver.log"))
	if err != nil {
		return err.Error()
	}
	const most = 16 << 10
	if len(b) > most {
		b = b[len(b)-most:]
		b = b[bytes.IndexByte(b, '\n')+1:]
	}
	return string(b)
}

// waitReady asks without credentials, as a load balancer does.
func (s *Server) waitReady() {
	s.t.Helper()
	hc, err := rest.HTTPClientFor(s.Anonymous())
	if err != nil {
		s.t.Fatal(err)
	}
	last := ""
	for deadline := time.Now().Add(3 * time.Minute); time.Now().Before(deadline); {
		select {
		case <-s.done:
			s.t.Fatalf("kube-apiserver did not start: %v", s.err)
		case <-time.After(50 * time.Millisecond):
		}
		code, body := get(hc, s.URL+"/readyz")
		if code == http.StatusOK {
			return
		}
		last = body
	}
	s.t.Fatalf("kube-apiserver was not ready within three minutes: %s", last)
}

func get(hc *http.Client, url string) (code int, body string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err.Error()
	}
	resp, err := hc.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, strings.TrimSpace(string(b))
}

// FreePort finds a port on which nobody listens. It looks below those that the kernel hands to connections, so that none
// takes it before the server does.
func FreePort(t testing.TB) int {
	t.Helper()
	var last error
	for range 100 {
		port := 20000 + rand.IntN(10000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			l.Close()
			return port
		}
		last = err
	}
	t.Fatalf("no free port between 20000 and 30000 in a hundred tries: %v", last)
	return 0
}
