// Package falco reads Falco's rules for source k8s_audit. Start with Parse.
package falco

import "annals.dev/internal/detect"

// Options are how rules are read.
type Options struct {
	All      bool // every rule that matches reports, not only the first of a file's order
	Upstream bool // the four fields that are broken upstream stay as they are there
}

// Parse reads files of rules in their order, as Falco loads them one after another. What cannot be used is told, and does not
// hinder the rest.
func Parse(files []detect.File, opt Options) (rules []*detect.Rule, problems []detect.Problem) {
	return nil, nil
}
