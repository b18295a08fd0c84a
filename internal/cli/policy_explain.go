package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"annals.dev/audit"
	"annals.dev/policy"
)

const policyExplainLong = `Explain holds a policy against one request, rule by rule: why each matched, or what it would have needed.
The first rule that matches decides.

The request is given by flags; by method and path, which are read as kube-apiserver reads them; or as a
recorded event: a file (its first event), - for standard input, or the event itself. A request without
--user and --group is one of a failed login. The groups that Kubernetes itself gives, as system:authenticated,
need not be given.`

const policyExplainExample = `  annals policy explain builtin:starter --user jane --group developers --verb create --resource pods/exec --namespace prod
  annals policy explain builtin:starter --user jane --verb delete --resource deployments.apps --namespace prod --name shop
  annals policy explain builtin:starter --user jane --method DELETE --path /api/v1/namespaces/prod/pods
  annals policy explain builtin:starter /var/log/kubernetes/audit/audit.log`

func newPolicyExplain(e *env) *cobra.Command {
	var reading policyReading
	var spec requestSpec
	var output string
	cmd := &cobra.Command{
		Use: "explain POLICY [EVENT]", Short: "Why a request is recorded, or is not", Long: policyExplainLong, Example: policyExplainExample,
		Args: cobra.RangeArgs(1, 2),
	}
	reading.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&spec.User, "user", "", "who asks")
	f.StringArrayVar(&spec.Groups, "group", nil, "a group of the user; may be given again")
	f.StringVar(&spec.Verb, "verb", "", "get, list, watch, create, update, patch, delete, deletecollection")
	f.StringVar(&spec.Resource, "resource", "", "what is asked for: pods, pods/log, deployments.apps")
	f.StringVar(&spec.APIGroup, "api-group", "", "the resource's API group, if it is not behind its dot")
	f.StringVarP(&spec.Namespace, "namespace", "n", "", "the namespace, if it is in one")
	f.StringVar(&spec.Name, "name", "", "the object's name, if one is named")
	f.StringVar(&spec.Method, "method", "", "the HTTP method (default GET)")
	f.StringVar(&spec.Path, "path", "", "the URL, with its query: /api/v1/pods?watch=1")
	f.StringVarP(&output, "output", "o", "table", "table or json")
	perCall(cmd, "user", "group", "verb", "resource", "api-group", "namespace", "name", "method", "path", "output")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkFormat(output, []string{"table", "json"}); err != nil {
			return err
		}
		var x explanation
		var err error
		if len(args) == 2 {
			if args[0] == "-" && args[1] == "-" {
				return usagef("the policy and the event cannot both be standard input")
			}
			for _, name := range []string{"user", "group", "verb", "resource", "api-group", "namespace", "name", "method", "path"} {
				if cmd.Flags().Changed(name) {
					return usagef("--%s describes a request, and an event is given", name)
				}
			}
			err = e.readEvent(args[1], &x)
		} else if x.request, err = spec.attributes(); err != nil {
			err = &usageError{fmt.Errorf("the request: %w; give an event, --verb and --resource, or --path", err)}
		}
		if err != nil {
			return err
		}
		if x.policy, err = e.loadPolicy(args[0], &reading); err != nil {
			return err
		}
		e.doubt(&x.request)
		x.decision = policy.Compile(x.policy.Policy).Decide(&x.request)
		x.steps = policy.Explain(x.policy.Policy, &x.request)
		if output == "json" {
			return x.json(e.out)
		}
		return x.text(e.out)
	}
	return cmd
}

type explanation struct {
	policy   *loadedPolicy
	request  policy.Attributes
	recorded audit.Level // of the event, if one was given
	stage    audit.Stage
	decision policy.Decision
	steps    []policy.Step
}

var errOneEvent = errors.New("one event is enough")

