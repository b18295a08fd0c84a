package query

import (
	"bytes"
	"encoding/json"

	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
)

// Row is one event of an answer, as a table shows it. Absent strings are "".
type Row struct {
	Cluster  string
	Position uint64
	Time     int64 // microseconds since 1970
	User     string
	As       string // impersonatedUser.username
	Verb     string

	Resource, Subresource, Namespace, Name string

	Code  int64 // 0: none
	Marks format.Marks

	// Set if the request was Wide, or had to read the events.
	Received                   int64 // microseconds since 1970
	Latency                    int64 // microseconds; ledger.NullInt: not known
	Origin, Level, Stage       string
	RequestURI, UserAgent      string
	SourceIPs                  string // JSON
	APIGroup, Decision, Reason string
	AuditID, Note              string
	Dialect                    format.Dialect

	// Bytes are the event's, if they were asked for. A reader without bodies is given a v1 event without them instead, or none
	// where it is not certain where they end.
	Bytes     []byte
	rewritten bool
}

// IPs are the source addresses.
func (r *Row) IPs() (ips []string) {
	_ = json.Unmarshal([]byte(r.SourceIPs), &ips) // what a cut left of them is none
	return ips
}

// The columns that rows are made of, by kind. The narrow ones are all that a table needs.
type (
	textColumn struct {
		name string
		of   func(*Row) *string
	}
	intColumn struct {
		name string
		null int64
		set  func(*Row, int64)
	}
)

var narrowInts = []intColumn{
	{"position", 0, func(r *Row, v int64) { r.Position = uint64(v) }},
	{`epoch_us("time")`, 0, func(r *Row, v int64) { r.Time = v }},
	{"code", 0, func(r *Row, v int64) { r.Code = v }},
	{"marks", 0, func(r *Row, v int64) { r.Marks = format.Marks(v) }},
}

var wideInts = append(narrowInts[:len(narrowInts):len(narrowInts)],
	intColumn{`epoch_us(received)`, 0, func(r *Row, v int64) { r.Received = v }},
	intColumn{"latency", ledger.NullInt, func(r *Row, v int64) { r.Latency = v }},
	intColumn{"dialect", 0, func(r *Row, v int64) { r.Dialect = format.Dialect(v) }},
)

var narrowTexts = []textColumn{
	{"username", func(r *Row) *string { return &r.User }},
	{"impersonatedUsername", func(r *Row) *string { return &r.As }},
	{"verb", func(r *Row) *string { return &r.Verb }},
	{"resource", func(r *Row) *string { return &r.Resource }},
	{"subresource", func(r *Row) *string { return &r.Subresource }},
	{"namespace", func(r *Row) *string { return &r.Namespace }},
	{"name", func(r *Row) *string { return &r.Name }},
}

var wideTexts = append(narrowTexts[:len(narrowTexts):len(narrowTexts)],
	textColumn{"origin", func(r *Row) *string { return &r.Origin }},
	textColumn{"level", func(r *Row) *string { return &r.Level }},
	textColumn{"stage", func(r *Row) *string { return &r.Stage }},
	textColumn{"requestURI", func(r *Row) *string { return &r.RequestURI }},
	textColumn{"userAgent", func(r *Row) *string { return &r.UserAgent }},
	textColumn{"sourceIPs", func(r *Row) *string { return &r.SourceIPs }},
	textColumn{"apiGroup", func(r *Row) *string { return &r.APIGroup }},
	textColumn{"decision", func(r *Row) *string { return &r.Decision }},
	textColumn{"reason", func(r *Row) *string { return &r.Reason }},
	textColumn{"coalesce(auditIDText, CAST(auditID AS VARCHAR))", func(r *Row) *string { return &r.AuditID }},
	textColumn{"note", func(r *Row) *string { return &r.Note }},
)

// rowColumns is a set of columns and how rows are read of them.
type rowColumns struct {
	ints  []intColumn
	texts []textColumn
	list  string // for SELECT, behind src
}

func newRowColumns(ints []intColumn, texts []textColumn) *rowColumns {
	c := &rowColumns{ints: ints, texts: texts, list: "src"}
	for _, x := range ints {
		c.list += ", " + x.name
	}
	for _, x := range texts {
		c.list += ", " + x.name
	}
	return c
}

var narrow, wide = newRowColumns(narrowInts, narrowTexts), newRowColumns(wideInts, wideTexts)

// rows makes rows of a chunk.
func (c *rowColumns) rows(ch chunk, parts []*part) []Row {
	rows := make([]Row, ch.n)
	src := ch.column(0).ints()
	for i := range rows {
		rows[i].Cluster = parts[src[i]].cluster.Name
	}
	for k, x := range c.ints {
		col := ch.column(1 + k)
		for i := range rows {
			x.set(&rows[i], col.int(i, x.null))
		}
	}
	for k, x := range c.texts {
		ch.column(1 + len(c.ints) + k).eachString(func(i int, s string) { *x.of(&rows[i]) = s })
	}
	return rows
}

// rowOf makes a row of an event.
func rowOf(s *ledger.Stored) Row {
	v := &s.View
	r := Row{
		Cluster: s.Cluster, Position: s.Position, Time: v.Time, Received: s.Received, Latency: ledger.NullInt,
		User: v.User.Username.String(), As: v.ImpersonatedUser.Username.String(), Verb: v.Verb.String(),
		Resource: v.ObjectRef.Resource.String(), Subresource: v.ObjectRef.Subresource.String(),
		Namespace: v.ObjectRef.Namespace.String(), Name: v.ObjectRef.Name.String(),
		Code: int64(v.ResponseStatus.Code), Marks: s.Marks, Origin: s.Origin, Level: v.Level.String(), Stage: v.Stage.String(),
		RequestURI: v.RequestURI.String(), UserAgent: v.UserAgent.String(),
		SourceIPs: string(bytes.ToValidUTF8(v.SourceIPs, []byte("\uFFFD"))),
		APIGroup:  v.ObjectRef.APIGroup.String(), Decision: v.Decision.String(), Reason: v.Reason.String(),
		AuditID: v.AuditID.String(), Note: s.Note, Dialect: s.Dialect,
	}
	if v.Time == 0 {
		r.Time = s.Received
	} else if v.RequestTime != 0 {
		r.Latency = v.Time - v.RequestTime
	}
	return r
}
