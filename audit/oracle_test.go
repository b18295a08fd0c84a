package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"testing"
)

// oracle is what encoding/json says is in an event: of a whole one, or of one that is cut.
type oracle struct {
	top       map[string]json.RawMessage
	inside    map[string]map[string]json.RawMessage // the members of user and the like, where they are objects
	unknown   int
	duplicate bool
	cut       bool
}

// consult walks b with encoding/json. It trusts nothing after the first error, and no number that the input ends with.
func consult(b []byte) oracle {
	o := oracle{inside: map[string]map[string]json.RawMessage{}}
	o.top, o.cut = o.members(b, func(key string, value []byte) {
		if _, known := eventFields[key]; !known {
			o.unknown++
		}
		parts, ok := eventFields[key].(map[string]bool)
		if !ok {
			return
		}
		delete(o.inside, key)
		if len(value) > 0 && value[0] == '{' {
			o.inside[key], _ = o.members(value, nil, parts)
		}
	}, nil)
	return o
}

// eventFields has the members a View knows, with those it knows inside them.
var eventFields = func() map[string]any {
	user := map[string]bool{"username": true, "uid": true, "groups": true, "extra": true}
	return map[string]any{
		"kind": 0, "apiVersion": 0, "level": 0, "auditID": 0, "stage": 0, "requestURI": 0, "verb": 0,
		"user": user, "impersonatedUser": user, "authenticationMetadata": 0, "sourceIPs": 0, "userAgent": 0,
		"objectRef": map[string]bool{"resource": true, "namespace": true, "name": true, "uid": true, "apiGroup": true,
			"apiVersion": true, "resourceVersion": true, "subresource": true},
		"responseStatus": map[string]bool{"status": true, "message": true, "reason": true, "code": true},
		"requestObject":  0, "responseObject": 0, "requestReceivedTimestamp": 0, "stageTimestamp": 0,
		"annotations": map[string]bool{decisionKey: true, reasonKey: true},
	}
}()

// members reads the object b begins with. each is told of every member, of the one that is cut too: its value is then
// what there is. Of the keys in parts, or of those that a View knows, it notes whether one stands twice.
func (o *oracle) members(b []byte, each func(string, []byte), parts map[string]bool) (map[string]json.RawMessage, bool) {
	dec := json.NewDecoder(bytes.NewReader(b))
	if token, err := dec.Token(); err != nil || token != json.Delim('{') {
		return nil, true
	}
	m := map[string]json.RawMessage{}
	seen := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		key, ok := token.(string)
		if err != nil || !ok {
			return m, true
		}
		from := int(dec.InputOffset())
		rest := bytes.TrimLeft(b[from:], " \t\r\n")
		if len(rest) == 0 || rest[0] != ':' {
			return m, true
		}
		rest = bytes.TrimLeft(rest[1:], " \t\r\n")
		_, known := eventFields[key]
		if parts != nil {
			known = parts[key]
		} else if key == "metadata" || key == "timestamp" {
			known = true
		}
		if known && seen[key] {
			o.duplicate = true
		}
		seen[key] = true
		var value json.RawMessage
		err = dec.Decode(&value)
		if err == nil && int(dec.InputOffset()) == len(b) && value[len(value)-1] <= '9' && value[len(value)-1] >= '0' {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			delete(m, key)
			if each != nil {
				each(key, rest)
			}
			return m, true
		}
		m[key] = value
		if each != nil {
			each(key, value)
		}
	}
	token, err := dec.Token()
	return m, err != nil || token != json.Delim('}')
}

func decodeText(raw json.RawMessage) (s string, ok bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	return s, json.Unmarshal(raw, &s) == nil
}

