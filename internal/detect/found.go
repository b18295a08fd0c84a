package detect

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"annals.dev/audit"
	"annals.dev/internal/match"
)

// newFinding fills in what follows from the rule and the event.
func newFinding(rule *Rule, id ID, cluster string, at int64, a *about) *Finding {
	return &Finding{
		ID: id.String(), Rule: rule.ID, Version: rule.Version, Title: rule.Title, Severity: rule.Severity, Techniques: rule.Techniques,
		Tactics: rule.Tactics, Tags: rule.Tags, Author: rule.Author, Cluster: cluster, Time: time.UnixMicro(at).UTC(), Count: 1,
		User: a.User, As: a.As, Peer: a.Peer, Verb: a.Verb, Resource: a.Resource, Namespace: a.Namespace, Name: a.Name, Code: a.Code,
	}
}

// findSingle is what a rule over one event finds.
func findSingle(rule *Rule, r *match.Row, q Request) *Finding {
	a := aboutOf(r)
	f := newFinding(rule, FindingID(rule.ID, rule.Version, nil, q.ID), r.Cluster, q.Time, &a)
	f.Positions = []uint64{r.Position}
	f.Matched = matchedBy(rule, r)
	if rule.Output != nil {
		f.Summary = cut(rule.Output(r), maxSummary)
	} else {
		f.Summary = f.sentence()
	}
	if changesNothing(r.View) {
		f.Summary += " (a dry run: nothing was changed)"
		f.Severity = Severities[min(slices.Index(Severities, Low), max(0, slices.Index(Severities, f.Severity)))]
	}
	return f
}

// changesNothing says whether an event is of a dry run, such as kubectl diff makes: what it would have done is worth knowing, but
// nobody need get up for it. Subresources and other verbs may take no notice of the parameter, and the answer about a secret
// gives the secret away.
func changesNothing(v *audit.View) bool {
	switch string(v.Verb) {
	case "create", "update", "patch":
		return len(v.ObjectRef.Subresource) == 0 && !v.ObjectRef.Resource.Is("secrets") && IsDryRun(v.RequestURI.String())
	}
	return false
}

// IsDryRun says whether a request's URI says that nothing is to be changed, as the API server reads it: the words alone may stand in
// the value of something else.
func IsDryRun(uri string) bool {
	_, query, _ := strings.Cut(uri, "?")
	if !strings.Contains(query, "dryRun") && !strings.Contains(query, "%") {
		return false
	}
	params, _ := url.ParseQuery(query) // what cannot be read of it the API server does not see either
	return slices.Contains(params["dryRun"], "All")
}

// sentence is a finding in words: the rule's title, who did what, and how it ended.
func (f *Finding) sentence() string {
	var w strings.Builder
	w.WriteString(f.Title)
	sep := ": "
	word := func(before, s string) {
		if s != "" {
			w.WriteString(sep + before + short(s))
			sep = " "
		}
	}
	word("", f.User)
	word("as ", f.As)
	word("", f.Verb)
	word("", f.Resource)
	word("", f.Name)
	word("in ", f.Namespace)
	word("from ", f.Peer)
	if f.Code != 0 {
		word("", fmt.Sprintf("(%d)", f.Code))
	}
	return w.String()
}

// short bounds what a client wrote.
func short(s string) string { return cut(s, 200) }

// maxSummary is how many bytes of a finding in words are kept.
const maxSummary = 4 << 10

// maxPositions is how many events a finding names: those nearest to its end.
const maxPositions = 1000

// maxShown is how many values a finding shows.
const maxShown = 20

// id is that of what is found at an edge.
func (s *series) id(g *group, x edge) ID {
	ids := make([]ID, 0, x.to-x.from)
	for i := range g.entries[x.from:x.to] {
		ids = append(ids, g.entries[x.from+i].id)
	}
	return FindingID(s.rule.ID, s.rule.Version, append([]string{s.state.cluster}, g.values...), ids...)
}

