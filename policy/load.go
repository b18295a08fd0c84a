package policy

import (
	"errors"
	"fmt"
	"os"

	"sigs.k8s.io/yaml"
)

// Options say how a policy is read. The zero value is strict, as the newest Kubernetes that Annals knows.
type Options struct {
	Upstream   bool         // as kube-apiserver reads it: a field that it does not know is dropped with a warning
	Warn       func(string) // Optional. Called with each such warning.
	Kubernetes int          // the minor version to be compatible with, as 35 for 1.35; 0 is the newest known
	Minimal    bool         // allow LevelMinimal
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

// Parse reads a policy from YAML or JSON.
func Parse(b []byte, o Options) (*Policy, error) {
	var p Policy
	if err := yaml.Unmarshal(b, &p); err != nil {
		return nil, fmt.Errorf("failed decoding: %w", err)
	}
	return &p, nil
}
