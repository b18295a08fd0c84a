package cli

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"annals.dev/audit"
	"annals.dev/internal/format"
	"annals.dev/policy"
	"annals.dev/policy/simulate"
)

const policySimulateLong = `Simulate holds a policy against events that were recorded: how many of them it would have kept, of how
many bytes, by which rule, and what would be lost. Files are what annals import takes: logs in any
dialect, compressed or not, archives, folders; - is standard input.

An event that comes twice, byte for byte, is counted once.

Before is the recording as it is; with --before, what another policy would have made of it: record all
with one policy for an hour, and compare any others over that.

A recording shows nothing of what its own policy dropped, and an event of level Metadata does not show
what its bodies would have weighed. Where that matters, it is said.`

const policySimulateExample = `  annals policy simulate builtin:starter /var/log/kubernetes/audit/
  annals policy simulate audit-policy.yaml recording.log.gz --before builtin:everything
  annals policy simulate builtin:compliance recording.log.gz -o json`

func newPolicySimulate(e *env) *cobra.Command {
	var reading policyReading
	var before, output string
	cmd := &cobra.Command{
		Use: "simulate POLICY FILE…", Short: "What a policy would have made of recorded events", Long: policySimulateLong, Example: policySimulateExample,
		Args: cobra.MinimumNArgs(2),
	}
	reading.flags(cmd)
	cmd.Flags().StringVar(&before, "before", "", "the policy to compare with, instead of the recording as it is")
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	perCall(cmd, "before", "output")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkFormat(output, []string{"table", "json"}); err != nil {
			return err
		}
		p, err := e.loadPolicy(args[0], &reading)
		if err != nil {
			return err
		}
		var old *policy.Policy
		if before != "" {
			b, err := e.loadPolicy(before, &reading)
			if err != nil {
				return err
			}
			old = b.Policy
		}
		x := simulated{policy: p, before: before}
		s := simulate.New(p.Policy, old)
		if err := e.recorded(cmd.Context(), args[1:], s, &x); err != nil {
			return err
		}
		x.Report = s.Report()
		if x.Recorded.Events == 0 {
			return fmt.Errorf("there is no audit event in %s", plural(x.files, "file"))
		}
		if output == "json" {
			return x.json(e.out)
		}
		return x.tables(e.out)
	}
	return cmd
}

// recorded counts the events of all files.
func (e *env) recorded(ctx context.Context, paths []string, s *simulate.Simulation, x *simulated) error {
	files, total, err := filesOf(paths)
	if err != nil {
		return err
	}
	bar := e.progress()
	defer bar.clear()
	var done int64
	read := func(path string) error {
		f, err := e.open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		counts, err := eachEvent(&countingReader{f, &done}, path, func(v *audit.View) error {
			s.Add(v)
			if x.seen++; x.seen%1024 > 0 {
				return nil
			}
			bar.show(done, total, plural(x.seen, "event"))
			return ctx.Err()
		})
		x.files++
		x.count(counts)
		return err
	}
	for _, path := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := read(path); err != nil {
			return err
		}
	}
	return nil
}

// filesOf gives the files that are meant, those of folders in the order of their names, and their size, 0 if one has none.
func filesOf(paths []string) (files []string, total int64, err error) {
	sized := true
	for _, path := range paths {
		fi, err := os.Stat(path)
		if path == "-" || err == nil && !fi.IsDir() && !fi.Mode().IsRegular() {
			files, sized = append(files, path), false
			continue
		}
		if err != nil {
			return nil, 0, err
		}
		if err := filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() && file != path {
				return err
			}
			fi, err := os.Stat(file)
			if err != nil || fi.IsDir() {
				return err
			}
			files, total = append(files, file), total+fi.Size()
			return nil
		}); err != nil {
			return nil, 0, err
		}
	}
	if !sized {
		total = 0
	}
	return files, total, nil
}

type countingReader struct {
	io.Reader
	n *int64
}

func (r *countingReader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	*r.n += int64(n)
	return n, err
}

type simulated struct {
	simulate.Report
	policy     *loadedPolicy
	before     string
	files      int
	seen       int64 // events, copies too
	unreadable int64
	skipped    int64 // records that are no events
}

func (x *simulated) count(c format.Counts) {
	for _, n := range c.Quarantined {
		x.unreadable += n
	}
	for _, n := range c.Skipped {
		x.skipped += n
	}
}

// days is the time that the recording spans, at least one.
func (x *simulated) days() float64 {
	return max(1, x.To.Sub(x.From).Hours()/24)
}

// mostShown rows stand in a table of changes, and days in one of days.
const mostShown = 20

func (x *simulated) tables(w io.Writer) error {
	before := "recorded"
	if x.before != "" {
		before = x.before
	}
	if _, err := fmt.Fprintf(w, "%s of %s from %s to %s, before: %s, after: %s\n\n", clean(plural(x.Recorded.Events, "event")), size(x.Recorded.Bytes),
		x.From.Format("2006-01-02 15:04"), x.To.Format("2006-01-02 15:04"), clean(before), clean(x.policy.name)); err != nil {
		return err
	}
	if err := x.ruleTable(w); err != nil {
		return err
	}
	if len(x.Days) > 1 {
		if err := x.dayTable(w); err != nil {
			return err
		}
	}
	if err := x.changeTable(w); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n"+strings.Join(x.notes(), "\n")+"\n")
	return err
}

func amounts(before, after simulate.Amount) []string {
	return []string{count(before.Events), count(after.Events), size(before.Bytes), size(after.Bytes)}
}

var amountHeader = []string{"EVENTS BEFORE", "AFTER", "BYTES BEFORE", "AFTER"}

