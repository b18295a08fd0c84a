package diff

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Difference is one way in which Annals differs from kube-apiserver on purpose.
type Difference struct {
	ID     string
	Reason string

	// explains reports whether this is such a difference. It is as narrow as can be: it looks at the whole case, and says what
	// both sides must be.
	explains func(*mismatch) bool
	needed   atomic.Int64
}

// mismatch is where the two sides are not the same.
type mismatch struct {
	field          string // of what is compared: policy.error, event.requestObject, …
	ours, upstream string
	of             any // the whole case
}

// explained reports whether an entry of Differences explains the mismatch, and notes that it was needed.
func explained(m *mismatch) bool {
	for _, d := range Differences {
		if d.explains(m) {
			d.needed.Add(1)
			return true
		}
	}
	return false
}

// fails is what tests of testing and of rapid have in common.
type fails interface {
	Helper()
	Fatalf(format string, args ...any)
}

// same fails the test unless both are the same, or an entry of Differences says why not.
func same(t fails, field, ours, upstream string, of any) {
	t.Helper()
	if m := (&mismatch{field, ours, upstream, of}); ours != upstream && !explained(m) {
		t.Fatalf("%s differs\nours     %s\nupstream %s\ncase     %+v", field, ours, upstream, of)
	}
}

// unneeded are the entries that explained nothing.
func unneeded() (ids []string) {
	for _, d := range Differences {
		if d.needed.Load() == 0 {
			ids = append(ids, d.ID)
		}
	}
	return ids
}

func TestDifferencesHaveIDsAndReasons(t *testing.T) {
	var ids []string
	for _, d := range Differences {
		if d.ID == "" || d.Reason == "" || slices.Contains(ids, d.ID) {
			t.Errorf("%q: an entry has an ID of its own and a reason", d.ID)
		}
		ids = append(ids, d.ID)
	}
}

var update = flag.Bool("update", false, "write the table of docs/differences.md anew")

const document = "../../docs/differences.md"

// TestDifferencesAreDocumented holds the document's table against ours.
func TestDifferencesAreDocumented(t *testing.T) {
	var b strings.Builder
	for _, of := range []struct {
		title string
		list  []*Difference
	}{{"Events", ofCapture}, {"Sinks and flags", ofSinks}} {
		fmt.Fprintf(&b, "\n## %s\n\n| name | difference |\n|---|---|\n", of.title)
		for _, d := range of.list {
			fmt.Fprintf(&b, "| `%s` | %s |\n", d.ID, d.Reason)
		}
	}
	text, err := os.ReadFile(document)
	must(err)
	const begin, end = "<!-- the table in test/diff -->\n", "\n<!-- its end -->\n"
	head, rest, ok := strings.Cut(string(text), begin)
	table, tail, ended := strings.Cut(rest, end)
	if !ok || !ended {
		t.Fatalf("%s has no table", document)
	}
	if *update {
		must(os.WriteFile(document, []byte(head+begin+b.String()+end+tail), 0o644))
		return
	}
	if diff := cmp.Diff(b.String(), table); diff != "" {
		t.Errorf("%s says something else than Differences; go test -run Documented -update . writes it anew\n%s", document, diff)
	}
}
