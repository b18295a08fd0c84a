package cli

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"annals.dev/internal/server"
)

const silencesLong = `A silence holds back what people are told of some findings, for a while. They are found and recorded all the
same, and that nobody was told, and why, is on record too.`

const silencesExample = `  annals silences create --rule granted-to-oneself --user alice@example.com --for 4h --reason 'migration, ticket 4711'
  annals silences list
  annals silences expire fedcba9876543210`

func newSilences(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "silences", Short: "What people are not told of, for a while", Long: silencesLong, Example: silencesExample,
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSilencesList(e), newSilencesCreate(e), newSilencesExpire(e))
	return cmd
}

func newSilencesList(e *env) *cobra.Command {
	var a asking
	var ended bool
	cmd := &cobra.Command{Use: "list", Short: "Those that hold, and those to come", Args: cobra.NoArgs}
	f := cmd.Flags()
	f.StringVarP(&a.output, "output", "o", "table", "format: "+strings.Join(rowFormats, ", "))
	f.BoolVar(&a.local, "local", false, "show times in the local zone instead of UTC")
	f.BoolVar(&ended, "ended", false, "show those that are over, too")
	perCall(cmd, "ended")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkFormat(a.output, rowFormats); err != nil {
			return err
		}
		return e.withClient(cmd.Context(), func(client *server.Client) error {
			p := &printer{w: e.out, format: a.output, list: "silences", header: []string{"ID", "FROM", "UNTIL", "OWNER", "MATCH", "REASON"}}
			n := 0
			_, err := client.Silences(cmd.Context(), server.SilencesQuestion{Ended: ended}, func(s server.Silence) error {
				n++
				return p.row(func() []string {
					return []string{s.ID, formatTime(s.Start, a.zone()), formatTime(s.End, a.zone()), s.Owner, matchText(s.Match), s.Reason}
				}, func() ([]byte, error) { return json.Marshal(s) })
			})
			if err != nil {
				return err
			}
			if err := p.end(nil); err != nil {
				return err
			}
			e.say("%s", plural(n, "silence"))
			return nil
		})
	}
	return cmd
}

// matchText is what a silence is about: rule=x user=jane.
func matchText(match map[string]string) string {
	var all []string
	for _, k := range sortedKeys(match) {
		all = append(all, k+"="+match[k])
	}
	return strings.Join(all, " ")
}

func newSilencesCreate(e *env) *cobra.Command {
	words := []string{"rule", "cluster", "namespace", "user", "name", "severity"}
	match := map[string]*string{}
	var lasts, reason, start string
	cmd := &cobra.Command{Use: "create", Short: "Have nobody told of some findings for a while", Args: cobra.NoArgs}
	f := cmd.Flags()
	for _, w := range words {
		match[w] = f.StringP(w, map[string]string{"namespace": "n"}[w], "", "only findings with this "+w+"; * is any text")
	}
	f.StringVar(&lasts, "for", "", "how long: 30m, 4h, 2d")
	f.StringVar(&start, "start", "", "from this time on, if not from now on")
	f.StringVar(&reason, "reason", "", "why; it is on record")
	perCall(cmd, append(words, "for", "start", "reason")...)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		q := server.CreateSilenceQuestion{Match: map[string]string{}, Reason: reason}
		for _, w := range words {
			if *match[w] != "" {
				q.Match[w] = *match[w]
			}
		}
		d, ok := parseAgo(lasts)
		switch {
		case len(q.Match) == 0:
			return usagef("say what nobody is to be told of: --rule, --user, --namespace, …")
		case !ok || d <= 0:
			return usagef("--for %q: give how long, such as 30m, 4h or 2d", lasts)
		case strings.TrimSpace(reason) == "":
			return usagef("--reason is missing: it is on record with the silence")
		}
		from := e.now().UTC()
		if start != "" {
			var err error
			if q.Start, err = parseTime(start, e.now(), time.UTC); err != nil {
				return usagef("--start: %w", err)
			}
			from = q.Start
		}
		q.End = from.Add(d)
		return e.withClient(cmd.Context(), func(client *server.Client) error {
			s, err := client.CreateSilence(cmd.Context(), q)
			if err != nil {
				return err
			}
			e.say("Nobody is told of %s until %s. End it with annals silences expire %s", matchText(s.Match), formatTime(s.End, time.UTC), s.ID)
			_, err = io.WriteString(e.out, s.ID+"\n")
			return err
		})
	}
	return cmd
}

