package server

import (
	"net/http"
	"strings"
	"testing"

	"annals.dev/internal/access"
	"annals.dev/internal/ledger"
)

// Where Annals' own acts are all that there is, they are still in no answer to whoever does not name them, and in none for a reader.
func TestOnlyOwnActs(t *testing.T) {
	c := newCore(t)
	s := &site{t: t, core: c, h: c.overHTTP(true, http.NotFoundHandler()), tokens: map[string]string{}}
	for name, want := range map[string]access.Token{
		"reader": {Role: access.Reader, Name: "rita"}, "scoped": {Role: access.Reader, Name: "sam", Scope: "user:*"},
		"auditor": {Role: access.Auditor, Name: "olga", Bodies: true},
	} {
		s.tokens[name] = s.token(want)
	}
	s.post("auditor", "events", `{"query":"user:olga"}`)
	s.post("auditor", "objects/history", `{"resource":"pods","name":"web"}`)
	if n := c.sizes(nil)[ledger.Own]; n < 2 {
		t.Fatalf("%d acts are on record", n)
	}
	for name, question := range map[string]string{
		"events": `{"detail":"whole"}`, "hits": `{"rows":true,"by":"user"}`, "facets": `{"fields":["user"]}`, "values": `{"field":"user"}`,
		"overview": `{}`, "ask": `{"name":"slowest"}`, "sessions": `{}`, "actors/rbac": `{"user":"olga"}`, "actors/profile": `{"user":"olga"}`,
		"sql": `{"statement":"SELECT user FROM events"}`, "event": `{"id":"0"}`, "objects/history": `{"resource":"pods","name":"web"}`, "export": `{"archive":"none"}`,
	} {
		for role := range s.tokens {
			w := s.post(role, name, question)
			given := strings.Replace(w.Body.String(), `{"end":{"user":"olga",`, "", 1) // which repeats the question
			if strings.Contains(given, `"olga"`) || strings.Contains(given, `"name":"annals"`) {
				t.Errorf("%s asks %s: %d %s", role, name, w.Code, w.Body)
			}
			if strings.Contains(w.Body.String(), "no cluster") {
				t.Errorf("%s asks %s: a cluster is missed: %s", role, name, w.Body)
			}
		}
	}
	for name, question := range map[string]string{
		"events": `{"clusters":["annals"]}`, "sql": `{"statement":"SELECT user FROM events","clusters":["annals"]}`,
	} {
		if w := s.post("auditor", name, question); !strings.Contains(w.Body.String(), `"olga"`) {
			t.Errorf("%s, of annals: %d %s", name, w.Code, w.Body)
		}
		if w := s.post("reader", name, question); w.Code != http.StatusBadRequest || strings.Contains(w.Body.String(), `"olga"`) {
			t.Errorf("%s, of annals, for a reader: %d %s", name, w.Code, w.Body)
		}
	}
}

// A question that cannot be answered as it is asked is the fault of whoever asks, wherever that shows.
func TestWrongSteps(t *testing.T) {
	s := newSite(t)
	add(t, s.core, "prod", strings.NewReplacer("2026-11-21", "1999-11-21").Replace(eventText(500, "get")))
	for _, params := range []string{"step=1", "step=0.0001", "step=-1", "step=NaN", "by=moon", "buckets=-1", "since=2026-11-21T08:00:00Z&until=2026-11-20T08:00:00Z"} {
		if w := s.do(request("GET", api+"hits?"+params, "", "Authorization", "Bearer "+s.tokens["reader"])); w.Code != http.StatusBadRequest || kindOf(w) != Usage {
			t.Errorf("%s: %d %s", params, w.Code, w.Body)
		}
	}
}
