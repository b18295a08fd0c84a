package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"annals.dev/internal/detect/coverage"
)

const rulesCoverageLong = `Coverage proves, rule by rule, whether a rule can fire under an audit policy, and which rule of the policy
prevents it. It is not a guess from events that were seen: every request that there can be is gone through,
by the values that the policy and the rule tell apart.

  fires    it can, for all that it is about
  partly   it can, but not for all
  blind    it fires whatever was in the body, as that is not recorded: what it says is worth nothing
  cannot   nothing of what it is about is recorded, or too little
  never    it is true of no audit event, whatever the policy

The exit code is 1 if a rule is blind, or cannot fire.

With --suggest it goes the other way: it writes the policy that records the least with which all rules can
fire, and says on standard error what coverage says of it.`

const rulesCoverageExample = `  annals rules coverage --policy audit-policy.yaml
  annals rules coverage --policy builtin:starter --only cannot,blind
  annals rules coverage --policy audit-policy.yaml falco_rules.yaml -v -o json
  annals rules coverage --suggest my-rules/ > least-policy.yaml`

type ruleCoverage struct {
	*env
	only    []string
	verbose bool
	suggest bool
	output  string
}

func newRulesCoverage(e *env) *cobra.Command {
	x := &ruleCoverage{env: e}
	var reading ruleReading
	var policies policyReading
	var from string
	cmd := &cobra.Command{Use: "coverage [PATH…]", Short: "Whether rules can fire under an audit policy", Long: rulesCoverageLong, Example: rulesCoverageExample}
	reading.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&from, "policy", "", "the audit policy: a file, or builtin:NAME")
	f.BoolVar(&policies.upstream, "upstream", false, "read the policy as kube-apiserver does: what it does not know is dropped, with a warning")
	f.StringVar(&policies.kubernetes, "kubernetes", "", "the Kubernetes version that the policy is for, such as 1.35 (default the newest)")
	f.StringSliceVar(&x.only, "only", nil, "show only rules of which this is so: fires, partly, blind, cannot, never, beyond")
	f.BoolVarP(&x.verbose, "verbose", "v", false, "show each rule that fires with an event on which it does")
	f.BoolVar(&x.suggest, "suggest", false, "write the least policy that lets all rules fire")
	f.StringVarP(&x.output, "output", "o", "text", "text or json")
	perCall(cmd, "policy", "upstream", "kubernetes", "only", "verbose", "suggest", "output")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		known := []string{"fires", "partly", "blind", "cannot", "never", "beyond"}
		for _, v := range x.only {
			if !slices.Contains(known, v) {
				return usagef("--only %s is none of %s", v, strings.Join(known, ", "))
			}
		}
		switch {
		case x.output != "text" && x.output != "json":
			return usagef("--output %q: give text or json", x.output)
		case x.suggest && from != "":
			return usagef("--suggest makes a policy: leave out --policy")
		case from == "" && !x.suggest:
			return usagef("give the audit policy with --policy FILE, or builtin:NAME; annals policy show lists those")
		}
		p, err := reading.load(e, args)
		if err != nil {
			return err
		}
		e.tellProblems(p, "error")
		bar := e.progress()
		tell := func(done, total int) {
			bar.show(int64(done), int64(total), fmt.Sprintf("%d of %d rules", min(done, len(p.Rules)), len(p.Rules)))
		}
		if x.suggest {
			s := coverage.Suggest(p.Rules, tell)
			bar.clear()
			return x.suggestion(s)
		}
		loaded, err := e.loadPolicy(from, &policies)
		if err != nil {
			return err
		}
		report := coverage.Check(p.Rules, &coverage.Policy{Policy: loaded.Policy, Name: loaded.name, Lines: loaded.lines}, tell)
		bar.clear()
		return x.print(report)
	}
	return cmd
}

