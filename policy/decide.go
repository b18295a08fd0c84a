package policy

import "math/bits"

// Decide gives the verdict on a request. It allocates nothing and remembers nothing.
func (e *Evaluator) Decide(a *Attributes) Decision {
	// The sets begin with what the values' lengths say. A value is looked at when the first column that is left asks for it.
	var known asks
	target, apiGroup := e.all, e.all
	if a.ResourceRequest {
		target, apiGroup = e.resources.guess(a.Resource, a.Subresource), e.apiGroups.lengths.of(a.APIGroup)
	} else {
		target = e.paths.of(a.Path)
	}
	user, verb := e.all, e.verbs.lengths.of(a.Verb)
	namespace, name := e.namespaces.lengths.of(a.Namespace), e.names.lengths.of(a.Name)
	for w := range e.words {
		candidates := target[w] & apiGroup[w] & user[w] & verb[w] & namespace[w] & name[w]
		groupsKnown := false
		for candidates != 0 {
			column := w*64 + bits.TrailingZeros64(candidates)
			open := e.asks[column] &^ known
			switch {
			case open&askResource != 0:
				target, known = e.resources.of(a.Resource, a.Subresource), known|askResource
				candidates &= target[w]
			case open&askAPIGroup != 0:
				apiGroup, known = e.apiGroups.of(a.APIGroup), known|askAPIGroup
				candidates &= apiGroup[w]
			case open&askVerb != 0:
				verb, known = e.verbs.of(a.Verb), known|askVerb
				candidates &= verb[w]
			case open&askNamespace != 0:
				namespace, known = e.namespaces.of(a.Namespace), known|askNamespace
				candidates &= namespace[w]
			case open&askUser != 0:
				user, known = e.users.rest, known|askUser
				if a.User != nil {
					user = e.users.of(a.User.Username)
				}
				candidates &= user[w]
			case open&askName != 0:
				name, known = e.names.of(a.Name), known|askName
				candidates &= name[w]
			case open&askGroup != 0 && !groupsKnown:
				groupsKnown = true
				candidates &= e.groups(a, w)
			default:
				return e.verdicts[column]
			}
		}
	}
	return e.none
}

// groups is the word of the columns that are content with the user's groups. It is made for each word: a union of whole
// sets would want memory.
func (e *Evaluator) groups(a *Attributes, w int) uint64 {
	word := e.userGroups.rest[w]
	if a.User != nil {
		for _, g := range a.User.Groups {
			if s, ok := e.userGroups.rows.get(g); ok {
				word |= s[w]
			}
		}
	}
	return word
}
