package query

import "strings"

// Sentence says what happened in words: who did what to what, and how it ended.
func (r *Row) Sentence() string {
	return strings.TrimSpace(r.User + " " + r.Verb + " " + r.Resource + " " + r.Name)
}
