package ruletest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"annals.dev/audit"
	"annals.dev/internal/detect"
	"annals.dev/internal/match"
)

// Result is one case held against its rule.
type Result struct {
	Rule   *detect.Rule
	Case   *Case
	Found  int
	Others []string // other rules that found something, which is no failure
	Why    []string // of a failure: what was found instead, line by line
}

// OK says whether it is as it must be.
func (r *Result) OK() bool { return r.Found == r.Case.Findings }

// Run holds a suite's cases against rules: rules are all there are, file is the one that the suite stands beside.
func (s *Suite) Run(rules []*detect.Rule, file string) ([]Result, error) {
	var results []Result
	for i := range s.Cases {
		c := &s.Cases[i]
		rule, err := s.ruleOf(c, rules, file)
		if err != nil {
			return nil, err
		}
		found, err := find(needed(rule, rules), c.Events)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %s: %w", s.File, c.Line, c.Name, err)
		}
		r := Result{Rule: rule, Case: c, Found: found[rule.ID]}
		for id := range found {
			if id != rule.ID {
				r.Others = append(r.Others, id)
			}
		}
		slices.Sort(r.Others)
		if !r.OK() {
			r.Why = why(rule, c)
		}
		results = append(results, r)
	}
	return results, nil
}

// ruleOf is the rule that a case is about.
func (s *Suite) ruleOf(c *Case, rules []*detect.Rule, file string) (*detect.Rule, error) {
	var in, loud []*detect.Rule
	for _, r := range rules {
		if c.Rule != "" && (r.ID == c.Rule || r.Name == c.Rule || r.Title == c.Rule) {
			return r, nil
		}
		if r.File == file {
			in = append(in, r)
			if !r.Silent {
				loud = append(loud, r)
			}
		}
	}
	switch {
	case c.Rule != "":
		return nil, fmt.Errorf("%s:%d: no rule has the id, name or title %q", s.File, c.Line, c.Rule)
	case len(in) == 1:
		return in[0], nil
	case len(loud) == 1:
		return loud[0], nil
	case len(in) == 0:
		return nil, fmt.Errorf("%s:%d: %s has no rule that can be used; annals rules lint says why", s.File, c.Line, file)
	}
	return nil, fmt.Errorf("%s:%d: %s has %d rules; say which with rule: and its id, name or title", s.File, c.Line, file, len(in))
}

// needed are a rule and those that it is a correlation of.
func needed(rule *detect.Rule, rules []*detect.Rule) []*detect.Rule {
	need := []*detect.Rule{rule}
	for i := 0; i < len(need); i++ {
		if need[i].Correlation == nil {
			continue
		}
		for _, r := range rules {
			if slices.Contains(need[i].Correlation.Rules, r.ID) && !slices.Contains(need, r) {
				need = append(need, r)
			}
		}
	}
	return need
}

// counted counts findings by their rule.
type counted map[string]map[string]bool

func (c counted) Find(f *detect.Finding) {
	if c[f.Rule] == nil {
		c[f.Rule] = map[string]bool{}
	}
	c[f.Rule][f.ID] = true
}

func (c counted) Withdraw(w *detect.Withdrawal) {
	for _, ids := range c {
		delete(ids, w.ID)
	}
}

// find counts the findings of each rule: the first of them as if it reported, others as they do.
func find(rules []*detect.Rule, events []Event) (map[string]int, error) {
	if rules[0].Silent {
		loud := *rules[0]
		loud.Silent = false
		rules = append([]*detect.Rule{&loud}, rules[1:]...)
	}
	engine, problems := detect.NewEngine(rules, nil, detect.Options{})
	for _, p := range problems {
		return nil, fmt.Errorf("rule %s: %s", p.Rule, p.Message)
	}
	out := counted{}
	for i, e := range events {
		row, err := Row(e, uint64(i))
		if err != nil {
			return nil, err
		}
		engine.Feed(row, out)
	}
	if err := engine.Flush(context.Background(), out); err != nil {
		return nil, err
	}
	found := map[string]int{}
	for rule, ids := range out {
		if len(ids) > 0 {
			found[rule] = len(ids)
		}
	}
	return found, nil
}

// Row is an event as predicates see it.
func Row(e Event, position uint64) (*match.Row, error) {
	v := new(audit.View)
	if err := v.Parse(e.JSON); err != nil {
		return nil, err
	}
	return &match.Row{View: v, Cluster: e.Cluster, Origin: "test", Position: position, Received: v.Time, Marks: e.Marks}, nil
}

const maxWhy = 12

// why says test by test how a case's events stand to a rule.
func why(rule *detect.Rule, c *Case) (lines []string) {
	if rule.Where == nil {
		return []string{"it is a correlation over " + strings.Join(rule.Correlation.Rules, ", ")}
	}
	for i, e := range c.Events {
		row, err := Row(e, uint64(i))
		if err != nil {
			return append(lines, err.Error())
		}
		matches := rule.Where.Match(row)
		if len(lines) >= maxWhy {
			return append(lines, "…")
		}
		lines = append(lines, fmt.Sprintf("line %d: %s %s: %s", e.Line, row.View.Verb, row.View.RequestURI, map[bool]string{true: "matches", false: "does not match"}[matches]))
		for _, h := range Why(rule.Where, row) {
			if h.OK != matches {
				continue
			}
			lines = append(lines, "    "+h.String())
		}
	}
	return lines
}

// String is the test, how it went and the values there were.
func (h Held) String() string {
	text := map[bool]string{true: "true   ", false: "false  "}[h.OK] + h.Test
	switch {
	case len(h.Values) > 0:
		text += "   (" + h.Field + ": " + strings.Join(h.Values, ", ") + ")"
	case h.Field != "":
		text += "   (" + h.Field + " is absent)"
	}
	return text
}
