package format

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"annals.dev/audit"
)

// fromGKE reads a LogEntry of Cloud Audit Logs, as the API, a sink or BigQuery has it. What it says in fewer words than
// an event is not made up: there is no requestURI of a resource, no group, no uid, and one time.
func fromGKE(b []byte, e *audit.Event) error {
	var entry gkeEntry
	walk(b, func(key string, value audit.Span) bool {
		entry.member(key, value, e)
		return true
	})
	if entry.payload == nil {
		return errors.New("a log entry without protoPayload")
	}
	walk(entry.payload, func(key string, value audit.Span) bool {
		entry.detail(key, value, e)
		return true
	})
	e.AuditID = entry.operation
	if e.AuditID == "" {
		e.AuditID = entry.insertID
	}
	if e.AuditID == "" {
		return errors.New("a log entry without insertId and operation")
	}
	e.Stage = audit.StageResponseComplete
	if entry.first && !entry.last {
		e.Stage = audit.StageResponseStarted
	}
	entry.object(e)
	entry.status(e)
	switch {
	case e.ResponseObject != nil:
		e.Level = audit.LevelRequestResponse
	case e.RequestObject != nil:
		e.Level = audit.LevelRequest
	default:
		e.Level = audit.LevelMetadata
	}
	return nil
}

type gkeEntry struct {
	payload             audit.Span
	insertID, operation string
	first, last         bool

	method, resource string
	denied           bool
	code             int64 // google.rpc.Code
	hasCode          bool
	message          string
	responseType     string
}

func (g *gkeEntry) member(key string, value audit.Span, e *audit.Event) {
	switch key {
	case "insertId":
		g.insertID = content(value).String()
	case "protoPayload", "protopayload_auditlog":
		if value[0] == '{' {
			g.payload = value
		}
	case "timestamp":
		if t := timeOf(value); t != 0 {
			e.StageTimestamp = audit.MicroTime{Time: time.UnixMicro(t).UTC()}
		}
	case "operation":
		g.operation = content(memberOf(value, "id")).String()
		g.first, g.last = string(memberOf(value, "first")) == "true", string(memberOf(value, "last")) == "true"
	case "labels":
		for key, value := range value.Members {
			if text := content(value); text != nil {
				if e.Annotations == nil {
					e.Annotations = make(map[string]string)
				}
				e.Annotations[key.String()] = text.String()
			}
		}
	}
}

func (g *gkeEntry) detail(key string, value audit.Span, e *audit.Event) {
	switch key {
	case "authenticationInfo":
		e.User.Username = content(memberOf(value, "principalEmail")).String()
	case "authorizationInfo":
		// Google leaves out what is false: a permission that is not said to be granted was denied.
		if value[0] == '[' {
			for _, one := range elements(value) {
				if one[0] == '{' && string(memberOf(one, "granted")) != "true" {
					g.denied = true
				}
			}
		}
	case "methodName":
		g.method = content(value).String()
	case "resourceName":
		g.resource = content(value).String()
	case "requestMetadata":
		if ip := content(memberOf(value, "callerIp")); len(ip) > 0 {
			e.SourceIPs = []string{ip.String()}
		}
		e.UserAgent = content(memberOf(value, "callerSuppliedUserAgent")).String()
	case "status":
		if value[0] != '{' {
			return
		}
		g.hasCode = true
		g.code, _ = strconv.ParseInt(string(memberOf(value, "code")), 10, 32) // 0 is left out
		g.message = content(memberOf(value, "message")).String()
	case "request", "requestJson":
		e.RequestObject, _ = gkeBody(value)
	case "response", "responseJson":
		e.ResponseObject, g.responseType = gkeBody(value)
	}
}

