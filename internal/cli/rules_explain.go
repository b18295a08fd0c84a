package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"annals.dev/audit"
	"annals.dev/internal/detect"
	"annals.dev/internal/detect/coverage"
	"annals.dev/internal/detect/pack"
	"annals.dev/internal/detect/ruletest"
	"annals.dev/internal/match"
	"annals.dev/internal/server"
	"annals.dev/policy"
)

const rulesExplainLong = `Explain says what a rule finds: its condition in one form whatever it was written in, what of an event it looks
at, the least audit level and the stages that it takes, and its tests.

With --event it holds the rule against events, test by test, with the values that were found: those of a file in
any form, of standard input (-), one on the command line, or one of the ledger as CLUSTER/POSITION.`

const rulesExplainExample = `  annals rules explain exec-into-container
  annals rules explain exec-into-container --event /var/log/kubernetes/audit/audit.log
  annals rules explain exec-into-container --event prod/1042
  annals rules explain 'A command was run in a container' -o json`

// maxExplained bounds how many events of a file are told of.
const maxExplained = 20

type ruleExplanation struct {
	*detect.Rule
	Predicate string             `json:"predicate,omitempty"`
	Search    bool               `json:"search"` // the predicate can be searched for as it stands
	Looks     []string           `json:"looksAt,omitempty"`
	Level     audit.Level        `json:"auditLevel,omitempty"`
	Stages    []audit.Stage      `json:"auditStages,omitempty"`
	Verdict   coverage.Verdict   `json:"canFire,omitempty"` // where everything is recorded
	Cases     []string           `json:"cases,omitempty"`
	UsedBy    []string           `json:"usedBy,omitempty"`
	Events    []explainedAgainst `json:"events,omitempty"`
	rules     map[string]*detect.Rule
}

// explainedAgainst is an event held against a rule.
type explainedAgainst struct {
	Event   string          `json:"event"` // in words
	Rule    string          `json:"rule"`
	Matches bool            `json:"matches"`
	Tests   []ruletest.Held `json:"tests"`
	tree    []string
}

func newRulesExplain(e *env) *cobra.Command {
	var reading ruleReading
	var event, output string
	cmd := &cobra.Command{
		Use: "explain RULE", Short: "What a rule finds, and why it matches an event or does not", Long: rulesExplainLong, Example: rulesExplainExample,
		Args: cobra.ExactArgs(1),
	}
	reading.flags(cmd)
	var from []string
	f := cmd.Flags()
	f.StringArrayVar(&from, "rules", nil, "file or folder of rules to take it from; repeat it for more")
	f.StringVar(&event, "event", "", "hold it against events: a file, -, an event, or CLUSTER/POSITION")
	f.StringVarP(&output, "output", "o", "text", "text or json")
	perCall(cmd, "rules", "event", "output")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if output != "text" && output != "json" {
			return usagef("--output %q: give text or json", output)
		}
		p, err := reading.load(e, from)
		if err != nil {
			return err
		}
		r, err := findRule(p, args[0])
		if err != nil {
			return err
		}
		x := explainRule(p, r)
		if event != "" {
			if err := e.againstEvents(cmd.Context(), x, event); err != nil {
				return err
			}
		}
		if output == "json" {
			return writeJSON(e.out, x)
		}
		return e.paged(func(w io.Writer) error { return x.tell(&teller{w: w, colour: e.colour}) })
	}
	return cmd
}

func explainRule(p *pack.Pack, r *detect.Rule) *ruleExplanation {
	x := &ruleExplanation{Rule: r, rules: map[string]*detect.Rule{}}
	for _, other := range slices.Concat(p.Rules, p.Off) {
		x.rules[other.ID] = other
		if other.Correlation != nil && slices.Contains(other.Correlation.Rules, r.ID) {
			x.UsedBy = append(x.UsedBy, other.Title)
		}
	}
	if r.Where != nil {
		x.Predicate = r.Where.String()
		again, err := match.Parse(x.Predicate)
		x.Search = err == nil && again.String() == x.Predicate
		for _, leaf := range ruletest.Leaves(r.Where) {
			if field := leaf.Field(); field != "" && !slices.Contains(x.Looks, field) {
				x.Looks = append(x.Looks, field)
			}
		}
		everything := &coverage.Policy{Policy: &policy.Policy{Rules: []policy.Rule{{Level: audit.LevelRequestResponse}}}}
		res := coverage.Check([]*detect.Rule{r}, everything, nil).Results[0]
		x.Level, x.Stages, x.Verdict = res.Level, res.Stages, res.Verdict
	}
	name := ruletest.NameFor(r.File)
	if b, err := readRuleFile(name); err == nil {
		if suite, err := ruletest.Parse(name, b); err == nil {
			for _, c := range suite.Cases {
				if c.Rule == "" || c.Rule == r.ID || c.Rule == r.Name || c.Rule == r.Title {
					kind := plural(c.Findings, "finding")
					if c.Findings == 0 {
						kind = "quiet"
					}
					x.Cases = append(x.Cases, fmt.Sprintf("%s: %s", kind, c.Name))
				}
			}
		}
	}
	return x
}

