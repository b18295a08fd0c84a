package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"annals.dev/internal/query"
	"annals.dev/internal/query/named"
	"annals.dev/internal/server"
)

const askLong = `Ask answers a question by its name: who read secrets, which logins failed, who became cluster-admin.
Without a name it lists the questions. Each is a search with parameters, and says which search it ran,
so that you can go on from there with annals search.

Parameters are given as name=value; --about tells what a question means, what its answer does not show,
and which parameters it has. Every question has the parameter where=QUERY, which narrows the answer.

Questions of your own stand in questions.yaml in the data directory, for everybody who asks, or in a file
given with --questions; docs/questions.md says how they are written. With -o json the answer is one object,
described in docs/cli-json.md.`

const askExample = `  # what can be asked
  annals ask
  # who read secrets in prod today
  annals ask secrets-read ns=prod --since today
  # what a question means, and what it misses
  annals ask new-admins --about
  # from outside your networks, but for the monitoring
  annals ask outside networks=10.0.0.0/8,192.0.2.0/24 where=-user:*prometheus
  # who changed one deployment
  annals ask object-changes object=deploy/web ns=prod
  # for cron: exit 5 if anybody was made cluster-admin
  annals ask new-admins --since 1d --fail-if-any`

func newAsk(e *env) *cobra.Command {
	var a asking
	var q questioning
	cmd := &cobra.Command{
		Use: "ask [NAME [PARAMETER=VALUE…]]", Short: "Ask a question by its name", Long: askLong, Example: askExample,
		Args: cobra.ArbitraryArgs,
	}
	a.flags(cmd, e, eventFormats)
	f := cmd.Flags()
	f.StringVar(&q.since, "since", "", "from this time on: 15m, 2h, 3d, 1w (ago), today, yesterday, or RFC 3339")
	f.StringVar(&q.until, "until", "", "before this time")
	f.IntVar(&q.limit, "limit", 100, "at most so many rows; 0 for all")
	f.StringArrayVar(&q.files, "questions", nil, "file with questions of your own; repeat it for more")
	f.BoolVar(&q.failIfAny, "fail-if-any", false, "exit 5 if the answer is not empty")
	f.BoolVar(&q.about, "about", false, "tell about the question instead of asking it")
	perCall(cmd, "fail-if-any", "about")
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		return q.complete(e, args)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkFormat(a.output, eventFormats); err != nil {
			return err
		}
		own, err := q.own()
		if err != nil {
			return err
		}
		client, err := e.connect(cmd.Context())
		if err != nil {
			return err
		}
		defer client.Close()
		if len(args) == 0 {
			return e.listQuestions(cmd.Context(), client, own, a.output)
		}
		return e.askNamed(cmd.Context(), client, own, args, &q, &a)
	}
	return cmd
}

// questioning are the flags of ask.
type questioning struct {
	since, until     string
	limit            int
	files            []string
	failIfAny, about bool
}

// own reads the questions that are given with --questions. They come behind those of Annals, whose names they may not take.
func (q *questioning) own() ([]named.Question, error) {
	set := named.BuiltIn()
	known := len(set.All())
	for _, path := range q.files {
		text, err := os.ReadFile(path)
		if err == nil {
			set, err = set.With(path, text)
		}
		if err != nil {
			return nil, usagef("--questions: %w", err)
		}
	}
	return set.All()[known:], nil
}

