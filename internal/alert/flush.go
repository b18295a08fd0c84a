package alert

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"annals.dev/internal/detect"
)

const maxMessageBytes = 256 << 10

// next is when the next group is due; zero if none waits.
func (s *state) next() (at time.Time) {
	for _, g := range s.Groups {
		if due := g.due(); len(g.Waiting) > 0 && (at.IsZero() || due.Before(at)) {
			at = due
		}
	}
	return at
}

// flush makes messages of the groups whose time has come. A silence or a worse finding that came while they waited holds them
// back, too.
func (d *decision) flush() *change {
	all := d.s.much()
	keys := slices.SortedFunc(maps.Keys(d.s.Groups), func(a, b string) int {
		return cmp.Or(d.s.Groups[a].Since.Compare(d.s.Groups[b].Since), cmp.Compare(d.s.Groups[a].first(), d.s.Groups[b].first()), cmp.Compare(a, b))
	})
	excess := len(keys) - maxGroups
	for _, key := range keys {
		g := d.s.Groups[key]
		switch {
		case len(g.Waiting) > 0 && (all || !g.due().After(d.now)):
			d.tell(key, g)
		case len(g.Waiting) == 0 && (excess > 0 || g.Throttled == 0 && !g.Last.Add(time.Duration(g.Interval)).After(d.now)):
			d.c.Close = append(d.c.Close, key)
			excess--
		}
	}
	return d.done()
}

// tell makes messages of what waits in a group.
func (d *decision) tell(key string, g *group) {
	dest := d.a.dest(g.Dest)
	var left []waiting
	for _, w := range g.Waiting {
		silence := d.a.silences.holds(w.Finding, d.now)
		m, muted := d.muted(w.Finding, g.Dest, d.now)
		if silence == nil && !muted {
			left = append(left, w)
			continue
		}
		d.c.Leave = append(d.c.Leave, leave{key, w.Finding.ID})
		d.unmark(w.Finding.ID)
		if silence != nil {
			d.outcome(w.Finding, &target{dest: dest}, Silenced, silence.ID, silence.why())
		} else {
			d.outcome(w.Finding, &target{dest: dest}, Inhibited, m.Finding, m.why())
		}
	}
	throttled := g.Throttled
	for len(left) > 0 {
		made := &delivery{Made: d.now, Labels: g.Labels, First: left[0].Position, Throttled: throttled}
		ids := []string{g.Dest, key}
		for len(left) > 0 && len(made.Findings) < maxMessage && (made.Bytes < maxMessageBytes || len(made.Findings) == 0) {
			w := left[0]
			left = left[1:]
			made.Findings = append(made.Findings, w.Finding)
			made.Last = w.Position
			made.Bytes += sizeOf(w.Finding)
			ids = append(ids, w.Finding.ID)
		}
		made.Key = keyOf(ids...)
		d.c.Send = append(d.c.Send, send{Group: key, Dest: g.Dest, Findings: len(made.Findings), At: d.now, Delivery: made})
		throttled = 0
	}
	if g.Interval == 0 && g.Wait == 0 { // it will not come again
		d.c.Close = append(d.c.Close, key)
	}
}

// ended notes that a message was delivered, or given up.
func (d *decision) ended(dest *destination, m *delivery, r Result, attempts int, reason string) *change {
	o := Outcome{Key: m.Key, Time: d.now, Result: r, Reason: clean(reason, maxText), Destination: dest.Name, Kind: dest.Kind, Severity: detect.Informational,
		Group: m.Labels, Attempts: attempts}
	for _, f := range m.Findings {
		o.add(f)
	}
	if m.Digest != nil {
		o.Findings, o.Count = m.Digest.IDs, m.Digest.Count
		for s := range m.Digest.Severities {
			if rank(s) > rank(o.Severity) {
				o.Severity = s
			}
		}
	}
	if r == Failed {
		d.unmark(o.Findings...)
	}
	d.c.Done = append(d.c.Done, done{dest.Name, m.Key})
	d.c.Outcomes = append(d.c.Outcomes, o)
	return &d.c
}
