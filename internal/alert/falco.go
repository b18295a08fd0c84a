package alert

import (
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"annals.dev/internal/detect"
)

var falcoPriority = map[detect.Severity]string{detect.Critical: "Critical", detect.High: "Error", detect.Medium: "Warning", detect.Low: "Notice", detect.Informational: "Informational"}

// falco says a finding as Falco says an alert. Fields are all texts: falcosidekick takes some of them for granted as such.
func (p *poster) falco(m *Message, t *texts, _ http.Header) ([]byte, error) {
	f := m.First()
	title, _, _ := t.of(m)
	id, err := uuid.Parse(f.ID)
	if err != nil {
		id = uuid.NewSHA1(uuid.NameSpaceURL, []byte(m.Key))
	}
	output := f.Summary
	if output == "" || m.Digest != nil || p.d.Title != "" {
		output = title
	}
	host, _ := os.Hostname()
	fields := labelsOf(
		"ka.user.name", f.User, "ka.impuser.name", f.As, "ka.verb", f.Verb, "ka.target.namespace", f.Namespace, "ka.target.name", f.Name,
		"ka.cluster.name", f.Cluster, "k8s.ns.name", f.Namespace, "annals.peer", f.Peer, "annals.finding", f.ID, "annals.rule", f.Rule,
		"annals.severity", string(f.Severity), "annals.url", m.URL,
	)
	resource, subresource, _ := strings.Cut(f.Resource, "/")
	for name, value := range labelsOf("ka.target.resource", resource, "ka.target.subresource", subresource) {
		fields[name] = value
	}
	if f.Code != 0 {
		fields["ka.response.code"] = strconv.Itoa(int(f.Code))
	}
	if m.Digest != nil {
		fields["annals.findings"] = strconv.Itoa(m.Count)
	}
	tags := []string{"annals", "k8s"}
	for _, technique := range f.Techniques {
		tags = append(tags, "mitre_"+technique)
	}
	return json.Marshal(map[string]any{
		"uuid": id.String(), "output": output, "priority": falcoPriority[m.Severity], "rule": f.Title, "time": f.Time.UTC().Format(time.RFC3339Nano),
		"source": "k8s_audit", "hostname": host, "tags": append(tags, f.Tags...), "output_fields": fields,
	})
}
