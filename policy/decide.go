package policy

import "math/bits"

// Decide gives the verdict on a request. It allocates nothing and remembers nothing.
func (e *Evaluator) Decide(a *Attributes) Decision {
	// What only some columns ask is looked up when the first column asks that could decide.
	var known asks
	target, apiGroup := e.all, e.all
	if a.ResourceRequest {
		target, apiGroup = e.resources.of(a.Resource, a.Subresource), e.apiGroups.of(a.APIGroup)
	} else {
		target = e.paths.of(a.Path)
	}
	user, verb, namespace, name := e.all, e.all, e.all, e.all
	for w := range e.words {
		candidates := target[w] & apiGroup[w] & user[w] & verb[w] & namespace[w] & name[w]
		groupsKnown := false
		for candidates != 0 {
			column := w*64 + bits.TrailingZeros64(candidates)
			open := e.asks[column] &^ known
			switch {
			case open&askVerb != 0:
				verb, known = e.verbs.of(a.Verb), known|askVerb
				candidates &= verb[w]
			case open&askUser != 0:
				user, known = e.users.rest, known|askUser
				if a.User != nil {
					user = e.users.of(a.User.Username)
				}
				candidates &= user[w]
			case open&askNamespace != 0:
				namespace, known = e.namespaces.of(a.Namespace), known|askNamespace
				candidates &= namespace[w]
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
