package format

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// brief is what the tables below say of an item.
type brief struct {
	ID, Skipped, Reason, Bytes string // Bytes only where they are not what the whole input is
	Marks                      Marks
	Incomplete                 bool
}

func read1(t *testing.T, input string) ([]brief, []found) {
	t.Helper()
	r := NewReader(strings.NewReader(input), "f")
	items := all(t, r)
	var briefs []brief
	for _, it := range items {
		b := brief{ID: it.AuditID, Skipped: it.Skipped, Marks: it.Marks, Incomplete: it.Incomplete}
		if it.Bytes != input && it.Skipped == "" {
			b.Bytes = it.Bytes
		}
		if it.Dialect == Unreadable && it.Skipped == "" {
			_, b.Reason, _ = strings.Cut(it.Note, ": ")
		}
		briefs = append(briefs, b)
	}
	return briefs, items
}

const (
	good    = `{"level":"Metadata","auditID":"1","stage":"Panic"}`
	good2   = `{"level":"Metadata","auditID":"2","stage":"Panic"}`
	noEvent = "JSON, but no audit event and no known carrier of one"
	noRow   = "a row whose quotes do not match"
	noText  = "text, but no audit event and no known line of another kind"
)

func TestOddities(t *testing.T) {
	longKlog := "I1025 14:09:12.000000       1 server.go:160] " + strings.Repeat("x", 100_000)
	for name, tc := range map[string]struct {
		input string
		want  []brief
	}{
		"nothing":                {"", nil},
		"white space":            {" \r\n\t\n", nil},
		"a BOM alone":            {"\ufeff", nil},
		"an event":               {good, []brief{{ID: "1"}}},
		"two on a line":          {good + good2, []brief{{ID: "1", Bytes: good}, {ID: "2", Bytes: good2}}},
		"commas between lines":   {good + ",\n" + good2, []brief{{ID: "1", Bytes: good}, {ID: "2", Bytes: good2}}},
		"CR between":             {good + "\r" + good2, []brief{{ID: "1", Bytes: good}, {ID: "2", Bytes: good2}}},
		"a cut line":             {`{"level":"Metadata","auditID":"1","stage":"Panic","verb":"ge` + "\n" + good2, []brief{{ID: "1", Marks: Salvaged, Bytes: `{"level":"Metadata","auditID":"1","stage":"Panic","verb":"ge`}, {ID: "2", Bytes: good2}}},
		"cut outside a string":   {`{"auditID":"1","stage":"Panic",` + "\n" + good2, []brief{{ID: "1", Marks: Salvaged, Bytes: `{"auditID":"1","stage":"Panic"`}, {ID: "2", Bytes: good2}}},
		"cut behind a colon":     {`{"auditID":"1","stage":"Panic","user":` + "\n" + good2, []brief{{ID: "1", Marks: Salvaged, Bytes: `{"auditID":"1","stage":"Panic","user":`}, {ID: "2", Bytes: good2}}},
		"cut too early":          {`{"level":"Metadata","audit` + "\n" + good2, []brief{{Marks: Quarantined, Reason: "unexpected control character 0x0a", Bytes: `{"level":"Metadata","audit`}, {ID: "2", Bytes: good2}}},
		"cut at the end":         {`{"level":"Metadata","audit`, []brief{{Marks: Quarantined, Reason: "unexpected end of JSON", Incomplete: true}}},
		"salvaged at the end":    {good[:len(good)-1], []brief{{ID: "1", Marks: Salvaged, Incomplete: true}}},
		"NULs in a line":         {good[:45] + "\x00\x00\x00" + good2, []brief{{ID: "1", Marks: Salvaged, Bytes: good[:45]}, {Skipped: "run of NUL bytes"}, {ID: "2", Bytes: good2}}},
		"NULs first":             {"\x00\x00" + good, []brief{{Skipped: "run of NUL bytes"}, {ID: "1", Bytes: good}}},
		"text, side by side":     {"bad\nworse\n" + good, []brief{{ID: "1", Bytes: good}, {Marks: Quarantined, Reason: noText, Bytes: "bad\nworse"}}},
		"text at the end":        {"bad", []brief{{Marks: Quarantined, Reason: noText, Incomplete: true}}},
		"a long klog line":       {longKlog, []brief{{Skipped: "klog line", Incomplete: true}}},
		"klog behind a time":     {"2018-10-25T14:09:12.581Z I1025 14:09:12.000000       1 a.go:1] x\n", []brief{{Skipped: "klog line"}}},
		"klog as JSON":           {`{"ts":1580306777.04728,"caller":"a.go:1","msg":"x","v":0}`, []brief{{Skipped: "klog line"}}},
		"a number":               {"[1]", []brief{{Marks: Quarantined, Reason: errNoObject.Error(), Bytes: "1]"}}},
		"nulls in a list":        {`{"items":[null,` + good + `,null,` + good2 + "]}", []brief{{Marks: Quarantined, Reason: errNoObject.Error(), Bytes: "null"}, {ID: "1", Bytes: good}, {Marks: Quarantined, Reason: errNoObject.Error(), Bytes: "null"}, {ID: "2", Bytes: good2}}},
		"an empty list":          {`{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[]}`, nil},
		"a null list":            {`{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":null}`, []brief{{Skipped: "empty EventList"}}},
		"items before the kind":  {`{"items":[` + good + `],"kind":"EventList"}` + good2, []brief{{ID: "1", Bytes: good}, {ID: "2", Bytes: good2}}},
		"a list within a list":   {`[{"records":[` + good + `]},[{"events":[{"message":` + quoted(good2) + `}]}]]`, []brief{{ID: "1", Bytes: good}, {ID: "2", Bytes: good2}}},
		"lists by lines":         {`{"records":[` + good + "]}\r\n" + `{"records":[` + good2 + "]}\r\n", []brief{{ID: "1", Bytes: good}, {ID: "2", Bytes: good2}}},
		"a list that ends early": {`{"records":[` + good + `,` + good2, []brief{{ID: "1", Bytes: good}, {ID: "2", Bytes: good2}}},
		"another list behind":    {`{"events":[` + good + `],"x":{"y":[1,"]"]},"more":[` + good2 + `]}`, []brief{{ID: "1", Bytes: good}, {ID: "2", Bytes: good2}}},
		"little of an event":     {`{"kind":"EventList","items":[{"verb":"get"},{"x":1}]}`, []brief{{Bytes: `{"verb":"get"}`}, {Marks: Quarantined, Reason: noEvent, Bytes: `{"x":1}`}}},
		"an empty object":        {"{}", []brief{{Marks: Quarantined, Reason: noEvent}}},
		"a list closed twice":    {`{"kind":"EventList","items":[` + good + `,{}],` + good2 + `]}` + "\n", []brief{{ID: "1", Bytes: good}, {Marks: Quarantined, Reason: noEvent, Bytes: "{}"}, {ID: "2", Bytes: good2}, {Marks: Quarantined, Reason: noText, Bytes: "]}"}}},
		"an unknown wrapper":     {`{"x":[0,` + good + `,` + good2 + `]}` + "\n", []brief{{Marks: Quarantined, Reason: noEvent, Bytes: `{"x":[0`}, {ID: "1", Bytes: good}, {ID: "2", Bytes: good2}, {Marks: Quarantined, Reason: noText, Bytes: "]}"}}},
		"little outside a list":  {`{"verb":"get"}`, []brief{{Marks: Quarantined, Reason: noEvent}}},
		"no apiVersion":          {`{"auditID":"1","stage":"Panic"}`, []brief{{ID: "1"}}},
		"an app's log":           {`{"level":"info","msg":"hello"}`, []brief{{Marks: Quarantined, Reason: noEvent}}},
		"a policy":               {`{"kind":"Policy","apiVersion":"audit.k8s.io/v1","rules":[]}`, []brief{{Marks: Quarantined, Reason: noEvent}}},
		"keys twice":             {`{"auditID":"1","auditID":"2","stage":"Panic"}`, []brief{{ID: "2", Marks: DuplicateMember}}},
		"truncated upstream":     {`{"auditID":"1","stage":"Panic","annotations":{"audit.k8s.io/truncated":"true"}}`, []brief{{ID: "1", Marks: Truncated}}},
		"a docker line in two": {
			`{"log":` + quoted(good[:20]) + `,"stream":"stdout","time":"2018-10-25T14:09:12.581Z"}` + "\n" +
				`{"log":"other\n","stream":"stderr","time":"2018-10-25T14:09:12.581Z"}` + "\n" +
				`{"log":` + quoted(good[20:]+"\n") + `,"stream":"stdout","time":"2018-10-25T14:09:12.581Z"}`,
			[]brief{
				{Marks: Quarantined, Reason: noEvent, Bytes: `{"log":"other\n","stream":"stderr","time":"2018-10-25T14:09:12.581Z"}`},
				{ID: "1", Bytes: good},
			},
		},
		"a docker line without its end": {
			`{"log":` + quoted(good[:45]) + `,"stream":"stdout","time":"2018-10-25T14:09:12.581Z"}`,
			[]brief{{ID: "1", Marks: Salvaged, Bytes: good[:45], Incomplete: true}},
		},
		"a CRI line without its end, and another": {
			"2018-10-25T14:09:12.5Z stdout P " + strings.Replace(good, "{", `{"kind":"Event","apiVersion":"audit.k8s.io/v1",`, 1)[:90] + "\n" +
				"2018-10-25T14:09:13.5Z stdout F " + strings.Replace(good2, "{", `{"kind":"Event","apiVersion":"audit.k8s.io/v1",`, 1) + "\n",
			[]brief{
				{ID: "1", Marks: Salvaged, Bytes: strings.Replace(good, "{", `{"kind":"Event","apiVersion":"audit.k8s.io/v1",`, 1)[:90]},
				{ID: "2", Bytes: strings.Replace(good2, "{", `{"kind":"Event","apiVersion":"audit.k8s.io/v1",`, 1)},
			},
		},
		"an empty docker line":  {`{"log":"","stream":"stdout","time":"2018-10-25T14:09:12.581Z"}`, []brief{{Marks: Quarantined, Reason: noEvent}}},
		"events in a CSV":       {"@timestamp,@message\n\"\n" + good + "\n\"x,\n" + good2 + "\n", []brief{{Marks: Quarantined, Reason: noRow, Bytes: `"`}, {ID: "1", Bytes: good}, {Marks: Quarantined, Reason: noRow, Bytes: `"x,`}, {ID: "2", Bytes: good2}}},
		"a cut carrier":         {`{"stream":"stdout","log":"{\"auditID\":\"1\",\"stage\":\"Panic\",\"verb\":\"g`, []brief{{ID: "1", Marks: Salvaged, Bytes: `{"auditID":"1","stage":"Panic","verb":"g`, Incomplete: true}}},
		"cut in an escape":      {`{"log":"{\"auditID\":\"1\",\"stage\":\"Panic\",\"verb\":\"g\u00`, []brief{{ID: "1", Marks: Salvaged, Bytes: `{"auditID":"1","stage":"Panic","verb":"g`, Incomplete: true}}},
		"a carrier wrong later": {`{"message":` + quoted(good) + `,"host":nonsense}` + "\n" + good2, []brief{{ID: "1", Bytes: good}, {ID: "2", Bytes: good2}}},
		"syslog":                {"Oct 25 14:09:12 cp-0 kube-apiserver[1]: " + good, []brief{{ID: "1", Bytes: good, Incomplete: true}}},
		"a log through three":   {`{"date":1.5,"log":` + quoted(`{"message":`+quoted("2018-10-25T14:09:12.5Z stdout F "+good)+`}`) + `}`, []brief{{ID: "1", Bytes: good}}},
		"GDC's own members":     {`{"_gdch_cluster":"c","level":"Metadata","auditID":"1","stage":"Panic"}`, []brief{{ID: "1"}}},
		"GKE's cluster log":     {`{"insertId":"a","protoPayload":{"serviceName":"container.googleapis.com","methodName":"x"}}`, []brief{{Skipped: "GKE container.googleapis.com entry"}}},
		"another EKS stream":    {`{"messageType":"DATA_MESSAGE","logStream":"authenticator-0a1b","logEvents":[{"id":"1","timestamp":1,"message":"x"}]}`, []brief{{Skipped: "EKS log stream other than audit"}}},
		"another, as text":      {"2018-10-25T14:09:12+00:00 authenticator-0a1b time=\"x\" level=info\n", []brief{{Skipped: "EKS log stream other than audit"}}},
		"a cut legacy line":     {`2017-06-15T21:50:50.25Z AUDIT: id="1" stage="ResponseComplete" ip="10.2`, []brief{{ID: "1", Marks: Salvaged, Incomplete: true}}},
		"half of an old pair":   {`2017-03-21T03:57:09.1-04:00 AUDIT: id="1" ip="::1" method="GET" user="a" uri="/api/v1/pods"` + "\n", []brief{{ID: "1", Bytes: `2017-03-21T03:57:09.1-04:00 AUDIT: id="1" ip="::1" method="GET" user="a" uri="/api/v1/pods"`}}},
		"too deep":              {strings.Repeat(`{"a":`, 20_000) + "\n" + good, []brief{{Marks: Quarantined, Reason: "brackets nested deeper than 10000", Bytes: strings.Repeat(`{"a":`, 20_000)}, {ID: "1", Bytes: good}}},
		"CSV over two lines":    {"@timestamp,@message\n2018-10-25 14:09:12.581,\"{\"\"auditID\"\":\"\"1\"\",\n\"\"stage\"\":\"\"Panic\"\"}\"\n", []brief{{ID: "1", Bytes: "{\"auditID\":\"1\",\n\"stage\":\"Panic\"}"}}},
		"a CSV of AKSAudit": {
			"TimeGenerated [UTC],AuditId,Level,Stage,Verb,User,ObjectRef\n2018-10-25T14:09:12.581Z,1,Metadata,Panic,get,\"{\"\"username\"\":\"\"u\"\"}\",{}\n",
			[]brief{{ID: "1", Bytes: `{"TimeGenerated":"2018-10-25T14:09:12.581Z","AuditId":"1","Level":"Metadata","Stage":"Panic","Verb":"get","User":"{\"username\":\"u\"}","ObjectRef":"{}"}`}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, items := read1(t, tc.input)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\n%+v", diff, items)
			}
		})
	}
}

