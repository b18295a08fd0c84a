package query

import (
	"fmt"
	"strings"

	"annals.dev/internal/format"
)

// ViewColumn is a column of events, the view that statements are asked of.
type ViewColumn struct {
	Name string
	Type string // DuckDB's
	Doc  string

	sql string // over the ledger's columns; empty: the column of the same name
}

// View is the columns of events, in order.
var View = []ViewColumn{
	{"cluster", "VARCHAR", "the cluster that the event came under", ""},
	{"position", "BIGINT", "its place in that cluster's ledger", ""},
	{"time", "TIMESTAMP", "stageTimestamp, UTC; received where the event tells no time", ""},
	{"received", "TIMESTAMP", "when it was recorded, UTC", ""},
	{"level", "VARCHAR", "Metadata, Request or RequestResponse", ""},
	{"stage", "VARCHAR", "RequestReceived, ResponseStarted, ResponseComplete or Panic", ""},
	{"verb", "VARCHAR", "the request's verb", ""},
	{"user", "VARCHAR", "user.username", "username"},
	{"userUID", "VARCHAR", "user.uid", ""},
	{"groups", "VARCHAR[]", "user.groups", list(`"groups"`)},
	{"userExtra", "JSON", "user.extra", object("userExtra")},
	{"impersonatedUser", "VARCHAR", "impersonatedUser.username", "impersonatedUsername"},
	{"impersonated", "JSON", "impersonatedUser, whole", object("impersonatedUser")},
	{"sourceIPs", "VARCHAR[]", "the addresses that it came from, the client's own claims first", list("sourceIPs")},
	{"userAgent", "VARCHAR", "what the client calls itself", ""},
	{"resource", "VARCHAR", "objectRef.resource", ""},
	{"subresource", "VARCHAR", "objectRef.subresource", ""},
	{"namespace", "VARCHAR", "objectRef.namespace", ""},
	{"name", "VARCHAR", "objectRef.name", ""},
	{"apiGroup", "VARCHAR", "objectRef.apiGroup", ""},
	{"apiVersion", "VARCHAR", "objectRef.apiVersion", ""},
	{"resourceVersion", "VARCHAR", "objectRef.resourceVersion", ""},
	{"objectUID", "VARCHAR", "objectRef.uid", ""},
	{"requestURI", "VARCHAR", "the request's URI", ""},
	{"code", "BIGINT", "responseStatus.code", ""},
	{"responseStatus", "JSON", "responseStatus, whole", object("responseStatus")},
	{"decision", "VARCHAR", "annotation authorization.k8s.io/decision", ""},
	{"reason", "VARCHAR", "annotation authorization.k8s.io/reason", ""},
	{"annotations", "JSON", "the annotations", object("annotations")},
	{"authenticationMetadata", "JSON", "authenticationMetadata", object("authenticationMetadata")},
	{"auditID", "VARCHAR", "the audit ID, one for all stages of a request", "coalesce(auditIDText, CAST(auditID AS VARCHAR))"},
	{"latency", "INTERVAL", "from requestReceivedTimestamp to stageTimestamp", "to_microseconds(latency)"},
	{"requestObject", "JSON", "the request's body", object("split_part(bodies, chr(30), 1)")},
	{"responseObject", "JSON", "the response's body", object("split_part(bodies, chr(30), 2)")},
	{"origin", "VARCHAR", "how the event came: the receiver, file or server", ""},
	{"marks", "VARCHAR[]", "what a reader must know: " + strings.Join(markNames(), ", "), marksList()},
	{"note", "VARCHAR", "why it is marked", ""},
}

// list reads a JSON array of strings. What a cut left of one is null, not an error that hides every other row.
func list(column string) string {
	return fmt.Sprintf(`json_transform(CASE WHEN json_valid(%s) THEN %[1]s END, '["VARCHAR"]')`, column)
}

func object(sql string) string { return fmt.Sprintf("TRY_CAST(nullif(%s, '') AS JSON)", sql) }

// marks names the bits of format.Marks.
var marks = []struct {
	bit  format.Marks
	name string
}{
	{format.Salvaged, "salvaged"}, {format.Quarantined, "quarantined"}, {format.Truncated, "truncated"},
	{format.Conflict, "conflict"}, {format.Redacted, "redacted"}, {format.DuplicateMember, "duplicate-member"},
}

func markNames() (names []string) {
	for _, m := range marks {
		names = append(names, m.name)
	}
	return names
}

func marksList() string {
	var b strings.Builder
	b.WriteString("list_filter([")
	for i, m := range marks {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "CASE WHEN marks & %d <> 0 THEN '%s' END", m.bit, m.name)
	}
	b.WriteString("], lambda m: m IS NOT NULL)")
	return b.String()
}

// viewColumns is the select list of the view over the ledger's columns.
func viewColumns() string {
	var b strings.Builder
	for i, c := range View {
		if i > 0 {
			b.WriteString(", ")
		}
		switch {
		case c.sql == "":
			fmt.Fprintf(&b, "%q", c.Name)
		default:
			fmt.Fprintf(&b, "%s AS %q", c.sql, c.Name)
		}
	}
	return b.String()
}
