package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	objects "annals.dev/internal/query/object"
	"annals.dev/internal/server"
)

const blameLong = `Blame shows the newest state of an object that is known, and beside each line the version that last
set it: who, when, and which event proves it (cluster/position, for annals prove).

A line marked ? may have been changed since, or been set by another, by a request of which it was not
recorded what it did. Lines without a version are older than the first observation.`

const blameExample = `  # who set each line of a deployment
  annals blame deploy/web -n prod
  # as it was at the end of a day
  annals blame deploy/web -n prod --until 2026-11-22`

func newBlame(e *env) *cobra.Command {
	var o aboutObject
	cmd := &cobra.Command{
		Use: "blame KIND/NAME", Short: "Who last set each line of an object", Long: blameLong, Example: blameExample,
		Args: cobra.RangeArgs(1, 2),
	}
	o.flags(cmd, e)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		kind, name, err := objectName(args)
		if err != nil {
			return err
		}
		q, err := o.question(e, kind, name)
		if err != nil {
			return err
		}
		var b objects.Blamed
		return o.print(cmd.Context(), e, func(c *server.Client) (any, *server.Coverage, []string, string, error) {
			b, err = c.Blame(cmd.Context(), q)
			return b, b.Cover, b.Notes, plural(len(b.Lines), "line"), err
		}, func(w io.Writer) error { return blameTable(w, e, &b, o.zone()) })
	}
	return cmd
}

func blameTable(w io.Writer, e *env, b *objects.Blamed, zone *time.Location) error {
	p := printer{w: w, format: "table", header: []string{"#", "TIME", "USER", "EVENT", " ", "LINE"}}
	if e.colour {
		p.paint = func(column int, cell string) string {
			switch {
			case cell == p.header[column]:
				return "\x1b[1m" + cell + "\x1b[0m"
			case cell == "?" && column == 4:
				return "\x1b[33m?\x1b[0m"
			case column < 4 && cell != "":
				return "\x1b[2m" + cell + "\x1b[0m"
			}
			return cell
		}
	}
	by := map[int]*objects.Version{}
	for i := range b.Versions {
		by[b.Versions[i].Number] = &b.Versions[i]
	}
	for _, l := range b.Lines {
		cells := []string{"", "(not observed)", "", "", l.Op, l.Text}
		if v := by[l.Version]; v != nil {
			cells = []string{fmt.Sprint(v.Number), formatTime(v.Time, zone), actor(&v.Event), fmt.Sprintf("%s/%d", v.Event.Cluster, v.Event.Position), l.Op, l.Text}
		}
		if err := p.row(func() []string { return cells }, nil); err != nil {
			return err
		}
	}
	return p.end(nil)
}