// gkeBody is a body without the @type that Google adds, and that type. BigQuery has bodies as strings.
func gkeBody(value audit.Span) (body audit.Span, kind string) {
	if text := content(value); text != nil {
		value = []byte(text.String())
		var v audit.View
		if v.Parse(value) != nil {
			return audit.Span(appendString(nil, value)), ""
		}
	}
	if len(value) == 0 || value[0] != '{' {
		return nil, ""
	}
	body = audit.Span{'{'}
	walk(value, func(key string, v audit.Span) bool {
		if key == "@type" {
			kind = content(v).String()
			return true
		}
		if len(body) > 1 {
			body = append(body, ',')
		}
		body = append(append(append(body, '"'), key...), `":`...)
		body = append(body, v...)
		return true
	})
	if body = append(body, '}'); len(body) == 2 {
		return nil, kind
	}
	return body, kind
}

// object reads methodName, which is the group backwards, version, resource, perhaps subresource, and verb, joined by
// dots; and resourceName, which is group/version/[namespaces/NS/]resource[/name[/subresource]]. Only the first tells a
// namespace's subresource from a list of a resource in a namespace.
func (g *gkeEntry) object(e *audit.Event) {
	method := strings.Split(g.method, ".")
	e.Verb = method[len(method)-1]
	parts := strings.Split(strings.Trim(g.resource, "/"), "/")
	version := -1
	if len(parts) > 1 {
		version = slices.Index(method, parts[1])
	}
	if version < 0 { // no resource
		if g.resource != "" {
			e.RequestURI = "/" + strings.TrimPrefix(g.resource, "/")
		}
		return
	}
	group := parts[0]
	if group == "core" {
		group = ""
	}
	named := method[version+1 : len(method)-1]
	parts = parts[2:]
	if len(parts) == 0 {
		return
	}
	ref := &audit.ObjectReference{APIGroup: group, APIVersion: method[version]}
	e.ObjectRef = ref
	switch {
	case len(named) > 0 && named[0] == "namespaces" && parts[0] == "namespaces":
		if ref.Resource = parts[0]; len(parts) > 1 {
			ref.Namespace, ref.Name = parts[1], parts[1]
		}
		if len(parts) > 2 {
			ref.Subresource = parts[2]
		}
		return
	case len(named) > 0 && parts[0] == "namespaces" && len(parts) > 2:
		ref.Namespace, parts = parts[1], parts[2:]
		ref.Resource = parts[0]
		if len(parts) > 1 {
			ref.Name = parts[1]
		}
		if len(parts) > 2 {
			ref.Subresource = parts[2]
		}
		return
	}
	place(ref, parts)
}

// status says how it ended: by the response if it is a Status, else by Google's code. A code of 0 is any success.
func (g *gkeEntry) status(e *audit.Event) {
	s := &audit.Status{Message: g.message}
	isStatus := strings.HasSuffix(g.responseType, ".Status") || content(memberOf(e.ResponseObject, "kind")).Is("Status")
	code := int64(0)
	if isStatus {
		code, _ = strconv.ParseInt(string(memberOf(e.ResponseObject, "code")), 10, 32) // a success has none
		s.Status = content(memberOf(e.ResponseObject, "status")).String()
		s.Reason = content(memberOf(e.ResponseObject, "reason")).String()
		if m := content(memberOf(e.ResponseObject, "message")); m != nil {
			s.Message = m.String()
		}
	}
	switch {
	case code != 0:
	case g.code >= 100:
		code = g.code
	case g.code > 0:
		code = httpCode(g.code)
	case g.denied:
		code = 403
	case g.hasCode:
		code = 200
	default:
		return
	}
	s.Code = int32(code)
	e.ResponseStatus = s
}

// httpCode is the HTTP status that google.rpc.Code documents for each of its codes.
func httpCode(code int64) int64 {
	codes := [...]int64{200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401}
	if code < int64(len(codes)) {
		return codes[code]
	}
	return 500
}

// elements are the values in an array.
func elements(array []byte) (list []audit.Span) {
	for p := skipSpace(array, 1); p < len(array) && array[p] != ']'; {
		end := skipValue(array, p)
		if end < 0 {
			return list
		}
		list = append(list, audit.Span(array[p:end:end]))
		if p = skipSpace(array, end); p < len(array) && array[p] == ',' {
			p = skipSpace(array, p+1)
		}
	}
	return list
}
