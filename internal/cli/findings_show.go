package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"

	"annals.dev/internal/server"
)

// showFinding shows one finding whole.
func (e *env) showFinding(ctx context.Context, client *server.Client, id string, a *findingFlags) error {
	d, err := client.Finding(ctx, server.FindingQuestion{ID: id})
	if err != nil {
		return err
	}
	switch a.output {
	case "table", "wide":
		err = e.paged(func(w io.Writer) error { return e.tellFinding(w, &d, a) })
	case "json", "yaml":
		err = e.paged(func(w io.Writer) error { return writeAnswer(w, a.output, d) })
	default:
		return usagef("one finding is shown as table, json or yaml, not as %s", a.output)
	}
	return err
}

func (e *env) tellFinding(w io.Writer, d *server.FindingDetail, a *findingFlags) error {
	f := &d.Finding
	t := &teller{w: w, colour: e.colour}
	t.title("%s  %s", strings.ToUpper(string(f.Severity)), f.Title)
	if f.Withdrawn != nil {
		t.line("WITHDRAWN: %s", f.Withdrawn.Reason)
	}
	t.line("%s", f.Summary)
	t.pair("id", f.ID)
	when := formatTime(f.Time, a.zone())
	if !f.From.IsZero() && !f.From.Equal(f.Time) {
		when = formatTime(f.From, a.zone()) + " to " + when
	}
	t.pair("when", when)
	t.pair("who", strings.TrimSuffix(who(&f.Finding)+" from "+f.Peer, " from "))
	t.pair("what", strings.TrimSpace(f.Verb+" "+on(&f.Finding)))
	t.pair("cluster", f.Cluster)
	for _, k := range sortedKeys(f.Group) {
		t.pair("same "+k, f.Group[k])
	}
	t.pair("ATT&CK", strings.Join(append(append([]string{}, f.Techniques...), f.Tactics...), ", "))

	t.title("Why")
	for _, m := range f.Matched {
		line := cmp.Or(m.Test, m.Field)
		if len(m.Values) > 0 {
			line += "  ←  " + strings.Join(m.Values, ", ")
		}
		t.line("%s", line)
	}
	if u := f.Unusual; u != nil {
		t.line("%s %s is unusual: %.1f bits of surprise, against %s", u.What, u.Value, u.Score, u.Baseline)
		if len(u.Usual) > 0 {
			t.line("usual: %s", strings.Join(u.Usual, ", "))
		}
	}
	if d.Rule != nil && d.Rule.Correlation != nil {
		t.line("%s", d.Rule.Words)
	}

	t.title("Events, %s", plural(f.Count, "request"))
	for i := range d.Events {
		ev := &d.Events[i]
		t.line("%s/%d  %s  %s", ev.Cluster, ev.Position, formatTime(ev.Time, a.zone()), ev.Sentence)
	}
	if d.More > 0 {
		t.line("and %s that are not shown", plural(d.More, "event"))
	}

	t.title("Rule")
	switch r := d.Rule; {
	case r == nil:
		t.line("%s, which there is no more", f.Rule)
	default:
		t.pair("rule", r.RuleName)
		if r.RuleName != r.ID {
			t.pair("id", r.ID)
		}
		t.pair("file", r.File)
		if d.Changed {
			t.line("it is another now than when it found this (version %s, now %s)", f.Version, r.Version)
		}
		if r.About != "" {
			t.line("%s", wrap(r.About, 98))
		}
		for _, p := range r.FalsePositives {
			t.line("it may be harmless: %s", p)
		}
	}

	if len(d.Silences)+len(d.Alerts) > 0 {
		t.title("Told")
	}
	for _, o := range d.Alerts {
		t.line("%s", strings.TrimSpace(fmt.Sprintf("%s  %s %s %s", formatTime(o.Time, a.zone()), o.Result, o.Destination, o.Reason)))
	}
	for _, s := range d.Silences {
		t.line("silenced until %s by %s: %s (%s)", formatTime(s.End, a.zone()), s.Owner, s.Reason, s.ID)
	}

	t.title("Proof")
	if !d.Proof.Signed {
		t.line("no signed checkpoint covers the finding yet: one does within a minute while a server runs")
	}
	if !f.Recorded.IsZero() {
		t.line("annals prove %d --cluster annals --out finding.json", f.Position)
	}
	if len(f.Positions) > 0 {
		t.line("annals prove %d --cluster %s --out event.json", f.Positions[len(f.Positions)-1], f.Cluster)
	}
	return t.err
}

// teller writes what is known of something as people read it.
type teller struct {
	w      io.Writer
	colour bool
	any    bool
	err    error
}

func (t *teller) print(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format, args...)
	}
}

func (t *teller) title(format string, args ...any) {
	if t.any {
		t.print("\n")
	}
	t.any = true
	s := clean(fmt.Sprintf(format, args...))
	if t.colour {
		s = "\x1b[1m" + s + "\x1b[0m"
	}
	t.print("%s\n", s)
}

// line writes lines, indented.
func (t *teller) line(format string, args ...any) {
	for _, l := range strings.Split(fmt.Sprintf(format, args...), "\n") {
		t.print("  %s\n", clean(l))
	}
}

func (t *teller) pair(name, value string) {
	if value != "" {
		t.print("  %-9s %s\n", clean(name), clean(value))
	}
}
