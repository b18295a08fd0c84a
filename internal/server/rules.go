package server

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"annals.dev/internal/detect"
	"annals.dev/internal/spell"
)

// rulesFor are the rules that somebody may know of. Of those that do not come with Annals a reader with a scope knows none: they
// tell whom others look for.
func (c *core) rulesFor(by *asker) []RuleState {
	l := c.watch.ready(c)
	var all []RuleState
	add := func(r *detect.Rule, on bool) {
		if by.ScopeText != "" && !isBuiltin(r) {
			return
		}
		all = append(all, c.ruleState(l, r, on))
	}
	for _, r := range l.rules {
		add(r, !slices.ContainsFunc(l.off, func(o *detect.Rule) bool { return o.ID == r.ID }))
	}
	for _, r := range l.off {
		if l.byID[r.ID] == nil {
			add(r, false)
		}
	}
	slices.SortStableFunc(all, func(a, b RuleState) int {
		return cmp.Or(worse(b.Severity, a.Severity), strings.Compare(a.Title, b.Title), strings.Compare(a.ID, b.ID))
	})
	return all
}

// ruleState is a rule without its text.
func (c *core) ruleState(l *loaded, r *detect.Rule, on bool) RuleState {
	s := RuleState{Rule: *r, RuleName: ruleName(r), On: on, Builtin: isBuiltin(r), Saved: c.isSaved(r)}
	s.Text = ""
	for _, p := range l.problems {
		if p.Rule == r.ID {
			s.Problems = append(s.Problems, p)
		}
	}
	return s
}

// ruleName is what people call a rule: its name, or its file's where that holds but one, or its ID.
func ruleName(r *detect.Rule) string {
	base := path.Base(r.File)
	switch {
	case r.Name != "":
		return r.Name
	case isBuiltin(r) && strings.HasSuffix(base, ".yml"):
		return strings.TrimSuffix(base, ".yml")
	}
	return r.ID
}

// name is what people call a rule.
func (rs ruleSet) name(id string) string {
	if r := rs[id]; r != nil {
		return ruleName(r)
	}
	return id
}

// ids are the IDs of rules that somebody names. What is no name is an ID: there may be findings of rules that there are no more.
func (rs ruleSet) ids(names []string) (ids []string) {
	for _, n := range names {
		before := len(ids)
		for id, r := range rs {
			if rs[n] == nil && ruleName(r) == n {
				ids = append(ids, id)
			}
		}
		if len(ids) == before {
			ids = append(ids, n)
		}
	}
	return ids
}

// findingCounts is how many findings there are, by rule and technique.
type findingCounts struct {
	rules, techniques map[string]*tally
	cover             FindingsCover
}

type tally struct {
	n    int
	last time.Time
}

func (t *tally) add(at time.Time) {
	if t.n++; at.After(t.last) {
		t.last = at
	}
}

// countFindings counts those that somebody sees.
func (c *core) countFindings(ctx context.Context, by *asker, q FindingsRange) (*findingCounts, error) {
	f, err := c.finder(ctx, by, q)
	if err != nil {
		return nil, err
	}
	n := &findingCounts{rules: map[string]*tally{}, techniques: map[string]*tally{}}
	one := func(in map[string]*tally, key string, at time.Time) {
		if in[key] == nil {
			in[key] = new(tally)
		}
		in[key].add(at)
	}
	all := 0
	err = f.each(ctx, nil, func(x *Finding) error {
		if all++; all > maxGrouped {
			f.incomplete(fmt.Sprintf("there are more than the %d findings that are counted: ask for a shorter time", maxGrouped))
			return errEnough
		}
		one(n.rules, x.Rule, x.Time)
		for _, t := range x.Techniques {
			one(n.techniques, t, x.Time)
		}
		return nil
	})
	n.cover = f.end()
	return n, err
}

// of is how many findings a rule has.
func (n *findingCounts) of(id string) tally {
	if t := n.rules[id]; t != nil {
		return *t
	}
	return tally{}
}

func (c *core) listRules(ctx context.Context, by *asker, q RulesQuestion, emit func(RuleState) error) (RulesEnd, error) {
	found, err := c.countFindings(ctx, by, FindingsRange{Since: q.Since, Until: q.Until, Clusters: q.Clusters})
	if err != nil {
		return RulesEnd{}, err
	}
	all := c.rulesFor(by)
	known := map[string]bool{}
	for _, r := range all {
		known[r.ID] = true
		n := found.of(r.ID)
		r.Findings, r.Last = n.n, n.last
		if err := emit(r); err != nil {
			return RulesEnd{}, err
		}
	}
	l := c.watch.ready(c)
	end := RulesEnd{Rules: len(l.rules), Loaded: l.at, Problems: []detect.Problem{}, Cover: found.cover}
	end.Cover.Returned = len(all)
	if by.ScopeText == "" {
		end.Trouble = c.watch.trouble()
		for _, p := range l.problems {
			if p.Rule == "" || !known[p.Rule] {
				end.Problems = append(end.Problems, p)
			}
		}
	}
	return end, nil
}

