package sigma

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"annals.dev/audit"
	"annals.dev/internal/detect"
	"annals.dev/internal/match"
)

// row is an event as rules see it.
func row(t testing.TB, event string) *match.Row {
	t.Helper()
	v := new(audit.View)
	if err := v.Parse([]byte(event)); err != nil {
		t.Fatalf("%s: %v", event, err)
	}
	return &match.Row{View: v, Cluster: "prod", Origin: "file"}
}

// parseText reads one file.
func parseText(text string, placeholders map[string][]string) ([]*detect.Rule, []detect.Problem) {
	return Parse([]detect.File{{Name: "rules.yml", Data: []byte(text)}}, Options{Placeholders: placeholders})
}

// show is problems, one a line.
func show(problems []detect.Problem) string {
	var w strings.Builder
	for _, p := range problems {
		fmt.Fprintf(&w, "%s:%d: %s: %s: %s\n", filepath.Base(p.File), p.Line, p.Kind, p.Rule, p.Message)
	}
	return w.String()
}

// publicPack is the rules of SigmaHQ as they are.
func publicPack(t testing.TB) ([]*detect.Rule, []detect.Problem) {
	t.Helper()
	dir := os.Getenv("ANNALS_CORPUS")
	if dir == "" {
		t.Skip("ANNALS_CORPUS is not set: it names the folder that holds packs/ (make corpus)")
	}
	names, err := filepath.Glob(filepath.Join(dir, "packs", "sigma", "*.yml"))
	if err != nil || len(names) == 0 {
		t.Skipf("no packs/sigma in %s: %v", dir, err)
	}
	var files []detect.File
	for _, n := range names {
		data, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, detect.File{Name: n, Data: data})
	}
	return Parse(files, Options{})
}
