package query

import (
	"bytes"
	"encoding/json"
	"time"

	"annals.dev/audit"
	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
)

// Event is one event of an answer as people are given it: where it stands, what everybody asks first, and on demand the event
// itself.
type Event struct {
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
	Decision     string    `json:"decision,omitempty"`
	Reason       string    `json:"reason,omitempty"`
	Latency      *float64  `json:"latency,omitempty"` // seconds; absent where it is not known
	Sentence     string    `json:"sentence"`          // what happened, in words

	Event json.RawMessage `json:"event,omitempty"` // a v1 event; absent where the bytes hold none
	Raw   []byte          `json:"raw,omitempty"`   // the bytes as the ledger keeps them; Event instead, for a reader without bodies
}

// Detail is how much of each event a search gives back.
type Detail string

const (
	Summary  Detail = "summary"
	Whole    Detail = "whole" // with Event
	Evidence Detail = "raw"   // with Raw
)

// Event gives the row to people. The row was Wide, and has Bytes if d is not Summary.
func (q *Row) Event(d Detail) Event {
	r := Event{
		Cluster: q.Cluster, Position: q.Position, Origin: q.Origin, Received: time.UnixMicro(q.Received).UTC(),
		Marks: marksOf(q.Marks), Note: q.Note,
		Time: time.UnixMicro(q.Time).UTC(), AuditID: q.AuditID, Level: q.Level, Stage: q.Stage, Verb: q.Verb,
		User: q.User, Impersonated: q.As, APIGroup: q.APIGroup, Resource: q.Resource, Subresource: q.Subresource,
		Namespace: q.Namespace, Name: q.Name, Code: q.Code, SourceIPs: q.IPs(), UserAgent: q.UserAgent, RequestURI: q.RequestURI, Decision: q.Decision, Reason: q.Reason, Sentence: q.Sentence(),
	}
	if q.Latency != ledger.NullInt {
		seconds := float64(q.Latency) / 1e6
		r.Latency = &seconds
	}
	switch {
	case d == Whole, d == Evidence && q.rewritten: // what was written again proves nothing
		r.Event = eventJSON(q)
	case d == Evidence:
		r.Raw = q.Bytes
	}
	return r
}

// eventJSON is the event as a v1 event: its own bytes where they are one, else what could be read of them.
func eventJSON(q *Row) json.RawMessage {
	if q.Marks&format.Quarantined != 0 {
		return nil
	}
	if (q.Dialect == format.V1 || q.rewritten) && json.Valid(q.Bytes) {
		return bytes.Clone(q.Bytes)
	}
	if len(q.Bytes) == 0 {
		return nil
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

func marksOf(m format.Marks) []string {
	var names []string
	for _, t := range marks {
		if m&t.bit != 0 {
			names = append(names, t.name)
		}
	}
	return names
}
