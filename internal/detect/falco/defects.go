package falco

import (
	"fmt"
	"slices"
	"strings"

	"annals.dev/audit"
	"annals.dev/internal/match"
)

// defect is something that a rule cannot do, or does though nobody means it to.
type defect struct{ kind, message string }

// decide is the truth of a condition as far as f knows that of its tests.
func decide(e expr, f func(*tester) match.Truth) match.Truth {
	switch e := e.(type) {
	case *or:
		some := match.No
		for _, k := range e.kids {
			if some = max(some, decide(k, f)); some == match.Yes {
				break
			}
		}
		return some
	case *and:
		all := match.Yes
		for _, k := range e.kids {
			if all = min(all, decide(k, f)); all == match.No {
				break
			}
		}
		return all
	case *not:
		return -decide(e.kid, f)
	case *tester:
		return f(e)
	}
	return match.Maybe
}

// constant is the truth of a test that is the same of all events.
func constant(t *tester) match.Truth {
	d := t.source.def
	switch {
	case d == nil:
	case strings.HasSuffix(d.name, ".rawtime") && t.check.op == "exists":
		return match.Yes
	case strings.HasSuffix(d.name, ".rawtime") && t.check.op == "=" && slices.Equal(t.check.values, []string{"0"}):
		return match.No
	}
	return match.Maybe
}

// bodyOf is the body that a test reads: request or response, "" if none.
func bodyOf(t *tester) string {
	for _, d := range t.source.reads {
		if d.body != "" {
			return d.body
		}
		if strings.HasSuffix(d.name, ".value") {
			for _, body := range []string{"request", "response"} {
				if key := keysOf(t.source.arg.key)[0]; key == body+"Object" {
					return body
				}
			}
		}
	}
	return ""
}

// facts are what is known of an event: by path, a text; absent is one too.
type facts map[string]string

const absent = "\x00absent"

// could says whether an event with these facts could match.
func could(e expr, f facts) bool {
	v := new(audit.View)
	v.AuditID = audit.Text("0")
	set := map[string]*audit.Text{
		"verb": &v.Verb, "stage": &v.Stage, "objectRef.resource": &v.ObjectRef.Resource, "objectRef.subresource": &v.ObjectRef.Subresource,
	}
	for path, value := range f {
		switch {
		case path == "responseStatus.code":
			_, _ = fmt.Sscan(value, &v.ResponseStatus.Code)
		case value != absent:
			*set[path] = audit.Text(value)
		}
	}
	return decide(e, func(t *tester) match.Truth {
		if _, known := f[t.field]; !known {
			return constant(t)
		}
		if t.test(v) {
			return match.Yes
		}
		return match.No
	}) != match.No
}

// defects are what can be told of a rule without an event.
func (r *resolver) defects(d *ruleDef, e expr, o *output) (found []defect) {
	add := func(kind, format string, args ...any) {
		found = append(found, defect{kind, fmt.Sprintf(format, args...)})
	}
	for _, message := range o.unknown {
		add("warning", "output: %s", message)
	}
	if strings.Contains(d.output, "[/requestObject/ephemeralContainers") {
		add("warning", "output: /requestObject/ephemeralContainers was last there in Kubernetes 1.22; it is /requestObject/spec/ephemeralContainers")
	}
	if !could(e, nil) {
		never := ""
		walk(e, false, func(e expr, _ bool) {
			if t, ok := e.(*tester); ok && constant(t) != match.Maybe && never == "" {
				never = start(t.check.String())
			}
		})
		add("note", "it is switched off: it can never match, since of what it asks is the same of all events (%s)", never)
		return found
	}
	r.testDefects(e, add)
	stageDefects(e, add)
	return append(found, scopeDefects(e)...)
}

