package pack_test

import (
	"slices"
	"testing"

	"annals.dev/audit"
	"annals.dev/internal/format"
	"annals.dev/internal/match"
)

// TestFalcoAlerts: an alert as Falco writes it is what our rules ask for, and names what they join it by.
func TestFalcoAlerts(t *testing.T) {
	p := load(t)
	for _, tt := range []struct{ alert, rule, correlation, member, value string }{
		{`{"output":"x","priority":"Notice","rule":"Drop and execute new binary in container","source":"syscall","time":"2026-11-21T22:57:09.163982780Z","output_fields":{"k8s.ns.name":"prod","k8s.pod.name":"web-1"}}`,
			"pod-alarmed", "shell-that-alarms-falco", "pod", "web-1"},
		{"22:57:09.163982780: Notice A shell was spawned (k8s.ns=prod k8s.pod=web-1 container=c0ffee)", "pod-alarmed", "shell-that-alarms-falco", "namespace", "prod"},
		{`{"output":"x","priority":"Notice","rule":"Attach/Exec Pod","source":"k8s_audit","time":"2026-11-21T22:57:09Z","output_fields":{"ka.auditid":"ca1e","ka.target.name":"web-1","ka.target.subresource":"exec"}}`,
			"falco-alert-with-audit-id", "falco-alert-of-request", "request", "ca1e"},
		{`{"output":"x","priority":"Critical","rule":"R","source":"syscall","time":"2026-11-21T22:57:09Z","output_fields":{}}`, "falco-reports", "", "", ""},
	} {
		v := new(audit.View)
		if _, err := format.View(format.FalcoAlert, []byte(tt.alert), v, nil); err != nil {
			t.Fatal(err)
		}
		row := &match.Row{View: v, Dialect: format.FalcoAlert}
		var id string
		for _, r := range p.Rules {
			if r.Name == tt.rule {
				if id = r.ID; !r.Where.Match(row) {
					t.Errorf("%s does not match %s", tt.rule, tt.alert)
				}
			} else if r.Where != nil && r.Where.Match(row) && !slices.Contains([]string{"pod-alarmed", "falco-alert-with-audit-id"}, r.Name) {
				t.Errorf("%s matches an alert: %s", r.Name, tt.alert)
			}
		}
		for _, r := range p.Rules {
			if r.Name != tt.correlation || tt.correlation == "" {
				continue
			}
			var values []string
			for _, key := range r.Correlation.Keys[id] {
				if key.Name == tt.member {
					key.Path.Each(row, func(v match.Value) bool {
						values = append(values, string(v.Text))
						return true
					})
				}
			}
			if !slices.Equal(values, []string{tt.value}) {
				t.Errorf("%s reads %s as %q, want %s", tt.correlation, tt.member, values, tt.value)
			}
		}
	}
}
