package object

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// summary is what changed, in words.
func (t *turn) summary() string {
	if len(t.changes) == 0 {
		return "nothing that is shown changed"
	}
	s := t.changes[0].words()
	if n := len(t.changes) - 1 + t.dropped; n > 0 {
		s += fmt.Sprintf(", and %d more", n)
	}
	return s
}

// words is a change in words: spec.replicas 3 → 5.
func (c Change) words() string {
	before, after := brief(c.Before), brief(c.After)
	if c.BeforeUnknown {
		before = "?"
	}
	switch {
	case c.After == "":
		return c.Path + " removed"
	case before == "":
		if len(c.After) > 0 && strings.ContainsAny(c.After[:1], "{[") {
			return c.Path + " added"
		}
		return c.Path + " added: " + after
	}
	return c.Path + " " + before + " → " + after
}

// maxBrief is how long a value may be in a sentence.
const maxBrief = 60

func brief(value string) string {
	if len(value) > 1 && value[0] == '"' && !strings.ContainsAny(value[1:len(value)-1], `\" `) {
		value = value[1 : len(value)-1]
	}
	if utf8.RuneCountInString(value) <= maxBrief {
		return value
	}
	return string([]rune(value)[:maxBrief-1]) + "…"
}

// describeVerb is what an act did, for a sentence.
func describeVerb(a *act) string {
	words := map[string]string{"create": "create", "update": "update", "patch": "patch", "delete": "deletion", "deletecollection": "deletion of several"}
	s := words[a.event.Verb]
	if s == "" {
		s = a.event.Verb
	}
	if a.event.Subresource != "" {
		s += " of " + a.event.Subresource
	}
	return s
}

func article(s string) string {
	if strings.ContainsAny(s[:min(1, len(s))], "aeiou") {
		return "an " + s
	}
	return "a " + s
}
