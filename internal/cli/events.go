package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"annals.dev/internal/server"
)

// eventPrinter prints rows of a search.
type eventPrinter struct {
	printer
	clusters    bool // of more than one: say which
	zone        *time.Location
	terminal    bool
	first, last time.Time // of the events' times
}

var (
	tableHeader = []string{"TIME", "USER", "VERB", "OBJECT", "NAMESPACE", "CODE", "FROM"}
	wideHeader  = []string{"TIME", "USER", "VERB", "OBJECT", "NAMESPACE", "CODE", "FROM", "STAGE", "LEVEL", "POSITION", "ORIGIN", "AUDIT ID", "MARKS", "URI", "AGENT"}
	csvHeader   = []string{
		"time", "cluster", "position", "user", "impersonatedUser", "verb", "apiGroup", "resource", "subresource", "namespace", "name",
		"code", "sourceIPs", "stage", "level", "origin", "received", "auditID", "marks", "note", "requestURI", "userAgent",
	}
)

func newEventPrinter(w io.Writer, e *env, a *asking, clusters bool) *eventPrinter {
	p := &eventPrinter{printer: printer{w: w, format: a.output, list: "events"}, clusters: clusters, zone: a.zone(), terminal: e.outTerminal}
	switch a.output {
	case "table":
		p.header = tableHeader
	case "wide":
		p.header = wideHeader
	case "csv":
		p.header = csvHeader
	}
	if clusters && (a.output == "table" || a.output == "wide") {
		p.header = append([]string{"CLUSTER"}, p.header...)
	}
	if e.colour {
		p.paint = p.colours
	}
	return p
}

// settle shows what a table still holds back.
func (p *eventPrinter) settle() error {
	if p.format == "table" || p.format == "wide" {
		return p.flush()
	}
	return nil
}

func (p *eventPrinter) colours(column int, cell string) string {
	if p.header[column] == cell {
		return "\x1b[1m" + cell + "\x1b[0m"
	}
	if code, err := strconv.Atoi(cell); err == nil && p.header[column] == "CODE" && code >= 400 {
		return "\x1b[31m" + cell + "\x1b[0m"
	}
	return cell
}

func (p *eventPrinter) event(r *server.Row) error {
	if p.first.IsZero() || r.Time.Before(p.first) {
		p.first = r.Time
	}
	if r.Time.After(p.last) {
		p.last = r.Time
	}
	if p.format == "raw" {
		p.n++
		text := r.Raw
		if p.terminal {
			text = []byte(clean(string(text)))
		}
		_, err := p.w.Write(append(text, '\n'))
		return err
	}
	return p.row(func() []string { return p.cells(r) }, func() ([]byte, error) { return publicJSON(r) })
}

// publicEvent is an event in -o json, jsonl and yaml; docs/cli-json.md is its contract.
type publicEvent struct {
	Cluster  string          `json:"cluster"`
	Position uint64          `json:"position"`
	Origin   string          `json:"origin"`
	AlsoFrom []string        `json:"alsoFrom,omitempty"`
	Received time.Time       `json:"received"`
	Marks    []string        `json:"marks,omitempty"`
	Note     string          `json:"note,omitempty"`
	Event    json.RawMessage `json:"event,omitempty"`
}

func publicJSON(r *server.Row) ([]byte, error) {
	return json.Marshal(publicEvent{r.Cluster, r.Position, r.Origin, r.AlsoFrom, r.Received, r.Marks, r.Note, r.Event})
}

