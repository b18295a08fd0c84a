package server

import (
	"context"
	"fmt"

	"annals.dev/internal/detect"
	"annals.dev/internal/detect/coverage"
	"annals.dev/policy"
)

// CoverageQuestion asks whether rules can fire under an audit policy. Items are coverage.Result, the end is a CoverageEnd.
type CoverageQuestion struct {
	Policy string   `json:"policy"`        // an audit.k8s.io/v1 Policy, as YAML
	IDs    []string `json:"ids,omitempty"` // of rules, or their names; none: all that are on
}

// CoverageEnd counts the verdicts.
type CoverageEnd struct {
	Rules    int            `json:"rules"`
	Verdicts map[string]int `json:"verdicts"`
}

// coverage holds the rules that somebody may know of against a policy.
func (c *core) coverage(ctx context.Context, by *asker, q CoverageQuestion, emit func(coverage.Result) error) (CoverageEnd, error) {
	end := CoverageEnd{Verdicts: map[string]int{}}
	if q.Policy == "" {
		return end, &Error{Usage, "give the audit policy as text: policy"}
	}
	p, err := policy.Parse([]byte(q.Policy), policy.Options{})
	if err != nil {
		return end, &Error{Usage, fmt.Sprintf("the policy: %v", err)}
	}
	ids := q.IDs
	if len(ids) == 0 {
		for _, s := range c.rulesFor(by) {
			ids = append(ids, s.ID)
		}
	}
	under := &coverage.Policy{Policy: p, Name: "policy", Lines: policy.Lines([]byte(q.Policy))}
	for _, id := range ids { // one by one: whoever has gone needs no more
		if ctx.Err() != nil {
			return end, context.Cause(ctx)
		}
		rules, err := c.ruleWithParts(by, id)
		if err != nil {
			return end, err
		}
		if len(rules) == 0 {
			continue // it is off
		}
		r := coverage.Check(rules, under, nil).Results[0]
		end.Rules++
		end.Verdicts[string(r.Verdict)]++
		if err := emit(r); err != nil {
			return end, err
		}
	}
	return end, nil
}

// ruleWithParts is a rule that is on, and those that it is made of behind it.
func (c *core) ruleWithParts(by *asker, id string) (rules []*detect.Rule, err error) {
	s, err := c.ruleOf(by, id)
	if err != nil {
		return nil, err
	}
	byID, seen := c.watch.ready(c).byID, map[string]bool{}
	var add func(id string)
	add = func(id string) {
		r := byID[id]
		if r == nil || seen[id] {
			return
		}
		seen[id] = true
		if rules = append(rules, r); r.Correlation != nil {
			for _, of := range r.Correlation.Rules {
				add(of)
			}
		}
	}
	add(s.ID)
	return rules, nil
}
