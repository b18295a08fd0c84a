package server

import (
	"encoding/json"
	"slices"
	"strings"

	"annals.dev/audit"
	"annals.dev/internal/access"
	"annals.dev/internal/detect"
	"annals.dev/internal/ledger"
	"annals.dev/internal/match"
)

// sees says whether somebody sees a finding all of whose events are in their scope. An auditor sees all. A reader sees none about
// Annals itself, and one without a right to bodies none that may tell of bodies. Whoever has a scope sees none that other events
// than those decided, too: whether there is one would tell of them.
func (f *finder) sees(x *Finding) bool {
	if f.by.Role.AtLeast(access.Auditor) {
		return true
	}
	r := f.rules[x.Rule]
	switch {
	case x.Cluster == ledger.Own:
		return false
	case !f.by.Bodies && (r == nil || r.Version != x.Version || f.rules.readsBodies(r, 0)):
		return false
	case f.by.ScopeText == "":
		return true
	}
	return r != nil && x.Unusual == nil && (r.Where != nil || r.Correlation != nil && within(f.by.Scope, x))
}

// within says whether all events that have in common what those of a correlation have are in a scope. Where that is not certain,
// an event outside may have been what made it a finding, or kept it from being one.
func within(scope *match.Predicate, x *Finding) bool {
	common := map[string]string{"cluster": x.Cluster}
	for name, value := range x.Group {
		if p, err := match.ParsePath(name); err == nil && slices.Contains(single, p.Name()) {
			common[p.Name()] = value
		}
	}
	row := rowWith(common)
	return row != nil && scope.Fold(func(l match.Leaf) match.Truth {
		switch _, known := common[l.Field()]; {
		case !known:
			return match.Maybe
		case l.Match(row):
			return match.Yes
		}
		return match.No
	}) == match.Yes
}

// single are fields that have one value in each event.
var single = []string{"verb", "user.username", "impersonatedUser.username", "objectRef.resource", "objectRef.subresource", "objectRef.namespace",
	"objectRef.name", "objectRef.apiGroup", "peer", "userAgent", "auditID", "level"}

// rowWith is an event that has these fields and no others; nil if there can be none.
func rowWith(fields map[string]string) *match.Row {
	type object = map[string]any
	user, as, ref := object{}, object{}, object{}
	e := object{"user": user, "impersonatedUser": as, "objectRef": ref}
	for field, value := range fields {
		switch head, rest, _ := strings.Cut(field, "."); head {
		case "user":
			user[rest] = value
		case "impersonatedUser":
			as[rest] = value
		case "objectRef":
			ref[rest] = value
		case "peer":
			e["sourceIPs"] = []string{value}
		default:
			e[head] = value
		}
	}
	text, err := json.Marshal(e)
	row := &match.Row{View: new(audit.View), Cluster: fields["cluster"]}
	if err != nil || row.View.Parse(text) != nil {
		return nil
	}
	return row
}

// ruleSet are the rules that there are, by ID.
type ruleSet map[string]*detect.Rule

const maxCorrelations = 10 // one upon another

// readsBodies says whether what a rule finds may tell of bodies. Of rules of which only the first reports, another one that reads
// bodies may have kept it from reporting.
func (rs ruleSet) readsBodies(r *detect.Rule, depth int) bool {
	switch {
	case r == nil || depth > maxCorrelations || r.First != "" || r.Output != nil:
		return true
	case r.Correlation != nil:
		for _, keys := range r.Correlation.Keys {
			for _, k := range keys {
				if k.Path == nil || bodyField(k.Path.Name()) {
					return true
				}
			}
		}
		for _, k := range r.Correlation.Values {
			if k.Path == nil || bodyField(k.Path.Name()) {
				return true
			}
		}
		return slices.ContainsFunc(r.Correlation.Rules, func(id string) bool { return rs.readsBodies(rs[id], depth+1) })
	case r.Where == nil:
		return true // a detector in Go
	}
	for _, p := range r.Fields {
		if bodyField(p.Name()) {
			return true
		}
	}
	reads := false
	r.Where.Fold(func(l match.Leaf) match.Truth { // of what is not known, every test is asked for
		reads = reads || bodyField(l.Field())
		return match.Maybe
	})
	return reads
}

// bodyField says whether a field holds something of a body, or may.
func bodyField(name string) bool {
	return !slices.ContainsFunc(bodiless, func(f string) bool { return name == f || strings.HasPrefix(name, f+".") })
}

// bodiless are the fields that hold nothing of a body.
var bodiless = func() (names []string) {
	for _, f := range match.Fields() {
		switch root, _, _ := strings.Cut(f.Name, "."); root {
		case "requestObject", "responseObject", "pod", "role", "binding", "csr", "object":
		default:
			names = append(names, f.Name)
		}
	}
	return names
}()
