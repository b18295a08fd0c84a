// Package pack gathers rules of all languages: ours, those in files and folders, and searches that were saved. Start with Load.
package pack

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"annals.dev/internal/detect"
	"annals.dev/internal/detect/falco"
	"annals.dev/internal/detect/sigma"
)

// Config says which rules there are. It is the part rules of watch.yaml.
type Config struct {
	Builtin      *bool                      `json:"builtin,omitempty"`      // ours; true where it is not said
	Paths        []string                   `json:"paths,omitempty"`        // files, and folders with all *.yml and *.yaml in them
	Disable      []string                   `json:"disable,omitempty"`      // IDs or names of rules that are not used
	Severity     map[string]detect.Severity `json:"severity,omitempty"`     // by ID or name, in place of the rule's own
	Placeholders map[string][]string        `json:"placeholders,omitempty"` // approved_networks, production_namespaces, …; see Placeholders for the defaults
	Falco        Falco                      `json:"falco,omitzero"`
}

// Falco is how Falco's rules are read.
type Falco struct {
	Matching string `json:"matching,omitempty"` // first (as Falco does) or all
	Fields   string `json:"fields,omitempty"`   // corrected, or upstream: the four fields that are broken there
}

// Check says what of the configuration is not understood.
func (c *Config) Check() error {
	for _, x := range []struct {
		name, value string
		known       []string
	}{
		{"falco.matching", c.Falco.Matching, []string{"first", "all"}}, {"falco.fields", c.Falco.Fields, []string{"corrected", "upstream"}},
	} {
		if x.value != "" && !slices.Contains(x.known, x.value) {
			return fmt.Errorf("rules: %s is one of %s, not %.40q", x.name, strings.Join(x.known, ", "), x.value)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(c.Severity)) {
		if !slices.Contains(detect.Severities, c.Severity[id]) {
			return fmt.Errorf("rules: severity of %s is one of %s, not %.40q", id, severities(), c.Severity[id])
		}
	}
	return nil
}

func severities() string {
	var names []string
	for _, s := range detect.Severities {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

// Pack is what was loaded.
type Pack struct {
	Rules    []*detect.Rule
	Problems []detect.Problem
	Off      []*detect.Rule // those that are disabled
}

// Load reads rules. Its error says that a path could not be read; what is wrong with a rule is a problem.
func Load(cfg Config) (*Pack, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	files, err := gather(cfg)
	if err != nil {
		return nil, err
	}
	return Parse(cfg, files), nil
}

// Parse reads the rules in files alone, of whatever language each is, with the rest of the configuration. Their order is that
// of the languages, and within one that of the files.
func Parse(cfg Config, files []detect.File) *Pack {
	p := new(Pack)
	by := map[detect.Language][]detect.File{}
	for _, f := range files {
		language, why := LanguageOf(f.Data)
		if why != "" {
			p.problem(detect.Problem{File: f.Name, Kind: "error", Message: why})
			continue
		}
		by[language] = append(by[language], f)
	}
	add := func(rules []*detect.Rule, problems []detect.Problem) {
		p.Rules = append(p.Rules, rules...)
		p.Problems = append(p.Problems, problems...)
	}
	add(sigma.Parse(by[detect.Sigma], sigma.Options{Placeholders: cfg.placeholders()}))
	add(falco.Parse(by[detect.Falco], falco.Options{All: cfg.Falco.Matching == "all", Upstream: cfg.Falco.Fields == "upstream"}))
	add(searches(by[detect.Search]))
	p.single()
	p.apply(cfg)
	slices.SortStableFunc(p.Problems, func(a, b detect.Problem) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return p
}

func (p *Pack) problem(of detect.Problem) { p.Problems = append(p.Problems, of) }

// single leaves one rule of each ID, the first: findings, silences and switches name rules by it.
func (p *Pack) single() {
	first := map[string]*detect.Rule{}
	p.Rules = slices.DeleteFunc(p.Rules, func(r *detect.Rule) bool {
		old := first[r.ID]
		if old == nil {
			first[r.ID] = r
			return false
		}
		p.problem(detect.Problem{File: r.File, Line: r.Line, Rule: r.ID, Kind: "error",
			Message: fmt.Sprintf("%q has the ID of %q in %s, line %d: give one of them another", r.Title, old.Title, old.File, old.Line)})
		return true
	})
}

// apply switches rules off and gives them other severities. A rule that a correlation looks at goes on in silence.
func (p *Pack) apply(cfg Config) {
	cfg = p.named(cfg)
	needed, known := map[string]bool{}, map[string]bool{}
	for _, r := range p.Rules {
		known[r.ID] = true
		if r.Correlation != nil && !slices.Contains(cfg.Disable, r.ID) {
			for _, id := range r.Correlation.Rules {
				needed[id] = true
			}
		}
	}
	for _, id := range slices.Concat(cfg.Disable, slices.Sorted(maps.Keys(cfg.Severity))) {
		if !known[id] {
			p.problem(detect.Problem{Rule: id, Kind: "warning", Message: "there is no rule with this ID or name to switch off or to give a severity to: annals rules list shows which there are"})
		}
	}
	var on []*detect.Rule
	for _, r := range p.Rules {
		if s := cfg.Severity[r.ID]; s != "" && s != r.Severity {
			c := *r
			c.Severity, r = s, &c
		}
		if !slices.Contains(cfg.Disable, r.ID) {
			on = append(on, r)
			continue
		}
		p.Off = append(p.Off, r)
		if needed[r.ID] && !r.Silent {
			c := *r
			c.Silent = true
			on = append(on, &c)
		}
	}
	p.Rules = on
}

// named is the configuration with IDs where it has rules' names.
func (p *Pack) named(cfg Config) Config {
	ids := map[string]string{}
	for _, r := range p.Rules {
		if r.Name != "" && ids[r.Name] == "" {
			ids[r.Name] = r.ID
		}
	}
	for _, r := range p.Rules {
		ids[r.ID] = r.ID
	}
	var off []string
	for _, x := range cfg.Disable {
		off = append(off, cmp.Or(ids[x], x))
	}
	severity := map[string]detect.Severity{}
	for x, s := range cfg.Severity {
		if id := cmp.Or(ids[x], x); severity[id] == "" || id == x { // what names the ID goes before what names the name
			severity[id] = s
		}
	}
	cfg.Disable, cfg.Severity = off, severity
	return cfg
}
