package sigma

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"annals.dev/internal/match"
)

// meant are names that rules use as if the event had them, and what was surely meant.
var meant = map[string]string{
	"hostPath": "pod.hostPath", "capabilities": "pod.capability",
	"privileged": "pod.privileged", "hostNetwork": "pod.hostNetwork", "hostPID": "pod.hostPID", "hostIPC": "pod.hostIPC", "image": "pod.image",
	"serviceAccountName": "pod.serviceAccount", "username": "user.username", "groups": "user.groups", "subresource": "objectRef.subresource",
	"sourceIP": "peer", "sourceip": "peer", "statusCode": "responseStatus.code", "uri": "requestURI", "useragent": "userAgent",
}

// lookUp finds the field that a rule names. A field that no event has is told, and nil: the rule is used, for what of it works.
func (d *draft) lookUp(name string, line int) *match.Path {
	p, err := parsePath(name)
	if err != nil {
		d.tell(warning, line, "no audit event has a field %q, so no event passes this test; %v", name, err)
	}
	return p
}

// parsePath reads the name of a field. Its error says what to write in its place.
func parsePath(name string) (*match.Path, error) {
	if name == "apiGroup" { // as a member of the event it is one that rules think there is, although the search language has it
		return nil, errors.New("write objectRef.apiGroup")
	}
	p, err := match.ParsePath(name)
	if to := meant[name]; err != nil && to != "" {
		err = fmt.Errorf("write %s", to)
	}
	return p, err
}

// verbs are what an audit event's may be: those of resources, and the methods of HTTP where it is about none.
var verbs = []string{
	"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "proxy",
	"post", "put", "head", "options", "trace", "connect", "alert", // the last of Falco's alerts
}

// check tells of values that the field never has.
func (it *item) check() {
	m := it.mods
	if m.expand || !m.plain() && (m.where == "" || len(m.chain) > 0 || m.re || m.cidr || m.compare != "" || m.part != "") {
		return
	}
	for _, n := range it.values {
		tokens := m.place(scan(n.Value, false))
		s, whole := literal(tokens)
		switch it.path.Name() {
		case "verb":
			p := compile(fold(tokens))
			if !slices.ContainsFunc(verbs, func(v string) bool { return p.matches([]byte(v)) }) {
				it.tell(warning, n.Line, "no audit event has the verb %q; there are %s, and for URLs of no resource the methods of HTTP in small letters",
					n.Value, strings.Join(verbs[:8], ", "))
			}
		case "responseStatus.code":
			if whole && !possible("responseStatus.code", s) {
				it.tell(warning, n.Line, "the code of an audit event is a number, never %q; write one such as 403, or test annotations.authorization.k8s.io/decision", s)
			}
		}
	}
}
