package object

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"pgregory.net/rapid"
)

// world is what an API server does with writes of one deployment, and what its audit log says of them.
type world struct {
	*rapid.T
	doc    map[string]any // nil: not there
	rv     int
	uid    int
	events []occurrence
	after  []map[string]any // of each event
}

// random is a deployment that has all that a write may change, in the form in which its type is written.
func random(t *rapid.T) map[string]any {
	text := rapid.SampledFrom([]string{"a", "b", "c d", "1", "true", "x: y", "- z", "é\u2028", ""})
	words := func(what string) map[string]any {
		m := map[string]any{}
		for _, k := range []string{"app", "team", "a/b", "9"} {
			if rapid.Bool().Draw(t, what) {
				m[k] = text.Draw(t, what)
			}
		}
		return m
	}
	meta := map[string]any{"name": "web", "namespace": "shop"}
	for _, k := range []string{"labels", "annotations"} {
		if w := words(k); len(w) > 0 {
			meta[k] = w
		}
	}
	spec := map[string]any{"replicas": number(rapid.IntRange(0, 5).Draw(t, "replicas"))}
	if n := rapid.IntRange(0, 3).Draw(t, "ready"); n > 0 {
		spec["minReadySeconds"] = number(n)
	}
	var containers []any
	for _, name := range rapid.Permutation([]string{"x", "y", "z"}).Draw(t, "names")[:rapid.IntRange(1, 3).Draw(t, "containers")] {
		c := map[string]any{"name": name, "image": rapid.SampledFrom([]string{"i:1", "i:2"}).Draw(t, "image")}
		var args, env []any
		for _, a := range []string{"--v", "--w", "--p=1"}[:rapid.IntRange(0, 3).Draw(t, "args")] {
			args = append(args, a)
		}
		for _, a := range rapid.Permutation([]string{"A", "B", "C"}).Draw(t, "order")[:rapid.IntRange(0, 3).Draw(t, "env")] {
			env = append(env, map[string]any{"name": a, "value": rapid.SampledFrom([]string{"1", "2\n3\n", "yes"}).Draw(t, "value")})
		}
		if args != nil {
			c["args"] = args
		}
		if env != nil {
			c["env"] = env
		}
		containers = append(containers, c)
	}
	spec["template"] = map[string]any{"spec": map[string]any{"containers": containers}}
	return map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}
}

func number(n int) any { return decode([]byte(fmt.Sprint(n))) }

// stored is the document with what the server counts.
func (w *world) stored() map[string]any {
	doc := w.doc
	for k, v := range map[string]any{"uid": fmt.Sprint("u", w.uid), "resourceVersion": fmt.Sprint(w.rv), "creationTimestamp": fmt.Sprint("t", w.uid)} {
		doc = set(doc, []string{"metadata", k}, v)
	}
	return doc
}

// record notes a write at a level.
func (w *world) record(o occurrence) {
	o.level = rapid.SampledFrom([]string{"RequestResponse", "RequestResponse", "Request", "Metadata"}).Draw(w.T, "level")
	if o.verb != "delete" {
		w.rv++
		o.response = jsonOf(w.stored())
	} else {
		o.status, o.response = "Success", `{"kind":"Status","status":"Success"}`
	}
	switch o.level {
	case "Request":
		o.response = ""
	case "Metadata":
		o.request, o.response = "", ""
	}
	w.events = append(w.events, o)
	w.after = append(w.after, w.doc)
}

