package server

import (
	"time"

	"annals.dev/internal/match"
	"annals.dev/internal/query"
	"annals.dev/internal/query/named"
)

// Range is what most questions have: which events they are about.
type Range struct {
	Query    string    `json:"query,omitempty"`
	Since    time.Time `json:"since,omitzero"` // event time, included
	Until    time.Time `json:"until,omitzero"` // event time, excluded
	Clusters []string  `json:"clusters,omitempty"`
}

// HitsQuestion asks for a histogram; the end is a query.Hits. Items are HitRow, if asked for.
type HitsQuestion struct {
	Range
	Buckets int     `json:"buckets,omitempty"` // about how many; default 60
	Step    float64 `json:"step,omitempty"`    // seconds; instead of Buckets
	By      string  `json:"by,omitempty"`      // a field; "": one series. Also code-class: 2xx, 3xx, 4xx, 5xx
	Top     int     `json:"top,omitempty"`     // series before the others; default 5
	Rows    bool    `json:"rows,omitempty"`    // give an item for each bucket of each series that is not empty, for tables
}

// FacetsQuestion asks for counts by fields. Items are query.Facet, the end is a Coverage.
type FacetsQuestion struct {
	Range
	Fields []string `json:"fields,omitempty"` // none: the twelve that matter most
	Limit  int      `json:"limit,omitempty"`  // values of each; default 10
	Rare   bool     `json:"rare,omitempty"`   // the rarest first
}

// ValuesQuestion asks for the values of a field, for completion; the end is a Values.
type ValuesQuestion struct {
	Range
	Field  string `json:"field"`
	Prefix string `json:"prefix,omitempty"`
	Limit  int    `json:"limit,omitempty"` // default 20
}

// Values are the most frequent values of a field that begin with, or else hold, what was typed.
type Values struct {
	Values []query.Value   `json:"values"`
	Cover  *query.Coverage `json:"coverage"`
}

// Field is a field of the search language.
type Field struct {
	match.Field
	Facet string `json:"facet,omitempty"` // the name by which events can be counted by it
}

// EventQuestion asks for one event, all stages of its request, and what it says: by cluster and position, or by audit ID.
type EventQuestion struct {
	Cluster  string `json:"cluster,omitempty"`
	Position *int64 `json:"position,omitempty"`
	ID       string `json:"id,omitempty"` // an audit ID
}

// EventDetail is one event, whole.
type EventDetail struct {
	Event  query.Event     `json:"event"`
	Seven  query.Seven     `json:"seven"`
	Stages []query.Event   `json:"stages"` // of the same request, this one included, the first first
	Proof  ProofState      `json:"proof"`
	Cover  *query.Coverage `json:"coverage"`
}

// ProofState says what proves an event at present.
type ProofState struct {
	Signed     bool      `json:"signed"`              // a signed checkpoint covers it
	Checkpoint uint64    `json:"checkpoint"`          // how many events that covers
	At         time.Time `json:"at,omitzero"`         // when it was written
	Verified   time.Time `json:"verified,omitzero"`   // when the whole cluster was last held against its signatures
	Verdict    string    `json:"verdict,omitempty"`   // of that: ok, or what was wrong
	PublicKey  string    `json:"publicKey,omitempty"` // that checks the signature
}

// NeighboursQuestion asks for the events around one; the end is a query.Neighbours.
type NeighboursQuestion struct {
	Cluster  string `json:"cluster"`
	Position int64  `json:"position"`
	By       string `json:"by"`              // actor, object or time
	Limit    int    `json:"limit,omitempty"` // on each side; default 5
}

// AskQuestion asks a named question. Items are query.Event, or Group where the question counts; the end is an Answer. Without
// a name the items are named.Question.
type AskQuestion struct {
	Name     string            `json:"name,omitempty"`
	Params   map[string]string `json:"params,omitempty"`
	Since    time.Time         `json:"since,omitzero"`
	Until    time.Time         `json:"until,omitzero"`
	Clusters []string          `json:"clusters,omitempty"`
	Limit    *int              `json:"limit,omitempty"`    // default 100; 0: all
	Detail   Detail            `json:"detail,omitempty"`   // of events; default summary
	Question *named.Question   `json:"question,omitempty"` // instead of a name: one that the server does not have
}

// Group is how many events have these values of the fields that a question counts by.
type Group = query.Group

// Me is who asks.
type Me struct {
	Name      string    `json:"name"`
	Role      string    `json:"role"` // reader, auditor, admin
	Scope     string    `json:"scope,omitempty"`
	Bodies    bool      `json:"bodies"`
	Expires   time.Time `json:"expires,omitzero"`
	Anonymous bool      `json:"anonymous,omitempty"` // a demo: nobody signed in
	CanSQL    bool      `json:"canSQL"`
	CanProve  bool      `json:"canProve"`
	CanVerify bool      `json:"canVerify"`
	CanImport bool      `json:"canImport"`
	CanTokens bool      `json:"canTokens"`
	Version   string    `json:"version"`
	Clusters  []string  `json:"clusters"` // that there are, for this reader
}

// Overview is what the first screen says about a range; all of it within what the reader may see.
type Overview struct {
	Events     int             `json:"events"`
	Failures   int             `json:"failures"`
	Actors     []query.Value   `json:"actors"`
	Secrets    int             `json:"secrets"`  // reads of secrets
	Sessions   int             `json:"sessions"` // exec, attach, port-forward
	Denied     int             `json:"denied"`   // forbidden or not let in
	Deletions  int             `json:"deletions"`
	Privileges int             `json:"privileges"` // changes of roles and bindings
	Failing    []query.Value   `json:"failing"`    // users by refused requests
	Ledger     []LedgerState   `json:"ledger"`
	Cover      *query.Coverage `json:"coverage"`
}

// LedgerState is how one cluster's record is. For a scoped reader the figures are absent.
type LedgerState struct {
	Cluster     string     `json:"cluster"`
	Events      uint64     `json:"events,omitempty"`
	LastEvent   time.Time  `json:"lastEvent,omitzero"`
	LastArrival time.Time  `json:"lastArrival,omitzero"`
	Proof       ProofState `json:"proof"`
}
