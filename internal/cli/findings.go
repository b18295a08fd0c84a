package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"annals.dev/internal/detect"
	"annals.dev/internal/server"
)

var findingFormats = []string{"table", "wide", "json", "jsonl", "yaml", "csv"}

const findingsLong = `Findings are what rules found in the events: attacks, and what looks like one. The newest come first. With
the ID of a finding, or its beginning, all that is known of it is shown: why the rule matched, the events
that made it match, the rule, who was told, and how to prove it.

While annals serve runs on the data directory, it watches, and findings are there within a second. Without
it, this command first looks at all events that no rule has looked at yet.

--by counts them in groups, the worst first. docs/watch.md says what is watched for, and how to change it.
After the answer a line on standard error says what it covers; if something was left out, the exit code is 3.`

const findingsExample = `  annals findings --since 1d
  # what matters most, in groups
  annals findings --severity high --by rule
  annals findings --by rule,user --since 7d
  # of one rule, somebody, a namespace, a technique of ATT&CK
  annals findings --rule granted-to-oneself
  annals findings --user alice@example.com -n prod
  annals findings --technique T1552 -o json
  # a search over who did what, and over the findings themselves
  annals findings --where 'verb:create requestObject.peer:203.0.113.0/24'
  # for cron: exit 5 if there is any
  annals findings --severity high --since 1d --fail-if-any`

// findingFlags say which findings a command is about.
type findingFlags struct {
	asking
	ranged
	q        server.FindingsRange
	severity string
}

func (a *findingFlags) add(cmd *cobra.Command, e *env) {
	a.asking.flags(cmd, e, findingFormats)
	a.ranged.flags(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&a.q.Rules, "rule", nil, "only what this rule found, by its name or ID; repeat it for more")
	f.StringVar(&a.severity, "severity", "", "this or worse: "+severityNames())
	f.StringArrayVar(&a.q.Users, "user", nil, "only of this user, acting as another or not; repeat it for more")
	f.StringArrayVarP(&a.q.Namespaces, "namespace", "n", nil, "only about objects of this namespace; repeat it for more")
	f.StringArrayVar(&a.q.Techniques, "technique", nil, "only of this technique of ATT&CK, and those below it; repeat it for more")
	f.StringVar(&a.q.Query, "where", "", "only those that meet this search")
	perCall(cmd, "rule", "severity", "user", "namespace", "technique", "where")
	cmd.RegisterFlagCompletionFunc("severity", cobra.FixedCompletions(strings.Split(severityNames(), ", "), cobra.ShellCompDirectiveNoFileComp))
}

