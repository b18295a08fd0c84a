package alert

import (
	"crypto/hmac"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"annals.dev/internal/detect"
)

// evil is a finding whose texts were written by whoever is found.
func evil() *detect.Finding {
	return with(finding(1), func(f *detect.Finding) {
		f.User = "<!channel> <@U1> <https://evil.example|click> &amp; @here\r\nBcc: all@example.com\x00\u2028\u202e"
		f.Name = `x"] [other@1 a="b` + "\n<34>1 - - - - - forged"
		f.Summary = "a\r\n.\r\nRCPT TO:<x>\r\n\x1b[2J" + strings.Repeat("s", 5000)
		f.Namespace = "shop\n"
		f.Techniques = []string{"T1609"}
	})
}

// ask gives what a destination of a kind is sent of some findings.
func ask(t *testing.T, kind, rest string, findings ...*detect.Finding) got {
	t.Helper()
	v := listen(t, nil)
	r := start(t, strings.Replace(one(kind, "url: "+v.URL+"\n"+rest), soon, "\ngrouping: {by: [], wait: 10ms}\n", 1))
	entries := []Entry{}
	for _, f := range findings {
		entries = append(entries, Entry{Finding: f})
	}
	r.source.add(entries...)
	until(t, "the message", func() bool { return len(v.all()) > 0 })
	r.stop()
	return v.all()[0]
}

func into[T any](t *testing.T, g got) (v T) {
	t.Helper()
	if err := json.Unmarshal(g.Body, &v); err != nil {
		t.Fatalf("%s: %v", g.Body, err)
	}
	return v
}

func TestWebhook(t *testing.T) {
	key := "s3cret"
	g := ask(t, "webhook", "secretFile: "+file(t, key)+"\nheaders: {X-Team: security}", finding(1), evil())
	m := into[struct {
		Version, Count            int
		Key, Severity, Title, URL string
		Findings                  []map[string]any
	}](t, g)
	if m.Version != 1 || m.Count != 2 || m.Severity != "high" || m.Findings[0]["id"] != finding(1).ID || m.Findings[0]["url"] != "https://annals.example.com/findings/"+finding(1).ID {
		t.Errorf("%s", g.Body)
	}
	if g.Header.Get("X-Team") != "security" || g.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%v", g.Header)
	}
	at, _, _ := strings.Cut(strings.TrimPrefix(g.Header.Get(signatureHeader), "t="), ",")
	seconds, err := strconv.ParseInt(at, 10, 64)
	must(t, err)
	if want := sign(key, time.Unix(seconds, 0), g.Body); !hmac.Equal([]byte(want), []byte(g.Header.Get(signatureHeader))) || time.Since(time.Unix(seconds, 0)) > time.Minute {
		t.Errorf("the signature %s, want %s", g.Header.Get(signatureHeader), want)
	}
	if strings.Contains(string(g.Body), `\r`) || strings.Contains(string(g.Body), "\u202e") {
		t.Errorf("a control character: %s", g.Body)
	}
}

