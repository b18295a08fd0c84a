package audit

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fromLegacy makes an event that should be written as the line.
func fromLegacy(t *testing.T, line string) *Event {
	t.Helper()
	stamp, rest, _ := strings.Cut(line, " AUDIT: ")
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		t.Fatalf("%v\n%s", err, line)
	}
	f := map[string]string{}
	for rest != "" {
		name, value, _ := strings.Cut(strings.TrimSpace(rest), "=")
		quoted, err := strconv.QuotedPrefix(value)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, line)
		}
		if f[name], err = strconv.Unquote(quoted); err != nil {
			t.Fatal(err)
		}
		rest = value[len(quoted):]
	}
	list := func(s, none string) (list []string) {
		for s != none && s != "" {
			quoted, err := strconv.QuotedPrefix(strings.TrimPrefix(s, ","))
			if err != nil {
				t.Fatalf("%q: %v\n%s", s, err, line)
			}
			one, _ := strconv.Unquote(quoted)
			list = append(list, one)
			s = strings.TrimPrefix(s, ",")[len(quoted):]
		}
		return list
	}
	e := &Event{
		AuditID: f["id"], Stage: Stage(f["stage"]), Verb: f["method"], UserAgent: f["user-agent"], RequestURI: f["uri"],
		User:                     UserInfo{Username: f["user"], Groups: list(f["groups"], "<none>")},
		RequestReceivedTimestamp: MicroTime{at},
	}
	if f["user"] == "<none>" {
		e.User.Username = ""
	}
	if f["as"] != "<self>" {
		e.ImpersonatedUser = &UserInfo{Username: f["as"], Groups: list(f["asgroups"], "<lookup>")}
	}
	if f["ip"] != "<unknown>" {
		e.SourceIPs = []string{f["ip"], "192.0.2.1"}
	}
	if f["namespace"] != "<none>" {
		e.ObjectRef = &ObjectReference{Namespace: f["namespace"]}
	}
	if f["response"] != "<deferred>" {
		code, err := strconv.Atoi(f["response"])
		if err != nil {
			t.Fatal(err)
		}
		e.ResponseStatus = &Status{Code: int32(code)}
	}
	return e
}

func TestLegacyLinesAreWrittenAsTheyWere(t *testing.T) {
	path := "testdata/legacy.log.gz"
	if dir := os.Getenv("ANNALS_CORPUS"); dir != "" {
		path = dir + "/corpus/legacy.log.gz"
	}
	recorded := lines(read(t, path))
	if len(recorded) < 100 {
		t.Fatalf("%d lines", len(recorded))
	}
	for _, line := range recorded {
		if diff := cmp.Diff(string(line), string(fromLegacy(t, string(line)).AppendLegacy(nil))); diff != "" {
			t.Error(diff)
		}
	}
}

func TestTheSameEventInBothFormats(t *testing.T) {
	legacy := string(read(t, "testdata/five.legacy.log"))
	for _, line := range lines(read(t, "testdata/five.log")) {
		var e Event
		if err := e.UnmarshalFrom(parse(t, string(line))); err != nil {
			t.Fatal(err)
		}
		if got := string(e.AppendLegacy(nil)); !strings.Contains(legacy, got+"\n") {
			t.Errorf("not among the legacy lines: %s", got)
		}
	}
}

func TestAppendLegacyOdd(t *testing.T) {
	zone := time.FixedZone("", 2*3600)
	for _, tt := range []struct {
		e    Event
		want string
	}{
		{Event{}, `0001-01-01T00:00:00Z AUDIT: id="" stage="" ip="<unknown>" method="" user="<none>" groups="<none>" as="<self>"` +
			` asgroups="<lookup>" user-agent="" namespace="<none>" uri="" response="<deferred>"`},
		{Event{User: UserInfo{Groups: []string{"no user, no groups"}}, ResponseStatus: &Status{}, ImpersonatedUser: &UserInfo{},
			RequestReceivedTimestamp: MicroTime{time.Date(2026, 11, 21, 1, 2, 3, 120, zone)}},
			`2026-11-21T01:02:03.00000012+02:00 AUDIT: id="" stage="" ip="<unknown>" method="" user="<none>" groups="<none>" as=""` +
				` asgroups="<lookup>" user-agent="" namespace="<none>" uri="" response="0"`},
		{Event{ImpersonatedUser: &UserInfo{Username: "jane", Groups: []string{}}},
			`0001-01-01T00:00:00Z AUDIT: id="" stage="" ip="<unknown>" method="" user="<none>" groups="<none>" as="jane"` +
				` asgroups="" user-agent="" namespace="<none>" uri="" response="<deferred>"`},
		{Event{User: UserInfo{Username: "a\nb", Groups: []string{"g1", `g"2`}}, UserAgent: "é\x00\xff"},
			`0001-01-01T00:00:00Z AUDIT: id="" stage="" ip="<unknown>" method="" user="a\nb" groups="\"g1\",\"g\\\"2\"" as="<self>"` +
				` asgroups="<lookup>" user-agent="é\x00\xff" namespace="<none>" uri="" response="<deferred>"`},
	} {
		if diff := cmp.Diff(tt.want, string(tt.e.AppendLegacy(nil))); diff != "" {
			t.Error(diff)
		}
	}
}
