// Package named holds the questions that people have, by name: each a search with parameters, in questions.yaml, to which a
// user can add a file. Start with BuiltIn, then Set.Ask.
//
// A parameter's value never breaks out of its place: what runs is the question's own search, with the value as one value, one
// list of values, or one condition in parentheses.
package named

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"annals.dev/internal/spell"
)

// Question is one of them, as the YAML has it.
type Question struct {
	Name     string      `json:"name"`                    // secrets-read
	Title    string      `json:"title"`                   // Who read secrets?
	About    string      `json:"about"`                   // what the answer means, what it does not show, what to look at next
	Group    string      `json:"group"`                   // Access, Sessions, Changes, …: how lists are cut
	Search   string      `json:"search"`                  // with {parameter} in it
	Params   []Parameter `json:"params,omitempty"`        //
	By       []string    `json:"by,omitempty"`            // count by these fields instead of listing events
	Sort     string      `json:"sort,omitempty"`          // time (newest first) or latency (slowest first)
	Needs    string      `json:"needs,omitempty"`         // which audit level the answer needs: Metadata, Request, RequestResponse
	Clusters []string    `json:"clusters,omitempty"`      // where nobody says which: of these, instead of all but annals
	File     string      `json:"file,omitempty" yaml:"-"` // that a user added it with
}

// What answers that list events can be sorted by.
const (
	byTime    = "time"
	byLatency = "latency"
)

// Parameter is what a question leaves open.
type Parameter struct {
	Name    string `json:"name"`
	About   string `json:"about"`
	Type    Type   `json:"type"`
	Default string `json:"default,omitempty"`
	Term    string `json:"term,omitempty"` // a condition with the parameter in it, that the search gets only if a value is given
}

// Asked is a question with its parameters put in: what runs.
type Asked struct {
	Question Question          `json:"question"`
	Params   map[string]string `json:"params,omitempty"`
	Search   string            `json:"search"` // the search as it runs
}

// Where is a parameter that every question has: a search that narrows the answer.
const Where = "where"

//go:embed questions.yaml
var builtIn []byte

// Set is questions by name. It does not change once it is made, and many goroutines may use it.
type Set struct{ questions []Question }

// BuiltIn are the questions that come with Annals.
func BuiltIn() *Set {
	s, err := (&Set{}).With("questions.yaml", builtIn)
	if err != nil {
		panic(err) // it is part of the program, and a test reads it
	}
	for i := range s.questions {
		s.questions[i].File = ""
	}
	return s
}

// One is a set of one question, which may have come from anywhere: it is checked as a file's is.
func One(q Question) (*Set, error) {
	if _, err := q.check(); err != nil {
		return nil, err
	}
	return &Set{[]Question{q}}, nil
}

// All are the questions in the order of their files.
func (s *Set) All() []Question { return slices.Clone(s.questions) }

// Get finds a question.
func (s *Set) Get(name string) (Question, error) {
	meant, best := "; ask without a name for the list", 1+min(3, len(name)/3)
	for _, q := range s.questions {
		if q.Name == name {
			return q, nil
		}
		if len(name) <= spell.Longest {
			if d := spell.Distance(strings.ToLower(name), q.Name); d < best {
				meant, best = ", did you mean "+q.Name+"?", d
			}
		}
	}
	return Question{}, fmt.Errorf("there is no question %.100q%s", name, meant)
}

// Ask puts parameters into a question.
func (s *Set) Ask(name string, params map[string]string) (*Asked, error) {
	q, err := s.Get(name)
	if err != nil {
		return nil, err
	}
	return q.ask(params)
}
