package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	objects "annals.dev/internal/query/object"
	"annals.dev/internal/server"
)

// aboutObject are the flags of the commands about one object.
type aboutObject struct {
	namespace, cluster string
	since, until       string
	managed, status    bool
	reads, local       bool
	output             string
}

var objectFormats = []string{"table", "json", "yaml"}

func (o *aboutObject) flags(cmd *cobra.Command, e *env) {
	f := cmd.Flags()
	f.StringVarP(&o.namespace, "namespace", "n", "", "the object's namespace; without it, the only one that has it")
	f.StringVar(&o.cluster, "cluster", "", "the object's cluster; without it, the only one that has it")
	f.StringVar(&o.since, "since", "", "look at events from this time on: 15m, 2h, 3d, 1w (ago), today, yesterday, or RFC 3339")
	f.StringVar(&o.until, "until", "", "look at events before this time")
	f.BoolVar(&o.managed, "managed-fields", false, "show metadata.managedFields")
	f.BoolVar(&o.status, "status", false, "show the status, and count its changes as versions")
	f.BoolVar(&o.reads, "reads", false, "learn from answers to get and list, too")
	f.StringVarP(&o.output, "output", "o", "table", "format: "+strings.Join(objectFormats, ", "))
	f.BoolVar(&o.local, "local", false, "read and show times in the local zone instead of UTC")
	f.BoolVar(&e.noPager, "no-pager", false, "do not put a pager between the answer and the terminal")
	perCall(cmd, "cluster", "since", "until", "managed-fields", "status", "reads")
	cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(objectFormats, cobra.ShellCompDirectiveNoFileComp))
}

func (o *aboutObject) zone() *time.Location {
	if o.local {
		return time.Local
	}
	return time.UTC
}

// question is what the flags and the object's name ask.
func (o *aboutObject) question(e *env, kind, name string) (q objects.Question, err error) {
	if err := checkFormat(o.output, objectFormats); err != nil {
		return q, err
	}
	var r server.SearchQuestion
	if err := setRange(&r, o.since, o.until, e.now(), o.zone()); err != nil {
		return q, err
	}
	return objects.Question{
		Ref:   objects.Ref{Cluster: o.cluster, Resource: kind, Namespace: o.namespace, Name: name},
		Since: r.Since, Until: r.Until, ManagedFields: o.managed, Status: o.status, Reads: o.reads,
	}, nil
}

// objectName reads KIND/NAME, or KIND and NAME.
func objectName(args []string) (kind, name string, err error) {
	if len(args) == 2 && !strings.Contains(args[0], "/") {
		return args[0], args[1], nil
	}
	kind, name, ok := strings.Cut(args[0], "/")
	if len(args) != 1 || !ok || kind == "" || name == "" {
		return "", "", usagef("%q is no object: write KIND/NAME, such as deploy/web", strings.Join(args, " "))
	}
	return kind, name, nil
}

