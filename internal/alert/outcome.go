package alert

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"annals.dev/internal/detect"
	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
)

// Result is how it ended with some findings and a destination.
type Result string

const (
	Delivered Result = "delivered"
	Failed    Result = "failed" // for good: it is not tried again
	Silenced  Result = "silenced"
	Inhibited Result = "inhibited"
	Throttled Result = "throttled"
	Withdrawn Result = "withdrawn" // before it was told
)

// Outcome is the requestObject of an event in cluster annals: verb create, resource alerts.annals.dev.
type Outcome struct {
	Key         string            `json:"key"` // of a message, that under which the destination got it
	Time        time.Time         `json:"time"`
	Result      Result            `json:"result"`
	Reason      string            `json:"reason,omitempty"` // "silenced by …", or why it failed
	Destination string            `json:"destination"`
	Kind        Kind              `json:"kind,omitempty"`
	Severity    detect.Severity   `json:"severity"` // the worst of the findings
	Group       map[string]string `json:"group,omitempty"`
	Findings    []string          `json:"findings"` // their IDs: 1,000 at most
	Count       int               `json:"count"`    // how many there are
	Attempts    int               `json:"attempts,omitempty"`
	By          string            `json:"by,omitempty"` // the ID of the silence, or of the finding that mutes or was told before
}

const alertUser = "system:annals:alert"

// event is the outcome as an event. Its bytes follow from the outcome alone: recorded again, the ledger knows it.
func (o *Outcome) event() ([]byte, error) {
	object, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(object)
	at := o.Time.UTC().Format("2006-01-02T15:04:05.000000Z")
	type m = map[string]any
	return json.Marshal(m{
		"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Request", "stage": "ResponseComplete",
		"auditID": uuid.UUID(sum[:16]).String(), "requestURI": "/apis/annals.dev/v1/alerts/" + o.Key, "verb": "create",
		"user": m{"username": alertUser}, "requestReceivedTimestamp": at, "stageTimestamp": at,
		"objectRef":     m{"resource": "alerts", "apiGroup": "annals.dev", "apiVersion": "v1", "name": o.Key},
		"requestObject": json.RawMessage(object),
		"annotations": m{
			"annals.dev/outcome": string(o.Result), "annals.dev/destination": o.Destination,
			"annals.dev/severity": string(o.Severity), "annals.dev/findings": strconv.Itoa(o.Count),
		},
	})
}

// record puts an outcome into the ledger.
func record(ctx context.Context, l *ledger.Ledger, o Outcome) error {
	text, err := o.event()
	if err != nil {
		return err
	}
	e := format.Event{Bytes: text}
	if err := e.View.Parse(text); err != nil {
		return fmt.Errorf("the outcome of %s: %w", o.Key, err)
	}
	_, err = l.Append(ctx, ledger.Batch{Cluster: ledger.Own, Origin: "annals/alert", Events: []format.Event{e}})
	return err
}

// keyOf is a name for what the parts say, in 32 hexadecimal digits.
func keyOf(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
