package alert

import (
	"fmt"
	"strings"
	"testing"

	"annals.dev/internal/detect"
)

// TestTemplates says where a template is wrong, and tells in a simpler way what one fails on.
func TestTemplates(t *testing.T) {
	for text, place := range map[string]string{
		`{{.Nothing}}`: "body:1:2", `{{.Group.usr}}`: "body:1:8", "a\n{{if}}": "body:2", `{{index .First.Techniques 0}}`: "body:1:2", `{{cut 1 .Count}}`: "cut to 4 bytes",
		`{{define "x"}}{{template "x"}}{{end}}{{template "x"}}`: "exceeded maximum template depth",
	} {
		if _, err := parseTexts(&Destination{Name: "a", Body: text}); err == nil || !strings.Contains(err.Error(), place) {
			t.Errorf("%s: %v; want it at %s", text, err, place)
		}
	}
	// Nothing in the messages that templates are tried on has such a name.
	made, err := parseTexts(&Destination{Name: "a", Title: `{{.Group.user}}{{if eq .First.Name "web-1"}}{{index .Titles 7}}{{end}}`, Body: `{{range .Findings}}{{.Name}}
{{end}}`})
	must(t, err)
	m := links("").message(&delivery{Findings: []*detect.Finding{with(finding(1), func(f *detect.Finding) { f.Name = "web-1" })}}, "a")
	if title, body, err := made.of(m); err == nil || title != "[HIGH] Exec into a pod" || body != "web-1" {
		t.Errorf("%q %q %v", title, body, err)
	}
	m.Findings[0].Name = "x\r\ny\u202e"
	m.Findings[0].Finding = clip(m.Findings[0].Finding)
	if title, body, err := made.of(m); err != nil || title != "" || body != `x\u000d\u000ay\u202e` {
		t.Errorf("%q %q %v", title, body, err)
	}
	endless, err := parseTexts(&Destination{Name: "a", Body: `{{range .Findings}}{{range .Positions}}{{range $.Findings}}{{range .Positions}}{{range $.Findings}}0123456789{{end}}{{end}}{{end}}{{end}}{{end}}`})
	must(t, err)
	big := &delivery{}
	for range maxMessage {
		big.Findings = append(big.Findings, with(finding(1), func(f *detect.Finding) { f.Positions = make([]uint64, maxShown) }))
	}
	if _, body, err := endless.of(links("").message(big, "a")); err != nil || len(body) > maxBody || !strings.HasSuffix(body, "…") {
		t.Errorf("%d bytes, %v", len(body), err)
	}
}

// TestMerge counts what a digest can not name.
func TestMerge(t *testing.T) {
	d := &delivery{Findings: []*detect.Finding{finding(0)}}
	const n = maxDigest + 500
	for i := 1; i < n; i++ {
		d = merge(d, &delivery{First: uint64(i), Last: uint64(i), Findings: []*detect.Finding{with(finding(i), func(f *detect.Finding) {
			f.Rule = fmt.Sprint("rule-", i%200)
			if i == 700 {
				f.Severity = detect.Critical
			}
		})}})
	}
	g := d.Digest
	rules := 0
	for _, n := range g.Rules {
		rules += n
	}
	if g.Messages != n || g.Count != n || rules != n || len(g.Rules) != maxRules+1 || len(g.IDs) != maxDigest || g.First != 0 || g.Last != n-1 || g.Severities[detect.Critical] != 1 {
		t.Errorf("%d messages, %d findings, %d of %d rules, %d IDs, %d to %d", g.Messages, g.Count, rules, len(g.Rules), len(g.IDs), g.First, g.Last)
	}
	if !g.From.Equal(finding(0).Time) || !g.Until.Equal(finding(n-1).Time) || len(d.Findings) != maxExamples || d.Findings[0].Severity != detect.Critical || d.Bytes > queueBytes/10 {
		t.Errorf("%d examples, %d bytes, %v to %v", len(d.Findings), d.Bytes, g.From, g.Until)
	}
}
