// Package pack gathers rules of all languages: ours, those in files and folders, and searches that were saved. Start with Load.
package pack

import (
	"annals.dev/internal/detect"
)

// Config says which rules there are. It is the part rules of watch.yaml.
type Config struct {
	Builtin      *bool                      `json:"builtin,omitempty"`      // ours; true where it is not said
	Paths        []string                   `json:"paths,omitempty"`        // files, and folders with all *.yml and *.yaml in them
	Disable      []string                   `json:"disable,omitempty"`      // IDs of rules that are not used
	Severity     map[string]detect.Severity `json:"severity,omitempty"`     // by ID, in place of the rule's own
	Placeholders map[string][]string        `json:"placeholders,omitempty"` // approved_networks, production_namespaces, …; see Placeholders for the defaults
	Falco        struct {
		Matching string `json:"matching,omitempty"` // first (as Falco does) or all
		Fields   string `json:"fields,omitempty"`   // corrected, or upstream: the four fields that are broken there
	} `json:"falco,omitempty"`
}

// Pack is what was loaded.
type Pack struct {
	Rules    []*detect.Rule
	Problems []detect.Problem
}

// Load reads rules. Its error says that a path could not be read; what is wrong with a rule is a problem.
func Load(cfg Config) (*Pack, error) { return new(Pack), nil }
