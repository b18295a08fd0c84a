package diff

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Differences is the list of all deliberate differences.
var Differences = slices.Concat(ofCapture, ofSinks)

// ofCapture are those of events: of packages audit and capture.
var ofCapture = []*Difference{
	{
		ID: "body-not-json",
		Reason: "A body that is not JSON makes kube-apiserver lose the event, and a whole batch of them on the way to a webhook; " +
			"whoever may patch anything can so act unseen. We write the event, with the body as JSON if it is YAML or CBOR and otherwise as a string.",
		explains: func(m *mismatch) bool {
			switch of := m.of.(type) {
			case written:
				return (m.field == "event.json" || m.field == "event.list") && m.upstream == "" && of.unencodable() && json.Valid([]byte(m.ours))
			case *exchange:
				switch m.field {
				case "event.lost":
					return of.patches() && m.ours == "" && m.upstream == "true" && !json.Valid(of.call.body)
				case "event.requestObject":
					return of.their["lost"] != nil && (of.sent(m.ours) || of.sentAsText(m.ours))
				}
			}
			return false
		},
	},
	{
		ID: "body-as-sent",
		Reason: "kube-apiserver records an object as it decoded it and would write it again: without fields that it does not know, with " +
			"those that it adds, in its own order. Outside it there are only the bytes that were sent; they are recorded, as JSON.",
		explains: func(m *mismatch) bool {
			of, ok := m.of.(*exchange)
			switch {
			case !ok || m.upstream == "":
				return false
			case m.field == "event.requestObject" && m.ours == "":
				return len(of.call.body) == 0 // an empty object of kube-apiserver's making
			case m.field == "event.requestObject" && of.patches():
				return strings.Contains(of.call.header.Get("Content-Type"), "yaml") && sameJSON(m.ours, m.upstream)
			case m.field == "event.requestObject":
				return of.sent(m.ours) && sameJSON(of.decoded(m.ours), m.upstream)
			case m.field == "event.responseObject":
				return of.answered("yaml") && sameJSON(m.ours, m.upstream)
			}
			return false
		},
	},
	{
		ID: "body-refused",
		Reason: "kube-apiserver records a request's object only once it has decoded it. We record what was sent even if the handler refuses it, " +
			"because what an intruder tried is worth knowing.",
		explains: func(m *mismatch) bool {
			of, ok := m.of.(*exchange)
			if !ok || of.answer.code < 400 {
				return false
			}
			switch m.field {
			case "event.requestObject":
				return m.upstream == "" && of.their["lost"] == nil && (of.sent(m.ours) || of.sentAsText(m.ours))
			case "event.objectRef": // what the body says of the object
				return of.their["requestObject"] == nil && sameJSON(without(m.ours, bodyNames...), without(m.upstream, bodyNames...))
			}
			return false
		},
	},
	{
		ID: "answer-as-sent",
		Reason: "kube-apiserver records only the answers that go through its serializer: not /version, not the error for an Accept header that it cannot satisfy. " +
			"We see every answer that is JSON or YAML, and record it as it was sent.",
		explains: func(m *mismatch) bool {
			of, ok := m.of.(*exchange)
			switch {
			case !ok || !of.answered("json") && !of.answered("yaml"):
				return false
			case m.field == "event.responseObject":
				return m.upstream == "" && (of.call.method == http.MethodHead || sameJSON(of.asJSON(of.answer.header, of.answer.body), m.ours))
			case m.field == "event.responseStatus":
				return of.their["responseObject"] == nil && (of.call.method == http.MethodHead || sameJSON(statusOf(of.asJSON(of.answer.header, of.answer.body)), m.ours))
			}
			return false
		},
	},
	{
		ID: "protobuf",
		Reason: "Package capture does not know the kinds of objects, without which protobuf cannot be read, and must not depend on Kubernetes' libraries. It says " +
			"in an annotation that it left the body out. The proxy reads the built-in kinds.",
		explains: func(m *mismatch) bool {
			of, ok := m.of.(*exchange)
			if !ok {
				return false
			}
			sent, answered := strings.Contains(of.call.header.Get("Content-Type"), "protobuf"), of.answered("protobuf")
			switch m.field {
			case "event.requestObject":
				return sent && m.ours == ""
			case "event.objectRef":
				return sent && sameJSON(without(m.ours, bodyNames...), without(m.upstream, bodyNames...)) && !strings.Contains(m.ours, `"uid"`)
			case "event.responseObject":
				return answered && m.ours == ""
			case "event.responseStatus":
				return answered && (m.ours == fmt.Sprintf(`{"metadata":{},"code":%d}`, of.answer.code) || strings.Contains(m.ours, `"Authentication failed, `))
			}
			return false
		},
	},
	{
		ID: "yaml-status",
		Reason: "Below RequestResponse we read an answer only to see whether it is a Status. One in YAML has its kind anywhere, so that it is read only if it is an error; " +
			"the Status of a success in YAML leaves the code.",
		explains: func(m *mismatch) bool {
			of, ok := m.of.(*exchange)
			return ok && m.field == "event.responseStatus" && of.answered("yaml") && of.answer.code < 400 && string(of.our["level"]) != `"RequestResponse"` &&
				m.ours == fmt.Sprintf(`{"metadata":{},"code":%d}`, of.answer.code)
		},
	},
	{
		ID:     "body-note",
		Reason: "An annotation of ours says so wherever a body is not in the event as it was sent: because it was too large, or could not be decoded.",
		explains: func(m *mismatch) bool {
			return m.field == "event.annotations" && sameJSON(withoutNotes(m.ours), m.upstream)
		},
	},
	{
		ID: "aborted",
		Reason: "kube-apiserver calls it a panic if a handler aborts the connection with http.ErrAbortHandler, as reverse proxies do whenever a client goes away. " +
			"That is no failure of the server: the event is ResponseComplete with the code that was sent, and an annotation.",
		explains: func(m *mismatch) bool {
			of, ok := m.of.(*exchange)
			if !ok || !strings.HasPrefix(of.call.header.Get(doHeader), "abort") {
				return false
			}
			switch m.field {
			case "stages":
				return sameButEnd(of.ours.stages(), of.upstream.stages())
			case "event.stage", "event.responseStatus", "event.annotations":
				return of.stage == "Panic"
			}
			return false
		},
	},
	{
		ID: "informational",
		Reason: "kube-apiserver takes the first code that a handler writes for the answer's, even if it is an informational one such as 103 and the answer is still to come. " +
			"We take the answer's.",
		explains: func(m *mismatch) bool {
			of, ok := m.of.(*exchange)
			return ok && of.call.header.Get(doHeader) == "early hints" && m.field == "event.responseStatus" && m.upstream == `{"metadata":{},"code":103}` && m.ours == `{"metadata":{},"code":202}`
		},
	},
	{
		ID: "invalid-timeout",
		Reason: "kube-apiserver refuses a wrong ?timeout= itself, before it knows who asks, and records that as one event at ResponseStarted without a user. Whether a handler " +
			"has such a parameter is not for us to know: such a request is recorded as any other.",
		explains: func(m *mismatch) bool {
			of, ok := m.of.(*exchange)
			return ok && strings.Contains(of.call.url, "timeout=abc") && len(of.upstream.list) <= 1 && !of.long() && (of.answer.code == 400 || of.answer.code == 401)
		},
	},
	{
		ID:       "body-limit",
		Reason:   "Above Config.MaxBody a body is cut, so that memory is bounded. kube-apiserver refuses such requests, and records answers of any size.",
		explains: scene("body-limit", "whole false", "whole true"),
	},
	{
		ID:       "body-of-no-resource",
		Reason:   "What is sent to paths that are no resources is recorded: any Go server has such paths. kube-apiserver records only bodies of its own objects.",
		explains: scene("body-of-no-resource", `{"a":1}`, ""),
	},
	{
		ID: "started-with-status",
		Reason: "ResponseStarted of an error waits for its body, because it is to hold the Status, which kube-apiserver knows before it writes it. Its time is " +
			"that of the header.",
		explains: scene("started-with-status", "0 events with the header", "1 events with the header"),
	},
	{
		ID:       "hijack-failed",
		Reason:   "A connection that could not be handed over has no code 101. kube-apiserver writes the code before it tries.",
		explains: scene("hijack-failed", "501", "101"),
	},
	{
		ID:       "login-without-answer",
		Reason:   "A failed login is an event even if the handler for it answers nothing. kube-apiserver writes it with the answer's header alone.",
		explains: scene("login-without-answer", "1 events", "0 events"),
	},
	{
		ID:       "login-is-json",
		Reason:   "Our own answer to a failed login is always JSON, and so its Status is in the event. kube-apiserver negotiates, and where that fails another message stays.",
		explains: scene("login-is-json", "Unauthorized", "Authentication failed, no credentials provided"),
	},
	{
		ID:       "peer-only",
		Reason:   "Unless Config.SourceIPs says otherwise only the peer is recorded. kube-apiserver believes what anybody writes into X-Forwarded-For.",
		explains: scene("peer-only", `["127.0.0.1"]`, `["8.8.8.8","127.0.0.1"]`),
	},
	{
		ID:       "no-latency",
		Reason:   "The annotations apiserver.latency.k8s.io are of layers that only kube-apiserver has.",
		explains: scene("no-latency", "false", "true"),
	},
	{
		ID:       "policy-is-recorded",
		Reason:   "A change of the policy is an event. kube-apiserver reads its policy once, when it starts.",
		explains: scene("policy-is-recorded", "1 events", "0 events"),
	},
}

// scene explains what differs in one fixed case.
func scene(field, ours, upstream string) func(*mismatch) bool {
	return func(m *mismatch) bool { return m.field == field && m.ours == ours && m.upstream == upstream }
}
