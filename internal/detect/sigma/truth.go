package sigma

import (
	"slices"
	"strings"

	"annals.dev/internal/match"
)

// single are the fields of which an event has one value at most, so that no two texts can be it.
var single = []string{
	"verb", "level", "stage", "auditID", "requestURI", "userAgent", "user.username", "user.uid", "impersonatedUser.username",
	"objectRef.resource", "objectRef.subresource", "objectRef.namespace", "objectRef.name", "objectRef.apiGroup", "objectRef.apiVersion",
	"responseStatus.code", "annotations.authorization.k8s.io/decision", "cluster", "origin",
}

// truth is what is known of an expression whatever the event.
func (e *expr) truth() match.Truth {
	switch e.op {
	case not:
		return -e.of[0].truth()
	case or:
		some := match.No
		for _, c := range e.of {
			some = max(some, c.truth())
		}
		return some
	case and:
		all := match.Yes
		for _, c := range e.of {
			all = min(all, c.truth())
		}
		if all == match.Maybe && e.contradicts() {
			return match.No
		}
		return all
	}
	switch t := e.test.(type) {
	case never:
		return match.No
	case *anyOf:
		if t.Exact() != nil && !slices.ContainsFunc(t.exact, func(s string) bool { return possible(t.path.Name(), s) }) {
			return match.No
		}
	}
	return match.Maybe
}

// possible says whether a field can be a text at all.
func possible(field, s string) bool {
	switch field {
	case "verb":
		return slices.Contains(verbs, folded(s))
	case "responseStatus.code":
		return s != "" && strings.Trim(s, "0123456789") == ""
	}
	return true
}

// contradicts says whether what must hold together cannot: a test and its opposite, or one field that should be two texts.
func (e *expr) contradicts() bool {
	parts := e.conjuncts(nil)
	if len(parts) > 1000 {
		return false
	}
	tests, texts := map[string]bool{}, map[string][]string{}
	for _, c := range parts {
		negated := c.op == not
		if negated {
			c = c.of[0]
		}
		if c.op != test {
			continue
		}
		key := c.test.Key()
		if was, ok := tests[key]; ok && was != negated {
			return true
		}
		tests[key] = negated
		field, exact := c.test.Field(), c.test.Exact()
		if negated || exact == nil || !slices.Contains(single, field) {
			continue
		}
		exact = slices.Clone(exact)
		for i := range exact {
			exact[i] = folded(exact[i])
		}
		if before, ok := texts[field]; ok {
			exact = slices.DeleteFunc(exact, func(s string) bool { return !slices.Contains(before, s) })
		}
		if len(exact) == 0 {
			return true
		}
		texts[field] = exact
	}
	return false
}

// conjuncts are what must hold together.
func (e *expr) conjuncts(all []*expr) []*expr {
	if e.op != and {
		return append(all, e)
	}
	for _, c := range e.of {
		all = c.conjuncts(all)
	}
	return all
}

// checkTruth tells of a rule that finds nothing, or everything.
func (d *draft) checkTruth(line int) {
	switch d.where.truth() {
	case match.No:
		d.tell(warning, line, "no audit event can meet this condition, so the rule never finds anything")
	case match.Yes:
		d.tell(warning, line, "every audit event meets this condition, so the rule finds everything")
	}
}
