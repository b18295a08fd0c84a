// Package session joins the stages of a request that opens a session into one: exec, attach, port-forward, cp, debug and
// ephemeral containers, proxying. Start with Find.
package session

import (
	"time"

	"annals.dev/internal/query"
)

// Question asks for sessions.
type Question struct {
	Query    string    `json:"query,omitempty"` // narrows them, in the search language
	Since    time.Time `json:"since,omitzero"`
	Until    time.Time `json:"until,omitzero"`
	Clusters []string  `json:"clusters,omitempty"`
	Denied   bool      `json:"denied,omitempty"` // only those that were refused
	Limit    int       `json:"limit,omitempty"`  // the newest; 0: all, up to 20,000
}

// Session is one session, or the attempt at one.
type Session struct {
	Kind      string    `json:"kind"`  // exec, attach, portforward, cp, debug, ephemeralcontainer, proxy
	State     string    `json:"state"` // denied, failed, open, ended, unknown
	Cluster   string    `json:"cluster"`
	AuditID   string    `json:"auditID"`
	User      string    `json:"user"`
	As        string    `json:"as,omitempty"`
	Namespace string    `json:"namespace,omitempty"`
	Target    string    `json:"target"` // pods/web-1, nodes/worker-1, services/db
	Container string    `json:"container,omitempty"`
	Command   []string  `json:"command,omitempty"`
	Image     string    `json:"image,omitempty"` // of a debug or ephemeral container
	Ports     []int     `json:"ports,omitempty"`
	Stdin     bool      `json:"stdin,omitempty"`
	TTY       bool      `json:"tty,omitempty"`
	From      string    `json:"from,omitempty"` // the peer's address
	Agent     string    `json:"agent,omitempty"`
	Code      int64     `json:"code,omitempty"`
	Reason    string    `json:"reason,omitempty"` // why it was allowed or refused
	Start     time.Time `json:"start"`
	End       time.Time `json:"end,omitzero"`
	Seconds   float64   `json:"seconds,omitempty"`
	Path      string    `json:"path,omitempty"` // of a proxied request: what was asked of the target
	Positions []uint64  `json:"positions"`      // its events
	Sentence  string    `json:"sentence"`
}

// Sessions is the answer: the newest first.
type Sessions struct {
	Sessions []Session       `json:"sessions"`
	Cover    *query.Coverage `json:"coverage"`
}
