package detect

import (
	"time"

	"annals.dev/internal/match"
)

// Severity is how bad what a rule finds is, in Sigma's terms.
type Severity string

const (
	Informational Severity = "informational"
	Low           Severity = "low"
	Medium        Severity = "medium"
	High          Severity = "high"
	Critical      Severity = "critical"
)

// Severities are all, the least first.
var Severities = []Severity{Informational, Low, Medium, High, Critical}

// Language is what a rule was written in.
type Language string

const (
	Sigma   Language = "sigma"
	Falco   Language = "falco"
	Search  Language = "search"
	Builtin Language = "annals" // a detector in Go
)

// Rule is one rule, compiled. It does not change, and many goroutines may use it.
type Rule struct {
	ID       string   `json:"id"` // of Sigma its id, else what identifies it among all: "falco/Attach Exec Pod"
	Name     string   `json:"name,omitempty"`
	Title    string   `json:"title"`
	Version  string   `json:"version"` // 12 hexadecimal digits: a hash of the rule and of all that decides what it finds (macros, lists, filters, the rules of a correlation)
	Language Language `json:"language"`
	Severity Severity `json:"severity"`

	About          string   `json:"about,omitempty"` // why it is worth knowing
	Status         string   `json:"status,omitempty"`
	Author         string   `json:"author,omitempty"`
	License        string   `json:"license,omitempty"`
	References     []string `json:"references,omitempty"`
	FalsePositives []string `json:"falsePositives,omitempty"`
	Techniques     []string `json:"techniques,omitempty"` // ATT&CK: T1611, T1552.007
	Tactics        []string `json:"tactics,omitempty"`    // ATT&CK: privilege-escalation
	Tags           []string `json:"tags,omitempty"`
	File           string   `json:"file,omitempty"` // where it stands; "builtin/…" for ours
	Line           int      `json:"line,omitempty"`
	Text           string   `json:"text,omitempty"` // as it was written

	Where       *match.Predicate          `json:"-"`                     // which events; nil of a correlation, and of a detector in Go
	Correlation *Correlation              `json:"correlation,omitempty"` //
	Silent      bool                      `json:"silent,omitempty"`      // it reports nothing itself: correlations use it
	Own         bool                      `json:"own,omitempty"`         // it names the cluster annals; others do not look at its events
	First       string                    `json:"-"`                     // of the rules with the same First, only the first in order reports an event; "" is by itself
	Fields      []*match.Path             `json:"-"`                     // what of the event a finding shows besides what matched
	Output      func(r *match.Row) string `json:"-"`                     // the finding in words; nil: made of the title and the event
}

// CorrelationKind is what a correlation asks of the requests in its window.
type CorrelationKind string

const (
	EventCount      CorrelationKind = "event_count"
	ValueCount      CorrelationKind = "value_count"
	Temporal        CorrelationKind = "temporal"
	TemporalOrdered CorrelationKind = "temporal_ordered"
	ValueSum        CorrelationKind = "value_sum"
	ValueAvg        CorrelationKind = "value_avg"
	ValuePercentile CorrelationKind = "value_percentile"
	ValueMedian     CorrelationKind = "value_median"
)

// Correlation is a condition over the requests that other rules match, within a timespan and a group.
type Correlation struct {
	Kind     CorrelationKind  `json:"kind"`
	Rules    []string         `json:"rules"` // IDs, in the order that temporal_ordered asks for; they may be correlations
	GroupBy  []string         `json:"groupBy,omitempty"`
	Timespan time.Duration    `json:"timespan"`
	Compare  []Comparison     `json:"compare,omitempty"` // all must hold
	Field    string           `json:"field,omitempty"`   // whose values count; of value_count there may be several
	Fields   []string         `json:"fields,omitempty"`
	Percent  float64          `json:"percent,omitempty"` // of value_percentile
	Of       *RuleExpr        `json:"of,omitempty"`      // of temporal: which rules, if not all (extended conditions)
	Keys     map[string][]Key `json:"-"`                 // by rule ID: how the members of GroupBy are read from its events
	Values   map[string]Key   `json:"-"`                 // by rule ID: how Field is read
}

// Key is how one member of a group is read from an event. Where it has several values, the event is in several groups; where it
// has none, in no group.
type Key struct {
	Name string
	Path *match.Path
}

// Comparison is gt, gte, lt, lte, eq or neq, and a number.
type Comparison struct {
	Op string  `json:"op"`
	N  float64 `json:"n"`
}

// RuleExpr is a condition over which rules have matched in the window. One of its members is set.
type RuleExpr struct {
	Rule string      `json:"rule,omitempty"`
	And  []*RuleExpr `json:"and,omitempty"`
	Or   []*RuleExpr `json:"or,omitempty"`
	Not  *RuleExpr   `json:"not,omitempty"`
}

// Problem is something wrong with a file of rules, or with what a rule can find. Whatever else the file holds is used.
type Problem struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Rule    string `json:"rule,omitempty"` // its ID
	Kind    string `json:"kind"`           // "error": the rule is not used; "warning": it is, but part of it cannot work; "note"
	Message string `json:"message"`
}

// File is a file of rules.
type File struct {
	Name string
	Data []byte
}
