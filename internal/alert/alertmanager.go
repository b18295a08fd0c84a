package alert

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// alert is a postableAlert of Alertmanager's API v2. Whatever varies stands in annotations: labels are what it groups and
// deduplicates by.
type alert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

const maxAnnotation = 2 << 10

// alertmanager makes one alert of all findings that have the same labels.
func (p *poster) alertmanager(m *Message, t *texts, _ http.Header) ([]byte, error) {
	title, body, _ := t.of(m)
	ends := time.Now().UTC().Add(cmp.Or(time.Duration(p.d.Active), defaultActive))
	byLabels := map[string]*alert{}
	list := []*alert{}
	if m.Digest != nil {
		a := &alert{StartsAt: m.Time, EndsAt: ends, GeneratorURL: m.URL, Labels: labelsOf("alertname", "Alerts that had to wait", "severity", string(m.Severity)),
			Annotations: labelsOf("summary", title, "description", cut(body, maxAnnotation), "key", m.Key)}
		return json.Marshal(append(list, a))
	}
	for _, f := range m.Findings {
		key := keyOf(f.Rule, string(f.Severity), f.Cluster, f.Namespace)
		a := byLabels[key]
		if a == nil {
			a = &alert{StartsAt: f.Time, EndsAt: ends, GeneratorURL: f.URL,
				Labels:      labelsOf("alertname", f.Title, "severity", string(f.Severity), "cluster", f.Cluster, "namespace", f.Namespace, "rule", f.Rule),
				Annotations: labelsOf("summary", title, "description", cut(body, maxAnnotation), "user", f.User, "as", f.As, "peer", f.Peer, "verb", f.Verb, "resource", f.Resource, "name", f.Name, "techniques", strings.Join(f.Techniques, ", ")),
			}
			if f.Code != 0 {
				a.Annotations["code"] = strconv.Itoa(int(f.Code))
			}
			if m.Throttled > 0 {
				a.Annotations["throttled"] = strconv.Itoa(m.Throttled)
			}
			byLabels[key] = a
			list = append(list, a)
		}
		if f.Time.Before(a.StartsAt) {
			a.StartsAt = f.Time
		}
		if a.StartsAt.After(ends) { // the event's clock is ahead: an alert that ends before it starts would be refused
			a.StartsAt = ends
		}
		a.Annotations["findings"] = cut(strings.TrimPrefix(a.Annotations["findings"]+", "+f.ID, ", "), maxAnnotation)
		a.Annotations["key"] = m.Key
	}
	return json.Marshal(list)
}

// labelsOf leaves out what is empty: to Alertmanager that is as good as absent.
func labelsOf(pairs ...string) map[string]string {
	out := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			out[pairs[i]] = pairs[i+1]
		}
	}
	return out
}
