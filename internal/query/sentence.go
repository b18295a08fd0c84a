package query

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
)

// Sentence says what happened in words: who did what to what, and how it ended. It is plain text of bounded length, never
// empty, and holds what clients wrote: whoever shows it escapes it.
func (r *Row) Sentence() string {
	switch {
	case r.Marks&format.Quarantined != 0:
		return "an event that cannot be read was kept" + because(r.Note)
	case r.Verb == "" && r.Resource == "" && r.RequestURI == "":
		if r.Code != 0 {
			return fmt.Sprintf("a request was answered with %d; what it was stands in another event of the same audit ID", r.Code)
		}
		return "something happened that the event does not tell" + because(r.Note)
	}
	who, act := r.actor(), r.act()
	switch {
	case r.Stage == "Panic":
		return fmt.Sprintf("%s tried to %s, and the API server panicked (%d)", who, act.base, r.Code)
	case r.Code == 401 && r.Resource == "":
		return fmt.Sprintf("%s was turned away from %s (401)", who, short(r.path()))
	case r.Code == 401:
		return fmt.Sprintf("%s was turned away on trying to %s (401)", who, act.base)
	case r.Code == 403 && r.Decision != "allow":
		return fmt.Sprintf("%s was not allowed to %s (403)", who, act.base)
	case r.Code >= 400:
		return fmt.Sprintf("%s tried to %s, but %s (%d)", who, act.base, r.failure(), r.Code)
	case r.Stage == "RequestReceived" && !strings.HasPrefix(act.base, "ask "):
		return who + " asked to " + act.base
	case act.begins && r.Stage == "ResponseStarted":
		return who + " began to " + act.base
	case act.lasts && r.Stage == "ResponseComplete" && r.Latency != ledger.NullInt && r.Latency > 0:
		return fmt.Sprintf("%s %s for %s", who, act.past, lasted(r.Latency))
	}
	return who + " " + act.past
}

func because(note string) string {
	if note == "" {
		return ""
	}
	return ": " + short(note)
}

// actor is who did it, and as whom.
func (r *Row) actor() string {
	who := person(r.User)
	switch {
	case r.User == "" && r.Code == 401:
		who = "somebody without a valid credential"
	case r.User == "":
		who = "somebody unknown"
	}
	if r.As != "" {
		return who + ", as " + person(r.As) + ","
	}
	return who
}

// person is a user's name as people say it.
func person(user string) string {
	if rest, ok := strings.CutPrefix(user, "system:serviceaccount:"); ok {
		if ns, name, ok := strings.Cut(rest, ":"); ok && ns != "" && name != "" {
			return "service account " + short(name) + " of " + short(ns)
		}
	}
	if node, ok := strings.CutPrefix(user, "system:node:"); ok && node != "" {
		return "node " + short(node)
	}
	switch user {
	case "system:anonymous":
		return "somebody anonymous"
	case "system:apiserver":
		return "the API server itself"
	}
	return short(user)
}

// failure is why a request with an error's code came to nothing.
func (r *Row) failure() string {
	switch r.Code {
	case 400:
		return "the request was malformed"
	case 403: // and the authorizer had allowed it
		switch {
		case slices.Contains([]string{"proxy", "exec", "attach", "portforward", "log"}, r.Subresource):
			return "what lies behind the API server refused it"
		case slices.Contains([]string{"create", "update", "patch", "delete", "deletecollection"}, r.Verb):
			return "admission refused it"
		}
	case 404:
		return "it was not there"
	case 405:
		return "that cannot be done to it"
	case 406, 415:
		return "the format was not supported"
	case 409:
		if r.Verb == "create" && r.Subresource == "" {
			return "it was there already"
		}
		return "it had changed in the meantime"
	case 410:
		return "the version asked for was gone"
	case 413:
		return "the request was too large"
	case 422:
		return "what was sent was not valid"
	case 429:
		if r.Subresource == "eviction" {
			return "a disruption budget forbade it"
		}
		return "there were too many requests"
	case 504:
		return "it took too long"
	}
	if r.Code >= 500 {
		return "the server failed"
	}
	return "it was refused"
}

// act is what was done, as an infinitive and in the past.
type act struct {
	base, past string
	lasts      bool // how long it took is how long it went on
	begins     bool // at its first stage it has only begun
}

func doing(base, past, what string) act { return act{base: base + " " + what, past: past + " " + what} }

func lasting(base, past, what string) act {
	return act{base + " " + what, past + " " + what, true, true}
}

