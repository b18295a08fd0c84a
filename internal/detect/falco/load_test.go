package falco

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"annals.dev/internal/detect"
)

// load reads files whose rules are written short: "rule NAME: CONDITION" on a line of its own stands for a whole rule.
func load(t *testing.T, opt Options, files ...string) (rules []*detect.Rule, problems []string) {
	t.Helper()
	var all []detect.File
	for i, f := range files {
		var b strings.Builder
		for line := range strings.Lines(f) {
			if short, ok := strings.CutPrefix(line, "rule "); ok {
				name, condition, _ := strings.Cut(strings.TrimSpace(short), ": ")
				fmt.Fprintf(&b, "- {rule: %s, desc: d, output: \"o\", priority: WARNING, source: k8s_audit, condition: %q}\n", name, condition)
			} else {
				b.WriteString(line)
			}
		}
		all = append(all, detect.File{Name: fmt.Sprintf("f%d", i), Data: []byte(b.String())})
	}
	rules, found := Parse(all, opt)
	for _, p := range found {
		problems = append(problems, p.Kind+": "+p.Message)
	}
	return rules, problems
}

// TestFiles is what each rule about rules, macros, lists, exceptions and overrides makes of the same event: the names of the rules
// that match, and the problems, of which each is told by a part of it.
func TestFiles(t *testing.T) {
	for _, tt := range []struct {
		name     string
		files    []string
		want     string
		problems []string
	}{
		{"a macro", []string{"- {macro: m, condition: ka.verb=create}\nrule A: m and ka.target.name=web\n"}, "A", nil},
		{"a macro binds as one", []string{"- {macro: m, condition: ka.verb=get or ka.verb=create}\nrule A: m and ka.target.name=x\nrule B: not m\nrule C: not not m\n"}, "C", nil},
		{"macros in macros", []string{"- {macro: m, condition: ka.verb=create}\n- {macro: n, condition: m and ka.target.name=web}\nrule A: n\n"}, "A", nil},
		{"a later macro counts everywhere", []string{"- {macro: m, condition: ka.verb=get}\nrule A: m\n", "- {macro: m, condition: ka.verb=create}\nrule B: m\n"}, "A B", nil},
		{"a macro appended to", []string{"- {macro: m, condition: ka.verb=get}\nrule A: m\n- {macro: m, append: true, condition: or ka.verb=create}\n"}, "A", nil},
		{"a macro overridden by append", []string{"- {macro: m, condition: ka.verb=get}\nrule A: m\n- {macro: m, override: {condition: append}, condition: or ka.verb=create}\n"}, "A", nil},
		{"a macro overridden by replace", []string{"- {macro: m, condition: ka.verb=get}\nrule A: m\n- {macro: m, override: {condition: replace}, condition: ka.verb=create}\n"}, "A", nil},
		{"a macro that is not there to override", []string{"- {macro: m, append: true, condition: or ka.verb=create}\nrule A: m\nrule B: ka.verb=create\n"}, "B", []string{"not defined before", "no macro m"}},
		{"a macro of itself", []string{"- {macro: m, condition: n}\n- {macro: n, condition: m}\nrule A: m\nrule B: ka.verb=create\n"}, "B", []string{"m by n by m is defined by itself"}},
		{"a macro with an error", []string{"- {macro: m, condition: ka.verb like x}\nrule A: m\n"}, "", []string{"macro m: expected an operator", "macro m: expected an operator"}},
		{"a macro of syscalls that nobody uses", []string{"- {macro: m, condition: evt.type=open}\nrule A: ka.verb=create\n"}, "A", nil},
		{"a macro without a condition", []string{"- macro: m\n"}, "", []string{"no condition"}},

		{"a list", []string{"- {list: l, items: [get, create]}\nrule A: ka.verb in (l)\n"}, "A", nil},
		{"a list among items", []string{"- {list: l, items: [create]}\nrule A: ka.verb in (get, l, x)\nrule B: ka.verb in (l,get)\n"}, "A B", nil},
		{"lists in lists", []string{"- {list: k, items: [create]}\n- {list: l, items: [get, k]}\nrule A: ka.verb in (l)\n"}, "A", nil},
		{"an empty list", []string{"- {list: e, items: []}\nrule A: ka.verb in (e)\nrule B: ka.verb in (e, create)\nrule C: ka.verb in (create, e)\nrule D: ka.verb in (x, e, create)\nrule E: not ka.verb in (e)\n"}, "B C D E", nil},
		{"items with blanks", []string{"- {list: l, items: [\"Jane Doe\", Jane.Doe]}\nrule A: ka.user.name in (l)\n"}, "A", nil},
		{"a list in a macro", []string{"- {macro: m, condition: ka.verb in (l)}\nrule A: m\n- {list: l, items: [create]}\n"}, "A", nil},
		{"a list appended to", []string{"- {list: l, items: [get]}\nrule A: ka.verb in (l)\n- {list: l, items: [create], append: true}\n"}, "A", nil},
		{"a list overridden by append", []string{"- {list: l, items: [get]}\nrule A: ka.verb in (l)\n", "- {list: l, items: [create], override: {items: append}}\n"}, "A", nil},
		{"a list overridden by replace", []string{"- {list: l, items: [create]}\nrule A: ka.verb in (l)\nrule B: ka.verb in (l, create)\n- {list: l, items: [get], override: {items: replace}}\n"}, "B", nil},
		{"a later list replaces", []string{"- {list: l, items: [create]}\nrule A: ka.verb in (l)\n- {list: l, items: [get]}\n"}, "", nil},
		{"a list that is not there to append to", []string{"- {list: l, items: [create], append: true}\nrule A: ka.verb in (create)\n"}, "A", []string{"not defined before"}},
		{"a list of itself", []string{"- {list: l, items: [k]}\n- {list: k, items: [l]}\nrule A: ka.verb=create\n"}, "A", []string{"defined by itself", "defined by itself"}},
		{"a list's name within a word or quotes is text", []string{"- {list: verb, items: [x]}\nrule A: ka.verb = \"create\" and not ka.verb in (\"verb\", verbs)\n"}, "A", nil},
		{"a list with any operator", []string{"- {list: l, items: [c, cr]}\nrule A: ka.verb startswith allof (l)\n"}, "A", nil},

		{"a later rule replaces, in its place", []string{"rule A: ka.verb=get\nrule B: ka.verb=create\n", "rule A: ka.verb=create\n"}, "A B", nil},
		{"enabled: false", []string{"- {rule: A, desc: d, output: o, priority: DEBUG, source: k8s_audit, condition: ka.verb=create, enabled: false}\n"}, "", []string{"not enabled"}},
		{"switched off and on", []string{"rule A: ka.verb=create\nrule B: ka.verb=create\n- {rule: A, enabled: false}\n- {rule: B, enabled: false}\n- {rule: B, enabled: true}\n"}, "B", []string{"not enabled"}},
		{"enabled alone, of none", []string{"- {rule: A, enabled: false}\n"}, "", []string{"enabled has no effect"}},
		{"append: true", []string{"rule A: ka.verb=get\n- {rule: A, append: true, condition: or ka.verb=create}\n"}, "A", nil},
		{"override condition: append", []string{"rule A: ka.verb=create\n- {rule: A, override: {condition: append}, condition: and ka.target.name=x}\n"}, "", nil},
		{"override condition: replace", []string{"rule A: ka.verb=get\n- {rule: A, override: {condition: replace}, condition: ka.verb=create}\n"}, "A", nil},
		{"override enabled", []string{"rule A: ka.verb=create\n- {rule: A, override: {enabled: replace}, enabled: false}\n"}, "", []string{"not enabled"}},
		{"override of what cannot be", []string{"rule A: ka.verb=create\n- {rule: A, override: {priority: append}, priority: DEBUG}\n"}, "A", []string{`priority cannot be "append"`}},
		{"override of what is not given", []string{"rule A: ka.verb=create\n- {rule: A, override: {condition: append}}\n"}, "A", []string{"names condition"}},
		{"more than override names", []string{"rule A: ka.verb=create\n- {rule: A, override: {desc: append}, desc: x, condition: ka.verb=get}\n"}, "A", []string{"condition is not named in override"}},
		{"append and override", []string{"rule A: ka.verb=create\n- {rule: A, append: true, override: {desc: append}, desc: x}\n"}, "A", []string{"exclude each other"}},
		{"append with nothing", []string{"rule A: ka.verb=create\n- {rule: A, append: true}\n"}, "A", []string{"nothing to append"}},
		{"override of no rule", []string{"- {rule: A, override: {desc: append}, desc: x}\n"}, "", []string{"not defined before"}},
		{"an appended condition must continue", []string{"rule A: ka.verb=create\n- {rule: A, append: true, condition: ka.verb=get}\n"}, "", []string{"expected )"}},

		{"an exception", []string{"rule A: ka.verb=create\nrule B: ka.verb=create\n" +
			"- {rule: A, append: true, exceptions: [{name: x, fields: [ka.user.name, ka.target.name], values: [[Jane.Doe, x], [Jane.Doe, web]]}]}\n" +
			"- {rule: B, append: true, exceptions: [{name: x, fields: [ka.user.name, ka.target.name], values: [[Jane.Doe, x], [y, web]]}]}\n"}, "B", nil},
		{"an exception with operators", []string{"rule A: ka.verb=create\n- {rule: A, append: true, exceptions: [{name: x, fields: [ka.user.name, ka.target.name], comps: [startswith, in], values: [[Jane, [x, web]]]}]}\n"}, "", nil},
		{"an exception of one field", []string{"rule A: ka.verb=create\n- {rule: A, append: true, exceptions: [{name: x, fields: ka.user.name, values: [Jim, Jane.Doe]}]}\n"}, "", nil},
		{"an exception of one field with pmatch", []string{"rule A: ka.verb=create\n- {rule: A, append: true, exceptions: [{name: x, fields: ka.uri, comps: pmatch, values: [/api/v1]}]}\n"}, "", nil},
		{"an exception of one field with a modifier", []string{"rule A: ka.verb=create\n- {rule: A, append: true, exceptions: [{name: x, fields: ka.uri, comps: startswith anyof, values: [/apis, /api/]}]}\n"}, "", nil},
		{"an exception is about the whole condition", []string{"rule A: ka.verb=create or ka.verb=get\n- {rule: A, append: true, exceptions: [{name: x, fields: [ka.user.name], values: [[Jane.Doe]]}]}\n"}, "", nil},
		{"an exception without values", []string{"rule A: ka.verb=create\n- {rule: A, append: true, exceptions: [{name: x, fields: [ka.user.name]}]}\n"}, "A", nil},
		{"values added to an exception", []string{"rule A: ka.verb=create\n- {rule: A, append: true, exceptions: [{name: x, fields: [ka.user.name]}]}\n- {rule: A, append: true, exceptions: [{name: x, values: [[Jane.Doe]]}]}\n"}, "", nil},
		{"fields added to an exception", []string{"rule A: ka.verb=create\n- {rule: A, append: true, exceptions: [{name: x, fields: [ka.user.name]}]}\n- {rule: A, append: true, exceptions: [{name: x, fields: [ka.verb], values: [[create]]}]}\n"}, "A", []string{"only values can be added"}},
		{"exceptions replaced", []string{"rule A: ka.verb=create\n- {rule: A, append: true, exceptions: [{name: x, fields: [ka.user.name], values: [[Jane.Doe]]}]}\n- {rule: A, override: {exceptions: replace}, exceptions: [{name: y, fields: [ka.verb], values: [[get]]}]}\n"}, "A", nil},
		{"tuples of the wrong length", []string{"rule A: ka.verb=create\n- {rule: A, append: true, exceptions: [{name: x, fields: [ka.user.name], values: [[a, b]]}]}\n"}, "A", []string{"a list of 1, one per field"}},
		{"operators of the wrong number", []string{"rule A: ka.verb=create\n- {rule: A, append: true, exceptions: [{name: x, fields: [ka.user.name], comps: [=, =], values: [[a]]}]}\n"}, "A", []string{"1 fields and 2 operators"}},
		{"one field with an operator of texts", []string{"rule A: ka.verb=create\n- {rule: A, append: true, exceptions: [{name: x, fields: ka.user.name, comps: startswith, values: [a]}]}\n"}, "A", []string{"must be one of lists"}},
		{"an exception of an unknown field", []string{"rule A: ka.verb=create\n- {rule: A, append: true, exceptions: [{name: x, fields: [evt.x], values: [[a]]}]}\n"}, "", []string{"no field evt.x"}},
		{"an exception without a name", []string{"rule A: ka.verb=create\n- {rule: A, append: true, exceptions: [{fields: [ka.verb], values: [[a]]}]}\n"}, "A", []string{"must have a name"}},
		{"values with blanks, and a list", []string{"- {list: l, items: [Jane.Doe]}\nrule A: ka.verb=create\n- {rule: A, append: true, exceptions: [{name: x, fields: [ka.user.name], comps: [in], values: [[\"(l, 'a b')\"], [\"c d\"]]}]}\n"}, "", nil},

		{"other sources", []string{"- {rule: S, desc: d, output: o, priority: DEBUG, condition: evt.type=open}\n- {rule: T, desc: d, output: o, priority: DEBUG, condition: evt.type=open, source: syscall}\n" +
			"- {rule: C, desc: d, output: o, priority: DEBUG, condition: ct.name=x, source: aws_cloudtrail}\nrule A: ka.verb=create\n"}, "A", []string{"1 rules of source aws_cloudtrail", "2 rules of source syscall"}},
		{"the same name in another source", []string{"rule A: ka.verb=create\n- {rule: A, desc: d, output: o, priority: DEBUG, condition: evt.type=open}\n"}, "A", []string{"already one of source"}},
		{"an unknown field", []string{"rule A: ka.nosuch=1\nrule B: ka.verb=create\n"}, "B", []string{"no field ka.nosuch"}},
		{"an unknown field to skip", []string{"- {rule: A, desc: d, output: o, priority: DEBUG, source: k8s_audit, condition: ka.nosuch=1, skip-if-unknown-filter: true}\n"}, "", []string{"says to skip it"}},
		{"an unknown key", []string{"- {rule: A, desc: d, output: o, priority: DEBUG, source: k8s_audit, condition: ka.verb=create, colour: red}\n"}, "A", []string{`unknown key "colour"`}},
		{"keys that mean nothing here", []string{"- {rule: A, desc: d, output: o, priority: DEBUG, source: k8s_audit, condition: ka.verb=create, capture: true, capture_duration: 5, warn_evttypes: false}\n"}, "A", nil},
		{"a missing key", []string{"- {rule: A, output: o, priority: DEBUG, source: k8s_audit, condition: ka.verb=create}\n"}, "", []string{"no desc"}},
		{"an unknown priority", []string{"- {rule: A, desc: d, output: o, priority: LOUD, source: k8s_audit, condition: ka.verb=create}\n"}, "", []string{`priority "LOUD"`}},
		{"an unknown output field", []string{"- {rule: A, desc: d, output: \"%ka.nosuch\", priority: DEBUG, source: k8s_audit, condition: ka.verb=create}\n"}, "A", []string{"output: there is no field ka.nosuch"}},
		{"requirements", []string{"- required_engine_version: 15\n- required_engine_version: 0.31.0\n- required_engine_version: soon\n- required_plugin_versions: [{name: k8saudit, version: 0.18.0}, {name: other, version: 1.0.0, alternatives: [{name: k8saudit-eks, version: 0.1.0}]}, {name: dummy, version: x}]\n"}, "",
			[]string{`"soon" is no version`, "plugin dummy", `"x" is no version`}},
		{"an unknown item", []string{"- {colour: red}\n- word\nrule A: ka.verb=create\n"}, "A", []string{"no rule, macro or list", "must be a mapping"}},
		{"no sequence", []string{"a: b\n", "rule A: ka.verb=create\n"}, "A", []string{"a sequence of items"}},
		{"no YAML", []string{"- {\n", "rule A: ka.verb=create\n"}, "A", []string{"not YAML"}},
		{"nothing", []string{"", "# only a comment\n", "---\n"}, "", nil},
		{"several documents", []string{"rule A: ka.verb=create\n---\nrule B: ka.verb=create\n"}, "A B", nil},
		{"anchors", []string{"- {list: l, items: &i [create]}\n- {list: k, items: *i}\nrule A: ka.verb in (k)\n"}, "A", nil},
		{"names that differ in / alone", []string{"rule A/B: ka.verb=create\nrule A B: ka.verb=create\n"}, "A/B", []string{"another rule has this ID"}},
	} {
		rules, problems := load(t, Options{All: true}, tt.files...)
		if got := strings.Join(fire(t, rules, []byte(sample)), " "); got != tt.want {
			t.Errorf("%s: matched by %q, want %q", tt.name, got, tt.want)
		}
		if len(problems) != len(tt.problems) {
			t.Errorf("%s: problems %q, want %q", tt.name, problems, tt.problems)
			continue
		}
		for i, p := range tt.problems {
			if !slices.ContainsFunc(problems, func(got string) bool { return strings.Contains(got, p) }) {
				t.Errorf("%s: problem %d of %q is not %q", tt.name, i, problems, p)
			}
		}
	}
}

