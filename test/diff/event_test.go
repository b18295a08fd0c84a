package diff

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	authnv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	auditinternal "k8s.io/apiserver/pkg/apis/audit"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	upstreamaudit "k8s.io/apiserver/pkg/audit"
	upstreamlog "k8s.io/apiserver/plugin/pkg/audit/log"
	"pgregory.net/rapid"

	"annals.dev/audit"
)

// awkward are strings that writers get wrong: not UTF-8, quotes, control characters, what HTML could mistake.
var awkward = []string{
	"", "get", "a b", `say "hi"`, `back\slash`, "<script>&amp;", "tab\tnl\ncr\r\b\f", "\x00\x01\x1f\x7f\u0080", "é€𝄞", "\u2028 \u2029", "\ufffd",
	"\xff\xfe", "cut \xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x80", "\u200b\u00a0\ufeff", "\U000e0001", "'`%s%q", "AUDIT: id=\"x\"", "\U0010ffff",
}

func drawString(t *rapid.T, label string) string {
	s := one(t, awkward, label)
	if rapid.IntRange(0, 3).Draw(t, label+"+") == 3 {
		s += string(rapid.SliceOfN(rapid.Byte(), 0, 6).Draw(t, label+" bytes"))
	}
	return s
}

func drawStrings(t *rapid.T, label string) []string {
	n := rapid.IntRange(-1, 3).Draw(t, label)
	if n < 0 {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = drawString(t, label)
	}
	return list
}

func drawUser(t *rapid.T, label string) authnv1.UserInfo {
	u := authnv1.UserInfo{Username: drawString(t, label+" name"), UID: drawString(t, label+" uid"), Groups: drawStrings(t, label+" groups")}
	if n := rapid.IntRange(-1, 2).Draw(t, label+" extra"); n >= 0 {
		u.Extra = map[string]authnv1.ExtraValue{}
		for range n {
			u.Extra[drawString(t, "key")] = drawStrings(t, "values")
		}
	}
	return u
}

// bodies are requestObjects and responseObjects; the last ones are not JSON.
var bodies = []string{
	`{}`, `null`, `[]`, `""`, `0`, `true`, "{\n  \"a\" : [ 1 , 2.50, 1e400, -0, 12345678901234567890 ]\n}", `{"b":1,"a":2,"b":3}`, `"\u003c<>&\u2028` + "\u2028\u2029" + `"`,
	`{"<&>":"\/\"\\\u00e9é"}`, " \t\r\n[ \"a b\" , { } ]\n", `{"kind":"Secret","data":{"k":"djE="}}`, "\"\x7f\"", "[[[[[[]]]]]]", "\"\xff\"",
	"", " ", "{", "a: b\n", "\xd9\xd9\xf7\xa1", "{}{}", "nul", "01", "\"\n\"", "[1,]", "'a'",
}

func drawBody(t *rapid.T, label string) *runtime.Unknown {
	if rapid.Bool().Draw(t, label+"?") {
		return &runtime.Unknown{Raw: []byte(one(t, bodies, label)), ContentType: runtime.ContentTypeJSON}
	}
	return nil
}

func drawStatus(t *rapid.T) *metav1.Status {
	s := &metav1.Status{Status: drawString(t, "status"), Message: drawString(t, "message"), Reason: metav1.StatusReason(drawString(t, "reason")), Code: rapid.Int32().Draw(t, "code")}
	if rapid.Bool().Draw(t, "details?") {
		d := &metav1.StatusDetails{Name: drawString(t, "name"), Group: drawString(t, "group"), Kind: drawString(t, "kind"), UID: types.UID(drawString(t, "uid")), RetryAfterSeconds: rapid.Int32().Draw(t, "retry")}
		for range rapid.IntRange(0, 2).Draw(t, "causes") {
			d.Causes = append(d.Causes, metav1.StatusCause{Type: metav1.CauseType(drawString(t, "type")), Message: drawString(t, "message"), Field: drawString(t, "field")})
		}
		s.Details = d
	}
	return s
}

