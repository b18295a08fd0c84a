package lint

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"annals.dev/policy"
)

// Each mangled policy gives the one beside it, and the changes beside that.
func TestRepair(t *testing.T) {
	files, err := filepath.Glob("testdata/repair/*.txt")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out, changes, err := Repair(b)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		base := strings.TrimSuffix(file, ".txt")
		golden(t, base+".yaml", string(out))
		var list strings.Builder
		for _, c := range changes {
			if c.Guess {
				list.WriteString("guess ")
			}
			fmt.Fprintf(&list, "%d: %s\n", c.Line, c.What)
		}
		golden(t, base+".changes", list.String())
		again, changes, err := Repair(out)
		if err != nil || !bytes.Equal(again, out) || len(changes) > 0 {
			t.Errorf("%s: repaired again: %v, %v", file, changes, err)
		}
	}
}

func TestRepairGivesUp(t *testing.T) {
	for in, want := range map[string]string{
		"":                                       "empty",
		"hello":                                  "line 1: nothing says what hello belongs to",
		"rules:\n- level: None\nfrobnicate: 1":   `line 3: "frobnicate" is no field of a policy`,
		"kind: Policy\nkind: Policy\n- level: x": "line 2: kind stands there twice",
		"rules:\n":                               "it still is none",
		"apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: Minimal\n": "Minimal",
		"- level: None\nresources:\n- group: apps\n- stray\n":                   "nothing says what stray belongs to",
		"group: apps": "line 1: group stands in no rule",
	} {
		out, _, err := Repair([]byte(in))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v and\n%s\nwant an error with %q", in, err, out, want)
		}
	}
}

// seeds are all the test data, for fuzzing.
func seeds(f *testing.F) {
	for _, pattern := range []string{"testdata/repair/*.txt", "testdata/verdict/*.yaml", "testdata/findings/*.txtar"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatal(pattern, err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
			for _, part := range txtar.Parse(b).Files {
				f.Add(part.Data)
			}
		}
	}
}

func FuzzRepair(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		_, was := policy.Parse(b, policy.Options{})
		out, changes, err := Repair(b)
		if err != nil {
			if was == nil {
				t.Fatalf("a valid policy: %v", err)
			}
			return
		}
		if _, err := policy.Parse(out, policy.Options{}); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if len(changes) == 0 && !bytes.Equal(out, b) {
			t.Fatalf("changed without a word:\n%s", out)
		}
		if was == nil && !bytes.ContainsFunc(b, func(r rune) bool { _, odd := typed[r]; return odd }) && !bytes.Equal(out, b) {
			t.Fatalf("a valid policy was changed:\n%s", out)
		}
	})
}

func FuzzCheck(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		found := Check("f", b, Options{})
		for _, x := range found {
			if x.Line < 1 || x.Column < 1 || x.Today == "" || x.Meant == "" {
				t.Fatalf("%+v", x)
			}
		}
		_, strict := policy.Parse(b, policy.Options{})
		if strict != nil && Worst(found) < Warning {
			t.Fatalf("clean, but %v", strict)
		}
		out, done := Fix("f", b, Options{})
		if len(done) == 0 && !bytes.Equal(out, b) {
			t.Fatal("changed without a word")
		}
		if loads(b, Options{}) && !loads(out, Options{}) {
			t.Fatalf("fixed so that it does not load:\n%s", out)
		}
	})
}

func FuzzServer(f *testing.F) {
	seeds(f)
	f.Add([]byte("--audit-log-path=x --audit-log-mode batch"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseServer("f", b)
		if err != nil {
			return
		}
		if s.SetWebhook("w", b) == nil {
			CheckServer(Options{Server: s})
		}
	})
}
