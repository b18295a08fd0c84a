// Package actor tells what one user did and was allowed to do: its profile (Who), and the least role that covers it (RBAC).
// Start with Who.
package actor

import (
	"time"

	"annals.dev/internal/query"
)

// Question asks about one user: user.username, or whoever acted as it.
type Question struct {
	User     string    `json:"user"` // user.username; sa:prod/default is short for system:serviceaccount:prod:default
	Since    time.Time `json:"since,omitzero"`
	Until    time.Time `json:"until,omitzero"`
	Clusters []string  `json:"clusters,omitempty"`
}

// Count is a value, how often it was seen, and when.
type Count struct {
	Value string    `json:"value"`
	Count int       `json:"count"`
	First time.Time `json:"first"` // zero if none of them tells its time
	Last  time.Time `json:"last"`
}

// Grant is an access as RBAC granted it: by authorization.k8s.io/reason.
type Grant struct {
	Binding   string    `json:"binding"`             // RoleBinding prod/web-editors, ClusterRoleBinding cluster-admin; "" if the reason names none
	Role      string    `json:"role"`                // ClusterRole/edit
	To        string    `json:"to"`                  // Group dev, User jane, ServiceAccount prod/default
	Reason    string    `json:"reason,omitempty"`    // where it is no binding: "node authorizer", system:masters, …
	Count     int       `json:"count"`               // requests it allowed
	First     time.Time `json:"first,omitzero"`      // and when
	Last      time.Time `json:"last,omitzero"`       //
	Verbs     []string  `json:"verbs,omitempty"`     // what for
	Resources []string  `json:"resources,omitempty"` //
	Unused    bool      `json:"unused,omitempty"`    // seen to be granted (in bodies of bindings), not seen used
	Where     string    `json:"where,omitempty"`     // of an unused one: cluster/position of the event that shows it
}

// Profile is what is known of a user.
type Profile struct {
	User       string          `json:"user"`
	Events     int             `json:"events"`   // a request counts once
	Failures   int             `json:"failures"` // code 400 and up
	Forbidden  int             `json:"forbidden"`
	First      time.Time       `json:"first,omitzero"`
	Last       time.Time       `json:"last,omitzero"`
	Addresses  []Count         `json:"addresses"` // the peer's; claims of the client itself are not counted
	Agents     []Count         `json:"agents"`
	Groups     []Count         `json:"groups"`
	Namespaces []Count         `json:"namespaces"`
	Verbs      []Count         `json:"verbs"`
	Resources  []Count         `json:"resources"`
	Codes      []Count         `json:"codes"`
	ActedAs    []Count         `json:"actedAs"` // whom it impersonated
	ActedBy    []Count         `json:"actedBy"` // who impersonated it
	Grants     []Grant         `json:"grants"`
	Days       []Day           `json:"days"`
	Notes      []string        `json:"notes,omitempty"` // what this cannot tell
	Near       []string        `json:"near,omitempty"`  // users of similar names, if nothing is known of this one
	Cover      *query.Coverage `json:"coverage"`
}

// Day is how much a user did on a day (UTC).
type Day struct {
	Day      string `json:"day"` // 2026-11-21
	Requests int    `json:"requests"`
	Failures int    `json:"failures"`
}

// RoleQuestion asks for the least role that covers what a user did.
type RoleQuestion struct {
	Question
	Denied bool `json:"denied,omitempty"` // cover what was forbidden too
	All    bool `json:"all,omitempty"`    // and what Kubernetes grants to everybody
}

// Role is the least role that covers what a user did.
type Role struct {
	User     string          `json:"user"`
	Requests int             `json:"requests"` // that it covers
	YAML     string          `json:"yaml"`     // Roles, ClusterRoles and their bindings, as kubectl apply takes them; "" if there is nothing to grant
	Notes    []string        `json:"notes,omitempty"`
	Near     []string        `json:"near,omitempty"` // users of similar names, if nothing is known of this one
	Cover    *query.Coverage `json:"coverage"`
}
