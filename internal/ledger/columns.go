package ledger

import "annals.dev/internal/parquet"

// Kind is how a column is kept.
type Kind uint8

const (
	Int64     Kind = iota // BIGINT
	Timestamp             // TIMESTAMP, microseconds UTC
	UUID                  // UUID
	String                // VARCHAR, through a dictionary
	Body                  // VARCHAR: request body, 0x1E, response body; null when there is neither
	Blob                  // BLOB: bytes of events that the columns do not give back; hot rows have none
)

// NullInt is null among the numbers of a column.
const NullInt = parquet.Null

// Column is a column of the ledger's rows, as segments and hot rows have it.
type Column struct {
	Name     string
	Kind     Kind
	Optional bool // numbers only: strings, ids and bodies may always be null
}

// The columns by number. Segments hold them in this order.
const (
	cPosition = iota
	cRow      // 0, 1, 2 … in the order of the segment's rows; in hot rows in order of position
	cOrigin
	cReceived
	cTime    // stageTimestamp, or received where the event tells no time
	cLatency // microseconds from requestReceivedTimestamp to stageTimestamp
	cLevel
	cStage
	cVerb
	cRequestURI
	cUsername
	cUserUID
	cGroups // JSON text, as cUserExtra
	cUserExtra
	cImpersonatedUsername
	cImpersonatedUser // JSON text
	cSourceIPs        // JSON text
	cUserAgent
	cResource
	cNamespace
	cName
	cObjectUID
	cAPIGroup
	cAPIVersion
	cResourceVersion
	cSubresource
	cCode
	cResponseStatus // JSON text
	cDecision
	cReason
	cAnnotations            // JSON text
	cAuthenticationMetadata // JSON text
	cAuditID
	cAuditIDText // where the audit ID is not a UUID in lower case
	cDialect
	cMarks
	cNote
	cBodies
	cForm // how the event's bytes are given back: see rebuild.go
	cSurround
	columnCount
)

// Columns describes them.
var Columns = [columnCount]Column{
	cPosition: {Name: "position", Kind: Int64}, cRow: {Name: "row", Kind: Int64},
	cOrigin: {Name: "origin", Kind: String}, cReceived: {Name: "received", Kind: Timestamp},
	cTime: {Name: "time", Kind: Timestamp}, cLatency: {Name: "latency", Kind: Int64, Optional: true},
	cLevel: {Name: "level", Kind: String}, cStage: {Name: "stage", Kind: String}, cVerb: {Name: "verb", Kind: String},
	cRequestURI: {Name: "requestURI", Kind: String},
	cUsername:   {Name: "username", Kind: String}, cUserUID: {Name: "userUID", Kind: String},
	cGroups: {Name: "groups", Kind: String}, cUserExtra: {Name: "userExtra", Kind: String},
	cImpersonatedUsername: {Name: "impersonatedUsername", Kind: String}, cImpersonatedUser: {Name: "impersonatedUser", Kind: String},
	cSourceIPs: {Name: "sourceIPs", Kind: String}, cUserAgent: {Name: "userAgent", Kind: String},
	cResource: {Name: "resource", Kind: String}, cNamespace: {Name: "namespace", Kind: String}, cName: {Name: "name", Kind: String},
	cObjectUID: {Name: "objectUID", Kind: String}, cAPIGroup: {Name: "apiGroup", Kind: String}, cAPIVersion: {Name: "apiVersion", Kind: String},
	cResourceVersion: {Name: "resourceVersion", Kind: String}, cSubresource: {Name: "subresource", Kind: String},
	cCode: {Name: "code", Kind: Int64, Optional: true}, cResponseStatus: {Name: "responseStatus", Kind: String},
	cDecision: {Name: "decision", Kind: String}, cReason: {Name: "reason", Kind: String},
	cAnnotations: {Name: "annotations", Kind: String}, cAuthenticationMetadata: {Name: "authenticationMetadata", Kind: String},
	cAuditID: {Name: "auditID", Kind: UUID}, cAuditIDText: {Name: "auditIDText", Kind: String},
	cDialect: {Name: "dialect", Kind: Int64}, cMarks: {Name: "marks", Kind: Int64}, cNote: {Name: "note", Kind: String},
	cBodies: {Name: "bodies", Kind: Body}, cForm: {Name: "form", Kind: Int64}, cSurround: {Name: "surround", Kind: Blob},
}

// schema is Columns in Parquet's terms.
func schema() []parquet.Column {
	s := make([]parquet.Column, 0, columnCount)
	for _, c := range Columns {
		p := parquet.Column{Name: c.Name, Optional: true}
		switch c.Kind {
		case Int64:
			p.Type, p.Optional = parquet.Int64, c.Optional
		case Timestamp:
			p.Type, p.Optional = parquet.Timestamp, c.Optional
		case UUID:
			p.Type = parquet.UUID
		case String, Body:
			p.Type = parquet.String
		case Blob:
			p.Type = parquet.Blob
		}
		s = append(s, p)
	}
	return s
}
