package cli

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	objects "annals.dev/internal/query/object"
	"annals.dev/internal/server"
)

const diffLong = `Diff shows what differs between two versions of an object, by the numbers that annals history gives
them: @3..5 is what changed from version 3 to version 5, @3 what version 3 changed, and without a
number it is what the newest version changed.

Lines begin with + or -; with ? where it was not observed whether they are so.

The exit code is 0 if both are the same, 1 if they differ, 2 for wrong use, 3 if it is not known.`

const diffExample = `  # what the newest version changed
  annals diff deploy/web -n prod
  # what version 94 changed
  annals diff deploy/web@94 -n prod
  # from version 92 to version 94, with all lines
  annals diff deploy/web@92..94 -n prod -U -1`

func newDiff(e *env) *cobra.Command {
	var o aboutObject
	var context int
	cmd := &cobra.Command{
		Use: "diff KIND/NAME[@N[..M]]", Short: "What differs between two versions of an object", Long: diffLong, Example: diffExample,
		Args: cobra.RangeArgs(1, 2),
	}
	o.flags(cmd, e)
	cmd.Flags().IntVarP(&context, "context", "U", 3, "lines around each difference; -1 for all")
	perCall(cmd, "context")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		args, from, to, err := versions(args)
		if err != nil {
			return err
		}
		kind, name, err := objectName(args)
		if err != nil {
			return err
		}
		q, err := o.question(e, kind, name)
		if err != nil {
			return err
		}
		var d objects.Difference
		err = o.print(cmd.Context(), e, func(c *server.Client) (any, *server.Coverage, []string, string, error) {
			d, err = c.Diff(cmd.Context(), objects.DiffQuestion{Question: q, From: from, To: to})
			return d, d.Cover, d.Notes, plural(len(d.Changes), "field") + " changed", err
		}, func(w io.Writer) error { return diffTable(w, e, &d, context, o.zone()) })
		if err != nil {
			return notOne(err)
		}
		return diffCode(&d)
	}
	return cmd
}

// notOne keeps exit code 1 for versions that differ: a question that failed is another matter.
func notOne(err error) error {
	if exitCode(err) == exitFailed {
		return &exitError{code: exitUsage, err: err}
	}
	return err
}

// diffCode is what the exit code says of two versions.
func diffCode(d *objects.Difference) error {
	unsure := false
	for _, l := range d.Lines {
		switch l.Op {
		case "+", "-":
			return &exitError{code: exitFailed}
		case "?":
			unsure = true
		}
	}
	if unsure || d.From.Known == objects.Unknown || d.To.Known == objects.Unknown {
		return &exitError{code: exitIncomplete}
	}
	return nil
}

var versionsOf = regexp.MustCompile(`^(.+)@([0-9]+)(?:\.\.([0-9]+))?$`)

// versions takes the numbers of versions off an object's name.
func versions(args []string) (_ []string, from, to int, err error) {
	last := len(args) - 1
	m := versionsOf.FindStringSubmatch(args[last])
	if m == nil {
		return args, 0, 0, nil
	}
	args = append(args[:last:last], m[1])
	first, err := strconv.Atoi(m[2])
	if err != nil || first == 0 {
		return nil, 0, 0, usagef("@%s: versions are numbered from 1 on", m[2])
	}
	if m[3] == "" {
		return args, 0, first, nil
	}
	second, err := strconv.Atoi(m[3])
	if err != nil || second == 0 {
		return nil, 0, 0, usagef("..%s: versions are numbered from 1 on", m[3])
	}
	return args, first, second, nil
}

func diffTable(w io.Writer, e *env, d *objects.Difference, around int, zone *time.Location) error {
	paint := func(colour, s string) string {
		if !e.colour || s == "" {
			return s
		}
		return colour + s + "\x1b[0m"
	}
	var b strings.Builder
	for _, x := range []struct {
		mark string
		v    *objects.Version
	}{{"---", &d.From}, {"+++", &d.To}} {
		s := "nothing"
		if x.v.Number > 0 {
			s = fmt.Sprintf("version %d, %s, by %s (%s)", x.v.Number, formatTime(x.v.Time, zone), actor(&x.v.Event), x.v.Known)
		} else if x.v.Why != "" {
			s += ": " + x.v.Why
		}
		fmt.Fprintln(&b, paint("\x1b[1m", clean(x.mark+" "+s)))
	}
	near := nearChanges(d.Lines, around)
	skipped := false
	for i, l := range d.Lines {
		if !near[i] {
			skipped = true
			continue
		}
		if skipped {
			fmt.Fprintln(&b, paint("\x1b[36m", fmt.Sprintf("@@ line %d @@", max(l.Before, l.After))))
			skipped = false
		}
		colour := map[string]string{"+": "\x1b[32m", "-": "\x1b[31m", "?": "\x1b[33m"}[l.Op]
		line := clean(l.Op + l.Text)
		if colour != "" {
			line = paint(colour, line)
		}
		fmt.Fprintln(&b, line)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// nearChanges says which lines stand close enough to a difference to be shown.
func nearChanges(lines []objects.Line, around int) []bool {
	near := make([]bool, len(lines))
	for i, l := range lines {
		if around < 0 {
			near[i] = true
			continue
		}
		if l.Op != "+" && l.Op != "-" {
			continue
		}
		for k := max(0, i-around); k <= min(len(lines)-1, i+around); k++ {
			near[k] = true
		}
	}
	return near
}
