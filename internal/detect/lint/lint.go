// Package lint finds what is wrong with rules that are read without an error: conditions that can never be true of an audit event,
// alternatives that add nothing, tests that say something else where a body is not recorded, and what rules of their kind commonly
// miss. Start with Check.
//
// What is said to be never true is proved, by package coverage; what a rule misses is advice.
package lint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"annals.dev/internal/detect"
	"annals.dev/internal/detect/coverage"
	"annals.dev/internal/match"
)

// Finding is something that is wrong with a rule.
type Finding struct {
	detect.Problem
	Title string `json:"title,omitempty"` // of the rule
	Check string `json:"check"`           // which of the checks it was, in a word
}

// linter checks the rules one after the other.
type linter struct {
	judge *coverage.Judge
	rules []*detect.Rule
	found []Finding
	off   []string // rules that their authors have switched off

	// Of the rule at hand.
	rule   *detect.Rule
	part   *match.Part
	leaves []leaf
}

// leaf is a test of a rule.
type leaf struct {
	match.Leaf
	field   string
	samples []string
	exact   bool
	negated bool
}

// Check says what is wrong with rules, those that could not be read among them. Tell, which may be nil, is told how far it is.
func Check(rules []*detect.Rule, problems []detect.Problem, tell func(done, total int)) []Finding {
	l := &linter{judge: coverage.NewJudge(), rules: rules}
	titles := map[string]string{}
	for _, p := range problems {
		if strings.Contains(p.Message, "switched off") {
			l.off = append(l.off, p.Rule)
		}
	}
	for i, r := range rules {
		titles[r.ID] = r.Title
		if r.Where != nil && !r.Own && r.Language != detect.Builtin {
			l.check(r)
		}
		if tell != nil {
			tell(i+1, len(rules))
		}
	}
	l.order()
	l.about()
	for _, p := range problems {
		if l.dead(p.Rule) && strings.Contains(p.Message, "never finds anything") {
			continue // said, and by what
		}
		l.found = append(l.found, Finding{Problem: p, Title: titles[p.Rule], Check: "read"})
	}
	slices.SortStableFunc(l.found, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(rank(a.Kind), rank(b.Kind)))
	})
	return slices.CompactFunc(l.found, func(a, b Finding) bool { return a.Problem == b.Problem })
}

func rank(kind string) int { return slices.Index([]string{"error", "warning", "note"}, kind) }

// tell notes something of the rule at hand, at the line where a word of it stands.
func (l *linter) tell(kind, check, at, format string, args ...any) {
	r := l.rule
	l.found = append(l.found, Finding{Title: r.Title, Check: check, Problem: detect.Problem{
		File: r.File, Line: lineOf(r, at), Rule: r.ID, Kind: kind, Message: fmt.Sprintf(format, args...)}})
}

// lineOf is the line of a rule's file on which a word of the rule stands; the rule's own if it is nowhere, as where a macro has it.
func lineOf(r *detect.Rule, word string) int {
	if word == "" || r.Language == detect.Search {
		return r.Line
	}
	n, began := 0, !strings.Contains(r.Text, "detection:") // what goes before is about the rule
	for text := range strings.Lines(r.Text) {
		began = began || strings.HasPrefix(text, "detection:")
		if began && !strings.HasPrefix(strings.TrimSpace(text), "#") && strings.Contains(strings.ToLower(text), strings.ToLower(word)) &&
			!strings.HasPrefix(text, "title:") && !strings.HasPrefix(text, "id:") {
			return max(r.Line, 1) + n
		}
		n++
	}
	return r.Line
}

func (l *linter) check(r *detect.Rule) {
	l.rule, l.part, l.leaves = r, r.Where.Parts(), nil
	l.gather(l.part, false)
	if slices.Contains(l.off, r.ID) {
		return
	}
	l.values()
	if l.judge.Never(r.Where) {
		l.never()
		return // what else it misses does not matter
	}
	l.alternatives(l.part, nil, false)
	if r.Language != detect.Falco { // whose reader tells of these
		l.blind()
		l.habits()
	}
}

