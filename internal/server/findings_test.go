package server

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"annals.dev/internal/detect"
	"annals.dev/internal/query"
)

// rule1 and rule2 are rules of the tests.
const (
	rule1 = "id: saved-000000000001\ntitle: Somebody deleted a secret\nsearch: verb:delete resource:secrets\nseverity: high\ntechniques: [T1485]\ntactics: [impact]\n"
	rule2 = "id: saved-000000000002\ntitle: Somebody read secrets of a team\nsearch: verb:get ns:team-a\nseverity: low\ntechniques: [T1552.007]\n"
)

// watchedCore has two rules look at a core's events, and gives what they found, the newest first.
func watchedCore(t *testing.T, c *core) (found []Finding) {
	t.Helper()
	for name, text := range map[string]string{"rules/saved-000000000001.yml": rule1, "rules/saved-000000000002.yml": rule2, WatchFile: "rules:\n  builtin: false\n"} {
		path := filepath.Join(c.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.catchUp(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	none := 0
	_, err := c.findings(t.Context(), c.askerFor(callers(t)["admin"]), FindingsQuestion{Limit: &none}, func(f Finding) error {
		found = append(found, f)
		return nil
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("%d findings, %v", len(found), err)
	}
	return found
}

// tellSomebody configures a destination, which nothing tells anything yet.
func tellSomebody(t *testing.T, c *core) {
	t.Helper()
	text := "rules:\n  builtin: false\nalerts:\n  destinations:\n  - {name: ops, kind: webhook, url: 'http://127.0.0.1:9/'}\n  routes:\n  - {to: [ops]}\n"
	if err := os.WriteFile(filepath.Join(c.dir, WatchFile), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.reloadRules(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.openAlerter(); err != nil {
		t.Fatal(err)
	}
}

// deletions are events of which rules find something: n of each namespace.
func deletions(t *testing.T, c *core, n int) {
	t.Helper()
	var texts []string
	for i := range n {
		for k, ns := range []string{"prod", "team-a", "team-b"} {
			text := eventText(1000+10*i+k, "delete")
			texts = append(texts, strings.NewReplacer(`"namespace":"prod"`, `"namespace":"`+ns+`"`, `"jane"`, `"`+[]string{"jane", "bob"}[i%2]+`"`).Replace(text))
		}
	}
	add(t, c, "prod", texts...)
}

// answers asks and gives what was answered.
func answers[Item, End any](t *testing.T, srv interface {
	get(role, path string) (int, string)
}, role, path string) (items []Item, end End) {
	t.Helper()
	status, text := srv.get(role, path)
	var whole struct {
		Items []Item
		End   End
	}
	if err := json.Unmarshal([]byte(text), &whole); err != nil || status != http.StatusOK {
		t.Fatalf("%s as %s: %d %v: %.500s", path, role, status, err, text)
	}
	return whole.Items, whole.End
}

type asking struct {
	t    *testing.T
	call func(role, path string) (int, string)
}

func (a asking) get(role, path string) (int, string) { return a.call(role, path) }

func ofCore(t *testing.T, c *core) asking {
	srv := serve(t, c)
	return asking{t, func(role, path string) (int, string) {
		resp, text := call(t, srv, role, "GET", api+path, "", "Accept", "application/json")
		return resp.StatusCode, text
	}}
}

func TestFindings(t *testing.T) {
	c := newCore(t)
	deletions(t, c, 4)
	all := watchedCore(t, c)
	if len(all) != 12 || all[0].RuleName != "saved-000000000001" || all[0].Severity != detect.High || all[0].User == "" || all[0].Position == 0 {
		t.Fatalf("%d findings, the first %+v", len(all), all[0])
	}
	a := ofCore(t, c)
	ids := func(some []Finding) (ids []string) {
		for _, f := range some {
			ids = append(ids, f.ID)
		}
		return ids
	}
	for params, want := range map[string]int{
		"": 12, "severity=critical": 0, "severity=medium": 12, "users=bob": 6, "users=bob&users=jane": 12, "namespaces=team-a": 4,
		"namespaces=team-a&namespaces=team-b": 8, "rules=saved-000000000001": 12, "rules=nosuch": 0, "techniques=T1485": 12, "techniques=T1552": 0,
		"query=" + url.QueryEscape("user:bob ns:team-a"): 2, "query=" + url.QueryEscape(`requestObject.severity:high "deleted a secret" code<400`): 12,
		"query=verb:create": 0, "clusters=prod": 12, "since=2026-11-21T00:54:00Z": 12, "until=2026-11-21T00:54:00Z": 0, "limit=5": 5,
	} {
		got, end := answers[Finding, FindingsCover](t, a, "admin", "findings?"+params)
		if len(got) != want || end.Returned != want || !end.Complete || end.LimitReached != (params == "limit=5") || end.Rules != 2+detectorRules {
			t.Errorf("%s: %d findings, want %d; %+v", params, len(got), want, end)
		}
	}
	var pages []string
	after := ""
	for range 10 {
		got, end := answers[Finding, FindingsCover](t, a, "admin", "findings?limit=5&after="+after)
		pages = append(pages, ids(got)...)
		if after = end.Next; after == "" {
			break
		}
	}
	if d := cmp.Diff(ids(all), pages); d != "" {
		t.Errorf("pages (-all +pages):\n%s", d)
	}
	for path, want := range map[string]Kind{
		"findings?severity=worst": Usage, "findings?clusters=nosuch": Usage, "findings?limit=-1": Usage, "findings?after=xyz": Usage, "findings?query=" + url.QueryEscape("("): Usage,
		"findings?since=2026-11-22T00:00:00Z&until=2026-11-21T00:00:00Z": Usage, "findings/finding?id=zz": Usage,
		"findings/finding?id=" + strings.Repeat("0", 32): NotFound, "findings/groups?by=colour": Usage, "findings/groups?limit=-1": Usage,
		"rules/rule?id=nosuch": NotFound, "rules/hunt": Usage, "rules/hunt?ids=nosuch": NotFound, "rules/hunt?text=nonsense": Usage,
	} {
		_, text := a.get("admin", path)
		var line struct{ Error Error }
		if err := json.Unmarshal([]byte(text), &line); err != nil || line.Error.Kind != want {
			t.Errorf("%s: %s, want %s", path, text, want)
		}
	}
}

// detectorRules is how many rules the detectors in Go have.
var detectorRules = func() (n int) {
	own, _ := newDetectors(WatchConfig{})
	for _, d := range own.all() {
		n += len(d.Rules())
	}
	n += len(detect.OwnRules())
	return n
}()

func TestOneFinding(t *testing.T) {
	c := newCore(t)
	deletions(t, c, 1)
	all := watchedCore(t, c)
	var d FindingDetail
	_, d = answers[nothing, FindingDetail](t, ofCore(t, c), "admin", "findings/finding?id="+all[0].ID[:12])
	if d.Finding.ID != all[0].ID || len(d.Events) != 1 || d.Events[0].Position != all[0].Positions[0] || d.Events[0].Event == nil {
		t.Errorf("%+v", d)
	}
	if d.Rule == nil || d.Rule.Text == "" || d.Rule.Predicate != "verb:delete objectRef.resource:secrets" || d.Changed || !d.Rule.Saved || d.Rule.Words == "" {
		t.Errorf("its rule: %+v", d.Rule)
	}
	if len(d.Finding.Matched) == 0 {
		t.Errorf("it does not say why: %+v", d.Finding)
	}
}

func TestFindingGroups(t *testing.T) {
	c := newCore(t)
	deletions(t, c, 4)
	watchedCore(t, c)
	a := ofCore(t, c)
	groups, end := answers[FindingGroup, FindingGroupsEnd](t, a, "admin", "findings/groups")
	if len(groups) != 1 || groups[0].Count != 12 || groups[0].Values["rule"] != "saved-000000000001" || end.Findings != 12 || end.Groups != 1 {
		t.Fatalf("%+v %+v", groups, end)
	}
	if d := cmp.Diff([]query.Value{{Value: "bob", Count: 6}, {Value: "jane", Count: 6}}, groups[0].Users); d != "" {
		t.Errorf("users (-want +got):\n%s", d)
	}
	sum := 0
	for _, n := range groups[0].Buckets {
		sum += n
	}
	if sum != 12 || len(groups[0].Buckets) != 24 {
		t.Errorf("the histogram: %v", groups[0].Buckets)
	}
	groups, end = answers[FindingGroup, FindingGroupsEnd](t, a, "admin", "findings/groups?by=namespace&by=user&limit=2")
	if len(groups) != 2 || end.Groups != 6 || !end.Cover.LimitReached || groups[0].Count != 2 {
		t.Errorf("%+v %+v", groups, end)
	}
}

func TestRules(t *testing.T) {
	c := newCore(t)
	deletions(t, c, 2)
	watchedCore(t, c)
	a := ofCore(t, c)
	rules, end := answers[RuleState, RulesEnd](t, a, "admin", "rules")
	if len(rules) != 2+detectorRules || end.Rules != len(rules) {
		t.Fatalf("%d rules, %+v", len(rules), end)
	}
	i := slices.IndexFunc(rules, func(r RuleState) bool { return r.ID == "saved-000000000001" })
	if r := rules[i]; r.Findings != 6 || r.Last.IsZero() || !r.On || !r.Saved || r.Text != "" {
		t.Errorf("%+v", r)
	}
	techniques, attack := answers[AttackTechnique, AttackEnd](t, a, "admin", "rules/attack")
	i = slices.IndexFunc(techniques, func(x AttackTechnique) bool { return x.ID == "T1485" })
	if x := techniques[i]; x.Findings != 6 || len(x.Rules) == 0 || x.Rules[0].Findings != 6 || attack.Fired != 1 || attack.Covered < 2 {
		t.Errorf("%+v %+v", x, attack)
	}
	found, hunted := answers[Finding, HuntEnd](t, a, "admin", "rules/hunt?ids=saved-000000000001")
	if len(found) != 6 || hunted.Findings != 6 || hunted.Rules != 1 {
		t.Errorf("the hunt: %d, %+v", len(found), hunted)
	}
}

// Every technique that a rule of ours names has a name, and stands under a tactic.
func TestTechniquesHaveNames(t *testing.T) {
	l, err := load("", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	columns := map[string]bool{}
	for _, x := range tactics {
		columns[x.ID] = true
	}
	for _, x := range techniques {
		known[x.id] = true
		for _, of := range strings.Fields(x.tactics) {
			if !columns[of] {
				t.Errorf("%s is of %s, which is no tactic", x.id, of)
			}
		}
	}
	for _, r := range l.rules {
		for _, id := range r.Techniques {
			if !known[id] {
				t.Errorf("rule %s: %s has no name here", r.ID, id)
			}
		}
	}
}

// A search that is saved is a rule at once, also of what is there.
func TestSavedRules(t *testing.T) {
	c := newCore(t)
	deletions(t, c, 1)
	watchedCore(t, c)
	srv := serve(t, c)
	post := func(name, body string) (status int, s RuleState) {
		t.Helper()
		resp, text := call(t, srv, "admin", "POST", api+name, body, "Accept", "application/json")
		var whole struct{ End RuleState }
		_ = json.Unmarshal([]byte(text), &whole)
		return resp.StatusCode, whole.End
	}
	status, s := post("rules/save", `{"title":"Reads","search":"verb:get","severity":"low","techniques":["T1552"]}`)
	if status != 200 || !savedID.MatchString(s.ID) || s.Search != "verb:get" || s.Author != "admin" || !s.Saved {
		t.Fatalf("%d %+v", status, s)
	}
	version := s.Version
	if status, s = post("rules/save", `{"id":"`+s.ID+`","title":"Reads","search":"verb:list","severity":"medium"}`); status != 200 || s.Search != "verb:list" || s.Version == version {
		t.Errorf("%d %+v", status, s)
	}
	for body, want := range map[string]int{
		`{"title":"x","search":"verb:","severity":"low"}`: 400, `{"title":"","search":"verb:get","severity":"low"}`: 400, `{"title":"x","search":"y","severity":"dire"}`: 400,
		`{"id":"../../x","title":"x","search":"y","severity":"low"}`: 400, `{"id":"saved-ffffffffffff","title":"x","search":"y","severity":"low"}`: 404,
	} {
		if status, _ := post("rules/save", body); status != want {
			t.Errorf("%s: %d, want %d", body, status, want)
		}
	}
	if status, _ := post("rules/remove", `{"id":"`+s.ID+`"}`); status != 200 {
		t.Errorf("removing: %d", status)
	}
	if status, _ := post("rules/remove", `{"id":"`+s.ID+`"}`); status != 404 {
		t.Errorf("removing again: %d", status)
	}
	if status, _ := post("rules/remove", `{"id":"../watch"}`); status != 400 {
		t.Errorf("removing what was not saved: %d", status)
	}
}

// A file that cannot be read leaves the rules as they are, and says so.
func TestBadRulesKeepTheOld(t *testing.T) {
	c := newCore(t)
	deletions(t, c, 1)
	watchedCore(t, c)
	if err := os.WriteFile(filepath.Join(c.dir, WatchFile), []byte("rules:\n  builtim: false\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.reloadRules(t.Context()); err == nil {
		t.Error("a file that is wrong is read")
	}
	_, end := answers[RuleState, RulesEnd](t, ofCore(t, c), "admin", "rules")
	if end.Rules != 2+detectorRules || !strings.Contains(end.Trouble, "watch.yaml:2") {
		t.Errorf("%+v", end)
	}
}

// Rules are read anew when their files change, and when that is asked for; what they find from then on is found.
func TestRulesAreFollowed(t *testing.T) {
	c := newCore(t)
	watchedBy := c.watch.ready(c)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	reload := make(chan struct{})
	ended := make(chan error, 1)
	go func() { ended <- c.followRules(ctx, reload) }()
	if err := os.MkdirAll(filepath.Join(c.dir, rulesDir), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.savedFile("saved-000000000001"), []byte(rule1), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a new file of rules is not read", func() bool { return len(c.watch.ready(c).rules) == len(watchedBy.rules)+1 })
	was := c.watch.ready(c)
	reload <- struct{}{}
	eventually(t, "the rules are not read when that is asked for", func() bool { return c.watch.ready(c) != was })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A tail gives the newest findings, and then each as it is recorded.
func TestTailOfFindings(t *testing.T) {
	c := newCore(t)
	deletions(t, c, 2)
	all := watchedCore(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	two := 2
	var got []string
	_, err := c.tailFindings(ctx, c.askerFor(callers(t)["admin"]), FindingsTailQuestion{Limit: &two}, func(f Finding) error {
		if got = append(got, f.ID); len(got) == 2 {
			add(t, c, "prod", eventText(5000, "delete"))
			if err := c.catchUp(ctx, nil); err != nil {
				return err
			}
		}
		if len(got) == 3 {
			if !strings.Contains(f.Name, "s5000") {
				t.Errorf("what came: %+v", f)
			}
			cancel()
		}
		return nil
	})
	if len(got) != 3 || got[0] != all[1].ID || got[1] != all[0].ID {
		t.Errorf("%v, %v", got, err)
	}
}

func TestSilences(t *testing.T) {
	c := newCore(t)
	deletions(t, c, 1)
	all := watchedCore(t, c)
	srv := serve(t, c)
	post := func(name, body string) (int, Silence) {
		t.Helper()
		resp, text := call(t, srv, "auditor", "POST", api+name, body, "Accept", "application/json")
		var whole struct{ End Silence }
		_ = json.Unmarshal([]byte(text), &whole)
		return resp.StatusCode, whole.End
	}
	end := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	status, s := post("silences/create", `{"match":{"user":"`+all[0].User+`"},"reason":"moving","end":"`+end+`"}`)
	if status != 200 || s.Owner != "auditor" || s.ID == "" {
		t.Fatalf("%d %+v", status, s)
	}
	a := ofCore(t, c)
	if list, _ := answers[Silence, SilencesEnd](t, a, "auditor", "silences"); len(list) != 1 {
		t.Errorf("%+v", list)
	}
	if _, d := answers[nothing, FindingDetail](t, a, "admin", "findings/finding?id="+all[0].ID); len(d.Silences) != 1 {
		t.Errorf("the finding's silences: %+v", d.Silences)
	}
	if status, _ := post("silences/create", `{"match":{},"reason":"all","end":"`+end+`"}`); status != 400 {
		t.Errorf("a silence of everything: %d", status)
	}
	if status, _ := post("silences/expire", `{"id":"`+s.ID+`"}`); status != 200 {
		t.Errorf("ending it: %d", status)
	}
	if status, _ := post("silences/expire", `{"id":"`+s.ID+`"}`); status != 404 {
		t.Errorf("ending it again: %d", status)
	}
	if list, _ := answers[Silence, SilencesEnd](t, a, "auditor", "silences"); len(list) != 0 {
		t.Errorf("%+v", list)
	}
}
