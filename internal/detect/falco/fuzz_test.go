package falco

import (
	"testing"

	"annals.dev/audit"
	"annals.dev/internal/detect"
	"annals.dev/internal/match"
)

// FuzzParse: no file of rules, and no event, does harm; a rule's predicate and its key are the same each time.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"- rule: A\n  desc: d\n  output: '%ka.verb %jevt.value[/a/0] %join(\"-\", (ka.verb))'\n  priority: INFO\n  source: k8s_audit\n  condition: m and ka.verb in (l, x)\n  exceptions: [{name: e, fields: [ka.verb], values: [[a]]}]\n- macro: m\n  condition: not ka.uri startswith anyof (a, b)\n- list: l\n  items: [a, b]\n",
		"- {rule: A, append: true, condition: or (ka.user.groups intersects (a) and not b64(ka.uri) regex '.*')}\n",
		"- list: l\n  items: []\n  override: {items: append}\n",
	} {
		f.Add([]byte(s), []byte(everything))
	}
	f.Fuzz(func(t *testing.T, file, event []byte) {
		files := []detect.File{{Name: "f", Data: file}}
		rules, problems := Parse(files, Options{})
		again, more := Parse(files, Options{})
		if len(rules) != len(again) || len(problems) != len(more) {
			t.Fatalf("%d rules and %d problems, then %d and %d", len(rules), len(problems), len(again), len(more))
		}
		v := new(audit.View)
		if v.Parse(event) != nil {
			return
		}
		for i, r := range rules {
			row := &match.Row{View: v}
			if r.Version != again[i].Version || r.Where.Match(row) != again[i].Where.Match(row) || r.Output(row) != again[i].Output(row) {
				t.Fatalf("%s is not the same twice", r.Name)
			}
		}
	})
}

// FuzzCondition: what is taken is written, and taken again as the same.
func FuzzCondition(f *testing.F) {
	for _, s := range []string{"a.b = 1", "not (a.b[x] in (a, 'b c') or m) and n", `join("-", (a.b, "c")) = val(d.e)`, `a.b = "\"\\" and getopt(a.b, "x:")[x] != oneof (1)`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, err := parse(s)
		if err != nil {
			return
		}
		walk(e, false, func(e expr, _ bool) {
			c, ok := e.(*check)
			if !ok {
				return
			}
			written := c.String()
			again, err := parse(written)
			if err != nil {
				t.Fatalf("%q is written as %q: %v", s, written, err)
			}
			if got := again.(*check).String(); got != written {
				t.Fatalf("%q is written as %q, then %q", s, written, got)
			}
		})
	})
}
