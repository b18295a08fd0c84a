package detect

import (
	"encoding/json"
	"fmt"
	"time"

	"annals.dev/audit"
	"annals.dev/internal/format"
)

// watcherName is the user of the events of findings.
const watcherName = "system:annals:watch"

// Annotations of these events.
const (
	severityKey = "annals.dev/severity"
	ruleKey     = "annals.dev/rule"
)

// Recorded is a finding or a withdrawal as it stands in cluster annals.
type Recorded struct {
	Finding    *Finding    // or
	Withdrawal *Withdrawal //
	Position   uint64      // in cluster annals
	Received   time.Time   // when it was recorded
}

// Event is the event of a finding: the n-th time that it is found, the first being 0. It depends on nothing else.
func (f *Finding) Event(n int) ([]byte, error) {
	return recordOf("create", f.ID, "again", n, f.Time, f.Namespace, f.Rule, string(f.Severity), f)
}

// Event is the event of a withdrawal, of a finding that was found n times before and withdrawn.
func (w *Withdrawal) Event(n int) ([]byte, error) {
	return recordOf("delete", w.ID, "withdrawn", n, w.Time, w.Namespace, w.Rule, "", w)
}

// auditID is that of a record of a finding. That of the first one is the finding's own.
func auditID(id ID, what string, n int) ID {
	if what == "again" && n == 0 {
		return id
	}
	return FindingID(what, fmt.Sprint(n), nil, id)
}

func recordOf(verb, id, what string, n int, at time.Time, namespace, rule, severity string, body any) ([]byte, error) {
	parsed, ok := ParseID(id)
	if !ok {
		return nil, fmt.Errorf("a finding's id is 32 hexadecimal digits, not %q", id)
	}
	b, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("finding %s of rule %s: %w", id, rule, err)
	}
	notes := map[string]string{ruleKey: rule}
	if severity != "" {
		notes[severityKey] = severity
	}
	e := audit.Event{
		Level: audit.LevelRequest, AuditID: auditID(parsed, what, n).UUID(), Stage: audit.StageResponseComplete, RequestURI: "/apis/annals.dev/v1/findings/" + id,
		Verb: verb, User: audit.UserInfo{Username: watcherName},
		ObjectRef:                &audit.ObjectReference{Resource: "findings", Namespace: namespace, Name: id, APIGroup: "annals.dev", APIVersion: "v1"},
		RequestObject:            b,
		RequestReceivedTimestamp: audit.MicroTime{Time: at.UTC()}, StageTimestamp: audit.MicroTime{Time: at.UTC()},
		Annotations: notes,
	}
	return e.AppendJSON(nil), nil
}

// ParseRecord reads what an event of cluster annals records; ok is false where it is not about a finding. It trusts the origin,
// which no source may use.
func ParseRecord(e *format.Event, origin string, position uint64, received int64) (rec Recorded, ok bool, err error) {
	v := &e.View
	if origin != Origin || !v.ObjectRef.Resource.Is("findings") {
		return rec, false, nil
	}
	rec = Recorded{Position: position, Received: time.UnixMicro(received).UTC()}
	if v.Verb.Is("delete") {
		rec.Withdrawal = new(Withdrawal)
		err = json.Unmarshal(v.RequestObject, rec.Withdrawal)
	} else {
		rec.Finding = new(Finding)
		err = json.Unmarshal(v.RequestObject, rec.Finding)
	}
	if err != nil {
		return rec, false, fmt.Errorf("cluster annals, position %d: %w", position, err)
	}
	return rec, true, nil
}