var zones = []*time.Location{time.UTC, time.FixedZone("", 2*3600), time.FixedZone("", -(9*3600 + 30*60)), time.FixedZone("", 3723)}

func drawTime(t *rapid.T, label string) metav1.MicroTime {
	switch rapid.IntRange(0, 3).Draw(t, label) {
	case 0:
		return metav1.MicroTime{}
	case 1:
		return metav1.NewMicroTime(time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "seconds"), 0).In(one(t, zones, "zone")))
	}
	return metav1.NewMicroTime(time.Unix(rapid.Int64Range(-6e10, 25e10).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds")).In(one(t, zones, "zone")))
}

func drawEvent(t *rapid.T) *auditinternal.Event {
	e := &auditinternal.Event{
		Level: auditinternal.Level(one(t, []string{"Metadata", "Request", "RequestResponse", "None", "", "<x>"}, "level")), AuditID: types.UID(drawString(t, "auditID")),
		Stage: auditinternal.Stage(one(t, []string{"RequestReceived", "ResponseStarted", "ResponseComplete", "Panic", "", "\xff"}, "stage")), RequestURI: drawString(t, "requestURI"), Verb: drawString(t, "verb"),
		User: drawUser(t, "user"), SourceIPs: drawStrings(t, "sourceIPs"), UserAgent: drawString(t, "userAgent"),
		RequestObject: drawBody(t, "requestObject"), ResponseObject: drawBody(t, "responseObject"),
		RequestReceivedTimestamp: drawTime(t, "received"), StageTimestamp: drawTime(t, "stage time"),
	}
	if rapid.Bool().Draw(t, "impersonated?") {
		u := drawUser(t, "impersonatedUser")
		e.ImpersonatedUser = &u
	}
	if rapid.Bool().Draw(t, "authenticationMetadata?") {
		e.AuthenticationMetadata = &auditinternal.AuthenticationMetadata{ImpersonationConstraint: drawString(t, "constraint")}
	}
	if rapid.Bool().Draw(t, "objectRef?") {
		e.ObjectRef = &auditinternal.ObjectReference{Resource: drawString(t, "resource"), Namespace: drawString(t, "namespace"), Name: drawString(t, "name"), UID: types.UID(drawString(t, "uid")),
			APIGroup: drawString(t, "apiGroup"), APIVersion: drawString(t, "apiVersion"), ResourceVersion: drawString(t, "resourceVersion"), Subresource: drawString(t, "subresource")}
	}
	if rapid.Bool().Draw(t, "responseStatus?") {
		e.ResponseStatus = drawStatus(t)
	}
	if n := rapid.IntRange(-1, 3).Draw(t, "annotations"); n >= 0 {
		e.Annotations = map[string]string{}
		for range n {
			e.Annotations[drawString(t, "key")] = drawString(t, "value")
		}
	}
	return e
}

// ourEvent is the event as our type has it.
func ourEvent(e *auditinternal.Event) *audit.Event {
	out := &audit.Event{
		Level: audit.Level(e.Level), AuditID: string(e.AuditID), Stage: audit.Stage(e.Stage), RequestURI: e.RequestURI, Verb: e.Verb, User: ourUser(e.User), SourceIPs: e.SourceIPs,
		UserAgent: e.UserAgent, RequestReceivedTimestamp: audit.MicroTime{Time: e.RequestReceivedTimestamp.Time}, StageTimestamp: audit.MicroTime{Time: e.StageTimestamp.Time},
		Annotations: e.Annotations,
	}
	if e.ImpersonatedUser != nil {
		u := ourUser(*e.ImpersonatedUser)
		out.ImpersonatedUser = &u
	}
	if m := e.AuthenticationMetadata; m != nil {
		out.AuthenticationMetadata = &audit.AuthenticationMetadata{ImpersonationConstraint: m.ImpersonationConstraint}
	}
	if r := e.ObjectRef; r != nil {
		out.ObjectRef = &audit.ObjectReference{Resource: r.Resource, Namespace: r.Namespace, Name: r.Name, UID: string(r.UID), APIGroup: r.APIGroup, APIVersion: r.APIVersion,
			ResourceVersion: r.ResourceVersion, Subresource: r.Subresource}
	}
	if s := e.ResponseStatus; s != nil {
		out.ResponseStatus = &audit.Status{Status: s.Status, Message: s.Message, Reason: string(s.Reason), Code: s.Code}
		if d := s.Details; d != nil {
			out.ResponseStatus.Details = &audit.StatusDetails{Name: d.Name, Group: d.Group, Kind: d.Kind, UID: string(d.UID), RetryAfterSeconds: d.RetryAfterSeconds}
			for _, c := range d.Causes {
				out.ResponseStatus.Details.Causes = append(out.ResponseStatus.Details.Causes, audit.StatusCause{Reason: string(c.Type), Message: c.Message, Field: c.Field})
			}
		}
	}
	if e.RequestObject != nil {
		out.RequestObject = e.RequestObject.Raw
	}
	if e.ResponseObject != nil {
		out.ResponseObject = e.ResponseObject.Raw
	}
	return out
}

func ourUser(u authnv1.UserInfo) audit.UserInfo {
	out := audit.UserInfo{Username: u.Username, UID: u.UID, Groups: u.Groups}
	if u.Extra != nil {
		out.Extra = map[string][]string{}
		for k, v := range u.Extra {
			out.Extra[k] = v
		}
	}
	return out
}

// upstreamLine is the line that upstream's log backend writes, with its newline, or "" if it cannot.
func upstreamLine(e *auditinternal.Event, format string) string {
	var b bytes.Buffer
	upstreamlog.NewBackend(&b, format, auditv1.SchemeGroupVersion).ProcessEvents(e)
	return b.String()
}

// upstreamList is what upstream's webhook sends, or "" if it cannot.
func upstreamList(events ...*auditinternal.Event) string {
	var list auditinternal.EventList
	for _, e := range events {
		list.Items = append(list.Items, *e)
	}
	b, err := runtime.Encode(upstreamaudit.Codecs.LegacyCodec(auditv1.SchemeGroupVersion), &list)
	if err != nil {
		return ""
	}
	return string(b)
}

func ourList(events ...*auditinternal.Event) string {
	b := []byte(`{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[`)
	for i, e := range events {
		if i > 0 {
			b = append(b, ',')
		}
		b = ourEvent(e).AppendItem(b)
	}
	return string(b) + "]}\n"
}

// written is a case of writing events.
type written struct{ events []*auditinternal.Event }

func (w written) String() string {
	var b strings.Builder
	for _, e := range w.events {
		fmt.Fprintf(&b, "%q\n", ourEvent(e).AppendJSON(nil))
	}
	return b.String()
}

// unencodable reports whether a body of an event is not JSON, which makes upstream lose it and all that is sent with it.
func (w written) unencodable() bool {
	for _, e := range w.events {
		for _, body := range []*runtime.Unknown{e.RequestObject, e.ResponseObject} {
			if body != nil && !json.Valid(body.Raw) {
				return true
			}
		}
	}
	return false
}

func TestRandomEventsAreWrittenTheSame(t *testing.T) {
	check(t, 100, func(t *rapid.T) {
		e := drawEvent(t)
		same(t, "event.json", string(ourEvent(e).AppendJSON(nil))+"\n", upstreamLine(e, upstreamlog.FormatJson), written{[]*auditinternal.Event{e}})
		same(t, "event.legacy", string(ourEvent(e).AppendLegacy(nil))+"\n", upstreamLine(e, upstreamlog.FormatLegacy), written{[]*auditinternal.Event{e}})
	})
}

func TestRandomListsAreWrittenTheSame(t *testing.T) {
	check(t, 10, func(t *rapid.T) {
		var events []*auditinternal.Event
		for range rapid.IntRange(1, 3).Draw(t, "events") {
			events = append(events, drawEvent(t))
		}
		same(t, "event.list", ourList(events...), upstreamList(events...), written{events})
	})
}
