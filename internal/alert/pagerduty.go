package alert

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"annals.dev/internal/detect"
)

var pagerDutySeverity = map[detect.Severity]string{detect.Critical: "critical", detect.High: "error", detect.Medium: "warning", detect.Low: "info", detect.Informational: "info"}

// pagerDuty makes one event of Events API v2. Its dedup_key is the message's key: tried again, it is the same incident.
func (p *poster) pagerDuty(m *Message, t *texts, _ http.Header) ([]byte, error) {
	type object = map[string]any
	routingKey, err := secret("token", p.d.TokenFile, p.d.TokenEnv)
	if err != nil {
		return nil, err
	}
	title, body, _ := t.of(m)
	first := m.First()
	source := first.Cluster
	if source == "" {
		source = "annals"
	}
	details := object{"description": cut(body, 16<<10), "count": m.Count, "rules": m.Rules(), "clusters": m.Clusters(), "namespaces": m.Namespaces(), "users": m.Users(), "throttled": m.Throttled}
	ids := []string{}
	for _, f := range m.Findings {
		ids = append(ids, f.ID)
	}
	details["findings"] = ids
	e := object{
		"routing_key": routingKey, "event_action": "trigger", "dedup_key": m.Key, "client": "Annals",
		"payload": object{
			"summary": cut(title, 1024), "source": source, "severity": pagerDutySeverity[m.Severity], "timestamp": m.Time.UTC().Format(time.RFC3339Nano),
			"component": first.Resource, "group": first.Namespace, "class": first.Rule, "custom_details": details,
		},
	}
	if strings.HasPrefix(m.URL, "http") {
		e["client_url"] = m.URL
		e["links"] = []object{{"href": m.URL, "text": "Open in Annals"}}
	}
	return json.Marshal(e)
}
