// Package lint finds what is wrong with an audit policy, or with the API server's flags around it, and mends it where that
// is safe. Repair gives back the policy that a mangled one once was.
//
// Start with Check: it says for each finding where it stands, what the policy does today, and what was surely meant. What
// each finding is called and means stands in Catalogue, and in docs/policy-lint.md.
//
// It promises: a policy that kube-apiserver refuses, or of which it drops a part, never comes out clean. That a rule can
// never decide is proved over the rules before it, not guessed; whether a rule matches is only ever asked of package policy.
package lint

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
)

// Severity says how bad a finding is.
type Severity int

const (
	Info    Severity = iota + 1 // worth knowing: mostly what it costs
	Warning                     // something does not do what it says: a rule never matches, evidence is lost
	Error                       // kube-apiserver refuses the policy or drops a part of it, or secrets are written down
)

func (s Severity) String() string {
	switch s {
	case Info:
		return "info"
	case Warning:
		return "warning"
	case Error:
		return "error"
	}
	return fmt.Sprintf("severity %d", int(s))
}

// MarshalJSON writes the severity's name.
func (s Severity) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// Finding is one thing that is wrong.
type Finding struct {
	ID       string   `json:"id"` // L1 and so on; Catalogue explains it
	Severity Severity `json:"severity"`
	File     string   `json:"file"`
	Line     int      `json:"line"`   // from 1
	Column   int      `json:"column"` // from 1, in characters
	Today    string   `json:"today"`  // what is there, and what it does
	Meant    string   `json:"meant"`  // what was surely meant, or what to do
	Fix      string   `json:"fix,omitempty"`
	edits    []edit   // what Fix does; none if there is no safe fix
	refused  bool     // kube-apiserver does not start with it
}

// Options say what to check against. The zero value is the newest Kubernetes that Annals knows, and the policy alone.
type Options struct {
	Kubernetes int     // the minor version, as 35 for 1.35
	Server     *Server // optional: the API server's flags, for what they do to this policy
	EventRate  float64 // events a second that the flags must bear; 0 is 200, a small cluster's
}

// maxTried bounds the work of trying fixes: so many bytes of policies are read for it. Where it ends, a fix is said to be
// there that Fix may yet refuse; no policy that people wrote comes near.
const maxTried = 2 << 20

// Check gives what is wrong with a policy, in the order of its lines. name is what the findings call the file. A finding says
// how it would be fixed only if Fix would do so.
func Check(name string, policy []byte, o Options) []Finding {
	c := checked(name, policy, o)
	read := 0
	for i := range c.found {
		if f := &c.found[i]; len(f.edits) > 0 && read < maxTried {
			read += len(policy) + 1<<10
			if _, safe := c.tried(f); !safe {
				f.Fix, f.edits = "", nil
			}
		}
	}
	return c.found
}

func checked(name string, policy []byte, o Options) *checker {
	c := &checker{name: name, src: policy, o: o}
	c.check()
	slices.SortStableFunc(c.found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), byNumber(a.ID, b.ID))
	})
	return c
}

func byNumber(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }

// Worst is the highest severity of the findings, 0 if there are none.
func Worst(found []Finding) (s Severity) {
	for _, f := range found {
		s = max(s, f.Severity)
	}
	return s
}
