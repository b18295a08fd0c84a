package cli

import (
	"fmt"
	"time"

	"annals.dev/internal/server"
)

// watching looks at how rules and alerts fare.
func (d *doctor) watching(w server.WatchStatus, local bool) {
	switch {
	case w.Trouble != "":
		d.bad("fail", "rules", "correct it: what was read before is used until then", "%s", w.Trouble)
	case w.Errors > 0:
		d.bad("warn", "rules", "annals rules list tells what is wrong with them", "%s on; %d cannot be used", plural(w.Rules, "rule"), w.Errors)
	default:
		d.ok("rules", "%s on", plural(w.Rules, "rule"))
	}
	if !local {
		d.lag(w)
	}
	if w.NoAlerts != "" {
		d.bad("fail", "alerts", "the server's log tells more", "nobody is told of anything: %s", w.NoAlerts)
	}
	for _, a := range w.Destinations {
		name := "alerts to " + a.Name
		if a.Error == "" {
			d.ok(name, "%s since the start, %d wait", plural(a.Delivered, "message"), a.Messages)
			continue
		}
		d.bad("fail", name, fmt.Sprintf("annals alerts test %s tries it", a.Name), "nothing since %s: %s; %s wait", formatTime(a.Since, time.UTC), a.Error, plural(a.Findings, "finding"))
	}
}

// lateBy is how far behind rules may be before that is told.
const lateBy = 2 * time.Minute

func (d *doctor) lag(w server.WatchStatus) {
	if w.Failed != "" {
		d.bad("fail", "watching", "the server's log tells more", "%s", w.Failed)
		return
	}
	for _, c := range w.Clusters {
		if lag := time.Duration(c.Lag * float64(time.Second)); lag > lateBy {
			d.bad("warn", "watching", "the processor may be too slow for what comes", "rules are %s behind in cluster %s: %s", lag.Round(time.Second), c.Cluster, plural(c.Behind, "event"))
			return
		}
	}
	d.ok("watching", "rules have looked at all events")
}
