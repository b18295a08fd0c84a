package coverage

import (
	"fmt"
	"slices"
	"strings"

	"annals.dev/audit"
	"annals.dev/internal/match"
	"annals.dev/policy"
)

var levels = []audit.Level{audit.LevelMetadata, audit.LevelRequest, audit.LevelRequestResponse}

// need is a request that a rule is about, and the least that has to be recorded of it.
type need struct {
	class     *class
	verb      string
	namespace string
	name      string
	user      *identity
	level     audit.Level
	stages    []audit.Stage // any one of them, or all
	all       bool
}

// seen is what a rule makes of a request's events at a level.
type seen struct {
	fires  []audit.Stage // at which it fires
	blind  []audit.Stage // at which it fires for want of a body
	model  *model        // of the first at which it fires
	stage  audit.Stage
	ofWays []bool
	at     map[audit.Stage][]bool // the same, by stage
}

// likeness is what a rule makes of requests that it does not tell apart.
type likeness struct {
	ideal    seen // where all is recorded
	need     need
	bodiless bool // the rule is about what is not recorded of it
	decided  map[policy.Decision]bool
}

func (p *proof) request(r *request) {
	for _, i := range p.by[aboutName] {
		p.truths[i] = match.Maybe
	}
	k := p.likeness(r)
	if len(k.ideal.fires) == 0 {
		return
	}
	p.bodiless = k.bodiless
	if !k.bodiless {
		n := k.need
		n.namespace, n.name, n.user = r.namespace, r.name, r.user
		p.needs = append(p.needs, n)
	}
	a := r.attributes()
	d := p.world.evaluator.Decide(&a)
	if seen, known := k.decided[d]; known && (seen || p.witness != nil) {
		return // as with another
	}
	k.decided[d] = p.decision(r, d, k)
}

// likeness gives what is known of requests like this one.
func (p *proof) likeness(r *request) *likeness {
	key := make([]byte, 0, len(p.truths)+64)
	for _, t := range p.truths {
		key = append(key, byte('b'+t))
	}
	key = fmt.Appendf(key, " %p %s %v", r.target, r.verb, r.user.UserInfo == nil)
	if len(p.by[aboutName]) > 0 {
		key = fmt.Appendf(key, " %q", r.name)
	}
	if len(p.by[aboutURI])+len(p.by[aboutAnything]) > 0 {
		key = fmt.Appendf(key, " %q", r.uri())
	}
	if known := p.alike[string(key)]; known != nil {
		return known
	}
	k := &likeness{decided: map[policy.Decision]bool{}}
	p.alike[string(key)] = k
	p.bodiless = false
	k.ideal = p.at(r, audit.LevelRequestResponse, 0)
	if len(k.ideal.fires) == 0 { // it may be about what is not recorded
		p.bodiless, k.bodiless = true, true
		if k.ideal = p.at(r, audit.LevelRequest, 0); len(k.ideal.fires) == 0 {
			k.ideal = p.at(r, audit.LevelMetadata, 0)
		}
		if len(k.ideal.fires) == 0 {
			return k
		}
	}
	k.need = p.need(r, &k.ideal)
	if k.need.level.Order() > p.level.Order() {
		p.level = k.need.level
	}
	for _, s := range k.ideal.fires {
		if !slices.Contains(p.stages, s) {
			p.stages = append(p.stages, s)
		}
	}
	return k
}

// decision notes what a rule sees of a request of which a policy has decided. It says whether there is no more to be learned of
// another like it.
func (p *proof) decision(r *request, d policy.Decision, k *likeness) bool {
	var is seen
	if d.Level != audit.LevelNone {
		is = p.at(r, d.Level, uint8(d.Omit))
	}
	n := &k.need
	if len(is.fires) > 0 {
		p.fires++
		p.testify(r, d, &is)
		if regular(k.ideal.fires) && !regular(is.fires) { // what does not make the server panic is lost
			p.part++
			p.block(r, &Blocked{PolicyRule: d.Rule, Level: d.Level, Cause: StageOmitted, Needs: n.level, Stages: n.stages})
			return true
		}
		p.missing(r, d, &k.ideal, &is)
		return p.witness != nil
	}
	b := &Blocked{PolicyRule: d.Rule, Level: d.Level, Cause: NotRecorded, Needs: n.level, Stages: n.stages}
	switch {
	case k.bodiless && d.Level.Order() > n.level.Order():
		p.seen++
		return true
	case len(is.blind) > 0:
		p.blind++
		b.Cause = Undecided
	case d.Level == audit.LevelNone:
		p.none++
	default:
		p.none++
		b.Cause = StageOmitted
		if s := p.at(r, audit.LevelRequestResponse, uint8(d.Omit)); len(s.fires) > 0 && n.level.Order() > d.Level.Order() {
			b.Cause = LevelTooLow
		}
	}
	p.block(r, b)
	return true
}

// regular says whether there are stages among these that a request goes through when all is well with the server.
func regular(stages []audit.Stage) bool {
	return slices.ContainsFunc(stages, func(s audit.Stage) bool { return s != audit.StagePanic })
}

