package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// everything is an event with every field, every kind of value and every kind of escape.
const everything = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","metadata":{"creationTimestamp":"2017-07-12T11:02:44Z"},` +
	`"level":"RequestResponse","timestamp":"2017-07-12T11:02:43Z","auditID":"4f324695","stage":"ResponseComplete",` +
	`"requestURI":"/a?b=1\u0026c=\u00e9\ud83d\ude00\ud800\n","verb":"list","user":{"username":"a\"b\\","uid":"7",` +
	`"groups":["g1","g\t2"],"extra":{"k":["v"]}},"impersonatedUser":{"username":"jane","groups":[]},` +
	`"authenticationMetadata":{"impersonationConstraint":"impersonate:user-info"},"sourceIPs":["127.0.0.1","::1"],` +
	`"userAgent":"kubectl é","objectRef":{"resource":"pods","namespace":"n","name":"x","uid":"u","apiGroup":"g",` +
	`"apiVersion":"v1","resourceVersion":"12","subresource":"log"},"responseStatus":{"metadata":{},"status":"Failure",` +
	`"message":"m","reason":"r","details":{"name":"x","group":"g","kind":"k","uid":"u","causes":[{"reason":"r",` +
	`"message":"m","field":"f"}],"retryAfterSeconds":3},"code":404},"requestObject":{"a":[1,-2.5e+3,true,false,null,` +
	`"s\\",{},[],[[{"b":0}]]]},"responseObject":"text","requestReceivedTimestamp":"2026-11-21T00:52:58.832647Z",` +
	`"stageTimestamp":"2026-11-21T00:52:58.834785Z","annotations":{"authorization.k8s.io/decision":"allow",` +
	`"authorization.k8s.io/reason":"RBAC: \"x\"","other/key":"v"}}`

func small(t testing.TB) (events [][]byte) {
	for _, line := range recordedLines(t) {
		if len(line) < 1500 {
			events = append(events, line)
		}
	}
	return append(events, []byte(everything))
}

// pieces are what mutations put into events.
var pieces = strings.Split(`"|\|{|}|[|]|,|:|null|true|0|-|1e5|.|\u0061|\ud83d|\"|\x|{}|[]|""|"user":|"kind":0,|"code":"200",|`+
	`"user":"x",|"user":{"uid":"9"},|"level":null,|"objectRef":{"apiVersion":"a/b"},|"\u006cevel":"x",|`+" |\t|\n|\r|\x00|\x1f|\x7f|\xff|é|\u2028|x", "|")

// mutate changes a few bytes, or moves members about.
func mutate(r *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	for range 1 + r.IntN(3) {
		at := r.IntN(len(b) + 1)
		switch r.IntN(6) {
		case 0:
			b = append(b[:at:at], append([]byte(pieces[r.IntN(len(pieces))]), b[at:]...)...)
		case 1:
			b = append(b[:at:at], b[min(len(b), at+1+r.IntN(20)):]...)
		case 2:
			if at < len(b) {
				b[at] = pieces[r.IntN(len(pieces))][0]
			}
		case 3:
			var pretty bytes.Buffer
			if json.Indent(&pretty, b, "\t ", "\r\n ") == nil {
				b = pretty.Bytes()
			}
		case 4:
			b = shuffle(r, b)
		case 5: // after a comma or an opening brace, where members go
			if i := bytes.IndexAny(b[at:], "{,"); i >= 0 {
				i += at + 1
				b = append(b[:i:i], append([]byte(pieces[r.IntN(len(pieces))]), b[i:]...)...)
			}
		}
		if len(b) == 0 {
			return b
		}
	}
	return b
}

// shuffle writes a valid event's members in another order, some twice, some with another value, some keys escaped.
func shuffle(r *rand.Rand, b []byte) []byte {
	var members []string
	values := []string{"null", "0", "200", "-7", "3000000000", "2e2", `"x"`, `"\u0078"`, "{}", "[]", `["a"]`, `{"uid":"1"}`, "true"}
	for key, value := range Span(b).Members {
		if r.IntN(6) == 0 {
			value = Span(values[r.IntN(len(values))])
		} else if value[0] == '{' && r.IntN(3) == 0 {
			value = shuffle(r, value)
		}
		if r.IntN(8) == 0 && key.Plain() && len(key) > 0 {
			i := r.IntN(len(key))
			key = Text(fmt.Sprintf(`%s\u%04x%s`, key[:i], key[i], key[i+1:]))
		}
		member := fmt.Sprintf("\"%s\":%s", key, value)
		for range 1 + r.IntN(8)/7 {
			members = append(members, member)
		}
	}
	r.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return []byte("{" + strings.Join(members, ",") + "}")
}

func TestViewAgreesWithEncodingJSON(t *testing.T) {
	events := small(t)
	r := rand.New(rand.NewPCG(1, 2))
	accepted := 0
	const n = 20_000
	for range n {
		b := mutate(r, events[r.IntN(len(events))])
		checkView(t, b)
		if json.Valid(b) {
			accepted++
		}
		if at := r.IntN(len(b) + 1); json.Valid(b) {
			checkCut(t, b[:at])
		}
	}
	if accepted < n/5 || accepted > n*4/5 {
		t.Errorf("%d of %d mutations are valid JSON: too few of one kind to mean much", accepted, n)
	}
}

func TestEveryPrefixIsSaved(t *testing.T) {
	lines := recordedLines(t)
	for _, line := range append(lines[:3:3], []byte(everything), []byte(" "+everything+"\n")) {
		if len(line) > 5000 {
			continue
		}
		for n := range line {
			checkCut(t, line[:n])
		}
	}
}

func FuzzView(f *testing.F) {
	for _, b := range append(small(f)[:20], []byte(everything)) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { checkView(t, b) })
}

func FuzzViewCut(f *testing.F) {
	for i, b := range append(small(f)[:20], []byte(everything)) {
		f.Add(b, uint(i*50))
	}
	f.Fuzz(func(t *testing.T, b []byte, n uint) {
		whole := json.Valid(b)
		if whole && len(b) > 0 {
			checkCut(t, b[:n%uint(len(b))])
		}
		var v View
		if err := v.ParseCut(b); err == nil {
			var e Event
			_ = e.UnmarshalFrom(&v) // the timestamps may be wrong
			if line := e.AppendJSON(nil); !json.Valid(line) {
				t.Fatalf("written as %s", line)
			}
		}
	})
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"", "plain", `\u0026`, `\ud83d\ude00`, `\ud83d`, `\ud83d\u0041`, `a\`, `\u12`, "\xff", `\q`, "é\u2028"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) { checkText(t, Text(b)) })
}

func checkText(t testing.TB, text Text) {
	t.Helper()
	got := text.String()
	if !utf8.ValidString(got) {
		t.Fatalf("%q decodes to %q, which is not UTF-8", text, got)
	}
	if plain := utf8.Valid(text) && !bytes.Contains(text, []byte(`\`)); text.Plain() != plain {
		t.Fatalf("Plain(%q) is %v", text, !plain)
	}
	if text.Plain() && got != string(text) {
		t.Fatalf("plain %q decodes to %q", text, got)
	}
	if !text.Is(got) || text.Is(got+"x") || string(text.Decode(nil)) != got || string(text.Append([]byte("x"))) != "x"+got {
		t.Fatalf("Is, Decode and Append disagree with String on %q", text)
	}
	var want string
	if json.Unmarshal([]byte(`"`+string(text)+`"`), &want) == nil && got != want {
		t.Fatalf("%q decodes to %q, want %q", text, got, want)
	}
}
