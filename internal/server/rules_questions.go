package server

import (
	"time"

	"annals.dev/internal/detect"
)

// RulesQuestion asks for the rules. Items are RuleState, the end is a RulesEnd.
type RulesQuestion struct {
	Since    time.Time `json:"since,omitzero"` // findings are counted in this range
	Until    time.Time `json:"until,omitzero"`
	Clusters []string  `json:"clusters,omitempty"`
}

// RuleState is a rule, and what became of it.
type RuleState struct {
	detect.Rule
	RuleName  string           `json:"ruleName"` // what people call it: wildcard-role
	On        bool             `json:"on"`
	Builtin   bool             `json:"builtin,omitempty"`   // it comes with Annals
	Saved     bool             `json:"saved,omitempty"`     // it is a search that was saved here, and can be changed and removed
	Predicate string           `json:"predicate,omitempty"` // which events it is about, in one fixed form
	Words     string           `json:"words,omitempty"`     // what it finds, in words
	Search    string           `json:"search,omitempty"`    // of a saved search: the query
	Problems  []detect.Problem `json:"problems,omitempty"`
	Findings  int              `json:"findings"`      // in the range
	Last      time.Time        `json:"last,omitzero"` // of those
}

// RulesEnd says what the rules are as a whole.
type RulesEnd struct {
	Rules    int              `json:"rules"`             // that are on
	Loaded   time.Time        `json:"loaded,omitzero"`   // when they were read
	Trouble  string           `json:"trouble,omitempty"` // why they could not be read anew: those of before are still used
	Problems []detect.Problem `json:"problems"`          // those of no rule that is used
	Cover    FindingsCover    `json:"coverage"`          // of the findings that are counted
}

// RuleQuestion asks for one rule; the end is a RuleState with its text.
type RuleQuestion struct {
	RulesQuestion
	ID string `json:"id"`
}

// HuntQuestion runs rules over what happened: items are Finding as they are found, the end is a HuntEnd. Nothing is recorded of
// them but that it was asked.
type HuntQuestion struct {
	IDs      []string  `json:"ids,omitempty"`  // of rules that there are
	Text     string    `json:"text,omitempty"` // or rules as a file has them, in any language
	Since    time.Time `json:"since,omitzero"`
	Until    time.Time `json:"until,omitzero"`
	Clusters []string  `json:"clusters,omitempty"`
	Limit    int       `json:"limit,omitempty"` // findings; default 1,000
}

// HuntEnd is what a hunt came to.
type HuntEnd struct {
	Rules    int              `json:"rules"`    // that were run
	Findings int              `json:"findings"` // all of them, those behind the limit too
	Problems []detect.Problem `json:"problems"`
	Cover    Coverage         `json:"coverage"`
}

// AttackQuestion asks what of ATT&CK is covered. Items are AttackTechnique, the end is an AttackEnd.
type AttackQuestion struct {
	Since    time.Time `json:"since,omitzero"` // findings are counted in this range
	Until    time.Time `json:"until,omitzero"`
	Clusters []string  `json:"clusters,omitempty"`
}

// AttackTechnique is a technique of ATT&CK and the rules that look for it.
type AttackTechnique struct {
	ID       string       `json:"id"` // T1552.007
	Name     string       `json:"name,omitempty"`
	Tactics  []string     `json:"tactics"`          // credential-access, …
	Unseen   string       `json:"unseen,omitempty"` // why no audit event can show it
	Rules    []AttackRule `json:"rules"`
	Findings int          `json:"findings"` // in the range
	Last     time.Time    `json:"last,omitzero"`
}

// AttackRule is a rule that looks for a technique.
type AttackRule struct {
	ID       string          `json:"id"`
	Title    string          `json:"title"`
	Severity detect.Severity `json:"severity"`
	Findings int             `json:"findings"`
}

// AttackEnd names the columns of the map.
type AttackEnd struct {
	Tactics []AttackTactic `json:"tactics"` // in ATT&CK's order
	Covered int            `json:"covered"` // techniques with a rule
	Fired   int            `json:"fired"`   // techniques with a finding
	Cover   FindingsCover  `json:"coverage"`
}

// AttackTactic is a column.
type AttackTactic struct {
	ID   string `json:"id"` // credential-access
	Name string `json:"name"`
}

// SaveRuleQuestion saves a search as a rule, or another in the place of one that was saved; the end is a RuleState.
type SaveRuleQuestion struct {
	ID         string          `json:"id,omitempty"` // of the one that it takes the place of
	Title      string          `json:"title"`
	Search     string          `json:"search"`
	Severity   detect.Severity `json:"severity"`
	About      string          `json:"about,omitempty"`
	Techniques []string        `json:"techniques,omitempty"`
	Tactics    []string        `json:"tactics,omitempty"`
}

// RemoveRuleQuestion removes a search that was saved as a rule.
type RemoveRuleQuestion struct {
	ID string `json:"id"`
}
