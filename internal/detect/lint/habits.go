package lint

import (
	"fmt"
	"slices"
	"strings"

	"annals.dev/internal/detect"
	"annals.dev/internal/match"
	"annals.dev/internal/spell"
	policylint "annals.dev/policy/lint"
)

// streams are the subresources that are sessions.
var streams = []string{"exec", "attach", "portforward"}

// fixed are resources that cannot be changed in what a rule would look for, once they are made.
var fixed = []string{"pods", "jobs", "tokenreviews", "subjectaccessreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews", "localsubjectaccessreviews",
	"certificatesigningrequests", "serviceaccounts", "events", "namespaces", "nodes"}

// habits are what rules of a kind commonly miss.
func (l *linter) habits() {
	verbs, resources, subs := l.pinned("verb"), l.pinned("objectRef.resource"), l.pinned("objectRef.subresource")
	has := func(v string) bool { return slices.Contains(verbs, v) }
	session := len(subs) > 0 && !slices.ContainsFunc(subs, func(s string) bool { return !slices.Contains(streams, s) })
	switch {
	case session && len(verbs) > 0 && has("create") && !has("get"):
		l.tell("warning", "get", "create", "kubectl from 1.30 on opens a session by a WebSocket, whose verb is get: ask for create and get, or for no verb")
	case len(verbs) == 1 && has("create") && l.looksInside() && !session && !all(resources, fixed) && len(subs) == 0:
		l.tell("warning", "create", "create", "what is created can be brought about by update and patch, too, and kubectl apply patches: ask for all three")
	case len(verbs) > 0 && has("delete") && !has("deletecollection") && !l.asks("objectRef.name") && !l.asks("object.name") && collected(resources):
		l.tell("note", "deletecollection", "delete", "all of a namespace's are deleted at once by the verb deletecollection")
	}
	if session && l.succeeds() {
		l.tell("warning", "101", "2", "a session that was opened has the code 101: a code from 200 to 299 never says so")
	}
	if slices.Contains(resources, "secrets") && len(verbs) == 1 && has("get") && !l.asks("objectRef.name") && !l.others("secrets", "list") {
		l.tell("note", "list", "get", "secrets are read by list and watch, too")
	}
	if slices.Contains(resources, "serviceaccounts") && has("create") && !l.asks("objectRef.subresource") && !l.looksInside() && !l.asks("mark") {
		l.tell("note", "token", "serviceaccounts", "to ask for a token is to create serviceaccounts/token: without a test of objectRef.subresource that is found, too")
	}
	if slices.Contains(resources, "pods") && has("create") && !l.asks("objectRef.subresource") && !l.looksInside() && !l.asks("objectRef.name") && !l.asks("object.name") {
		l.tell("note", "subresource", "pods", "pods/exec, pods/eviction and pods/binding are created, too: without a test of objectRef.subresource they are found")
	}
	for _, t := range l.leaves {
		if !t.negated && (t.field == "pod.ephemeral" || strings.Contains(t.field, "ephemeralContainers")) && has("create") && len(verbs) == 1 && slices.Contains(resources, "pods") {
			l.tell("warning", "dead", "create", "no pod is created with ephemeral containers: they come by update or patch of pods/ephemeralcontainers")
			break
		}
	}
}

func all(list, of []string) bool {
	return list != nil && !slices.ContainsFunc(list, func(s string) bool { return !slices.Contains(of, s) })
}

// looksInside says whether a rule asks what the body holds.
func (l *linter) looksInside() bool {
	return slices.ContainsFunc(l.leaves, func(t leaf) bool {
		top, _, _ := strings.Cut(t.field, ".")
		return slices.Contains([]string{"requestObject", "pod", "role", "binding"}, top)
	})
}

func (l *linter) asks(field string) bool {
	return slices.ContainsFunc(l.leaves, func(t leaf) bool { return t.field == field })
}

// others says whether another rule looks at a resource with a verb.
func (l *linter) others(resource, verb string) bool {
	return slices.ContainsFunc(l.rules, func(r *detect.Rule) bool {
		return r.Where != nil && slices.Contains(pinned(r.Where.Parts(), "objectRef.resource"), resource) && slices.Contains(pinned(r.Where.Parts(), "verb"), verb)
	})
}

// collected says whether some of these resources can be deleted all at once.
func collected(resources []string) bool {
	return slices.ContainsFunc(policylint.Resources(), func(r policylint.Resource) bool {
		return slices.Contains(resources, r.Name) && slices.Contains(r.Verbs, "deletecollection")
	})
}

// succeeds says whether a rule asks for a success in such a way that 101 is none.
func (l *linter) succeeds() bool {
	code := func(n int) *match.Predicate {
		p, err := match.Parse(fmt.Sprintf("code:%d", n))
		if err != nil {
			return match.All
		}
		return match.And(l.rule.Where, p)
	}
	return l.asks("responseStatus.code") && !l.judge.Never(code(200)) && l.judge.Never(code(101))
}

// about checks what rules say of themselves. Where many of a file lack the same, that is told once.
func (l *linter) about() {
	type lack struct{ file, what string }
	lacking := map[lack][]*detect.Rule{}
	total := map[string]int{}
	var order []lack
	for _, r := range l.rules {
		if r.Language == detect.Builtin {
			continue
		}
		if r.Silent {
			continue
		}
		total[r.File]++
		for what, is := range map[string]bool{
			"an id": r.Language == detect.Sigma && !strings.Contains(r.Text, "id:"), "a level": r.Language == detect.Sigma && !strings.Contains(r.Text, "level:"),
			"a technique of ATT&CK": len(r.Techniques) == 0,
		} {
			if is {
				k := lack{r.File, what}
				if lacking[k] == nil {
					order = append(order, k)
				}
				lacking[k] = append(lacking[k], r)
			}
		}
	}
	for _, k := range order {
		rules := lacking[k]
		l.rule = rules[0]
		if len(rules) == 1 {
			l.tell("note", "about", "", "it names no %s", strings.TrimPrefix(strings.TrimPrefix(k.what, "an "), "a "))
			continue
		}
		l.tell("note", "about", "", "%d of the file's %d rules name no %s", len(rules), total[k.file], strings.TrimPrefix(strings.TrimPrefix(k.what, "an "), "a "))
	}
}

// order finds rules that never report as an earlier one always does, where the first that matches does.
func (l *linter) order() {
	for i, r := range l.rules {
		if r.First == "" || r.Where == nil || r.Silent || l.dead(r.ID) {
			continue
		}
		for _, earlier := range l.rules[:i] {
			if earlier.First != r.First || earlier.Where == nil || earlier.Silent || l.dead(earlier.ID) {
				continue
			}
			if l.judge.Never(match.And(r.Where, match.Not(earlier.Where))) {
				l.rule = r
				l.tell("warning", "shadowed", "", "it never reports: whatever it finds, %q finds before it, and the first reports; load it before that one, or let all report", earlier.Title)
				break
			}
		}
	}
}

// dead says whether a rule was found to be true of nothing.
func (l *linter) dead(id string) bool {
	return slices.Contains(l.off, id) || slices.ContainsFunc(l.found, func(f Finding) bool { return f.Rule == id && f.Check == "never" })
}

// nearest is what was surely meant by a word that is none of those; "" if nothing is near.
func nearest(word string, of []string) (best string) {
	least := 3
	for _, w := range of {
		if d := spell.Distance(strings.ToLower(word), strings.ToLower(w)); d < least && d < len(w) {
			best, least = w, d
		}
	}
	return best
}
