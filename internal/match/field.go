package match

import (
	"time"

	"annals.dev/audit"
	"annals.dev/internal/format"
)

// field is something of an event that a query can name. Which function is set says what kind of field it is.
type field struct {
	name   string // canonical: the event's own
	column string // the ledger's column, or an SQL expression for number

	text   func(*audit.View) audit.Text // a string
	row    func(*Row) string            // a string that is ours
	span   func(*audit.View) audit.Span // JSON
	number func(*Row) (int64, bool)     // a number: its unit is plain, time or duration
	is     func(*Row, int) bool         // one of names

	unit   unit
	zero   bool // 0 means that it is absent
	from   int64
	to     int64 // not 0: the number is from from to to
	names  map[string]int
	values []string // that the API server writes

	path     []string // where in the JSON the field is
	object   bool     // members are named below it
	flat     bool     // members' names hold dots, and nothing is below them
	network  bool     // addresses
	last     bool     // of a list, only its last element
	searched bool     // the text is searchable text

	derivation *derivation // what follows from the event, and is not written in it
}

type unit uint8

const (
	plain unit = iota
	instant
	duration
)

const bodies = "bodies" // the column: request body, 0x1E, response body

var marks = map[string]int{
	"salvaged": int(format.Salvaged), "quarantined": int(format.Quarantined), "truncated": int(format.Truncated),
	"conflict": int(format.Conflict), "redacted": int(format.Redacted), "duplicate-member": int(format.DuplicateMember),
	"*": 1<<16 - 1,
}

var dialects = map[string]int{
	"v1": int(format.V1), "legacy": int(format.LegacyText), "gke": int(format.GKE), "aks": int(format.AKSTable),
	"elastic": int(format.Elastic), "viaq": int(format.ViaQ), "falco": int(format.FalcoAlert), "unreadable": int(format.Unreadable),
}

