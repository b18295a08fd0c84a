package server

import (
	"time"

	"annals.dev/internal/detect"
	"annals.dev/internal/query"
)

// FindingsRange says which findings a question is about; of a list, any.
type FindingsRange struct {
	Query      string          `json:"query,omitempty"` // over who did what, and the finding as requestObject: user:jane requestObject.rule:x "words"
	Since      time.Time       `json:"since,omitzero"`  // the time of the request that made it true, included
	Until      time.Time       `json:"until,omitzero"`  // excluded
	Clusters   []string        `json:"clusters,omitempty"`
	Rules      []string        `json:"rules,omitempty"`    // IDs, or names
	Severity   detect.Severity `json:"severity,omitempty"` // this or worse
	Users      []string        `json:"users,omitempty"`    // as themselves, or acting as another
	Namespaces []string        `json:"namespaces,omitempty"`
	Techniques []string        `json:"techniques,omitempty"` // T1552 is T1552.007, too
}

// FindingsQuestion asks for findings, the newest first. Items are Finding, the end is a FindingsCover.
type FindingsQuestion struct {
	FindingsRange
	Limit     *int   `json:"limit,omitempty"`     // default 100; 0: all
	After     string `json:"after,omitempty"`     // a finding's ID: only those behind it
	Withdrawn bool   `json:"withdrawn,omitempty"` // those that were taken back, too
}

// Finding is a rule that matched. Its event in cluster annals proves it.
type Finding struct {
	detect.Finding
	RuleName  string             `json:"ruleName,omitempty"`  // by which people call the rule: wildcard-role
	Position  uint64             `json:"position,omitempty"`  // of its event in cluster annals; auditors are told
	Recorded  time.Time          `json:"recorded,omitzero"`   // when that came to be; so, too
	Withdrawn *detect.Withdrawal `json:"withdrawn,omitempty"` // it is no finding any more, since an event came late

	place query.Cursor // of its event
}

// FindingsCover says what an answer about findings covers.
type FindingsCover struct {
	Since        time.Time `json:"since,omitzero"`
	Until        time.Time `json:"until,omitzero"`
	Returned     int       `json:"returned"`
	Rules        int       `json:"rules"`           // that are on
	Watched      []Watched `json:"watched"`         // how far each cluster is watched
	Scope        string    `json:"scope,omitempty"` // only findings all of whose events meet this
	NoBodies     bool      `json:"withoutBodies,omitempty"`
	LimitReached bool      `json:"limitReached"`
	Next         string    `json:"next,omitempty"` // with a limit that was reached: the after of what is behind
	Complete     bool      `json:"complete"`       // all events that there are were looked at, and all findings
	Why          []string  `json:"why,omitempty"`
	Seconds      float64   `json:"seconds"`
}

// Watched is how far the rules have looked at a cluster. For a scoped reader the figures are absent.
type Watched struct {
	Cluster string    `json:"cluster"`
	To      uint64    `json:"to,omitempty"`     // the position up to which all was looked at, excluded
	Behind  uint64    `json:"behind,omitempty"` // events that are not looked at yet
	Mark    time.Time `json:"mark,omitzero"`    // windows that end before it are closed
}

// FindingGroupsQuestion asks for findings in groups, the worst first, then the most. Items are FindingGroup, the end is a
// FindingGroupsEnd.
type FindingGroupsQuestion struct {
	FindingsRange
	By      []string `json:"by,omitempty"`      // rule (which it is if nothing is said), cluster, namespace, user, severity, technique
	Buckets int      `json:"buckets,omitempty"` // of each group's histogram; default 24
	Limit   int      `json:"limit,omitempty"`   // groups; default 100
}

// FindingGroup is findings that have the values of By in common.
type FindingGroup struct {
	Values     map[string]string `json:"values"`             // by member of By
	Title      string            `json:"title,omitempty"`    // of the latest
	RuleName   string            `json:"ruleName,omitempty"` // of the latest
	Severity   detect.Severity   `json:"severity"`           // the worst
	Count      int               `json:"count"`
	First      time.Time         `json:"first"`
	Last       time.Time         `json:"last"`
	Latest     string            `json:"latest"`  // the ID of the last one
	Buckets    []int             `json:"buckets"` // counts by time, from From of the end on
	Techniques []string          `json:"techniques,omitempty"`
	Rules      []query.Value     `json:"rules"`      // the most frequent ones, where By does not say which
	Users      []query.Value     `json:"users"`      // the most frequent ones
	Namespaces []query.Value     `json:"namespaces"` // the most frequent ones
}

// FindingGroupsEnd is the frame of the groups' histograms.
type FindingGroupsEnd struct {
	From       time.Time     `json:"from,omitzero"`
	Step       float64       `json:"step"` // seconds
	Findings   int           `json:"findings"`
	Groups     int           `json:"groups"`
	Severities []query.Value `json:"severities"` // how many findings of each, the worst first
	Cover      FindingsCover `json:"coverage"`
}

// FindingQuestion asks for one finding; the end is a FindingDetail.
type FindingQuestion struct {
	ID string `json:"id"` // or its beginning, if no other begins so
}

// FindingDetail is a finding with all that belongs to it.
type FindingDetail struct {
	Finding  Finding       `json:"finding"`
	Rule     *RuleState    `json:"rule,omitempty"`    // as it is now; absent if there is no such rule any more, or not for whoever asks
	Changed  bool          `json:"changed,omitempty"` // the rule was another when it found this
	Events   []query.Event `json:"events"`            // that caused it, the first first; 200 at most
	More     int           `json:"more,omitempty"`    // how many there are besides
	Proof    ProofState    `json:"proof"`             // of the finding's own event
	Silences []Silence     `json:"silences"`          // that fit it at present
	Alerts   []Delivery    `json:"alerts"`            // who was told of it
	Cover    FindingsCover `json:"coverage"`
}

// FindingsTailQuestion asks for the newest findings and then for each as it is found. Items are Finding; the end never comes.
type FindingsTailQuestion struct {
	FindingsRange
	Limit *int `json:"limit,omitempty"` // how many of those that are there already; default 10
}
