// Package past answers what is found in events that are in the ledger already: what a rule would have found (Hunt), and which
// findings stand (Find, Groups). Start with Hunt.
//
// It decides with the engine that watches (package detect): the same rule over the same events gives the same findings there and
// here.
package past

import (
	"time"

	"annals.dev/internal/detect"
	"annals.dev/internal/match"
	"annals.dev/internal/query"
)

// Question asks for findings that are on record. They come the newest first, unless it says otherwise.
type Question struct {
	Rules       []string         // IDs; none: of all
	Severity    detect.Severity  // at least; "": all
	Clusters    []string         // of the events; none: all
	User        string           // or who acted as that
	Namespace   string           //
	Technique   string           // T1552 includes T1552.007
	Since       time.Time        // of the finding's time, included
	Until       time.Time        // excluded
	Query       *match.Predicate // over the event that records the finding: words of it, for one
	Limit       int              // 0: no limit
	After       *query.Cursor    // Found.Recorded of the last one that was given
	Withdrawn   bool             // those too that stand no longer
	OldestFirst bool
}

// Found is a finding and where it is recorded.
type Found struct {
	*detect.Finding
	Recorded  query.Cursor       // its place in the order of the answer, and in cluster annals; for Question.After
	At        time.Time          // when it was recorded
	Withdrawn *detect.Withdrawal // if it stands no longer
}

// Group is findings that have something in common.
type Group struct {
	Rule       string          `json:"rule"`
	Title      string          `json:"title"`
	Severity   detect.Severity `json:"severity"` // the highest
	User       string          `json:"user,omitempty"`
	Count      int             `json:"count"`
	First      time.Time       `json:"first"`
	Last       time.Time       `json:"last"`
	LastID     string          `json:"lastID"`
	Summary    string          `json:"summary"` // of the last one
	Clusters   []string        `json:"clusters"`
	Tactics    []string        `json:"tactics,omitempty"`
	Techniques []string        `json:"techniques,omitempty"`
}