// complete gives names, then parameters. It asks no server, so that it answers at once.
func (q *questioning) complete(e *env, args []string) (out []string, _ cobra.ShellCompDirective) {
	set := named.BuiltIn()
	for _, path := range append([]string{filepath.Join(e.data, server.QuestionsFile)}, q.files...) {
		if text, err := os.ReadFile(path); err == nil {
			if more, err := set.With(path, text); err == nil {
				set = more
			}
		}
	}
	if len(args) == 0 {
		for _, question := range set.All() {
			out = append(out, question.Name+"\t"+question.Title)
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
	question, err := set.Get(args[0])
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	for _, p := range question.Parameters() {
		if !slices.ContainsFunc(args[1:], func(a string) bool { return strings.HasPrefix(a, p.Name+"=") }) {
			out = append(out, p.Name+"=\t"+p.About)
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// questionsOf are all questions: the server's, and one's own.
func questionsOf(ctx context.Context, client *server.Client, own []named.Question) ([]named.Question, string, error) {
	var all []named.Question
	answer, err := client.Ask(ctx, server.AskQuestion{}, func(item json.RawMessage) error {
		var question named.Question
		err := json.Unmarshal(item, &question)
		all = append(all, question)
		return err
	})
	for _, o := range own {
		if i := slices.IndexFunc(all, func(q named.Question) bool { return q.Name == o.Name }); i >= 0 && err == nil {
			err = usagef("--questions: %s: the server has a question named %s already, of %s; choose another name", o.File, o.Name, all[i].File)
		}
	}
	return append(all, own...), answer.Trouble, err
}

func (e *env) listQuestions(ctx context.Context, client *server.Client, own []named.Question, format string) error {
	if format == "raw" {
		return usagef("-o raw is for events")
	}
	all, trouble, err := questionsOf(ctx, client, own)
	if err != nil {
		return err
	}
	if format == "table" || format == "wide" {
		err = e.tableOfQuestions(all)
	} else {
		out := &printer{w: e.out, format: format, list: "questions", header: []string{"group", "name", "title"}}
		for _, q := range all {
			if err := out.row(
				func() []string { return []string{q.Group, q.Name, q.Title} },
				func() ([]byte, error) { return json.Marshal(q) },
			); err != nil {
				return err
			}
		}
		err = out.end(nil)
	}
	if err == nil && trouble != "" {
		return &exitError{exitFailed, fmt.Errorf("questions that were added could not be read: %s", trouble)}
	}
	return err
}

// askNamed asks one question, or tells about it.
func (e *env) askNamed(ctx context.Context, client *server.Client, own []named.Question, args []string, flags *questioning, a *asking) error {
	params := map[string]string{}
	for _, arg := range args[1:] {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			return usagef("%q is not a parameter: write name=value, and put a search into where=…", arg)
		}
		if _, twice := params[name]; twice {
			return usagef("%s is given twice", name)
		}
		params[name] = value
	}
	if flags.limit < 0 {
		return usagef("--limit %d: give a number of rows, or 0 for all", flags.limit)
	}
	all, trouble, err := questionsOf(ctx, client, own)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(q named.Question) bool { return q.Name == args[0] })
	if i >= 0 && flags.about {
		return e.tellAbout(&all[i])
	}
	if i < 0 && trouble != "" {
		e.say("questions that were added could not be read: %s", trouble)
	}
	q := server.AskQuestion{Name: args[0], Params: params, Clusters: a.clusters, Limit: &flags.limit, Detail: server.Summary}
	if slices.ContainsFunc(own, func(o named.Question) bool { return o.Name == args[0] }) {
		q.Question, q.Name = &all[i], ""
	}
	var r server.SearchQuestion
	if err := setRange(&r, flags.since, flags.until, e.now(), a.zone()); err != nil {
		return err
	}
	q.Since, q.Until = r.Since, r.Until
	counts := i >= 0 && len(all[i].By) > 0
	if counts && a.output == "raw" {
		return usagef("%s counts: -o raw is for events", args[0])
	}
	switch a.output {
	case "json", "jsonl", "yaml":
		q.Detail = server.Whole
	case "raw":
		q.Detail = server.Evidence
	}
	w, closePager, err := e.page()
	if err != nil {
		return err
	}
	var out answers
	if counts {
		out = e.newGroupPrinter(w, all[i].By, a)
	} else {
		out = e.newSentencePrinter(w, a, len(q.Clusters) != 1, i >= 0 && all[i].Sort == "latency")
	}
	answer, err := client.Ask(ctx, q, out.item)
	if err == nil {
		err = out.finish(map[string]any{"coverage": answer.Cover, "question": answer.Asked.Question.Name, "search": answer.Asked.Search})
	}
	closePager()
	if errors.Is(err, syscall.EPIPE) {
		return nil // the pager was left: nobody wants to know more
	}
	if err != nil {
		return err
	}
	e.say("search: %s", answer.Asked.Search)
	first, last := out.times()
	most := 0
	if answer.Asked.Question.Sort == "latency" {
		most = query.MaxSlowest
	}
	line := coverageLine(answer.Cover, first, last, a.zone(), most)
	if counts {
		line = plural(answer.Cover.Returned, "row") + strings.TrimPrefix(line, plural(answer.Cover.Returned, "event"))
	}
	e.say("%s", line)
	if !answer.Cover.Complete {
		return &exitError{code: exitIncomplete}
	}
	if flags.failIfAny && answer.Cover.Returned > 0 {
		return &exitError{code: exitMatched}
	}
	return nil
}
