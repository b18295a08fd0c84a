package e2e

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	sigs "sigs.k8s.io/yaml"
)

func (l *life) args(command, at string) []string {
	return []string{command, l.resource.Resource + "/" + l.obj + at, "-n", l.ns, "-o", "json"}
}

func object(t *testing.T, text string) map[string]any {
	t.Helper()
	if text == "" {
		return nil
	}
	var o map[string]any
	if err := sigs.Unmarshal([]byte(text), &o); err != nil {
		t.Fatalf("the YAML of a version cannot be read: %v\n%s", err, text)
	}
	return o
}

// check holds what annals tells of the object against its life.
func (l *life) check(t *testing.T, a *annals) {
	var h told
	must(t, json.Unmarshal(a.must(l.args("history", "")...), &h))
	acts := map[string]*moment{}
	for _, m := range l.acts {
		for _, id := range m.auditIDs {
			acts[id] = m
		}
	}
	counts := map[string]int{}
	versions := map[*moment]int{}
	for _, v := range h.Versions {
		m := acts[v.Event.AuditID]
		if m == nil {
			t.Fatalf("version %d is of an act that there was not: %s", v.Number, v.Event.AuditID)
		}
		versions[m]++
		counts[v.Known]++
		l.holds(t, m, &v)
	}
	t.Log(counts)
	want := 0
	var before map[string]any
	for _, m := range l.acts {
		same := reflect.DeepEqual(shown(m.after), shown(before))
		before = m.after
		if same {
			if l.ns == "whole" && versions[m] > 0 {
				t.Errorf("%s changed nothing, and is a version", m.words)
			}
			continue
		}
		want++
		if versions[m] == 0 || l.ns == "whole" && versions[m] > 1 {
			t.Errorf("%d versions tell of %s", versions[m], m.words)
		}
	}
	// The answer to a scale is not the object, so that version is derived.
	if l.ns == "whole" && (counts["observed"]+counts["gone"]+counts["derived"] != want || counts["derived"] > 1) {
		t.Errorf("%d changes, told as %v", want, counts)
	}
	if l.ns == "names" {
		if counts["observed"]+counts["derived"]+counts["partial"] > 0 {
			t.Errorf("of names alone something is told as known: %v", counts)
		}
		return
	}
	l.checkDiffs(t, a, h.Versions, acts)
	l.checkBlame(t, a)
}

// holds: what is told of a version as known is what the API server said. Of what was derived from requests alone the server's
// defaults are missing; all else must be there.
func (l *life) holds(t *testing.T, m *moment, v *toldVersion) {
	t.Helper()
	is, truth := object(t, v.Object), shown(m.after)
	if v.Missed {
		t.Errorf("%s: told as if something had been missed before", m.words)
	}
	if v.Known == "gone" != (m.after == nil) {
		t.Errorf("%s: told as %s; the API server had %v", m.words, v.Known, truth)
	}
	switch v.Known {
	case "observed":
		if !reflect.DeepEqual(is, truth) {
			t.Errorf("%s: told as observed:\n%s\nand the API server says %v", m.words, v.Object, truth)
		}
	case "derived", "partial":
		is, truth := leaves(is), leaves(truth)
		for path, x := range is {
			if truth[path] != x {
				t.Errorf("%s: told as %s: %s is %s; the API server says %q", m.words, v.Known, path, x, truth[path])
			}
		}
		if v.Why == "" {
			t.Errorf("%s: %s without a reason", m.words, v.Known)
		}
	case "unknown":
		if is != nil {
			t.Errorf("%s: told as unknown, with an object", m.words)
		}
	}
}

type toldLine struct {
	Op, Text      string
	Before, After int
	Version       int
}

