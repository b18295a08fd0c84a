// Package rules is what Annals watches for by itself: detection rules as Sigma has them, each beside the events that prove it.
//
// A rule is <tactic>/<name>.yml, and <tactic>/<name>.test.yml holds events that it must find and events that it must leave
// alone. Start with FS.
package rules

import "embed"

// FS holds the rules, and beside each its events.
//
//go:embed */*.yml
var FS embed.FS
