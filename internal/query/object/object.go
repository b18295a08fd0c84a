// Package object tells an object's life from the events about it: its versions (History), what changed between two (Diff),
// and who last set each of its lines (Blame). Start with History.
//
// What was observed is told as observed, with the event that proves it; what follows from it is told as derived; what nobody
// recorded is told as unknown, never guessed. managedFields and status are left out unless asked for.
package object

import (
	"time"

	"annals.dev/internal/query"
)

// Ref names an object, or what a person calls it: Resource may be a plural, a singular, a short name (deploy) or a kind
// (Deployment), with a group behind it if need be (deploy.apps).
type Ref struct {
	Cluster   string `json:"cluster,omitempty"` // empty: the only one that has it
	Resource  string `json:"resource"`
	APIGroup  string `json:"apiGroup,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

// Question asks about one object.
type Question struct {
	Ref
	Since         time.Time `json:"since,omitzero"`
	Until         time.Time `json:"until,omitzero"`
	ManagedFields bool      `json:"managedFields,omitempty"` // show metadata.managedFields
	Status        bool      `json:"status,omitempty"`        // show status, and versions that changed nothing else
	Reads         bool      `json:"reads,omitempty"`         // versions seen in answers to get and list count as observations
	Limit         int       `json:"limit,omitempty"`         // the newest so many versions; default 500

	clusters []string // to look in, if Cluster is empty; none: all
}

// DiffQuestion asks what differs between two versions of an object.
type DiffQuestion struct {
	Question
	From int `json:"from,omitempty"` // 0: the one before To
	To   int `json:"to,omitempty"`   // 0: the newest of which something is known
}

// Known says how much of a version is known.
type Known string

const (
	Observed Known = "observed" // the API server's own answer holds the whole object
	Derived  Known = "derived"  // an observed version and the patches since, or a request's body without the server's defaults
	Partial  Known = "partial"  // parts are known, others are not
	Unknown  Known = "unknown"  // that there was a change is known, not what
	Gone     Known = "gone"     // deleted
)

// Version is one state of the object and the event that made it.
type Version struct {
	Number          int         `json:"number"` // 1, 2, … the oldest seen first
	Known           Known       `json:"known"`
	Why             string      `json:"why,omitempty"` // why it is not observed
	Time            time.Time   `json:"time"`
	ResourceVersion string      `json:"resourceVersion,omitempty"`
	UID             string      `json:"uid,omitempty"` // another UID is another object of the same name
	Summary         string      `json:"summary"`       // in words: "spec.replicas 3 → 5, and 2 more"
	Changes         []Change    `json:"changes,omitempty"`
	Missed          bool        `json:"missed,omitempty"` // between this version and the one before there was one that nobody saw
	Event           query.Event `json:"event"`
	Object          string      `json:"object,omitempty"` // YAML; "" if nothing of it is known
}

// Change is one field that differs from the version before. Values are JSON; absent ones are "".
type Change struct {
	Path          string `json:"path"` // spec.containers[name=web].image
	Before        string `json:"before,omitempty"`
	After         string `json:"after,omitempty"`
	BeforeUnknown bool   `json:"beforeUnknown,omitempty"` // what it was is not known
	Cut           bool   `json:"cut,omitempty"`           // a value is long: here is a string of its beginning; a Diff has all of it
}

// Line is a line of a diff, or of a blame.
type Line struct {
	Op      string `json:"op"`                // " ", "+", "-"; of a blame " "; and "?" where what was not observed may stand
	Text    string `json:"text"`              // YAML, without the newline
	Before  int    `json:"before,omitempty"`  // its number in the version before; 0: not there
	After   int    `json:"after,omitempty"`   // and after
	Version int    `json:"version,omitempty"` // blame: who last set it: the version's Number; 0: before the first that was seen
}

// Difference is what changed between two versions.
type Difference struct {
	From    Version         `json:"from"`
	To      Version         `json:"to"`
	Changes []Change        `json:"changes"`
	Lines   []Line          `json:"lines"` // all of both
	Notes   []string        `json:"notes,omitempty"`
	Cover   *query.Coverage `json:"coverage"`
}

// Blamed is the newest known state of an object, each line with the version that last set it.
type Blamed struct {
	Ref      Ref             `json:"ref"`
	At       Version         `json:"at"`
	Lines    []Line          `json:"lines"`
	Versions []Version       `json:"versions"` // those that the lines name, without Object
	Notes    []string        `json:"notes,omitempty"`
	Cover    *query.Coverage `json:"coverage"`
}

// Life is an object's history.
type Life struct {
	Ref      Ref             `json:"ref"`
	Versions []Version       `json:"versions"`        // the oldest first
	Notes    []string        `json:"notes,omitempty"` // what was left out, and why nothing was found
	Cover    *query.Coverage `json:"coverage"`
}
