package format

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"

	"annals.dev/audit"
)

// carried takes a JSON object that is no plain event: one of another dialect, a record of another kind, or a carrier
// with something inside. It gives false, and does nothing, if it is none of these.
func (r *Reader) carried(b []byte, c *context) bool {
	if c.depth >= maxDepth {
		return false
	}
	inner := *c
	inner.depth++
	inner.strict = false
	d := document{dialect: Unreadable, has: make(map[string]bool)}
	walk(b, func(key string, value audit.Span) bool {
		d.member(key, value)
		return true
	})
	if d.time != 0 {
		inner.time = d.time
	}
	if d.node != "" {
		inner.node = d.node
	}
	if d.dialect == Unreadable && d.isFalco() {
		d.dialect = FalcoAlert
	}
	if d.dialect != Unreadable {
		return r.take(d.dialect, b, &inner)
	}
	if kind := d.kind(b); kind != "" {
		r.skip(kind, b, &inner)
		return true
	}
	if d.stream != "" && d.log != nil && c.depth == c.m.depth {
		return r.dockerPart(d.stream, d.log, &inner)
	}
	for _, p := range d.payloads {
		if r.payload(p, &inner) {
			return true
		}
	}
	return false
}

// payload takes a member that may hold an event, or a carrier of one.
func (r *Reader) payload(p payload, c *context) bool {
	text := content(p.value)
	if text == nil {
		if p.value[0] != '{' {
			return false
		}
		var v audit.View
		if v.Parse(p.value) == nil && plainEvent(&v, false) {
			return r.take(V1, p.value, c)
		}
		return r.carried(p.value, c)
	}
	b := r.decode(text)
	if p.key == "data" {
		if raw, ok := base64Of(b); ok {
			r.push(raw, c)
			return true
		}
	}
	return r.inner(b, c)
}

// dockerPart takes what Docker's json-file driver logged: 16 KiB of a line, and its newline if that is all of it.
func (r *Reader) dockerPart(stream string, log audit.Text, c *context) bool {
	b := r.decode(log)
	final := bytes.HasSuffix(b, []byte("\n"))
	if !final && c.m.parts.of(stream) < 0 { // another driver, without newlines
		var v audit.View
		final = len(b) == 0 || b[0] != '{' || v.Parse(b) == nil
	}
	return r.part(stream, b, final, c)
}

func base64Of(b []byte) ([]byte, bool) {
	if len(b) < 8 || b[0] == '{' {
		return nil, false
	}
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
		if raw, err := encoding.AppendDecode(nil, b); err == nil {
			return raw, true
		}
	}
	return nil, false
}

// salvageInside looks for an event in a carrier that is no JSON: cut, or wrong somewhere.
func (r *Reader) salvageInside(b []byte, why string, c *context) bool {
	if c.depth >= maxDepth {
		return false
	}
	inner := *c
	inner.depth++
	d := document{dialect: Unreadable, has: make(map[string]bool)}
	key, value := walk(b, func(key string, value audit.Span) bool {
		d.member(key, value)
		return true
	})
	if d.time != 0 {
		inner.time = d.time
	}
	if d.node != "" {
		inner.node = d.node
	}
	for _, p := range d.payloads { // whole, though what is around it is not
		if r.payload(p, &inner) {
			return true
		}
	}
	if len(value) < 2 || !isPayload(key) {
		return false
	}
	if value[0] == '"' {
		value = value[1:]
		if i := bytes.LastIndexByte(value, '\\'); i >= len(value)-6 && i >= 0 && !wholeEscape(value[i:]) {
			value = value[:i]
		}
		if value = r.decode(audit.Text(value)); len(value) == 0 || value[0] != '{' {
			return false
		}
	}
	return value[0] == '{' && (r.salvage(value, why, &inner) || r.salvageInside(value, why, &inner))
}

// wholeEscape says whether the escape that b begins with, which may be the second half of "\\", ends before b does.
func wholeEscape(b []byte) bool { return len(b) > 1 && b[1] != 'u' || len(b) >= 6 }

func size(n int) string { return fmt.Sprintf("%d bytes", n) }

type payload struct {
	key   string
	value audit.Span
}

// document is what an object says about what it is.
type document struct {
	payloads []payload
	dialect  Dialect
	other    string // kind, known by a single member
	time     int64
	node     string
	category string
	stream   string
	log      audit.Text
	has      map[string]bool
}

// isPayload names the members in which carriers hold what they carry.
func isPayload(key string) bool {
	switch key {
	case "log", "message", "line", "event", "log_s", "_raw", "msg", "body", "data", "properties", "result", "_source",
		"record", "awslogs", "kinesis", "jsonPayload", "textPayload", "structured", "kubernetes", "audit", "MESSAGE":
		return true
	}
	return false
}

func (d *document) member(key string, value audit.Span) {
	d.has[key] = true
	switch key {
	case "time", "timestamp", "@timestamp", "date", "TimeGenerated", "_time":
		if t := timeOf(value); t != 0 {
			d.time = t
		}
	case "host", "hostname", "Computer", "node_name":
		if t := content(value); t != nil {
			d.node = t.String()
		}
	case "category", "Category":
		d.category = content(value).String()
	case "stream":
		d.stream = content(value).String()
	case "log":
		d.log = content(value)
	case "logStreamName", "logStream":
		d.other = streamKind(content(value))
	case "protoPayload", "protopayload_auditlog":
		service := content(memberOf(value, "serviceName")).String()
		switch {
		case service == "k8s.io" || service == "" && strings.HasPrefix(content(memberOf(value, "methodName")).String(), "io.k8s."):
			d.dialect = GKE
		case service == "container.googleapis.com":
			d.other = "GKE container.googleapis.com entry"
		default:
			d.other = "Google audit log of another service"
		}
	case "kubernetes":
		if inner := memberOf(value, "audit"); len(inner) > 0 && inner[0] == '{' {
			d.dialect = Elastic
		}
	case "k8s_audit_level", "openshift_audit_level":
		d.dialect = ViaQ
	}
	if isPayload(key) && len(value) > 0 && (value[0] == '"' || value[0] == '{') {
		d.payloads = append(d.payloads, payload{key, value})
	}
	if d.has["AuditId"] && d.has["Stage"] && d.has["Verb"] {
		d.dialect = AKSTable
	}
}

// kind names a record that is known and is no audit event; b is the record.
func (d *document) kind(b []byte) string {
	has := d.has
	switch {
	case d.other != "":
		return d.other
	case d.category != "" && has["properties"] != has["log_s"] && !strings.HasPrefix(d.category, "kube-audit"):
		return "AKS log of another category"
	case has["auditID"] && has["requestURI"] && has["user"] && has["verb"] && !has["level"]:
		return "Rancher API audit"
	case has["ts"] && has["msg"] && (has["v"] || has["caller"] || has["logger"]):
		return "klog line"
	case has["logName"] && has["textPayload"]:
		return "Google log entry of another log"
	case has["apiVersion"] && content(memberOf(b, "kind")).Is("EventList"):
		return "empty EventList"
	}
	return ""
}

// isRancher knows the audit log of Rancher's own API, which looks like Kubernetes' and is not.
func isRancher(v *audit.View) bool {
	if v.AuditID == nil || v.Level != nil || v.User.Username != nil {
		return false
	}
	name := memberOf(v.User.Raw, "name")
	return name != nil
}

// isViaQ knows what OpenShift's forwarder made of an event: its level says nothing.
func isViaQ(v *audit.View) bool {
	return v.Unknown > 0 && (string(v.Level) == "default" || string(v.Level) == "info")
}
