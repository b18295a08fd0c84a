package match

import (
	"slices"
	"strings"
	"testing"

	"annals.dev/audit"
)

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`verb:delete resource:secrets -user:system:* ns:prod code>=400 "curl"`, `a OR (b -c) NOT d*`, `ip:10.0.0.0/8 or ip:fd00::1`,
		`annotations["a.b/c"]:x requestObject.spec["a b"].c>=1.5`, `time:2026-11-21 latency<1.5s mark:* dialect:gke`, `user:"it's \"\\"`,
		`resource:pods/exec verb:(get OR "list" or c*d)`, `99d809eb-65*`, `-(-(*))`, `user:a'b*c_d%e\f`,
	} {
		f.Add(seed)
	}
	var v audit.View
	if err := v.Parse([]byte(odd[3])); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, query string) {
		p, err := Parse(query)
		if err != nil {
			if e := err.(*Error); e.Pos < 0 || e.Pos > len(query) || e.Error() == "" {
				t.Fatalf("%q: %+v", query, e)
			}
			return
		}
		again, err := Parse(p.String())
		if err != nil {
			if len(p.String()) > maxQuery || strings.Contains(err.Error(), "more than") || strings.Contains(err.Error(), "nested deeper") {
				return // the full names of fields are longer, and a day is two tests
			}
			t.Fatalf("%q is %q: %v", query, p, err)
		}
		if again.String() != p.String() {
			t.Fatalf("%q is %q is %q", query, p, again)
		}
		r := &Row{View: &v, Cluster: "prod"}
		if p.Match(r) != again.Match(r) {
			t.Fatalf("%q and %q differ", query, p)
		}
		p.Need()
		p.Columns()
		if sql := outsideQuotes(p.SQL()); strings.ContainsAny(sql, ";$\\/?") || strings.Contains(sql, "--") ||
			strings.Count(sql, "(") != strings.Count(sql, ")") || strings.Count(sql, `"`)%2 != 0 {
			t.Fatalf("%q is the SQL %s", query, p.SQL())
		}
	})
}

// outsideQuotes is what of an SQL text stands in no string.
func outsideQuotes(sql string) string {
	var out strings.Builder
	for i, part := range strings.Split(sql, "'") {
		if i%2 == 0 {
			out.WriteString(part)
		}
	}
	return out.String()
}

func FuzzWords(f *testing.F) {
	for _, seed := range []string{
		`{"a":"b\nc\\\"d\u0041e\u00fc"}`, `pvc-99d809eb-6562-49d3-a758-e75e6f018e00.x`, `99d809eb\u002d6562-49d3-a758-e75e6f018e00\u0041`,
		`\ud83d\ude00\\ud83d\\ude00\ud83d`, "gr\xfc\xdfe \\", `[1,{"k":[null,"v"]},`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var want []uint32
		w := words{text: []byte(text)}
		for word := w.next(); word != nil; word = w.next() {
			want = append(want, HashWord(word))
			if n := len(split(string(word))); n != 1 {
				t.Fatalf("the word %q of %q is %d words", word, text, n)
			}
		}
		got := AppendWords(nil, []byte(text))
		if len(got) != len(want) {
			t.Fatalf("%q has %d words or %d", text, len(got), len(want))
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("word %d of %q differs", i, text)
			}
		}
		// Anything may come out of a path through bytes that are no JSON, but it comes out.
		var scratch []byte
		for _, path := range [][]string{nil, {"k"}, {"k", "l"}} {
			test := &jsonTest{field: fields["requestObject"], path: path, value: pattern("a*")}
			test.in([]byte(text), &scratch)
		}
	})
}

// FuzzDerive holds what is derived against its column and its needs, and what a tape says against what a walker does.
func FuzzDerive(f *testing.F) {
	for _, tt := range derivedBodies {
		f.Add([]byte(tt.body))
	}
	for _, body := range hostile(10) {
		f.Add([]byte(body))
	}
	paths := [][]string{nil, {"spec"}, {"spec", "containers", "name"}, {"op"}, {"rules", "verbs"}, {"a"}}
	f.Fuzz(func(t *testing.T, body []byte) {
		var tp tape
		var derived facts
		tp.read(body) // any bytes do no harm
		extract(&tp, &derived)
		if !audit.Span(body).Valid() {
			return
		}
		v := &audit.View{RequestObject: body}
		r := &Row{View: v}
		column := append(append([]byte{}, valid(body)...), bodySeparator)
		words := map[uint32]bool{}
		EventText(v, func(span []byte) { Words(span, func(h uint32) { words[h] = true }) })
		for _, field := range derivedFields {
			for _, value := range []value{anything, pattern("*e*"), literal("true"), literal("?"), pattern("system:*")} {
				test := &derivedTest{field, value}
				met := test.match(r)
				if field.column == bodies && test.in(column) != met {
					t.Fatalf("%s is %v in memory, and not in its column, of %q", Leaf{test}, met, body)
				}
				if met && !test.need().Met(func(h uint32) bool { return words[h] }) {
					t.Fatalf("%s is met, but what it needs is not there, of %q", Leaf{test}, body)
				}
			}
		}
		tp.read(valid(body))
		for _, path := range paths {
			var walked, taped []string
			var scratch []byte
			p := &Path{fields["requestObject"], path}
			p.Each(&Row{View: v}, func(v Value) bool {
				walked = append(walked, valueText(v))
				return true
			})
			tp.each(path, &scratch, func(v Value) bool {
				taped = append(taped, valueText(v))
				return true
			})
			if !slices.Equal(walked, taped) {
				t.Fatalf("%q leads to %q, and on a tape to %q, in %q", path, walked, taped, body)
			}
		}
	})
}
