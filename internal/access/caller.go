package access

import (
	"slices"
	"time"

	"annals.dev/internal/match"
)

// Role is what somebody may do.
type Role string

const (
	Ingest  Role = "ingest"  // deliver the events of one cluster, and nothing else
	Reader  Role = "reader"  // ask about the events of its scope, and have them proven
	Auditor Role = "auditor" // ask about everything, Annals' own acts too, and verify
	Admin   Role = "admin"   // an auditor who also imports and manages tokens
)

// Caller is somebody who asks. Who it is was checked.
type Caller struct {
	Name    string
	Role    Role
	Scope   *match.Predicate // nil: every event. A reader has one always: it leaves out the cluster Reserved
	Bodies  bool             // may see what requests and responses held
	TokenID string           // "" without one
	Expires time.Time        // zero: never
	Demo    bool             // nobody in particular, in a demo

	ScopeText string // as it was given; "" if none was
}

// AtLeast says whether the role may do all that another may.
func (r Role) AtLeast(least Role) bool {
	i, j := slices.Index(asking, r), slices.Index(asking, least)
	return i >= 0 && j >= 0 && i >= j
}

// asking are the roles that ask, each with all that those before it may. Ingest is not among them.
var asking = []Role{Reader, Auditor, Admin}