// readEvent takes the request from the first event of a file, or from an event on the command line.
func (e *env) readEvent(from string, x *explanation) error {
	see := func(v *audit.View) error {
		x.request = policy.AttributesOf(v)
		x.recorded, x.stage = audit.Level(v.Level), audit.Stage(v.Stage)
		return errOneEvent
	}
	if strings.HasPrefix(strings.TrimSpace(from), "{") {
		var v audit.View
		if err := v.Parse([]byte(from)); err != nil {
			return &usageError{fmt.Errorf("the event on the command line: %w", err)}
		}
		if v.Verb == nil {
			return usagef("the event on the command line has no verb")
		}
		see(&v)
		return nil
	}
	f, err := e.open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = eachEvent(f, from, see)
	if errors.Is(err, errOneEvent) {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("%s holds no audit event", from)
	}
	return err
}

func (x *explanation) text(w io.Writer) error {
	var b strings.Builder
	line := func(format string, args ...any) { b.WriteString(clean(fmt.Sprintf(format, args...)) + "\n") }
	line("%s", describeRequest(&x.request))
	b.WriteString("\n")
	var behind []string
	for _, s := range x.steps {
		if x.decision.Rule >= 0 && s.Rule > x.decision.Rule {
			if s.Matched {
				behind = append(behind, fmt.Sprintf("rules[%d]", s.Rule))
			}
			continue
		}
		line("%s  %s", x.policy.rule(s.Rule), x.policy.summary(s.Rule))
		for _, c := range s.Checks {
			if c.OK == s.Matched {
				line("    %s %s: %s", map[bool]string{true: "yes,", false: "no, "}[c.OK], c.Field, c.Text)
			}
		}
		if len(s.Checks) == 0 {
			line("    yes, it asks for nothing, and matches every request")
		}
	}
	b.WriteString("\n")
	line("%s", x.verdict())
	if len(behind) > 0 {
		line("%s would match too, and %s behind it.", strings.Join(behind, ", "), map[bool]string{true: "stands", false: "stand"}[len(behind) == 1])
	}
	if x.recorded != "" && x.recorded != x.decision.Level {
		line("The event was recorded at level %s: by another policy than this.", x.recorded)
	} else if x.recorded != "" && x.decision.Omit.Has(x.stage) {
		line("The event was recorded at stage %s, which this policy omits.", x.stage)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (x *explanation) verdict() string {
	d := x.decision
	if d.Rule < 0 {
		return "No rule matches: it is not recorded."
	}
	if d.Level == audit.LevelNone {
		return x.policy.rule(d.Rule) + " decides: level None, it is not recorded."
	}
	text := fmt.Sprintf("%s decides: level %s", x.policy.rule(d.Rule), d.Level)
	if omit := stageNames(d.Omit); len(omit) == 4 {
		text += ", but every stage is omitted: it is not recorded"
	} else if len(omit) > 0 {
		text += ", no event at " + strings.Join(omit, ", ")
	}
	if d.OmitManagedFields {
		text += ", bodies without managed fields"
	}
	return text + "."
}

func stageNames(s policy.Stages) (names []string) {
	for _, stage := range []audit.Stage{audit.StageRequestReceived, audit.StageResponseStarted, audit.StageResponseComplete, audit.StagePanic} {
		if s.Has(stage) {
			names = append(names, string(stage))
		}
	}
	return names
}

// explainedStep is a step in JSON, with what the rule is.
type explainedStep struct {
	policy.Step
	Line    int    `json:"line,omitempty"`
	Summary string `json:"summary"`
}

func (x *explanation) json(w io.Writer) error {
	steps := []explainedStep{}
	for _, s := range x.steps {
		step := explainedStep{Step: s, Summary: x.policy.summary(s.Rule)}
		if s.Rule < len(x.policy.lines) {
			step.Line = x.policy.lines[s.Rule]
		}
		if step.Checks == nil {
			step.Checks = []policy.Check{}
		}
		steps = append(steps, step)
	}
	return writeJSON(w, map[string]any{
		"request": describeRequest(&x.request), "rule": x.decision.Rule, "level": x.decision.Level,
		"omitStages": append([]string{}, stageNames(x.decision.Omit)...), "omitManagedFields": x.decision.OmitManagedFields, "rules": steps,
	})
}

// writeJSON writes one answer.
func writeJSON(w io.Writer, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		_, err = fmt.Fprintf(w, "%s\n", cleanJSON(b))
	}
	return err
}