func (l *linter) gather(p *match.Part, negated bool) {
	switch {
	case p.Leaf != nil:
		l.leaves = append(l.leaves, leaf{*p.Leaf, p.Leaf.Field(), p.Leaf.Samples(), p.Leaf.Exact() != nil, negated})
	case p.Not != nil:
		l.gather(p.Not, !negated)
	}
	for _, c := range slices.Concat(p.And, p.Or) {
		l.gather(c, negated)
	}
}

// conjuncts are what all must be true of a part.
func conjuncts(p *match.Part) []*match.Part {
	switch {
	case p.And != nil:
		var all []*match.Part
		for _, c := range p.And {
			all = append(all, conjuncts(c)...)
		}
		return all
	case p.Not != nil && p.Not.Not != nil:
		return conjuncts(p.Not.Not)
	case p.Not != nil && p.Not.Or != nil:
		var all []*match.Part
		for _, c := range p.Not.Or {
			all = append(all, conjuncts(&match.Part{Not: c})...)
		}
		return all
	}
	return []*match.Part{p}
}

// never says why a rule is true of no event: by the first condition, or the first two, of which that is so by themselves.
func (l *linter) never() {
	all := conjuncts(l.part)
	for _, c := range all {
		if l.judge.Never(c.Predicate()) {
			l.tell("error", "never", l.word(c), "it can never find anything: no audit event meets %s", text(c))
			return
		}
	}
	for i, a := range all {
		for _, b := range all[:i] {
			if l.judge.Never(match.And(a.Predicate(), b.Predicate())) {
				l.tell("error", "never", l.word(a), "it can never find anything: no audit event meets both %s and %s", text(b), text(a))
				return
			}
		}
	}
	l.tell("error", "never", "", "it can never find anything: no audit event meets all of its conditions together")
}

// word is a word of a part by which its line is found.
func (l *linter) word(p *match.Part) (word string) {
	switch {
	case p.Leaf != nil:
		for _, s := range p.Leaf.Samples() {
			if strings.Contains(strings.ToLower(l.rule.Text), strings.ToLower(s)) {
				return s
			}
		}
		_, last, _ := cutLast(p.Leaf.Field())
		return last
	case p.Not != nil:
		return l.word(p.Not)
	}
	for _, c := range slices.Concat(p.And, p.Or) {
		if word = l.word(c); word != "" {
			return word
		}
	}
	return ""
}

func cutLast(field string) (before, last string, ok bool) {
	if i := strings.LastIndexByte(field, '.'); i >= 0 {
		return field[:i], field[i+1:], true
	}
	return "", field, false
}

const maxText = 160

// text is a part in words.
func text(p *match.Part) string {
	s := p.Predicate().String()
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	return s
}

// maxAlternatives bounds how many alternatives of a rule are tried.
const maxAlternatives = 40

// alternatives finds those that can never be true, beside what else must be.
func (l *linter) alternatives(p *match.Part, beside []*match.Predicate, negated bool) {
	switch {
	case negated || p.Leaf != nil:
	case p.Not != nil:
		l.alternatives(p.Not, beside, !negated)
	case p.Or != nil:
		if len(p.Or) > maxAlternatives {
			return
		}
		for _, c := range p.Or {
			if l.judge.Never(match.And(append(slices.Clone(beside), c.Predicate())...)) {
				l.tell("warning", "dead", l.word(c), "this alternative can never be true here: %s", text(c))
			} else {
				l.alternatives(c, beside, negated)
			}
		}
	default:
		for i, c := range p.And {
			var others []*match.Predicate
			for j, o := range p.And {
				if i != j {
					others = append(others, o.Predicate())
				}
			}
			l.alternatives(c, append(slices.Clone(beside), others...), negated)
		}
	}
}

// blind finds tests that are as good as none where the body is not recorded.
func (l *linter) blind() {
	what := l.judge.Blind(l.rule.Where)
	if what == nil {
		return
	}
	at := ""
	for _, t := range l.leaves {
		if t.negated && (strings.HasPrefix(t.field, "requestObject") || strings.HasPrefix(t.field, "responseObject") || strings.HasPrefix(t.field, "pod.")) {
			if _, at, _ = cutLast(t.field); at != "" {
				break
			}
		}
	}
	l.tell("warning", "blind", at, "where the audit policy records no body it finds every %s: it asks that something is not in the body; ask that there is a body, too (requestObject)", what[0])
}
