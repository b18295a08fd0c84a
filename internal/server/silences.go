package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"annals.dev/audit"
	"annals.dev/internal/alert"
	"annals.dev/internal/ledger"
	"annals.dev/internal/match"
	"annals.dev/internal/query"
)

// Silence and Delivery are those of package alert.
type (
	Silence  = alert.Silence
	Delivery = alert.Outcome
)

// SilencesQuestion asks for the silences. Items are Silence.
type SilencesQuestion struct {
	Ended bool `json:"ended,omitempty"` // those that are over, too
}

// SilencesEnd says how many there are.
type SilencesEnd struct {
	Returned int  `json:"returned"`
	Complete bool `json:"complete"`
}

// CreateSilenceQuestion makes a silence; the end is a Silence. Its owner is whoever asks.
type CreateSilenceQuestion struct {
	Match  map[string]string `json:"match"` // rule, cluster, namespace, user, name, severity: *, any text; all must match
	Reason string            `json:"reason"`
	Start  time.Time         `json:"start,omitzero"` // now if nothing is said
	End    time.Time         `json:"end"`
}

// ExpireSilenceQuestion ends a silence; the end is a Silence.
type ExpireSilenceQuestion struct {
	ID string `json:"id"`
}

// AlertsQuestion asks who was told of what, the newest first. Items are AlertOutcome, the end is an AlertsEnd.
type AlertsQuestion struct {
	Since   time.Time `json:"since,omitzero"`
	Until   time.Time `json:"until,omitzero"`
	Finding string    `json:"finding,omitempty"` // an ID: only what was told of it
	To      []string  `json:"to,omitempty"`      // names of destinations
	Results []string  `json:"results,omitempty"` // delivered, failed, silenced, …
	Limit   *int      `json:"limit,omitempty"`   // default 100; 0: all
}

// AlertsEnd says how telling people fares.
type AlertsEnd struct {
	Returned     int            `json:"returned"`
	LimitReached bool           `json:"limitReached"`
	Complete     bool           `json:"complete"`
	Why          []string       `json:"why,omitempty"`
	Failing      string         `json:"failing,omitempty"` // why nobody is told of anything at present
	Destinations []alert.Status `json:"destinations"`
}

// TestAlertQuestion sends a message that says it is a test.
type TestAlertQuestion struct {
	To string `json:"to"` // a destination's name
}

// TestAlertEnd says that it arrived.
type TestAlertEnd struct {
	To      string  `json:"to"`
	Seconds float64 `json:"seconds"`
}

// silences are those that are kept; none where they cannot be read.
func (c *core) silences() []Silence {
	a, err := c.openAlerter()
	if err != nil {
		return nil
	}
	return a.Silences()
}

func (c *core) listSilences(_ context.Context, _ *asker, q SilencesQuestion, emit func(Silence) error) (SilencesEnd, error) {
	a, err := c.openAlerter()
	if err != nil {
		return SilencesEnd{}, err
	}
	all := a.Silences()
	slices.SortStableFunc(all, func(x, y Silence) int { return cmp.Or(y.Start.Compare(x.Start), cmp.Compare(x.ID, y.ID)) })
	end := SilencesEnd{Complete: true}
	for _, s := range all {
		if !q.Ended && !s.End.After(time.Now()) {
			continue
		}
		end.Returned++
		if err := emit(s); err != nil {
			return end, err
		}
	}
	return end, nil
}

func (c *core) createSilence(_ context.Context, by *asker, q CreateSilenceQuestion, _ func(nothing) error) (Silence, error) {
	a, err := c.openAlerter()
	if err != nil {
		return Silence{}, err
	}
	if ids := c.watch.ready(c).byID.ids([]string{q.Match["rule"]}); q.Match["rule"] != "" && len(ids) == 1 {
		q.Match["rule"] = ids[0] // people name rules, silences have IDs
	}
	s, err := a.AddSilence(Silence{Match: q.Match, Owner: by.Name, Reason: q.Reason, Start: q.Start, End: q.End})
	if err != nil {
		return s, &Error{Usage, err.Error()}
	}
	return s, nil
}

