package coverage

import (
	"encoding/json"
	"strings"

	"annals.dev/audit"
	"annals.dev/internal/match"
)

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
			case does && !r.could(p.leaves[i].field):
				p.scratch[i] = nothing[i]
			case does:
				p.scratch[i] = match.Maybe
			default:
				p.scratch[i] = nothing[i]
				p.unseen[i] = could && r.could(p.leaves[i].field)
				unseen = unseen || p.unseen[i]
			}
		}
	}
	for _, i := range p.by[aboutConstant] {
		p.scratch[i] = nothing[i]
	}
	// A body that comes with a later stage is not seen either.
	body(aboutRequest, r.hasBody(audit.StageResponseComplete), r.hasBody(stage) && level.AtLeast(audit.LevelRequest))
	body(aboutResponse, true, r.hasAnswer(stage) && level.AtLeast(audit.LevelRequestResponse))
	for _, i := range p.by[aboutFree] {
		if !r.free(p.leaves[i].field, stage) {
			p.scratch[i] = nothing[i]
		}
	}
	return unseen
}

// could says whether the body of a request may have a field: of what is built in, the types say so.
func (r *request) could(field string) bool {
	top, rest, _ := strings.Cut(field, ".")
	builtin := BodyOf(r.group, r.resource, r.sub)
	whole := r.sub == "" || r.sub == "status" || r.sub == "approval" || r.sub == "ephemeralcontainers" || r.sub == "resize"
	switch {
	case builtin == nil:
		return true
	case r.verb == "delete" || r.verb == "deletecollection": // the body is how to delete
		return top == "requestObject" || top == "responseObject"
	case top == "pod":
		return whole && (templates[r.resource] != "" || r.resource == "persistentvolumes" && strings.HasPrefix(rest, "hostPath"))
	case top == "role":
		return r.resource == "roles" || r.resource == "clusterroles"
	case top == "binding":
		return r.resource == "rolebindings" || r.resource == "clusterrolebindings"
	case top == "csr":
		return r.resource == "certificatesigningrequests"
	case top != "requestObject" || r.verb == "patch" || rest == "":
		return true
	}
	shape, _ := builtin.At(split(rest))
	return shape != Nowhere
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
	case late(field) && early, nobody && top != "responseStatus" && late(field):
		return false
	case top == "user":
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
		text, _ := json.Marshal(uri)
		rows = append(rows, &match.Row{View: &audit.View{AuditID: audit.Text("x"), RequestURI: text[1 : len(text)-1]}})
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
