package format

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"annals.dev/audit"
)

func annotationsOf(v *audit.View) map[string]string {
	m := map[string]string{}
	for key, value := range v.Annotations.Members {
		m[strings.TrimPrefix(key.String(), falcoDomain)] = content(value).String()
	}
	return m
}

// TestFalco is what each form of an alert says.
func TestFalco(t *testing.T) {
	type said = map[string]string
	for _, tt := range []struct {
		name, in string
		time     int64
		object   object
		want     said
		body     string
	}{
		{"a process in a pod", `{"hostname":"node-1","output":"22:57:09.163982780: Notice A shell","priority":"Notice","rule":"Terminal shell in container","source":"syscall","tags":["T1059"],` +
			`"time":"2026-11-21T22:57:09.163982780Z","output_fields":{"container.id":"c0ffee","container.name":"web","k8s.ns.name":"prod","k8s.pod.name":"web-1","user.name":"root","proc.pid":7,"fd.name":null}}`,
			1795301829163982, object{Verb: "alert", Group: "falco.org", Version: "v1", Resource: "falcoalerts", Namespace: "prod", Name: "Terminal shell in container"},
			said{"hostname": "node-1", "priority": "Notice", "rule": "Terminal shell in container", "source": "syscall", "container": "web", "namespace": "prod", "pod": "web-1", "user": "root", "annals.dev/severity": "low"}, "same"},
		{"a request", `{"output":"x","priority":"CRITICAL","rule":"Attach/Exec Pod","source":"k8s_audit","time":"2018-10-26T13:38:34.902914000Z",` +
			`"output_fields":{"ka.user.name":"jane","ka.target.name":"web-1","ka.target.namespace":"prod","ka.target.subresource":"exec","ka.auditid":"ca1e"}}`,
			1540561114902914, object{Verb: "alert", Group: "falco.org", Version: "v1", Resource: "falcoalerts", Namespace: "prod", Name: "Attach/Exec Pod"},
			said{"priority": "CRITICAL", "rule": "Attach/Exec Pod", "source": "k8s_audit", "namespace": "prod", "pod": "web-1", "user": "jane", "auditID": "ca1e", "annals.dev/severity": "critical"}, "same"},
		{"a request about no pod", `{"priority":"Error","rule":"R","time":"2018-10-26T13:38:34Z","output_fields":{"ka.target.name":"s","ka.target.resource":"secrets","k8s.pod.name":"<NA>"}}`,
			1540561114000000, object{Verb: "alert", Group: "falco.org", Version: "v1", Resource: "falcoalerts", Name: "R"}, said{"priority": "Error", "rule": "R", "annals.dev/severity": "high"}, "same"},
		{"text", `22:57:09.163982780: Notice A shell was spawned in a container with an attached terminal (user=root k8s.ns=evil cmdline=sh -c x k8s_pod_name=web-1 k8s_ns_name=prod container_name=web)`,
			0, object{Verb: "alert", Group: "falco.org", Version: "v1", Resource: "falcoalerts", Namespace: "prod"},
			said{"priority": "Notice", "namespace": "prod", "pod": "web-1", "user": "root", "container": "web", "annals.dev/severity": "low"},
			`{"priority":"Notice","output":"A shell was spawned in a container with an attached terminal (user=root k8s.ns=evil cmdline=sh -c x k8s_pod_name=web-1 k8s_ns_name=prod container_name=web)"}`},
		{"text with a date", `2026-11-21T22:57:09.163982780+0000: Warning Sensitive file opened`,
			1795301829163982, object{Verb: "alert", Group: "falco.org", Version: "v1", Resource: "falcoalerts"}, said{"priority": "Warning", "annals.dev/severity": "medium"},
			`{"priority":"Warning","output":"Sensitive file opened"}`},
	} {
		if tt.body == "same" {
			tt.body = strings.NewReplacer("<", `\u003c`, ">", `\u003e`).Replace(tt.in) // as the writer of events has it
		}
		v := view(t, FalcoAlert, tt.in)
		if diff := cmp.Diff(tt.object, objectOf(v)); diff != "" {
			t.Errorf("%s:\n%s", tt.name, diff)
		}
		if diff := cmp.Diff(tt.want, annotationsOf(v)); diff != "" {
			t.Errorf("%s:\n%s", tt.name, diff)
		}
		if v.Time != tt.time || v.RequestTime != tt.time || len(v.User.Username) != 0 || len(v.AuditID) != 36 || string(v.RequestObject) != tt.body {
			t.Errorf("%s: %d, %q, %s, %s", tt.name, v.Time, v.User.Username, v.AuditID, v.RequestObject)
		}
		items := all(t, NewReader(strings.NewReader(tt.in+"\n"), "f"))
		if len(items) != 1 || items[0].Dialect != FalcoAlert || items[0].Bytes != tt.in || items[0].Marks != 0 {
			t.Errorf("%s is read as %+v", tt.name, items)
		}
		if noted := items[0].Note != ""; noted != (tt.time == 0) {
			t.Errorf("%s: its note is %q", tt.name, items[0].Note)
		}
	}
	if a, b := view(t, FalcoAlert, `22:57:09: Notice a`), view(t, FalcoAlert, `22:57:09: Notice b`); string(a.AuditID) == string(b.AuditID) {
		t.Error("two alerts have one audit ID")
	}
	items := all(t, NewReader(strings.NewReader("2026-11-21T22:57:09.2Z stdout F 22:57:09.163982780: Notice A shell\n"), "f"))
	if len(items) != 1 || items[0].Dialect != FalcoAlert || items[0].Bytes != "22:57:09.163982780: Notice A shell" || !strings.HasSuffix(items[0].Note, "its carrier says 2026-11-21T22:57:09.2Z") {
		t.Errorf("in a container's log: %+v", items)
	}
}

func TestNoFalco(t *testing.T) {
	for _, in := range []string{
		"22:57:09: Loading rules from file", "Notice A shell", "22:57:09 Notice A shell", "2x:57:09.1: Notice A shell", "22:57:09.1234567890: Notice x", "22:57:09: Notice",
		"22:57:09.x: Notice a", "yesterday: Notice a shell", "", ": Notice x",
	} {
		if isFalcoText([]byte(in)) {
			t.Errorf("%q is taken for an alert", in)
		}
	}
	for _, in := range []string{"{}", `{"rule":"R","priority":"Loud","time":"x","output":""}`, `{"rule":"R"`, "x", ""} {
		var v audit.View
		if _, err := View(FalcoAlert, []byte(in), &v, nil); err == nil {
			t.Errorf("%q is read as an alert", in)
		}
	}
}
