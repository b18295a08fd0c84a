package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"annals.dev/internal/detect"
	"annals.dev/internal/detect/pack"
	"annals.dev/internal/detect/ruletest"
)

const rulesTestLong = `Test holds rules to events that they must find, and events that they must leave alone. The cases of
exec.yml stand beside it in exec.test.yml:

  match:
  - name: kubectl exec
    verb: get
    objectRef: {resource: pods, subresource: exec, namespace: prod, name: web-0}
  - name: twenty guesses
    findings: 1
    events:
    - {verb: get, objectRef: {resource: secrets, name: "db-{n}"}, responseStatus: 404, repeat: 20}
  quiet:
  - name: a look at its log
    verb: get
    objectRef: {resource: pods, subresource: log, namespace: prod, name: web-0}

What an event lacks is filled in; docs/rule-tools.md has all that can be said. A case under match must give
as many findings of the rule as it says, or 1; one under quiet none. The exit code is 1 if a case fails.`

const rulesTestExample = `  annals rules test
  annals rules test my-rules/ -v
  annals rules test my-rules/ --events /var/log/kubernetes/audit/audit.log`

type ruleTesting struct {
	*env
	verbose bool
	output  string
	results []testedFile
}

// testedFile is a file of rules, and how its cases went.
type testedFile struct {
	File   string       `json:"file"`
	Cases  string       `json:"cases,omitempty"` // the file of cases
	Passed int          `json:"passed"`
	Failed int          `json:"failed"`
	Error  string       `json:"error,omitempty"`
	Done   []testedCase `json:"results,omitempty"`
}

type testedCase struct {
	Name     string   `json:"name"`
	Line     int      `json:"line"`
	Rule     string   `json:"rule"`
	Expected int      `json:"expected"`
	Found    int      `json:"found"`
	OK       bool     `json:"ok"`
	Others   []string `json:"others,omitempty"`
	Why      []string `json:"why,omitempty"`
}

func newRulesTest(e *env) *cobra.Command {
	t := &ruleTesting{env: e}
	var reading ruleReading
	var events string
	cmd := &cobra.Command{Use: "test [PATH…]", Short: "Hold rules to the events beside them", Long: rulesTestLong, Example: rulesTestExample}
	reading.flags(cmd)
	f := cmd.Flags()
	f.BoolVarP(&t.verbose, "verbose", "v", false, "name each case")
	f.StringVarP(&t.output, "output", "o", "text", "text or json")
	f.StringVar(&events, "events", "", "run the rules over a file of audit events instead, and print what they find")
	perCall(cmd, "verbose", "output", "events")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if t.output != "text" && t.output != "json" {
			return usagef("--output %q: give text or json", t.output)
		}
		cfg, err := reading.config(e, rulesOfTests(args))
		if err != nil {
			return err
		}
		p, err := pack.Load(cfg)
		if err != nil {
			return err
		}
		if events != "" {
			e.tellProblems(p, "error")
			return t.overFile(p.Rules, events)
		}
		return t.run(p)
	}
	return cmd
}

// rulesOfTests gives the files of rules where files of cases were named.
func rulesOfTests(paths []string) []string {
	paths = slices.Clone(paths)
	for i, path := range paths {
		if !ruletest.IsTest(path) {
			continue
		}
		stem := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(path, ".yaml"), ".yml"), ".test")
		for _, ext := range []string{".yml", ".yaml"} {
			if matches, _ := filepath.Glob(stem + ext); len(matches) == 1 {
				paths[i] = matches[0]
			}
		}
	}
	return slices.Compact(paths)
}

func (t *ruleTesting) run(p *pack.Pack) error {
	broken := map[string]string{}
	for _, x := range p.Problems {
		if x.Kind == "error" && broken[x.File] == "" {
			broken[x.File] = problemLine(x)
		}
	}
	all := slices.Concat(p.Rules, p.Off)
	files := filesOfRules(all)
	for _, x := range p.Problems {
		if broken[x.File] != "" && !slices.Contains(files, x.File) {
			files = append(files, x.File)
		}
	}
	cases, failed, untested := 0, 0, 0
	for _, file := range files {
		r := t.file(all, file)
		if r.Error == "" && broken[file] != "" {
			r.Error = broken[file]
		}
		cases += r.Passed + r.Failed
		if r.Failed > 0 || r.Error != "" {
			failed++
		} else if r.Cases == "" {
			untested++
		}
		t.results = append(t.results, r)
		if t.output == "text" {
			t.print(&r)
		}
	}
	if t.output == "json" {
		if err := writeJSON(t.out, map[string]any{"files": append([]testedFile{}, t.results...)}); err != nil {
			return err
		}
	} else {
		t.say("%s of rules, %s, %s failed, %d without cases", plural(len(files), "file"), plural(cases, "case"), plural(failed, "file"), untested)
	}
	if failed > 0 {
		return &exitError{code: exitFailed}
	}
	return nil
}

// file runs the cases beside a file of rules.
func (t *ruleTesting) file(all []*detect.Rule, file string) testedFile {
	r := testedFile{File: file}
	name := ruletest.NameFor(file)
	b, err := readRuleFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return r
	}
	r.Cases = name
	var results []ruletest.Result
	if err == nil {
		var suite *ruletest.Suite
		if suite, err = ruletest.Parse(name, b); err == nil {
			results, err = suite.Run(all, file)
		}
	}
	if err != nil {
		r.Error = err.Error()
		return r
	}
	for i := range results {
		x := &results[i]
		if x.OK() {
			r.Passed++
		} else {
			r.Failed++
		}
		r.Done = append(r.Done, testedCase{x.Case.Name, x.Case.Line, x.Rule.ID, x.Case.Findings, x.Found, x.OK(), x.Others, x.Why})
	}
	return r
}

func (t *ruleTesting) print(r *testedFile) {
	line := func(format string, args ...any) { fmt.Fprintln(t.out, clean(fmt.Sprintf(format, args...))) }
	switch {
	case r.Error != "":
		line("FAIL  %s", r.File)
		line("      %s", r.Error)
		return
	case r.Cases == "":
		line("?     %s  no cases: write %s", r.File, filepath.Base(ruletest.NameFor(r.File)))
		return
	case r.Failed > 0:
		line("FAIL  %s  %d of %s failed", r.File, r.Failed, plural(r.Failed+r.Passed, "case"))
	default:
		line("ok    %s  %s", r.File, plural(r.Passed, "case"))
	}
	for _, c := range r.Done {
		switch {
		case !c.OK:
			line("      %s:%d: %s: %s of %s, expected %d", r.Cases, c.Line, c.Name, plural(c.Found, "finding"), c.Rule, c.Expected)
			for _, w := range c.Why {
				line("          %s", w)
			}
		case t.verbose:
			line("      ok  %s", c.Name)
		}
	}
}
