package pack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"annals.dev/internal/detect"
)

func TestLanguageOf(t *testing.T) {
	for text, want := range map[string]detect.Language{
		"- rule: x\n  condition: a\n":                             detect.Falco,
		"- required_engine_version: 15\n- list: l\n  items: []\n": detect.Falco,
		"- desc: d\n  macro: m\n  condition: c\n":                 detect.Falco,
		"title: t\nlogsource: {}\ndetection:\n  condition: x\n":   detect.Sigma,
		"---\ntitle: t\ncorrelation:\n  type: event_count\n":      detect.Sigma,
		"title: t\nfilter:\n  rules: any\n":                       detect.Sigma,
		"id: a\nsearch: verb:delete\n":                            detect.Search,
		"title: t\ndetection:\n  selection:\n\tverb: x\n":         detect.Sigma, // a tab: no YAML, and Sigma's reader says so
		"- rule: x\n  output: \"unfinished\n":                     detect.Falco,
		"":                                                        "",
		"just words":                                              "",
		"- 1\n- 2\n":                                              "",
		"kind: Policy\napiVersion: audit.k8s.io/v1\nrules: []\n":  "",
	} {
		got, why := LanguageOf([]byte(text))
		if got != want || (why == "") != (want != "") {
			t.Errorf("%q: %q (%s), want %q", text, got, why, want)
		}
	}
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func search(id, query string) string {
	return "id: " + id + "\ntitle: Title of " + id + "\nsearch: '" + query + "'\nseverity: low\n"
}

func ids(rules []*detect.Rule) (all []string) {
	for _, r := range rules {
		all = append(all, r.ID+" "+string(r.Severity))
	}
	return all
}

var no = false

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "b.yml", search("b", "verb:delete")+"---\n"+search("c", "cluster:annals resource:tokens"))
	write(t, dir, "deep/a.yaml", search("a", "verb:get"))
	write(t, dir, "deep/a.test.yml", "match: []\n")
	write(t, dir, ".hidden/x.yml", search("x", "verb:get"))
	write(t, dir, "notes.txt", "words")
	one := write(t, t.TempDir(), "one.rules", search("one", "code:403")+"---\n"+search("b", "verb:watch"))
	p, err := Load(Config{Builtin: &no, Paths: []string{one, dir}, Disable: []string{"a", "nobody"}, Severity: map[string]detect.Severity{"c": detect.High}})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"one low", "b low", "c high"}, ids(p.Rules)); d != "" {
		t.Errorf("rules (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"a low"}, ids(p.Off)); d != "" {
		t.Errorf("off (-want +got):\n%s", d)
	}
	var problems []string
	for _, p := range p.Problems {
		problems = append(problems, p.Kind+" "+filepath.Base(p.File)+" "+p.Rule)
	}
	if d := cmp.Diff([]string{"warning . nobody", "error b.yml b"}, problems); d != "" {
		t.Errorf("problems (-want +got):\n%s", d)
	}
	if c := p.Rules[2]; !c.Own || c.Line != 6 || c.File != filepath.ToSlash(filepath.Join(dir, "b.yml")) || p.Rules[1].Own {
		t.Errorf("%+v", c)
	}
}

// Rules do not depend on what is read beside them, nor their versions on where they stand.
func TestVersionsAreOfWhatIsFound(t *testing.T) {
	load := func(name, text string) *detect.Rule {
		p := Parse(Config{}, []detect.File{{Name: name, Data: []byte(text)}})
		if len(p.Rules) != 1 || len(p.Problems) != 0 {
			t.Fatalf("%+v", p)
		}
		return p.Rules[0]
	}
	a, b, c := load("a.yml", search("a", "verb:get")), load("b.yml", "# moved\n"+search("a", "verb:get ")), load("a.yml", search("a", "verb:list"))
	if a.Version != b.Version || a.Version == c.Version || len(a.Version) != 12 {
		t.Errorf("versions %s %s %s", a.Version, b.Version, c.Version)
	}
}

func TestProblems(t *testing.T) {
	for text, want := range map[string]string{
		search("a b", "verb:get"):                                            "letters",
		search("a", "verb:"):                                                 "search",
		"id: a\nsearch: verb:get\nseverity: low\n":                           "title",
		"id: a\nsearch: x\ntitle: t\nseverity: worse":                        "severity",
		"id: a\nsearch: x\ntitle: t\nseverities: high":                       "severities",
		"id: a\nsearch: x\ntitle: t\nseverity: low\ntechniques: [lateral]\n": "ATT&CK",
		"search: 'x":  "yaml",
		"nothing: of": "no rules",
	} {
		p := Parse(Config{}, []detect.File{{Name: "x.yml", Data: []byte(text)}})
		if len(p.Rules) != 0 || len(p.Problems) != 1 || !strings.Contains(p.Problems[0].Message, want) || p.Problems[0].Kind != "error" {
			t.Errorf("%q: %+v", text, p)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	for want, cfg := range map[string]Config{
		"falco.matching": {Falco: Falco{Matching: "last"}},
		"falco.fields":   {Falco: Falco{Fields: "all"}},
		"severity of x":  {Severity: map[string]detect.Severity{"x": "worse"}},
		"rules.paths":    {Paths: []string{filepath.Join(t.TempDir(), "nowhere.yml")}},
	} {
		if _, err := Load(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", cfg, err, want)
		}
	}
}

// A rule that is switched off goes on in silence where a correlation looks at it.
func TestDisabledButNeeded(t *testing.T) {
	p := &Pack{Rules: []*detect.Rule{{ID: "base"}, {ID: "other"}, {ID: "many", Correlation: &detect.Correlation{Rules: []string{"base"}}}}}
	p.apply(Config{Disable: []string{"base", "other"}})
	if len(p.Rules) != 2 || !p.Rules[0].Silent || p.Rules[1].Silent || len(p.Off) != 2 || p.Off[0].Silent {
		t.Errorf("%+v", p)
	}
}

// Rules go by the names that findings show, too; an ID goes before a name.
func TestNamed(t *testing.T) {
	p := &Pack{Rules: []*detect.Rule{{ID: "1", Name: "one"}, {ID: "2", Name: "two"}, {ID: "one", Name: "three"}}}
	p.apply(Config{Disable: []string{"two"}, Severity: map[string]detect.Severity{"one": detect.High, "three": detect.Low}})
	if d := cmp.Diff([]string{"1 ", "one high"}, ids(p.Rules)); d != "" {
		t.Errorf("rules (-want +got):\n%s", d)
	}
	if len(p.Off) != 1 || p.Off[0].ID != "2" || len(p.Problems) > 0 {
		t.Errorf("off %+v, problems %+v", p.Off, p.Problems)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(search("a", "verb:get")))
	f.Add([]byte("- rule: x\n"))
	f.Add([]byte("title: t\ndetection: {}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p := Parse(Config{}, []detect.File{{Name: "x.yml", Data: text}})
		for _, r := range p.Rules {
			if r.ID == "" || r.Title == "" && r.Language == detect.Search {
				t.Errorf("%+v of %q", r, text)
			}
		}
	})
}
