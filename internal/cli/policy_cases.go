package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"annals.dev/audit"
	"annals.dev/policy"
)

const policyTestLong = `Test holds a policy to what you expect of it. A file of cases looks like this:

  policy: audit-policy.yaml         # beside this file, or builtin:NAME; --policy goes before it
  cases:
  - name: nobody's secrets are written down
    request: {user: jane, groups: [developers], verb: get, resource: secrets, namespace: prod, name: db}
    expect: {level: Metadata, omitStages: [RequestReceived]}
  - name: probes are dropped
    request: {method: GET, path: /healthz?verbose}
    expect: {level: None, rule: 0}
  - name: a recorded event
    event: {verb: delete, user: {username: jane}, objectRef: {resource: pods, namespace: prod, name: web-0}}
    expect: {level: Metadata}

What is expected may be the level, the stages that are omitted, omitManagedFields, and the rule that
decides: its index, as in rules[0], or -1 if none does. The exit code is 1 if a case fails, 2 if the
file is not understood.`

const policyTestExample = `  annals policy test audit-policy-cases.yaml
  annals policy test audit-policy-cases.yaml --policy builtin:compliance`

func newPolicyTest(e *env) *cobra.Command {
	var reading policyReading
	var from string
	cmd := &cobra.Command{
		Use: "test CASES…", Short: "Hold a policy to a file of cases", Long: policyTestLong, Example: policyTestExample,
		Args: cobra.MinimumNArgs(1),
	}
	reading.flags(cmd)
	cmd.Flags().StringVar(&from, "policy", "", "the policy, instead of the one that the cases name")
	perCall(cmd, "policy")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		failed, total := 0, 0
		for _, path := range args {
			f, n, err := e.testCases(path, from, &reading)
			if err != nil {
				return err
			}
			failed, total = failed+f, total+n
		}
		if failed > 0 {
			return &exitError{exitFailed, fmt.Errorf("%d of %s failed", failed, plural(total, "case"))}
		}
		_, err := fmt.Fprintf(e.out, "%s passed\n", plural(total, "case"))
		return err
	}
	return cmd
}

type caseFile struct {
	Policy string       `yaml:"policy"`
	Cases  []policyCase `yaml:"cases"`
}

type policyCase struct {
	Name    string         `yaml:"name"`
	Request *requestSpec   `yaml:"request"`
	Event   map[string]any `yaml:"event"`
	Expect  expected       `yaml:"expect"`
}

// expected is what a case says; nil says nothing.
type expected struct {
	Level             *audit.Level   `yaml:"level"`
	OmitStages        *[]audit.Stage `yaml:"omitStages"`
	OmitManagedFields *bool          `yaml:"omitManagedFields"`
	Rule              *int           `yaml:"rule"`
}

func (e *env) testCases(path, from string, reading *policyReading) (failed, total int, err error) {
	b, err := readPolicy(e.in, path)
	if err != nil {
		return 0, 0, err
	}
	if _, err := policy.Parse(b, policy.Options{Upstream: true}); err == nil {
		return 0, 0, usagef("%s is a policy; annals policy test takes a file of cases, which names the policy", path)
	}
	var file caseFile
	decoder := yaml.NewDecoder(bytes.NewReader(b), yaml.Strict())
	if err := decoder.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return 0, 0, usagef("%s: %s", path, strings.TrimSpace(fmt.Sprintf("%.1000s", yaml.FormatError(err, false, true))))
	}
	switch err := decoder.Decode(&caseFile{}); {
	case !errors.Is(err, io.EOF):
		return 0, 0, usagef("%s holds a second YAML document, and only the first is read", path)
	case len(file.Cases) == 0:
		return 0, 0, usagef("%s has no cases", path)
	case from != "":
	case file.Policy == "":
		return 0, 0, usagef("%s names no policy; write policy: FILE in it, or give --policy", path)
	default:
		from = file.Policy
		if !strings.HasPrefix(from, builtinPrefix) && !filepath.IsAbs(from) {
			from = filepath.Join(filepath.Dir(path), from)
		}
	}
	p, err := e.loadPolicy(from, reading)
	if err != nil {
		return 0, 0, err
	}
	evaluator := policy.Compile(p.Policy)
	for i := range file.Cases {
		c := &file.Cases[i]
		if c.Name == "" {
			c.Name = fmt.Sprintf("cases[%d]", i)
		}
		a, err := c.check(p)
		if err != nil {
			return 0, 0, usagef("%s: %s: %w", path, c.Name, err)
		}
		e.doubt(&a)
		d := evaluator.Decide(&a)
		if wrong := c.Expect.against(d); len(wrong) > 0 {
			failed++
			fmt.Fprintln(e.out, clean(fmt.Sprintf("FAIL %s: %s", path, c.Name)))
			for _, w := range append([]string{describeRequest(&a)}, wrong...) {
				fmt.Fprintln(e.out, clean("     "+w))
			}
			for _, w := range c.Expect.why(p, &a, d) {
				fmt.Fprintln(e.out, clean("     "+w))
			}
		}
	}
	return failed, len(file.Cases), nil
}

