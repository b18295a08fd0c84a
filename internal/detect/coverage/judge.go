package coverage

import (
	"annals.dev/audit"
	"annals.dev/internal/match"
	"annals.dev/policy"
)

// Judge tells of conditions what is so whatever the policy. One goroutine uses it at a time.
type Judge struct{ whole, metadata *world }

// NewJudge makes one.
func NewJudge() *Judge {
	of := func(level audit.Level) *world {
		return newWorld(&Policy{Policy: &policy.Policy{Rules: []policy.Rule{{Level: level}}}})
	}
	return &Judge{of(audit.LevelRequestResponse), of(audit.LevelMetadata)}
}

// Never says whether there is no audit event that a condition is true of.
func (j *Judge) Never(p *match.Predicate) bool {
	proof := newProof(j.whole, p)
	proof.run()
	return proof.fires+proof.blind+proof.none+proof.seen == 0
}

// Blind are the requests for which a condition is true, whatever was in their bodies, where these are not recorded.
func (j *Judge) Blind(p *match.Predicate) []string {
	proof := newProof(j.metadata, p)
	proof.run()
	for _, key := range proof.order {
		if b := proof.blocked[key]; b.Cause == Undecided {
			return together(b.What)
		}
	}
	return nil
}
