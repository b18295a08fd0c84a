// Package server is what answers for one data directory: the questions of the HTTP API, the web UI that asks them, and everything
// that must run for events to come in. Start with Run, which is annals serve; with Connect, which finds a server or opens the
// directory in this process; and with Dial, which asks a server elsewhere. All put the same handler behind a Client.
//
// The socket is open to the directory's owner alone, who may do everything. Over HTTP nobody is answered who has not said with
// a token who they are, but in a demo; what a question may read is decided before it is asked, in route.go, and each question
// is on record as an event. Beyond loopback all of it is TLS.
package server

import (
	"encoding/json"
	"time"

	"annals.dev/internal/alert"
	"annals.dev/internal/source"
)

// SearchQuestion asks for events. The answer's items are Rows, its end a Coverage.
type SearchQuestion struct {
	Query    string    `json:"query"`
	Since    time.Time `json:"since,omitzero"` // event time, included
	Until    time.Time `json:"until,omitzero"` // event time, excluded
	Clusters []string  `json:"clusters,omitempty"`
	Limit    int       `json:"limit,omitempty"` // 0: none
	Follow   bool      `json:"follow,omitempty"`
	Detail   Detail    `json:"detail,omitempty"` // default summary
	Order    string    `json:"order,omitempty"`  // newest, which is the default, or oldest: which come first
	Sort     string    `json:"sort,omitempty"`   // time, which is the default, or latency: the slowest first, of which there are 10,000 at most
	After    string    `json:"after,omitempty"`  // TIME,CLUSTER,POSITION of an event: only those behind it, in this order
}

// SQLQuestion asks for the answer to a statement: an item with Columns, then items with a Row, then a Coverage.
type SQLQuestion struct {
	Statement string   `json:"statement"`
	Clusters  []string `json:"clusters,omitempty"`
}

// SQLItem is either the columns or a row.
type SQLItem struct {
	Columns []SQLColumn       `json:"columns,omitempty"`
	Row     []json.RawMessage `json:"row,omitempty"`
}

// SQLColumn is a column of a statement's answer; Type is DuckDB's name for it.
type SQLColumn struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// ImportQuestion asks the server to read files. Items are source.Progress, the end is an ImportEnd.
type ImportQuestion struct {
	Cluster string   `json:"cluster"`
	Paths   []string `json:"paths"`          // absolute; empty: the body goes on with one file's content
	Name    string   `json:"name,omitempty"` // of the file whose content it is, for the events' origin: import/NAME
	Again   bool     `json:"again,omitempty"`
}

// ImportEnd is what an import came to.
type ImportEnd struct {
	Summary source.Summary `json:"summary"` // but for its Failed
	Failed  []FileFailure  `json:"failed"`
}

// FileFailure is a file that could not be read to its end.
type FileFailure struct {
	Path  string `json:"path"`
	Error string `json:"error"`
}

// CheckpointQuestion asks for a signed tree head; the end is a Note.
type CheckpointQuestion struct {
	Cluster string `json:"cluster,omitempty"` // empty: the only one that there is
}

// Note is a signed note.
type Note struct {
	Cluster string `json:"cluster"`
	Text    []byte `json:"text"`
}

// ProveQuestion asks for the proof of an event; the end is a Proof.
type ProveQuestion struct {
	ID      string `json:"id"`                // an audit ID, or a position
	Cluster string `json:"cluster,omitempty"` // empty: whichever has it
}

// Proof is the file that annals verify checks.
type Proof struct {
	Cluster  string `json:"cluster"`
	Position uint64 `json:"position"`
	Stages   int    `json:"stages"` // events with this ID; the one proven is the last
	File     []byte `json:"file"`
}

// StatusQuestion asks how the server is; the end is a Status.
type StatusQuestion struct{}

// Status is how a data directory is.
type Status struct {
	Version    string          `json:"version"`
	PID        int             `json:"pid"` // of the process that has the ledger open
	Started    time.Time       `json:"started"`
	Failed     string          `json:"failed,omitempty"`
	SealFailed bool            `json:"sealFailed,omitempty"`
	LogBytes   int64           `json:"logBytes"`
	Clusters   []ClusterStatus `json:"clusters"`
	Followed   []Followed      `json:"followed,omitempty"`
	Watching   WatchStatus     `json:"watching"`
}

// WatchStatus is how rules and alerts fare.
type WatchStatus struct {
	Rules        int            `json:"rules"`              // that are on
	Errors       int            `json:"errors"`             // that cannot be used
	Trouble      string         `json:"trouble,omitempty"`  // why they could not be read anew
	Failed       string         `json:"failed,omitempty"`   // why the last attempt to look at events failed
	Clusters     []WatchLag     `json:"clusters"`           // that are watched
	Findings     uint64         `json:"findings"`           // recorded since the start
	NoAlerts     string         `json:"noAlerts,omitempty"` // why nobody is told of anything at present
	Destinations []alert.Status `json:"destinations"`
}

// WatchLag is how far rules are behind in a cluster.
type WatchLag struct {
	Cluster string  `json:"cluster"`
	Behind  uint64  `json:"behind"` // events
	Lag     float64 `json:"lag"`    // seconds since the oldest of them came
}

// ClusterStatus is how one cluster is.
type ClusterStatus struct {
	Name        string    `json:"name"`
	Events      uint64    `json:"events"`
	Unsealed    int       `json:"unsealed"`
	Unsigned    uint64    `json:"unsigned"` // no written checkpoint covers them
	LastEvent   time.Time `json:"lastEvent,omitzero"`
	LastArrival time.Time `json:"lastArrival,omitzero"`
}

// Followed is a file that is being followed.
type Followed struct {
	Cluster string  `json:"cluster"`
	Path    string  `json:"path"`
	Behind  float64 `json:"behind"` // bytes
}

// VerifyQuestion asks to hold the ledger against its signatures. Items are VerifyProgress, the end is a ledger.Report.
type VerifyQuestion struct {
	Cluster string `json:"cluster,omitempty"`
	From    uint64 `json:"from,omitempty"`
	To      uint64 `json:"to,omitempty"` // excluded; 0 with From 0: all
	Against []byte `json:"against,omitempty"`
	Key     string `json:"key,omitempty"`
}

// VerifyProgress is how far a verification is, in events.
type VerifyProgress struct {
	Done  uint64 `json:"done"`
	Total uint64 `json:"total"`
}
