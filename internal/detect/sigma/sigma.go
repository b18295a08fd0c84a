// Package sigma reads Sigma rules, correlations and filters, of version 2.1.0 of the specification. Start with Parse.
//
// What a rule asks of an event becomes a match.Predicate of tests that package match makes once per event, whichever rules ask
// for them. Where the specification is silent, docs/sigma.md says what holds here.
//
// It promises: nothing in a file makes it panic or take long, and whatever is wrong with one rule hinders no other.
package sigma

import (
	"cmp"
	"fmt"
	"slices"

	"annals.dev/internal/detect"
)

// Options are how rules are read.
type Options struct {
	Placeholders map[string][]string // what the modifier expand puts in the place of %name%
}

// Parse reads files of rules together: correlations and filters name rules of other files. What cannot be used is told, and
// does not hinder the rest.
func Parse(files []detect.File, opt Options) (rules []*detect.Rule, problems []detect.Problem) {
	c := &collection{opt: opt, byID: map[string]*draft{}, byName: map[string]*draft{}, copies: map[string]int{}}
	for _, f := range files {
		c.read(f)
	}
	c.filter()
	c.link()
	for _, d := range c.drafts {
		if !d.bad {
			rules = append(rules, d.finish())
		}
	}
	order := map[string]int{}
	for i, f := range files {
		order[f.Name] = i
	}
	slices.SortStableFunc(c.problems, func(a, b detect.Problem) int {
		return cmp.Or(order[a.File]-order[b.File], a.Line-b.Line)
	})
	return rules, c.problems
}

// collection is what has been read of all files.
type collection struct {
	opt      Options
	drafts   []*draft // rules and correlations, as they came
	filters  []*draft
	byID     map[string]*draft
	byName   map[string]*draft
	copies   map[string]int // how many rules have an ID, before some that share it by an action get their own
	spent    int            // texts that all values stand for
	problems []detect.Problem
}

// draft is a rule that is being read, or a filter.
type draft struct {
	*collection
	rule    *detect.Rule
	doc     *document
	source  logsource
	where   *expr       // of rules, and of filters what stays
	corr    *correlated // of correlations
	names   []string    // of filters: the rules, by ID or name
	any     bool        // or all
	spent   int         // texts that its values stand for
	version string      // once it is known
	level   bool        // the file says one
	bad     bool        // it cannot be used
	skip    bool        // it is not for audit events
}

// maxTexts is how many texts the values of a rule may stand for, once placeholders and modifiers have made several of one, and how
// many instructions its regular expressions may have; and how many those of all rules.
const (
	maxTexts    = 50_000
	maxAllTexts = 1_000_000
)

// spend counts them.
func (d *draft) spend(n int) error {
	if d.spent += n; d.spent > maxTexts {
		return fmt.Errorf("the values of the rule stand for more than %d texts; write fewer, or split the rule", maxTexts)
	}
	if d.collection.spent += n; d.collection.spent > maxAllTexts {
		return fmt.Errorf("the values of all rules stand for more than %d texts; use fewer rules", maxAllTexts)
	}
	return nil
}

// The kinds of problems.
const (
	failure = "error"
	warning = "warning"
	note    = "note"
)

// tell records a problem. An error makes the rule useless.
func (d *draft) tell(kind string, line int, format string, args ...any) {
	if kind == failure {
		d.bad = true
	}
	if line == 0 {
		line = d.rule.Line
	}
	d.problems = append(d.problems, detect.Problem{
		File: d.rule.File, Line: line, Rule: d.rule.ID, Kind: kind, Message: fmt.Sprintf(format, args...),
	})
}