func newSilencesExpire(e *env) *cobra.Command {
	cmd := &cobra.Command{Use: "expire ID", Short: "End a silence now", Args: cobra.ExactArgs(1)}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return e.withClient(cmd.Context(), func(client *server.Client) error {
			s, err := client.ExpireSilence(cmd.Context(), server.ExpireSilenceQuestion{ID: args[0]})
			if err == nil {
				e.say("%s is over: people are told again of %s", s.ID, matchText(s.Match))
			}
			return err
		})
	}
	return cmd
}

// withClient connects for the time of f.
func (e *env) withClient(ctx context.Context, f func(*server.Client) error) error {
	client, err := e.connect(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	return f(client)
}

const alertsLong = `Alerts tells who was told of which findings, the newest first, and what was not told and why. alerts test sends
a message that says it is a test. Who is told of what stands in watch.yaml: docs/alerts.md.`

const alertsExample = `  annals alerts
  annals alerts --result failed -o jsonl`

var alertResults = []string{"delivered", "failed", "silenced", "inhibited", "throttled", "withdrawn"}

func newAlerts(e *env) *cobra.Command {
	var a asking
	var r ranged
	var q server.AlertsQuestion
	var limit int
	cmd := &cobra.Command{Use: "alerts", Short: "Who was told of what", Long: alertsLong, Example: alertsExample, Args: cobra.NoArgs}
	f := cmd.Flags()
	f.StringVarP(&a.output, "output", "o", "table", "format: "+strings.Join(rowFormats, ", "))
	f.BoolVar(&a.local, "local", false, "read and show times in the local zone instead of UTC")
	f.StringArrayVar(&q.To, "to", nil, "only what this destination was told; repeat it for more")
	f.StringArrayVar(&q.Results, "result", nil, "only with this result: "+strings.Join(alertResults, ", "))
	f.IntVar(&limit, "limit", 100, "at most so many; 0 for all")
	r.flags(cmd)
	perCall(cmd, "to", "result")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if err := checkFormat(a.output, rowFormats); err != nil {
			return err
		}
		for _, x := range q.Results {
			if !slices.Contains(alertResults, x) {
				return usagef("--result %q is none of %s", x, strings.Join(alertResults, ", "))
			}
		}
		if q.Since, q.Until, err = r.times(e, &a); err != nil {
			return err
		}
		q.Limit = &limit
		return e.withClient(cmd.Context(), func(client *server.Client) error { return e.listAlerts(cmd.Context(), client, q, &a) })
	}
	test := &cobra.Command{Use: "test DESTINATION", Short: "Send a message that says it is a test", Args: cobra.ExactArgs(1)}
	test.RunE = func(cmd *cobra.Command, args []string) error {
		return e.withClient(cmd.Context(), func(client *server.Client) error {
			end, err := client.TestAlert(cmd.Context(), server.TestAlertQuestion{To: args[0]})
			if err == nil {
				e.say("%s took it, in %.2f s", end.To, end.Seconds)
			}
			return err
		})
	}
	cmd.AddCommand(test)
	return cmd
}

func (e *env) listAlerts(ctx context.Context, client *server.Client, q server.AlertsQuestion, a *asking) error {
	p := &printer{w: e.out, format: a.output, list: "alerts", header: []string{"TIME", "RESULT", "TO", "SEVERITY", "FINDINGS", "ABOUT", "REASON"}}
	n := 0
	end, err := client.Alerts(ctx, q, func(o server.Delivery) error {
		n++
		return p.row(func() []string {
			return []string{formatTime(o.Time, a.zone()), string(o.Result), o.Destination, string(o.Severity), count(o.Count), matchText(o.Group), o.Reason}
		}, func() ([]byte, error) { return json.Marshal(o) })
	})
	if err != nil {
		return err
	}
	if err := p.end(map[string]any{"destinations": end.Destinations}); err != nil {
		return err
	}
	e.say("%s", plural(n, "outcome"))
	for _, d := range end.Destinations {
		if d.Error != "" {
			e.say("%s has not taken anything since %s: %s; %s wait", d.Name, formatTime(d.Since, a.zone()), d.Error, plural(d.Messages, "message"))
		}
	}
	if end.Failing != "" {
		e.say("nobody is told of anything at present: %s", end.Failing)
	}
	if !end.Complete {
		e.say("INCOMPLETE: %s", strings.Join(end.Why, "; "))
		return &exitError{code: exitIncomplete}
	}
	return nil
}
