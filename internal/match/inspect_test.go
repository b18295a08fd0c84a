package match

import (
	"regexp"
	"slices"
	"testing"

	"annals.dev/audit"
)

// What is taken apart is what was put together, and a sample of a test passes it.
func TestParts(t *testing.T) {
	p, err := Parse(`verb:get (resource:secrets OR user:system:*) -code:403`)
	if err != nil {
		t.Fatal(err)
	}
	part := p.Parts()
	if len(part.And) != 3 || part.And[0].Leaf.String() != "verb:get" || len(part.And[1].Or) != 2 || part.And[2].Not.Leaf.Field() != "responseStatus.code" {
		t.Errorf("got %+v", part)
	}
	if all := All.Parts(); all.And != nil || all.Or != nil || all.Not != nil || all.Leaf != nil {
		t.Errorf("everything is %+v", all)
	}
}

func TestSamples(t *testing.T) {
	events := map[string]string{
		"user.username":               `{"user": {"username": "VALUE"}}`,
		"responseStatus.code":         `{"responseStatus": {"code": VALUE}}`,
		"requestURI":                  `{"requestURI": "VALUE"}`,
		"requestObject.spec.replicas": `{"requestObject": {"spec": {"replicas": VALUE}}}`,
		"peer":                        `{"sourceIPs": ["VALUE"]}`,
	}
	cases := map[string][]string{
		`user:jane`:                {"jane"},
		`user:system:*:x*`:         {"system:x:xx"},
		`user:*`:                   {"x"},
		`code>=400`:                {"400"},
		`code:403`:                 {"403", "403"},
		`uri:/api/*`:               {"/api/x"},
		`request.spec.replicas>3`:  {"4"},
		`request.spec.replicas<=3`: {"3"},
		`peer:10.1.0.0/16`:         {"10.1.0.0"},
	}
	for query, want := range cases {
		p, err := Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		leaf := p.Parts().Leaf
		if got := leaf.Samples(); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
		for _, s := range leaf.Samples() {
			var v audit.View
			event := []byte(events[leaf.Field()])
			event = slices.Concat(event[:slices.Index(event, 'V')], []byte(s), event[slices.Index(event, 'V')+5:])
			if err := v.Parse(event); err != nil {
				t.Fatal(err)
			}
			if !leaf.Match(&Row{View: &v}) {
				t.Errorf("%s: the sample %s does not pass it", query, s)
			}
		}
	}
}

func TestRegexpSample(t *testing.T) {
	for _, expr := range []string{`^system:(node|masters):.+$`, `a{3,}b?[^a-z]`, `(?i)Secret\s+x`, `\d+\.\d+`, `x*`, `[\x00-\x1f]`} {
		s, ok := RegexpSample(expr)
		if !ok || !regexp.MustCompile(expr).MatchString(s) {
			t.Errorf("%s: the sample is %q, %v", expr, s, ok)
		}
	}
	for _, expr := range []string{`(`, `[^\x00-\x{10FFFF}]`, `(x{100}){100}`} {
		if s, ok := RegexpSample(expr); ok {
			t.Errorf("%s: the sample is %.20q", expr, s)
		}
	}
}
