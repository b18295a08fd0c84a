// Package sigma reads Sigma rules, correlations and filters (version 2 of the specification). Start with Parse.
package sigma

import "annals.dev/internal/detect"

// Options are how rules are read.
type Options struct {
	Placeholders map[string][]string // what the modifier expand puts in the place of %name%
}

// Parse reads files of rules together: correlations and filters name rules of other files. What cannot be used is told, and
// does not hinder the rest.
func Parse(files []detect.File, opt Options) (rules []*detect.Rule, problems []detect.Problem) {
	return nil, nil
}