func (r *Row) act() act {
	if r.Resource == "" {
		return r.nonResource()
	}
	if r.APIGroup == ownGroup {
		if a, ok := r.ownAct(); ok {
			return a
		}
	}
	if a, ok := r.subresource(); ok {
		return a
	}
	switch r.Resource {
	case "tokenreviews":
		if r.Verb == "create" {
			return doing("ask", "asked", "whether a token is valid")
		}
	case "subjectaccessreviews", "localsubjectaccessreviews":
		if r.Verb == "create" {
			return doing("ask", "asked", "what somebody may do"+in(r.Namespace))
		}
	case "selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews":
		if r.Verb == "create" {
			return doing("ask", "asked", "about their own rights"+in(r.Namespace))
		}
	}
	what := r.object()
	switch r.Verb {
	case "list":
		return doing("list", "listed", r.all())
	case "watch":
		return lasting("watch", "watched", r.all())
	case "deletecollection":
		return doing("delete", "deleted", r.all())
	}
	base, past := verb(r.Verb)
	return doing(base, past, what)
}

// verb is a verb of the API in words.
func verb(v string) (base, past string) {
	switch v {
	case "get":
		return "read", "read"
	case "create", "update", "delete":
		return v, strings.TrimSuffix(v, "e") + "ed"
	case "patch", "list", "watch":
		return v, v + "ed"
	case "deletecollection":
		return "delete", "deleted"
	case "":
		return "ask about", "asked about"
	}
	return "do " + short(v) + " on", "did " + short(v) + " on"
}

func (r *Row) nonResource() act {
	p := short(r.path())
	switch r.Verb {
	case "get", "":
		return doing("ask", "asked", "for "+p)
	case "head", "options":
		return doing("ask", "asked", "about "+p)
	}
	return doing("send", "sent", "a "+short(strings.ToUpper(r.Verb))+" to "+p)
}

// path is where the request went, without its query.
func (r *Row) path() string {
	p, _, _ := strings.Cut(r.RequestURI, "?")
	return p
}

// subresource is what is done to a part of an object, where that has a name of its own.
func (r *Row) subresource() (act, bool) {
	what, reads := r.object(), r.Verb == "get"
	switch r.Resource + "/" + r.Subresource {
	case r.Resource + "/":
		return act{}, false
	case "pods/exec":
		return r.exec(), true
	case "pods/attach":
		return act{base: "attach to " + what, past: "attached to " + what, lasts: true}, true
	case "pods/portforward":
		return lasting("forward", "forwarded", "ports of "+what), true
	case "pods/log":
		return lasting("read", "read", "the log of "+what), true
	case "pods/eviction":
		return doing("evict", "evicted", what), true
	case "pods/binding":
		return doing("assign", "assigned", what+" to a node"), true
	case "pods/ephemeralcontainers":
		if !reads {
			return doing("put", "put", "a debugging container into "+what), true
		}
	case "serviceaccounts/token":
		if r.Verb == "create" {
			return doing("get", "got", "a token for service account "+short(r.Name)+" of "+short(r.Namespace)), true
		}
	case "certificatesigningrequests/approval":
		if !reads {
			return doing("decide", "decided", "on "+what), true
		}
	case "namespaces/finalize":
		if !reads {
			return doing("finish", "finished", "the deletion of "+what), true
		}
	case "nodes/proxy":
		return lasting("reach", "reached", "through the API server to the kubelet of "+what), true
	}
	switch r.Subresource {
	case "proxy":
		return lasting("reach", "reached", "through the API server to "+what), true
	case "scale":
		if !reads {
			return doing("scale", "scaled", what), true
		}
	}
	base, past := verb(r.Verb)
	return doing(base, past, "the "+short(r.Subresource)+" of "+what), true
}

// shells are commands by which somebody types what to do.
var shells = []string{"sh", "bash", "ash", "dash", "zsh", "ksh", "fish"}

// exec is a command run in a container. What it was stands in the URI.
func (r *Row) exec() act {
	_, query, _ := strings.Cut(r.RequestURI, "?")
	values, _ := url.ParseQuery(query) // what can be read of it
	command, where := values["command"], r.object()
	if c := values.Get("container"); c != "" {
		where = "container " + short(c) + " of " + where
	}
	switch {
	case len(command) == 0:
		return lasting("run", "ran", "a command in "+where)
	case slices.Contains(shells, path.Base(command[0])) && !slices.ContainsFunc(command[1:], func(a string) bool { return !strings.HasPrefix(a, "-") || strings.Contains(a, "c") }):
		return act{base: "open a shell in " + where, past: "opened a shell in " + where, lasts: true}
	}
	return lasting("run", "ran", fmt.Sprintf("“%s” in %s", short(strings.Join(command, " ")), where))
}

// longest is how many characters of something that a client wrote stand in a sentence.
const longest = 100

func short(s string) string {
	if len(s) <= longest {
		return s
	}
	if utf8.RuneCountInString(s[:min(len(s), 4*longest)]) <= longest {
		return s
	}
	n := 0
	for i := range s {
		if n++; n > longest {
			return s[:i] + "…"
		}
	}
	return s
}

// lasted is how long something went on.
func lasted(micros int64) string {
	d := time.Duration(micros) * time.Microsecond
	switch {
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Millisecond).String()
}