func (x *ruleExplanation) tell(t *teller) error {
	r := x.Rule
	t.title("%s", r.Title)
	t.pair("id", r.ID)
	t.pair("severity", string(r.Severity))
	t.pair("language", string(r.Language))
	t.pair("version", r.Version)
	if r.File != "" {
		t.pair("file", fmt.Sprintf("%s:%d", r.File, r.Line))
	}
	t.pair("ATT&CK", strings.Join(slices.Concat(r.Techniques, r.Tactics), ", "))
	if r.Silent {
		t.line("reports nothing itself")
	}
	if r.About != "" {
		t.title("Why")
		t.line("%s", wrap(strings.TrimSpace(r.About), 100))
	}
	t.title("What")
	switch {
	case r.Correlation != nil:
		t.line("%s", x.correlation())
	case r.Where == nil:
		t.line("it is a detector in Go")
	default:
		t.line("each request of which an event meets")
		t.line("  %s", x.Predicate)
		if x.Search {
			t.line("which annals search can look for as it stands")
		}
	}
	if r.Where != nil {
		t.title("What it takes")
		t.line("looks at   %s", strings.Join(x.Looks, ", "))
		switch x.Verdict {
		case coverage.Never:
			t.line("no audit event can meet it: annals rules lint says why")
		case coverage.Beyond:
			t.line("it is about what Annals itself records")
		default:
			var stages []string
			for _, s := range x.Stages {
				stages = append(stages, string(s))
			}
			t.line("level      %s at least, for all that it is about", x.Level)
			t.line("stages     %s", strings.Join(stages, ", "))
		}
	}
	list := func(title string, lines []string) {
		if len(lines) > 0 {
			t.title("%s", title)
			for _, l := range lines {
				t.line("%s", l)
			}
		}
	}
	list("Used by", x.UsedBy)
	list("False positives", r.FalsePositives)
	list("Tests", x.Cases)
	for _, e := range x.Events {
		t.title("%s %s", map[bool]string{true: "Matches", false: "Does not match"}[e.Matches], e.Event)
		if e.Rule != r.ID {
			t.line("of the rule %s:", e.Rule)
		}
		for _, l := range e.tree {
			t.line("%s", l)
		}
	}
	list("References", r.References)
	return t.err
}

// correlation is what a correlation asks, in words.
func (x *ruleExplanation) correlation() string {
	c := x.Correlation
	var of, compare []string
	for _, id := range c.Rules {
		if r := x.rules[id]; r != nil {
			id = "“" + r.Title + "”"
		}
		of = append(of, id)
	}
	words := map[string]string{"gt": "more than", "gte": "at least", "lt": "fewer than", "lte": "at most", "eq": "exactly", "neq": "other than"}
	for _, k := range c.Compare {
		compare = append(compare, fmt.Sprintf("%s %v", words[k.Op], k.N))
	}
	s := ""
	switch c.Kind {
	case detect.Temporal:
		s = strings.Join(of, " and ") + ", in any order"
	case detect.TemporalOrdered:
		s = strings.Join(of, ", then ")
	case detect.EventCount:
		s = fmt.Sprintf("%s requests of %s", strings.Join(compare, " and "), strings.Join(of, " or "))
	case detect.ValueCount:
		s = fmt.Sprintf("%s values of %s among the requests of %s", strings.Join(compare, " and "), strings.Join(append(c.Fields, strings.Fields(c.Field)...), ", "), strings.Join(of, " or "))
	default:
		s = fmt.Sprintf("%s of %s is %s among the requests of %s", c.Kind, c.Field, strings.Join(compare, " and "), strings.Join(of, " or "))
	}
	s += fmt.Sprintf(", within %s", c.Timespan)
	if len(c.GroupBy) > 0 {
		s += ", of the same " + strings.Join(c.GroupBy, " and ")
	}
	return s
}

