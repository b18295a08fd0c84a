package server

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"annals.dev/internal/access"
	"annals.dev/internal/match"
	"annals.dev/internal/query/named"
)

// askedBy puts a question to a core as somebody, and gives the items of the answer.
func askedBy(t *testing.T, c *core, who access.Caller, q AskQuestion) ([]map[string]any, Answer, error) {
	t.Helper()
	var items []map[string]any
	answer, err := c.askNamed(t.Context(), c.askerFor(who), q, func(item any) error {
		b, err := json.Marshal(item)
		if err != nil {
			return err
		}
		var m map[string]any
		if err := json.Unmarshal(b, &m); err != nil {
			return err
		}
		items = append(items, m)
		return nil
	})
	return items, answer, err
}

var (
	theOwner = access.Caller{Name: "owner", Role: access.Admin, Bodies: true}
	aReader  = access.Caller{Name: "ann", Role: access.Reader}
)

func TestAskNamed(t *testing.T) {
	c := newCore(t)
	fill(t, c)
	items, answer, err := askedBy(t, c, theOwner, AskQuestion{Name: "secrets-changed"})
	if err != nil || len(items) < 10 || answer.Asked.Question.Name != "secrets-changed" || !answer.Cover.Complete || answer.Cover.Returned != len(items) {
		t.Fatalf("%d items, %+v, %v", len(items), answer, err)
	}
	if s := items[0]["sentence"]; !strings.HasPrefix(s.(string), "jane created ") {
		t.Errorf("the sentence is %q", s)
	}
	three := 3
	items, answer, err = askedBy(t, c, theOwner, AskQuestion{Name: "secrets-changed", Params: map[string]string{"name": "s3"}, Limit: &three, Detail: Whole})
	if err != nil || len(items) != 1 || items[0]["event"] == nil || !strings.HasSuffix(answer.Asked.Search, ` name:"s3"`) {
		t.Errorf("%v, %+v, %v", items, answer.Asked, err)
	}
	items, answer, err = askedBy(t, c, theOwner, AskQuestion{Name: "top-requests"})
	if err != nil || len(items) != 2 || items[0]["count"] != 10.0 || answer.Cover.Returned != 2 {
		t.Errorf("%v, %+v, %v", items, answer, err)
	}
	items, answer, err = askedBy(t, c, theOwner, AskQuestion{Name: "slowest", Params: map[string]string{"than": "1us"}, Limit: &three})
	if err != nil || len(items) != 3 || items[0]["name"] != "s9" || !answer.Cover.LimitReached {
		t.Errorf("%v, %+v, %v", items, answer, err)
	}
	minus := -1
	for _, tt := range []struct {
		q    AskQuestion
		want string
	}{
		{AskQuestion{Name: "secret-read"}, "did you mean secrets-read?"},
		{AskQuestion{Name: "actor"}, "actor wants user="},
		{AskQuestion{Name: "exec", Params: map[string]string{"where": "("}}, "the query ends"},
		{AskQuestion{Name: "exec", Clusters: []string{"nowhere"}}, `there is no cluster "nowhere"`},
		{AskQuestion{Name: "exec", Limit: &minus}, "limit -1"},
		{AskQuestion{Question: &named.Question{Name: "x"}}, "x has no title"},
	} {
		_, _, err := askedBy(t, c, theOwner, tt.q)
		if err == nil || !strings.Contains(err.Error(), tt.want) || KindOf(err) != Usage {
			t.Errorf("%+v: the error is %v, want %s", tt.q, err, tt.want)
		}
	}
	// One that came with the question.
	own := &named.Question{Name: "mine", Title: "T", About: "A", Group: "G", Search: "name:{n}", By: []string{"user"}, Params: []named.Parameter{{Name: "n", About: "A", Type: named.Text}}}
	items, _, err = askedBy(t, c, aReader, AskQuestion{Question: own, Params: map[string]string{"n": "s*"}})
	if err != nil || len(items) != 1 || items[0]["count"] != 10.0 {
		t.Errorf("%v, %v", items, err)
	}
}

