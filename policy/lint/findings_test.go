package lint

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// lintCase checks one side of a case, bad or good, with the flags and the kubeconfig beside it.
func lintCase(t *testing.T, files map[string][]byte, side string, o Options) []Finding {
	t.Helper()
	if b := files[side+".flags"]; b != nil {
		s, err := ParseServer("flags", b)
		if err != nil {
			t.Fatal(err)
		}
		if w := files[side+".webhook"]; w != nil {
			if err := s.SetWebhook("webhook.yaml", w); err != nil {
				t.Fatal(err)
			}
		}
		o.Server = s
	}
	return append(Check(side+".yaml", files[side+".yaml"], o), CheckServer(o)...)
}

// Every finding has a case that has it, at the place that the case names and nowhere else, and a case that has not; what
// Fix makes of the bad one is what the case says, and it leaves the good one alone.
func TestFindings(t *testing.T) {
	var seen []string
	for _, e := range Catalogue() {
		seen = append(seen, "testdata/findings/"+e.ID+".txtar")
		t.Run(e.ID, func(t *testing.T) {
			a, err := txtar.ParseFile("testdata/findings/" + e.ID + ".txtar")
			if err != nil {
				t.Fatal(err)
			}
			files := map[string][]byte{}
			for _, f := range a.Files {
				files[f.Name] = f.Data
			}
			var at, severity string
			if _, err := fmt.Sscanf(string(a.Comment), "at %s %s", &at, &severity); err != nil {
				t.Fatal(err)
			}
			var o Options
			if m := regexp.MustCompile(`kubernetes (\d+)`).FindSubmatch(a.Comment); m != nil {
				fmt.Sscan(string(m[1]), &o.Kubernetes)
			}
			var got []string
			for _, f := range lintCase(t, files, "bad", o) {
				if f.ID == e.ID {
					got = append(got, fmt.Sprintf("%d:%d %s", f.Line, f.Column, f.Severity))
				} else if f.Severity >= Warning {
					t.Errorf("the bad case has another finding: %s %d:%d %s", f.ID, f.Line, f.Column, f.Today)
				}
			}
			if d := cmp.Diff([]string{at + " " + severity}, got); d != "" {
				t.Errorf("where the bad case has it (-want +got):\n%s", d)
			}
			if !strings.Contains(e.Severity, severity) {
				t.Errorf("the catalogue says %s, the case %s", e.Severity, severity)
			}
			for _, f := range lintCase(t, files, "good", o) {
				if f.ID == e.ID || f.Severity >= Warning {
					t.Errorf("the good case has %s %d:%d %s", f.ID, f.Line, f.Column, f.Today)
				}
			}
			fixed, done := Fix("bad.yaml", files["bad.yaml"], o)
			want := files["fixed.yaml"]
			if want == nil {
				want = files["bad.yaml"]
			}
			if d := cmp.Diff(string(want), string(fixed)); d != "" {
				t.Errorf("what is fixed (-want +got):\n%s", d)
			}
			if e.Fixed != (files["fixed.yaml"] != nil) || len(done) > 0 != e.Fixed {
				t.Errorf("the catalogue says fixed: %v; %d fixes were made", e.Fixed, len(done))
			}
			if again, more := Fix("bad.yaml", fixed, o); !bytes.Equal(again, fixed) || len(more) > 0 {
				t.Errorf("a second run fixes more: %v", more)
			}
			if same, done := Fix("good.yaml", files["good.yaml"], o); !bytes.Equal(same, files["good.yaml"]) {
				t.Errorf("the good case was changed: %v", done)
			}
		})
	}
	found, err := filepath.Glob("testdata/findings/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(seen)
	slices.Sort(found)
	if d := cmp.Diff(seen, found); d != "" {
		t.Errorf("the catalogue and the cases (-catalogue +cases):\n%s", d)
	}
	for i, e := range Catalogue() {
		if want := fmt.Sprintf("L%d", i); e.ID != want {
			t.Errorf("entry %d of the catalogue is %s, want %s", i, e.ID, want)
		}
	}
}

// text writes findings for golden files.
func text(list []Finding) string {
	var b strings.Builder
	for _, f := range list {
		fmt.Fprintf(&b, "%d:%d %s %s: %s\n    meant: %s\n", f.Line, f.Column, f.Severity, f.ID, f.Today, f.Meant)
		if f.Fix != "" {
			fmt.Fprintf(&b, "    fix: %s\n", f.Fix)
		}
	}
	if len(list) == 0 {
		return "clean\n"
	}
	return b.String()
}

// golden compares with a file, and writes it if ANNALS_UPDATE is set.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if os.Getenv("ANNALS_UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got; ANNALS_UPDATE=1 writes it):\n%s", file, d)
	}
}
