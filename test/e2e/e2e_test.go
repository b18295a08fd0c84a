// Package e2e tests annals at the end of a real kube-apiserver's audit webhook and audit log, and before it as a proxy. Start with
// TestComplete and TestProxy.
package e2e

import (
	"fmt"
	"os"
	"testing"

	"annals.dev/test/e2e/kube"
)

// scratch is a directory for what all tests share.
var scratch string

func TestMain(m *testing.M) {
	kube.Main()
	dir, err := os.MkdirTemp("", "annals-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	scratch = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}
