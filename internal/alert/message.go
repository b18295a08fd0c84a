package alert

import (
	"net/url"
	"strings"
	"time"

	"annals.dev/internal/detect"
)

// Message is what a destination is told: what templates see, and what a webhook gets as JSON. Texts of findings are cut, and
// their control characters stand as \u000a.
type Message struct {
	Key         string            `json:"key"` // the same whenever it is tried again
	Destination string            `json:"destination"`
	Group       map[string]string `json:"group"`          // what the findings have in common
	Severity    detect.Severity   `json:"severity"`       // the worst of them
	Count       int               `json:"count"`          // how many findings
	Findings    []Told            `json:"findings"`       // 100 at most; of a digest some examples
	Throttled   int               `json:"throttled"`      // findings of the group that were not told since the message before
	Digest      *Digest           `json:"digest"`         // stands for messages that had to wait too long, else null
	From        time.Time         `json:"from"`           // the time of the first finding
	Until       time.Time         `json:"until"`          // and of the last one
	Time        time.Time         `json:"time"`           // when the message was made
	URL         string            `json:"url"`            // of the findings in the web UI, or ""
	Test        bool              `json:"test,omitempty"` // somebody tries out the destination
}

// Told is a finding in a message.
type Told struct {
	*detect.Finding
	URL string `json:"url"` // of the finding in the web UI, or ""
}

// First is the worst finding, and of those the first.
func (m *Message) First() *detect.Finding {
	worst := new(detect.Finding)
	for i, t := range m.Findings {
		if i == 0 || rank(t.Severity) > rank(worst.Severity) {
			worst = t.Finding
		}
	}
	return worst
}

// Clusters, and so on, are what the findings have under that name: each once, in the order in which they come.
func (m *Message) Clusters() []string {
	return m.each(func(f *detect.Finding) string { return f.Cluster })
}
func (m *Message) Namespaces() []string {
	return m.each(func(f *detect.Finding) string { return f.Namespace })
}
func (m *Message) Users() []string  { return m.each(func(f *detect.Finding) string { return f.User }) }
func (m *Message) Rules() []string  { return m.each(func(f *detect.Finding) string { return f.Rule }) }
func (m *Message) Titles() []string { return m.each(func(f *detect.Finding) string { return f.Title }) }

func (m *Message) each(of func(*detect.Finding) string) (list []string) {
	seen := map[string]bool{"": true}
	for _, t := range m.Findings {
		if s := of(t.Finding); !seen[s] {
			seen[s] = true
			list = append(list, s)
		}
	}
	return list
}

// links make addresses in the web UI.
type links string

func (base links) finding(id string) string {
	if base == "" {
		return ""
	}
	return strings.TrimSuffix(string(base), "/") + "/findings/" + url.PathEscape(id)
}

func (base links) findings() string {
	if base == "" {
		return ""
	}
	return strings.TrimSuffix(string(base), "/") + "/findings"
}

// message is a delivery as it is told to a destination.
func (base links) message(d *delivery, dest string) *Message {
	m := &Message{Key: d.Key, Destination: dest, Group: d.Labels, Severity: detect.Informational, Count: len(d.Findings), Throttled: d.Throttled,
		Digest: d.Digest, Time: d.Made, URL: base.findings()}
	for _, f := range d.Findings {
		m.Findings = append(m.Findings, Told{f, base.finding(f.ID)})
		if rank(f.Severity) > rank(m.Severity) {
			m.Severity = f.Severity
		}
		if m.From.IsZero() || f.Time.Before(m.From) {
			m.From = f.Time
		}
		if f.Time.After(m.Until) {
			m.Until = f.Time
		}
	}
	if len(m.Findings) == 1 && d.Digest == nil {
		m.URL = m.Findings[0].URL
	}
	if g := d.Digest; g != nil {
		m.Count, m.From, m.Until = g.Count, g.From, g.Until
		for s := range g.Severities {
			if rank(s) > rank(m.Severity) {
				m.Severity = s
			}
		}
	}
	return m
}
