package annals_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// outside is a server of somebody else's; its main is the README's.
const outside = `package main

import (
	"log"
	"net/http"

	"annals.dev/capture"
	"annals.dev/policy"
	_ "annals.dev/sink"
	"annals.dev/sink/logfile"
	_ "annals.dev/sink/spool"
)

func main() {
%s}
`

// TestImportable builds a module outside ours that uses the public packages, without cgo, as the README shows it, and looks
// at what it drags in.
func TestImportable(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "```go\n")
	lines, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("the README has no Go code")
	}
	// Our own requirements are taken over as they stand, so that nothing is resolved anew and the network is not asked.
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	sum, err := os.ReadFile("go.sum")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(mod), "module annals.dev", "module example.com/outside", 1) +
		"\nrequire annals.dev v0.0.0\n\nreplace annals.dev => " + here + "\n"
	for name, content := range map[string]string{"go.mod": text, "go.sum": string(sum), "main.go": fmt.Sprintf(outside, lines)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod -buildvcs=false", "GOWORK=off")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	run("build", "-o", filepath.Join(dir, "outside"), ".")
	for _, pkg := range strings.Fields(run("list", "-deps", ".")) {
		inside, ours := strings.CutPrefix(pkg, "annals.dev/")
		switch {
		case strings.HasPrefix(pkg, "k8s.io/"), strings.Contains(pkg, "duckdb"):
			t.Errorf("a user of policy, capture and sink gets %s", pkg)
		case ours && strings.HasPrefix(inside, "internal/") && !slices.Contains([]string{"internal/disk", "internal/wal", "internal/spell"}, inside):
			t.Errorf("a user of policy, capture and sink gets %s, which belongs to the server", pkg)
		}
	}
}
