package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	actors "annals.dev/internal/query/actor"
	"annals.dev/internal/server"
)

var profileFormats = []string{"table", "wide", "json", "yaml"}

const whoLong = `Who tells what is known of a user: when and from where it was seen, with what clients, in which groups,
what it did and to what, what failed, as whom it acted and who acted as it, and by which binding each
access was granted. Grants that are known and that no request used come last.

USER is a name as events have it, or sa:NAMESPACE/NAME for a service account. A request counts once,
whatever stages of it are recorded. Addresses are those of the peer; what clients claim is not counted.`

const whoExample = `  annals who alice@example.com
  annals who sa:ci/deployer --since 7d
  annals who sa:ci/deployer --baseline
  annals who system:anonymous -o wide
  # for jq: '.grants[] | select(.unused)' are bindings that nobody seems to need
  annals who jane@example.com -o json`

// ranged are the flags of a range of time.
type ranged struct{ since, until string }

func (r *ranged) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.since, "since", "", "from this time on: 15m, 2h, 3d, 1w (ago), today, yesterday, or RFC 3339")
	cmd.Flags().StringVar(&r.until, "until", "", "before this time")
}

func (r *ranged) times(e *env, a *asking) (since, until time.Time, err error) {
	var q server.SearchQuestion
	err = setRange(&q, r.since, r.until, e.now(), a.zone())
	return q.Since, q.Until, err
}

func newWho(e *env) *cobra.Command {
	var a asking
	var r ranged
	var usual bool
	cmd := &cobra.Command{Use: "who USER", Short: "What is known of a user, and by which bindings it may do what", Long: whoLong, Example: whoExample, Args: cobra.ExactArgs(1)}
	a.flags(cmd, e, profileFormats)
	r.flags(cmd)
	cmd.Flags().BoolVar(&usual, "baseline", false, "what is usual for the user, by day and against its peers: what findings of unusual acts are held against")
	perCall(cmd, "baseline")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkFormat(a.output, profileFormats); err != nil {
			return err
		}
		if usual && (r.since != "" || r.until != "") {
			return usagef("--baseline is of the last 64 days: it takes neither --since nor --until")
		}
		since, until, err := r.times(e, &a)
		if err != nil {
			return err
		}
		client, err := e.connect(cmd.Context())
		if err != nil {
			return err
		}
		defer client.Close()
		if usual {
			return e.baseline(cmd.Context(), client, args[0], &a)
		}
		p, err := client.Who(cmd.Context(), actors.Question{User: args[0], Since: since, Until: until, Clusters: a.clusters})
		if err != nil {
			return err
		}
		err = e.paged(func(w io.Writer) error {
			if a.output == "json" || a.output == "yaml" {
				return printObject(w, a.output, p)
			}
			return (&profilePrinter{w: w, zone: a.zone(), wide: a.output == "wide"}).profile(&p)
		})
		if err != nil {
			return err
		}
		e.nearby(p.User, p.Near)
		return e.covered(p.Cover, "request", p.First, p.Last, a.zone(), 0)
	}
	return cmd
}

// paged writes through a pager; one that is left ends the writing without complaint.
func (e *env) paged(f func(io.Writer) error) error {
	w, closePager, err := e.page()
	if err != nil {
		return err
	}
	err = f(w)
	closePager()
	if errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}

// printObject writes one answer as JSON or YAML.
func printObject(w io.Writer, format string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if format == "yaml" {
		if b, err = yaml.JSONToYAML(b); err != nil {
			return err
		}
		_, err = w.Write(cleanYAML(b))
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", cleanJSON(b))
	return err
}

// nearby says whose names are like one that nothing is known of.
func (e *env) nearby(user string, near []string) {
	if len(near) > 0 {
		e.say("nothing is known of %s; did you mean %s?", user, strings.Join(near, ", "))
	}
}

// covered says what an answer covers, of at most so many things, and gives the exit code of one that is not whole.
func (e *env) covered(c *server.Coverage, thing string, first, last time.Time, zone *time.Location, most int) error {
	if c == nil {
		return nil
	}
	e.say("%s%s", plural(c.Returned, thing), strings.TrimPrefix(coverageLine(*c, first, last, zone, most), plural(c.Returned, "event")))
	if !c.Complete {
		return &exitError{code: exitIncomplete}
	}
	return nil
}

type profilePrinter struct {
	w    io.Writer
	zone *time.Location
	wide bool
	err  error
}

func (p *profilePrinter) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintln(p.w, strings.TrimRight(clean(fmt.Sprintf(format, args...)), " "))
	}
}

// few is how many values of a field a table shows; wide shows all that there are.
const few = 6

func (p *profilePrinter) profile(of *actors.Profile) error {
	p.line("%s", of.User)
	if of.Events == 0 {
		p.line("  no requests")
	} else {
		p.line("  %s, %s failed, %s forbidden", plural(of.Events, "request"), count(of.Failures), count(of.Forbidden))
		p.line("  first %s, last %s", formatTime(of.First, p.zone), formatTime(of.Last, p.zone))
	}
	for _, x := range []struct {
		name string
		of   []actors.Count
	}{
		{"from", of.Addresses}, {"with", of.Agents}, {"groups", of.Groups}, {"namespaces", of.Namespaces}, {"verbs", of.Verbs},
		{"resources", of.Resources}, {"codes", of.Codes}, {"acted as", of.ActedAs}, {"acted by", of.ActedBy},
	} {
		p.counts(x.name, x.of)
	}
	p.days(of.Days)
	p.grants(of.Grants)
	for _, note := range of.Notes {
		p.line("* %s", note)
	}
	return p.err
}

func (p *profilePrinter) counts(name string, all []actors.Count) {
	if len(all) == 0 {
		return
	}
	p.line("")
	p.line("%s", strings.ToUpper(name))
	for i, c := range all {
		if i == few && !p.wide && len(all) > few+1 {
			p.line("            %d more: -o wide shows them", len(all)-few)
			break
		}
		if p.wide {
			p.line("  %8s  %s … %s  %s", count(c.Count), formatTime(c.First, p.zone), formatTime(c.Last, p.zone), c.Value)
		} else {
			p.line("  %8s  %s", count(c.Count), c.Value)
		}
	}
}

func (p *profilePrinter) days(days []actors.Day) {
	if len(days) == 0 {
		return
	}
	p.line("")
	p.line("DAYS (UTC)")
	if hidden := len(days) - 2*few; hidden > 1 && !p.wide {
		p.line("            %d earlier ones: -o wide shows them", hidden)
		days = days[hidden:]
	}
	for _, d := range days {
		p.line("  %8s  %s  %s failed", count(d.Requests), d.Day, count(d.Failures))
	}
}

func (p *profilePrinter) grants(grants []actors.Grant) {
	if len(grants) == 0 {
		return
	}
	p.line("")
	p.line("GRANTED BY")
	for _, g := range grants {
		by := g.Reason
		if g.Binding != "" {
			by = fmt.Sprintf("%s, of %s to %s", g.Binding, g.Role, g.To)
		}
		if g.Unused {
			p.line("    unused  %s (%s)", by, g.Where)
			continue
		}
		p.line("  %8s  %s", count(g.Count), by)
		if p.wide {
			p.line("            %s of %s", strings.Join(g.Verbs, ", "), strings.Join(g.Resources, ", "))
		}
	}
	p.line("")
}
