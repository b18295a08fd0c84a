// Package kube runs a real kube-apiserver, its etcd and a real kubectl for tests, with nothing installed. Start gives a
// Server, alone on loopback in a directory of the test's own.
//
// All of it is linked into the test binary, which runs itself again under the names kube-apiserver and kubectl: so a
// TestMain begins with Main, and go test builds everything there is to build. A server ends with its test, and with the test
// process however that ends.
package kube

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register" // as kube-apiserver's own main has it
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

// Main becomes kube-apiserver or kubectl when the test binary was started under that name, and returns otherwise.
func Main() {
	switch filepath.Base(os.Args[0]) {
	case "kubectl":
		if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
			kubectlutil.CheckErr(err)
		}
	case "kube-apiserver":
		if err := apiserver(os.Args[1], os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "kube-apiserver:", err)
			os.Exit(1)
		}
	default:
		return
	}
	os.Exit(0)
}

// apiserver runs etcd in a directory, and kube-apiserver on it, until SIGTERM.
func apiserver(dir string, flags []string) error {
	// Nothing is ever written to standard input: it ends when the test process does.
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	etcd, err := startEtcd(dir)
	if err != nil {
		return err
	}
	defer etcd.Close()
	cmd := app.NewAPIServerCommand()
	cmd.SetArgs(append(flags, "--etcd-servers=http://"+etcd.Clients[0].Addr().String()))
	if code := cli.Run(cmd); code != 0 {
		return fmt.Errorf("ended with code %d", code)
	}
	return nil
}
