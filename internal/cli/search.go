package cli

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"annals.dev/internal/server"
)

// logger writes to standard error what a server or an open ledger has to tell.
func (e *env) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(e.err, &slog.HandlerOptions{Level: level}))
}

// asking are the flags of the commands that give back events.
type asking struct {
	clusters []string
	output   string
	local    bool
}

func (a *asking) flags(cmd *cobra.Command, e *env, formats []string) {
	f := cmd.Flags()
	f.StringArrayVar(&a.clusters, "cluster", nil, "ask only about this cluster; repeat it for more")
	f.StringVarP(&a.output, "output", "o", "table", "format: "+strings.Join(formats, ", "))
	f.BoolVar(&a.local, "local", false, "read and show times in the local zone instead of UTC")
	f.BoolVar(&e.noPager, "no-pager", false, "do not put a pager between the answer and the terminal")
	cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
}

func (a *asking) zone() *time.Location {
	if a.local {
		return time.Local
	}
	return time.UTC
}

const searchLong = `Search finds events. A query is made of conditions, which must all hold: a field and its value, or
words that stand anywhere in the event, its bodies included. No query means every event. The newest
come first.

  verb:delete resource:secrets      fields; short names: user, verb, resource, name, ns, code, ip, …
  code>=400  time>=2026-11-19       numbers and times
  -user:system:*                    all but those; * stands for any ending
  "kubectl/v1.32"  curl             words and phrases
  verb:(create OR update)           either

docs/search.md has all of it. With -o json the answer is one object, described in docs/cli-json.md;
-o raw gives each event's own bytes and a newline.

After the answer a line on standard error says what it covers, and whether that is the whole truth:
if something was left out, the exit code is 3.`

const searchExample = `  # who deleted secrets today
  annals search 'verb:delete resource:secrets' --since today
  # what failed in the namespace prod, in the last two hours
  annals search 'ns:prod code>=400' --since 2h
  # shells in pods, with command line and address
  annals search 'subresource:exec' -o wide
  # everything that alice did, for jq
  annals search 'user:alice@example.com' -o jsonl --limit 0
  # for cron: exit 5 if anybody became cluster-admin
  annals search 'verb:create resource:clusterrolebindings "cluster-admin"' --since 1d --fail-if-any
  # the bytes as they were recorded
  annals search 'verb:create resource:secrets' -o raw --limit 1`

func newSearch(e *env) *cobra.Command {
	var a asking
	var since, until string
	var limit int
	var follow, failIfAny bool
	cmd := &cobra.Command{
		Use: "search [QUERY]", Short: "Find events", Long: searchLong, Example: searchExample, SuggestFor: []string{"tail", "query", "get", "logs", "export"},
		// Without quotes a shell makes several arguments of a query: they are put together again.
		Args: cobra.ArbitraryArgs,
	}
	a.flags(cmd, e, eventFormats)
	f := cmd.Flags()
	f.StringVar(&since, "since", "", "from this time on: 15m, 2h, 3d, 1w (ago), today, yesterday, or RFC 3339")
	f.StringVar(&until, "until", "", "before this time")
	f.IntVar(&limit, "limit", 100, "at most so many events; 0 for all")
	f.BoolVarP(&follow, "follow", "f", false, "go on with events as they arrive")
	f.BoolVar(&failIfAny, "fail-if-any", false, "exit 5 if there is any event")
	perCall(cmd, "follow", "fail-if-any")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkFormat(a.output, eventFormats); err != nil {
			return err
		}
		if limit < 0 {
			return usagef("--limit %d: give a number of events, or 0 for all", limit)
		}
		q := server.SearchQuestion{Query: strings.Join(args, " "), Clusters: a.clusters, Limit: limit, Follow: follow, Detail: server.Summary}
		if err := setRange(&q, since, until, e.now(), a.zone()); err != nil {
			return err
		}
		switch a.output {
		case "json", "jsonl", "yaml":
			q.Detail = server.Whole
		case "raw":
			q.Detail = server.Evidence
		}
		if follow && until != "" {
			return usagef("--follow has no end: leave out --until, or put time<… into the query")
		}
		if follow && a.output == "json" {
			return usagef("-o json is one object and --follow has no end: use -o jsonl")
		}
		cov, err := e.search(cmd.Context(), q, &a)
		if err != nil {
			return err
		}
		if failIfAny && cov.Returned > 0 {
			return &exitError{code: exitMatched}
		}
		return nil
	}
	return cmd
}

func setRange(q *server.SearchQuestion, since, until string, now time.Time, zone *time.Location) (err error) {
	for _, x := range []struct {
		flag, text string
		to         *time.Time
	}{{"since", since, &q.Since}, {"until", until, &q.Until}} {
		if x.text == "" {
			continue
		}
		if *x.to, err = parseTime(x.text, now, zone); err != nil {
			return usagef("--%s: %w", x.flag, err)
		}
	}
	if !q.Since.IsZero() && !q.Until.IsZero() && !q.Since.Before(q.Until) {
		return usagef("the range ends (%s) before it begins (%s)", formatTime(q.Until, zone), formatTime(q.Since, zone))
	}
	return nil
}

func (e *env) search(ctx context.Context, q server.SearchQuestion, a *asking) (server.Coverage, error) {
	client, err := e.connect(ctx)
	if err != nil {
		return server.Coverage{}, err
	}
	defer client.Close()
	w, closePager := e.out, func() {}
	if !q.Follow {
		if w, closePager, err = e.page(); err != nil {
			return server.Coverage{}, err
		}
	}
	out := newEventPrinter(w, e, a, len(q.Clusters) != 1)
	cov, err := client.Search(ctx, q, func(r server.Row) error {
		if err := out.event(&r); err != nil {
			return err
		}
		if q.Follow {
			return out.settle()
		}
		return nil
	})
	if q.Follow && ctx.Err() != nil {
		closePager()
		return cov, nil // that is how following ends
	}
	if err == nil {
		err = out.end(map[string]any{"coverage": cov})
	}
	closePager()
	if errors.Is(err, syscall.EPIPE) {
		return cov, nil // the pager was left: nobody wants to know more
	}
	if err != nil {
		return cov, err
	}
	e.say("%s", coverageLine(cov, out.first, out.last, a.zone(), 0))
	if !cov.Complete {
		return cov, &exitError{code: exitIncomplete}
	}
	return cov, nil
}
