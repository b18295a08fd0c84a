package kube

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	api "k8s.io/client-go/tools/clientcmd/api"
)

// Anonymous is how to reach the server without credentials.
func (s *Server) Anonymous() *rest.Config {
	return &rest.Config{
		Host: s.URL, TLSClientConfig: rest.TLSClientConfig{CAFile: s.path("ca.crt")},
		QPS: -1, // no limit: a test asks what it asks at once
	}
}

// As is how a user in groups reaches the server, by a client certificate.
func (s *Server) As(user string, groups ...string) *rest.Config {
	s.t.Helper()
	file := "user-" + user
	if _, err := os.Stat(s.path(file + ".crt")); err != nil {
		s.ca.issue(s.t, file, user, groups...)
	}
	c := s.Anonymous()
	c.CertFile, c.KeyFile = s.path(file+".crt"), s.path(file+".key")
	return c
}

// Admin is how a cluster administrator reaches the server.
func (s *Server) Admin() *rest.Config {
	s.t.Helper()
	return s.As("kubernetes-admin", "system:masters")
}

// Client is a client-go client.
func Client(t testing.TB, c *rest.Config) *kubernetes.Clientset {
	t.Helper()
	cs, err := kubernetes.NewForConfig(c)
	if err != nil {
		t.Fatal(err)
	}
	return cs
}

// Kubectl runs kubectl as that user, with stdin for -f -.
func (s *Server) Kubectl(c *rest.Config, stdin string, args ...string) (stdout, stderr string, err error) {
	s.t.Helper()
	k := StartKubectl(s.t, c, nil, args...)
	io.WriteString(k.Stdin, stdin) // kubectl need not read it
	k.Stdin.Close()
	err = k.Wait()
	return k.Stdout(), k.Stderr(), err
}

// Kubectl is a kubectl that runs.
type Kubectl struct {
	Stdin io.WriteCloser

	cmd       *exec.Cmd
	out, errs text
	done      chan struct{} // closed when it has ended; err is set then
	err       error
}

// StartKubectl runs kubectl as that user, env being more of its environment. It ends with the test, at the latest.
func StartKubectl(t testing.TB, c *rest.Config, env []string, args ...string) *Kubectl {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	config := home + "/config"
	WriteKubeconfig(t, c, config)
	k := &Kubectl{cmd: exec.Command(exe), done: make(chan struct{})}
	k.cmd.Args = append([]string{"kubectl"}, args...)
	k.cmd.Env = append(append(os.Environ(), "HOME="+home, "KUBECONFIG="+config), env...)
	k.cmd.Stdout, k.cmd.Stderr = &k.out, &k.errs
	if k.Stdin, err = k.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := k.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		k.err = k.cmd.Wait()
		close(k.done)
	}()
	t.Cleanup(func() {
		k.cmd.Process.Kill()
		<-k.done
	})
	return k
}

// Args are its arguments.
func (k *Kubectl) Args() []string { return k.cmd.Args[1:] }

// Stdout is what it has written so far.
func (k *Kubectl) Stdout() string { return k.out.String() }

// Stderr is what it has complained so far.
func (k *Kubectl) Stderr() string { return k.errs.String() }

// Wait waits until it has ended by itself, two minutes at most.
func (k *Kubectl) Wait() error {
	select {
	case <-k.done:
		return k.err
	case <-time.After(2 * time.Minute):
		k.cmd.Process.Kill()
		<-k.done
		return errors.New("kubectl did not end within two minutes")
	}
}

// Interrupt ends it as Ctrl-C does.
func (k *Kubectl) Interrupt() error {
	if err := k.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	select {
	case <-k.done: // its own exit code says no more than that it was interrupted
		return nil
	case <-time.After(time.Minute):
		return errors.New("kubectl did not end within a minute of Ctrl-C")
	}
}

// text is a buffer that can be read while it is written.
type text struct {
	mu sync.Mutex
	b  []byte
}

func (t *text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	return len(p), nil
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}

// WriteKubeconfig writes how to reach a server as a kubeconfig.
func WriteKubeconfig(t testing.TB, c *rest.Config, path string) {
	t.Helper()
	if err := clientcmd.WriteToFile(api.Config{
		Clusters: map[string]*api.Cluster{"test": {Server: c.Host, CertificateAuthority: c.CAFile}},
		AuthInfos: map[string]*api.AuthInfo{"test": {
			ClientCertificate: c.CertFile, ClientKey: c.KeyFile, Token: c.BearerToken,
			Impersonate: c.Impersonate.UserName, ImpersonateGroups: c.Impersonate.Groups,
		}},
		Contexts:       map[string]*api.Context{"test": {Cluster: "test", AuthInfo: "test"}},
		CurrentContext: "test",
	}, path); err != nil {
		t.Fatal(err)
	}
}
