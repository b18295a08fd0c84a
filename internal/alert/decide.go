package alert

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"annals.dev/internal/detect"
)

// decision is a change that is being made up: what it will mark counts already.
type decision struct {
	a   *Alerter
	s   *state
	now time.Time
	c   change

	outcomes map[string]*Outcome // by what they have in common
	order    []string
}

func (a *Alerter) decide(s *state, now time.Time) *decision {
	return &decision{a: a, s: s, now: now, c: change{Mark: map[string]mark{}, Throttle: map[string]int{}}, outcomes: map[string]*Outcome{}}
}

// read takes what came in cluster annals up to next.
func (d *decision) read(entries []Entry, next uint64) *change {
	for i := range entries {
		e := &entries[i]
		switch {
		case e.Withdrawal != nil:
			d.withdraw(e.Withdrawal)
		case e.Finding != nil:
			d.find(e)
		}
	}
	d.c.Cursor = next
	return d.done()
}

func (d *decision) find(e *Entry) {
	f := clip(e.Finding)
	came := e.Received
	if came.IsZero() {
		came = d.now
	}
	targets := d.a.targets(f)
	silence := d.a.silences.holds(f, came)
	for i := range targets {
		t := &targets[i]
		dest := t.dest.Name
		if silence != nil {
			d.outcome(f, t, Silenced, silence.ID, silence.why())
			continue
		}
		if m, ok := d.muted(f, dest, came); ok {
			d.outcome(f, t, Inhibited, m.Finding, m.why())
			continue
		}
		d.mutes(f, dest, came)
		key, labels := t.group(f)
		if after := time.Duration(t.repeat.After); after > 0 {
			told := "told:" + keyOf(dest, shared(f, t.repeat.By))
			if m, ok := d.mark(told); ok && came.Before(m.Until) {
				d.c.Throttle[key]++
				d.outcome(f, t, Throttled, m.Finding, fmt.Sprintf("what finding %s has told is not told again before %s", m.Finding, m.Until.Format(time.RFC3339)))
				continue
			}
			d.set(told, mark{Finding: f.ID, Severity: f.Severity, Until: came.Add(after)})
		}
		d.c.Join = append(d.c.Join, join{Group: key, Dest: dest, Labels: labels, Wait: t.wait, Interval: t.interval, At: d.now,
			waiting: waiting{Position: e.Position, Finding: f}})
	}
}

func (d *decision) mark(key string) (mark, bool) {
	if m, ok := d.c.Mark[key]; ok {
		return m, true
	}
	m, ok := d.s.Marks[key]
	return m, ok && !slices.Contains(d.c.Forget, key)
}

func (d *decision) set(key string, m mark) {
	d.c.Mark[key] = m
	d.c.Forget = slices.DeleteFunc(d.c.Forget, func(k string) bool { return k == key })
}

// unmark forgets that findings were told, and what they mute: nobody was told of them.
func (d *decision) unmark(ids ...string) {
	maps.DeleteFunc(d.c.Mark, func(_ string, m mark) bool { return slices.Contains(ids, m.Finding) })
	for key, m := range d.s.Marks {
		if _, again := d.c.Mark[key]; !again && slices.Contains(ids, m.Finding) {
			d.c.Forget = append(d.c.Forget, key)
		}
	}
}

// muted says whether a worse finding mutes this one.
func (d *decision) muted(f *detect.Finding, dest string, at time.Time) (mark, bool) {
	for i := range d.a.cfg.Inhibit {
		m, ok := d.mark(d.a.cfg.Inhibit[i].key(i, dest, f))
		if ok && m.Finding != f.ID && at.Before(m.Until) && rank(m.Severity) > rank(f.Severity) {
			return m, true
		}
	}
	return mark{}, false
}

