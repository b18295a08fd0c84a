package server

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"annals.dev/internal/detect"
	"annals.dev/internal/detect/pack"
)

func TestReadWatch(t *testing.T) {
	data := t.TempDir()
	cfg, err := ReadWatch("", data)
	if err != nil || cfg.Rules.Builtin != nil || len(cfg.Rules.Paths) != 0 || len(cfg.Alerts.Destinations) != 0 {
		t.Errorf("without a file: %+v %v", cfg, err)
	}
	if _, err := ReadWatch(filepath.Join(data, "other.yaml"), data); err == nil {
		t.Error("a file that was named and is not there is no error")
	}
	if err := os.Mkdir(filepath.Join(data, "rules"), 0o700); err != nil {
		t.Fatal(err)
	}
	text := `
rules:
  builtin: false
  paths: [packs, /etc/annals/rules]
  disable: [x]
  severity: {y: high}
  placeholders:
    approved_networks: [192.0.2.0/24]
  falco: {matching: all}
alerts:
  destinations:
  - name: ops
    kind: webhook
    url: https://hooks.example.com/annals
    timeout: 3s
  routes:
  - severity: high
    to: [ops]
`
	if err := os.WriteFile(filepath.Join(data, WatchFile), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if cfg, err = ReadWatch("", data); err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join(data, "packs"), "/etc/annals/rules", filepath.Join(data, "rules")}
	if got := cfg.Rules.Paths; strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("paths %q, want %q", got, want)
	}
	if cfg.Rules.Severity["y"] != detect.High || cfg.Rules.Falco.Matching != "all" || time.Duration(cfg.Alerts.Destinations[0].Timeout) != 3*time.Second {
		t.Errorf("%+v", cfg)
	}
}

func TestWatchFileIsStrict(t *testing.T) {
	for text, want := range map[string]string{
		"rule:\n  builtin: true\n":                             `w.yaml:1:1: there is no key "rule"`,
		"rules:\n  paths: [a]\n  disabled: [x]\n":              `w.yaml:3:3: there is no key "disabled"`,
		"rules:\n  builtin: perhaps\n":                         "w.yaml:2:12",
		"rules: {}\n---\nrules: {}\n":                          "documents",
		"rules:\n\tbuiltin: true\n":                            "w.yaml:2",
		"rules:\n  severity: {a: worst}\n":                     "severity of a",
		"alerts:\n  destinations: [{name: a, kind: pigeon}]\n": "pigeon",
		"alerts:\n  grouping: {wait: soon}\n":                  "30s",
		"- a\n":                                                "w.yaml",
		"rules:\n  builtin: true\n  builtin: false\n":          "w.yaml:3",
	} {
		_, err := parseWatch("w.yaml", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if _, err := parseWatch("w.yaml", nil); err != nil {
		t.Errorf("an empty file: %v", err)
	}
}

func FuzzParseWatch(f *testing.F) {
	f.Add([]byte("rules:\n  builtin: true\nalerts: {}\n"))
	f.Add([]byte("rules: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, _ = parseWatch("w.yaml", text) // it returns, and does not panic
	})
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// What docs/watch.md shows is read as it stands.
func TestWatchAsDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "watch.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := yamlBlock.FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 2 {
		t.Fatalf("%d blocks of YAML, want 2", len(blocks))
	}
	cfg, err := parseWatch("watch.yaml", []byte(blocks[0][1]))
	if err != nil {
		t.Error(err)
	}
	// All keys that there are stand in it.
	for _, part := range []any{cfg, cfg.Rules, cfg.Rules.Falco, cfg.Silence, cfg.Probes, cfg.Probes.Counters[0]} {
		v := reflect.ValueOf(part)
		for i := range v.NumField() {
			if f := v.Type().Field(i); v.Field(i).IsZero() {
				t.Errorf("%s of %s is not shown", f.Tag.Get("json"), v.Type())
			}
		}
	}
	if p := pack.Parse(pack.Config{}, []detect.File{{Name: "saved.yml", Data: []byte(blocks[1][1])}}); len(p.Rules) != 1 || len(p.Problems) != 0 {
		t.Errorf("the saved search: %+v", p)
	}
}
