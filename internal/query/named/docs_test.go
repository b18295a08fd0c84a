package named

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const docsHead = `# Questions

<!-- Made from internal/query/named/questions.yaml by go test ./internal/query/named -run TestDocument -update. Do not edit. -->

` + "`annals ask` lists these questions, `annals ask NAME` answers one, and `annals ask NAME --about` tells about it. The API answers" + `
them at ` + "`/api/v1/ask`" + `, the web UI under Questions: the same questions, the same answers. Each is a [search](search.md), and says
which search it ran.

    annals ask secrets-read ns=prod --since today
    annals ask outside networks=10.0.0.0/8,192.0.2.0/24
    annals ask object-changes object=deploy/web ns=prod
    annals ask new-admins --since 1d --fail-if-any

A question that counts gives rows, the most frequent first; the others give events, the newest first. Most leave out the stage
RequestReceived, so that a request counts once; requests that last (watch, exec, log, proxy) have an event when they begin and one
when they end. *Needs* is the audit level below which the answer misses what it is about: a policy that records less makes it empty,
and nothing can tell that from "it did not happen".

What each answer is was checked against a second, independent reading of the raw events with jq: see
internal/query/named/testdata/jq.md.

## Parameters

Every question has ` + "`where=QUERY`" + `, a search that narrows its answer. A value never breaks out of its place: whatever it holds is
looked for, or refused.

| type | values |
|---|---|
| text, user | compared whole and with its case; a ` + "`*`" + ` is any text |
| namespace | a namespace's name, or a part of one with ` + "`*`" + ` |
| object | ` + "`KIND/NAME`" + `, kubectl's short names too, or a name alone |
| networks | networks and addresses, with commas between them |
| hours | ` + "`7-19`" + `: from 7:00 to before 19:00 in UTC; ` + "`22-6`" + ` goes over midnight |
| days | ` + "`monday-friday`" + `, or days with commas between them |
| number, duration | ` + "`5`" + `; ` + "`500ms`, `2s`, `1m`" + ` |
| query | a search |

## Questions of your own

Put them into ` + "`questions.yaml`" + ` in the data directory: then the command line, the API and the web UI have them, for everybody who asks.
Or name a file with ` + "`annals ask --questions FILE`" + `, or as ` + "`questions: [FILE]`" + ` in annals.yaml, for yourself. The file is a list:

` + "```yaml" + `
- name: payments-reads
  group: Ours
  title: Who reads what payments keeps?
  about: Reads of config maps and secrets in payments by people. Controllers are left out.
  search: ns:payments resource:(secrets OR configmaps) verb:(get OR list) -user:system:* code<{limit}
  params:
    - {name: limit, type: number, about: answers below this code, default: "400"}
    - {name: app, type: text, about: only objects of this name, term: "name:{app}"}

- name: payments-readers
  group: Ours
  title: Who reads payments most?
  about: The same, counted.
  search: ns:payments resource:(secrets OR configmaps) verb:(get OR list) -user:system:*
  by: [user, resource]
` + "```" + `

| member | |
|---|---|
| ` + "`name`, `group`, `title`, `about`" + ` | needed. A name that a question has already is refused, so nothing is shadowed |
| ` + "`search`" + ` | with ` + "`{parameter}`" + ` right behind a field and its operator; one of type object or query stands by itself |
| ` + "`params`" + ` | each has a name, a type and an about; a default; or a term, which the search gets only if a value is given |
| ` + "`by`" + ` | count by these fields instead of listing events |
| ` + "`sort: latency`" + ` | the slowest first |
| ` + "`needs`" + ` | Metadata, Request or RequestResponse |
| ` + "`clusters`" + ` | of these, where whoever asks names none |

The file is read strictly: an error names its line and column.
`

// document is docs/questions.md.
func document() []byte {
	var b bytes.Buffer
	b.WriteString(docsHead)
	var groups []string
	all := BuiltIn().All()
	for _, q := range all {
		if !slices.Contains(groups, q.Group) {
			groups = append(groups, q.Group)
		}
	}
	for _, g := range groups {
		fmt.Fprintf(&b, "\n## %s\n", g)
		for _, q := range all {
			if q.Group != g {
				continue
			}
			fmt.Fprintf(&b, "\n### %s\n\n**%s** %s\n\n```query\n%s\n```\n", q.Name, q.Title, q.About, q.Search)
			var facts []string
			if q.By != nil {
				facts = append(facts, "Counts by "+strings.Join(q.By, ", ")+".")
			}
			if q.Needs != "" {
				facts = append(facts, "Needs level "+q.Needs+".")
			}
			if facts != nil {
				fmt.Fprintf(&b, "\n%s\n", strings.Join(facts, " "))
			}
			for i, p := range q.Params {
				if i == 0 {
					b.WriteByte('\n')
				}
				about := p.About
				switch {
				case p.Default != "":
					about += "; default `" + p.Default + "`"
				case p.Term == "":
					about += "; must be given"
				}
				fmt.Fprintf(&b, "* `%s` (%s): %s\n", p.Name, p.Type, about)
			}
		}
	}
	return b.Bytes()
}

func TestDocument(t *testing.T) {
	path := filepath.Join("..", "..", "..", "docs", "questions.md")
	want := document()
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what questions.yaml says: go test ./internal/query/named -run TestDocument -update writes it anew", path)
	}
	// Its example of a user's file is one.
	_, rest, _ := strings.Cut(docsHead, "```yaml\n")
	example, _, _ := strings.Cut(rest, "```")
	s, err := BuiltIn().With("example.yaml", []byte(example))
	if err != nil {
		t.Fatal(err)
	}
	if asked, err := s.Ask("payments-reads", map[string]string{"app": "db"}); err != nil || !strings.HasSuffix(asked.Search, `-user:system:* code<400 name:"db"`) {
		t.Errorf("%+v, %v", asked, err)
	}
}
