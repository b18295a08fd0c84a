package audit

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// fact is what the types cannot tell of a field: from which Kubernetes version on it is there, at which levels and stages, what
// it is called in searches, and its column in SQL.
type fact struct{ since, when, search, column string }

const (
	always   = "always"
	fromPath = "all levels and stages, where the request is about a resource"
	fromBody = "all levels, once the request's body was read"
	answered = "all levels, from ResponseStarted on"
)

// facts are by the path of the field; docs/event.md shows them.
var facts = map[string]fact{
	"level":                    {"v1", always, "level", "level"},
	"auditID":                  {"v1", always, "auditID, id", "auditID"},
	"stage":                    {"v1", always, "stage", "stage"},
	"requestURI":               {"v1", always, "requestURI, uri", "requestURI"},
	"verb":                     {"v1", always, "verb", "verb"},
	"user":                     {"v1", always, "user:*", "user"},
	"impersonatedUser":         {"v1", "all levels, from ResponseStarted on, where the impersonation was allowed", "as:*", "impersonated"},
	"authenticationMetadata":   {"1.36", "as impersonatedUser, where the impersonation was constrained", "authenticationMetadata.PATH", "authenticationMetadata"},
	"sourceIPs":                {"v1", "all levels and stages; not of requests through a unix socket", "sourceIPs, ip, peer", "sourceIPs"},
	"userAgent":                {"v1", "all levels and stages, where the client sent one", "userAgent, agent", "userAgent"},
	"objectRef":                {"v1", fromPath, "resource:*", ""},
	"responseStatus":           {"v1", "all levels, from ResponseStarted on; of a failed login at ResponseStarted alone", "responseStatus.PATH", "responseStatus"},
	"requestObject":            {"v1", "from level Request on, once it was read; never of get, list, watch, exec, attach, portforward and proxy", "requestObject.PATH, request.PATH", "requestObject"},
	"responseObject":           {"v1", "at level RequestResponse, at ResponseComplete; an error's before; never of watch, log, exec and what else streams", "responseObject.PATH, response.PATH", "responseObject"},
	"requestReceivedTimestamp": {"v1", always, "requestReceivedTimestamp, latency", "latency"},
	"stageTimestamp":           {"v1", always, "time, stageTimestamp, hour, weekday", "time"},
	"annotations":              {"v1", "all levels; those of authorization and admission from ResponseStarted on", "annotations.KEY, decision, reason", "annotations, decision, reason"},

	"user.username": {"v1", "where authentication succeeded", "user.username, user", "user"},
	"user.uid":      {"v1", "where the authenticator gives one", "user.uid", "userUID"},
	"user.groups":   {"v1", "where authentication succeeded", "user.groups, group", "groups"},
	"user.extra":    {"v1", "where the authenticator gives some; credential-id from 1.32 on", "user.extra.KEY", "userExtra"},

	"authenticationMetadata.impersonationConstraint": {"1.36", "where the impersonation was constrained", "authenticationMetadata.impersonationConstraint", "authenticationMetadata"},

	"objectRef.resource":        {"v1", fromPath, "objectRef.resource, resource", "resource"},
	"objectRef.namespace":       {"v1", "where the object is in a namespace and the path or the body tells it", "objectRef.namespace, ns", "namespace"},
	"objectRef.name":            {"v1", "where the path tells it; of a create " + fromBody, "objectRef.name, name", "name"},
	"objectRef.uid":             {"v1", fromBody, "objectRef.uid", "objectUID"},
	"objectRef.apiGroup":        {"v1", fromPath, "objectRef.apiGroup, apiGroup", "apiGroup"},
	"objectRef.apiVersion":      {"v1", fromPath, "objectRef.apiVersion", "apiVersion"},
	"objectRef.resourceVersion": {"v1", fromBody, "objectRef.resourceVersion", "resourceVersion"},
	"objectRef.subresource":     {"v1", fromPath, "objectRef.subresource, subresource", "subresource"},

	"responseStatus.metadata": {"v1", answered, "", "responseStatus"},
	"responseStatus.status":   {"v1", answered + ", of answers that are a Status: failures and deletions", "responseStatus.status", "responseStatus"},
	"responseStatus.message":  {"v1", answered + ", of failures", "responseStatus.message", "responseStatus"},
	"responseStatus.reason":   {"v1", answered + ", of failures", "responseStatus.reason", "responseStatus"},
	"responseStatus.details":  {"v1", answered + ", of failures and deletions", "responseStatus.details.PATH", "responseStatus"},
	"responseStatus.code":     {"v1", answered, "responseStatus.code, code", "code"},
}