// write changes the object to another, in one of the ways in which that is done.
func (w *world) write() {
	next := random(w.T)
	if w.doc == nil {
		w.doc, w.uid = next, w.uid+1
		w.record(occurrence{verb: "create", code: 201, request: jsonOf(next)})
		return
	}
	was := []byte(jsonOf(w.doc))
	o := occurrence{verb: "patch"}
	switch rapid.IntRange(0, 5).Draw(w.T, "way") {
	case 0:
		o = occurrence{verb: "update", rv: fmt.Sprint(w.rv), request: jsonOf(set(next, []string{"metadata", "uid"}, fmt.Sprint("u", w.uid)))}
	case 1:
		p, err := jsonpatch.CreateMergePatch(was, []byte(jsonOf(next)))
		w.must(err)
		o.request = string(p)
	case 2:
		p, err := strategicpatch.CreateTwoWayMergePatch(was, []byte(jsonOf(next)), appsv1.Deployment{})
		w.must(err)
		o.request = string(p)
		b, err := strategicpatch.StrategicMergePatch(was, p, appsv1.Deployment{})
		w.must(err)
		next = decode(b).(map[string]any)
	case 3:
		op := rapid.SampledFrom([]string{
			`[{"op":"add","path":"/metadata/labels","value":{"only":"this"}},{"op":"replace","path":"/spec/replicas","value":9}]`,
			`[{"op":"add","path":"/spec/template/spec/containers/0/args","value":["--new"]},{"op":"test","path":"/kind","value":"Deployment"}]`,
			`[{"op":"copy","from":"/spec/template/spec/containers/0/image","path":"/spec/template/spec/containers/0/workingDir"}]`,
			`[{"op":"add","path":"/spec/template/spec/containers/0","value":{"name":"w","image":"new"}},{"op":"remove","path":"/spec/template/spec/containers/1"}]`,
		}).Draw(w.T, "patch")
		p, err := jsonpatch.DecodePatch([]byte(op))
		w.must(err)
		b, err := p.Apply(was)
		w.must(err)
		o.request, next = op, decode(b).(map[string]any)
	case 4: // the applied configuration says all
		o.uri, o.request = "fieldManager=x&force=true", jsonOf(next)
	case 5:
		o.verb, o.sub = "patch", "scale"
		o.request = `{"spec":{"replicas":7}}`
		next = set(w.doc, []string{"spec", "replicas"}, number(7))
	}
	w.doc = next
	w.record(o)
	if o.sub == "scale" && w.events[len(w.events)-1].response != "" {
		w.events[len(w.events)-1].response = fmt.Sprintf(`{"kind":"Scale","metadata":{"name":"web","uid":"u%d","resourceVersion":"%d"},"spec":{"replicas":7}}`, w.uid, w.rv)
	}
}

func (w *world) must(err error) {
	if err != nil {
		w.Fatal(err)
	}
}

// flat are a value's leaves by their paths: elements are known by their name, or by what they are.
func flat(path string, v any, to map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			flat(path+"/"+k, x, to)
		}
	case []any:
		for _, x := range v {
			name := keyText(x, "name")
			if s, ok := x.(string); ok {
				name = s
			}
			flat(path+"/"+name, x, to)
		}
	default:
		to[path] = jsonOf(v)
	}
}

func leaves(doc map[string]any) map[string]string {
	to := map[string]string{}
	if doc != nil {
		flat("", doc, to)
	}
	for _, k := range []string{"/metadata/uid", "/metadata/creationTimestamp", "/metadata/resourceVersion"} { // of which the world knows nothing
		delete(to, k)
	}
	return to
}

// TestNothingIsToldThatIsNotSo: whatever is written in whatever way, and however much of it is recorded, what is told as observed or
// derived is the object, what is told of it as known in part is so, and the author of a line that is told without doubt is the last
// who changed it.
func TestNothingIsToldThatIsNotSo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{T: t, rv: 10}
		for range rapid.IntRange(1, 8).Draw(t, "writes") {
			if w.doc != nil && rapid.IntRange(0, 7).Draw(t, "delete") == 0 {
				w.doc = nil
				w.record(occurrence{verb: "delete", request: "{}"})
				continue
			}
			w.write()
		}
		l := follows(web, Question{}, acts(web, w.events...))
		for _, v := range l.versions {
			at := int(v.Event.Position)
			truth := leaves(w.after[at])
			is := leaves(yamlOf(t, v.object()))
			switch v.Known {
			case Observed, Derived:
				if !maps.Equal(is, truth) {
					t.Fatalf("version %d (%s) is told as\n%v\nit was\n%v\n%s", v.Number, v.Known, is, truth, w.log())
				}
			case Partial:
				for k, x := range is {
					if truth[k] != x {
						t.Fatalf("version %d is told to have %s = %s; it had %q\n%s", v.Number, k, x, truth[k], w.log())
					}
				}
			case Gone:
				if w.after[at] != nil {
					t.Fatalf("version %d is told as gone\n%s", v.Number, w.log())
				}
			}
			if v.Missed {
				t.Fatalf("version %d: something is told as missed\n%s", v.Number, w.log())
			}
			w.checkAuthors(v, l)
		}
	})
}

