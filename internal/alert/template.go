package alert

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/template"
	"time"

	"annals.dev/internal/detect"
)

const (
	maxTitle = 1 << 10
	maxBody  = 32 << 10
)

const defaultTitle = `{{if .Test}}Test: {{end}}[{{upper .Severity}}] ` +
	`{{if .Digest}}{{.Count}} findings that could not be told in time{{else}}{{.First.Title}}{{if gt .Count 1}} ({{.Count}} findings){{end}}{{end}}` +
	`{{with join .Clusters ", "}} in {{.}}{{end}}`

const defaultBody = `{{range .Findings}}{{time .Time}} {{.Severity}}: {{or .Summary .Title}}
  rule {{.Rule}}{{with join .Techniques ", "}} ({{.}}){{end}}{{with .User}}
  by {{.}}{{end}}{{with .As}} as {{.}}{{end}}{{with .Peer}} from {{.}}{{end}}{{if .Verb}}
  {{.Verb}} {{.Resource}}{{with .Namespace}} in {{.}}{{end}}{{with .Name}} named {{.}}{{end}}{{with .Code}}: {{.}}{{end}}{{end}}{{with .Unusual}}
  unusual {{.What}} {{.Value}}, against {{.Baseline}}{{end}}
  {{.Cluster}} {{.ID}}{{with .URL}}
  {{.}}{{end}}

{{end}}{{with .Digest}}This stands for {{.Messages}} messages with {{.Count}} findings between {{time .From}} and {{time .Until}}, positions {{.First}} to {{.Last}} of cluster annals:
{{range $rule, $n := .Rules}}  {{$n}} × {{or $rule "other rules"}}
{{end}}{{end}}{{if .Throttled}}{{.Throttled}} more were throttled since the message before.
{{end}}`

var functions = template.FuncMap{
	"join":  func(list []string, by string) string { return strings.Join(list, by) },
	"upper": func(v any) string { return strings.ToUpper(fmt.Sprint(v)) },
	"lower": func(v any) string { return strings.ToLower(fmt.Sprint(v)) },
	"time":  func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"cut": func(most int, v any) (string, error) {
		if most < 4 {
			return "", errors.New("cut to 4 bytes at least")
		}
		return cut(fmt.Sprint(v), most), nil
	},
	"json": func(v any) (string, error) {
		b, err := json.Marshal(v)
		return string(b), err
	},
}

// texts are a destination's two templates.
type texts struct{ title, body *template.Template }

// parseTexts reads the templates of a destination, and tries them on messages of each shape.
func parseTexts(d *Destination) (*texts, error) {
	t := new(texts)
	for _, one := range []struct {
		name, text, fallback string
		into                 **template.Template
		most                 int
	}{{"title", d.Title, defaultTitle, &t.title, maxTitle}, {"body", d.Body, defaultBody, &t.body, maxBody}} {
		if one.text == "" {
			one.text = one.fallback
		}
		parsed, err := template.New(one.name).Funcs(functions).Option("missingkey=error").Parse(one.text)
		if err != nil {
			return nil, err
		}
		for _, m := range samples(d.Name) {
			if _, err := render(parsed, m, one.most); err != nil {
				return nil, err
			}
		}
		*one.into = parsed.Option("missingkey=zero") // a digest has no group
	}
	return t, nil
}

var errMuch = errors.New("that is enough")

// bounded takes so many bytes and ends the template then.
type bounded struct {
	bytes.Buffer
	most int
}

func (b *bounded) Write(p []byte) (int, error) {
	if n := b.most - b.Len(); len(p) > n {
		b.Buffer.Write(p[:max(n, 0)])
		return n, errMuch
	}
	return b.Buffer.Write(p)
}

// render runs a template. What is too long is cut.
func render(t *template.Template, m *Message, most int) (string, error) {
	b := bounded{most: most}
	err := t.Execute(&b, m)
	if errors.Is(err, errMuch) {
		return cut(b.String()+"…", most), nil
	}
	return b.String(), err
}

// of gives a message's title, in one line, and its body. A template that fails on it is not what keeps people from being told.
func (t *texts) of(m *Message) (title, body string, err error) {
	title, err = render(t.title, m, maxTitle)
	if err != nil {
		title = fmt.Sprintf("[%s] %s", strings.ToUpper(string(m.Severity)), m.First().Title)
	}
	title = clean(strings.Join(strings.Fields(title), " "), maxTitle)
	body, berr := render(t.body, m, maxBody)
	if berr != nil {
		body = title
		for _, f := range m.Findings {
			body = cut(body+"\n"+f.ID+" "+f.Summary, maxBody)
		}
	}
	lines := strings.Split(strings.TrimRight(body, "\n"), "\n")
	for i := range lines {
		lines[i] = clean(strings.ReplaceAll(lines[i], "\t", "    "), maxBody)
	}
	return title, strings.Join(lines, "\n"), errors.Join(err, berr)
}

// samples are messages to try templates on.
func samples(dest string) []*Message {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f := &detect.Finding{ID: strings.Repeat("0", 32), Rule: "annals/test", Version: "000000000000", Title: "Test of this destination", Severity: detect.Informational,
		Cluster: "test", Time: at, Positions: []uint64{0}, Count: 1, Summary: "This is a test: nothing was found."}
	full := *f
	full.Techniques, full.Tactics, full.Tags, full.Group = []string{"T1609"}, []string{"execution"}, []string{"test"}, map[string]string{"user": "nobody"}
	full.User, full.As, full.Peer, full.Verb, full.Resource, full.Namespace, full.Name, full.Code = "nobody", "somebody", "192.0.2.1", "get", "pods/exec", "default", "web-0", 101
	full.Matched = []detect.Matched{{Field: "verb", Test: "is get", Values: []string{"get"}}}
	full.Unusual = &detect.Unusual{What: "peer", Value: "192.0.2.1", Baseline: "30 days", From: at, Until: at, Usual: []string{"192.0.2.2"}, Score: 9}
	labels := map[string]string{"rule": "", "cluster": "", "namespace": "", "user": "", "severity": ""}
	base := links("https://annals.example.com")
	one := &delivery{Key: strings.Repeat("0", 32), Made: at, Labels: labels, Findings: []*detect.Finding{f}}
	two := &delivery{Key: one.Key, Made: at, Labels: labels, Findings: []*detect.Finding{f, &full}, Throttled: 1}
	digest := merge(one, two)
	digest.Labels = labels
	return []*Message{base.message(one, dest), base.message(two, dest), base.message(digest, dest), links("").message(two, dest)}
}