// check gives the case's request, if the case is one.
func (c *policyCase) check(p *loadedPolicy) (a policy.Attributes, err error) {
	x := &c.Expect
	switch {
	case x.Level == nil && x.OmitStages == nil && x.OmitManagedFields == nil && x.Rule == nil:
		return a, errors.New("nothing is expected; write expect: {level: …}")
	case x.Level != nil && !slices.Contains([]audit.Level{audit.LevelNone, policy.LevelMinimal, audit.LevelMetadata, audit.LevelRequest, audit.LevelRequestResponse}, *x.Level):
		return a, fmt.Errorf("the expected level %q is none of None, Metadata, Request, RequestResponse", *x.Level)
	case x.Rule != nil && (*x.Rule < -1 || *x.Rule >= len(p.Rules)):
		return a, fmt.Errorf("rules[%d] is expected, and %s has %s", *x.Rule, p.name, plural(len(p.Rules), "rule"))
	case (c.Request == nil) == (c.Event == nil):
		return a, errors.New("it needs either a request or an event")
	}
	if x.OmitStages != nil {
		for _, s := range *x.OmitStages {
			if s.Order() < 0 {
				return a, fmt.Errorf("the expected stage %q is none of RequestReceived, ResponseStarted, ResponseComplete, Panic", s)
			}
		}
	}
	if c.Request != nil {
		a, err = c.Request.attributes()
		return a, err
	}
	y, err := yaml.Marshal(c.Event)
	if err != nil {
		return a, err
	}
	j, err := yaml.YAMLToJSON(y)
	if err != nil {
		return a, err
	}
	var v audit.View
	if err := v.Parse(j); err != nil {
		return a, err
	}
	if v.Verb == nil {
		return a, errors.New("the event has no verb")
	}
	return policy.AttributesOf(&v), nil
}

// against says what a verdict has other than expected.
func (x *expected) against(d policy.Decision) (wrong []string) {
	if x.Level != nil && d.Level != *x.Level {
		wrong = append(wrong, fmt.Sprintf("the level is %s, expected %s", d.Level, *x.Level))
	}
	if x.OmitStages != nil && d.Omit != policy.StagesOf(*x.OmitStages...) {
		wrong = append(wrong, fmt.Sprintf("the omitted stages are %s, expected %s", orNone(stageNames(d.Omit)), orNone(stageNames(policy.StagesOf(*x.OmitStages...)))))
	}
	if x.OmitManagedFields != nil && d.OmitManagedFields != *x.OmitManagedFields {
		wrong = append(wrong, fmt.Sprintf("omitManagedFields is %v, expected %v", d.OmitManagedFields, *x.OmitManagedFields))
	}
	if x.Rule != nil && d.Rule != *x.Rule {
		wrong = append(wrong, fmt.Sprintf("%s decides, expected %s", ruleName(d.Rule), ruleName(*x.Rule)))
	}
	return wrong
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func ruleName(i int) string {
	if i < 0 {
		return "no rule"
	}
	return fmt.Sprintf("rules[%d]", i)
}

// why says which rule decided, and why the expected one did not.
func (x *expected) why(p *loadedPolicy, a *policy.Attributes, d policy.Decision) (lines []string) {
	lines = append(lines, fmt.Sprintf("decided by %s: %s", p.rule(d.Rule), p.summary(d.Rule)))
	if x.Rule == nil || *x.Rule < 0 || *x.Rule == d.Rule {
		return lines
	}
	s := policy.Explain(p.Policy, a)[*x.Rule]
	if s.Matched {
		return append(lines, fmt.Sprintf("%s matches too, and stands behind it", p.rule(*x.Rule)))
	}
	for _, c := range s.Checks {
		if !c.OK {
			lines = append(lines, fmt.Sprintf("%s does not match: %s: %s", p.rule(*x.Rule), c.Field, c.Text))
		}
	}
	return lines
}