// testDefects are those of single tests.
func (r *resolver) testDefects(e expr, add func(kind, format string, args ...any)) {
	var negated []string
	inspects := map[string]bool{}
	told := map[string]bool{}
	ephemeral := couldEphemeral(e)
	once := func(kind, format string, args ...any) {
		if message := fmt.Sprintf(format, args...); !told[message] {
			told[message] = true
			add(kind, "%s", message)
		}
	}
	walk(e, false, func(x expr, not bool) {
		t, ok := x.(*tester)
		if !ok {
			return
		}
		c := t.check
		if body := bodyOf(t); body != "" && not && !inspects[t.key] {
			inspects[t.key] = true
			negated = append(negated, start(c.String()))
		}
		for _, d := range t.source.reads {
			switch {
			case d.as != nil && r.upstream:
				once("warning", "%s %s", d.name, d.was)
			case d.as != nil:
				once("note", "%s is read as it should be: that of Falco %s", d.name, d.was)
			case strings.HasSuffix(d.name, ".image.repository"):
				once("note", "%s is the image up to its first colon: any tag passes, and localhost:5000/x is localhost", d.name)
			case d.path == "requestObject.spec.volumes.hostPath.path" && (c.op == "in" || c.op == "intersects" || c.op == "="):
				once("warning", "%s compares paths as they are written: with /etc in the list, /etc/ and /etc/shadow are not", d.name)
			case strings.Contains(d.path, "spec.ephemeralContainers") && !ephemeral:
				once("warning", "%s is never there: ephemeral containers come by update or patch of pods/ephemeralcontainers, which this rule does not look at", d.name)
			}
		}
		if strings.ContainsAny(c.op, "<>") && !t.source.number {
			once("note", "%s compares as text, where 1000 is less than 400", start(c.String()))
		}
		if c.plain && definitions[c.values[0]] != nil {
			once("warning", "%s compares with a text: val(%s) is the field", c, c.values[0])
		}
	})
	withoutBody := decide(e, func(t *tester) match.Truth {
		if bodyOf(t) != "" {
			return match.No
		}
		return constant(t)
	})
	if withoutBody != match.No && len(negated) > 0 {
		add("warning", "it asks that something is not in the body (%s): where no body is recorded, at level Metadata or in a truncated event, it matches whatever was in it", strings.Join(negated, "; "))
	}
}

func couldEphemeral(e expr) bool {
	for _, verb := range []string{"update", "patch"} {
		if could(e, facts{"verb": verb, "objectRef.resource": "pods", "objectRef.subresource": "ephemeralcontainers"}) {
			return true
		}
	}
	return false
}

func stageDefects(e expr, add func(kind, format string, args ...any)) {
	if could(e, facts{"stage": "ResponseStarted"}) && !could(e, facts{"stage": "ResponseComplete"}) {
		add("warning", "it needs stage ResponseStarted, which is not there of a request that is denied, nor where the policy omits the stage")
	}
	exec := func(code string) bool {
		return could(e, facts{"objectRef.resource": "pods", "objectRef.subresource": "exec", "responseStatus.code": code})
	}
	if exec("200") && !exec("101") && !could(e, facts{"objectRef.resource": "pods", "objectRef.subresource": absent}) {
		add("warning", "an exec that succeeds has code 101, which it does not take for success")
	}
}

// scopeDefects are ways around a rule that is about one resource: verbs and subresources that do the same, or that are another.
func scopeDefects(e expr) (found []defect) {
	asks := func(resource, subresource, verb string) bool {
		return could(e, facts{"objectRef.resource": resource, "objectRef.subresource": subresource, "verb": verb})
	}
	body := false
	walk(e, false, func(x expr, _ bool) {
		if t, ok := x.(*tester); ok && bodyOf(t) != "" {
			body = true
		}
	})
	var created []string
	for _, resource := range []string{"clusterroles", "roles", "clusterrolebindings", "rolebindings", "services", "ingresses"} {
		if body && !asks("pods", absent, "create") && asks(resource, absent, "create") && !asks(resource, absent, "update") && !asks(resource, absent, "patch") {
			created = append(created, resource)
		}
	}
	if len(created) > 0 {
		found = append(found, defect{"warning", fmt.Sprintf("it looks at create of %s alone: update and patch do the same unseen", strings.Join(created, ", "))})
	}
	if asks("secrets", absent, "get") && !asks("secrets", absent, "list") && !asks("configmaps", absent, "get") {
		found = append(found, defect{"warning", "it looks at get of secrets alone: list and watch hand them out too"})
	}
	if asks("serviceaccounts", "token", "create") && !asks("pods", absent, "create") {
		found = append(found, defect{"warning", "it takes a request for a token (create of serviceaccounts/token) for the creation of a service account"})
	}
	return found
}