// compare says where v differs from what encoding/json says.
func (o oracle) compare(v *View) error {
	var differ error
	text := func(name string, got Text, raw json.RawMessage) {
		want, ok := decodeText(raw)
		if differ == nil && (got != nil != ok || got.String() != want) {
			differ = fmt.Errorf("%s is %q (absent: %v), want %q (absent: %v)", name, got, got == nil, want, !ok)
		}
	}
	span := func(name string, got Span, raw json.RawMessage, first string) {
		if len(raw) > 0 && (first == "" && raw[0] == 'n' || first != "" && raw[0] != first[0]) {
			raw = nil
		}
		if differ == nil && (got == nil != (raw == nil) || !bytes.Equal(got, raw)) {
			differ = fmt.Errorf("%s is %q, want %q", name, got, raw)
		}
	}
	text("kind", v.Kind, o.top["kind"])
	text("apiVersion", v.APIVersion, o.top["apiVersion"])
	text("level", v.Level, o.top["level"])
	text("auditID", v.AuditID, o.top["auditID"])
	text("stage", v.Stage, o.top["stage"])
	text("requestURI", v.RequestURI, o.top["requestURI"])
	text("verb", v.Verb, o.top["verb"])
	text("userAgent", v.UserAgent, o.top["userAgent"])
	text("requestReceivedTimestamp", v.RequestReceivedTimestamp, o.top["requestReceivedTimestamp"])
	text("stageTimestamp", v.StageTimestamp, o.top["stageTimestamp"])
	span("sourceIPs", v.SourceIPs, o.top["sourceIPs"], "[")
	span("authenticationMetadata", v.AuthenticationMetadata, o.top["authenticationMetadata"], "{")
	span("requestObject", v.RequestObject, o.top["requestObject"], "")
	span("responseObject", v.ResponseObject, o.top["responseObject"], "")
	for _, user := range []struct {
		name string
		view *UserView
	}{{"user", &v.User}, {"impersonatedUser", &v.ImpersonatedUser}} {
		m := o.inside[user.name]
		span(user.name, user.view.Raw, o.top[user.name], "{")
		text(user.name+".username", user.view.Username, m["username"])
		text(user.name+".uid", user.view.UID, m["uid"])
		span(user.name+".groups", user.view.Groups, m["groups"], "[")
		span(user.name+".extra", user.view.Extra, m["extra"], "{")
	}
	ref, r := o.inside["objectRef"], &v.ObjectRef
	span("objectRef", r.Raw, o.top["objectRef"], "{")
	text("resource", r.Resource, ref["resource"])
	text("namespace", r.Namespace, ref["namespace"])
	text("name", r.Name, ref["name"])
	text("objectRef.uid", r.UID, ref["uid"])
	text("resourceVersion", r.ResourceVersion, ref["resourceVersion"])
	text("subresource", r.Subresource, ref["subresource"])
	if _, ok := decodeText(ref["apiGroup"]); ok || !bytes.Contains(ref["apiVersion"], []byte("/")) {
		text("apiGroup", r.APIGroup, ref["apiGroup"])
		text("objectRef.apiVersion", r.APIVersion, ref["apiVersion"])
	}
	status, s := o.inside["responseStatus"], &v.ResponseStatus
	span("responseStatus", s.Raw, o.top["responseStatus"], "{")
	text("status", s.Status, status["status"])
	text("message", s.Message, status["message"])
	text("reason", s.Reason, status["reason"])
	code, raw := int32(0), status["code"]
	if json.Unmarshal(raw, &code) != nil {
		code = 0
	}
	if differ == nil && s.Code != code {
		differ = fmt.Errorf("code is %d, want %d", s.Code, code)
	}
	span("annotations", v.Annotations, o.top["annotations"], "{")
	text("decision", v.Decision, o.inside["annotations"][decisionKey])
	text("reason", v.Reason, o.inside["annotations"][reasonKey])
	switch {
	case differ != nil:
		return differ
	case v.Cut != o.cut:
		return fmt.Errorf("cut is %v, want %v", v.Cut, o.cut)
	case !o.cut && v.Unknown != o.unknown:
		return fmt.Errorf("%d unknown members, want %d", v.Unknown, o.unknown)
	case !o.cut && v.Duplicate != o.duplicate:
		return fmt.Errorf("duplicate is %v, want %v", v.Duplicate, o.duplicate)
	}
	return nil
}

// checkView compares Parse with encoding/json: both take the same bytes, and find the same in them.
func checkView(t testing.TB, b []byte) {
	t.Helper()
	var v View
	trimmed := bytes.TrimLeft(b, " \t\r\n")
	want := json.Valid(b) && trimmed[0] == '{'
	err := v.Parse(b)
	if err == nil != want {
		t.Fatalf("Parse says %v, encoding/json says %v\n%q", err, want, b)
	}
	if err == nil {
		if err := consult(b).compare(&v); err != nil {
			t.Fatalf("%v\n%q", err, b)
		}
		if !bytes.Equal(v.Raw, bytes.Trim(b, " \t\r\n")) {
			t.Fatalf("Raw is %q\n%q", v.Raw, b)
		}
		var e Event
		_ = e.UnmarshalFrom(&v) // the timestamps may be wrong
		if line := e.AppendJSON(nil); !json.Valid(line) {
			t.Fatalf("written as %s\n%q", line, b)
		}
	}
}

// checkCut compares ParseCut with encoding/json on bytes that may end anywhere.
func checkCut(t testing.TB, b []byte) {
	t.Helper()
	var v View
	trimmed := bytes.TrimLeft(b, " \t\r\n")
	err := v.ParseCut(b)
	if want := len(trimmed) > 0 && trimmed[0] == '{'; err == nil != want {
		t.Fatalf("ParseCut: %v\n%q", err, b)
	}
	if err == nil {
		if err := consult(b).compare(&v); err != nil {
			t.Fatalf("%v\n%q", err, b)
		}
	}
}