// TestBig reads the sizes that other tools do not.
func TestBig(t *testing.T) {
	five, lines := theFive(t)
	for _, size := range []int{2 << 20, 9_350_000} {
		big := strings.Replace(lines[0], `"image":"alpine:3.20"`, `"image":"`+strings.Repeat("x", size)+`"`, 1)
		items := all(t, NewReader(strings.NewReader(lines[1]+"\n"+big+"\n"+lines[2]+"\n"), "f"))
		if diff := cmp.Diff([]fact{five[1], five[0], five[2]}, facts(items)); diff != "" || items[1].Bytes != big {
			t.Fatalf("%d: %s", size, diff)
		}
	}
}

// TestTooLong keeps the head of what is too long, and what comes after it.
func TestTooLong(t *testing.T) {
	five, lines := theFive(t)
	const longest = 3 << 20
	x := strings.Repeat("x", longest)
	event := strings.Replace(lines[0], `"image":"alpine:3.20"`, `"image":"`+x+`"`, 1)
	item := strings.Replace(`{"level":"Metadata","requestObject":"y","auditID":"1"}`, "y", x, 1)
	for name, tc := range map[string]struct {
		input, long string
		marks       Marks
	}{
		"event": {event + "\n" + lines[1] + "\n", event, Salvaged},
		"text":  {x + x + "\n" + lines[1] + "\n", x + x, Quarantined},
		"item":  {`{"kind":"EventList","items":[` + item + "," + lines[1] + "]}", item, Quarantined},
	} {
		r := NewReader(strings.NewReader(tc.input), "f")
		r.longest = longest
		items := all(t, r)
		if len(items) != 2 || items[0].Marks != tc.marks || len(items[0].Bytes) != MaxHead || items[1].fact != five[1] {
			t.Fatalf("%s: %d items: %+.500v", name, len(items), items)
		}
		if tc.marks == Salvaged && items[0].AuditID != five[0].AuditID {
			t.Errorf("%s: %v", name, items[0].fact)
		}
		long := tc.long
		if name == "item" {
			long += "," // that is known only afterwards
		}
		if want := fmt.Sprintf("the first %d of %d bytes, SHA-256 of all %x", MaxHead, len(long), sha256.Sum256([]byte(long))); !strings.Contains(items[0].Note, want) {
			t.Errorf("%s: note %q, want %q", name, items[0].Note, want)
		}
	}
}

// TestNoHang reads what is made to be read again and again.
func TestNoHang(t *testing.T) {
	const size = 256 << 10
	for _, piece := range []string{
		`{"a":[`, "{\"a\":[\n", `{"x":[`, `{"kind":`, `[`, `{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"x","level":"Metadata","requestObject":[`,
		`{"id":"`, `{"items":[`, "@message,a\n\"", "\"\n", "\x00a", `{"log":"{\"log\":\"{`, "{", "}", `"`, `\`, ",{\"level\":{", "2018-10-25T14:09:12.5Z stdout P x\n",
		"2018-10-25T14:09:12.5Z AUDIT: id=\"1\"\n", `[[{"kind":"Event"},`, `{"hits":{"hits":[{"a":1}`, "{\"level\":\"a\n ", `{"a":1,`,
	} {
		input := bytes.Repeat([]byte(piece), size/len(piece))
		r := NewReader(bytes.NewReader(input), "f")
		for {
			if _, err := r.Next(); err != nil {
				break
			}
		}
		l := NewListReader(bytes.NewReader(input), size+1)
		for {
			if _, err := l.Next(0); err != nil {
				break
			}
		}
	}
}
