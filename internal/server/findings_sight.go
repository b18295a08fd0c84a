package server

import (
	"slices"
	"strings"

	"annals.dev/internal/access"
	"annals.dev/internal/detect"
	"annals.dev/internal/ledger"
	"annals.dev/internal/match"
)

// sees says whether somebody sees a finding all of whose events are in their scope. An auditor sees all. A reader sees none about
// Annals itself; one without a right to bodies none that a rule found in bodies; and one with a scope none that was found by
// comparing with other events than it names.
func (f *finder) sees(x *Finding) bool {
	switch {
	case x.Cluster == ledger.Own && !f.by.Role.AtLeast(access.Auditor):
		return false
	case !f.by.Bodies && f.rules.ofBodies(x):
		return false
	}
	return f.by.ScopeText == "" || x.Unusual == nil && !f.rules.ofOthers(x)
}

// ruleSet are the rules that there are, by ID.
type ruleSet map[string]*detect.Rule

// ofBodies says whether a finding tells of bodies: its rule looks at them, or is not known any more.
func (rs ruleSet) ofBodies(f *Finding) bool {
	r := rs[f.Rule]
	return r == nil || r.Version != f.Version || rs.readsBodies(r, 0)
}

const maxCorrelations = 10 // one upon another

func (rs ruleSet) readsBodies(r *detect.Rule, depth int) bool {
	switch {
	case r == nil || depth > maxCorrelations:
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

// ofOthers says whether a finding was made by comparing with other events than it names.
func (rs ruleSet) ofOthers(f *Finding) bool {
	r := rs[f.Rule]
	return r == nil || r.Language == detect.Builtin
}