// againstEvents holds the rule, or the rules of a correlation, against events.
func (e *env) againstEvents(ctx context.Context, x *ruleExplanation, from string) error {
	rules := []*detect.Rule{x.Rule}
	if x.Correlation != nil {
		rules = nil
		for _, id := range x.Correlation.Rules {
			if r := x.rules[id]; r != nil && r.Where != nil {
				rules = append(rules, r)
			}
		}
	}
	see := func(row *match.Row) error {
		for _, r := range rules {
			if r.Where != nil {
				x.Events = append(x.Events, against(r, row))
			}
		}
		if len(x.Events) >= maxExplained {
			return errOneEvent
		}
		return nil
	}
	view := func(v *audit.View) error {
		return see(&match.Row{View: v, Cluster: "file", Origin: "file/" + from, Received: v.Time})
	}
	cluster, number, ok := strings.Cut(from, "/")
	position, err := strconv.ParseUint(number, 10, 63)
	switch {
	case strings.HasPrefix(strings.TrimSpace(from), "{"):
		var v audit.View
		if err := v.Parse([]byte(from)); err != nil {
			return &usageError{fmt.Errorf("the event on the command line: %w", err)}
		}
		return view(&v)
	case ok && err == nil && cluster != "" && cluster != ".":
		return e.ofLedger(ctx, cluster, position, see)
	}
	f, err := e.open(from)
	if err != nil {
		return fmt.Errorf("%w; --event takes a file, - for standard input, an event, or CLUSTER/POSITION", err)
	}
	defer f.Close()
	_, err = eachEvent(f, from, view)
	if errors.Is(err, errOneEvent) {
		e.say("annals: only the first %d are shown", len(x.Events))
		return nil
	}
	if err == nil && len(x.Events) == 0 {
		err = fmt.Errorf("%s holds no audit event", from)
	}
	return err
}

// ofLedger takes an event from the ledger.
func (e *env) ofLedger(ctx context.Context, cluster string, position uint64, see func(*match.Row) error) error {
	client, err := e.connect(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	n := 0
	_, err = client.Search(ctx, server.SearchQuestion{Query: fmt.Sprintf("position:%d", position), Clusters: []string{cluster}, Limit: 1, Detail: server.Evidence}, func(r server.Row) error {
		n++
		var v audit.View
		if err := v.Parse(r.Raw); err != nil {
			return err
		}
		return see(&match.Row{View: &v, Cluster: r.Cluster, Origin: r.Origin, Position: r.Position, Received: r.Received.UnixMicro()})
	})
	if err == nil && n == 0 {
		err = fmt.Errorf("cluster %s has no event at position %d that you may see", cluster, position)
	}
	return err
}

func against(r *detect.Rule, row *match.Row) explainedAgainst {
	x := explainedAgainst{Rule: r.ID, Matches: r.Where.Match(row), Tests: ruletest.Why(r.Where, row)}
	x.Event = fmt.Sprintf("%s %s at stage %s by %s", row.View.Verb, row.View.RequestURI, row.View.Stage, row.View.User.Username)
	x.tree = testTree(r.Where.Parts(), row, "")
	return x
}

// testTree is a condition held against an event, part by part.
func testTree(p *match.Part, row *match.Row, indent string) (lines []string) {
	is := func(p *match.Part) string {
		return map[bool]string{true: "true ", false: "false"}[p.Predicate().Match(row)]
	}
	switch {
	case p.Leaf != nil:
		held := ruletest.Held{Test: p.Leaf.String(), OK: p.Leaf.Match(row), Field: p.Leaf.Field(), Values: ruletest.Values(p.Leaf.Field(), row)}
		return []string{indent + held.String()}
	case p.Not != nil && p.Not.Leaf != nil:
		inner := testTree(p.Not, row, "")
		return []string{indent + is(p) + "  not (" + strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(inner[0], "true"), "false")) + ")"}
	case p.Not != nil:
		return append([]string{indent + is(p) + "  not:"}, testTree(p.Not, row, indent+"  ")...)
	case p.Or != nil:
		lines = append(lines, indent+is(p)+"  any of:")
		for _, c := range p.Or {
			lines = append(lines, testTree(c, row, indent+"  ")...)
		}
		return lines
	}
	below := indent
	if indent != "" {
		lines, below = append(lines, indent+is(p)+"  all of:"), indent+"  "
	}
	for _, c := range p.And {
		lines = append(lines, testTree(c, row, below)...)
	}
	return lines
}