func severityNames() string {
	var names []string
	for _, s := range detect.Severities {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

func (a *findingFlags) question(e *env) (q server.FindingsRange, err error) {
	if err := checkFormat(a.output, findingFormats); err != nil {
		return q, err
	}
	a.q.Severity, a.q.Clusters = detect.Severity(a.severity), a.clusters
	if a.severity != "" && !slices.Contains(detect.Severities, a.q.Severity) {
		return q, usagef("--severity %q is none of %s", a.severity, severityNames())
	}
	a.q.Since, a.q.Until, err = a.ranged.times(e, &a.asking)
	return a.q, err
}

func newFindings(e *env) *cobra.Command {
	var a findingFlags
	var by []string
	var limit int
	var follow, failIfAny, withdrawn bool
	cmd := &cobra.Command{
		Use: "findings [ID]", Short: "What rules found: attacks, and what looks like one", Long: findingsLong, Example: findingsExample,
		Args: cobra.MaximumNArgs(1), SuggestFor: []string{"detections", "incidents", "alarms"},
	}
	a.add(cmd, e)
	f := cmd.Flags()
	f.IntVar(&limit, "limit", 100, "at most so many findings, or groups; 0 for all")
	f.BoolVarP(&follow, "follow", "f", false, "go on with findings as they are found")
	f.BoolVar(&failIfAny, "fail-if-any", false, "exit 5 if there is any finding")
	f.BoolVar(&withdrawn, "withdrawn", false, "show those, too, that were taken back since an event came late")
	f.StringSliceVar(&by, "by", nil, "count in groups by rule, cluster, namespace, user, severity or technique: --by rule,user")
	perCall(cmd, "follow", "fail-if-any", "withdrawn", "by")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		q, err := a.question(e)
		switch {
		case err != nil:
			return err
		case limit < 0:
			return usagef("--limit %d: give a number of findings, or 0 for all", limit)
		case follow && (a.output == "json" || len(by) > 0 || !q.Until.IsZero()):
			return usagef("--follow has no end: it goes without --by and --until, and -o json is one object: use -o jsonl")
		case len(args) > 0 && (follow || len(by) > 0):
			return usagef("one finding is shown whole: leave out --follow and --by")
		}
		client, err := e.watched(cmd.Context())
		if err != nil {
			return err
		}
		defer client.Close()
		n := 0
		switch {
		case len(args) > 0:
			return e.showFinding(cmd.Context(), client, args[0], &a)
		case follow:
			return e.followFindings(cmd.Context(), client, server.FindingsTailQuestion{FindingsRange: q, Limit: &limit}, &a)
		case len(by) > 0:
			n, err = e.groupFindings(cmd.Context(), client, server.FindingGroupsQuestion{FindingsRange: q, By: by, Limit: limit}, &a)
		default:
			n, err = e.listFindings(cmd.Context(), client, server.FindingsQuestion{FindingsRange: q, Limit: &limit, Withdrawn: withdrawn}, &a)
		}
		if err == nil && failIfAny && n > 0 {
			return &exitError{code: exitMatched}
		}
		return err
	}
	return cmd
}

// watched connects. Where no server runs, the rules look at what they have not looked at yet.
func (e *env) watched(ctx context.Context) (*server.Client, error) {
	client, err := e.connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := e.catchUp(ctx, client); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return client, nil
}

func (e *env) catchUp(ctx context.Context, client *server.Client) error {
	bar := e.progress()
	defer bar.clear()
	return client.CatchUp(ctx, func(done, total uint64) {
		bar.show(int64(done), int64(total), "rules look at "+plural(total, "event"))
	})
}

func (e *env) listFindings(ctx context.Context, client *server.Client, q server.FindingsQuestion, a *findingFlags) (n int, err error) {
	var cover server.FindingsCover
	var first, last server.Finding
	err = e.paged(func(w io.Writer) error {
		p := e.findingPrinter(w, a, len(q.Clusters) != 1)
		cover, err = client.Findings(ctx, q, func(f server.Finding) error {
			if n++; n == 1 {
				last = f
			}
			first = f
			return p.finding(&f)
		})
		if err != nil {
			return err
		}
		return p.end(map[string]any{"coverage": cover})
	})
	if err != nil {
		return n, err
	}
	what := plural(n, "finding")
	if n > 0 {
		what += " · " + span(first.Time, last.Time, a.zone())
	}
	return n, e.findingsCovered(what, &cover)
}

func (e *env) followFindings(ctx context.Context, client *server.Client, q server.FindingsTailQuestion, a *findingFlags) error {
	if client.Local() {
		return usagef("--follow needs annals serve: nothing watches this data directory at present")
	}
	p := e.findingPrinter(e.out, a, len(q.Clusters) != 1)
	err := client.TailFindings(ctx, q, func(f server.Finding) error {
		if err := p.finding(&f); err != nil {
			return err
		}
		return p.settle()
	})
	if ctx.Err() != nil || errors.Is(err, syscall.EPIPE) {
		return nil // that is how following ends
	}
	return err
}

// findingsCovered says in one line what an answer covers.
func (e *env) findingsCovered(what string, c *server.FindingsCover) error {
	var watched []string
	for _, w := range c.Watched {
		watched = append(watched, w.Cluster)
	}
	over := "no events"
	if len(watched) > 0 {
		over = "the events of " + strings.Join(watched, ", ")
	}
	parts := []string{what, fmt.Sprintf("%s over %s", plural(c.Rules, "rule"), over)}
	switch {
	case !c.Complete:
		parts = append(parts, "INCOMPLETE: "+strings.Join(c.Why, "; "))
	case c.LimitReached:
		parts = append(parts, "there are more: --limit 0 shows all")
	default:
		parts = append(parts, "complete")
	}
	if c.NoBodies {
		parts = append(parts, "without those that stand in bodies")
	}
	e.say("%s", strings.Join(parts, " · "))
	if !c.Complete {
		return &exitError{code: exitIncomplete}
	}
	return nil
}
