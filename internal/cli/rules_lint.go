package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"annals.dev/internal/detect/lint"
)

const rulesLintLong = `Lint finds what is wrong with rules that are read without an error: conditions that no audit event can meet,
alternatives that add nothing, tests that are as good as none where bodies are not recorded, rules that never
report as an earlier one always does, and what rules of their kind commonly miss.

An error is a rule that can never find anything: that is proved. A warning is a part that cannot work, or
does not do what was surely meant. A note is advice. The exit code is 1 if there is an error.`

const rulesLintExample = `  annals rules lint
  annals rules lint my-rules/ falco_rules.yaml
  annals rules lint my-rules/ -o json`

func newRulesLint(e *env) *cobra.Command {
	var reading ruleReading
	var output string
	cmd := &cobra.Command{Use: "lint [PATH…]", Short: "Find what is wrong with rules", Long: rulesLintLong, Example: rulesLintExample}
	reading.flags(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	perCall(cmd, "output")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if output != "text" && output != "json" {
			return usagef("--output %q: give text or json", output)
		}
		p, err := reading.load(e, args)
		if err != nil {
			return err
		}
		bar := e.progress()
		found := lint.Check(p.Rules, p.Problems, func(done, total int) {
			bar.show(int64(done), int64(total), fmt.Sprintf("%d of %d rules", done, total))
		})
		bar.clear()
		if output == "json" {
			if err := writeJSON(e.out, map[string]any{"findings": append([]lint.Finding{}, found...)}); err != nil {
				return err
			}
		}
		counts := map[string]int{}
		for _, f := range found {
			counts[f.Kind]++
			if output == "text" {
				line := clean(problemLine(f.Problem))
				if f.Title != "" {
					line += "\n    " + clean(f.Title)
				}
				fmt.Fprintln(e.out, line)
			}
		}
		if output == "text" {
			e.say("%s: %s, %s, %s", plural(len(p.Rules), "rule"), plural(counts["error"], "error"), plural(counts["warning"], "warning"), plural(counts["note"], "note"))
		}
		if counts["error"] > 0 {
			return &exitError{code: exitFailed}
		}
		return nil
	}
	return cmd
}
