package e2e

import (
	"os"
	"testing"

	"annals.dev/test/e2e/kube"
)

func TestMain(m *testing.M) {
	kube.Main()
	os.Exit(m.Run())
}