// find is what is found at an edge.
func (s *series) find(g *group, x edge, id ID) *Finding {
	es := g.entries[x.from:x.to]
	it := &g.entries[x.at]
	f := newFinding(s.rule, id, s.state.cluster, it.at, it.who)
	f.Count = len(es)
	if len(es) > 1 {
		f.From = time.UnixMicro(es[0].at).UTC()
	}
	for i := len(es) - 1; i >= 0 && len(f.Positions) < maxPositions; i-- {
		f.Positions = append(f.Positions, es[i].positions()...)
	}
	slices.Sort(f.Positions)
	f.Positions = slices.Compact(f.Positions)
	if n := len(f.Positions); n > maxPositions {
		f.Positions = f.Positions[n-maxPositions:]
	}
	f.Group = s.groupOf(g.values)
	f.Matched = []Matched{s.condition(es)}
	f.Summary = s.sentence(g, f)
	return f
}

func (s *series) groupOf(values []string) map[string]string {
	if len(values) == 0 {
		return nil
	}
	group := make(map[string]string, len(values))
	for i, name := range s.c.GroupBy {
		group[name] = values[i]
	}
	return group
}

// valuesOf is groupOf the other way round.
func (c *correlation) valuesOf(group map[string]string) []string {
	var values []string
	for _, name := range c.c.GroupBy {
		values = append(values, group[name])
	}
	return values
}

// condition says why the condition held.
func (s *series) condition(es []entry) Matched {
	k := s.c
	m := Matched{Field: k.Field, Test: string(k.Kind)}
	if m.Field == "" {
		m.Field = strings.Join(k.Fields, ", ")
	}
	for _, c := range k.Compare {
		m.Test += " " + c.Op + " " + strconv.FormatFloat(c.N, 'g', -1, 64)
	}
	m.Test += " within " + lasting(k.Timespan)
	switch k.Kind {
	case EventCount:
		m.Values = []string{strconv.Itoa(len(es))}
	case Temporal, TemporalOrdered:
		for i, id := range k.Rules {
			if slices.ContainsFunc(es, func(e entry) bool { return e.rules&(1<<i) != 0 }) {
				m.Values = append(m.Values, id)
			}
		}
	default:
		for _, e := range es {
			m.Values = append(m.Values, e.values...)
		}
		slices.Sort(m.Values)
		m.Values = slices.Compact(m.Values)
	}
	if len(m.Values) > maxShown {
		m.Values = append(m.Values[:maxShown:maxShown], fmt.Sprintf("and %d more", len(m.Values)-maxShown))
	}
	return m
}

// lasting is a duration as people write it: 5m, not 5m0s.
func lasting(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// sentence is a finding of a correlation in words.
func (s *series) sentence(g *group, f *Finding) string {
	var w strings.Builder
	requests := "requests"
	if f.Count == 1 {
		requests = "request"
	}
	fmt.Fprintf(&w, "%s: %d %s within %s", f.Title, f.Count, requests, lasting(s.c.Timespan))
	for i, name := range s.c.GroupBy {
		sep := " and "
		if i == 0 {
			sep = " of "
		}
		w.WriteString(sep + name + " " + short(g.values[i]))
	}
	return w.String()
}

// report tells of a finding, and has the correlations over this one know.
func (s *series) report(f *Finding, out Output) {
	if s.engine.only == nil && !s.rule.Silent || s.engine.only == s.rule {
		out.Find(f)
	}
	id, _ := ParseID(f.ID)
	for _, x := range s.feeds {
		s.state.of(x.to).finding(x.slot, f, id)
	}
}

// withdraw takes back a finding, for others in its stead.
func (s *series) withdraw(values []string, t told, fresh []*Finding, out Output) {
	at := time.UnixMicro(t.at).UTC()
	if s.engine.only == nil && !s.rule.Silent || s.engine.only == s.rule {
		w := &Withdrawal{ID: t.id.String(), Rule: s.rule.ID, Version: s.rule.Version, Cluster: s.state.cluster, Time: at,
			Reason: "an event came late that is part of its window"}
		for _, f := range fresh {
			if d := f.Time.Sub(at); d <= s.c.Timespan && d >= -s.c.Timespan {
				w.By = append(w.By, f.ID)
			}
		}
		out.Withdraw(w)
	}
	group := s.groupOf(values)
	for _, x := range s.feeds {
		s.state.of(x.to).gone(x.slot, group, t.at, t.id)
	}
}
