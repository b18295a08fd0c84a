package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"annals.dev/audit"
	"annals.dev/internal/access"
	"annals.dev/internal/detect"
	"annals.dev/internal/detect/past"
	"annals.dev/internal/ledger"
	"annals.dev/internal/match"
	"annals.dev/internal/query"
)

// Findings are read where they are kept: in the events of cluster annals that record them. So what is shown is what is proven.

const findingsDefault = 100

// finder reads the findings of one question.
type finder struct {
	c     *core
	by    *asker
	q     FindingsRange
	where *match.Predicate
	rules ruleSet
	cover FindingsCover
	begun time.Time

	withdrawn bool               // those, too
	among     []*match.Predicate // over the events that record them: any of these; none: all
}

// finder makes one, and refuses what cannot be asked.
func (c *core) finder(ctx context.Context, by *asker, q FindingsRange) (f *finder, err error) {
	if q.Severity != "" && !slices.Contains(detect.Severities, q.Severity) {
		return nil, &Error{Usage, fmt.Sprintf("there is no severity %.40q; there are, the least first: %s", q.Severity, joined(detect.Severities))}
	}
	if !q.Since.IsZero() && !q.Until.IsZero() && !q.Since.Before(q.Until) {
		return nil, &Error{Usage, fmt.Sprintf("the range ends before it begins: since %s, until %s", q.Since.Format(time.RFC3339Nano), q.Until.Format(time.RFC3339Nano))}
	}
	f = &finder{c: c, by: by, q: q, begun: time.Now(), rules: c.watch.ready(c).byID}
	if f.where, err = match.Parse(q.Query); err != nil {
		return nil, err
	}
	f.q.Rules = f.rules.ids(q.Rules)
	if len(q.Clusters) > 0 {
		if _, err := c.clustersOf(ctx, by, q.Clusters); err != nil {
			return nil, err
		}
	}
	f.cover = FindingsCover{Since: q.Since, Until: q.Until, Scope: by.ScopeText, NoBodies: !by.Bodies, Complete: true}
	if err := c.watch.cover(ctx, c, by, q.Clusters, &f.cover); err != nil {
		return nil, err
	}
	return f, nil
}

