package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"annals.dev/internal/server"
)

// connect finds the server of the data directory, or opens the directory.
func (e *env) connect(ctx context.Context) (*server.Client, error) {
	return server.Connect(ctx, e.data, e.logger(slog.LevelWarn))
}

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
		Use: "search [QUERY]", Short: "Find events", Long: searchLong, Example: searchExample,
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
	if err != nil {
		return cov, err
	}
	e.say("%s", coverageLine(cov, out.first, out.last, a.zone()))
	if !cov.Complete {
		return cov, &exitError{code: exitIncomplete}
	}
	return cov, nil
}

// eventPrinter prints rows of a search.
type eventPrinter struct {
	printer
	clusters    bool // of more than one: say which
	zone        *time.Location
	terminal    bool
	first, last time.Time // of the events' times
}

var (
	tableHeader = []string{"TIME", "USER", "VERB", "OBJECT", "NAMESPACE", "CODE", "FROM"}
	wideHeader  = []string{"TIME", "USER", "VERB", "OBJECT", "NAMESPACE", "CODE", "FROM", "STAGE", "LEVEL", "POSITION", "ORIGIN", "AUDIT ID", "MARKS", "URI", "AGENT"}
	csvHeader   = []string{
		"time", "cluster", "position", "user", "impersonatedUser", "verb", "apiGroup", "resource", "subresource", "namespace", "name",
		"code", "sourceIPs", "stage", "level", "origin", "received", "auditID", "marks", "note", "requestURI", "userAgent",
	}
)

func newEventPrinter(w io.Writer, e *env, a *asking, clusters bool) *eventPrinter {
	p := &eventPrinter{printer: printer{w: w, format: a.output, list: "events"}, clusters: clusters, zone: a.zone(), terminal: e.outTerminal}
	switch a.output {
	case "table":
		p.header = tableHeader
	case "wide":
		p.header = wideHeader
	case "csv":
		p.header = csvHeader
	}
	if clusters && (a.output == "table" || a.output == "wide") {
		p.header = append([]string{"CLUSTER"}, p.header...)
	}
	if e.colour {
		p.paint = p.colours
	}
	return p
}

// settle shows what a table still holds back.
func (p *eventPrinter) settle() error {
	if p.format == "table" || p.format == "wide" {
		return p.flush()
	}
	return nil
}

func (p *eventPrinter) colours(column int, cell string) string {
	if p.header[column] == cell {
		return "\x1b[1m" + cell + "\x1b[0m"
	}
	if code, err := strconv.Atoi(cell); err == nil && p.header[column] == "CODE" && code >= 400 {
		return "\x1b[31m" + cell + "\x1b[0m"
	}
	return cell
}

func (p *eventPrinter) event(r *server.Row) error {
	if p.first.IsZero() || r.Time.Before(p.first) {
		p.first = r.Time
	}
	if r.Time.After(p.last) {
		p.last = r.Time
	}
	if p.format == "raw" {
		p.n++
		text := r.Raw
		if p.terminal {
			text = []byte(clean(string(text)))
		}
		_, err := p.w.Write(append(text, '\n'))
		return err
	}
	return p.row(func() []string { return p.cells(r) }, func() ([]byte, error) { return publicJSON(r) })
}

// publicEvent is an event in -o json, jsonl and yaml; docs/cli-json.md is its contract.
type publicEvent struct {
	Cluster  string          `json:"cluster"`
	Position uint64          `json:"position"`
	Origin   string          `json:"origin"`
	Received time.Time       `json:"received"`
	Marks    []string        `json:"marks,omitempty"`
	Note     string          `json:"note,omitempty"`
	Event    json.RawMessage `json:"event,omitempty"`
}

func publicJSON(r *server.Row) ([]byte, error) {
	return json.Marshal(publicEvent{r.Cluster, r.Position, r.Origin, r.Received, r.Marks, r.Note, r.Event})
}

