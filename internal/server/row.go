package server

import (
	"bytes"
	"encoding/json"
	"time"

	"annals.dev/audit"
	"annals.dev/internal/format"
	"annals.dev/internal/query"
)

// Row is one event of an answer: where it stands, what everybody asks first, and on demand the event itself.
type Row struct {
	Cluster  string    `json:"cluster"`
	Position uint64    `json:"position"`
	Origin   string    `json:"origin"`
	AlsoFrom []string  `json:"alsoFrom,omitempty"` // other origins by which the same event came
	Received time.Time `json:"received"`
	Marks    []string  `json:"marks,omitempty"`
	Note     string    `json:"note,omitempty"`

	Time         time.Time `json:"time"` // when it was received, if the event has no time that can be read
	AuditID      string    `json:"auditID,omitempty"`
	Level        string    `json:"level,omitempty"`
	Stage        string    `json:"stage,omitempty"`
	Verb         string    `json:"verb,omitempty"`
	User         string    `json:"user,omitempty"`
	Impersonated string    `json:"impersonatedUser,omitempty"`
	APIGroup     string    `json:"apiGroup,omitempty"`
	Resource     string    `json:"resource,omitempty"`
	Subresource  string    `json:"subresource,omitempty"`
	Namespace    string    `json:"namespace,omitempty"`
	Name         string    `json:"name,omitempty"`
	Code         int64     `json:"code,omitempty"`
	SourceIPs    []string  `json:"sourceIPs,omitempty"`
	UserAgent    string    `json:"userAgent,omitempty"`
	RequestURI   string    `json:"requestURI,omitempty"`

	Event json.RawMessage `json:"event,omitempty"` // a v1 event; absent where the bytes hold none
	Raw   []byte          `json:"raw,omitempty"`   // the bytes as the ledger keeps them
}

// Detail is how much of each event a search gives back.
type Detail string

const (
	Summary  Detail = "summary"
	Whole    Detail = "whole" // with Event
	Evidence Detail = "raw"   // with Raw
)

func newRow(q *query.Row, d Detail) Row {
	r := Row{
		Cluster: q.Cluster, Position: q.Position, Origin: q.Origin, Received: time.UnixMicro(q.Received).UTC(),
		Marks: markNames(q.Marks), Note: q.Note,
		Time: time.UnixMicro(q.Time).UTC(), AuditID: q.AuditID, Level: q.Level, Stage: q.Stage, Verb: q.Verb,
		User: q.User, Impersonated: q.As, APIGroup: q.APIGroup, Resource: q.Resource, Subresource: q.Subresource,
		Namespace: q.Namespace, Name: q.Name, Code: q.Code, SourceIPs: q.IPs(), UserAgent: q.UserAgent, RequestURI: q.RequestURI,
	}
	switch d {
	case Whole:
		r.Event = eventJSON(q)
	case Evidence:
		r.Raw = q.Bytes
	}
	return r
}

// eventJSON is the event as a v1 event: its own bytes where they are one, else what could be read of them.
func eventJSON(q *query.Row) json.RawMessage {
	if q.Marks&format.Quarantined != 0 {
		return nil
	}
	if q.Dialect == format.V1 && json.Valid(q.Bytes) {
		return bytes.Clone(q.Bytes)
	}
	var view audit.View
	if _, err := format.View(q.Dialect, q.Bytes, &view, nil); err != nil {
		return nil
	}
	var event audit.Event
	// A time that cannot be read is left out; what else there is counts.
	_ = event.UnmarshalFrom(&view)
	if b := event.AppendJSON(nil); json.Valid(b) {
		return b
	}
	return nil
}

var markTexts = []struct {
	mark format.Marks
	name string
}{
	{format.Salvaged, "salvaged"}, {format.Quarantined, "quarantined"}, {format.Truncated, "truncated"},
	{format.Conflict, "conflict"}, {format.Redacted, "redacted"}, {format.DuplicateMember, "duplicate-member"},
}

func markNames(m format.Marks) []string {
	var names []string
	for _, t := range markTexts {
		if m&t.mark != 0 {
			names = append(names, t.name)
		}
	}
	return names
}
