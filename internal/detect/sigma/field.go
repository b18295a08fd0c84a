package sigma

import (
	"slices"
	"strings"

	"annals.dev/internal/match"
)

// meant are names that rules use as if the event had them, and what was surely meant.
var meant = map[string]string{
	"apiGroup": "objectRef.apiGroup", "apiVersion": "objectRef.apiVersion", "hostPath": "pod.hostPath", "capabilities": "pod.capability",
	"privileged": "pod.privileged", "hostNetwork": "pod.hostNetwork", "hostPID": "pod.hostPID", "hostIPC": "pod.hostIPC", "image": "pod.image",
	"serviceAccountName": "pod.serviceAccount", "username": "user.username", "groups": "user.groups", "subresource": "objectRef.subresource",
	"sourceIP": "peer", "sourceip": "peer", "statusCode": "responseStatus.code", "uri": "requestURI", "useragent": "userAgent",
}

// lookUp finds the field that a rule names. A field that no event has is told, and nil: the rule is used, for what of it works.
func (d *draft) lookUp(name string, line int) *match.Path {
	if name != "apiGroup" { // a short name of the search language; as a member of the event it is one that rules think there is
		if p, err := match.ParsePath(name); err == nil {
			return p
		}
	}
	if to := meant[name]; to != "" {
		d.tell(warning, line, "no audit event has a field %q, so no event passes this test; write %s", name, to)
		return nil
	}
	_, err := match.ParsePath(name)
	d.tell(warning, line, "no audit event has a field %q, so no event passes this test: %v", name, err)
	return nil
}

// verbs are what an audit event's may be: those of resources, and the methods of HTTP where it is about none.
var verbs = []string{
	"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "proxy",
	"post", "put", "head", "options", "trace", "connect",
}

// check tells of values that the field never has.
func (it *item) check(t *anyOf) {
	m := it.mods
	var fits func(s string) bool
	var why string
	switch name := it.path.Name(); {
	case m.re || m.cidr || m.compare != "" || m.part != "" || len(m.chain) > 0:
		return
	case name == "verb":
		why = "no audit event has the verb %q; there are " + strings.Join(verbs[:8], ", ") +
			", and for URLs of no resource the methods of HTTP in small letters (what is replaced was updated)"
		fits = func(s string) bool { return slices.Contains(verbs, folded(s)) }
		for _, p := range t.patterns {
			if !slices.ContainsFunc(verbs, func(v string) bool { return p.matches([]byte(v)) }) {
				it.tell(warning, it.line, "no audit event has a verb that this value of %s matches; there are %s", it, strings.Join(verbs[:8], ", "))
			}
		}
	case name == "responseStatus.code":
		why = "the code of an audit event is a number, never %q; write one such as 403, or compare authorization with annotations.authorization.k8s.io/decision"
		fits = func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	default:
		return
	}
	for _, n := range it.values {
		tokens := scan(n.Value, m.expand)
		if s, ok := literal(tokens); ok && !m.expand && !fits(s) && (m.where == "" || it.path.Name() == "responseStatus.code") {
			it.tell(warning, n.Line, why, s)
		}
	}
}
