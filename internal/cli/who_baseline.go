package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"annals.dev/internal/detect/baseline"
	"annals.dev/internal/server"
)

// baseline prints what is usual for a user, against which findings say what is unusual.
func (e *env) baseline(ctx context.Context, client *server.Client, user string, a *asking) error {
	if err := e.catchUp(ctx, client); err != nil {
		return err
	}
	all, end, err := client.Baselines(ctx, server.BaselineQuestion{User: user, Clusters: a.clusters})
	if err != nil {
		return err
	}
	err = e.paged(func(w io.Writer) error {
		if a.output == "json" || a.output == "yaml" {
			return printObject(w, a.output, all)
		}
		p := &profilePrinter{w: w, zone: time.UTC, wide: a.output == "wide"}
		for i := range all {
			p.usual(&all[i])
		}
		return p.err
	})
	if err == nil && end.Why != "" {
		e.say("%s", end.Why)
	}
	return err
}

func (p *profilePrinter) usual(of *baseline.Profile) {
	p.line("%s in cluster %s", of.Actor, of.Cluster)
	p.line("  active on %s of the last 64, from %s to %s; its peers are %d %s", plural(of.Active, "day"), of.From.Format(time.DateOnly), of.Until.Format(time.DateOnly), of.Peers, of.Kind)
	if of.Active < of.Needs {
		p.line("  nothing is called unusual before it was active on %d days, but the number of changes it makes", of.Needs)
	}
	for _, h := range of.Habits {
		if len(h.Values) == 0 {
			continue
		}
		p.line("")
		p.line("%s", strings.ToUpper(h.Feature)+"S")
		for i, v := range h.Values {
			if hidden := len(h.Values) + h.More - i; i == few && !p.wide && hidden > 1 {
				p.line("            %d more: -o wide shows them", hidden)
				break
			}
			p.line("  %8s  %s  (%s)", plural(v.Days, "day"), v.Value, plural(v.Peers, "peer"))
		}
	}
	p.line("")
	p.line("HOURS (UTC)")
	for hour, days := range of.Hours {
		if days > 0 {
			p.line("  %8s  %s", plural(days, "day"), fmt.Sprintf("%02d:00", hour))
		}
	}
	p.line("")
	p.line("MOST CHANGES IN AN HOUR")
	peaks := of.Peaks
	if hidden := len(peaks) - few; hidden > 1 && !p.wide {
		p.line("            %d earlier days: -o wide shows them", hidden)
		peaks = peaks[hidden:]
	}
	for _, d := range peaks {
		p.line("  %8d  %s", d.Changes, d.Day.Format(time.DateOnly))
	}
	p.line("")
}
