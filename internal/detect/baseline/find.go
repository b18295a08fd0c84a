package baseline

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"annals.dev/internal/detect"
)

// version changes when the same days give other findings.
const version = "000000000001"

// Tick tells what was noted since the last one, as far as it is unusual.
func (b *Baseline) Tick(_ time.Time, out detect.Output) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(b.clusters)) {
		b.clusters[name].tell(out)
	}
}

// forget drops what lies so far back that nothing is held against it any more.
func (c *cluster) forget() {
	if c.settled == c.last {
		return
	}
	c.settled = c.last
	for name, a := range c.actors {
		if a.forget(c.last); a.Active.Last < c.last-gone { // makes room for others
			delete(c.actors, name)
			c.kinds[a.Kind] = slices.DeleteFunc(c.kinds[a.Kind], func(p *actor) bool { return p == a })
		}
	}
	for m := range c.shown {
		if m.day < c.last-keepCounts {
			delete(c.shown, m)
		}
	}
}

// unusual is a finding and the day that it is about.
type unusual struct {
	finding *detect.Finding
	day     int32
}

// actorDay is what several things may have happened on together.
type actorDay struct {
	actor *actor
	day   int32
}

func (c *cluster) tell(out detect.Output) {
	begun, again := time.Now(), c.stale != 0
	if again && begun.Before(c.rest) {
		again = false // what is new is told all the same
	}
	marks := c.pending
	if again {
		marks = c.marksSince(c.stale)
	}
	found := map[string]*unusual{}
	together := map[actorDay]bool{}
	done := map[mark]bool{}
	for _, m := range marks {
		if done[m] {
			continue
		}
		done[m] = true
		bits, against := c.bits(m)
		if bits >= m.least() {
			f := c.finding(m, bits, against)
			found[f.finding.ID] = f
		}
		if bits >= eachBits {
			together[actorDay{m.actor, m.day}] = true
		}
	}
	for at := range together {
		if f := c.together(at); f != nil {
			found[f.finding.ID] = f
		}
	}
	if again {
		for id, day := range c.told {
			if day >= c.stale && found[id] == nil {
				out.Withdraw(&detect.Withdrawal{ID: id, Reason: "events that came late show that it was not unusual"})
				delete(c.told, id)
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(found)) {
		if _, ok := c.told[id]; !ok {
			c.told[id] = found[id].day
			out.Find(found[id].finding)
		}
	}
	for id, day := range c.told {
		if day < c.last-64 {
			delete(c.told, id)
		}
	}
	c.pending = c.pending[:0]
	if again {
		c.stale = 0
		if took := time.Since(begun); took > restAfter {
			c.rest = begun.Add(restFor * took)
		}
	}
	c.forget()
}

// Where it takes long to look at the days again after an event that came late, it is not done again before many times as long:
// whoever sends one such event after the other holds up nobody else.
const (
	restAfter = 200 * time.Millisecond
	restFor   = 20
)

// marksSince are all marks of a day and those after it.
func (c *cluster) marksSince(day int32) (marks []mark) {
	for _, a := range c.actors {
		for d := max(day, a.Active.Last-63); d <= a.Active.Last; d++ {
			if a.Active.has(d) {
				marks = append(marks, a.marks(d)...)
			}
		}
	}
	return marks
}

// marks are what is noted of an actor on a day.
func (a *actor) marks(day int32) (marks []mark) {
	for f := range a.Values {
		for value, d := range a.Values[f] {
			if d.has(day) {
				marks = append(marks, mark{actor: a, feature: feature(f), value: value, day: day})
			}
		}
	}
	for hour := range 24 {
		if a.Hours[day]&(1<<hour) != 0 {
			marks = append(marks, mark{actor: a, feature: hourly, hour: hour, day: day})
		}
		if n := a.Counts[day]; n != nil && n[hour] >= minChanges {
			marks = append(marks, mark{actor: a, feature: changes, hour: hour, day: day})
		}
	}
	return marks
}

// least is from how many bits on a mark is told. How many they are of what was first seen on a day follows from the days before,
// but the changes in an hour become more: so there is one threshold for them, and a finding once they are above it.
func (m mark) least() float64 {
	if m.feature == changes {
		return mediumBits
	}
	return tellBits
}

// bits is how unusual a mark is, and against how many peers if not against the actor's own past.
func (c *cluster) bits(m mark) (bits float64, against int) {
	switch peers := c.kinds[m.actor.Kind]; m.feature {
	case hourly:
		return m.actor.hour(m.hour, m.day), 0
	case changes:
		if n := m.actor.Counts[m.day]; n != nil {
			return m.actor.rate(n[m.hour], m.day, peers)
		}
		return 0, 0
	default:
		return m.actor.surprise(m.feature, m.value, m.day, peers), 0
	}
}

// together is a finding if several things of a day are unusual that would not be told, or not as bad, one by one.
func (c *cluster) together(at actorDay) *unusual {
	best := map[feature]mark{}
	score := map[feature]float64{}
	for _, m := range at.actor.marks(at.day) {
		if b, _ := c.bits(m); b >= eachBits && (b > score[m.feature] || b == score[m.feature] && before(m, best[m.feature])) {
			best[m.feature], score[m.feature] = m, b
		}
	}
	if len(best) < 2 {
		return nil
	}
	sum := 0.0
	var values []string
	var shown event
	for _, f := range slices.Sorted(maps.Keys(best)) {
		sum += score[f]
		values = append(values, best[f].words())
		if e := c.shown[best[f]]; e.Time > shown.Time {
			shown = e
		}
	}
	if sum < togetherBits {
		return nil
	}
	f := c.about(at.actor, at.day, ruleTogether, "several things", strings.Join(values, ", "), sum, 0)
	f.Severity = detect.High
	f.Summary = fmt.Sprintf("%s: %d things are unusual on one day: %s", at.actor.Name, len(best), f.Unusual.Value)
	c.fill(f, shown, at.day)
	return &unusual{f, at.day}
}

func before(a, b mark) bool {
	if a.value != b.value {
		return a.value < b.value
	}
	return a.hour < b.hour
}

func (m mark) what() string {
	switch m.feature {
	case hourly:
		return "hour"
	case changes:
		return "number of changes"
	}
	return featureNames[m.feature]
}

// words are the mark as people read it.
func (m mark) words() string {
	switch m.feature {
	case hourly:
		return fmt.Sprintf("at %02d:00 UTC on a %s", m.hour, weekday(m.day))
	case changes:
		return fmt.Sprintf("%d changes in an hour", m.actor.Counts[m.day][m.hour])
	case network:
		return "from " + m.value
	case client:
		return "with " + m.value
	case namespace:
		return "in " + m.value
	}
	return m.value
}

func (c *cluster) finding(m mark, bits float64, against int) *unusual {
	f := c.about(m.actor, m.day, ruleOf[m.feature], m.what(), m.words(), bits, against)
	switch {
	case m.feature == changes:
		f.Severity = detect.Medium
	case bits >= highBits:
		f.Severity = detect.High
	case bits >= mediumBits:
		f.Severity = detect.Medium
	default:
		f.Severity = detect.Low
	}
	key := m.value
	if m.feature >= features {
		key = strconv.Itoa(m.hour)
	}
	f.ID = idOf(f.Rule, c.name, m.actor.Name, m.day, key)
	f.Unusual.Usual = m.actor.usual(m.feature, m.day)
	f.Summary = fmt.Sprintf("%s: unusual %s: %s", m.actor.Name, f.Unusual.What, f.Unusual.Value)
	c.fill(f, c.shown[m], m.day)
	return &unusual{f, m.day}
}

// idOf identifies a finding by what was unusual, for whom, on which day.
func idOf(rule, cluster, actor string, day int32, key string) string {
	h := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %d %q", rule, version, cluster, actor, day, key))
	return hex.EncodeToString(h[:16])
}

func (c *cluster) about(a *actor, day int32, rule *detect.Rule, what, value string, bits float64, against int) *detect.Finding {
	from, n := a.since(day)
	f := &detect.Finding{
		ID: idOf(rule.ID, c.name, a.Name, day, ""), Rule: rule.ID, Version: version, Title: rule.Title,
		Techniques: rule.Techniques, Tactics: rule.Tactics, Tags: rule.Tags, Author: rule.Author, Cluster: c.name, User: a.Name, Count: 1,
		Positions: []uint64{},
		Unusual:   &detect.Unusual{What: what, Value: value, Score: float64(int(bits*10+0.5)) / 10, From: dayTime(from), Until: dayTime(day)},
	}
	f.Unusual.Baseline = fmt.Sprintf("%d active days from %s to %s, and %s that are its peers", n, dayTime(from).Format(time.DateOnly), dayTime(day-1).Format(time.DateOnly), kindNames[a.Kind])
	if against > 0 {
		f.Unusual.Baseline = fmt.Sprintf("the busiest hours of %d %s on the 64 days before, since it has only %d active days of its own", against, kindNames[a.Kind], n)
		f.Unusual.From = dayTime(day - 64)
	}
	return f
}

// fill tells of the event that showed it first.
func (c *cluster) fill(f *detect.Finding, e event, day int32) {
	f.Time = dayTime(day)
	if e.Time == 0 {
		return
	}
	f.Time = time.UnixMicro(e.Time).UTC()
	f.Positions = []uint64{e.Position}
	f.Peer, f.Verb, f.Resource, f.Namespace, f.Name, f.Code = e.Peer, e.Verb, e.Resource, e.Namespace, e.Name, e.Code
}

func dayTime(day int32) time.Time { return time.Unix(int64(day)*86400, 0).UTC() }
func weekday(day int32) string    { return dayTime(day).Weekday().String() }
