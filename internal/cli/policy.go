package cli

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"annals.dev/policy"
	"annals.dev/policy/builtin"
)

const policyLong = `An audit policy says which requests become events, and how much of each. Kubernetes passes over many
mistakes in one without a word; these commands do not.

Where a command wants a policy it takes a file, or builtin:NAME for one of those that Annals brings;
annals policy show lists them.`

const policyExample = `  annals policy show
  annals policy show starter > audit-policy.yaml
  annals policy explain builtin:starter --user jane --verb get --resource secrets --namespace prod`

func newPolicy(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "policy", Short: "Audit policies: examples, explanations, tests, mistakes", Long: policyLong, Example: policyExample,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("annals policy %s is not a command; annals policy --help lists them", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPolicyShow(e), newPolicySchema(e), newPolicyExplain(e), newPolicyTest(e), newPolicySimulate(e), newPolicyLint(e.streams), newPolicyRepair(e.streams))
	return cmd
}

const builtinPrefix = "builtin:"

// policyReading are the flags that say how a policy is read.
type policyReading struct {
	upstream, minimal bool
	kubernetes        string
}

func (r *policyReading) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&r.upstream, "upstream", false, "read policies as kube-apiserver does: what it does not know is dropped, with a warning")
	cmd.Flags().StringVar(&r.kubernetes, "kubernetes", "", "the Kubernetes version that policies are for, such as 1.35 (default the newest)")
	cmd.Flags().BoolVar(&r.minimal, "minimal", false, "allow the level Minimal, which only Annals knows")
	perCall(cmd, "upstream", "kubernetes", "minimal")
}

func (r *policyReading) options(e *env, of string) (policy.Options, error) {
	o := policy.Options{Upstream: r.upstream, Minimal: r.minimal, Warn: func(text string) { e.say("annals: %s: %s", of, text) }}
	var err error
	o.Kubernetes, err = minorVersion(r.kubernetes)
	return o, err
}

// loadedPolicy is a policy and where it came from.
type loadedPolicy struct {
	*policy.Policy
	name  string
	lines []int // of its rules
}

func (e *env) loadPolicy(from string, r *policyReading) (*loadedPolicy, error) {
	o, err := r.options(e, from)
	if err != nil {
		return nil, err
	}
	b, err := readPolicy(e.in, from)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, fmt.Errorf("the policy %s is empty; annals policy show prints some to start from", from)
	}
	p, err := policy.Parse(b, o)
	if err != nil {
		return nil, fmt.Errorf("%w: from file %s%s; annals policy lint shows all that is wrong with it, annals policy repair mends one that a page mangled",
			err, from, ruleLines(err, policy.Lines(b)))
	}
	return &loadedPolicy{p, from, policy.Lines(b)}, nil
}

var ruleInError = regexp.MustCompile(`rules\[(\d+)\]`)

// ruleLines says where the rules begin that an error names, if it does not say so itself.
func ruleLines(err error, lines []int) string {
	var texts []string
	for _, m := range ruleInError.FindAllStringSubmatch(err.Error(), -1) {
		if i, _ := strconv.Atoi(m[1]); i < len(lines) {
			if text := fmt.Sprintf("%s begins at line %d", m[0], lines[i]); !slices.Contains(texts, text) {
				texts = append(texts, text)
			}
		}
	}
	if len(texts) == 0 || strings.Contains(err.Error(), " at line ") {
		return ""
	}
	return " (" + strings.Join(texts, ", ") + ")"
}

func builtinPolicy(name string) (builtin.Policy, error) {
	p, ok := builtin.Named(name)
	if !ok {
		var names []string
		for _, p := range builtin.All() {
			names = append(names, p.Name)
		}
		return p, usagef("%q is none of the policies that Annals brings: %s", name, strings.Join(names, ", "))
	}
	return p, nil
}

// rule names a rule as errors of Kubernetes do, and says where it is.
func (p *loadedPolicy) rule(i int) string {
	if i < 0 {
		return "no rule"
	}
	if i < len(p.lines) {
		return fmt.Sprintf("rules[%d] (line %d)", i, p.lines[i])
	}
	return fmt.Sprintf("rules[%d]", i)
}

func (p *loadedPolicy) summary(i int) string {
	if i < 0 {
		return "None · what no rule matches"
	}
	return p.Rules[i].Summary()
}

const policyShowLong = `Show prints a policy to start from, commented; without a name it lists them.`

const policyShowExample = `  annals policy show
  annals policy show starter > audit-policy.yaml`

func newPolicyShow(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "show [NAME]", Short: "Print a policy to start from", Long: policyShowLong, Example: policyShowExample, Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) (names []string, _ cobra.ShellCompDirective) {
			for _, p := range builtin.All() {
				names = append(names, p.Name+"\t"+p.Summary)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				out := printer{w: e.out, format: "table", header: []string{"NAME", "WHAT IT RECORDS"}}
				for _, p := range builtin.All() {
					if err := out.row(func() []string { return []string{p.Name, p.Summary} }, nil); err != nil {
						return err
					}
				}
				return out.end(nil)
			}
			p, err := builtinPolicy(strings.TrimPrefix(args[0], builtinPrefix))
			if err != nil {
				return err
			}
			_, err = io.WriteString(e.out, p.YAML)
			return err
		},
	}
}

const policySchemaLong = `Schema prints the JSON schema of a policy file. Editors complete fields by it, explain them, and mark
mistakes: with the YAML language server, write this as the first line of the policy:

  # yaml-language-server: $schema=./audit-policy.schema.json`

func newPolicySchema(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON schema of a policy, for editors", Long: policySchemaLong, Args: cobra.NoArgs,
		Example: "  annals policy schema > audit-policy.schema.json",
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(e.out, builtin.Schema())
			return err
		},
	}
}
