package e2e

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"annals.dev/test/e2e/kube"
)

// bearer shows a token with each request.
type bearer string

func (token bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(token))
	return http.DefaultTransport.RoundTrip(r)
}

// TestFirstMinutes does what a new user does, and only that: setup's own policy and flags, the webhook alone, then the log file
// for what the webhook could not bring.
func TestFirstMinutes(t *testing.T) {
	a := newAnnals(t)
	a.serve()
	p := a.paste("prod")
	s := kube.Start(t, kube.Options{LogDir: p.logs, Flags: p.flags})
	if _, complaint, err := s.Kubectl(s.Admin(), "", "create", "secret", "generic", "first", "--from-literal=k=v"); err != nil {
		t.Fatal(err, complaint)
	}
	a.soonFinds("verb:create resource:secrets name:first")
	if page, err := fetch(http.DefaultClient, "http://"+a.http+"/"); err != nil || !strings.Contains(page, "<title>Annals</title>") {
		t.Errorf("the web UI: %v\n%s", err, page)
	}
	ledger := "http://" + a.http + "/api/v1/ledger"
	if answer, err := fetch(http.DefaultClient, ledger); err == nil || !strings.HasPrefix(err.Error(), "401") {
		t.Errorf("nobody in particular is told of the ledger: %v\n%s", err, answer)
	}
	me := &http.Client{Transport: bearer(bytes.TrimSpace(a.must("token", "create", "--role", "admin", "--name", "you")))}
	if answer, err := fetch(me, ledger); err != nil || !strings.Contains(answer, `"prod"`) {
		t.Errorf("the ledger as the UI shows it: %v\n%s", err, answer)
	}
	a.must("verify")
	// What happens while the API server stops comes after its webhook has: it is in the log alone.
	s.Stop()
	a.must("import", "--cluster", "prod", p.logs)
	a.isComplete(s)
	a.stop()
	a.must("verify")
}
