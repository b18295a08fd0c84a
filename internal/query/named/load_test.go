package named

import (
	"strings"
	"testing"
)

func TestWith(t *testing.T) {
	const good = "- name: mine\n  group: Ours\n  title: What is mine?\n  about: All that is.\n  search: user:me\n"
	s, err := BuiltIn().With("q.yaml", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if q, err := s.Get("mine"); err != nil || q.File != "q.yaml" || q.Search != "user:me" {
		t.Errorf("%+v, %v", q, err)
	}
	if s, err := BuiltIn().With("q.yaml", nil); err != nil || len(s.All()) != len(BuiltIn().All()) {
		t.Errorf("an empty file: %v", err)
	}
	with := func(s string) string { return good + s }
	for _, tt := range []struct{ name, text, want string }{
		{"no list", "name: x\n", "q.yaml:1:"},
		{"not YAML", "- name: [\n", "q.yaml:1:"},
		{"two documents", good + "---\n" + good, "2 YAML documents"},
		{"unknown member", with("  serach: x\n"), `q.yaml:6:3: unknown field "serach"`},
		{"file given", with("  file: x\n"), "q.yaml:6:3: unknown field"},
		{"member twice", with("  title: x\n"), "q.yaml:6:3: "},
		{"of a wrong type", with("  by: {a: b}\n"), "q.yaml:6:"},
		{"name", strings.Replace(good, "mine", "Mine!", 1), `q.yaml:1:9: the name is "Mine!"`},
		{"no title", strings.Replace(good, "  title: What is mine?\n", "", 1), "q.yaml:1:3: mine has no title"},
		{"search", strings.Replace(good, "user:me", "usr:me", 1), "q.yaml:5:11: the search is wrong: unknown field \"usr\", did you mean user?"},
		{"shadows", strings.Replace(good, "mine", "exec", 1), "q.yaml:1:9: a question named exec comes with Annals already"},
		{"twice", good + good, "q.yaml:6:9: a question named mine stands in q.yaml already"},
		{"unknown parameter", strings.Replace(good, "user:me", `"user:{me}"`, 1), "{me} is not a parameter of mine"},
		{"by", with("  by: [verb, colour]\n"), `q.yaml:6:14: events cannot be counted by "colour"`},
		{"sort", with("  sort: size\n"), `q.yaml:6:9: sort is "size"`},
		{"sort and by", with("  sort: time\n  by: [verb]\n"), "leave sort out"},
		{"needs", with("  needs: Everything\n"), `q.yaml:6:10: needs is "Everything"`},
		{"parameter's name", with("  params: [{name: where, type: text, about: A, term: 'ns:{where}'}]\n"), `a parameter is named "where"`},
		{"parameter's type", with("  params: [{name: p, type: colour, about: A, term: 'ns:{p}'}]\n"), `q.yaml:6:28: parameter p has the type "colour"`},
		{"no type", with("  params: [{name: p, about: A, term: 'ns:{p}'}]\n"), `parameter p has the type ""`},
		{"parameter not used", with("  params: [{name: p, type: text, about: A}]\n"), "parameter p must stand either in the search or in a term"},
		{"term without it", with("  params: [{name: p, type: text, about: A, term: 'ns:x'}]\n"), "does not hold {p}"},
		{"term without field", with("  params: [{name: p, type: text, about: A, term: '{p}'}]\n"), "must stand right behind a field"},
		{"query behind a field", with("  params: [{name: p, type: query, about: A, term: 'ns:{p}'}]\n"), "must stand by itself"},
		{"in quotes", with("  params: [{name: p, type: text, about: A, term: '\"ns:{p}\"'}]\n"), "must stand right behind a field"},
		{"glued", with("  params: [{name: p, type: text, about: A, term: 'ns:{p}x'}]\n"), "must stand right behind a field"},
		{"default", with("  params: [{name: p, type: hours, about: A, default: 'never', term: 'hour:{p}'}]\n"), `p="never"`},
		{"list compared", with("  params: [{name: p, type: hours, about: A, term: 'hour>{p}'}]\n"), "cannot be followed by a list"},
	} {
		_, err := BuiltIn().With("q.yaml", []byte(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "q.yaml:") {
			t.Errorf("%s: the error is %v, want %s", tt.name, err, tt.want)
		}
	}
}

// FuzzWith: no file makes it panic, and what it takes can be asked.
func FuzzWith(f *testing.F) {
	f.Add([]byte("- {name: a, group: G, title: T, about: A, search: 'user:{x}', params: [{name: x, type: text, about: A}]}"))
	f.Add(builtIn[:4000])
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := (&Set{}).With("q.yaml", text)
		if err != nil {
			return
		}
		for _, q := range s.All() {
			params := map[string]string{}
			for _, p := range q.Params {
				params[p.Name] = types[p.Type].example
			}
			if _, err := s.Ask(q.Name, params); err != nil {
				t.Errorf("%s was taken and cannot be asked: %v", q.Name, err)
			}
		}
	})
}
