package cli

import (
	"encoding/json"
	"strings"

	"github.com/spf13/cobra"

	"annals.dev/internal/detect"
)

const rulesListLong = `List shows which rules there are, where they stand and whether they are on. What could not be read is told on
standard error, and the exit code is 1 then.`

const rulesListExample = `  annals rules list
  annals rules list my-rules/ -o json
  annals rules list --technique T1611 --severity high`

func newRulesList(e *env) *cobra.Command {
	var reading ruleReading
	var output, technique, severity string
	cmd := &cobra.Command{Use: "list [PATH…]", Short: "Which rules there are", Long: rulesListLong, Example: rulesListExample}
	reading.flags(cmd)
	f := cmd.Flags()
	f.StringVarP(&output, "output", "o", "table", "table, json, jsonl, yaml or csv")
	f.StringVar(&technique, "technique", "", "only those of this ATT&CK technique; T1552 is T1552.007 too")
	f.StringVar(&severity, "severity", "", "only those of this severity or above: informational, low, medium, high, critical")
	perCall(cmd, "technique", "severity")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if err := checkFormat(output, rowFormats); err != nil {
			return err
		}
		least, err := severityRank(severity)
		if err != nil {
			return err
		}
		p, err := reading.load(e, args)
		if err != nil {
			return err
		}
		out := &printer{w: e.out, format: output, list: "rules", header: []string{"SEVERITY", "ID", "TITLE", "TECHNIQUE", "LANGUAGE", "ON", "FILE"}}
		if output == "csv" {
			out.header = []string{"severity", "id", "title", "techniques", "language", "on", "file"}
		}
		show := func(r *detect.Rule, on bool) error {
			if rank, _ := severityRank(string(r.Severity)); rank < least || technique != "" && !hasTechnique(r, technique) {
				return nil
			}
			return out.row(func() []string {
				file, state := r.File, "on"
				if !on {
					state = "off"
				} else if r.Silent {
					state = "used" // by a correlation, which reports
				}
				return []string{string(r.Severity), r.ID, r.Title, strings.Join(r.Techniques, " "), string(r.Language), state, file}
			}, func() ([]byte, error) {
				return json.Marshal(struct {
					*detect.Rule
					On bool `json:"on"`
				}{r, on})
			})
		}
		for _, r := range p.Rules {
			if err := show(r, true); err != nil {
				return err
			}
		}
		for _, r := range p.Off {
			if err := show(r, false); err != nil {
				return err
			}
		}
		if err := out.end(nil); err != nil {
			return err
		}
		if output == "table" {
			e.say("%s", plural(out.n, "rule"))
		}
		if e.tellProblems(p, "error") > 0 {
			return &exitError{code: exitFailed}
		}
		return nil
	}
	return cmd
}

// severityRank numbers severities, the least 0; "" is the least.
func severityRank(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	for i, known := range detect.Severities {
		if string(known) == s {
			return i, nil
		}
	}
	return 0, usagef("--severity %s is none of informational, low, medium, high, critical", s)
}

func hasTechnique(r *detect.Rule, t string) bool {
	for _, has := range r.Techniques {
		if strings.EqualFold(has, t) || len(has) > len(t) && strings.EqualFold(has[:len(t)], t) && has[len(t)] == '.' {
			return true
		}
	}
	return false
}
