// Package falco reads Falco's rules for source k8s_audit. Start with Parse.
//
// It promises that a rule finds what Falco finds: its grammar, its macros, lists, exceptions and overrides, and its notion that
// an absent field passes no test, != neither. Where Falco itself is wrong, the default is to do it right (docs/falco.md says
// where), and Options turns that off.
package falco

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"annals.dev/internal/detect"
	"annals.dev/internal/match"
)

// Options are how rules are read.
type Options struct {
	All      bool // every rule that matches reports, not only the first of a file's order
	Upstream bool // the four fields that are broken upstream stay as they are there
}

// Source is the only one whose rules are read.
const Source = "k8s_audit"

// Parse reads files of rules in their order, as Falco loads them one after another. What cannot be used is told, and does not
// hinder the rest.
func Parse(files []detect.File, opt Options) (rules []*detect.Rule, problems []detect.Problem) {
	l := newLoader()
	for _, f := range files {
		l.file(f)
	}
	r := newResolver(l, opt)
	ids := map[string]bool{}
	for _, def := range l.rules {
		if def.source != Source {
			l.otherSources[def.file+"\x00"+def.source]++
			continue
		}
		rule, more := r.rule(def, opt)
		l.problems = append(l.problems, more...)
		if rule == nil {
			continue
		}
		if ids[rule.ID] {
			l.problem(def.file, def.line, rule.ID, "error", "another rule has this ID: names that differ in / alone are taken for the same")
			continue
		}
		ids[rule.ID] = true
		rules = append(rules, rule)
	}
	l.tellOthers()
	return rules, l.problems
}

func id(name string) string { return "falco/" + strings.ReplaceAll(name, "/", " ") }

// rule compiles a rule: nil if it cannot be used, or is not enabled.
func (r *resolver) rule(d *ruleDef, opt Options) (*detect.Rule, []detect.Problem) {
	var problems []detect.Problem
	tell := func(kind, format string, args ...any) {
		problems = append(problems, detect.Problem{File: d.file, Line: d.line, Rule: id(d.name), Kind: kind, Message: fmt.Sprintf(format, args...)})
	}
	if !d.enabled {
		tell("note", "it is not enabled")
		return nil, problems
	}
	e, err := r.condition(d.withExceptions())
	if err != nil {
		if _, unknown := err.(unknownField); unknown && d.skipUnknown {
			tell("note", "not used: %v, and it says to skip it then", err)
		} else {
			tell("error", "%v", err)
		}
		return nil, problems
	}
	severity, ok := severities[strings.ToLower(d.priority)]
	if !ok {
		tell("error", "priority %q is none of Emergency, Alert, Critical, Error, Warning, Notice, Informational, Debug", d.priority)
		return nil, problems
	}
	output := r.output(d.output)
	where := predicate(e)
	rule := &detect.Rule{
		ID: id(d.name), Name: d.name, Title: d.name, Language: detect.Falco, Severity: severity, About: strings.TrimSpace(d.desc),
		Tags: d.tags, File: d.file, Line: d.line, Text: d.text, Where: where, Output: output.text, Fields: output.paths,
	}
	rule.Techniques, rule.Tactics = attack(d.tags)
	first := ""
	if !opt.All {
		rule.First, first = "falco", "first"
	}
	rule.Version = version(d.name, where.String(), d.output, string(severity), strings.Join(d.tags, ","), first)
	for _, f := range r.defects(d, e, output) {
		problems = append(problems, detect.Problem{File: d.file, Line: d.line, Rule: rule.ID, Kind: f.kind, Message: f.message})
	}
	return rule, problems
}

func version(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

var severities = map[string]detect.Severity{
	"emergency": detect.Critical, "alert": detect.Critical, "critical": detect.Critical, "error": detect.High, "warning": detect.Medium,
	"notice": detect.Low, "informational": detect.Informational, "info": detect.Informational, "debug": detect.Informational,
}

var technique = regexp.MustCompile(`(?i)^t[0-9]{4}(\.[0-9]{3})?$`)

// attack reads the tags of Falco's own rules: T1611 and mitre_privilege_escalation.
func attack(tags []string) (techniques, tactics []string) {
	for _, t := range tags {
		if technique.MatchString(t) {
			techniques = append(techniques, strings.ToUpper(t))
		}
		if tactic, ok := strings.CutPrefix(t, "mitre_"); ok {
			tactics = append(tactics, strings.ReplaceAll(tactic, "_", "-"))
		}
	}
	slices.Sort(techniques)
	slices.Sort(tactics)
	return slices.Compact(techniques), slices.Compact(tactics)
}

// predicate makes a predicate of a condition whose checks are bound. Macros that are used twice are one part of it.
func predicate(e expr) *match.Predicate {
	made := map[expr]*match.Predicate{}
	var of func(expr) *match.Predicate
	each := func(kids []expr) (ps []*match.Predicate) {
		for _, k := range kids {
			ps = append(ps, of(k))
		}
		return ps
	}
	of = func(e expr) *match.Predicate {
		if p, ok := made[e]; ok {
			return p
		}
		var p *match.Predicate
		switch e := e.(type) {
		case *or:
			p = match.Any(each(e.kids)...)
		case *and:
			p = match.And(each(e.kids)...)
		case *not:
			p = match.Not(of(e.kid))
		case *tester:
			p = match.Test(e)
		}
		made[e] = p
		return p
	}
	return of(e)
}
