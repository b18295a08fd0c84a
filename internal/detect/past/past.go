// Package past answers what is found in events that are in the ledger already: what a rule would have found (Hunt), and which
// findings stand (Find, Groups). Start with Hunt.
//
// It decides with the engine that watches (package detect): the same rule over the same events gives the same findings there and
// here.
package past

import (
	"context"
	"time"

	"annals.dev/internal/detect"
	"annals.dev/internal/match"
	"annals.dev/internal/query"
)

// Question asks for findings that are on record and stand.
type Question struct {
	Rules       []string         // IDs; none: of all
	Severity    detect.Severity  // at least; "": all
	Clusters    []string         // of the events; none: all
	User        string           // or acting as that
	Namespace   string           //
	Technique   string           // T1552 includes T1552.007
	Since       time.Time        // of the finding's time, included
	Until       time.Time        // excluded
	Query       *match.Predicate // over the event that records the finding: words of it, for one
	Limit       int              // 0: no limit
	After       *query.Cursor    // of the last one of the page before
	Withdrawn   bool             // those too that stand no longer
	OldestFirst bool
}

// Found is a finding and where it is recorded.
type Found struct {
	*detect.Finding
	Recorded  query.Cursor // its place among findings, and in cluster annals; for Question.After
	At        time.Time    // when it was recorded
	Withdrawn *detect.Withdrawal
}

// Find hands the findings that stand, the newest first, to f. Reader reads cluster annals. Those are left out of which sight, if
// it is not nil, does not see every event.
func Find(ctx context.Context, reader, sight *query.Reader, q Question, f func(*Found) error) (*query.Coverage, error) {
	return find(ctx, reader, sight, q, f)
}
