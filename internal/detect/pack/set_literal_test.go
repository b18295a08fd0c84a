package pack_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"annals.dev/audit"
	"annals.dev/internal/detect"
	"annals.dev/internal/detect/falco"
	"annals.dev/internal/detect/sigma"
	"annals.dev/internal/match"
)

// TestLiterals: rules that look for texts within a field match together what each matches by itself, whatever the language.
func TestLiterals(t *testing.T) {
	selections := []string{
		"userAgent|contains: /Curl", "userAgent|contains: ['curl/7', 'wget']", "userAgent|contains|all: [curl, linux]", "userAgent|contains|cased: Curl",
		"userAgent|startswith: CURL", "userAgent|endswith: linux)", "userAgent: 'kube?robe/*'", "userAgent: ['*????robe*', none]", "userAgent|re: 'cu+rl'",
		"userAgent: ['kurl 12', 12]", "userAgent: '*'", "userAgent: null", "userAgent: ''", "userAgent|contains: ['\u00e9curl', 'kube']", "userAgent|contains: \u212aube",
		"userAgent|contains|windash: ' -kube'", "userAgent|base64offset|contains: curl", "userAgent|exists: true",
	}
	conditions := []string{
		"ka.useragent contains curl", "ka.useragent icontains CURL", "ka.useragent startswith kube", `ka.useragent endswith "linux)"`, "ka.useragent contains anyof (curl, wget)",
		`ka.useragent glob "*k?rl*"`, "ka.useragent regex cu+rl", "ka.useragent != curl", "not ka.useragent contains curl", "tolower(ka.useragent) contains curl",
		"ka.useragent in (curl, kube-probe/1)", "ka.useragent pmatch (/curl)", "ka.useragent exists", "ka.useragent contains oneof (curl, kube)", "ka.useragent icontains \u212aube",
	}
	var ofSigma, ofFalco strings.Builder
	for i, s := range selections {
		fmt.Fprintf(&ofSigma, "---\ntitle: t%d\nid: 00000000-0000-4000-8000-%012d\nlogsource: {product: kubernetes, service: audit}\ndetection:\n  s:\n    %s\n  condition: s\nlevel: low\n", i, i, s)
	}
	for i, c := range conditions {
		fmt.Fprintf(&ofFalco, "- rule: r%d\n  desc: d\n  source: k8s_audit\n  condition: %s\n  output: o\n  priority: INFO\n", i, c)
	}
	a, problems := sigma.Parse([]detect.File{{Name: "a.yml", Data: []byte(ofSigma.String())}}, sigma.Options{})
	b, more := falco.Parse([]detect.File{{Name: "b.yaml", Data: []byte(ofFalco.String())}}, falco.Options{All: true})
	for _, p := range append(problems, more...) {
		t.Error(p)
	}
	var ps []*match.Predicate
	for _, r := range append(a, b...) {
		ps = append(ps, r.Where)
	}
	if len(ps) != len(selections)+len(conditions) {
		t.Fatalf("only %d rules", len(ps))
	}
	m, met := match.NewSet(ps).Matcher(), 0
	agents := []string{`null`, `12`, `{"curl":"kube"}`, `["curl/7"]`}
	parts := []string{"", "curl", "Curl", "CURL/7.1 ", "\u212aurl", "kurl 12", "kube-probe/1", " -kube", "\u212aube", "\u00e9curl", "wget", "Linux)", "cuuurl", "Y3VybA", "c\\u0075rl", "none", "12", "/curl/x"}
	for _, x := range parts {
		for _, y := range parts {
			agents = append(agents, `"`+x+y+`"`)
		}
	}
	for _, id := range []string{`"auditID":"x",`, ``} {
		for _, agent := range agents {
			event := []byte(`{` + id + `"verb":"get","userAgent":` + agent + `}`)
			var v audit.View
			if err := v.Parse(event); err != nil {
				t.Fatal(err)
			}
			r := &match.Row{View: &v}
			var want []int
			for i, p := range ps {
				if p.Match(r) {
					want = append(want, i)
				}
			}
			got := m.Match(nil, r)
			if met += len(got); !slices.Equal(got, want) {
				t.Errorf("of %s match %v, want %v", event, got, want)
			}
		}
	}
	if met < 1000 {
		t.Errorf("only %d were met", met)
	}
}
