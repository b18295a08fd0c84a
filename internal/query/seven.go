package query

import (
	"fmt"
	"strings"
	"time"

	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
)

// Seven answers the seven questions of an event. The row was Wide. What the event does not tell is said to be unknown, and why.
func (r *Row) Seven() Seven {
	return Seven{
		What: r.Sentence(), When: r.when(), Who: r.who(), OnWhat: r.onWhat(), Observed: r.observed(), From: r.from(), To: r.to(),
	}
}

// unknown says why something is not known: of an event that was cut or cannot be read that is the reason for everything else too.
func (r *Row) unknown(why string) string {
	switch {
	case r.Marks&format.Quarantined != 0:
		why = "the event cannot be read"
	case r.Marks&format.Salvaged != 0:
		why = "the event arrived cut short, before it says"
	}
	return "unknown, because " + why
}

func (r *Row) when() string {
	at := time.UnixMicro(r.Time).UTC().Format("2006-01-02T15:04:05.000000Z")
	switch {
	case r.Time == r.Received && r.Latency == ledger.NullInt:
		return r.unknown("the event tells no time") + "; it was received at " + at
	case r.Latency == ledger.NullInt, r.Latency <= 0:
		return at
	case r.Stage == "ResponseStarted":
		return fmt.Sprintf("%s; the answer began %s after the request came", at, lasted(r.Latency))
	}
	return fmt.Sprintf("%s, %s after the request came", at, lasted(r.Latency))
}

func (r *Row) who() string {
	switch {
	case r.User == "" && r.Code == 401:
		return r.unknown("authentication failed")
	case r.User == "" && r.Code == 400:
		return r.unknown("the request was refused before it was authenticated")
	case r.User == "":
		return r.unknown("the event names no user")
	}
	who := short(r.User)
	if p := person(r.User); p != who {
		who += " (" + p + ")"
	}
	if r.As != "" {
		who += ", acting as " + short(r.As)
	}
	if r.Reason != "" {
		verdict, known := map[string]string{"allow": "allowed", "forbid": "forbidden"}[r.Decision]
		if !known {
			verdict = "the authorizer said"
		}
		who += "; " + verdict + ": " + short(r.Reason)
	}
	return who
}

func (r *Row) onWhat() string {
	switch {
	case r.Resource == "" && r.RequestURI == "":
		return r.unknown("the event names neither an object nor a path")
	case r.Resource == "":
		return "the path " + short(r.path())
	}
	what := r.all()
	if r.Verb != "list" && r.Verb != "watch" && r.Verb != "deletecollection" {
		what = r.object()
	}
	if r.Subresource != "" {
		what = "the " + short(r.Subresource) + " of " + what
	}
	return what
}

func (r *Row) observed() string {
	where := fmt.Sprintf("cluster %s, position %d", r.Cluster, r.Position)
	if r.Origin != "" {
		where += ", by way of " + short(r.Origin)
	}
	if r.Stage != "" {
		where += ", at stage " + short(r.Stage)
	}
	if r.Level != "" {
		where += ", level " + short(r.Level)
	}
	return where
}

// from is whence it came. Only the last address is not the client's own claim.
func (r *Row) from() string {
	with := ""
	if r.UserAgent != "" {
		with = "; the client calls itself " + short(r.UserAgent)
	}
	ips := r.IPs()
	if len(ips) == 0 {
		return r.unknown("the event holds no address, as of a request through a unix socket") + with
	}
	last := len(ips) - 1
	from := short(ips[last])
	if last > 0 {
		from += ", which says it asks for " + short(strings.Join(ips[:last], ", "))
	}
	return from + with
}

// to is where it was going: the API server, and what lies behind it.
func (r *Row) to() string {
	if r.RequestURI == "" {
		return r.unknown("the event holds no request URI")
	}
	to := "the API server of " + r.Cluster + ", at " + short(r.path())
	switch r.Resource + "/" + r.Subresource {
	case "pods/exec", "pods/attach", "pods/portforward", "pods/log":
		to += "; through it the kubelet, to the pod " + short(r.Name)
	case "nodes/proxy", "nodes/log":
		to += "; through it the kubelet of " + short(r.Name)
	case "services/proxy", "pods/proxy":
		to += "; through it what " + r.kind() + "/" + short(r.Name) + " serves"
	}
	return to
}
