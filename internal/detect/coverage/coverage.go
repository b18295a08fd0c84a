// Package coverage proves, rule by rule, whether a rule can fire under an audit policy, and which rule of the policy prevents it.
// Start with Check; Suggest goes the other way, and writes the least policy under which all rules can fire.
//
// What is proved is about every request that Kubernetes can get: for each thing that a policy or a rule looks at (verb, resource,
// namespace, name, user, groups, path) the values that either of them names, and one that neither does, stand for all values.
// Package policy decides each combination, and the rule is folded over the event that would be made: what a body or a header
// could hold is not known then, what is not recorded is known to be absent. Where the answer is that the rule fires, an event is
// made on which it does.
//
// A resource whose name Kubernetes has built in is taken for that, not for somebody else's of the same name in another group, and
// its bodies for what its type can hold.
package coverage

import (
	"encoding/json"

	"annals.dev/audit"
	"annals.dev/internal/detect"
	"annals.dev/policy"
)

// Verdict is what a policy lets a rule do.
type Verdict string

const (
	Fires  Verdict = "fires"
	Partly Verdict = "partly" // for some of the requests that it is about
	Blind  Verdict = "blind"  // for want of a body it fires whatever the body was
	Cannot Verdict = "cannot" // of what it is about nothing is recorded, or too little
	Never  Verdict = "never"  // there is no event that it is true of, whatever the policy
	Beyond Verdict = "beyond" // what it looks at is not for a policy to decide
)

// Result is what there is to say of one rule.
type Result struct {
	Rule     string          `json:"rule"` // its ID
	Title    string          `json:"title"`
	Severity detect.Severity `json:"severity"`
	File     string          `json:"file,omitempty"`
	Line     int             `json:"line,omitempty"`
	Verdict  Verdict         `json:"verdict"`
	Note     string          `json:"note,omitempty"`
	Blocked  []Blocked       `json:"blocked,omitempty"` // what it does not see, and why
	Witness  *Witness        `json:"witness,omitempty"` // of a rule that fires; without one it can only be said to be possible
	Level    audit.Level     `json:"level,omitempty"`   // that it needs for all that it is about
	Stages   []audit.Stage   `json:"stages,omitempty"`  // at which it can fire
	Of       []Part          `json:"of,omitempty"`      // of a correlation: its rules
	needs    []need          // for Suggest
}

// Part is a rule that a correlation is made of.
type Part struct {
	Rule    string  `json:"rule"`
	Verdict Verdict `json:"verdict"`
}

// Blocked is requests that a rule is about, and does not see.
type Blocked struct {
	PolicyRule  int           `json:"policyRule"` // its index; -1: none matched
	Line        int           `json:"line,omitempty"`
	Summary     string        `json:"summary"` // of the policy's rule
	Cause       Cause         `json:"cause"`
	Level       audit.Level   `json:"level"`                 // at which they are recorded
	Needs       audit.Level   `json:"needs,omitempty"`       // at which they would have to be
	Stages      []audit.Stage `json:"stages,omitempty"`      // of which one would have to be recorded
	Alternative string        `json:"alternative,omitempty"` // of the rule's condition that is lost, where others are not
	What        []string      `json:"what"`                  // "get, list secrets"
}

// Cause is why requests are not seen.
type Cause string

const (
	NotRecorded  Cause = "none"  // level None
	LevelTooLow  Cause = "level" // what the rule looks at is not in the event
	StageOmitted Cause = "stage"
	Undecided    Cause = "blind" // the rule fires whatever is in the body, as that is not recorded
)

// Witness is a request, and an event of it on which the rule fires.
type Witness struct {
	Request    string          `json:"request"` // in words
	PolicyRule int             `json:"policyRule"`
	Level      audit.Level     `json:"level"`
	Stage      audit.Stage     `json:"stage"`
	Event      json.RawMessage `json:"event"`
	Cluster    string          `json:"cluster,omitempty"`
}

// Policy is a policy and where it stands.
type Policy struct {
	*policy.Policy
	Name  string
	Lines []int // of its rules
}

// Report is what there is to say of rules under a policy.
type Report struct {
	Policy  string   `json:"policy"`
	Results []Result `json:"rules"`
}

// Check holds rules against a policy, one after the other, correlations behind the rules that they are made of. Tell, which may
// be nil, is told after each how many are done.
func Check(rules []*detect.Rule, p *Policy, tell func(done, total int)) *Report {
	w := newWorld(p)
	results := make([]Result, len(rules))
	by := map[string]*Result{}
	for i, r := range rules {
		results[i] = w.check(r)
		by[r.ID] = &results[i]
		if tell != nil {
			tell(i+1, len(rules))
		}
	}
	for _, r := range rules {
		if r.Correlation != nil {
			correlate(r, rules, by, map[string]bool{})
		}
	}
	report := &Report{Policy: p.Name, Results: []Result{}}
	for i := range results {
		report.Results = append(report.Results, results[i])
	}
	return report
}

func (w *world) check(r *detect.Rule) Result {
	res := Result{Rule: r.ID, Title: r.Title, Severity: r.Severity, File: r.File, Line: r.Line}
	switch {
	case r.Own:
		res.Verdict, res.Note = Beyond, "it looks at what Annals itself records"
	case r.Correlation != nil: // when its rules are known
	case r.Where == nil:
		res.Verdict, res.Note = Beyond, "it is no predicate but a detector: what it sees is what is recorded"
	default:
		newProof(w, r.Where).result(&res)
	}
	return res
}