// TestAskList holds that readers are not told of questions about what people do with Annals, and cannot ask them.
func TestAskList(t *testing.T) {
	c := newCore(t)
	fill(t, c)
	names := func(who access.Caller) (names []string) {
		items, answer, err := askedBy(t, c, who, AskQuestion{})
		if err != nil || answer.Trouble != "" || answer.Cover.Returned != len(items) {
			t.Fatalf("%+v, %v", answer, err)
		}
		for _, i := range items {
			names = append(names, i["name"].(string))
		}
		return names
	}
	if all := names(theOwner); !slices.Contains(all, "own-acts") || !slices.Contains(all, "exec") {
		t.Errorf("%v", all)
	}
	if all := names(aReader); slices.Contains(all, "own-acts") || !slices.Contains(all, "exec") {
		t.Errorf("%v", all)
	}
	if _, _, err := askedBy(t, c, aReader, AskQuestion{Name: "own-acts"}); KindOf(err) != Forbidden {
		t.Errorf("a reader asks for own acts: %v", err)
	}
	sneaky := &named.Question{Name: "x", Title: "T", About: "A", Group: "G", Search: "*", Clusters: []string{"annals"}}
	if items, _, err := askedBy(t, c, aReader, AskQuestion{Question: sneaky}); KindOf(err) != Forbidden || items != nil {
		t.Errorf("a reader asks for own acts in other words: %v", err)
	}
	if items, _, err := askedBy(t, c, theOwner, AskQuestion{Name: "own-acts"}); err != nil || len(items) != 0 {
		t.Errorf("own acts where nothing was done yet: %v, %v", items, err)
	}
	add(t, c, "annals", strings.Replace(eventText(5, "list"), `"resource":"secrets"`, `"resource":"events","apiGroup":"annals.dev"`, 1))
	if items, _, err := askedBy(t, c, theOwner, AskQuestion{Name: "own-acts"}); err != nil || len(items) != 1 || items[0]["sentence"] != "jane searched the events" {
		t.Errorf("%v, %v", items, err)
	}
}

// TestAskScoped: a question is answered about what somebody may see.
func TestAskScoped(t *testing.T) {
	c := newCore(t)
	fill(t, c)
	scope, err := match.Parse("name:s3")
	if err != nil {
		t.Fatal(err)
	}
	who := aReader
	who.Scope, who.ScopeText = scope, scope.String()
	for _, name := range []string{"secrets-changed", "top-requests"} {
		items, answer, err := askedBy(t, c, who, AskQuestion{Name: name})
		if err != nil || len(items) != 1 || answer.Cover.Considered > 1 {
			t.Errorf("%s: %v, %+v, %v", name, items, answer.Cover, err)
		}
	}
}

// TestAskFile: questions in the data directory are there at once, and where they cannot be read, the others still are.
func TestAskFile(t *testing.T) {
	c := newCore(t)
	fill(t, c)
	path := filepath.Join(c.dir, QuestionsFile)
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("- {name: mine, group: Ours, title: Mine?, about: It is., search: 'name:s4'}\n")
	items, _, err := askedBy(t, c, aReader, AskQuestion{Name: "mine"})
	if err != nil || len(items) != 1 {
		t.Errorf("%v, %v", items, err)
	}
	write("- {name: exec, group: Ours, title: Mine?, about: It is., search: 'name:s4'}\n")
	_, answer, err := askedBy(t, c, aReader, AskQuestion{})
	if err != nil || !strings.HasPrefix(answer.Trouble, "questions.yaml:1:10: a question named exec comes with Annals already") {
		t.Errorf("%+v, %v", answer, err)
	}
	if _, _, err := askedBy(t, c, aReader, AskQuestion{Name: "exec"}); err != nil {
		t.Errorf("a built-in question beside a file that cannot be read: %v", err)
	}
	if _, _, err := askedBy(t, c, aReader, AskQuestion{Name: "mine"}); err == nil || !strings.Contains(err.Error(), "questions.yaml:1:10") {
		t.Errorf("a question of a file that cannot be read: %v", err)
	}
}