// need is the least that has to be recorded of a request, for all alternatives that the rule has for it.
func (p *proof) need(r *request, ideal *seen) need {
	n := need{class: p.class, verb: r.verb, namespace: r.namespace, name: r.name, user: r.user}
	wanted := slices.Clone(ideal.ofWays)
	if len(p.ways) > 1 {
		p.settle(r, audit.LevelRequestResponse, ideal.fires[0])
		for i := range wanted {
			wanted[i] = wanted[i] && !p.model(p.ways[i], r, audit.LevelRequestResponse, ideal.fires[0]).impossible
		}
	}
	covers := func(has []bool) bool {
		for i, want := range wanted {
			if want && !has[i] {
				return false
			}
		}
		return true
	}
	for _, level := range levels {
		s := p.at(r, level, 0)
		if len(s.fires) == 0 || !covers(s.ofWays) {
			continue
		}
		n.level = level
		for _, stage := range s.fires {
			if covers(s.at[stage]) {
				n.stages = append(n.stages, stage)
			}
		}
		if n.all = n.stages == nil; n.all {
			n.stages = s.fires
		}
		if regular(n.stages) {
			n.stages = slices.DeleteFunc(n.stages, func(s audit.Stage) bool { return s == audit.StagePanic })
		}
		return n
	}
	n.level, n.stages = audit.LevelRequestResponse, ideal.fires
	return n
}

// testify keeps an event on which the rule fires.
func (p *proof) testify(r *request, d policy.Decision, is *seen) {
	if p.witness != nil || is.model.event == nil {
		return
	}
	m := is.model
	if m.of != r { // made for a request of which the policy may think otherwise
		p.settle(r, d.Level, is.stage)
		m = p.search(p.root, r, d.Level, is.stage)
	}
	if m.event != nil {
		p.witness = &Witness{Request: r.describe(), PolicyRule: d.Rule, Level: d.Level, Stage: is.stage, Event: m.event, Cluster: m.cluster}
	}
}

// missing notes the alternatives that are lost of a request on which the rule fires by another.
func (p *proof) missing(r *request, d policy.Decision, ideal, is *seen) {
	for i, way := range p.ways {
		if !ideal.ofWays[i] || is.ofWays[i] {
			continue
		}
		p.settle(r, audit.LevelRequestResponse, ideal.fires[0])
		if len(p.ways) > 1 && p.model(way, r, audit.LevelRequestResponse, ideal.fires[0]).impossible {
			continue
		}
		b := &Blocked{PolicyRule: d.Rule, Level: d.Level, Cause: StageOmitted, Alternative: p.text(way)}
		for _, level := range levels {
			if s := p.at(r, level, 0); s.ofWays[i] {
				b.Needs, b.Stages = level, s.fires
				break
			}
		}
		if b.Needs.Order() > d.Level.Order() {
			b.Cause = LevelTooLow
		}
		p.part++
		p.block(r, b)
	}
}

// block notes that a request is not seen.
func (p *proof) block(r *request, b *Blocked) {
	key := fmt.Sprint(b.PolicyRule, b.Cause, b.Level, b.Needs, b.Stages, b.Alternative)
	if b.Cause == NotRecorded {
		key = fmt.Sprint(b.PolicyRule, b.Cause)
		b.Stages = nil
	}
	known := p.blocked[key]
	if known == nil {
		known = b
		p.blocked[key] = known
		p.order = append(p.order, key)
	} else if b.Needs.Order() > known.Needs.Order() {
		known.Needs = b.Needs
	}
	for _, t := range p.class.targets {
		if what := r.verb + " " + t.String(); !slices.Contains(known.What, what) {
			known.What = append(known.What, what)
		}
	}
}

// String names a target as people do: pods/exec, deployments.apps.
func (t *target) String() string {
	if t.path != "" {
		return t.path
	}
	s := t.resource
	if t.group != "" {
		s += "." + t.group
	}
	if t.sub != "" {
		s += "/" + t.sub
	}
	return s
}

func (r *request) describe() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", r.verb, r.target)
	if r.name != "" {
		fmt.Fprintf(&b, " %s", r.name)
	}
	if r.namespace != "" && r.namespace != r.name {
		fmt.Fprintf(&b, " in %s", r.namespace)
	}
	switch {
	case r.user.UserInfo == nil:
		b.WriteString(" by nobody who could be authenticated")
	default:
		fmt.Fprintf(&b, " by %s", r.user.Username)
		if len(r.user.Groups) > 0 {
			fmt.Fprintf(&b, " (%s)", strings.Join(r.user.Groups, ", "))
		}
	}
	return b.String()
}

// at says what the rule makes of a request's events at a level, but for the stages that are omitted.
func (p *proof) at(r *request, level audit.Level, omit uint8) (s seen) {
	s.ofWays, s.at = make([]bool, len(p.ways)), map[audit.Stage][]bool{}
	for _, stage := range r.stages() {
		if omit&(1<<stage.Order()) != 0 {
			continue
		}
		unseen := p.settle(r, level, stage)
		if p.root.fold(p.scratch) == match.No {
			continue
		}
		if unseen && !p.bodiless && p.root.worst(p.scratch, p.unseen, false) == match.No {
			s.blind = append(s.blind, stage)
			continue
		}
		m := p.model(p.root, r, level, stage)
		if m.impossible {
			continue
		}
		if len(s.fires) == 0 || s.model.event == nil && m.event != nil {
			s.model, s.stage = m, stage
		}
		s.fires = append(s.fires, stage)
		here := make([]bool, len(p.ways))
		for i, way := range p.ways {
			here[i] = way.fold(p.scratch) != match.No && (!unseen || p.bodiless || way.worst(p.scratch, p.unseen, false) != match.No)
			s.ofWays[i] = s.ofWays[i] || here[i]
		}
		s.at[stage] = here
	}
	return s
}