// TestAlertmanager holds what is sent against the definition of postableAlerts in Alertmanager's openapi.yaml, by hand.
func TestAlertmanager(t *testing.T) {
	other := with(finding(3), func(f *detect.Finding) { f.Namespace = "bank" })
	g := ask(t, "alertmanager", "active: 30m", finding(2), finding(1), other, evil())
	if g.Path != "/api/v2/alerts" {
		t.Errorf("to %s", g.Path)
	}
	list := into[[]map[string]json.RawMessage](t, g)
	if len(list) != 3 {
		t.Fatalf("%d alerts of 3 sets of labels", len(list))
	}
	for _, a := range list {
		for name := range a {
			if !slices.Contains([]string{"labels", "annotations", "startsAt", "endsAt", "generatorURL"}, name) {
				t.Errorf("a postableAlert has no %q", name)
			}
		}
		var labels, annotations map[string]string
		var starts, ends time.Time
		for name, to := range map[string]any{"labels": &labels, "annotations": &annotations, "startsAt": &starts, "endsAt": &ends} {
			must(t, json.Unmarshal(a[name], to))
		}
		for name := range labels {
			if !slices.Contains([]string{"alertname", "severity", "cluster", "namespace", "rule"}, name) || labels[name] == "" {
				t.Errorf("label %q=%q: it would tell alerts apart that belong together", name, labels[name])
			}
		}
		if left := time.Until(ends); !starts.Before(ends) || left < 25*time.Minute || left > 31*time.Minute {
			t.Errorf("from %v to %v", starts, ends)
		}
		if labels["namespace"] == "shop" && (annotations["findings"] != finding(2).ID+", "+finding(1).ID || !starts.Equal(finding(1).Time) || annotations["user"] != "alice") {
			t.Errorf("%v from %v", annotations, starts)
		}
	}
}

func TestSlack(t *testing.T) {
	g := ask(t, "slack", "title: '{{.First.User}}'", evil())
	type text struct{ Type, Text string }
	m := into[struct {
		Text   string
		Parse  string
		Mrkdwn bool
		Blocks []struct {
			Type     string
			Text     *text
			Elements []text
		}
	}](t, g)
	if strings.ContainsAny(m.Text, "<>") || strings.Contains(m.Text, "&amp;amp;amp;") || !strings.Contains(m.Text, "&lt;!channel&gt;") || m.Parse != "none" || m.Mrkdwn {
		t.Errorf("text %q", m.Text)
	}
	marked := 0
	for _, b := range m.Blocks {
		for _, e := range append(b.Elements, text{}) {
			if b.Text != nil {
				e = *b.Text
			}
			switch {
			case e.Type == "mrkdwn":
				marked++
				if e.Text != "<https://annals.example.com/findings/"+finding(1).ID+"|Open in Annals>" {
					t.Errorf("mrkdwn: %q", e.Text)
				}
			case e.Type == "plain_text" && (len(e.Text) == 0 || len(e.Text) > slackSection):
				t.Errorf("a block of %d bytes", len(e.Text))
			}
		}
	}
	if m.Blocks[0].Type != "header" || len(m.Blocks[0].Text.Text) > slackHeader || marked != 1 {
		t.Errorf("%s", g.Body)
	}
}

func TestPagerDuty(t *testing.T) {
	g := ask(t, "pagerduty", "tokenFile: "+file(t, "r0uting"), finding(1), evil())
	m := into[struct {
		RoutingKey  string `json:"routing_key"`
		EventAction string `json:"event_action"`
		DedupKey    string `json:"dedup_key"`
		Payload     struct {
			Summary, Source, Severity, Timestamp string
			Details                              map[string]any `json:"custom_details"`
		}
	}](t, g)
	if m.RoutingKey != "r0uting" || m.EventAction != "trigger" || m.DedupKey != g.Header.Get("Idempotency-Key") || m.Payload.Severity != "error" || m.Payload.Source != "prod" || len(m.Payload.Summary) > 1024 {
		t.Errorf("%s", g.Body)
	}
	if _, err := time.Parse(time.RFC3339Nano, m.Payload.Timestamp); err != nil || m.Payload.Details["count"] != 2.0 || g.Header.Get("Authorization") != "" {
		t.Errorf("%s", g.Body)
	}
}

