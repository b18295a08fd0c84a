package capture

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"annals.dev/audit"
	"annals.dev/policy"
)

// Annotations of the events that say that the policy was changed, or was not.
const (
	oldPolicyKey  = "audit.annals.dev/policy-old"  // SHA-256 of the policy that was in force
	newPolicyKey  = "audit.annals.dev/policy-new"  // SHA-256 of the policy that is, or was refused
	policyFileKey = "audit.annals.dev/policy-file" // where it was read from
)

// active is a policy in force.
type active struct {
	evaluator *policy.Evaluator
	json      []byte
	hash      string // SHA-256 of json
}

func newActive(p *policy.Policy) (*active, error) {
	if p == nil {
		return nil, errors.New("there is no policy")
	}
	if err := p.Validate(policy.Options{Minimal: true}); err != nil {
		return nil, fmt.Errorf("audit policy: %w", err)
	}
	b, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("audit policy: %w", err)
	}
	return &active{evaluator: policy.Compile(p), json: b, hash: hashOf(b)}, nil
}

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// SetPolicy changes what is recorded from the next request on. The change is itself recorded, as an event whose user is
// by; a policy whose event the sink does not take does not come into force. A wrong policy is refused, which is recorded
// too, and the old one stays.
func (h *Handler) SetPolicy(p *policy.Policy, by string) error {
	h.change.Lock()
	defer h.change.Unlock()
	return h.setPolicy(p, nil, "", by)
}

// Reload is SetPolicy with the policy in a file.
func (h *Handler) Reload(file string, o policy.Options, by string) error {
	h.change.Lock()
	defer h.change.Unlock()
	p, err := policy.Load(file, o)
	return h.setPolicy(p, err, file, by)
}

// setPolicy puts p in force, unless it could not be had, for err. The caller holds change.
func (h *Handler) setPolicy(p *policy.Policy, err error, file, by string) error {
	old := h.policy.Load()
	var changed *active
	if err == nil {
		changed, err = newActive(p)
	}
	if err == nil && changed.hash != old.hash {
		if err = h.recordChange(old, changed, nil, file, by); err != nil {
			err = fmt.Errorf("the audit policy stays as it was, because its change could not be recorded: %w", err)
		}
	} else if err != nil {
		if unrecorded := h.recordChange(old, nil, err, file, by); unrecorded != nil {
			h.cfg.Log.Error("refusal of an audit policy was not recorded", "file", file, "err", unrecorded)
		}
	}
	h.cfg.Metrics.reloaded(err)
	if err != nil {
		h.cfg.Log.Error("audit policy refused; the old one stays in force", "file", file, "by", by, "err", err)
		return err
	}
	h.policy.Store(changed)
	h.cfg.Metrics.inForce(changed.hash)
	h.cfg.Log.Info("audit policy in force", "file", file, "by", by, "sha256", changed.hash)
	return nil
}

// recordChange sends the event of a change. Both policies decide on it, and the one that wants more has its way; Metadata is
// recorded in any case, so that no policy hides that it was set.
func (h *Handler) recordChange(old, changed *active, refused error, file, by string) error {
	now := audit.MicroTime{Time: time.Now()}
	user := &audit.UserInfo{Username: by}
	e := audit.Event{
		Level: audit.LevelMetadata, AuditID: newUUID(), Stage: audit.StageResponseComplete, Verb: "update", User: *user,
		RequestURI:               "/apis/audit.k8s.io/v1/policies",
		ObjectRef:                &audit.ObjectReference{Resource: "policies", APIGroup: "audit.k8s.io", APIVersion: "v1"},
		ResponseStatus:           &audit.Status{Status: "Success", Code: http.StatusOK},
		RequestReceivedTimestamp: now, StageTimestamp: now,
		Annotations: map[string]string{oldPolicyKey: old.hash},
	}
	if file != "" {
		e.Annotations[policyFileKey] = file
	}
	attributes := policy.Attributes{User: user, Verb: "update", ResourceRequest: true, APIGroup: "audit.k8s.io",
		Resource: "policies", Path: e.RequestURI}
	deciding := []*active{old}
	if changed != nil {
		deciding = append(deciding, changed)
	}
	for _, a := range deciding {
		if d := a.evaluator.Decide(&attributes); d.Level.AtLeast(e.Level) {
			e.Level = d.Level
		}
	}
	if changed != nil {
		e.Annotations[newPolicyKey] = changed.hash
		if e.Level.AtLeast(audit.LevelRequest) {
			e.RequestObject = changed.object()
		}
	}
	if refused != nil {
		e.ResponseStatus = &audit.Status{Status: "Failure", Message: refused.Error(), Reason: "Invalid", Code: http.StatusUnprocessableEntity}
	}
	h.cfg.Metrics.event()
	return h.cfg.Sink.Send(background, e.AppendJSON(nil))
}

func (a *active) object() audit.Span {
	return append([]byte(`{"kind":"Policy","apiVersion":"audit.k8s.io/v1",`), a.json[1:]...)
}

// watchEvery is how often Watch looks at the file. It reads it whole, because what a ConfigMap's volume or an editor
// replaces shows no other sign that can be relied on.
const watchEvery = 5 * time.Second

// settleTime is how long a changed file has to stay as it is: one that is half written may be a policy too, of fewer rules.
const settleTime = time.Second

// Watch loads the policy at once and again whenever the file's content changes, until ctx ends. A wrong one is refused
// once, and the last good one stays.
func (h *Handler) Watch(ctx context.Context, file string, o policy.Options, by string) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	looked := contentOf(file)
	for loaded := ""; ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		before := looked
		looked = contentOf(file)
		switch looked {
		case loaded:
			timer.Reset(watchEvery)
		case before:
			loaded = looked
			h.Reload(file, o, by) // what fails is logged, counted and recorded there
			timer.Reset(watchEvery)
		default:
			timer.Reset(settleTime)
		}
	}
}

// contentOf is something that changes when the file does, also to one that cannot be read.
func contentOf(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return hashOf(b)
}
