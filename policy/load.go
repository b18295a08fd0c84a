package policy

import (
	"errors"
	"fmt"
	"os"

	"annals.dev/audit"
	v1 "annals.dev/policy/internal/v1"
)

// Options say how a policy is read. The zero value is strict, as the newest Kubernetes that Annals knows.
type Options struct {
	Upstream   bool         // as kube-apiserver reads it: a field that it does not know is dropped with a warning
	Warn       func(string) // Optional. Called with each such warning.
	Kubernetes int          // the minor version to be compatible with, as 35 for 1.35; 0 is the newest known
	Minimal    bool         // allow LevelMinimal
}

// since reports whether the version to be compatible with has what came with 1.minor.
func (o *Options) since(minor int) bool {
	return o.Kubernetes == 0 || o.Kubernetes >= minor
}

// Load reads a policy from a file.
func Load(file string, o Options) (*Policy, error) {
	if file == "" {
		return nil, errors.New("file path not specified")
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("failed to read file path %q: %w", file, err)
	}
	p, err := Parse(b, o)
	if err != nil {
		return nil, fmt.Errorf("%w: from file %v", err, file)
	}
	return p, nil
}

// Parse reads a policy from YAML or JSON, and validates it.
//
// Strict reading refuses what kube-apiserver passes over in silence: a field that is unknown, misplaced or given twice, a
// second document, a missing kind. What it accepts, Options.Upstream reads as the same policy.
func Parse(b []byte, o Options) (*Policy, error) {
	f, err := decode(b, &o)
	if err != nil {
		return nil, fmt.Errorf("failed decoding: %w", err)
	}
	switch {
	case !o.Upstream:
		if err := f.strictError(b); err != nil {
			return nil, err
		}
	case len(f.strict) > 0 && o.Warn != nil:
		o.Warn("Audit policy contains errors, falling back to lenient decoding: " + strictText(f.strict))
	}
	if f.group != group || f.version != version {
		err := fmt.Errorf("unknown group version field %s/%s, Kind=%s in policy", f.group, f.version, f.kind)
		if !o.Upstream {
			err = fmt.Errorf("%w: it must have apiVersion: %s/%s", err, group, version)
		}
		return nil, err
	}
	p := fromV1(&f.policy)
	if err := p.Validate(o); err != nil {
		return nil, err
	}
	if len(p.Rules) == 0 {
		return nil, errors.New("loaded illegal policy with 0 rules")
	}
	return p, nil
}

func fromV1(f *v1.Policy) *Policy {
	p := &Policy{OmitStages: stages(f.OmitStages), OmitManagedFields: f.OmitManagedFields}
	for i := range f.Rules {
		r := &f.Rules[i]
		rule := Rule{
			Level: audit.Level(r.Level), Users: r.Users, UserGroups: r.UserGroups, Verbs: r.Verbs, Namespaces: r.Namespaces,
			NonResourceURLs: r.NonResourceURLs, OmitStages: stages(r.OmitStages), OmitManagedFields: r.OmitManagedFields,
		}
		for _, g := range r.Resources {
			rule.Resources = append(rule.Resources, GroupResources(g))
		}
		p.Rules = append(p.Rules, rule)
	}
	return p
}

func stages(from []v1.Stage) (to []audit.Stage) {
	for _, s := range from {
		to = append(to, audit.Stage(s))
	}
	return to
}
