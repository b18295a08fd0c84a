package kube

import (
	"bytes"
	"os"
	"os/exec"
	"testing"

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
	exe, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	home := s.t.TempDir()
	config := home + "/config"
	if err := clientcmd.WriteToFile(kubeconfig(c), config); err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Args = append([]string{"kubectl"}, args...)
	cmd.Env = append(os.Environ(), "HOME="+home, "KUBECONFIG="+config)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader([]byte(stdin)), &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

func kubeconfig(c *rest.Config) api.Config {
	return api.Config{
		Clusters: map[string]*api.Cluster{"test": {Server: c.Host, CertificateAuthority: c.CAFile}},
		AuthInfos: map[string]*api.AuthInfo{"test": {
			ClientCertificate: c.CertFile, ClientKey: c.KeyFile, Token: c.BearerToken,
			Impersonate: c.Impersonate.UserName, ImpersonateGroups: c.Impersonate.Groups,
		}},
		Contexts:       map[string]*api.Context{"test": {Cluster: "test", AuthInfo: "test"}},
		CurrentContext: "test",
	}
}