func (c *core) expireSilence(_ context.Context, by *asker, q ExpireSilenceQuestion, _ func(nothing) error) (Silence, error) {
	a, err := c.openAlerter()
	if err != nil {
		return Silence{}, err
	}
	s, err := a.EndSilence(q.ID, by.Name)
	if errors.Is(err, alert.ErrNoSilence) {
		return s, &Error{NotFound, err.Error()}
	}
	return s, err
}

var outcomes = constant(`verb:create resource:alerts apiGroup:annals.dev user:"system:annals:alert" -subresource:*`)

const alertsDefault = 100

// eachOutcome hands the outcomes of a range on, the newest first.
func (c *core) eachOutcome(ctx context.Context, q AlertsQuestion, f func(Delivery) error) (*query.Coverage, error) {
	if c.sizes([]string{ledger.Own})[ledger.Own] == 0 {
		return &query.Coverage{Complete: true}, nil
	}
	where := outcomes
	if q.Finding != "" {
		of, err := match.Parse("requestObject.findings:" + quote(q.Finding))
		if err != nil {
			return nil, err
		}
		where = match.And(outcomes, of)
	}
	s := query.Search{Bytes: true, Range: query.Range{Query: where, Since: q.Since, Until: q.Until, Clusters: []string{ledger.Own}}}
	cov, err := c.engine.As(query.All).Search(ctx, s, func(r *query.Row) error {
		var v audit.View
		var o Delivery
		if v.Parse(r.Bytes) != nil || json.Unmarshal(v.RequestObject, &o) != nil {
			return nil
		}
		if len(q.To) > 0 && !slices.Contains(q.To, o.Destination) || len(q.Results) > 0 && !slices.Contains(q.Results, string(o.Result)) {
			return nil
		}
		return f(o)
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return cov, notOfTheQuestion(ctx, err)
}

// deliveriesOf are who was told of a finding.
func (c *core) deliveriesOf(ctx context.Context, id string) ([]Delivery, error) {
	all := []Delivery{}
	_, err := c.eachOutcome(ctx, AlertsQuestion{Finding: id}, func(o Delivery) error {
		o.Findings = nil // others' among them
		all = append(all, o)
		return nil
	})
	return all, err
}

func (c *core) listAlerts(ctx context.Context, _ *asker, q AlertsQuestion, emit func(Delivery) error) (AlertsEnd, error) {
	end := AlertsEnd{Complete: true, Destinations: []alert.Status{}}
	limit := alertsDefault
	if q.Limit != nil {
		limit = *q.Limit
	}
	if limit < 0 {
		return end, &Error{Usage, fmt.Sprintf("limit %d: give a number, or 0 for all", limit)}
	}
	cov, err := c.eachOutcome(ctx, q, func(o Delivery) error {
		if limit > 0 && end.Returned == limit {
			end.LimitReached = true
			return errEnough
		}
		end.Returned++
		return emit(o)
	})
	if cov != nil {
		end.Complete, end.Why = cov.Complete, cov.Why
	}
	if err != nil {
		return end, err
	}
	if a, failing := c.openAlerter(); failing != nil {
		end.Failing = failing.Error()
	} else {
		end.Destinations = append(end.Destinations, a.Destinations()...)
		end.Failing = c.watch.alerts.trouble()
	}
	return end, nil
}

func (c *core) testAlert(ctx context.Context, _ *asker, q TestAlertQuestion, _ func(nothing) error) (TestAlertEnd, error) {
	a, err := c.openAlerter()
	if err != nil {
		return TestAlertEnd{}, err
	}
	var names []string
	for _, d := range a.Destinations() {
		names = append(names, d.Name)
	}
	switch {
	case len(names) == 0:
		return TestAlertEnd{}, &Error{Usage, "watch.yaml has no destinations of alerts"}
	case !slices.Contains(names, q.To):
		return TestAlertEnd{}, &Error{Usage, unknown("destination", q.To, names)}
	}
	begun := time.Now()
	if err := a.Test(ctx, q.To); err != nil {
		return TestAlertEnd{}, fmt.Errorf("%s did not take it: %w", q.To, err)
	}
	return TestAlertEnd{q.To, time.Since(begun).Seconds()}, nil
}
