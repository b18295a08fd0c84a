package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"annals.dev/audit"
	"annals.dev/internal/access"
	"annals.dev/internal/ledger"
	"annals.dev/internal/query"
	"annals.dev/internal/source"
)

// recordedEvents are what the ledger holds of our own acts, the oldest first.
func recordedEvents(t *testing.T, c *core) (events []audit.Event) {
	t.Helper()
	_, err := c.engine.As(query.All).Search(t.Context(), query.Search{Range: query.Range{Clusters: []string{ledger.Own}}, OldestFirst: true, Wide: true, Bytes: true},
		func(r *query.Row) error {
			var e audit.Event
			if err := json.Unmarshal(r.Event(Whole).Event, &e); err != nil {
				return err
			}
			events = append(events, e)
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func lastRecorded(t *testing.T, c *core) audit.Event {
	t.Helper()
	events := recordedEvents(t, c)
	if len(events) == 0 {
		t.Fatal("nothing is on record")
	}
	return events[len(events)-1]
}

func TestEachActIsOnRecord(t *testing.T) {
	s := newSite(t)
	victim, _, err := s.core.guard.store.Caller(s.token(access.Token{Role: access.Reader}))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		role, method, path, body string
		verb, resource, sub      string
		code                     int32
		notes                    map[string]string
		request                  string // of the event
	}{
		{"reader", "POST", "events", `{"query":"name:s3","limit":5}`, "list", "events", "", 200,
			map[string]string{noteReturned: "1", noteComplete: "true", decisionKey: "allow"}, `{"query":"name:s3","limit":5}`},
		{"scoped", "GET", "events?query=verb:create", "", "list", "events", "", 200, map[string]string{noteScope: "name:s3", noteReturned: "1"}, ""},
		{"reader", "GET", "hits", "", "list", "events", "hits", 200, map[string]string{decisionKey: "allow"}, ""},
		{"reader", "GET", "facets", "", "list", "events", "facets", 200, nil, ""},
		{"reader", "GET", "values?field=verb", "", "list", "events", "values", 200, nil, ""},
		{"reader", "GET", "event?cluster=prod&position=3", "", "get", "events", "", 200, nil, ""},
		{"reader", "POST", "sql", `{"statement":"SELECT 1"}`, "create", "sql", "", 200, map[string]string{noteBodies: "true"}, `{"statement":"SELECT 1"}`},
		{"bare", "POST", "sql", `{"statement":"SELECT 1"}`, "create", "sql", "", 200, map[string]string{noteBodies: ""}, `{"statement":"SELECT 1"}`},
		{"reader", "POST", "sql", `{"statement":"SELEC"}`, "create", "sql", "", 400, map[string]string{noteComplete: "false"}, `{"statement":"SELEC"}`},
		{"reader", "POST", "objects/history", `{"ref":"secrets/s3","namespace":"prod"}`, "get", "objects", "history", 0, nil, ""},
		{"reader", "GET", "actors/profile?user=jane", "", "get", "actors", "profile", 0, nil, ""},
		{"reader", "GET", "sessions", "", "get", "sessions", "", 200, nil, ""},
		{"reader", "GET", "ask", "", "get", "questions", "", 200, nil, ""},
		{"reader", "POST", "proof", `{"id":"3","cluster":"prod"}`, "get", "proofs", "", 200, map[string]string{noteBodies: "true"}, ""},
		{"reader", "POST", "export", `{"query":"name:s3","format":"jsonl"}`, "create", "exports", "", 200,
			map[string]string{noteBodies: "true", noteQuestion: `{"query":"name:s3","format":"jsonl"}`, noteReturned: "1", noteComplete: "true"}, ""},
		{"reader", "GET", "export?format=csv&archive=none", "", "create", "exports", "", 200, map[string]string{noteReturned: "12", noteComplete: "true"}, ""},
		{"reader", "GET", "export?format=json&archive=none&query=name:none", "", "create", "exports", "", 200, map[string]string{noteReturned: "0", noteComplete: "true"}, ""},
		{"reader", "GET", "export?format=moon", "", "create", "exports", "", 400, map[string]string{noteReturned: "", noteComplete: "false"}, ""},
		{"auditor", "POST", "ledger/verify", `{"cluster":"prod"}`, "get", "ledger", "verify", 200, map[string]string{noteVerified: "true"}, `{"cluster":"prod"}`},
		{"auditor", "POST", "ledger/checkpoint", `{"cluster":"prod"}`, "get", "ledger", "checkpoint", 200, nil, ""},
		{"reader", "POST", "ledger/verify", `{}`, "get", "ledger", "verify", 403, map[string]string{decisionKey: "forbid"}, `{}`},
		{"admin", "POST", "tokens/list", `{}`, "list", "tokens", "", 200, nil, ""},
		{"admin", "POST", "tokens/create", `{"role":"reader","name":"new","scope":"ns:a"}`, "create", "tokens", "", 200, nil, ""},
		{"admin", "POST", "tokens/revoke", `{"id":"` + victim.TokenID + `"}`, "delete", "tokens", "", 200, map[string]string{noteToken: victim.TokenID}, ""},
		{"admin", "POST", "import", `{"cluster":"prod"}` + "\n" + eventText(77, "get"), "create", "imports", "", 200, nil, ""},
		{"reader", "POST", "session", `{"token":"` + s.tokens["reader"] + `"}`, "create", "signins", "", 200, nil, ""},
	} {
		t.Run(c.role+" "+c.method+" "+c.path, func(t *testing.T) {
			r := request(c.method, api+c.path, c.body, "User-Agent", "curl/8", "Audit-Id", "mine")
			if c.path != "session" {
				r.Header.Set("Authorization", "Bearer "+s.tokens[c.role])
			}
			r.RemoteAddr = "198.51.100.7:1234"
			before := len(recordedEvents(t, s.core))
			w := httptest.NewRecorder()
			s.core.overHTTP(true, http.NotFoundHandler()).ServeHTTP(fullDuplex{w}, r)
			events := recordedEvents(t, s.core)
			if len(events) == before {
				t.Fatalf("nothing is on record: %d %s", w.Code, w.Body)
			}
			e := events[len(events)-1]
			if e.Verb != c.verb || e.ObjectRef == nil || e.ObjectRef.Resource != c.resource || e.ObjectRef.Subresource != c.sub || e.ObjectRef.APIGroup != "annals.dev" {
				t.Errorf("verb %q, object %+v", e.Verb, e.ObjectRef)
			}
			if e.Stage != audit.StageResponseComplete || e.ResponseStatus == nil || c.code != 0 && e.ResponseStatus.Code != c.code || e.ResponseStatus.Code != int32(w.Code) {
				t.Errorf("stage %s, status %+v, answered %d %s", e.Stage, e.ResponseStatus, w.Code, w.Body)
			}
			name := map[string]string{"reader": "rita", "scoped": "sam", "bare": "bob", "auditor": "olga", "admin": "ada"}[c.role]
			role := string(c.role)
			if role == "scoped" || role == "bare" {
				role = "reader"
			}
			if e.User.Username != name || len(e.User.Groups) != 1 || e.User.Groups[0] != "annals:role:"+role || len(e.User.Extra[extraToken]) != 1 {
				t.Errorf("user %+v", e.User)
			}
			if d := cmp.Diff([]string{"198.51.100.7"}, e.SourceIPs); d != "" || e.UserAgent != "curl/8" || e.AuditID == "mine" || !strings.HasPrefix(e.RequestURI, api) {
				t.Errorf("from %v by %q, id %s, %s", e.SourceIPs, e.UserAgent, e.AuditID, e.RequestURI)
			}
			if granted := e.Annotations[noteGranted]; c.path == "tokens/create" && !strings.HasPrefix(granted, "reader for new, scope ns:a, until 20") {
				t.Errorf("granted: %q", granted)
			}
			for key, want := range c.notes {
				if got := e.Annotations[key]; got != want {
					t.Errorf("%s is %q, want %q; all: %v", key, got, want, e.Annotations)
				}
			}
			if c.request != "" && string(e.RequestObject) != c.request {
				t.Errorf("the question on record is %s", e.RequestObject)
			}
			if len(e.ResponseObject) > 0 {
				t.Errorf("the answer is on record: %s", e.ResponseObject)
			}
		})
	}
}

// fullDuplex is a recorder of answers that are given while the question is still being read.
type fullDuplex struct{ *httptest.ResponseRecorder }

func (fullDuplex) EnableFullDuplex() error { return nil }

func TestWhatIsNotOnRecord(t *testing.T) {
	s := newSite(t)
	cookie := s.signIn("reader").String()
	before := len(recordedEvents(t, s.core))
	for _, r := range []*http.Request{
		request("GET", api+"me", "", "Cookie", cookie), request("GET", api+"fields", "", "Cookie", cookie), request("GET", "/", ""),
		request("GET", "/metrics", ""), request("GET", api+"events", ""), request("GET", api+"events", "", "Cookie", "annals=old"),
	} {
		s.do(r)
	}
	if n := len(recordedEvents(t, s.core)); n != before {
		t.Errorf("%d events too many: %+v", n-before, lastRecorded(t, s.core))
	}
}

func TestFailedSignInsAreOnRecord(t *testing.T) {
	s := newSite(t)
	for _, r := range []*http.Request{
		request("POST", api+"session", `{"token":"annals_wrong"}`), request("POST", api+"events", `{}`, "Authorization", "Bearer annals_wrong"),
		request("POST", api+"events", `{}`, "Authorization", "Bearer "+s.tokens["ingest"]), request("GET", api+"me2", "", "Authorization", "Basic YTpi"),
	} {
		before := len(recordedEvents(t, s.core))
		s.do(r)
		if len(recordedEvents(t, s.core)) != before+1 {
			t.Fatalf("%s: not on record", r.URL)
		}
		e := lastRecorded(t, s.core)
		if e.User.Username != "" || e.ResponseStatus.Code < 401 || e.Annotations[decisionKey] != "forbid" || e.Annotations[reasonKey] == "" {
			t.Errorf("%s: %+v", r.URL, e)
		}
	}
	// Nor does the number of addresses count.
	var all strangers
	now, put := time.Now(), 0
	for range 3 * strangersAtOnce {
		if all.allow(now) {
			put++
		}
	}
	if put != strangersAtOnce || !all.allow(now.Add(2*strangersEvery)) {
		t.Errorf("%d of strangers at once are on record", put)
	}
	// Those that come too fast are not: nobody fills the ledger by guessing.
	for range 3 * guessesAtOnce {
		s.do(request("POST", api+"session", `{"token":"annals_wrong"}`))
		s.do(request("GET", api+"events", "", "Authorization", "Basic YTpi"))
	}
	if n := len(recordedEvents(t, s.core)); n > guessesAtOnce+10 {
		t.Errorf("%d guesses are on record", n)
	}
}

func TestNoTokenIsOnRecord(t *testing.T) {
	s := newSite(t)
	token := s.tokens["reader"]
	var made NewToken
	w := s.post("admin", "tokens/create", `{"role":"admin"}`)
	var line struct {
		End *NewToken `json:"end"`
	}
	line.End = &made
	if err := json.Unmarshal(w.Body.Bytes(), &line); err != nil || !strings.HasPrefix(made.Text, access.TokenPrefix) {
		t.Fatalf("%s: %v", w.Body, err)
	}
	s.signIn("reader")
	s.post("reader", "events", `{"query":"\"`+token+`\""}`)
	s.do(request("GET", api+"events?query="+token, "", "Authorization", "Bearer "+token))
	s.do(request("GET", api+"events", "", "Authorization", "Bearer "+token, "User-Agent", "x "+token))
	s.do(request("GET", api+"events?query=%22"+token, "", "Authorization", "Bearer "+token)) // which fails, and says why
	s.do(request("POST", sessionPath, `{"token":"`+made.Text+`x"}`))
	n := 0
	_, err := s.core.engine.As(query.All).Search(t.Context(), query.Search{Range: query.Range{Clusters: []string{ledger.Own}}, Wide: true, Bytes: true}, func(r *query.Row) error {
		n++
		for _, secret := range []string{token, made.Text, s.tokens["admin"]} {
			if bytes.Contains(r.Bytes, []byte(secret)) || bytes.Contains(r.Bytes, []byte(secret[len(access.TokenPrefix):])) {
				t.Errorf("a token is on record: %s", r.Bytes)
			}
		}
		return nil
	})
	if err != nil || n < 6 {
		t.Errorf("%d events, %v", n, err)
	}
}

// Those who come through the socket are on record as the machine's users.
func TestSocketIsOnRecord(t *testing.T) {
	dir := newDir(t)
	start(t, Config{Dir: dir})
	client, err := Connect(t.Context(), dir, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Search(t.Context(), SearchQuestion{Query: "verb:get"}, func(Row) error { return nil }); err != nil {
		t.Fatal(err)
	}
	var got Row
	cov, err := client.Search(t.Context(), SearchQuestion{Clusters: []string{ledger.Own}, Limit: 1, Detail: Whole}, func(r Row) error { got = r; return nil })
	if err != nil || cov.Returned != 1 {
		t.Fatalf("%+v, %v", cov, err)
	}
	if got.User != userName(os.Getuid()) || got.Resource != "events" || got.Origin != "annals" || got.Decision != "allow" || !strings.Contains(string(got.Event), extraUID) {
		t.Errorf("%+v", got)
	}
}

// A question that goes on is on record when it begins.
func TestFollowingIsOnRecordAtOnce(t *testing.T) {
	s := newSite(t)
	srv := httptest.NewServer(s.h)
	defer srv.Close()
	client, err := Dial(Remote{URL: srv.URL, Token: s.tokens["reader"]})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	enough := errors.New("enough")
	_, err = client.Search(t.Context(), SearchQuestion{Query: "name:s3", Follow: true, Limit: 1}, func(Row) error {
		e := lastRecorded(t, s.core)
		if e.Stage != audit.StageResponseStarted || e.Verb != "watch" || !strings.Contains(e.Annotations[noteQuestion], "name:s3") {
			t.Errorf("%+v", e)
		}
		return enough
	})
	if !errors.Is(err, enough) {
		t.Error(err)
	}
}

// Where the ledger takes nothing any more, questions are answered, and the log tells.
func TestAskingGoesOnWithoutRecord(t *testing.T) {
	s := newSite(t)
	var log bytes.Buffer
	s.core.log = slog.New(slog.NewTextHandler(&log, nil))
	h := s.core.overHTTP(true, http.NotFoundHandler())
	if err := s.core.ledger.Close(); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, request("POST", api+"tokens/list", "{}", "Authorization", "Bearer "+s.tokens["admin"]))
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"end"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "not on record") {
		t.Errorf("the log says nothing: %s", log.String())
	}
	if n := s.core.lost.Load(); n != 1 {
		t.Errorf("%d acts are counted as lost", n)
	}
}

// Files of the server's machine are for its owner: an admin elsewhere must not have it read what the admin cannot.
func TestPathsAreForTheOwner(t *testing.T) {
	s := newSite(t)
	w := httptest.NewRecorder()
	s.h.ServeHTTP(fullDuplex{w}, request("POST", api+"import", `{"cluster":"prod","paths":["/etc/passwd"]}`+"\n", "Authorization", "Bearer "+s.tokens["admin"]))
	if kindOf(w) != Forbidden || strings.Contains(w.Body.String(), "root") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if e := lastRecorded(t, s.core); !strings.Contains(e.Annotations[noteQuestion], "/etc/passwd") || e.Annotations[decisionKey] != "forbid" {
		t.Errorf("on record: %+v", e)
	}
}

// What is sent has the name of its file in its origin, and no more than a name.
func TestNameOfAnImport(t *testing.T) {
	for name, want := range map[string]string{
		"": "import/stdin", "audit.log": "import/audit.log", "/var/log/audit.log": "import/audit.log", `C:\logs\a.log`: "import/a.log", "a/": "import/stdin",
		"..": "import/stdin", "x/..": "import/stdin", "a\x1b[2J\n\u202e": "import/a\uFFFD[2J\uFFFD\uFFFD", "\xff": "import/\uFFFD",
		strings.Repeat("ü", 200): "import/" + strings.Repeat("ü", 127),
	} {
		c := newCore(t)
		client := local(t, c)
		if _, err := client.Import(t.Context(), ImportQuestion{Cluster: "prod", Name: name}, strings.NewReader(eventText(1, "get")), func(source.Progress) {}); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Search(t.Context(), SearchQuestion{}, func(r Row) error {
			if r.Origin != want {
				t.Errorf("%q comes from %q, want %q", name, r.Origin, want)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
}

// Nobody but Annals itself delivers to its cluster.
func TestNoSourceIsAnnals(t *testing.T) {
	c := newCore(t)
	client := local(t, c)
	_, err := client.Import(t.Context(), ImportQuestion{Cluster: ledger.Own}, strings.NewReader(eventText(1, "get")), func(source.Progress) {})
	if KindOf(err) != Usage {
		t.Errorf("an import into %s: %v", ledger.Own, err)
	}
	if _, err := client.CreateToken(t.Context(), TokenQuestion{Role: access.Ingest, Cluster: ledger.Own}); KindOf(err) != Usage {
		t.Errorf("a token for %s: %v", ledger.Own, err)
	}
}

func TestAccount(t *testing.T) {
	for _, c := range []struct {
		name   string
		writes []string
		given  bool
		told   string
	}{
		{"lines", []string{`{"item":{"a":1}}` + "\n", `{"end":{"returned":1}}` + "\n"}, false, `{"end":{"returned":1}}`},
		{"lines together", []string{`{"item":{"requestObject":{}}}` + "\n" + `{"end":{}}` + "\n"}, true, `{"end":{}}`},
		{"lines cut anywhere", []string{`{"item":{"request`, `Object":{}}}` + "\n" + `{"e`, `nd":{}}`, "\n"}, true, `{"end":{}}`},
		{"byte by byte", strings.Split(`{"item":{"responseObject":1}}`+"\n"+`{"error":{"kind":"limit"}}`+"\n", ""), true, `{"error":{"kind":"limit"}}`},
		{"a text that says so", []string{`{"item":{"name":"\"requestObject\":"}}` + "\n"}, false, ""},
		{"in one piece", []string{`{"items":[{"end":1}],"end":{"coverage":{"returned":7}}}` + "\n"}, false, `{"end":{"coverage":{"returned":7}}}`},
		{"cut off", []string{`{"item":{}}` + "\n" + `{"end":{`}, false, ""},
		{"a very long line", []string{`{"item":"` + strings.Repeat("x", 3<<20), strings.Repeat("y", 3<<20) + "\"}\n", `{"end":{}}` + "\n"}, false, `{"end":{}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := &account{ResponseWriter: httptest.NewRecorder(), bodies: true}
			for _, s := range c.writes {
				if _, err := a.Write([]byte(s)); err != nil {
					t.Fatal(err)
				}
			}
			if a.given != c.given || string(a.told) != c.told {
				t.Errorf("bodies %v, told %q", a.given, a.told)
			}
		})
	}
}

// BenchmarkRecord is what the record costs a small search: an fsync, which those who ask at once share.
func BenchmarkRecord(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "data")
	if _, err := ledger.Init(dir, ""); err != nil {
		b.Fatal(err)
	}
	c, err := openCore(dir, quiet)
	if err != nil {
		b.Fatal(err)
	}
	defer c.close()
	for name, h := range map[string]http.Handler{"recorded": c.handler(), "not recorded": c.asOwner(c.questions())} {
		ask := func() {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("POST", api+"events", strings.NewReader(`{"query":"verb:get","limit":10}`)))
			if w.Code != http.StatusOK {
				b.Errorf("%d %s", w.Code, w.Body)
			}
		}
		b.Run(name+"/one", func(b *testing.B) {
			for b.Loop() {
				ask()
			}
		})
		b.Run(name+"/sixteen", func(b *testing.B) {
			b.SetParallelism(8)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					ask()
				}
			})
		})
	}
}

func TestVerdicts(t *testing.T) {
	for want, kinds := range map[string][]ledger.FindingKind{
		"true": nil, "tampered": {ledger.Missing, ledger.Tampered}, "bad-signature": {ledger.BadSignature, ledger.Unverifiable}, "missing": {ledger.Missing}, "unverifiable": {ledger.Unverifiable},
	} {
		r := new(ledger.Report)
		for _, k := range kinds {
			r.Findings = append(r.Findings, ledger.Finding{Kind: k})
		}
		if got := verdictOf(r); got != want {
			t.Errorf("%v: %s, want %s", kinds, got, want)
		}
	}
}
