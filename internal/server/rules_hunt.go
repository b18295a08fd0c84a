package server

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"annals.dev/internal/detect"
	"annals.dev/internal/detect/pack"
	"annals.dev/internal/detect/past"
)

const (
	huntDefault = 1000
	maxHuntText = 1 << 20
)

// hunt runs rules over what happened, as far as whoever asks sees it.
func (c *core) hunt(ctx context.Context, by *asker, q HuntQuestion, emit func(Finding) error) (HuntEnd, error) {
	end := HuntEnd{Problems: []detect.Problem{}}
	of, err := c.rangeOf(ctx, by, Range{Since: q.Since, Until: q.Until, Clusters: q.Clusters})
	if err != nil {
		return end, err
	}
	if q.Limit == 0 {
		q.Limit = huntDefault
	}
	if q.Limit < 0 || len(q.Text) > maxHuntText {
		return end, &Error{Usage, fmt.Sprintf("limit is a number of findings, and text has %d MiB at most", maxHuntText>>20)}
	}
	rules, ids := c.watch.ready(c).rules, q.IDs
	switch {
	case q.Text != "" && len(q.IDs) > 0, q.Text == "" && len(q.IDs) == 0:
		return end, &Error{Usage, "name rules as ids, or give some as text"}
	case q.Text != "":
		if rules, ids, err = c.textRules(q.Text, &end); err != nil {
			return end, err
		}
	}
	leave, err := c.limits.statement(ctx, by) // it may go on for long: a caller's hunts wait for each other
	if err != nil {
		return end, err
	}
	defer leave()
	for _, id := range ids {
		if q.Text == "" {
			if s, err := c.ruleOf(by, id); err != nil {
				return end, err
			} else if s.Language == detect.Builtin {
				return end, &Error{Usage, fmt.Sprintf("%s is made in Go and keeps what it knows: it cannot be run over a part of what happened", id)}
			}
		}
		cov, err := past.Hunt(ctx, by.read, rules, id, of, func(f *detect.Finding) error {
			if end.Findings++; end.Findings > q.Limit {
				return nil
			}
			return emit(Finding{Finding: *f})
		})
		if err != nil {
			return end, notOfTheQuestion(ctx, err)
		}
		end.Rules++
		if cov != nil {
			if end.Rules > 1 {
				cov.Complete, cov.Why = cov.Complete && end.Cover.Complete, append(cov.Why, end.Cover.Why...)
			}
			end.Cover = *cov
		}
	}
	end.Cover.Returned = min(end.Findings, q.Limit)
	end.Cover.LimitReached = end.Findings > q.Limit
	return end, nil
}

// textRules reads rules that were sent; correlations among them may ask for rules that there are.
func (c *core) textRules(text string, end *HuntEnd) (rules []*detect.Rule, ids []string, err error) {
	l := c.watch.ready(c)
	p := pack.Parse(l.config.Rules, []detect.File{{Name: "text", Data: []byte(text)}})
	end.Problems = append(end.Problems, p.Problems...)
	for _, r := range p.Rules {
		rules = append(rules, r)
		if !r.Silent {
			ids = append(ids, r.ID)
		}
	}
	if len(ids) == 0 {
		var why []string
		for _, x := range p.Problems {
			why = append(why, x.Message)
		}
		return nil, nil, &Error{Usage, "there is no rule in the text that can be run: " + strings.Join(why, "; ")}
	}
	for _, r := range l.rules {
		if !slices.ContainsFunc(rules, func(o *detect.Rule) bool { return o.ID == r.ID }) {
			rules = append(rules, r)
		}
	}
	return rules, ids, nil
}