const eventHead = `# The event

<!-- Made from the types in audit/event.go by go test ./audit -run TestEventDocument -update. Do not edit. -->

An event is one request at one stage: an ` + "`audit.k8s.io/v1`" + ` Event, as kube-apiserver writes it and ` + "`annals search -o json`" + ` gives it
back. [event.schema.json](event.schema.json) is its JSON Schema (draft 2020-12). A later Kubernetes may add members; the schema lets
them be.

*Since* is the Kubernetes version from which on the member is there; v1 is 1.12, the first with events of this version. *Search* are
its names in [searches](search.md), *SQL* is its column in the [view events](sql.md).

| level | holds |
|---|---|
| Metadata | all but the bodies |
| Request | the request's body too |
| RequestResponse | the answer's body too |

| stage | |
|---|---|
| RequestReceived | the request came, before it was authorized. Many policies leave this stage out |
| ResponseStarted | the answer began: of watches, sessions, logs and proxies; and the only event of a failed login |
| ResponseComplete | the answer is whole |
| Panic | the API server failed on the way |
`

// TestEventDocument holds the field reference to the types.
func TestEventDocument(t *testing.T) {
	d := readDoc(t)
	var b strings.Builder
	b.WriteString(eventHead)
	used := map[string]bool{}
	d.table(t, &b, used, reflect.TypeFor[Event](), "", "Event")
	d.table(t, &b, used, reflect.TypeFor[UserInfo](), "user.", "user and impersonatedUser")
	b.WriteString("\nOf `impersonatedUser` the search names are `impersonatedUser.username` or `as`, `impersonatedUser.uid`, `.groups` and `.extra.KEY`; in SQL\nthe name is `impersonatedUser` and all of it `impersonated`.\n")
	d.table(t, &b, used, reflect.TypeFor[AuthenticationMetadata](), "authenticationMetadata.", "authenticationMetadata")
	d.table(t, &b, used, reflect.TypeFor[ObjectReference](), "objectRef.", "objectRef")
	d.table(t, &b, used, reflect.TypeFor[Status](), "responseStatus.", "responseStatus")
	d.table(t, &b, used, reflect.TypeFor[StatusDetails](), "", "responseStatus.details")
	d.table(t, &b, used, reflect.TypeFor[StatusCause](), "", "responseStatus.details.causes")
	for path := range facts {
		if !used[path] {
			t.Errorf("there are facts about %s, which is no field", path)
		}
	}
	isCurrent(t, "event.md", []byte(b.String()))
}

func (d *goDoc) table(t *testing.T, b *strings.Builder, used map[string]bool, typ reflect.Type, prefix, title string) {
	inner := typ == reflect.TypeFor[StatusDetails]() || typ == reflect.TypeFor[StatusCause]()
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n", title, sentence(d.types[typ.Name()]))
	if inner {
		b.WriteString("| field | type | meaning |\n|---|---|---|\n")
	} else {
		b.WriteString("| field | type | meaning | since | level and stage | search | SQL |\n|---|---|---|---|---|---|---|\n")
	}
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		row := fmt.Sprintf("| `%s` | %s | %s |", name, typeName(f.Type), d.fields[typ.Name()+"."+f.Name])
		if !inner {
			x, ok := facts[prefix+name]
			if !ok {
				t.Errorf("nothing is said about %s%s", prefix, name)
			}
			used[prefix+name] = true
			row += fmt.Sprintf(" %s | %s | %s | %s |", x.since, x.when, code(x.search), code(x.column))
		}
		b.WriteString(row + "\n")
	}
}

// code puts names into backquotes.
func code(names string) string {
	if names == "" {
		return ""
	}
	return "`" + strings.ReplaceAll(names, ", ", "`, `") + "`"
}

func typeName(typ reflect.Type) string {
	switch {
	case typ == reflect.TypeFor[MicroTime]():
		return "time"
	case typ == reflect.TypeFor[Span]():
		return "any JSON"
	}
	switch typ.Kind() {
	case reflect.Pointer:
		return typeName(typ.Elem())
	case reflect.Slice:
		return "list of " + strings.TrimSuffix(typeName(typ.Elem()), "s") + "s"
	case reflect.Map:
		return "map to " + typeName(typ.Elem())
	case reflect.Int32:
		return "number"
	case reflect.Struct:
		return "object"
	}
	return "string"
}
