package lint

import (
	"slices"
	"strconv"
	"strings"

	"annals.dev/audit"
	"annals.dev/internal/detect"
	"annals.dev/internal/detect/coverage"
	"annals.dev/internal/match"
	policylint "annals.dev/policy/lint"
)

// verbs are those of requests for resources; methods those of others.
var (
	verbs   = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "proxy"}
	methods = []string{"get", "post", "put", "patch", "delete", "head", "options", "connect", "trace"}
	stages  = []string{string(audit.StageRequestReceived), string(audit.StageResponseStarted), string(audit.StageResponseComplete), string(audit.StagePanic)}
	levels  = []string{string(audit.LevelMetadata), string(audit.LevelRequest), string(audit.LevelRequestResponse)}
)

// instead is the verb that people mean by another word.
var instead = map[string]string{"replace": "update", "apply": "patch", "edit": "patch", "describe": "get", "exec": "get and create, with objectRef.subresource exec",
	"read": "get", "modify": "update and patch", "remove": "delete", "add": "create", "impersonate": "impersonatedUser.username with any value"}

// values checks what the tests of a rule ask for, one by one.
func (l *linter) values() {
	for _, t := range l.leaves {
		if _, err := match.ParsePath(t.field); t.field != "" && err != nil && l.rule.Language != detect.Sigma { // which tells that itself
			l.tell("warning", "field", t.field, "no audit event has a field %q", t.field)
			continue
		}
		if body, path, ok := strings.Cut(t.field, "."); ok && (body == "requestObject" || body == "responseObject") {
			l.body(body, path, &t)
			continue
		}
		if !t.exact {
			continue
		}
		for _, v := range t.samples {
			l.value(&t, v)
		}
	}
}

func foldedIn(list []string, v string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, v) })
}

func (l *linter) value(t *leaf, v string) {
	plain := !slices.Contains([]string{"role", "requestObject", "annotations"}, strings.Split(t.field, ".")[0])
	if plain && strings.Contains(v, "*") && l.rule.Language == detect.Falco {
		l.tell("warning", "wildcard", v, "%s is compared with %q as it stands: the * is no wildcard there; write startswith or glob", t.field, v)
	}
	switch t.field {
	case "verb":
		if !foldedIn(verbs, v) && !foldedIn(methods, v) && l.rule.Language != detect.Sigma {
			hint := ""
			if to := instead[strings.ToLower(v)]; to != "" {
				hint = "; it is " + to
			}
			l.tell("warning", "value", v, "no audit event has the verb %q%s", v, hint)
		}
	case "stage":
		if !foldedIn(stages, v) {
			l.tell("warning", "value", v, "there is no stage %q, but %s", v, strings.Join(stages, ", "))
		}
	case "level":
		if !foldedIn(levels, v) {
			l.tell("warning", "value", v, "there is no event of level %q, but of %s", v, strings.Join(levels, ", "))
		}
	case "responseStatus.code":
		if n, err := strconv.Atoi(v); (err != nil || n < 100 || n > 599) && l.rule.Language != detect.Sigma {
			l.tell("warning", "value", v, "the code is a number from 100 to 599, never %q", v)
		}
	case "objectRef.apiGroup":
		if group, version, ok := strings.Cut(v, "/"); ok {
			l.tell("warning", "value", v, "objectRef.apiGroup is %q; the version %s is objectRef.apiVersion", group, version)
		}
	case "objectRef.resource":
		l.resource(v)
	}
}

// resource checks the name of a resource.
func (l *linter) resource(v string) {
	if resource, sub, ok := strings.Cut(v, "/"); ok {
		l.tell("warning", "value", v, "objectRef.resource is %s; %s is its objectRef.subresource", resource, sub)
		return
	}
	known := policylint.Resources()
	if slices.ContainsFunc(known, func(r policylint.Resource) bool { return strings.EqualFold(r.Name, v) }) {
		if strings.ToLower(v) != v && l.rule.Language != detect.Sigma { // whose tests pass over that
			l.tell("warning", "value", v, "resources are written in small letters: %s", strings.ToLower(v))
		}
		return
	}
	for _, r := range known {
		if r.Group != "extensions" && (strings.EqualFold(r.Kind, v) || foldedIn(r.Short, v)) {
			l.tell("warning", "value", v, "objectRef.resource is in the plural and in small letters: %s, not %s", r.Name, v)
			return
		}
	}
}

// body checks a path into a body against the types of what is built in.
func (l *linter) body(of, path string, t *leaf) {
	names := strings.Split(path, ".")
	if strings.ContainsAny(path, "[") || of == "responseObject" && slices.Contains([]string{"items", "rows", "status", "message", "reason", "details", "code"}, names[0]) {
		return // a key that holds dots; a list, a table or a status
	}
	resources, verbs := l.pinned("objectRef.resource"), l.pinned("verb")
	if resources == nil {
		return // there are types that nobody here knows
	}
	if slices.Contains(verbs, "patch") && len(verbs) == 1 || slices.ContainsFunc(verbs, func(v string) bool { return strings.HasPrefix(v, "delete") }) {
		return // a patch may be a list of operations; a deletion has options
	}
	for _, r := range policylint.Resources() {
		if r.Group == "extensions" || !slices.Contains(resources, r.Name) {
			continue
		}
		subs := append([]string{""}, r.Subresources...)
		for _, sub := range subs {
			b := coverage.BodyOf(r.Group, r.Name, sub)
			if b == nil {
				return // whose type is not known
			}
			if shape, _ := b.At(names); shape != coverage.Nowhere {
				return
			}
		}
	}
	for _, r := range policylint.Resources() {
		if !slices.Contains(resources, r.Name) || r.Group == "extensions" {
			continue
		}
		if b := coverage.BodyOf(r.Group, r.Name, ""); b != nil {
			_, depth := b.At(names)
			hint := ""
			if close := nearest(names[depth], b.Members(names[:depth])); close != "" {
				hint = "; did you mean " + strings.Join(append(slices.Clone(names[:depth]), close), ".") + "?"
			}
			l.tell("warning", "path", names[depth], "a %s has no %s%s", b.Kind, strings.Join(names[:depth+1], "."), hint)
			return
		}
	}
}

// pinned are the values of which a field must have one for the rule to be true; nil where it may have others.
func (l *linter) pinned(field string) []string { return pinned(l.part, field) }

func pinned(p *match.Part, field string) (values []string) {
	for _, c := range conjuncts(p) {
		switch {
		case c.Leaf != nil && c.Leaf.Field() == field && c.Leaf.Exact() != nil:
			if values == nil {
				values = c.Leaf.Samples()
			}
		case c.Or != nil:
			var all []string
			for _, o := range c.Or {
				v := pinned(o, field)
				if v == nil {
					all = nil
					break
				}
				all = append(all, v...)
			}
			if values == nil && all != nil {
				values = all
			}
		}
	}
	return values
}