// suggestion writes the policy, and what comes of it.
func (x *ruleCoverage) suggestion(s *coverage.Suggestion) error {
	if x.output == "json" {
		if err := writeJSON(x.out, s); err != nil {
			return err
		}
	} else if _, err := io.WriteString(x.out, s.YAML); err != nil {
		return err
	}
	counts := map[coverage.Verdict]int{}
	for _, r := range s.Results {
		counts[r.Verdict]++
		if r.Verdict == coverage.Partly || r.Verdict == coverage.Cannot || r.Verdict == coverage.Blind {
			x.say("%s: %s under this policy: two rules ask for different levels of the same requests", r.Title, r.Verdict)
		}
	}
	x.say("%s under this policy: %s", plural(len(s.Results), "rule"), tally(counts))
	return nil
}

// tally is how many rules there are of each verdict.
func tally(counts map[coverage.Verdict]int) string {
	var parts []string
	for _, v := range []coverage.Verdict{coverage.Fires, coverage.Partly, coverage.Blind, coverage.Cannot, coverage.Never, coverage.Beyond} {
		if counts[v] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[v], v))
		}
	}
	return strings.Join(parts, ", ")
}

func (x *ruleCoverage) print(report *coverage.Report) error {
	counts := map[coverage.Verdict]int{}
	shown := []coverage.Result{}
	for _, r := range report.Results {
		counts[r.Verdict]++
		if len(x.only) == 0 || slices.Contains(x.only, string(r.Verdict)) {
			shown = append(shown, r)
		}
	}
	if x.output == "json" {
		all := *report
		all.Results = shown
		if err := writeJSON(x.out, all); err != nil {
			return err
		}
	} else {
		for i := range shown {
			if err := x.result(x.out, &shown[i]); err != nil {
				return err
			}
		}
		x.say("%s under %s: %s", plural(len(report.Results), "rule"), report.Policy, tally(counts))
	}
	if counts[coverage.Blind]+counts[coverage.Cannot] > 0 {
		return &exitError{code: exitFailed}
	}
	return nil
}

func (x *ruleCoverage) result(w io.Writer, r *coverage.Result) error {
	var b strings.Builder
	line := func(format string, args ...any) { b.WriteString(clean(fmt.Sprintf(format, args...)) + "\n") }
	line("%-7s %s  (%s)", r.Verdict, r.Title, r.Rule)
	if r.Note != "" {
		line("        %s", r.Note)
	}
	for _, blocked := range r.Blocked {
		line("        %s", blockedText(&blocked))
	}
	if x.verbose && r.Witness != nil {
		line("        fires on %s, at %s and stage %s:", r.Witness.Request, r.Witness.Level, r.Witness.Stage)
		line("        %s", r.Witness.Event)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// blockedText says why requests are not seen.
func blockedText(b *coverage.Blocked) string {
	where := "no rule of the policy"
	if b.PolicyRule >= 0 {
		where = fmt.Sprintf("rules[%d] (line %d) of the policy", b.PolicyRule, b.Line)
	}
	what := strings.Join(b.What, "; ")
	if b.Alternative != "" {
		what += fmt.Sprintf(", where it asks for (%s)", b.Alternative)
	}
	var stages []string
	for _, s := range b.Stages {
		stages = append(stages, string(s))
	}
	switch b.Cause {
	case coverage.NotRecorded:
		if b.PolicyRule < 0 {
			return fmt.Sprintf("not for %s: no rule of the policy matches, so nothing is recorded", what)
		}
		return fmt.Sprintf("not for %s: %s records nothing of it: %s", what, where, b.Summary)
	case coverage.LevelTooLow:
		return fmt.Sprintf("not for %s: %s records it at %s, and it takes %s: %s", what, where, b.Level, b.Needs, b.Summary)
	case coverage.StageOmitted:
		return fmt.Sprintf("not for %s: %s omits the stage, and it takes %s: %s", what, where, strings.Join(stages, " or "), b.Summary)
	}
	return fmt.Sprintf("blind for %s: %s records it at %s, without the body that %s has: %s", what, where, b.Level, b.Needs, b.Summary)
}