func TestRule(t *testing.T) {
	const file = `# a comment
- rule: Attach/Exec Pod
  desc: >
    Somebody
    attached
  condition: ka.target.subresource in (exec, attach)
  output: "exec (user=%ka.user.name)"
  priority: notice
  source: k8s_audit
  tags: [k8s, mitre_privilege_escalation, T1609, mitre_execution, t1611]

# another
- rule: Attach/Exec Pod
  tags: [more]
  desc: twice
  priority: Critical
  override: {tags: append, desc: append, priority: replace}
`
	rules, problems := load(t, Options{}, file)
	if len(rules) != 1 || len(problems) != 0 {
		t.Fatal(rules, problems)
	}
	got := *rules[0]
	want := detect.Rule{
		ID: "falco/Attach Exec Pod", Name: "Attach/Exec Pod", Title: "Attach/Exec Pod", Language: detect.Falco, Severity: detect.Critical,
		About: "Somebody attached twice", Techniques: []string{"T1609", "T1611"}, Tactics: []string{"execution", "privilege-escalation"},
		Tags: []string{"k8s", "mitre_privilege_escalation", "T1609", "mitre_execution", "t1611", "more"}, File: "f0", Line: 2, First: "falco",
	}
	if !strings.HasPrefix(got.Text, "- rule: Attach") || !strings.HasSuffix(got.Text, "priority: replace}") || strings.Contains(got.Text, "# another") {
		t.Errorf("its text is %s", got.Text)
	}
	if s := got.Output(row(t, sample)); s != "exec (user=Jane.Doe)" {
		t.Error(s)
	}
	if len(got.Fields) != 1 || got.Fields[0].Name() != "user.username" {
		t.Error(got.Fields)
	}
	got.Text, got.Where, got.Output, got.Fields, got.Version = "", nil, nil, nil, ""
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSeverities(t *testing.T) {
	for priority, want := range map[string]detect.Severity{
		"EMERGENCY": detect.Critical, "Alert": detect.Critical, "critical": detect.Critical, "ERROR": detect.High, "Warning": detect.Medium, "NOTICE": detect.Low,
		"INFO": detect.Informational, "Informational": detect.Informational, "debug": detect.Informational,
	} {
		rules, _ := load(t, Options{}, "- {rule: A, desc: d, output: o, priority: "+priority+", source: k8s_audit, condition: ka.verb=get}\n")
		if len(rules) != 1 || rules[0].Severity != want {
			t.Errorf("%s is %v", priority, rules)
		}
	}
}

// TestVersion: what decides what a rule finds changes its version, what does not leaves it.
func TestVersion(t *testing.T) {
	version := func(opt Options, file string) string {
		rules, _ := load(t, opt, file)
		if len(rules) == 0 || len(rules[0].Version) != 12 {
			t.Fatalf("%s: %v", file, rules)
		}
		return rules[0].Version
	}
	const file = "- {macro: m, condition: ka.verb in (l)}\n- {list: l, items: [get]}\nrule A: m and ka.sourceips exists\n"
	base := version(Options{}, file)
	for name, other := range map[string]string{
		"a comment": "# x\n" + file, "another rule": file + "rule B: m\n", "written otherwise": strings.Replace(file, "m and", "( m )  and", 1), "a macro unused": file + "- {macro: n, condition: m}\n",
	} {
		if version(Options{}, other) != base {
			t.Errorf("%s changes the version", name)
		}
	}
	for name, other := range map[string]string{
		"a list": strings.Replace(file, "get", "list", 1), "a macro": strings.Replace(file, "ka.verb", "ka.uri", 1), "a condition": strings.Replace(file, "m and", "m or", 1),
	} {
		if version(Options{}, other) == base {
			t.Errorf("%s does not change the version", name)
		}
	}
	if version(Options{Upstream: true}, file) == base || version(Options{All: true}, file) == base {
		t.Error("the options do not change the version")
	}
}

// TestBounds: what grows without end is an error, at once.
func TestBounds(t *testing.T) {
	var b strings.Builder
	b.WriteString("- {macro: m0, condition: ka.verb=get}\n- {list: l0, items: [a, b]}\n")
	for i := range 60 {
		fmt.Fprintf(&b, "- {macro: m%d, condition: m%d or m%d}\n- {list: l%d, items: [l%d, l%d]}\n", i+1, i, i, i+1, i, i)
	}
	b.WriteString("rule A: m60\nrule B: ka.verb in (l60)\nrule C: ka.verb=create\n")
	rules, problems := load(t, Options{All: true}, b.String())
	if got := fire(t, rules, []byte(sample)); !slices.Equal(got, []string{"C"}) {
		t.Error(got)
	}
	if all := strings.Join(problems, "\n"); !strings.Contains(all, "more than 20000 checks") || !strings.Contains(all, "more than 100000 items") {
		t.Error(len(all), all[:min(len(all), 2000)])
	}
	b.Reset()
	b.WriteString("- {macro: m0, condition: ka.verb=create}\n")
	for i := range maxDepth + 10 {
		fmt.Fprintf(&b, "- {macro: m%d, condition: m%d}\n", i+1, i)
	}
	fmt.Fprintf(&b, "rule A: m%d\nrule B: m%d\n", maxDepth+5, maxDepth-1)
	rules, problems = load(t, Options{All: true}, b.String())
	if got := fire(t, rules, []byte(sample)); !slices.Equal(got, []string{"B"}) || len(problems) != 1 || !strings.Contains(problems[0], "nested deeper") {
		t.Error(got, problems)
	}
}