// checkAuthors holds the authors of a version's lines against the last who changed each.
func (w *world) checkAuthors(v *version, l *life) {
	if v.tree == nil {
		return
	}
	by := map[string]int{}
	was := map[string]string{}
	for i := range int(v.Event.Position) + 1 {
		is := leaves(w.after[i])
		for k, x := range is {
			if old, ok := was[k]; !ok || old != x {
				by[k] = i
			}
		}
		was = is
	}
	var check func(path string, n *node)
	check = func(path string, n *node) {
		for _, k := range slices.Sorted(maps.Keys(n.members)) {
			check(path+"/"+k, n.members[k])
		}
		for _, x := range n.items {
			name := keyText(x.plain(), "name")
			if s, ok := x.value.(string); ok {
				name = s
			}
			check(path+"/"+name, x)
		}
		if _, ok := was[path]; !ok || n.shape != scalar || n.stale || n.guess || n.by == 0 || len(n.lines) > 1 {
			return
		}
		at := int(l.versions[n.by-1].Event.Position)
		if o := w.events[at]; at > by[path] && o.verb == "patch" && strings.Contains(o.request, jsonOf(n.value)) && w.unknown(by[path], at) {
			return // it set what may have been set before: that was not recorded
		}
		if at != by[path] {
			w.Fatalf("version %d: %s is told to be by act %d, it is by act %d\n%s", v.Number, path, at, by[path], w.log())
		}
	}
	check("", v.tree)
}

// unknown says whether of an act from one to another it is not known what it did.
func (w *world) unknown(from, to int) bool {
	return slices.ContainsFunc(w.events[from:to], func(o occurrence) bool { return o.level != "RequestResponse" })
}

func (w *world) log() string {
	var b strings.Builder
	for i, o := range w.events {
		fmt.Fprintf(&b, "%d %s %s %s?%s %s\n   is %s\n", i, o.level, o.verb, o.sub, o.uri, o.request, jsonOf(w.after[i]))
	}
	return b.String()
}

// TestTheYAMLIsTheObject: what is printed reads as what it is, by two readers.
func TestTheYAMLIsTheObject(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := random(t)
		doc["data"] = map[string]any{"text": rapid.String().Draw(t, "text"), rapid.String().Draw(t, "key"): rapid.SampledFrom(oddTexts).Draw(t, "odd")}
		n := grow(doc, 1, false, false)
		if got := jsonOf(yamlOf(t, text(n.print()))); got != jsonOf(doc) {
			t.Fatalf("got  %s\nwant %s\n%s", got, jsonOf(doc), text(n.print()))
		}
	})
}

var oddTexts = []string{
	"null", "~", "yes", "No", "0x1f", "1e5", "1_000", ".5", "-", "- a", "a: b", "a #b", "#", "a:", ":a", "[", "{}", "!x", "&x", "*x", "%", "@a", "`", "'", "\"", "a\n", "a\nb", "\na", " a\nb",
	"a\n\n", "a\n b\n", "a\n\tb\n", "a \nb", "a\r\nb", "\x00", "\u2028", "\ufeff", "\U0001F600", "2026-11-20", "12:30:45", "=", "<<", "...", "---\na", "a\n---\nb\n", "0o7", "1.", "+1", "a\n \nb", "a\n   ", "true ", "\t", "a\tb",
	"00000000-0000-0000-0000-000000000000",
}

func TestCompareIsAWayFromOneToTheOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 0, 40)
		a, b := lines.Draw(t, "a"), lines.Draw(t, "b")
		checkCompare(t, a, b)
	})
	var a, b []string // far apart: the bound is reached
	for i := range 20000 {
		a = append(a, fmt.Sprint(i*7%5000))
		b = append(b, fmt.Sprint(i*3%5000+i%2))
	}
	checkCompare(t, a, b)
	slices.Reverse(b)
	checkCompare(t, a, b)
}

func checkCompare(t rapid.TB, a, b []string) {
	var x, y []string
	for _, e := range compare(a, b) {
		switch e.op {
		case ' ':
			x, y = append(x, a[e.a]), append(y, b[e.b])
			if a[e.a] != b[e.b] {
				t.Fatalf("%q is kept as %q", a[e.a], b[e.b])
			}
		case '-':
			x = append(x, a[e.a])
		case '+':
			y = append(y, b[e.b])
		}
	}
	if !slices.Equal(x, a) || !slices.Equal(y, b) {
		t.Fatal("not all lines of both are there")
	}
}
