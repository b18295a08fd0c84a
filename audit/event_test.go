package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// byTags is an event that encoding/json writes by its tags.
type byTags struct {
	Kind       string `json:"kind,omitempty"`
	APIVersion string `json:"apiVersion,omitempty"`
	*fields
}

type fields Event

func randomEvent(r *rand.Rand) *Event {
	odd := []string{"", "", "a", "system:node:x", "<b>&", `"\`, "\x00\b\f\n\r\t\x1f\x7f", "é\u2028\u2029😀", "\xff\xe2\x80", "a b"}
	text := func() string { return odd[r.IntN(len(odd))] + odd[r.IntN(len(odd))] }
	list := func() (list []string) {
		for range r.IntN(3) {
			list = append(list, text())
		}
		return list
	}
	at := func() MicroTime {
		if r.IntN(4) == 0 {
			return MicroTime{}
		}
		return MicroTime{time.Unix(r.Int64N(4e9), r.Int64N(1e9)).In(time.FixedZone("", 3600))}
	}
	body := func() Span {
		bodies := []Span{nil, nil, Span("null"), Span("1.0"), Span(` { "a" : [ 1 , "x y" ] } `), Span("\"<&>\u2028é\xff\xe2\x80\xa8\\\"\""),
			Span(`{"a<":"b\\","c":{"d":[]},"e":"\u003c"}`), Span(`[12345678901234567890,true]` + "\n")}
		return bodies[r.IntN(len(bodies))]
	}
	user := func() UserInfo {
		u := UserInfo{Username: text(), UID: text(), Groups: list()}
		for range r.IntN(4) {
			if u.Extra == nil {
				u.Extra = map[string][]string{}
			}
			u.Extra[strings.ToValidUTF8(text(), "")] = list()
		}
		return u
	}
	e := &Event{
		Level: LevelRequest, AuditID: text(), Stage: StagePanic, RequestURI: text(), Verb: text(), User: user(), SourceIPs: list(),
		UserAgent: text(), RequestObject: body(), ResponseObject: body(), RequestReceivedTimestamp: at(), StageTimestamp: at(),
	}
	if r.IntN(2) == 0 {
		u := user()
		e.ImpersonatedUser = &u
		e.AuthenticationMetadata = &AuthenticationMetadata{ImpersonationConstraint: text()}
	}
	if r.IntN(2) == 0 {
		e.ObjectRef = &ObjectReference{text(), text(), text(), text(), text(), text(), text(), text()}
	}
	if r.IntN(2) == 0 {
		e.ResponseStatus = &Status{Status: text(), Message: text(), Reason: text(), Code: int32(r.IntN(3)) * 200}
		if r.IntN(2) == 0 {
			e.ResponseStatus.Details = &StatusDetails{Name: text(), Group: text(), Kind: text(), UID: text(), RetryAfterSeconds: int32(r.IntN(2))}
			for range r.IntN(3) {
				e.ResponseStatus.Details.Causes = append(e.ResponseStatus.Details.Causes, StatusCause{text(), text(), text()})
			}
		}
	}
	for i := range r.IntN(4) {
		if e.Annotations == nil {
			e.Annotations = map[string]string{}
		}
		e.Annotations[strconv.Itoa(i)+text()] = text()
	}
	return e
}

func TestAppendJSONIsEncodingJSONs(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 5000 {
		e := randomEvent(r)
		for _, tt := range []struct {
			got  []byte
			want byTags
		}{
			{e.AppendJSON(nil), byTags{"Event", "audit.k8s.io/v1", (*fields)(e)}},
			{e.AppendItem(nil), byTags{"", "", (*fields)(e)}},
		} {
			want, err := json.Marshal(tt.want)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(tt.got, want) {
				t.Fatalf("got  %s\nwant %s", tt.got, want)
			}
		}
		if got, err := json.Marshal(*e); err != nil || !bytes.Equal(got, e.AppendJSON(nil)) {
			t.Fatalf("json.Marshal: %v\ngot  %s\nwant %s", err, got, e.AppendJSON(nil))
		}
		var again Event
		if err := json.Unmarshal(e.AppendJSON(nil), &again); err != nil {
			t.Fatal(err)
		}
		if got, want := string(again.AppendJSON(nil)), readAgain.Replace(string(e.AppendJSON(nil))); got != want {
			t.Fatalf("read and written again\ngot  %s\nwant %s", got, want)
		}
	}
}

// readAgain is what does not survive reading: which bytes were invalid, and that a body was null.
var readAgain = strings.NewReplacer(`\ufffd`, "\ufffd", `"requestObject":null,`, "", `"responseObject":null,`, "")

func TestABodyThatIsNotJSONIsAString(t *testing.T) {
	deep := strings.Repeat("[", 10000) + strings.Repeat("]", 10000) // in an event one too many
	for _, body := range []string{"", "apply: yaml\n", deep, `{"a":1`, `{"a":1}{}`, "\xff", "01", "-"} {
		e := Event{RequestObject: Span(body)}
		want, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		line := string(e.AppendJSON(nil))
		if !strings.Contains(line, fmt.Sprintf(`,"requestObject":%s,`, want)) {
			t.Errorf("%q is written in %s", body, line)
		}
	}
}

func TestUnmarshalFromOwnsItsBytes(t *testing.T) {
	b := []byte(everything)
	var v View
	var e Event
	if err := v.Parse(b); err != nil {
		t.Fatal(err)
	}
	if err := e.UnmarshalFrom(&v); err != nil {
		t.Fatal(err)
	}
	before := string(e.AppendJSON(nil))
	clear(b)
	if diff := cmp.Diff(before, string(e.AppendJSON(nil))); diff != "" {
		t.Error(diff)
	}
}

func TestUnmarshalFromOldAndBroken(t *testing.T) {
	const head = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"","auditID":"","stage":"","requestURI":"","verb":"",`
	for _, tt := range []struct{ name, in, want, err string }{
		{"nothing", `{}`, head + `"user":{},"requestReceivedTimestamp":null,"stageTimestamp":null}`, ""},
		{"1970", `{"stageTimestamp":"1970-01-01T00:00:00Z"}`,
			head + `"user":{},"requestReceivedTimestamp":null,"stageTimestamp":"1970-01-01T00:00:00.000000Z"}`, ""},
		{"v1alpha1", `{"apiVersion":"audit.k8s.io/v1alpha1","metadata":{},"timestamp":"2017-07-12T11:02:43Z","objectRef":{"apiVersion":"/v1"}}`,
			head + `"user":{},"objectRef":{"apiVersion":"v1"},"requestReceivedTimestamp":"2017-07-12T11:02:43.000000Z",` +
				`"stageTimestamp":"2017-07-12T11:02:43.000000Z"}`, ""},
		{"a wrong time", `{"verb":"","requestReceivedTimestamp":"now","stageTimestamp":"then"}`,
			head + `"user":{},"requestReceivedTimestamp":null,"stageTimestamp":null}`, `requestReceivedTimestamp "now" is not an RFC 3339 time`},
		{"two details", `{"responseStatus":{"details":{"name":"a"},"details":{"kind":"b"}}}`,
			head + `"user":{},"responseStatus":{"metadata":{},"details":{"kind":"b"}},"requestReceivedTimestamp":null,"stageTimestamp":null}`, ""},
		{"details that are none", `{"responseStatus":{"details":"x","code":500}}`,
			head + `"user":{},"responseStatus":{"metadata":{},"code":500},"requestReceivedTimestamp":null,"stageTimestamp":null}`, ""},
	} {
		var e Event
		err := e.UnmarshalFrom(parse(t, tt.in))
		if (err != nil || tt.err != "") && fmt.Sprint(err) != tt.err {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, string(e.AppendJSON(nil))); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
	var v View
	var e Event
	if err := v.ParseCut([]byte(`{"user":{"username":"a"},"impersonatedUser":{"username":"b"},"responseStatus":{"code":200},` +
		`"annotations":{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":"r","x`)); err != nil {
		t.Fatal(err)
	}
	if err := e.UnmarshalFrom(&v); err != nil {
		t.Fatal(err)
	}
	want := head + `"user":{"username":"a"},"impersonatedUser":{"username":"b"},"responseStatus":{"metadata":{},"code":200},` +
		`"requestReceivedTimestamp":null,"stageTimestamp":null,` +
		`"annotations":{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":"r"}}`
	if diff := cmp.Diff(want, string(e.AppendJSON(nil))); diff != "" {
		t.Errorf("cut: %s", diff)
	}
}

func TestLevelsAndStagesAreOrdered(t *testing.T) {
	levels := []Level{"nonsense", LevelMetadata, LevelRequest, LevelRequestResponse}
	for i, l := range levels {
		for j, m := range levels {
			if l.AtLeast(m) != (i >= j) {
				t.Errorf("%s at least %s: %v", l, m, l.AtLeast(m))
			}
		}
	}
	if !LevelNone.AtLeast("nonsense") || LevelNone.AtLeast(LevelMetadata) {
		t.Error("None is not the lowest level")
	}
	for i, s := range []Stage{"nonsense", StageRequestReceived, StageResponseStarted, StageResponseComplete, StagePanic} {
		if s.Order() != i-1 {
			t.Errorf("%s is number %d", s, s.Order())
		}
	}
}

func TestMicroTimeJSON(t *testing.T) {
	for in, want := range map[string]string{
		`null`:                                `null`,
		`"2017-07-12T11:02:43+02:00"`:         `"2017-07-12T09:02:43.000000Z"`,
		`"2017\u002d07-12T11:02:43.1234567Z"`: `"2017-07-12T11:02:43.123456Z"`,
	} {
		var m MicroTime
		if err := json.Unmarshal([]byte(in), &m); err != nil {
			t.Errorf("%s: %v", in, err)
		}
		if got, err := json.Marshal(m); err != nil || string(got) != want {
			t.Errorf("%s is written %s, %v; want %s", in, got, err, want)
		}
	}
	for _, in := range []string{`"yesterday"`, `5`, `""`} {
		var m MicroTime
		if err := json.Unmarshal([]byte(in), &m); err == nil {
			t.Errorf("%s is read as %v", in, m)
		}
	}
}

func TestSpanJSON(t *testing.T) {
	var got struct{ A, B, C Span }
	const in = `{"A":{"x":[1,2.0]},"B":null}`
	if err := json.Unmarshal([]byte(in), &got); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(got)
	if err != nil || string(out) != `{"A":{"x":[1,2.0]},"B":null,"C":null}` {
		t.Errorf("%s, %v", out, err)
	}
}

func TestEventUnmarshalJSONWantsAnObject(t *testing.T) {
	var e Event
	if err := json.Unmarshal([]byte(`"x"`), &e); err == nil || err.Error() != "audit event: unexpected '\"' at byte 0" {
		t.Errorf("%v", err)
	}
}