// mutes notes what a finding that will be told mutes from now on.
func (d *decision) mutes(f *detect.Finding, dest string, at time.Time) {
	for i := range d.a.cfg.Inhibit {
		h := &d.a.cfg.Inhibit[i]
		if rank(f.Severity) < rank(h.Severity) {
			continue
		}
		key := h.key(i, dest, f)
		if m, ok := d.mark(key); ok && at.Before(m.Until) && rank(m.Severity) > rank(f.Severity) {
			continue
		}
		d.set(key, mark{Finding: f.ID, Severity: f.Severity, Until: at.Add(cmp.Or(time.Duration(h.For), defaultMuted))})
	}
}

func (h *Inhibition) key(i int, dest string, f *detect.Finding) string {
	return fmt.Sprintf("mute:%d:%s", i, keyOf(dest, shared(f, h.By)))
}

func (m *mark) why() string {
	return fmt.Sprintf("inhibited by finding %s, which is %s, until %s", m.Finding, m.Severity, m.Until.Format(time.RFC3339))
}

func (s *Silence) why() string {
	return fmt.Sprintf("silenced by %s (%s, until %s): %s", s.ID, s.Owner, s.End.Format(time.RFC3339), s.Reason)
}

// withdraw takes back what nobody was told yet.
func (d *decision) withdraw(w *detect.Withdrawal) {
	reason := clean("withdrawn before it was told: "+w.Reason, maxText)
	found := false
	gone := func(f *detect.Finding, dest string) bool {
		if f.ID != w.ID {
			return false
		}
		found = true
		d.outcome(f, &target{dest: d.a.dest(dest)}, Withdrawn, w.ID, reason)
		return true
	}
	d.c.Join = slices.DeleteFunc(d.c.Join, func(j join) bool { return gone(j.Finding, j.Dest) })
	for key, g := range d.s.Groups {
		if slices.ContainsFunc(g.Waiting, func(w waiting) bool { return gone(w.Finding, g.Dest) }) {
			d.c.Leave = append(d.c.Leave, leave{key, w.ID})
		}
	}
	if found {
		d.unmark(w.ID)
	}
}

// outcome notes how it ended with a finding. Those that ended alike are one outcome.
func (d *decision) outcome(f *detect.Finding, t *target, r Result, by, reason string) {
	key := keyOf(t.dest.Name, string(r), by, reason)
	o := d.outcomes[key]
	if o == nil {
		o = &Outcome{Time: d.now, Result: r, Reason: reason, Destination: t.dest.Name, Kind: t.dest.Kind, Severity: f.Severity, By: by}
		d.outcomes[key] = o
		d.order = append(d.order, key)
	}
	o.add(f)
}

func (o *Outcome) add(f *detect.Finding) {
	o.Count++
	if len(o.Findings) < maxDigest {
		o.Findings = append(o.Findings, f.ID)
	}
	if rank(f.Severity) > rank(o.Severity) {
		o.Severity = f.Severity
	}
}

// done is the change that was made up.
func (d *decision) done() *change {
	for _, key := range d.order {
		o := d.outcomes[key]
		o.Key = keyOf(append([]string{o.Destination, string(o.Result), o.By, o.Time.Format(time.RFC3339Nano)}, o.Findings...)...)
		d.c.Outcomes = append(d.c.Outcomes, *o)
	}
	d.prune()
	return &d.c
}

// prune forgets marks that mean nothing any more, and beyond the bound those that would end first: then more is told, not less.
func (d *decision) prune() {
	n := len(d.s.Marks) + len(d.c.Mark) - len(d.c.Forget)
	if n < fewMarks {
		return
	}
	forget := func(key string) {
		if _, again := d.c.Mark[key]; !again {
			d.c.Forget = append(d.c.Forget, key)
			n--
		}
	}
	var old []string
	for key, m := range d.s.Marks {
		if m.Until.Before(d.now) {
			forget(key)
		} else {
			old = append(old, key)
		}
	}
	if n <= maxMarks {
		return
	}
	slices.SortFunc(old, func(a, b string) int {
		return cmp.Or(d.s.Marks[a].Until.Compare(d.s.Marks[b].Until), cmp.Compare(a, b))
	})
	for _, key := range old[:min(len(old), n-maxMarks+fewMarks)] {
		forget(key)
	}
}
