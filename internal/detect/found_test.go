package detect

import (
	"fmt"
	"strings"
	"testing"

	"annals.dev/audit"
	"annals.dev/internal/match"
)

func TestDryRun(t *testing.T) {
	rule := &Rule{ID: "r", Title: "A privileged container", Severity: High, Where: match.All}
	for _, tt := range []struct {
		verb, resource, subresource, query string
		low                                bool
	}{
		{"create", "pods", "", "?dryRun=All", true},
		{"patch", "deployments", "", "?fieldManager=kubectl&dryRun=All&force=true", true},
		{"update", "pods", "", "?dry%52un=All", true},
		{"create", "pods", "", "", false},
		{"create", "pods", "", "?fieldManager=dryRun=All", false},
		{"create", "pods", "", "?xdryRun=All", false},
		{"create", "pods", "", "?dryRun=None", false},
		{"create", "pods", "exec", "?command=sh&dryRun=All", false}, // it takes no notice
		{"create", "serviceaccounts", "token", "?dryRun=All", false},
		{"delete", "pods", "", "?dryRun=All", false}, // its body may say otherwise
		{"patch", "secrets", "", "?dryRun=All", false},
	} {
		var view audit.View
		raw := fmt.Sprintf(`{"auditID":"a","verb":%q,"requestURI":"/x%s","objectRef":{"resource":%q,"subresource":%q}}`, tt.verb, tt.query, tt.resource, tt.subresource)
		if err := view.Parse([]byte(raw)); err != nil {
			t.Fatal(err)
		}
		f := findSingle(rule, &match.Row{View: &view, Cluster: "c"}, Request{})
		if low := f.Severity == Low && strings.HasSuffix(f.Summary, "(a dry run: nothing was changed)"); low != tt.low || !low && f.Severity != High {
			t.Errorf("%s: %s, %q", raw, f.Severity, f.Summary)
		}
	}
	var view audit.View
	_ = view.Parse([]byte(`{"verb":"create","requestURI":"/x?dryRun=All","objectRef":{"resource":"pods"}}`))
	if f := findSingle(&Rule{ID: "r", Severity: Informational, Where: match.All}, &match.Row{View: &view}, Request{}); f.Severity != Informational {
		t.Errorf("a dry run makes it worse: %s", f.Severity)
	}
}