func (p *eventPrinter) cells(r *server.Row) []string {
	code := ""
	if r.Code != 0 {
		code = strconv.FormatInt(r.Code, 10)
	}
	if p.format == "csv" {
		return []string{
			formatTime(r.Time, p.zone), r.Cluster, strconv.FormatUint(r.Position, 10), r.User, r.Impersonated, r.Verb, r.APIGroup, r.Resource,
			r.Subresource, r.Namespace, r.Name, code, strings.Join(r.SourceIPs, " "), r.Stage, r.Level, r.Origin,
			formatTime(r.Received, p.zone), r.AuditID, strings.Join(r.Marks, " "), r.Note, r.RequestURI, r.UserAgent,
		}
	}
	cells := []string{formatTime(r.Time, p.zone), actor(r), r.Verb, object(r), r.Namespace, code, from(r)}
	if p.clusters {
		cells = append([]string{r.Cluster}, cells...)
	}
	if p.format == "wide" {
		cells = append(cells, r.Stage, r.Level, strconv.FormatUint(r.Position, 10), r.Origin, r.AuditID, strings.Join(r.Marks, ","), r.RequestURI, r.UserAgent)
	}
	return cells
}

// actor is who asked, and as whom.
func actor(r *server.Row) string {
	switch {
	case r.Impersonated != "":
		return r.User + " as " + r.Impersonated
	case r.User == "" && r.Code == 401:
		return "(nobody: refused)"
	}
	return r.User
}

// object is what the request was about.
func object(r *server.Row) string {
	if slices.Contains(r.Marks, "quarantined") {
		return "(unreadable: " + r.Note + ")"
	}
	if r.Resource == "" {
		path, _, _ := strings.Cut(r.RequestURI, "?")
		return path
	}
	s := r.Resource
	if r.APIGroup != "" && !builtIn(r.APIGroup) {
		s += "." + r.APIGroup
	}
	if r.Name != "" {
		s += "/" + r.Name
	}
	if r.Subresource != "" {
		s += "/" + r.Subresource
	}
	if slices.Contains(r.Marks, "salvaged") {
		s += " (cut)"
	}
	return s
}

// builtIn groups need no mention: their resources' names tell.
func builtIn(group string) bool {
	return group == "apps" || group == "batch" || group == "policy" || group == "autoscaling" || strings.HasSuffix(group, ".k8s.io")
}

// from is the address nearest to the server: those before it are as the client says.
func from(r *server.Row) string {
	if len(r.SourceIPs) == 0 {
		return ""
	}
	return r.SourceIPs[len(r.SourceIPs)-1]
}

// coverageLine says in one line what an answer covers. most is how many rows an answer without a limit has; 0: all.
func coverageLine(c server.Coverage, first, last time.Time, zone *time.Location, most int) string {
	const minute = "2006-01-02 15:04"
	parts := []string{plural(c.Returned, "event")}
	since, until := c.Since, c.Until
	if since.IsZero() {
		since = first
	}
	if until.IsZero() {
		until = last
	}
	switch {
	case !c.Since.IsZero() && c.Until.IsZero():
		parts = append(parts, since.In(zone).Format(minute)+" → now")
	case !since.IsZero():
		parts = append(parts, since.In(zone).Format(minute)+" → "+until.In(zone).Format(minute))
	}
	switch {
	case !c.Complete:
		parts = append(parts, "INCOMPLETE: "+strings.Join(c.Why, "; "))
	case c.LimitReached && most > 0 && c.Returned >= most:
		parts = append(parts, fmt.Sprintf("there are more than the %s that an answer has: narrow it, with --since and --until or by what is asked", count(most)))
	case c.LimitReached && most > 0:
		parts = append(parts, fmt.Sprintf("there are more: --limit 0 shows up to %s", count(most)))
	case c.LimitReached:
		parts = append(parts, "there are more: --limit 0 shows all")
	default:
		parts = append(parts, fmt.Sprintf("complete, of %s in the range", count(c.Considered)))
	}
	for _, m := range []struct {
		n    int
		text string
	}{
		{c.Salvaged, "cut (salvaged)"}, {c.Quarantined, "unreadable (quarantined)"}, {c.Truncated, "shortened by the API server"},
		{c.Conflicts, "in conflict with another of the same ID"},
	} {
		if m.n > 0 {
			parts = append(parts, count(m.n)+" "+m.text)
		}
	}
	return strings.Join(parts, " · ")
}
