package detect

import (
	"time"
)

// Finding is a rule that matched, bound to the events that made it match. It is the requestObject of an event in cluster
// annals: verb create, resource findings.annals.dev, its ID the object's name, and its time that of the request that caused it.
type Finding struct {
	ID         string   `json:"id"` // 32 hexadecimal digits
	Rule       string   `json:"rule"`
	Version    string   `json:"version"`
	Title      string   `json:"title"`
	Severity   Severity `json:"severity"`
	Techniques []string `json:"techniques,omitempty"`
	Tactics    []string `json:"tactics,omitempty"`
	Tags       []string `json:"tags,omitempty"`
	Author     string   `json:"author,omitempty"`

	Cluster   string            `json:"cluster"`
	Time      time.Time         `json:"time"`              // of the request that made it true
	From      time.Time         `json:"from,omitzero"`     // of the first one, where there are several
	Group     map[string]string `json:"group,omitempty"`   // what they have in common, of a correlation
	Positions []uint64          `json:"positions"`         // of the events, ascending: 1,000 at most
	Count     int               `json:"count"`             // how many requests there are
	Summary   string            `json:"summary"`           // what was found, in words
	Matched   []Matched         `json:"matched,omitempty"` // why, of the event that made it true

	// Who, from where, on what: of the event that made it true.
	User      string `json:"user,omitempty"`
	As        string `json:"as,omitempty"`
	Peer      string `json:"peer,omitempty"`
	Verb      string `json:"verb,omitempty"`
	Resource  string `json:"resource,omitempty"` // with its subresource: pods/exec
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	Code      int32  `json:"code,omitempty"`

	Unusual *Unusual `json:"unusual,omitempty"` // of a finding against a baseline
}

// Matched is a test of the rule that the event passed, and the values that made it pass.
type Matched struct {
	Field  string   `json:"field"`
	Test   string   `json:"test"`
	Values []string `json:"values,omitempty"`
}

// Unusual says what is unusual, against what, and how unusual it is.
type Unusual struct {
	What     string    `json:"what"`     // "peer", "verb and resource", "rate"
	Value    string    `json:"value"`    // "203.0.113.9"
	Baseline string    `json:"baseline"` // in words: "12 active days from 2026-11-01 to 2026-11-20; always from 10.0.0.0/16"
	From     time.Time `json:"from"`
	Until    time.Time `json:"until"`
	Usual    []string  `json:"usual,omitempty"` // some values that are usual
	Score    float64   `json:"score"`           // bits of surprise: -log2 of how likely it was
}

// Withdrawal says that a finding is no longer one, since an event came late that was part of its window. It is the requestObject
// of an event in cluster annals: verb delete, the same object.
type Withdrawal struct {
	ID     string   `json:"id"`
	By     []string `json:"by,omitempty"` // the findings in its stead
	Reason string   `json:"reason"`

	// What the finding said, so that who reads only this knows what it is about.
	Rule      string    `json:"rule,omitempty"`
	Version   string    `json:"version,omitempty"`
	Cluster   string    `json:"cluster,omitempty"`
	Namespace string    `json:"namespace,omitempty"`
	Time      time.Time `json:"time,omitzero"`
}
