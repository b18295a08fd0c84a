package server

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"annals.dev/internal/access"
	"annals.dev/internal/match"
	"annals.dev/internal/query"
)

func predicate(t *testing.T, s string) *match.Predicate {
	t.Helper()
	p, err := match.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// callers are those who ask in the tests, by name.
func callers(t *testing.T) map[string]access.Caller {
	return map[string]access.Caller{
		"admin":   {Name: "admin", Role: access.Admin, Bodies: true, TokenID: "a"},
		"auditor": {Name: "auditor", Role: access.Auditor, Bodies: true, TokenID: "b"},
		"reader":  {Name: "reader", Role: access.Reader, TokenID: "c", Scope: predicate(t, "-cluster:annals")},
		"scoped":  {Name: "scoped", Role: access.Reader, Bodies: true, TokenID: "d", Scope: predicate(t, "-cluster:annals ns:team-a"), ScopeText: "ns:team-a"},
		"ingest":  {Name: "ingest", Role: access.Ingest, TokenID: "e"},
	}
}

// serve answers over loopback, each request as the caller that it names, nobody without a name.
func serve(t *testing.T, c *core) *httptest.Server {
	t.Helper()
	h := c.questions()
	all := callers(t)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if who, ok := all[r.Header.Get("X-Test")]; ok {
			r = r.WithContext(withAsker(r.Context(), c.askerFor(who)))
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv
}

// call sends a question and returns the status and the whole answer.
func call(t *testing.T, srv *httptest.Server, who, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Test", who)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp, string(text)
}

// team adds events of two namespaces, of many users and codes, some with bodies, in two clusters.
func team(t *testing.T, c *core) {
	t.Helper()
	var prod, stage []string
	for n := range 300 {
		ns, user, code := "team-a", "jane", 200
		switch {
		case n%3 == 1:
			ns, user, code = "team-b", "bob", 403
		case n%7 == 0:
			user, code = "system:serviceaccount:team-a:deployer", 201
		}
		verb, level, body := "get", "Metadata", ""
		if n%5 == 0 {
			verb, level = "create", "RequestResponse"
			body = fmt.Sprintf(`,"requestObject":{"kind":"Secret","data":{"password":"hush%d"}}`, n)
		}
		decision := map[bool]string{true: "forbid", false: "allow"}[code == 403]
		text := fmt.Sprintf(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":%q,"auditID":"0a6bd2a4-0000-4000-8000-%012d","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/%s/secrets","verb":%q,"user":{"username":%q},"sourceIPs":["192.0.2.%d"],"userAgent":"kubectl","objectRef":{"resource":"secrets","namespace":%q,"name":"s%d","apiVersion":"v1"},"responseStatus":{"metadata":{},"code":%d}%s,"requestReceivedTimestamp":"2026-11-21T00:%02d:00.000000Z","stageTimestamp":"2026-11-21T00:%02d:00.%06dZ","annotations":{"authorization.k8s.io/decision":%q}}`,
			level, n, ns, verb, user, n%9+1, ns, n%20, code, body, n/10, n/10, n+1, decision)
		if n%10 == 9 && ns == "team-b" {
			stage = append(stage, text)
		} else {
			prod = append(prod, text)
		}
	}
	add(t, c, "prod", prod[:200]...)
	if err := c.ledger.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	add(t, c, "prod", prod[200:]...)
	add(t, c, "stage", stage...)
	add(t, c, "annals", strings.ReplaceAll(eventText(900, "list"), "2026-11-21", "2026-11-20"))
}

// A GET and a POST that say the same are answered the same.
func TestGetAndPost(t *testing.T) {
	c := newCore(t)
	team(t, c)
	srv := serve(t, c)
	for _, q := range []struct{ name, get, post string }{
		{"events", "query=" + url.QueryEscape("verb:create ns:team-a") + "&limit=5&detail=whole", `{"query":"verb:create ns:team-a","limit":5,"detail":"whole"}`},
		{"events", "since=2026-11-21T00:05:00Z&until=2026-11-21T01:06:00%2B01:00&clusters=prod&clusters=stage&order=oldest", `{"since":"2026-11-21T00:05:00Z","until":"2026-11-21T01:06:00+01:00","clusters":["prod","stage"],"order":"oldest"}`},
		{"hits", "by=code-class&buckets=10", `{"by":"code-class","buckets":10}`},
		{"hits", "step=60&rows=true", `{"step":60,"rows":true}`},
		{"facets", "fields=objectRef.namespace&fields=user.username", `{"fields":["ns","user"]}`},
		{"facets", "fields=user&fields=code&limit=2&rare=true", `{"fields":["user","code"],"limit":2,"rare":true}`},
		{"values", "field=user&prefix=ja", `{"field":"user","prefix":"ja"}`},
		{"fields", "", `{}`},
		{"event", "cluster=prod&position=3", `{"cluster":"prod","position":3}`},
		{"neighbours", "cluster=prod&position=30&by=object", `{"cluster":"prod","position":30,"by":"object"}`},
		{"overview", "query=ns:team-a", `{"query":"ns:team-a"}`},
		{"sql", "statement=" + url.QueryEscape("SELECT verb, count(*) FROM events GROUP BY 1 ORDER BY 1"), `{"statement":"SELECT verb, count(*) FROM events GROUP BY 1 ORDER BY 1"}`},
		{"me", "", `{}`},
		{"ledger", "", `{}`},
	} {
		got, a := call(t, srv, "admin", "GET", "/api/v1/"+q.name+"?"+q.get, "")
		posted, b := call(t, srv, "admin", "POST", "/api/v1/"+q.name, q.post)
		if got.StatusCode != 200 || posted.StatusCode != 200 {
			t.Errorf("%s: GET %d %s, POST %d %s", q.name, got.StatusCode, a, posted.StatusCode, b)
			continue
		}
		if d := cmp.Diff(timeless(a), timeless(b)); d != "" {
			t.Errorf("%s (-GET +POST):\n%s", q.name, d)
		}
		if lines := strings.Split(strings.TrimSpace(a), "\n"); !strings.HasPrefix(lines[len(lines)-1], `{"end":`) {
			t.Errorf("%s ends with %s", q.name, lines[len(lines)-1])
		}
		if got.Header.Get("Content-Type") != "application/x-ndjson" {
			t.Errorf("%s: %s", q.name, got.Header.Get("Content-Type"))
		}
	}
}

var passing = regexp.MustCompile(`"seconds":[^,}]*|"proof":\{[^}]*\}`)

// timeless is an answer without how long it took, and without the state of checkpoints, which are written meanwhile.
func timeless(s string) string { return passing.ReplaceAllString(s, "") }

func TestStatuses(t *testing.T) {
	c := newCore(t)
	team(t, c)
	srv := serve(t, c)
	for _, q := range []struct {
		who, method, path, body string
		status                  int
		kind                    Kind
		says                    string
	}{
		{"", "GET", "/api/v1/events", "", 401, SignIn, "sign in"},
		{"ingest", "GET", "/api/v1/events", "", 403, Forbidden, "reader"},
		{"reader", "GET", "/api/v1/status", "", 403, Forbidden, "auditor"},
		{"auditor", "POST", "/api/v1/tokens/create", "{}", 403, Forbidden, "admin"},
		{"reader", "GET", "/api/v1/evnts", "", 404, NotFound, "/api/v1/events"},
		{"reader", "GET", "/api/v2", "", 404, NotFound, "/api/v1"},
		{"reader", "DELETE", "/api/v1/events", "", 405, WrongMethod, "GET or POST"},
		{"admin", "GET", "/api/v1/tokens/create", "", 405, WrongMethod, "POST"},
		{"admin", "GET", "/api/v1/import", "", 405, WrongMethod, "POST"},
		{"reader", "GET", "/api/v1/events?querry=x", "", 400, Usage, "did you mean query?); there are: after, clusters, detail"},
		{"reader", "POST", "/api/v1/events", `{"querry":"x"}`, 400, Usage, "did you mean query?"},
		{"reader", "GET", "/api/v1/ask?name=secrets-read&ns=prod", "", 400, Usage, "params.NAME"},
		{"reader", "POST", "/api/v1/events", `{} {}`, 400, Usage, "behind"},
		{"reader", "POST", "/api/v1/events", ``, 400, Usage, "{}"},
		{"reader", "POST", "/api/v1/events?query=x", `{}`, 400, Usage, "one or the other"},
		{"reader", "GET", "/api/v1/events?limit=ten", "", 400, Usage, "whole number"},
		{"reader", "GET", "/api/v1/events?limit=1&limit=2", "", 400, Usage, "once"},
		{"reader", "GET", "/api/v1/events?since=2026-11-21T00:00:00+01:00", "", 400, Usage, "%2B"},
		{"reader", "GET", "/api/v1/events?follow=maybe", "", 400, Usage, "true nor false"},
		{"reader", "GET", "/api/v1/events?detail=all", "", 400, Usage, "summary, whole, raw"},
		{"reader", "GET", "/api/v1/events?sort=latency&order=oldest", "", 400, Usage, "slowest"},
		{"reader", "GET", "/api/v1/events?after=yesterday", "", 400, Usage, "place"},
		{"reader", "GET", "/api/v1/events?query=verbb:get", "", 400, Usage, "verbb"},
		{"reader", "GET", "/api/v1/events?clusters=nowhere", "", 400, Usage, "prod, stage"},
		{"reader", "GET", "/api/v1/events?clusters=annals", "", 400, Usage, "prod, stage"},
		{"scoped", "GET", "/api/v1/events?clusters=stage", "", 400, Usage, "those with events are: prod"},
		{"reader", "GET", "/api/v1/tail?limit=-1", "", 400, Usage, "0 to 10000"},
		{"reader", "GET", "/api/v1/facets?fields=usr", "", 400, Usage, "did you mean user?"},
		{"reader", "GET", "/api/v1/values?field=user&limit=100000", "", 400, Usage, "1 to 1000"},
		{"reader", "GET", "/api/v1/hits?since=2026-11-21T01:00:00Z&until=2026-11-21T01:00:00Z", "", 400, Usage, "ends before it begins"},
		{"reader", "GET", "/api/v1/hits?since=2026-11-20T01:00:00Z&until=2026-11-21T01:00:00Z&step=1", "", 400, Usage, "2000"},
		{"reader", "GET", "/api/v1/hits?step=0.0001", "", 400, Usage, "millisecond"},
		{"reader", "GET", "/api/v1/event?cluster=prod&position=100000", "", 404, NotFound, "no event"},
		{"reader", "GET", "/api/v1/event?id=0a6bd2a4-0000-4000-8000-00000000ffff", "", 404, NotFound, "no event"},
		{"scoped", "GET", "/api/v1/event?id=0a6bd2a4-0000-4000-8000-000000000001", "", 404, NotFound, "no event"},
		{"scoped", "GET", "/api/v1/event?cluster=prod&position=1", "", 404, NotFound, "no event"},
		{"scoped", "GET", "/api/v1/proof?cluster=prod&id=1", "", 404, NotFound, "no event"},
		{"reader", "GET", "/api/v1/proof?cluster=prod&id=3", "", 403, Forbidden, "bodies"},
		{"reader", "GET", "/api/v1/export?format=raw", "", 403, Forbidden, "bodies"},
		{"reader", "GET", "/api/v1/export?format=cvs", "", 400, Usage, "did you mean csv?"},
		{"reader", "GET", "/api/v1/sql?statement=SELEC", "", 400, Usage, ""},
		{"reader", "GET", "/api/v1/neighbours?cluster=prod&position=1&by=name", "", 400, Usage, "actor, object or time"},
	} {
		for _, accept := range []string{"", "application/json"} {
			resp, text := call(t, srv, q.who, q.method, q.path, q.body, "Accept", accept)
			var line struct{ Error Error }
			if err := json.Unmarshal([]byte(text), &line); err != nil {
				t.Errorf("%s %s as %s: %q: %v", q.method, q.path, q.who, text, err)
				continue
			}
			if resp.StatusCode != q.status || line.Error.Kind != q.kind || !strings.Contains(line.Error.Message, q.says) {
				t.Errorf("%s %s as %q: %d %+v, want %d %s with %q", q.method, q.path, q.who, resp.StatusCode, line.Error, q.status, q.kind, q.says)
			}
			if q.status == 405 && resp.Header.Get("Allow") == "" {
				t.Errorf("%s %s: no Allow", q.method, q.path)
			}
		}
	}
}

func TestOnePiece(t *testing.T) {
	c := newCore(t)
	team(t, c)
	srv := serve(t, c)
	resp, text := call(t, srv, "reader", "GET", "/api/v1/events?limit=3", "", "Accept", "application/json")
	var whole struct {
		Items []query.Event
		End   query.Coverage
	}
	if err := json.Unmarshal([]byte(text), &whole); err != nil || len(whole.Items) != 3 || whole.End.Returned != 3 || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%v: %s", err, text)
	}
	for accept, piece := range map[string]bool{
		"": false, "*/*": false, "text/html,application/xml;q=0.9,*/*;q=0.8": false, "application/x-ndjson, application/json": false,
		"application/json;q=0.9,text/plain": true, "application/json, text/plain, */*": true,
	} {
		if _, text := call(t, srv, "reader", "GET", "/api/v1/fields", "", "Accept", accept); strings.HasPrefix(text, `{"items":[`) != piece {
			t.Errorf("with Accept %q: %.80s", accept, text)
		}
	}
	if _, text := call(t, srv, "reader", "GET", "/api/v1/events?query=nosuchword", "", "Accept", "application/json"); !strings.HasPrefix(text, `{"items":[],"end":{`) {
		t.Errorf("an empty answer: %s", text)
	}
	resp, text = call(t, srv, "reader", "GET", "/api/v1/sql?statement="+url.QueryEscape("SELECT * FROM range(20000)"), "", "Accept", "application/json")
	if resp.StatusCode != 400 || !strings.Contains(text, "10000 items") {
		t.Errorf("too large an answer: %d %.200s", resp.StatusCode, text)
	}
}

// Pages of an answer, put together, are the answer.
func TestPagesOfEvents(t *testing.T) {
	c := newCore(t)
	team(t, c)
	srv := serve(t, c)
	type answer struct {
		Items []query.Event
		End   query.Coverage
	}
	ask := func(params string) (a answer) {
		t.Helper()
		_, text := call(t, srv, "reader", "GET", "/api/v1/events?"+params, "", "Accept", "application/json")
		if err := json.Unmarshal([]byte(text), &a); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		return a
	}
	for _, order := range []string{"newest", "oldest"} {
		all := ask("order=" + order)
		var pages []query.Event
		after := ""
		for range 100 {
			p := ask("order=" + order + "&limit=37&after=" + url.QueryEscape(after))
			pages = append(pages, p.Items...)
			if !p.End.LimitReached {
				break
			}
			last := p.Items[len(p.Items)-1]
			after = fmt.Sprintf("%s,%s,%d", last.Time.Format(time.RFC3339Nano), last.Cluster, last.Position)
		}
		if d := cmp.Diff(all.Items, pages); d != "" || len(pages) != 300 {
			t.Errorf("%s: %d in pages, %d at once (-once +pages):\n%.2000s", order, len(pages), len(all.Items), d)
		}
	}
	slow := ask("sort=latency&limit=10").Items
	for i := range slow[1:] {
		if *slow[i].Latency < *slow[i+1].Latency {
			t.Errorf("the slowest: %v before %v", *slow[i].Latency, *slow[i+1].Latency)
		}
	}
}

// A tail gives the newest few, the oldest of them first, and then what arrives. It ends when whoever asked has gone.
func TestTail(t *testing.T) {
	c := newCore(t)
	team(t, c)
	srv := serve(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", srv.URL+"/api/v1/tail?limit=2&query=ns:team-a", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Test", "scoped")
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got []query.Event
	for s := bufio.NewScanner(resp.Body); len(got) < 3 && s.Scan(); {
		var line struct{ Item query.Event }
		if err := json.Unmarshal(s.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		if line.Item.Cluster == "" {
			continue // a beat
		}
		if got = append(got, line.Item); len(got) == 2 {
			add(t, c, "prod", eventText(1000, "create"), strings.ReplaceAll(eventText(1001, "create"), `"namespace":"prod"`, `"namespace":"team-a"`))
		}
	}
	if len(got) != 3 || !got[0].Time.Before(got[1].Time) || got[2].Name != "s1001" {
		t.Errorf("the tail gave %+v", got)
	}
	cancel()
	resp.Body.Close()
	eventually(t, "the tail goes on though nobody reads it", func() bool { return c.limits.answering() == 0 })
}

// A tail of nothing that is there gives what arrives.
func TestTailOfNothing(t *testing.T) {
	c := newCore(t)
	team(t, c)
	srv := serve(t, c)
	req, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL+"/api/v1/tail?limit=0", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Test", "reader")
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := json.NewDecoder(resp.Body)
	var line struct {
		Beat time.Time
		Item query.Event
	}
	// The first sign that the wait has begun; what is there was looked at by then, or is looked at as what arrives.
	if err := lines.Decode(&line); err != nil || line.Beat.IsZero() {
		t.Fatalf("%v: %+v", err, line)
	}
	stop := make(chan struct{})
	var adding sync.WaitGroup
	adding.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
				add(t, c, "late", eventText(2000+n, "create"))
			}
		}
	})
	defer adding.Wait()
	defer close(stop)
	if err := lines.Decode(&line); err != nil || line.Item.Cluster != "late" {
		t.Errorf("%v: %+v", err, line.Item)
	}
}

// eventually waits for what another goroutine is about to do.
func eventually(t *testing.T, otherwise string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(otherwise)
		}
	}
}
