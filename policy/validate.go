package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"annals.dev/audit"
)

var (
	levels    = []audit.Level{audit.LevelNone, audit.LevelMetadata, audit.LevelRequest, audit.LevelRequestResponse}
	allStages = []audit.Stage{audit.StageRequestReceived, audit.StageResponseStarted, audit.StageResponseComplete, audit.StagePanic}
)

const (
	subdomainPattern = `[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*`
	subdomainText    = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end " +
		"with an alphanumeric character (e.g. 'example.com', regex used for validation is '" + subdomainPattern + "')"
	subdomainMax = 253
)

var subdomain = regexp.MustCompile("^" + subdomainPattern + "$")

// Validate checks a policy that was not read by Parse, which does so itself. A policy without rules is valid; only Parse
// refuses it.
func (p *Policy) Validate(o Options) error {
	var f faults
	f.stages("omitStages", p.OmitStages)
	for i := range p.Rules {
		f.rule(fmt.Sprintf("rules[%d]", i), &p.Rules[i], &o)
	}
	switch len(f) {
	case 0:
		return nil
	case 1:
		return errors.New(f[0])
	}
	return errors.New("[" + strings.Join(f, ", ") + "]")
}

// faults are what is wrong, each once, in upstream's order and words.
type faults []string

func (f *faults) add(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(*f, text) {
		*f = append(*f, text)
	}
}

func (f *faults) invalid(path string, value any, why string) {
	text := ""
	if s, ok := value.(string); ok {
		text = fmt.Sprintf("%q", s)
	} else if b, err := json.Marshal(value); err == nil {
		text = string(b)
	}
	f.add("%s: Invalid value: %s: %s", path, text, why)
}

func (f *faults) rule(path string, r *Rule, o *Options) {
	f.level(path+".level", r.Level, o)
	for i, u := range r.NonResourceURLs {
		at := fmt.Sprintf("%s.nonResourceURLs[%d]", path, i)
		if u != "*" && !strings.HasPrefix(u, "/") {
			f.invalid(at, u, "non-resource URL rules must begin with a '/' character")
		}
		if u != "" && strings.Contains(u[:len(u)-1], "*") {
			f.invalid(at, u, "non-resource URL wildcards '*' must be the final character of the rule")
		}
	}
	for _, g := range r.Resources {
		f.resources(path+".resources", &g, o) // upstream's path has no index here
	}
	f.stages(path+".omitStages", r.OmitStages)
	if len(r.NonResourceURLs) > 0 && (len(r.Resources) > 0 || len(r.Namespaces) > 0) {
		f.invalid(path+".nonResourceURLs", r.NonResourceURLs, "rules cannot apply to both regular resources and non-resource URLs")
	}
}

func (f *faults) level(path string, l audit.Level, o *Options) {
	supported := levels
	if o.Minimal {
		supported = slices.Insert(slices.Clone(levels), 1, LevelMinimal)
	}
	switch {
	case slices.Contains(supported, l):
	case l == "":
		f.add("%s: Required value", path)
	default:
		var quoted []string
		for _, s := range supported {
			quoted = append(quoted, fmt.Sprintf("%q", s))
		}
		// A level has a type of its own, and upstream shows such a value as JSON.
		b, _ := json.Marshal(l)
		f.add("%s: Unsupported value: %s: supported values: %s", path, b, strings.Join(quoted, ", "))
	}
}

func (f *faults) resources(path string, g *GroupResources, o *Options) {
	if g.Group != "" && !(g.Group == "*" && o.since(36)) {
		var why []string
		if len(g.Group) > subdomainMax {
			why = append(why, fmt.Sprintf("must be no more than %d characters", subdomainMax))
		}
		if !subdomain.MatchString(g.Group) {
			why = append(why, subdomainText)
		}
		if len(why) > 0 {
			f.invalid(path+".group", g.Group, strings.Join(why, ","))
		}
	}
	if len(g.ResourceNames) > 0 && len(g.Resources) == 0 {
		f.invalid(path+".resourceNames", g.ResourceNames, "using resourceNames requires at least one resource")
	}
}

func (f *faults) stages(path string, stages []audit.Stage) {
	for i, s := range stages {
		if !slices.Contains(allStages, s) {
			f.invalid(fmt.Sprintf("%s[%d]", path, i), string(s), "allowed stages are RequestReceived,ResponseStarted,ResponseComplete,Panic")
		}
	}
}