// checkDiffs: the lines of a difference make the one version of the other, and there is a difference where the API server's
// own answers differ.
func (l *life) checkDiffs(t *testing.T, a *annals, versions []toldVersion, acts map[string]*moment) {
	for i := 1; i < len(versions); i++ {
		x, y := versions[i-1], versions[i]
		if x.Known != "observed" || y.Known != "observed" {
			continue
		}
		out, said, code := a.run(l.args("diff", fmt.Sprintf("@%d..%d", x.Number, y.Number))...)
		from, to := shown(acts[x.Event.AuditID].after), shown(acts[y.Event.AuditID].after)
		want := 1
		if reflect.DeepEqual(from, to) {
			want = 0
		}
		if code != want {
			t.Errorf("diff @%d..%d: exit %d, wanted %d: %s", x.Number, y.Number, code, want, said)
		}
		var d struct {
			Lines   []toldLine
			Changes []struct{ Path string }
		}
		must(t, json.Unmarshal(out, &d))
		var a, b strings.Builder
		same := map[string]int{}
		for _, line := range d.Lines {
			switch line.Op {
			case " ":
				fmt.Fprintln(&a, line.Text)
				fmt.Fprintln(&b, line.Text)
			case "-":
				fmt.Fprintln(&a, line.Text)
				same[line.Text]++
			case "+":
				fmt.Fprintln(&b, line.Text)
				same[line.Text]--
			default:
				t.Errorf("between two that were observed, a line is told as %q", line.Op)
			}
		}
		if !reflect.DeepEqual(object(t, a.String()), from) || !reflect.DeepEqual(object(t, b.String()), to) {
			t.Errorf("diff @%d..%d is not that of what the API server says: %v", x.Number, y.Number, d.Lines)
		}
		if want == 1 && len(d.Changes) == 0 {
			t.Errorf("diff @%d..%d tells no field that changed", x.Number, y.Number)
		}
	}
}

// checkBlame: each line that is told without doubt is by the act that last set it, as the API server's own answers tell.
func (l *life) checkBlame(t *testing.T, a *annals) {
	var b struct {
		Lines    []toldLine
		Versions []toldVersion
	}
	must(t, json.Unmarshal(a.must(l.args("blame", "")...), &b))
	ids := map[int]string{}
	for _, v := range b.Versions {
		ids[v.Number] = v.Event.AuditID
	}
	var text strings.Builder
	for _, line := range b.Lines {
		fmt.Fprintln(&text, line.Text)
	}
	var doc yaml.Node
	must(t, yaml.Unmarshal([]byte(text.String()), &doc))
	paths := map[int]string{}
	linesOf("", doc.Content[0], paths)
	alive := *l // as it was before it was deleted at last
	for len(alive.acts) > 0 && alive.acts[len(alive.acts)-1].after == nil {
		alive.acts = alive.acts[:len(alive.acts)-1]
	}
	want, checked := alive.authors(), 0
	for i, line := range b.Lines {
		path := paths[i+1]
		if path == "" || line.Op != " " {
			continue
		}
		by := want[path]
		if strings.HasSuffix(path, "/app.conf") { // its lines have authors of their own
			continue
		}
		checked++
		if by == nil {
			t.Errorf("%s is told, and is not there", path)
			continue
		}
		if !slices.Contains(by.auditIDs, ids[line.Version]) {
			t.Errorf("%s is told to be by version %d; by the API server's answers it is by %q", path, line.Version, by.words)
		}
	}
	if l.ns == "whole" && checked < len(want)-1 {
		t.Errorf("of %d leaves the authors of %d are told", len(want), checked)
	}
	t.Logf("%d of %d lines are told without doubt and held against the API server's answers", checked, len(b.Lines))
	if l.ns == "whole" && l.obj == "app" {
		l.checkTextLines(t, b.Lines, ids)
	}
}

// checkTextLines: the lines of a file in a config map have authors of their own.
func (l *life) checkTextLines(t *testing.T, lines []toldLine, ids map[int]string) {
	want := map[string]string{}
	for _, m := range l.acts {
		s, _ := m.after["data"].(map[string]any)["app.conf"].(string)
		now := map[string]string{}
		for line := range strings.Lines(s) {
			line = "    " + strings.TrimSuffix(line, "\n")
			now[line] = m.auditIDs[0]
			if by, ok := want[line]; ok {
				now[line] = by
			}
		}
		want = now
	}
	found := 0
	for _, line := range lines {
		if by, ok := want[line.Text]; ok {
			found++
			if ids[line.Version] != by {
				t.Errorf("%q is told to be by %s, it is by %s", line.Text, ids[line.Version], by)
			}
		}
	}
	if found != len(want) || found < 4 {
		t.Errorf("%d of %d lines of the file were found", found, len(want))
	}
}

// linesOf says on which line each leaf stands.
func linesOf(path string, n *yaml.Node, to map[int]string) {
	switch n.Kind {
	case yaml.MappingNode:
		if len(n.Content) == 0 {
			to[n.Line] = path
		}
		for i := 0; i < len(n.Content); i += 2 {
			linesOf(path+"/"+n.Content[i].Value, n.Content[i+1], to)
		}
	case yaml.SequenceNode:
		if len(n.Content) == 0 {
			to[n.Line] = path
		}
		for i, x := range n.Content {
			var v any
			if x.Decode(&v) == nil {
				linesOf(path+"/"+element(i, v), x, to)
			}
		}
	default:
		to[n.Line] = path
	}
}
