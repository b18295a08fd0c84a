package match

import (
	"maps"
	"slices"
	"strings"
)

// Field is a field of the language, as help and completion show it.
type Field struct {
	Name    string   `json:"name"` // canonical: the event's own
	Aliases []string `json:"aliases,omitempty"`
	Kind    Kind     `json:"kind"`
	About   string   `json:"about"`            // one sentence
	Values  []string `json:"values,omitempty"` // where they are few and fixed
}

// Kind is what sort of values a field has.
type Kind string

const (
	Text     Kind = "text"
	Number   Kind = "number"
	Time     Kind = "time"
	Duration Kind = "duration"
	Network  Kind = "network" // addresses, compared with a network or an address
	List     Kind = "list"    // of texts, of which any may pass
	Object   Kind = "object"  // has members, named below it
	Mark     Kind = "mark"    // of which an event may have several
)

// Fields are all fields, in the order in which the documents list them.
func Fields() []Field {
	all := make([]Field, len(abouts))
	for i, a := range abouts {
		f := fields[a.name]
		all[i] = Field{Name: a.name, Kind: f.kind(), About: a.about, Values: slices.Clone(f.values)}
		for alias, of := range aliases {
			if of == a.name {
				all[i].Aliases = append(all[i].Aliases, alias)
			}
		}
		slices.SortFunc(all[i].Aliases, func(x, y string) int {
			if len(x) != len(y) {
				return len(x) - len(y)
			}
			return strings.Compare(x, y)
		})
		if f.names != nil {
			all[i].Values = slices.DeleteFunc(slices.Collect(maps.Keys(f.names)), func(n string) bool { return n == "*" })
			slices.SortFunc(all[i].Values, func(x, y string) int { return f.names[x] - f.names[y] })
		}
		if f.name == decisionName {
			all[i].Values = []string{"allow", "forbid"}
		}
	}
	return all
}

func (f *field) kind() Kind {
	switch {
	case f.name == "mark":
		return Mark
	case f.number != nil && f.unit == instant:
		return Time
	case f.number != nil && f.unit == duration:
		return Duration
	case f.number != nil:
		return Number
	case f.network:
		return Network
	case f.object:
		return Object
	case f.span != nil && f.name != "impersonatedUser.uid":
		return List
	}
	return Text
}

var abouts = []struct{ name, about string }{
	{"verb", "What was asked: get, list, watch, create, update, patch, delete, deletecollection, or a method of HTTP where it is about no object."},
	{"user.username", "Who made the request, not whom they acted as."},
	{"impersonatedUser.username", "Whom they acted as."},
	{"objectRef.resource", "What kind of object it was about; pods/exec names a subresource too."},
	{"objectRef.subresource", "Which part of the object: exec, log, status, scale, token, …"},
	{"objectRef.namespace", "The object's namespace."},
	{"objectRef.name", "The object's name."},
	{"responseStatus.code", "The answer's HTTP status."},
	{"peer", "The address that the request came from: the last of sourceIPs, the only one that is not the client's own claim."},
	{"ip", "Any of the source addresses, those that the client claims too."},
	{"userAgent", "What the client calls itself."},
	{"time", "When it was: the event's stageTimestamp, or when it came if it tells none."},
	{"hour", "The hour of its time in UTC, 0 to 23."},
	{"weekday", "The day of the week of its time in UTC."},
	{"latency", "How long it took from the request to this stage."},
	{decisionName, "What the authorizer decided."},
	{reasonName, "Why the authorizer decided so: with RBAC the binding and the role."},
	{"level", "How much of the request was recorded."},
	{"stage", "How far the request had come."},
	{"requestURI", "The path and the query that were asked for."},
	{"auditID", "One for all stages of a request; a client may choose it."},
	{"user.groups", "The user's groups."},
	{"user.uid", "The user's UID."},
	{"user.extra", "What else authentication knew of the user: credential, node, pod."},
	{"impersonatedUser.uid", "The UID that they acted under."},
	{"impersonatedUser.groups", "The groups that they acted in."},
	{"impersonatedUser.extra", "What else they said of whom they acted as."},
	{"objectRef.apiGroup", "The object's API group; absent for the core group."},
	{"objectRef.apiVersion", "The version of the API that was used."},
	{"objectRef.uid", "The object's UID."},
	{"objectRef.resourceVersion", "The version of the object that the request named."},
	{"sourceIPs", "The source addresses as texts."},
	{"responseStatus", "How the request ended: reason, message, details."},
	{"annotations", "What admission, authorization and the API server noted."},
	{"authenticationMetadata", "By what right an impersonation was allowed."},
	{"requestObject", "The request's body, from level Request on."},
	{"responseObject", "The response's body, at level RequestResponse."},
	{"requestReceivedTimestamp", "When the request came."},
	{"cluster", "The name under which the event came."},
	{"origin", "By what way it came: a receiver, a file, an import."},
	{"position", "Its number in the cluster's ledger."},
	{"received", "When Annals had it."},
	{"mark", "What a reader must know of it."},
	{"dialect", "In what form it came."},
}
