package coverage

import (
	"fmt"
	"slices"
	"strings"

	"annals.dev/audit"
	"annals.dev/internal/detect"
)

// result is what the proof has found.
func (p *proof) result(res *Result) {
	p.run()
	res.Level, res.Stages, res.Witness, res.needs = p.level, p.stages, p.witness, p.needs
	slices.SortFunc(res.Stages, func(a, b audit.Stage) int { return a.Order() - b.Order() })
	switch {
	case p.fires+p.blind+p.none == 0 && p.seen > 0:
		res.Verdict, res.Note = Beyond, "it is about what is not recorded, and this policy records it"
		return
	case p.fires+p.blind+p.none == 0:
		res.Verdict = Never
		res.Note = "there is no audit event that it is true of; annals rules lint says why"
		return
	case p.blind+p.none+p.part == 0:
		res.Verdict = Fires
	case p.fires > 0:
		res.Verdict = Partly
	case p.blind > 0:
		res.Verdict = Blind
	default:
		res.Verdict = Cannot
	}
	for _, key := range p.order {
		b := p.blocked[key]
		b.Line, b.Summary = p.world.line(b.PolicyRule), p.world.summary(b.PolicyRule)
		b.What = together(b.What)
		res.Blocked = append(res.Blocked, *b)
	}
	if res.Verdict == Fires || res.Verdict == Partly {
		if res.Witness == nil {
			res.Note = "it is possible, but no event could be made on which it fires"
		}
	}
}

func (w *world) line(rule int) int {
	if rule < 0 || rule >= len(w.Lines) {
		return 0
	}
	return w.Lines[rule]
}

func (w *world) summary(rule int) string {
	if rule < 0 {
		return "None · what no rule matches"
	}
	return w.Rules[rule].Summary()
}

// together makes "get, list secrets" of what is told verb by verb.
func together(what []string) (all []string) {
	verbs := map[string][]string{}
	var order []string
	for _, s := range what {
		verb, of, _ := strings.Cut(s, " ")
		if verbs[of] == nil {
			order = append(order, of)
		}
		verbs[of] = append(verbs[of], verb)
	}
	of := map[string][]string{}
	var keys []string
	for _, target := range order {
		key := strings.Join(verbs[target], ", ")
		if len(verbs[target]) == len(allVerbs) {
			key = "any verb of"
		}
		if of[key] == nil {
			keys = append(keys, key)
		}
		of[key] = append(of[key], target)
	}
	const most = 8
	for _, key := range keys {
		targets := of[key]
		if len(targets) > most {
			targets = append(slices.Clone(targets[:most-1]), fmt.Sprintf("%d more", len(targets)-most+1))
		}
		all = append(all, key+" "+strings.Join(targets, ", "))
	}
	return all
}

const maxText = 300

// text is a branch in words.
func (p *proof) text(b *branch) string {
	s := p.write(b)
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	return s
}

func (p *proof) write(b *branch) string {
	switch b.op {
	case 'l':
		return p.leaves[b.leaf].key
	case '!':
		return "not " + p.write(b.kids[0])
	}
	var parts []string
	for _, k := range b.kids {
		s := p.write(k)
		if k.op == '|' || k.op == '&' && b.op == '|' {
			s = "(" + s + ")"
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, map[byte]string{'&': " ", '|': " OR "}[b.op])
}

// correlate says of a correlation what follows from its rules: where several must occur, all must fire.
func correlate(r *detect.Rule, rules []*detect.Rule, by map[string]*Result, open map[string]bool) {
	res := by[r.ID]
	if res.Verdict != "" || open[r.ID] {
		return
	}
	open[r.ID] = true
	truths := map[string]Verdict{}
	for _, id := range r.Correlation.Rules {
		of := by[id]
		if of == nil {
			truths[id] = Never
			res.Of = append(res.Of, Part{id, Never})
			continue
		}
		for _, other := range rules {
			if other.ID == id && other.Correlation != nil {
				correlate(other, rules, by, open)
			}
		}
		truths[id] = of.Verdict
		res.Of = append(res.Of, Part{id, of.Verdict})
	}
	var all []Verdict
	for _, id := range r.Correlation.Rules {
		all = append(all, truths[id])
	}
	switch kind := r.Correlation.Kind; {
	case r.Correlation.Of != nil:
		res.Verdict = expression(r.Correlation.Of, truths)
	case kind == detect.Temporal || kind == detect.TemporalOrdered:
		res.Verdict = worst(all)
	default:
		res.Verdict = best(all)
	}
	if res.Verdict != Fires {
		var short []string
		for _, p := range res.Of {
			if p.Verdict != Fires {
				short = append(short, fmt.Sprintf("%s (%s)", p.Rule, p.Verdict))
			}
		}
		res.Note = "it is made of " + strings.Join(short, ", ")
	}
}

// order is from what sees the least to what sees the most. A blind rule fires, but what it says of a window is worth nothing.
var order = []Verdict{Never, Cannot, Blind, Partly, Beyond, Fires}

func rank(v Verdict) int { return slices.Index(order, v) }

func worst(all []Verdict) Verdict {
	least := Fires
	for _, v := range all {
		if rank(v) < rank(least) {
			least = v
		}
	}
	return least
}

// best is for what any of the rules can bring about: all of them for all, some of them for part of it.
func best(all []Verdict) Verdict {
	most := Never
	for _, v := range all {
		if rank(v) > rank(most) {
			most = v
		}
	}
	if (most == Fires || most == Beyond) && worst(all) != most {
		return Partly
	}
	return most
}

func expression(x *detect.RuleExpr, of map[string]Verdict) Verdict {
	var all []Verdict
	switch {
	case x.Rule != "":
		return of[x.Rule]
	case x.Not != nil:
		return Fires // it holds where nothing is seen
	case x.And != nil:
		for _, y := range x.And {
			all = append(all, expression(y, of))
		}
		return worst(all)
	}
	for _, y := range x.Or {
		all = append(all, expression(y, of))
	}
	return best(all)
}
