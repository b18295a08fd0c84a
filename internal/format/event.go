package format

import "annals.dev/audit"

// Dialect says how an event's bytes are to be read. Its numbers are stored in the ledger and never change.
type Dialect uint8

const (
	V1         Dialect = 0   // audit.k8s.io/v1 JSON, v1beta1 and v1alpha1 too: audit.View reads them all
	LegacyText Dialect = 1   // 2017-06-15T21:50:50Z AUDIT: id="…" stage="…" …, and the two lines of 2016
	GKE        Dialect = 2   // a Cloud Audit Logs LogEntry
	AKSTable   Dialect = 3   // a row of AKSAudit, AKSAuditAdmin or ArcK8sAudit
	Elastic    Dialect = 4   // kubernetes.audit of Filebeat and Elastic Agent
	ViaQ       Dialect = 5   // OpenShift's ClusterLogForwarder: level stands under another name
	FalcoAlert Dialect = 6   // an alert of Falco, JSON or a line of text
	Unreadable Dialect = 255 // quarantine: bytes that no dialect reads
)

// Marks are facts about an event that its reader must know. Their bits are stored and never change.
type Marks uint16

const (
	Salvaged        Marks = 1 << 0 // the carrier cut it: what stood before the cut is kept
	Quarantined     Marks = 1 << 1 // unreadable: the bytes are kept, with the reason in the note
	Truncated       Marks = 1 << 2 // the API server's own truncation: annotation audit.k8s.io/truncated
	Conflict        Marks = 1 << 3 // another event with this audit ID and stage came before, with other bytes (set by the ledger)
	Redacted        Marks = 1 << 4
	DuplicateMember Marks = 1 << 5 // a JSON member stands twice; the last counts
)

// Event is one event on its way into the ledger.
type Event struct {
	Bytes   []byte     // the evidence: kept and hashed as it is
	View    audit.View // what Bytes says; for a dialect other than V1 it views a v1 event made from Bytes
	Dialect Dialect
	Marks   Marks
	Note    string // why it is marked, where it was cut or found: "audit.log at byte 1532: unexpected end of JSON"
}