// print writes an answer: by table, or as the object that docs/cli-json.md describes. It says what the answer covers.
func (o *aboutObject) print(ctx context.Context, e *env, ask func(*server.Client) (answer any, cover *server.Coverage, notes []string, n string, err error), table func(io.Writer) error) error {
	client, err := e.connect(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	answer, cover, notes, what, err := ask(client)
	if err != nil {
		return err
	}
	w, closePager, err := e.page()
	if err != nil {
		return err
	}
	switch o.output {
	case "table":
		err = table(w)
	default:
		err = writeAnswer(w, o.output, answer)
	}
	closePager()
	if errors.Is(err, syscall.EPIPE) {
		return nil // the pager was left: nobody wants to know more
	}
	if err != nil {
		return err
	}
	for _, n := range notes {
		e.say("note: %s", n)
	}
	if cover == nil {
		return nil
	}
	e.say("%s", objectCoverage(what, cover))
	if !cover.Complete {
		return &exitError{code: exitIncomplete}
	}
	return nil
}

func writeAnswer(w io.Writer, format string, answer any) error {
	b, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	if format == "yaml" {
		if b, err = yaml.JSONToYAML(b); err == nil {
			_, err = w.Write(cleanYAML(b))
		}
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", cleanJSON(b))
	return err
}

// objectCoverage says in one line what an answer covers.
func objectCoverage(what string, c *server.Coverage) string {
	parts := []string{what}
	switch {
	case !c.Complete:
		parts = append(parts, "INCOMPLETE: "+strings.Join(c.Why, "; "))
	case c.LimitReached:
		parts = append(parts, "there is more, see the notes")
	default:
		parts = append(parts, fmt.Sprintf("complete, of %s in the range", count(c.Considered)))
	}
	return strings.Join(parts, " · ")
}

const historyLong = `History tells every version of an object that the record knows, the oldest first: who made it, when,
from where, and what changed. How much of a version is known is said beside it:

  observed   the API server's own answer holds it
  derived    it follows from the version before and what was sent
  partial    parts of it are known
  unknown    there was a change; what it was, was not recorded
  gone       it was deleted

A version marked * came after one that nobody saw. With -o json each version has its object as YAML.
The status, managed fields and what kubectl apply notes are left out, see --status and --managed-fields.`

const historyExample = `  # every version of a deployment
  annals history deploy/web -n prod
  # with what its controllers wrote into its status
  annals history deploy/web -n prod --status --since 1h
  # a custom resource, by its full name
  annals history widgets.example.com/blue -n shop
  # for programs
  annals history cm/app -n prod -o json`

func newHistory(e *env) *cobra.Command {
	var o aboutObject
	var limit int
	cmd := &cobra.Command{
		Use: "history KIND/NAME", Short: "Every version of an object, and who made it", Long: historyLong, Example: historyExample,
		Args: cobra.RangeArgs(1, 2),
	}
	o.flags(cmd, e)
	cmd.Flags().IntVar(&limit, "limit", 500, "at most so many versions, the newest; 0 for all")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		kind, name, err := objectName(args)
		if err != nil {
			return err
		}
		q, err := o.question(e, kind, name)
		if err != nil {
			return err
		}
		switch q.Limit = limit; {
		case limit < 0:
			return usagef("--limit %d: give a number of versions, or 0 for all", limit)
		case limit == 0:
			q.Limit = math.MaxInt32
		}
		var life objects.Life
		return o.print(cmd.Context(), e, func(c *server.Client) (any, *server.Coverage, []string, string, error) {
			life, err = c.History(cmd.Context(), q)
			return life, life.Cover, life.Notes, plural(len(life.Versions), "version"), err
		}, func(w io.Writer) error { return historyTable(w, e, &life, o.zone()) })
	}
	return cmd
}

var knownColours = map[objects.Known]string{
	objects.Observed: "\x1b[32m", objects.Derived: "\x1b[36m", objects.Partial: "\x1b[33m", objects.Unknown: "\x1b[33m", objects.Gone: "\x1b[31m",
}

func historyTable(w io.Writer, e *env, life *objects.Life, zone *time.Location) error {
	p := printer{w: w, format: "table", header: []string{"#", "TIME", "USER", "VERB", "FROM", "KNOWN", "CHANGE"}}
	if e.colour {
		p.paint = func(column int, cell string) string {
			switch {
			case cell == p.header[column]:
				return "\x1b[1m" + cell + "\x1b[0m"
			case column == 5 && knownColours[objects.Known(cell)] != "":
				return knownColours[objects.Known(cell)] + cell + "\x1b[0m"
			}
			return cell
		}
	}
	for _, v := range life.Versions {
		number := strconv.Itoa(v.Number)
		if v.Missed {
			number += "*"
		}
		verb := v.Event.Verb
		if v.Event.Subresource != "" {
			verb += " " + v.Event.Subresource
		}
		change := v.Summary
		if v.Why != "" && v.Known != objects.Derived {
			change += " (" + v.Why + ")"
		}
		cells := []string{number, formatTime(v.Time, zone), actor(&v.Event), verb, from(&v.Event), string(v.Known), change}
		if err := p.row(func() []string { return cells }, nil); err != nil {
			return err
		}
	}
	return p.end(nil)
}
