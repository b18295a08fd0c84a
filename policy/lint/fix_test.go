package lint

import (
	"fmt"
	"strings"
	"testing"
)

// What Fix leaves alone: what would silence more, write credentials down, or only guess.
func TestFixRefuses(t *testing.T) {
	for what, rules := range map[string]string{
		"credentials would be recorded":      "- level: RequestResponse\n  verbs: [\"*\"]\n- level: Metadata\n",
		"what nodes do would be silenced":    "- level: None\n  users: [\"system:node:*\"]\n- level: Metadata\n",
		"a resource would be silenced":       "- level: None\n  resources: [{group: apps, resources: [deployment]}]\n- level: Metadata\n",
		"post may be create, or a URL's":     "- level: Metadata\n  verbs: [POST]\n- level: Metadata\n",
		"everything would be silenced":       "- level: None\n  verbs: [\"*\"]\n- level: Metadata\n",
		"which of the two is meant":          "- level: Metadata\n  users: [jane]\n  users: [joe]\n- level: Metadata\n",
		"moved out of which entry":           "- level: None\n  resources:\n  - group: apps\n    verbs: [get]\n  - group: batch\n- level: Metadata\n",
		"groups that are two":                "- level: None\n  resources:\n  - groups: [apps, batch]\n- level: Metadata\n",
		"a field that is there already":      "- level: None\n  verb: [get]\n  verbs: [list]\n- level: Metadata\n",
		"not broken: an info is no fault":    "- level: RequestResponse\n  resources:\n  - group: \"\"\n    resources: [pods/exec]\n- level: Metadata\n",
		"an anchor that stands in two rules": "- level: Metadata\n  users: &u [\"system:node:*\"]\n- level: Metadata\n  verbs: [get]\n  users: *u\n- level: Metadata\n",
	} {
		in := "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n" + rules
		out, done := Fix("p", []byte(in), Options{})
		if what == "an anchor that stands in two rules" {
			if !loads(out, Options{}) {
				t.Errorf("%s:\n%s", what, out)
			}
			continue
		}
		if string(out) != in || len(done) > 0 {
			t.Errorf("%s, and yet:\n%s", what, out)
		}
		for _, f := range Check("p", []byte(in), Options{}) {
			if f.Fix != "" {
				t.Errorf("%s, and yet a fix is promised: %s", what, f.Fix)
			}
		}
	}
}

// A fix is told with the place that it has in the file as it was, also if one before it took lines out.
func TestFixPlaces(t *testing.T) {
	const in = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: Metadata\n  verbs: [\"*\"]\n  users: [\"system:node:*\"]\n- level: Metadata\n"
	got := ""
	_, done := Fix("p", []byte(in), Options{})
	for _, f := range done {
		got += fmt.Sprintf("%s %d:%d ", f.ID, f.Line, f.Column)
	}
	if want := "L6 5:11 L7 6:11 "; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestFixKeepsTheRest(t *testing.T) {
	const in = "# ours\r\napiVersion: \"audit.k8s.io/v1\"   # version\r\nkind: 'Policy'\r\nrules:\r\n  - {level: 'metadata', users: [jane]} # she\r\n\r\n  - level:   request\r\n    resources: [{groups: ['']}]\r\n    # the end\r\n"
	want := strings.NewReplacer("'metadata'", "'Metadata'", "  request", "  Request", "groups: ['']", "group: ''").Replace(in)
	out, done := Fix("p", []byte(in), Options{})
	if string(out) != want || len(done) != 3 {
		t.Errorf("%d fixes:\n%q\nwant\n%q", len(done), out, want)
	}
}