// fields are all there are, by canonical name.
var fields = index([]*field{
	text("level", "level", func(v *audit.View) audit.Text { return v.Level }, "None", "Metadata", "Request", "RequestResponse"),
	text("stage", "stage", func(v *audit.View) audit.Text { return v.Stage },
		"RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"),
	text("verb", "verb", func(v *audit.View) audit.Text { return v.Verb }),
	text("requestURI", "requestURI", func(v *audit.View) audit.Text { return v.RequestURI }),
	text("user.username", "username", func(v *audit.View) audit.Text { return v.User.Username }),
	text("user.uid", "userUID", func(v *audit.View) audit.Text { return v.User.UID }),
	{name: "user.groups", column: "groups", span: func(v *audit.View) audit.Span { return v.User.Groups }},
	{name: "user.extra", column: "userExtra", span: func(v *audit.View) audit.Span { return v.User.Extra }, object: true, flat: true},
	text("impersonatedUser.username", "impersonatedUsername",
		func(v *audit.View) audit.Text { return v.ImpersonatedUser.Username }),
	{name: "impersonatedUser.uid", column: "impersonatedUser", span: impersonated, path: []string{"uid"}},
	{name: "impersonatedUser.groups", column: "impersonatedUser", span: impersonated, path: []string{"groups"}},
	{name: "impersonatedUser.extra", column: "impersonatedUser", span: impersonated, path: []string{"extra"}, object: true, flat: true},
	{name: "sourceIPs", column: "sourceIPs", span: func(v *audit.View) audit.Span { return v.SourceIPs }},
	{name: "ip", column: "sourceIPs", span: func(v *audit.View) audit.Span { return v.SourceIPs }, network: true},
	{name: "peer", column: "sourceIPs", span: func(v *audit.View) audit.Span { return v.SourceIPs }, network: true, last: true},
	text("userAgent", "userAgent", func(v *audit.View) audit.Text { return v.UserAgent }),
	text("objectRef.resource", "resource", func(v *audit.View) audit.Text { return v.ObjectRef.Resource }),
	text("objectRef.subresource", "subresource", func(v *audit.View) audit.Text { return v.ObjectRef.Subresource }),
	text("objectRef.namespace", "namespace", func(v *audit.View) audit.Text { return v.ObjectRef.Namespace }),
	text("objectRef.name", "name", func(v *audit.View) audit.Text { return v.ObjectRef.Name }),
	text("objectRef.uid", "objectUID", func(v *audit.View) audit.Text { return v.ObjectRef.UID }),
	text("objectRef.apiGroup", "apiGroup", func(v *audit.View) audit.Text { return v.ObjectRef.APIGroup }),
	text("objectRef.apiVersion", "apiVersion", func(v *audit.View) audit.Text { return v.ObjectRef.APIVersion }),
	text("objectRef.resourceVersion", "resourceVersion", func(v *audit.View) audit.Text { return v.ObjectRef.ResourceVersion }),
	{name: "responseStatus.code", column: `"code"`, zero: true, number: func(r *Row) (int64, bool) {
		return int64(r.View.ResponseStatus.Code), r.View.ResponseStatus.Code != 0
	}},
	{name: "responseStatus", column: "responseStatus", span: func(v *audit.View) audit.Span { return v.ResponseStatus.Raw }, object: true},
	text(decisionName, "decision", func(v *audit.View) audit.Text { return v.Decision }),
	text(reasonName, "reason", func(v *audit.View) audit.Text { return v.Reason }),
	{name: "annotations", column: "annotations", span: func(v *audit.View) audit.Span { return v.Annotations }, object: true, flat: true},
	{name: "authenticationMetadata", column: "authenticationMetadata",
		span: func(v *audit.View) audit.Span { return v.AuthenticationMetadata }, object: true},
	{name: "requestObject", column: bodies, span: func(v *audit.View) audit.Span { return v.RequestObject }, object: true},
	{name: "responseObject", column: bodies, span: func(v *audit.View) audit.Span { return v.ResponseObject }, object: true},
	{name: "auditID", column: "auditID", text: func(v *audit.View) audit.Text { return v.AuditID }},
	{name: "time", column: `"time"`, unit: instant, number: func(r *Row) (int64, bool) { return r.time(), true }},
	{name: "hour", column: `hour("time")`, from: 0, to: 23, number: func(r *Row) (int64, bool) {
		return int64(time.UnixMicro(r.time()).UTC().Hour()), true
	}},
	{name: "weekday", column: `isodow("time")`, names: weekdays, is: func(r *Row, n int) bool {
		return int(time.UnixMicro(r.time()).UTC().Weekday()) == n%7
	}},
	{name: "requestReceivedTimestamp", column: `epoch_us("time") - "latency"`, unit: instant, number: func(r *Row) (int64, bool) {
		return r.View.RequestTime, r.View.RequestTime != 0 && r.View.Time != 0
	}},
	{name: "latency", column: `"latency"`, unit: duration, number: func(r *Row) (int64, bool) {
		return r.View.Time - r.View.RequestTime, r.View.RequestTime != 0 && r.View.Time != 0
	}},

	{name: "cluster", column: "cluster", row: func(r *Row) string { return r.Cluster }},
	{name: "origin", column: "origin", row: func(r *Row) string { return r.Origin }},
	{name: "position", column: `"position"`, number: func(r *Row) (int64, bool) { return int64(r.Position), true }},
	{name: "received", column: `"received"`, unit: instant, number: func(r *Row) (int64, bool) { return r.Received, r.Received != 0 }},
	{name: "mark", column: "marks", names: marks, is: func(r *Row, n int) bool { return int(r.Marks)&n != 0 }},
	{name: "dialect", column: "dialect", names: dialects, is: func(r *Row, n int) bool { return int(r.Dialect) == n }},
})

const (
	decisionName = `annotations.authorization.k8s.io/decision`
	reasonName   = `annotations.authorization.k8s.io/reason`
)

// weekdays are numbered as ISO 8601 does.
var weekdays = map[string]int{
	"monday": 1, "tuesday": 2, "wednesday": 3, "thursday": 4, "friday": 5, "saturday": 6, "sunday": 7,
}

// time is the event's, or when it came if it tells none: so the ledger keeps it.
func (r *Row) time() int64 {
	if r.View.Time == 0 {
		return r.Received
	}
	return r.View.Time
}

// aliases are the short names, and stageTimestamp, which the ledger calls time.
var aliases = map[string]string{
	"resource": "objectRef.resource", "subresource": "objectRef.subresource", "ns": "objectRef.namespace",
	"namespace": "objectRef.namespace", "name": "objectRef.name", "apiGroup": "objectRef.apiGroup",
	"user": "user.username", "group": "user.groups", "as": "impersonatedUser.username", "code": "responseStatus.code",
	"uri": "requestURI", "agent": "userAgent", "id": "auditID", "stageTimestamp": "time",
	"decision": decisionName, "reason": reasonName, "request": "requestObject", "response": "responseObject",
}

func text(name, column string, get func(*audit.View) audit.Text, values ...string) *field {
	return &field{name: name, column: column, text: get, values: values, searched: true}
}

func index(all []*field) map[string]*field {
	m := make(map[string]*field, len(all))
	for _, f := range all {
		m[f.name] = f
	}
	return m
}

func impersonated(v *audit.View) audit.Span { return v.ImpersonatedUser.Raw }
