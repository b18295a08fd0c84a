package coverage

import (
	"fmt"
	"slices"
	"strings"

	"annals.dev/audit"
	"annals.dev/internal/match"
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
	stages    []audit.Stage // any one of them
}

// seen is what a rule makes of a request's events at a level.
type seen struct {
	fires  []audit.Stage // at which it fires
	blind  []audit.Stage // at which it fires for want of a body
	model  *model        // of the first at which it fires
	stage  audit.Stage
	ofWays []bool
}

func (p *proof) request(r *request) {
	for _, i := range p.by[aboutName] {
		p.truths[i] = match.Maybe
	}
	p.bodiless = false
	ideal := p.at(r, audit.LevelRequestResponse, 0)
	if len(ideal.fires) == 0 { // it may be about what is not recorded
		p.bodiless = true
		if ideal = p.at(r, audit.LevelRequest, 0); len(ideal.fires) == 0 {
			ideal = p.at(r, audit.LevelMetadata, 0)
		}
		if len(ideal.fires) == 0 {
			return
		}
	}
	for i, ok := range ideal.ofWays {
		p.wayIdeal[i] = p.wayIdeal[i] || ok
	}
	n := need{class: p.class, verb: r.verb, namespace: r.namespace, name: r.name, user: r.user}
	for _, level := range levels {
		if s := p.at(r, level, 0); len(s.fires) > 0 {
			n.level, n.stages = level, s.fires
			break
		}
	}
	p.needs = append(p.needs, n)
	if n.level.Order() > p.level.Order() {
		p.level = n.level
	}
	for _, s := range ideal.fires {
		if !slices.Contains(p.stages, s) {
			p.stages = append(p.stages, s)
		}
	}
	a := r.attributes()
	d := p.world.evaluator.Decide(&a)
	var is seen
	if d.Level != audit.LevelNone {
		is = p.at(r, d.Level, uint8(d.Omit))
	}
	for i, ok := range is.ofWays {
		p.wayFires[i] = p.wayFires[i] || ok
	}
	if len(is.fires) > 0 {
		p.fires++
		if p.witness == nil && is.model.event != nil {
			m := is.model
			if m.of != r { // made for a request of which the policy may think otherwise
				p.settle(r, d.Level, is.stage)
				m = p.search(r, d.Level, is.stage)
			}
			if m.event != nil {
				p.witness = &Witness{Request: r.describe(), PolicyRule: d.Rule, Level: d.Level, Stage: is.stage, Event: m.event, Cluster: m.cluster}
			}
		}
		return
	}
	b := &Blocked{PolicyRule: d.Rule, Level: d.Level, Cause: NotRecorded, Needs: n.level, Stages: n.stages}
	switch {
	case p.bodiless && d.Level.Order() > n.level.Order():
		p.seen++
		return
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
}

// block notes that a request is not seen.
func (p *proof) block(r *request, b *Blocked) {
	key := fmt.Sprint(b.PolicyRule, b.Cause, b.Level, b.Needs, b.Stages)
	known := p.blocked[key]
	if known == nil {
		known = b
		p.blocked[key] = known
		p.order = append(p.order, key)
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
	s.ofWays = make([]bool, len(p.ways))
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
		m := p.model(r, level, stage)
		if m.impossible {
			continue
		}
		if len(s.fires) == 0 || s.model.event == nil && m.event != nil {
			s.model, s.stage = m, stage
		}
		s.fires = append(s.fires, stage)
		for i, way := range p.ways {
			s.ofWays[i] = s.ofWays[i] || way.fold(p.scratch) != match.No && (!unseen || p.bodiless || way.worst(p.scratch, p.unseen, false) != match.No)
		}
	}
	return s
}

// settle decides in scratch all tests that an event at that level and stage decides. It says whether some look at a body that
// the event lacks, and one of a higher level has.
func (p *proof) settle(r *request, level audit.Level, stage audit.Stage) (unseen bool) {
	copy(p.scratch, p.truths)
	clear(p.unseen)
	nothing := p.nothing(r)
	p.recall(p.scratch, aboutLevel, string(level))
	p.recall(p.scratch, aboutStage, string(stage))
	if !r.named() || stage == audit.StageRequestReceived {
		p.recall(p.scratch, aboutName, r.name)
	}
	p.settleURI(r)
	body := func(kind about, could, does bool) {
		for _, i := range p.by[kind] {
			switch {
			case does:
				p.scratch[i] = match.Maybe
			default:
				p.scratch[i] = nothing[i]
				p.unseen[i] = could
				unseen = unseen || could
			}
		}
	}
	for _, i := range p.by[aboutConstant] {
		p.scratch[i] = nothing[i]
	}
	hasBody, hasAnswer := r.hasBody(stage), r.hasAnswer(stage)
	body(aboutRequest, hasBody, hasBody && level.AtLeast(audit.LevelRequest))
	body(aboutResponse, hasAnswer, hasAnswer && level.AtLeast(audit.LevelRequestResponse))
	for _, i := range p.by[aboutFree] {
		if !r.free(p.leaves[i].field, stage) {
			p.scratch[i] = nothing[i]
		}
	}
	return unseen
}

// recall puts the truths of the tests of one kind, with one value, into truths.
func (p *proof) recall(truths []match.Truth, kind about, value string) {
	if len(p.by[kind]) == 0 {
		return
	}
	known, ok := p.recalled[kind][value]
	if !ok {
		var event map[string]any
		switch kind {
		case aboutLevel:
			event = map[string]any{"level": value}
		case aboutStage:
			event = map[string]any{"stage": value}
		case aboutVerb:
			event = map[string]any{"verb": value}
		case aboutName:
			event = map[string]any{"objectRef": map[string]any{"name": value, "resource": "x"}}
		case aboutNamespace:
			event = map[string]any{"objectRef": map[string]any{"namespace": value, "resource": "x"}}
		}
		if value == "" { // absent
			event = map[string]any{"objectRef": map[string]any{"resource": "x"}}
		}
		row := rowOf(event)
		for _, i := range p.by[kind] {
			is := truth(p.leaves[i].Match(row))
			if value == unknown && !p.leaves[i].exact {
				is = match.Maybe
			}
			known = append(known, is)
		}
		if p.recalled[kind] == nil {
			p.recalled[kind] = map[string][]match.Truth{}
		}
		p.recalled[kind][value] = known
	}
	for n, i := range p.by[kind] {
		truths[i] = known[n]
	}
}

// named says whether the event's object may be named though the policy saw no name: the body names what is created.
func (r *request) named() bool { return r.path == "" && r.verb == "create" && r.unnamed }

// free says whether an event of the request may have anything in a field that is not the request's itself.
func (r *request) free(field string, stage audit.Stage) bool {
	early, nobody := stage == audit.StageRequestReceived, r.user.UserInfo == nil
	top, _, _ := strings.Cut(field, ".")
	switch {
	case top == "exec":
		return r.sub == "exec"
	case top == "impersonatedUser", top == "authenticationMetadata", strings.HasPrefix(field, "annotations.authorization.k8s.io/"):
		return !early && !nobody
	case top == "responseStatus":
		return !early
	case top == "user", field == "actor":
		return !nobody
	}
	return true
}

// nothing are the tests held against an event that says what it is about, and no more.
func (p *proof) nothing(r *request) []match.Truth {
	key := r.target.String() + " " + r.verb
	if known := p.absent[key]; known != nil {
		return known
	}
	about := map[string]any{"verb": r.verb, "stageTimestamp": stamp(eventTime)}
	if r.path == "" {
		about["objectRef"] = r.reference("", "")
	}
	row := rowOf(about)
	all := make([]match.Truth, len(p.leaves))
	for i := range p.leaves {
		all[i] = truth(p.leaves[i].Match(row))
	}
	p.absent[key] = all
	return all
}

// settleURI decides the tests of the URI: what stands behind its path is the client's choice.
func (p *proof) settleURI(r *request) {
	if len(p.by[aboutURI]) == 0 {
		return
	}
	plain := r.uri()
	if known := p.recalled[aboutURI][plain]; known != nil {
		for n, i := range p.by[aboutURI] {
			p.scratch[i] = known[n]
		}
		return
	}
	var rows []*match.Row
	for _, uri := range p.urisOf(r) {
		rows = append(rows, rowOf(map[string]any{"requestURI": uri}))
	}
	var all []match.Truth
	defer func() {
		if p.recalled[aboutURI] == nil {
			p.recalled[aboutURI] = map[string][]match.Truth{}
		}
		p.recalled[aboutURI][plain] = all
	}()
	for _, i := range p.by[aboutURI] {
		passes := 0
		for _, row := range rows {
			if p.leaves[i].Match(row) {
				passes++
			}
		}
		if p.scratch[i] = match.Maybe; passes == 0 && len(p.leaves[i].samples) > 0 {
			p.scratch[i] = match.No
		}
		all = append(all, p.scratch[i])
	}
}

// urisOf are URIs with which a request can be asked: as it is, and with what the rule would like to see in it.
func (p *proof) urisOf(r *request) []string {
	plain := r.uri()
	all := []string{plain, plain + "?timeout=30s"}
	sign := "?"
	if strings.Contains(plain, "?") {
		sign = "&"
	}
	for _, u := range p.uris {
		switch {
		case u == plain:
		case strings.HasPrefix(u, plain+"?"):
			all = append(all, u)
		default:
			all = append(all, plain+sign+u, plain+sign+"command="+u)
		}
	}
	return all
}
