package e2e

import (
	"bytes"
	"net/http"
	"testing"

	"annals.dev/test/e2e/kube"
)

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
	if page, err := fetch(http.DefaultClient, "http://"+a.http+"/"); err != nil || !bytes.Contains([]byte(page), []byte("prod")) {
		t.Errorf("the page of the server's state does not show the cluster: %v\n%s", err, page)
	}
	a.must("verify")
	// What happens while the API server stops comes after its webhook has: it is in the log alone.
	s.Stop()
	a.must("import", "--cluster", "prod", p.logs)
	a.isComplete(s)
	a.stop()
	a.must("verify")
}