func (c *core) oneRule(ctx context.Context, by *asker, q RuleQuestion, _ func(nothing) error) (RuleState, error) {
	s, err := c.ruleOf(by, q.ID)
	if err != nil {
		return RuleState{}, err
	}
	found, err := c.countFindings(ctx, by, FindingsRange{Since: q.Since, Until: q.Until, Clusters: q.Clusters, Rules: []string{s.ID}})
	if err != nil {
		return RuleState{}, err
	}
	n := found.of(s.ID)
	s.Findings, s.Last = n.n, n.last
	return *s, nil
}

// ruleOf is a rule with its text, by its ID or its name.
func (c *core) ruleOf(by *asker, id string) (*RuleState, error) {
	all := c.rulesFor(by)
	i := slices.IndexFunc(all, func(r RuleState) bool { return r.ID == id })
	if i < 0 {
		i = slices.IndexFunc(all, func(r RuleState) bool { return r.RuleName == id })
	}
	if i < 0 {
		hint := ""
		for _, r := range all {
			if spell.Distance(strings.ToLower(r.RuleName), strings.ToLower(id)) <= 3 {
				hint = fmt.Sprintf(" (did you mean %s?)", r.RuleName)
			}
		}
		return nil, &Error{NotFound, fmt.Sprintf("there is no rule %.100q%s", id, hint)}
	}
	s := all[i]
	l := c.watch.ready(c)
	r := l.byID[s.ID]
	if r == nil {
		r = l.off[slices.IndexFunc(l.off, func(o *detect.Rule) bool { return o.ID == s.ID })]
	}
	s.Text = r.Text
	if r.Where != nil {
		s.Predicate = r.Where.String()
	}
	s.Words = inWords(l.byID, r)
	if s.Saved {
		s.Search = s.Predicate
	}
	return &s, nil
}

// isSaved says whether a rule is a search that was saved by the API: it stands in a file of its own.
func (c *core) isSaved(r *detect.Rule) bool {
	return r.Language == detect.Search && r.File == filepath.ToSlash(c.savedFile(r.ID))
}

// inWords says what a rule finds.
func inWords(rules map[string]*detect.Rule, r *detect.Rule) string {
	x := r.Correlation
	switch {
	case x == nil && r.Where == nil:
		return "It is made in Go: " + r.About
	case x == nil && r.Own:
		return "Each request of the cluster annals that meets the predicate."
	case x == nil:
		return "Each request that meets the predicate."
	}
	var of []string
	for _, id := range x.Rules {
		name := id
		if b := rules[id]; b != nil && b.Title != "" {
			name = b.Title
		}
		of = append(of, "“"+name+"”")
	}
	var w strings.Builder
	compare := comparisons(x.Compare)
	switch x.Kind {
	case detect.EventCount:
		fmt.Fprintf(&w, "%s requests of %s", compare, strings.Join(of, " or "))
	case detect.ValueCount:
		fmt.Fprintf(&w, "Requests of %s with %s different values of %s", strings.Join(of, " or "), compare, cmp.Or(x.Field, strings.Join(x.Fields, ", ")))
	case detect.Temporal:
		fmt.Fprintf(&w, "%s, in any order", strings.Join(of, " and "))
	case detect.TemporalOrdered:
		w.WriteString(strings.Join(of, ", then "))
	case detect.ValuePercentile:
		fmt.Fprintf(&w, "Requests of %s of whose %s the percentile %v is %s", strings.Join(of, " or "), x.Field, x.Percent, compare)
	default:
		what := map[detect.CorrelationKind]string{detect.ValueSum: "sum", detect.ValueAvg: "average", detect.ValueMedian: "median"}[x.Kind]
		fmt.Fprintf(&w, "Requests of %s of whose %s the %s is %s", strings.Join(of, " or "), x.Field, what, compare)
	}
	fmt.Fprintf(&w, " within %s", x.Timespan)
	if len(x.GroupBy) > 0 {
		fmt.Fprintf(&w, ", of the same %s", strings.Join(x.GroupBy, " and "))
	}
	return w.String() + "."
}

func comparisons(all []detect.Comparison) string {
	words := map[string]string{"gt": "more than", "gte": "at least", "lt": "fewer than", "lte": "at most", "eq": "exactly", "neq": "other than"}
	var some []string
	for _, x := range all {
		some = append(some, fmt.Sprintf("%s %v", words[x.Op], x.N))
	}
	return strings.Join(some, " and ")
}
