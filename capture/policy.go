package capture

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"annals.dev/policy"
)

// active is a policy in force.
type active struct {
	evaluator *policy.Evaluator
	json      []byte
	hash      string // SHA-256 of json
}

func newActive(p *policy.Policy) (*active, error) {
	if p == nil {
		return nil, errors.New("capture: there is no policy")
	}
	b, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("capture: policy: %w", err)
	}
	sum := sha256.Sum256(b)
	return &active{evaluator: policy.Compile(p), json: b, hash: hex.EncodeToString(sum[:])}, nil
}

// SetPolicy changes what is recorded from the next request on.
func (h *Handler) SetPolicy(p *policy.Policy, by string) error {
	a, err := newActive(p)
	if err == nil {
		h.policy.Store(a)
	}
	return err
}