func (p *eventPrinter) cells(r *server.Row) []string {
	code := ""
	if r.Code != 0 {
		code = strconv.FormatInt(r.Code, 10)
	}
	if p.format == "csv" {
		return []string{
			formatTime(r.Time, p.zone), r.Cluster, strconv.FormatUint(r.Position, 10), r.User, r.Impersonated, r.Verb, r.APIGroup, r.Resource,
			r.Subresource, r.Namespace, r.Name, code, strings.Join(r.SourceIPs, " "), r.Stage, r.Level, r.Origin,
			formatTime(r.Received, p.zone), r.AuditID, strings.Join(r.Marks, " "), r.Note, r.RequestURI, r.UserAgent,
		}
	}
	cells := []string{formatTime(r.Time, p.zone), actor(r), r.Verb, object(r), r.Namespace, code, from(r)}
	if p.clusters {
		cells = append([]string{r.Cluster}, cells...)
	}
	if p.format == "wide" {
		cells = append(cells, r.Stage, r.Level, strconv.FormatUint(r.Position, 10), r.Origin, r.AuditID, strings.Join(r.Marks, ","), r.RequestURI, r.UserAgent)
	}
	return cells
}

// actor is who asked, and as whom.
func actor(r *server.Row) string {
	switch {
	case r.Impersonated != "":
		return r.User + " as " + r.Impersonated
	case r.User == "" && r.Code == 401:
		return "(nobody: refused)"
	}
	return r.User
}

// object is what the request was about.
func object(r *server.Row) string {
	if slices.Contains(r.Marks, "quarantined") {
		return "(unreadable: " + r.Note + ")"
	}
	if r.Resource == "" {
		path, _, _ := strings.Cut(r.RequestURI, "?")
		return path
	}
	s := r.Resource
	if r.APIGroup != "" && !builtIn(r.APIGroup) {
		s += "." + r.APIGroup
	}
	if r.Name != "" {
		s += "/" + r.Name
	}
	if r.Subresource != "" {
		s += "/" + r.Subresource
	}
	if slices.Contains(r.Marks, "salvaged") {
		s += " (cut)"
	}
	return s
}

// builtIn groups need no mention: their resources' names tell.
func builtIn(group string) bool {
	return group == "apps" || group == "batch" || group == "policy" || group == "autoscaling" || strings.HasSuffix(group, ".k8s.io")
}

// from is the address nearest to the server: those before it are as the client says.
func from(r *server.Row) string {
	if len(r.SourceIPs) == 0 {
		return ""
	}
	return r.SourceIPs[len(r.SourceIPs)-1]
}

// coverageLine says in one line what an answer covers.
func coverageLine(c server.Coverage, first, last time.Time, zone *time.Location) string {
	const minute = "2006-01-02 15:04"
	parts := []string{plural(c.Returned, "event")}
	since, until := c.Since, c.Until
	if since.IsZero() {
		since = first
	}
	if until.IsZero() {
		until = last
	}
	switch {
	case !c.Since.IsZero() && c.Until.IsZero():
		parts = append(parts, since.In(zone).Format(minute)+" → now")
	case !since.IsZero():
		parts = append(parts, since.In(zone).Format(minute)+" → "+until.In(zone).Format(minute))
	}
	switch {
	case !c.Complete:
		parts = append(parts, "INCOMPLETE: "+strings.Join(c.Why, "; "))
	case c.LimitReached:
		parts = append(parts, "there are more: --limit 0 shows all")
	default:
		parts = append(parts, fmt.Sprintf("complete, of %s in the range", count(c.Considered)))
	}
	for _, m := range []struct {
		n    int
		text string
	}{
		{c.Salvaged, "cut (salvaged)"}, {c.Quarantined, "unreadable (quarantined)"}, {c.Truncated, "shortened by the API server"},
		{c.Conflicts, "in conflict with another of the same ID"},
	} {
		if m.n > 0 {
			parts = append(parts, count(m.n)+" "+m.text)
		}
	}
	return strings.Join(parts, " · ")
}