// TestFalco holds what is sent against what falcosidekick reads: output, priority, rule, time, source, hostname, tags, uuid and
// output_fields, whose values it takes for texts.
func TestFalco(t *testing.T) {
	g := ask(t, "falco", "", finding(1))
	m := into[struct {
		UUID, Output, Priority, Rule, Source, Hostname string
		Time                                           time.Time
		Tags                                           []string
		Fields                                         map[string]string `json:"output_fields"`
	}](t, g)
	f := finding(1)
	if m.Output != f.Summary || m.Priority != "Error" || m.Rule != f.Title || !m.Time.Equal(f.Time) || m.Source != "k8s_audit" || strings.ReplaceAll(m.UUID, "-", "") != f.ID {
		t.Errorf("%s", g.Body)
	}
	if m.Fields["ka.user.name"] != "alice" || m.Fields["ka.target.resource"] != "pods" || m.Fields["ka.target.subresource"] != "exec" || m.Fields["ka.response.code"] != "101" || !slices.Contains(m.Tags, "mitre_T1609") {
		t.Errorf("%s", g.Body)
	}
}

// TestDigests sees that each kind can say a digest.
func TestDigests(t *testing.T) {
	for _, kind := range kinds {
		d := &Destination{Name: "a", Kind: kind, URL: "http://localhost/", TokenFile: file(t, "x"), Address: "localhost:1", From: "a@b.c", To: []string{"d@e.f"}}
		texts, err := parseTexts(d)
		must(t, err)
		m := links("").message(merge(&delivery{Findings: []*detect.Finding{finding(1)}}, &delivery{Findings: []*detect.Finding{finding(2)}}), "a")
		var said string
		switch kind {
		case Email:
			said = string((&email{d: d, t: texts}).text(m))
		case Syslog:
			said = string((&syslog{d: d, t: texts}).text(m, maxSyslog))
		default:
			p := &poster{d: d, t: texts}
			b, err := map[Kind]encoder{Alertmanager: p.alertmanager, Webhook: p.webhook, Slack: p.slack, PagerDuty: p.pagerDuty, Falco: p.falco}[kind](m, texts, http.Header{})
			must(t, err)
			said = string(b)
		}
		if !strings.Contains(strings.ReplaceAll(said, "_", " "), "2 findings that could not be told in time") {
			t.Errorf("%s: %s", kind, said)
		}
	}
}

// FuzzEscape lets a finding say anything: no medium takes it for more than text.
func FuzzEscape(f *testing.F) {
	e := evil()
	for _, s := range []string{e.User, e.Name, e.Summary, "", "\xff\xfe", "=?utf-8?q?x?=", "\"]\\", strings.Repeat("ü", 3000)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d := &Destination{Name: "a", From: "Annals <annals@example.com>", To: []string{"a@example.com", "b@example.com"}}
		d.Title = `{{.First.User}}`
		texts, err := parseTexts(d)
		must(t, err)
		given := with(finding(1), func(f *detect.Finding) {
			f.ID, f.User, f.Name, f.Summary, f.Namespace, f.Rule, f.Title, f.Cluster, f.Techniques, f.Severity = s, s, s, s, s, s, s, s, []string{s}, detect.Severity(s)
			f.Group, f.Matched = map[string]string{s: s}, []detect.Matched{{Field: s, Test: s, Values: []string{s}}}
		})
		m := links("https://annals.example.com").message(&delivery{Key: keyOf("x"), Made: now(), Findings: []*detect.Finding{clip(given)}}, "a")
		checkMail(t, (&email{d: d, t: texts}).text(m))
		for _, most := range []int{maxDatagram, maxSyslog} {
			checkSyslog(t, (&syslog{d: d, t: texts, facility: 10}).text(m, most), most)
		}
		p := &poster{d: d, t: texts}
		b, err := p.slack(m, texts, nil)
		must(t, err)
		var said struct{ Text string }
		must(t, json.Unmarshal(b, &said))
		if strings.ContainsAny(said.Text, "<>\n\r") || strings.Count(string(b), `"mrkdwn","verbatim"`) > 1 {
			t.Errorf("slack: %s", b)
		}
		for _, encode := range []encoder{p.alertmanager, p.webhook, p.falco} {
			b, err := encode(m, texts, http.Header{})
			if err != nil || !json.Valid(b) || len(b) > 1<<20 {
				t.Errorf("%d bytes: %v", len(b), err)
			}
		}
	})
}
