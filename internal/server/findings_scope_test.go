package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"annals.dev/internal/access"
	"annals.dev/internal/query"
	"annals.dev/internal/query/querytest"
)

// scopeRules find something of many events, some by what is read in bodies, some by what several events have in common.
const scopeRules = `
title: Writes
id: writes
level: high
tags: [attack.t1485, attack.impact]
logsource: {product: kubernetes, service: audit}
detection:
  s: {verb: [create, update, patch, delete]}
  condition: s
---
title: Many of one user in one namespace
id: many-there
level: critical
tags: [attack.t1496]
correlation:
  type: event_count
  rules: [writes]
  group-by: [user.username, objectRef.namespace]
  timespan: 2d
  condition: {gte: 3}
---
title: Many of one user
id: many
level: critical
tags: [attack.t1499]
correlation:
  type: event_count
  rules: [writes]
  group-by: [user.username]
  timespan: 2d
  condition: {gte: 2}
---
title: A body
id: body
level: low
logsource: {product: kubernetes, service: audit}
detection:
  s: {requestObject|exists: true}
  condition: s
`

// sideCore is a server over one side of a pair, whose rules have looked at all events.
func sideCore(t *testing.T, s *querytest.Side) *core {
	t.Helper()
	c := &core{dir: s.Dir, ledger: s.Ledger, engine: s.Engine, log: quiet}
	if err := os.MkdirAll(filepath.Join(c.dir, rulesDir), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.dir, rulesDir, "r.yml"), []byte(scopeRules), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.catchUp(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.watch.alerts.close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// findingQuestions are what somebody may ask about findings.
var findingQuestions = []string{
	"findings?limit=0", "findings?severity=high&limit=3", "findings?query=requestObject.count>1&limit=0", "findings?withdrawn=true&limit=0", "findings/groups?by=rule", "findings/groups?by=user&by=namespace&by=technique",
	"rules", "rules/rule?id=writes", "rules/attack", "rules/hunt?text=" + "id:+x%0Atitle:+t%0Asearch:+verb:create%0Aseverity:+low%0A",
}

// samePair asks both sides all that may be asked about findings, and gives how many findings the reader saw.
func samePair(t *testing.T, p *querytest.Pair, by access.Caller) (seen int) {
	t.Helper()
	cores := map[*querytest.Side]*core{}
	for _, s := range p.Sides {
		cores[s] = sideCore(t, s)
	}
	ask := func(s *querytest.Side, path string) (any, error) {
		c := cores[s]
		r := httptest.NewRequest("GET", api+path, nil)
		r.Header.Set("Accept", "application/json")
		w := httptest.NewRecorder()
		c.questions().ServeHTTP(w, r.WithContext(withAsker(r.Context(), c.askerFor(by))))
		var v struct {
			Items []map[string]any `json:"items"`
			End   map[string]any   `json:"end"`
			Error any              `json:"error"`
		}
		err := json.Unmarshal(bytes.ReplaceAll(w.Body.Bytes(), []byte(s.Dir), []byte("(data)")), &v) // where it lies
		delete(v.End, "loaded")                                                                      // when it read the rules
		delete(v.End, "proof")                                                                       // whether it was signed yet
		if path == findingQuestions[0] {
			seen = len(v.Items)
		}
		return v, err
	}
	for _, q := range findingQuestions {
		p.SameSides(t, q, func(s *querytest.Side) (any, error) { return ask(s, q) })
	}
	// One by one, by the IDs of all findings that either side has.
	for k, s := range p.Sides {
		none := 0
		admin := cores[s].askerFor(access.Caller{Name: "admin", Role: access.Admin, Bodies: true})
		all := 0
		if _, err := cores[s].findings(t.Context(), admin, FindingsQuestion{Limit: &none}, func(f Finding) error {
			if all++; all%7 == 0 {
				p.SameSides(t, "finding "+f.Rule, func(s *querytest.Side) (any, error) { return ask(s, "findings/finding?id="+f.ID) })
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if all == 0 {
			t.Fatalf("rules found nothing in side %d", k)
		}
	}
	return seen
}

func pairEvents(rng *rand.Rand, n int) (events [][]byte) {
	for i := range n {
		user, ns := []string{"jane", "bob", "eve"}[rng.IntN(3)], []string{"team-a", "team-b", "prod"}[rng.IntN(3)]
		verb := []string{"create", "get", "delete", "list"}[rng.IntN(4)]
		body := ""
		if verb == "create" {
			body = `"requestObject":{"kind":"ConfigMap","data":{"a":"b"}},`
		}
		events = append(events, fmt.Appendf(nil, `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Request","auditID":"%08x-0000-4000-8000-%012d","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/%s/configmaps","verb":"%s","user":{"username":"%s"},"sourceIPs":["192.0.2.%d"],"objectRef":{"resource":"configmaps","namespace":"%s","name":"c%d","apiVersion":"v1"},"responseStatus":{"metadata":{},"code":200},%s"requestReceivedTimestamp":"2026-11-20T%02d:%02d:00.000000Z","stageTimestamp":"2026-11-20T%02d:%02d:00.001000Z"}`,
			rng.Uint32(), i, ns, verb, user, rng.IntN(9)+1, ns, i, body, i/60%24, i%60, i/60%24, i%60))
	}
	return events
}

// A reader with a scope learns nothing of what others do from what rules found: two ledgers that are equal within the scope
// and otherwise as different as they can be answer alike, whatever is asked.
func TestScopedFindings(t *testing.T) {
	for i, scope := range []string{"ns:team-a", "user:jane", "-ns:prod", "name:c1*"} {
		t.Run(scope, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(i), 7))
			p := querytest.Scoped(t, rng, scope, true, pairEvents(rng, 120))
			seen := samePair(t, p, access.Caller{Name: "sam", Role: access.Reader, Bodies: true, Scope: p.Sight.Scope, ScopeText: scope, TokenID: "d"})
			if seen == 0 {
				t.Error("the reader sees no finding, not even of its own")
			}
		})
	}
}

// A reader without a right to bodies learns nothing of them.
func TestFindingsWithoutBodies(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 7))
	p := querytest.Bodiless(t, rng, "", pairEvents(rng, 80))
	for _, s := range p.Sides {
		s.Reader = s.Engine.As(query.Sight{})
	}
	if seen := samePair(t, p, access.Caller{Name: "bob", Role: access.Reader, Scope: predicate(t, "-cluster:annals"), TokenID: "c"}); seen == 0 {
		t.Error("the reader sees no finding")
	}
}
