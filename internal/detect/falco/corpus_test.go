package falco

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"annals.dev/audit"
	"annals.dev/internal/detect"
	"annals.dev/internal/match"
)

func corpus(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("ANNALS_CORPUS")
	if dir == "" {
		t.Skip("ANNALS_CORPUS is not set: make corpus DIR=… sets it")
	}
	return dir
}

func packFiles(t testing.TB, names ...string) (files []detect.File) {
	t.Helper()
	dir := corpus(t)
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(dir, "packs", "falco", name))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, detect.File{Name: name, Data: b})
	}
	return files
}

// The corpus records which rules real Falco, with all matching, fires for each of its cases.
func TestEvasionsAsFalco(t *testing.T) {
	rules, problems := Parse(packFiles(t, "k8s_audit_rules.yaml"), Options{All: true, Upstream: true})
	for _, p := range problems {
		if p.Kind == "error" {
			t.Errorf("%+v", p)
		}
	}
	b, err := os.ReadFile(filepath.Join(corpus(t), "corpus", "evasions.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		ID, Title string
		Events    []json.RawMessage
		Falco     []string
		Specific  []string `json:"falco_specific"`
	}
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) != 36 {
		t.Errorf("%d cases", len(cases))
	}
	for _, c := range cases {
		got := []string{}
		for _, event := range c.Events {
			got = append(got, fire(t, rules, event)...)
		}
		slices.Sort(got)
		if diff := cmp.Diff(c.Falco, slices.Compact(got)); diff != "" {
			t.Errorf("%s %s:\n%s", c.ID, c.Title, diff)
		}
	}
}

func fire(t testing.TB, rules []*detect.Rule, event []byte) (names []string) {
	t.Helper()
	v := new(audit.View)
	if err := v.Parse(event); err != nil {
		t.Fatalf("%s: %v", event, err)
	}
	for _, r := range rules {
		if r.Where.Match(&match.Row{View: v}) {
			names = append(names, r.Name)
		}
	}
	return names
}