func joined[S ~string](all []S) string {
	var names []string
	for _, s := range all {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

// errEnough ends a reading.
var errEnough = errors.New("that is enough")

// each hands on the findings that are asked for and seen, the newest first, until give returns an error. errEnough is none.
func (f *finder) each(ctx context.Context, after *query.Cursor, give func(*Finding) error) error {
	if f.c.sizes([]string{ledger.Own})[ledger.Own] == 0 {
		return nil // nothing was found, nor asked, yet
	}
	q := past.Question{Rules: f.q.Rules, Severity: f.q.Severity, Clusters: f.q.Clusters, Since: f.q.Since, Until: f.q.Until, After: after, Withdrawn: f.withdrawn}
	if len(f.q.Namespaces) == 1 {
		q.Namespace = f.q.Namespaces[0]
	}
	if len(f.among) > 0 {
		q.Query = match.Any(f.among...)
	}
	var sight *query.Reader
	if f.by.ScopeText != "" {
		sight = f.by.read
	}
	cov, err := past.Find(ctx, f.c.engine.As(query.All), sight, q, func(x *past.Found) error {
		found := &Finding{Finding: *x.Finding, RuleName: f.rules.name(x.Rule), Position: x.Recorded.Position, Recorded: x.At, Withdrawn: x.Withdrawn, place: x.Recorded}
		if !f.asked(found) || !f.sees(found) {
			return nil
		}
		if !f.by.Role.AtLeast(access.Auditor) { // they tell of what else is recorded
			found.Position, found.Recorded = 0, time.Time{}
		}
		return give(found)
	})
	if cov != nil && errors.Is(err, errEnough) { // it was we who ended it
		cov.Why = slices.DeleteFunc(cov.Why, func(why string) bool { return why == errEnough.Error() })
		cov.Complete, err = len(cov.Why) == 0, nil
	}
	if cov != nil && !cov.Complete {
		f.incomplete(cov.Why...)
	}
	return notOfTheQuestion(ctx, err)
}

func (f *finder) incomplete(why ...string) {
	f.cover.Complete = false
	for _, w := range why {
		if f.by.Role.AtLeast(access.Auditor) && !slices.Contains(f.cover.Why, w) {
			f.cover.Why = append(f.cover.Why, w)
		}
	}
	if len(f.cover.Why) == 0 {
		f.cover.Why = []string{"not all findings could be read"}
	}
}

// end is what the answer covers.
func (f *finder) end() FindingsCover {
	f.cover.Seconds = time.Since(f.begun).Seconds()
	return f.cover
}

// asked says whether the question is about a finding.
func (f *finder) asked(x *Finding) bool {
	q := &f.q
	switch {
	case len(q.Clusters) > 0 && !slices.Contains(q.Clusters, x.Cluster):
		return false
	case len(q.Rules) > 0 && !slices.Contains(q.Rules, x.Rule):
		return false
	case len(q.Users) > 0 && !slices.Contains(q.Users, x.User) && !slices.Contains(q.Users, x.As):
		return false
	case len(q.Namespaces) > 0 && !slices.Contains(q.Namespaces, x.Namespace):
		return false
	case len(q.Techniques) > 0 && !slices.ContainsFunc(x.Techniques, func(t string) bool {
		parent, _, _ := strings.Cut(t, ".")
		return slices.Contains(q.Techniques, t) || slices.Contains(q.Techniques, parent)
	}):
		return false
	}
	return q.Query == "" || f.where.Match(rowOf(x))
}

// rowOf is a finding as searches see it: who did what, and the finding as the body of the request.
func rowOf(x *Finding) *match.Row {
	resource, subresource, _ := strings.Cut(x.Resource, "/")
	stamp := x.Time.UTC().Format("2006-01-02T15:04:05.000000Z")
	e := map[string]any{
		"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Request", "stage": "ResponseComplete", "auditID": x.ID, "verb": x.Verb,
		"user": map[string]any{"username": x.User}, "requestReceivedTimestamp": stamp, "stageTimestamp": stamp, "requestObject": x.Finding,
		"objectRef": map[string]any{"resource": resource, "subresource": subresource, "namespace": x.Namespace, "name": x.Name},
	}
	if x.As != "" {
		e["impersonatedUser"] = map[string]any{"username": x.As}
	}
	if x.Peer != "" {
		e["sourceIPs"] = []string{x.Peer}
	}
	if x.Code != 0 {
		e["responseStatus"] = map[string]any{"code": x.Code}
	}
	r := &match.Row{View: new(audit.View), Cluster: x.Cluster}
	if text, err := json.Marshal(e); err == nil {
		_ = r.View.Parse(text) // what cannot be read matches nothing
	}
	return r
}

func (c *core) findings(ctx context.Context, by *asker, q FindingsQuestion, emit func(Finding) error) (FindingsCover, error) {
	limit := findingsDefault
	if q.Limit != nil {
		limit = *q.Limit
	}
	if limit < 0 {
		return FindingsCover{}, &Error{Usage, fmt.Sprintf("limit %d: give a number of findings, or 0 for all", limit)}
	}
	f, err := c.finder(ctx, by, q.FindingsRange)
	if err != nil {
		return FindingsCover{}, err
	}
	var after *query.Cursor
	if q.After != "" {
		if after, err = c.placeOf(ctx, by, q.After); err != nil {
			return FindingsCover{}, err
		}
	}
	f.withdrawn = q.Withdrawn
	err = f.each(ctx, after, func(x *Finding) error {
		if limit > 0 && f.cover.Returned == limit {
			f.cover.LimitReached = true
			return errEnough
		}
		f.cover.Returned++
		f.cover.Next = x.ID
		return emit(*x)
	})
	if !f.cover.LimitReached {
		f.cover.Next = ""
	}
	return f.end(), err
}

// placeOf is where a finding is recorded that somebody has seen.
func (c *core) placeOf(ctx context.Context, by *asker, id string) (*query.Cursor, error) {
	x, _, err := c.findingWith(ctx, by, id)
	if err != nil {
		return nil, fmt.Errorf("after: %w", err)
	}
	return &x.place, nil
}

// findingWith finds the one finding whose ID begins so, for whoever asks.
func (c *core) findingWith(ctx context.Context, by *asker, begins string) (*Finding, *finder, error) {
	id := strings.ToLower(strings.ReplaceAll(begins, "-", ""))
	if len(id) < 4 || len(id) > 32 || strings.Trim(id, "0123456789abcdef") != "" {
		return nil, nil, &Error{Usage, fmt.Sprintf("id is a finding's 32 hexadecimal digits, or the first of them, four at least, not %.60q", begins)}
	}
	f, err := c.finder(ctx, by, FindingsRange{})
	if err != nil {
		return nil, nil, err
	}
	f.among, f.withdrawn = []*match.Predicate{constant("name:" + id + "*")}, true
	var found []*Finding
	if err := f.each(ctx, nil, func(x *Finding) error { found = append(found, x); return nil }); err != nil {
		return nil, nil, err
	}
	switch {
	case len(found) == 0 && !f.cover.Complete:
		return nil, nil, &Error{Missing, fmt.Sprintf("there is no finding %s, but not all could be read: %s", id, strings.Join(f.cover.Why, "; "))}
	case len(found) == 0:
		return nil, nil, &Error{NotFound, fmt.Sprintf("there is no finding %s", id)}
	case len(found) > 1:
		return nil, nil, &Error{Usage, fmt.Sprintf("%d findings begin with %s: give more of the ID", len(found), id)}
	}
	return found[0], f, nil
}

// finding tells one.
func (c *core) finding(ctx context.Context, by *asker, q FindingQuestion, _ func(nothing) error) (d FindingDetail, err error) {
	x, f, err := c.findingWith(ctx, by, q.ID)
	if err != nil {
		return d, err
	}
	d.Finding = *x
	if err := c.findingEvents(ctx, by, &d); err != nil {
		return d, err
	}
	if by.Role.AtLeast(access.Auditor) {
		d.Proof = c.proofOf(by, ledger.Own)
	}
	d.Proof.Signed = x.place.Position < c.checkpointSize(ledger.Own)
	f.cover.Returned = 1
	d.Cover = f.end()
	return d, c.watch.about(ctx, c, by, &d)
}

// findingEvents reads the events that caused a finding.
func (c *core) findingEvents(ctx context.Context, by *asker, d *FindingDetail) error {
	at := d.Finding.Positions
	if len(at) > maxFindingEvents {
		d.More = len(at) - maxFindingEvents
		at = append(slices.Clone(at[:maxFindingEvents-1]), at[len(at)-1]) // the one that made it true is the last
	}
	of := query.Range{Query: atPositions(at), Clusters: []string{d.Finding.Cluster}}
	s := query.Search{Range: of, OldestFirst: true, Wide: true, Bytes: true}
	d.Events = []query.Event{}
	cov, err := by.read.Search(ctx, s, func(r *query.Row) error {
		d.Events = append(d.Events, c.given(r, Whole))
		return nil
	})
	if err == nil && len(d.Events) < len(at) && cov.Complete {
		d.More += len(at) - len(d.Events) // they are expired
	}
	return notOfTheQuestion(ctx, err)
}

const maxFindingEvents = 200

// atPositions is the predicate of the events at positions of a cluster.
func atPositions(at []uint64) *match.Predicate {
	var some []*match.Predicate
	for _, p := range at {
		some = append(some, constant(fmt.Sprintf("position:%d", p)))
	}
	return match.Any(some...)
}

// worse orders severities.
func worse(a, b detect.Severity) int {
	return cmp.Compare(slices.Index(detect.Severities, a), slices.Index(detect.Severities, b))
}
