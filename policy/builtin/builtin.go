// Package builtin holds what Annals gives to those who write a policy: policies to start from, and a JSON schema for their
// editor. Start with All.
package builtin

import (
	_ "embed"
	"slices"
	"strings"
)

var (
	//go:embed starter.yaml
	starter string
	//go:embed compliance.yaml
	compliance string
	//go:embed forensics.yaml
	forensics string
	//go:embed everything.yaml
	everything string
	//go:embed schema.json
	schema string
)

// Schema is the JSON schema of a policy file.
func Schema() string { return schema }

// Policy is one to start from. Its name and its summary stand in its first line.
type Policy struct{ Name, Summary, YAML string }

// All are the policies, from the smallest to the largest log.
func All() []Policy {
	var all []Policy
	for _, text := range []string{starter, compliance, forensics, everything} {
		first, _, _ := strings.Cut(text, "\n")
		name, summary, _ := strings.Cut(strings.TrimPrefix(first, "# "), ": ")
		all = append(all, Policy{name, summary, text})
	}
	return all
}

// Named is the policy of that name.
func Named(name string) (Policy, bool) {
	all := All()
	i := slices.IndexFunc(all, func(p Policy) bool { return p.Name == name })
	if i < 0 {
		return Policy{}, false
	}
	return all[i], true
}