func (x *simulated) ruleTable(w io.Writer) error {
	out := printer{w: w, format: "table", header: append(append([]string{"RULE"}, amountHeader...), "WHAT IT SAYS")}
	row := func(name, summary string, before, after simulate.Amount) error {
		return out.row(func() []string { return append(append([]string{name}, amounts(before, after)...), summary) }, nil)
	}
	for _, u := range x.Totals() {
		if err := row(ruleName(u.Rule), x.policy.summary(u.Rule), u.Before, u.After); err != nil {
			return err
		}
	}
	if err := row("all", "", x.Before, x.After); err != nil {
		return err
	}
	if d := x.days(); d > 1 {
		perDay := func(a simulate.Amount) simulate.Amount {
			return simulate.Amount{Events: int64(float64(a.Events) / d), Bytes: int64(float64(a.Bytes) / d)}
		}
		if err := row("a day", "", perDay(x.Before), perDay(x.After)); err != nil {
			return err
		}
	}
	return out.end(nil)
}

func (x *simulated) dayTable(w io.Writer) error {
	fmt.Fprintln(w)
	out := printer{w: w, format: "table", header: append([]string{"DAY"}, amountHeader...)}
	days := x.Days[max(0, len(x.Days)-mostShown):]
	for _, d := range days {
		var before, after simulate.Amount
		for _, u := range d.Rules {
			before.Events, before.Bytes = before.Events+u.Before.Events, before.Bytes+u.Before.Bytes
			after.Events, after.Bytes = after.Events+u.After.Events, after.Bytes+u.After.Bytes
		}
		name := d.Day
		if name == "" {
			name = "other"
		}
		if err := out.row(func() []string { return append([]string{name}, amounts(before, after)...) }, nil); err != nil {
			return err
		}
	}
	if err := out.end(nil); err != nil || len(days) == len(x.Days) {
		return err
	}
	_, err := fmt.Fprintf(w, "and %d days before; -o json has them all, by rule\n", len(x.Days)-len(days))
	return err
}

func (x *simulated) changeTable(w io.Writer) error {
	if len(x.Changes) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	out := printer{w: w, format: "table", header: []string{"LOST EVENTS", "OMITTED STAGES", "REQUEST BODIES", "RESPONSE BODIES", "GAINED", "OF", "RULE"}}
	for _, c := range x.Changes[:min(mostShown, len(x.Changes))] {
		if err := out.row(func() []string {
			return []string{dash(c.LostEvents), dash(c.OmittedStages), dash(c.LostRequestBodies), dash(c.LostResponseBodies), dash(c.GainedEvents), kindText(&c.Kind), ruleName(c.Rule)}
		}, nil); err != nil {
			return err
		}
	}
	if err := out.end(nil); err != nil || len(x.Changes) <= mostShown {
		return err
	}
	_, err := fmt.Fprintf(w, "and %d more kinds of requests; -o json has them all\n", len(x.Changes)-mostShown)
	return err
}

func dash(n int64) string {
	if n == 0 {
		return "-"
	}
	return count(n)
}

func kindText(k *simulate.Kind) string {
	switch {
	case k.Rest:
		return "all other kinds"
	case k.Path != "":
		return k.Verb + " " + k.Path
	case k.Group != "":
		resource, sub, ok := strings.Cut(k.Resource, "/")
		if ok {
			sub = "/" + sub
		}
		return k.Verb + " " + resource + "." + k.Group + sub
	}
	return k.Verb + " " + k.Resource
}

// notes say what the figures do not hold.
func (x *simulated) notes() (notes []string) {
	note := func(n int64, format string, args ...any) {
		if n > 0 {
			notes = append(notes, fmt.Sprintf(format, args...))
		}
	}
	u := &x.Unknown
	notes = append(notes, "What cannot be known: requests that the recording's own policy dropped are not in it, and not in these figures.")
	note(u.RequestBodies, "%s would get a request body that was not recorded: its bytes are missing under AFTER.", plural(u.RequestBodies, "event"))
	note(u.ResponseBodies, "%s would get a response body that was not recorded: its bytes are missing under AFTER.", plural(u.ResponseBodies, "event"))
	note(u.Arrivals, "%s would give an event at RequestReceived too, and the recording has none of them: AFTER lacks as many events.", plural(u.Arrivals, "request"))
	note(u.Foreign, "%s were recorded that the policy before drops: the recording is not of that policy, which is fine if it holds more than both.", plural(u.Foreign, "event"))
	note(x.Copies, "%s had been there before, byte for byte, and are in no figure.", plural(x.Copies, "event"))
	note(u.Copies, "%s are too many to remember for knowing their copies: if there are any, they are counted again.", plural(u.Copies, "event"))
	note(x.unreadable, "%s could not be read, and are in no figure.", plural(x.unreadable, "piece"))
	note(x.skipped, "%s are no audit events, and are in no figure.", plural(x.skipped, "record"))
	return notes
}

func (x *simulated) json(w io.Writer) error {
	type rule struct {
		Rule    int    `json:"rule"`
		Summary string `json:"summary"`
	}
	rules := []rule{}
	for i := range x.policy.Rules {
		rules = append(rules, rule{i, x.policy.summary(i)})
	}
	return writeJSON(w, struct {
		Policy     string `json:"policy"`
		Rules      []rule `json:"rules"`
		Compared   string `json:"comparedWith"` // a policy, or empty: the recording
		Files      int    `json:"files"`
		Unreadable int64  `json:"unreadable"`
		Skipped    int64  `json:"skipped"`
		simulate.Report
	}{x.policy.name, rules, x.before, x.files, x.unreadable, x.skipped, x.Report})
}
