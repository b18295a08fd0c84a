package cli

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"annals.dev/internal/detect"
	"annals.dev/internal/detect/pack"
	"annals.dev/internal/server"
	ours "annals.dev/rules"
)

const rulesLong = `Rules say what is worth a finding: Sigma's, Falco's for source k8s_audit, and searches that were saved.
These commands are for those who write and choose them; annals serve applies them.

Where a command takes PATH…, it is files of rules, and folders of them. Without one, the rules are those
that watch.yaml in the data directory names, or --watch FILE: those that come with Annals, if it says
nothing else.`

const rulesExample = `  annals rules list
  annals rules test my-rules/
  annals rules coverage --policy audit-policy.yaml`

func newRules(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "rules", Short: "Detection rules: which there are, whether they work, whether they can fire", Long: rulesLong, Example: rulesExample,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("annals rules %s is not a command; annals rules --help lists them", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newRulesList(e), newRulesTest(e), newRulesLint(e), newRulesHunt(e), newRulesExplain(e), newRulesCoverage(e))
	return cmd
}

// ruleReading are the flags that say which rules there are.
type ruleReading struct{ watch string }

func (r *ruleReading) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.watch, "watch", "", "file of what is watched for (default watch.yaml in the data directory)")
}

// config says which rules a command is about: those of paths, or those that are watched for.
func (r *ruleReading) config(e *env, paths []string) (pack.Config, error) {
	w, err := server.ReadWatch(r.watch, e.data)
	if err != nil {
		return pack.Config{}, err
	}
	if len(paths) > 0 {
		w.Rules.Builtin, w.Rules.Paths, w.Rules.Disable = new(bool), paths, nil
	}
	return w.Rules, nil
}

// load reads the rules.
func (r *ruleReading) load(e *env, paths []string) (*pack.Pack, error) {
	cfg, err := r.config(e, paths)
	if err != nil {
		return nil, err
	}
	return pack.Load(cfg)
}

// tell says what is wrong with rules that could not be used, on standard error.
func (e *env) tellProblems(p *pack.Pack, kinds ...string) (told int) {
	for _, x := range p.Problems {
		if slices.Contains(kinds, x.Kind) {
			e.say("%s", problemLine(x))
			told++
		}
	}
	return told
}

func problemLine(p detect.Problem) string {
	where := p.File
	if p.Line > 0 {
		where = fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	if where == "" {
		where = p.Rule
	}
	return fmt.Sprintf("%s: %s: %s", where, p.Kind, p.Message)
}

// oursPrefix is before the names of files that come with Annals.
const oursPrefix = "builtin/"

// readRuleFile reads a file of rules, or one beside it, as the name of a rule's file has it.
func readRuleFile(name string) ([]byte, error) {
	if inside, comes := strings.CutPrefix(name, oursPrefix); comes {
		if b, err := fs.ReadFile(ours.FS, inside); err == nil {
			return b, nil
		}
	}
	return os.ReadFile(filepath.FromSlash(name))
}

// filesOfRules are the files that rules are in, in their order.
func filesOfRules(all []*detect.Rule) (files []string) {
	for _, r := range all {
		if r.File != "" && !slices.Contains(files, r.File) {
			files = append(files, r.File)
		}
	}
	return files
}

// findRule gives the rule with an id, a name or a title.
func findRule(p *pack.Pack, name string) (*detect.Rule, error) {
	all := slices.Concat(p.Rules, p.Off)
	for _, is := range []func(r *detect.Rule) bool{
		func(r *detect.Rule) bool { return r.ID == name },
		func(r *detect.Rule) bool { return r.Name == name || r.Title == name },
		func(r *detect.Rule) bool { return strings.EqualFold(r.Title, name) || strings.EqualFold(r.Name, name) },
		func(r *detect.Rule) bool {
			return strings.TrimSuffix(filepath.Base(r.File), filepath.Ext(r.File)) == name && !r.Silent
		},
	} {
		if i := slices.IndexFunc(all, is); i >= 0 {
			return all[i], nil
		}
	}
	return nil, fmt.Errorf("no rule has the id, name or title %q; annals rules list shows all", name)
}
