package server

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"annals.dev/internal/query"
)

// quote writes text as a value of the search language that stands for itself.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// stagesOf finds an event, which is the last of what it returns, or all events of a request, the first first. Rows are whole.
func (c *core) stagesOf(ctx context.Context, by *asker, q EventQuestion, d Detail) ([]*query.Row, *Coverage, error) {
	var text string
	position, err := strconv.ParseUint(q.ID, 10, 63)
	switch {
	case q.Position != nil && q.ID != "":
		return nil, nil, &Error{Usage, "name an event by cluster and position, or by its audit ID, not both"}
	case q.Position != nil:
		text = fmt.Sprintf("position:%d", *q.Position)
	case q.ID == "":
		return nil, nil, &Error{Usage, "name an event: by cluster and position, or by its audit ID as id"}
	case err == nil:
		text = fmt.Sprintf("position:%d", position)
	default:
		text = "auditID:" + quote(q.ID)
	}
	of := Range{Query: text}
	if q.Cluster != "" {
		of.Clusters = []string{q.Cluster}
	}
	if strings.HasPrefix(text, "position:") {
		name, err := c.oneCluster(ctx, by, q.Cluster)
		if err != nil {
			return nil, nil, err
		}
		of.Clusters = []string{name}
	}
	found, cov, err := c.find(ctx, by, of, d)
	if err != nil {
		return nil, nil, err
	}
	if len(found) == 0 {
		if cov != nil && !cov.Complete {
			return nil, nil, &Error{Missing, fmt.Sprintf("there is no event with %s, but not all events could be looked at: %s", text, strings.Join(cov.Why, "; "))}
		}
		return nil, nil, &Error{NotFound, fmt.Sprintf("there is no event with %s", strings.Replace(text, "auditID:", "audit ID ", 1))}
	}
	if i := slices.IndexFunc(found, func(r *query.Row) bool { return r.Cluster != found[0].Cluster }); i > 0 {
		return nil, nil, &Error{Usage, fmt.Sprintf("clusters %s and %s both have events with audit ID %s: choose with --cluster", found[0].Cluster, found[i].Cluster, q.ID)}
	}
	return found, cov, nil
}

// find gives all events of a range, which are few, the oldest first.
func (c *core) find(ctx context.Context, by *asker, q Range, d Detail) (found []*query.Row, _ *Coverage, _ error) {
	of, err := c.rangeOf(ctx, by, q)
	if err != nil {
		return nil, nil, err
	}
	s := query.Search{Range: of, OldestFirst: true, Wide: true, Bytes: d != Summary, Limit: maxStages}
	cov, err := by.read.Search(ctx, s, func(r *query.Row) error { found = append(found, r); return nil })
	return found, cov, notOfTheQuestion(ctx, err)
}

// given is a row as people are given it.
func (c *core) given(r *query.Row, d Detail) query.Event {
	e := r.Event(d)
	e.AlsoFrom = c.ledger.Seen(r.Cluster, r.Position)
	return e
}

func (c *core) allGiven(rows []*query.Row, d Detail) []query.Event {
	events := make([]query.Event, len(rows))
	for i, r := range rows {
		events[i] = c.given(r, d)
	}
	return events
}

// maxStages is how many events of one audit ID are looked at: a client chooses its IDs, and may use one for ever.
const maxStages = 100

func (c *core) event(ctx context.Context, by *asker, q EventQuestion, _ func(nothing) error) (EventDetail, error) {
	stages, cov, err := c.stagesOf(ctx, by, q, Whole)
	if err != nil {
		return EventDetail{}, err
	}
	r := stages[len(stages)-1]
	if r.AuditID != "" && q.Position != nil {
		same := Range{Query: "auditID:" + quote(r.AuditID), Clusters: []string{r.Cluster}}
		if stages, cov, err = c.find(ctx, by, same, Whole); err != nil {
			return EventDetail{}, err
		}
	}
	d := EventDetail{Event: c.given(r, Whole), Seven: r.Seven(), Stages: c.allGiven(stages, Whole), Proof: c.proofOf(by, r.Cluster), Cover: cov}
	d.Proof.Signed = r.Position < c.checkpointSize(r.Cluster)
	return d, nil
}
