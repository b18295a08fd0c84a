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
	case f.derivation != nil && f.derivation.id < bodyName, f.span != nil && f.name != "impersonatedUser.uid":
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

	{"actor", "In whose name it was done: whom they acted as, else who made the request."},
	{"object.name", "The object's name, where the request gives none that which the bodies tell."},
	{"object.namespace", "The object's namespace, where the request gives none that which the bodies tell."},
	{"exec.command", "What was to be run in a container, as the request's URI says."},
	{"exec.container", "In which container, as the request's URI says."},
	{"pod.privileged", "true if a container is to be privileged."},
	{"pod.hostPath", "The node's files that are mounted, or that a PersistentVolume is, as the shortest path."},
	{"pod.hostPathWritable", "Those of them that a container may write to, or of which the request leaves that open."},
	{"pod.hostNetwork", "true if the pod is to use the node's network."},
	{"pod.hostPID", "true if the pod is to see the node's processes."},
	{"pod.hostIPC", "true if the pod is to share the node's IPC."},
	{"pod.hostProcess", "true if a container is to run as a process of a Windows node."},
	{"pod.shareProcessNamespace", "true if its containers are to see each other's processes."},
	{"pod.capability", "Capabilities that are added, in capitals and without CAP_."},
	{"pod.image", "The images of its containers."},
	{"pod.container", "The names of its containers."},
	{"pod.command", "What its containers run: command and arguments, hooks and probes, each with blanks between its parts."},
	{"pod.serviceAccount", "The service account that the pod runs as."},
	{"pod.runAsUser", "The user IDs that containers run as."},
	{"pod.allowPrivilegeEscalation", "true or false where it is said."},
	{"pod.procMount", "How /proc is mounted."},
	{"pod.seccomp", "The types of seccomp profiles."},
	{"pod.apparmor", "The types of AppArmor profiles, or what an annotation says in their place."},
	{"pod.sysctl", "The names of sysctls that are set."},
	{"pod.volumeType", "What kinds of volumes it has: hostPath, secret, configMap, …"},
	{"pod.secret", "The secrets that are mounted or read into the environment."},
	{"pod.node", "The node that the pod asks for by name."},
	{"pod.hostPort", "The node's ports that are opened."},
	{"pod.imagePullSecret", "The secrets with which images are pulled."},
	{"pod.automountToken", "true or false where it is said whether the service account's token is mounted."},
	{"pod.ephemeral", "The names of ephemeral containers."},
	{"role.verb", "The verbs of a role's rules."},
	{"role.resource", "The resources of a role's rules."},
	{"role.apiGroup", "The API groups of a role's rules."},
	{"role.nonResourceURL", "The paths of a role's rules."},
	{"role.grant", "Each verb with each resource of its rule, like escalate clusterroles."},
	{"role.aggregates", "By which labels a role becomes part of others, or takes others in."},
	{"binding.user", "The users that a role is bound to, service accounts as system:serviceaccount:NAMESPACE:NAME."},
	{"binding.group", "The groups that a role is bound to."},
	{"binding.role", "The role that is bound."},
	{"csr.signer", "Who is to sign the certificate that is asked for."},
	{"csr.user", "The user that the certificate is to be for."},
	{"csr.group", "The groups that the certificate is to be for."},
}
